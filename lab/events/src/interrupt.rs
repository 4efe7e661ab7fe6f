//! The interrupt flag of this process: set by the kernel's "stop" button or Ctrl-C, asked by long computations.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The computation was stopped by the user at a safe point; whatever it had finished is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted: the work done so far is kept, run the cell again to go on")
    }
}

impl std::error::Error for Interrupted {}

/// Asks the running computation to stop at its next safe point. Async-signal-safe.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Forgets a request, at the start of each cell.
pub fn clear() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Has somebody asked to stop?
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// `Err(Interrupted)` once somebody has asked to stop: call it between two steps of a long loop.
///
/// # Errors
/// [`Interrupted`] when [`request`] was called since the last [`clear`].
pub fn check() -> Result<(), Interrupted> {
    if requested() { Err(Interrupted) } else { Ok(()) }
}
