//! The dylib that cells link.
pub use lathe_prelude::*;
