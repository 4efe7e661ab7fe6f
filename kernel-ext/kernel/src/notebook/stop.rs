use std::sync::atomic::{AtomicU32, Ordering};

/// A wish to stop a run: none, or as many as somebody counts up (for example a handler of Ctrl-C). The first interrupts
/// the running cells, each further one presses on; no new cell is started.
///
/// ```
/// use lathe_kernel::notebook::Stop;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// static PRESSED: AtomicU32 = AtomicU32::new(0);
/// let stop = Stop::watch(&PRESSED);
/// assert!(!stop.is_requested());
/// PRESSED.fetch_add(1, Ordering::SeqCst);
/// assert!(stop.is_requested() && !Stop::default().is_requested());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop(Option<&'static AtomicU32>);

impl Stop {
    /// Looks at this counter.
    pub fn watch(counter: &'static AtomicU32) -> Self {
        Self(Some(counter))
    }

    /// Has anybody asked?
    pub fn is_requested(self) -> bool {
        self.requests() > 0
    }

    /// How often.
    pub(super) fn requests(self) -> u32 {
        self.0.map_or(0, |counter| counter.load(Ordering::SeqCst))
    }

    /// Can a request come at all?
    pub(super) fn is_watched(self) -> bool {
        self.0.is_some()
    }
}
