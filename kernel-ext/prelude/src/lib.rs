//! kernel-ext/prelude
