//! The dylib that cells link.
pub use lathe_prelude::*;

#[doc(hidden)]
pub mod instances;
