//! What a long computation tells its watcher, and how a cell's process talks to the kernel.
//!
//! - [`Watcher`] receives [`Event`]s: `lab` and `data` report through it and never draw; `lathe-display` draws them in a
//!   cell, in a terminal or not at all.
//! - [`interrupt`] is the flag that a long computation asks between two steps.
//! - [`frame`] is the line format in which a cell's process sends pictures and errors to the kernel, between the cell's own prints.
//! - [`inbox`] is the way back: answers of the user and messages of widgets, from the kernel to a cell's process.

pub mod frame;
pub mod inbox;
pub mod interrupt;
mod watch;

pub use watch::{Event, Image, Silent, Watcher};
