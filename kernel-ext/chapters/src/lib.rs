//! kernel-ext/chapters
