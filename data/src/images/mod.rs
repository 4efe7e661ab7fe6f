//! Generated images with known content.

mod solder;

pub use solder::{Joint, SolderImages, solder_joints};
