//! kernel-ext/display
