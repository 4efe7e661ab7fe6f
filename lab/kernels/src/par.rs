//! Work in parallel on parts that are the same however many threads there are.

use rayon::prelude::*;

/// Calls `work` once for each number below `parts`, on rayon's threads (the caller's pool).
pub(crate) fn each(parts: usize, work: impl Fn(usize) + Sync + Send) {
    if parts <= 1 || rayon::current_num_threads() == 1 {
        (0..parts).for_each(work);
    } else {
        (0..parts).into_par_iter().with_max_len(1).for_each(work);
    }
}

/// A buffer of which each part of the work writes elements of its own.
pub(crate) struct Shared<R>(*mut R, usize);

// SAFETY: only `row` gives access, and its caller promises that no two threads touch one element.
unsafe impl<R: Send> Sync for Shared<R> {}

impl<R> Shared<R> {
    /// The buffer is borrowed for as long as the caller keeps `buffer` borrowed.
    pub fn new(buffer: &mut [R]) -> Self {
        Self(buffer.as_mut_ptr(), buffer.len())
    }

    /// The same buffer.
    pub fn again(&self) -> Self {
        Self(self.0, self.1)
    }

    /// The address of an element.
    ///
    /// # Panics
    /// When there is none.
    pub fn at(&self, index: usize) -> *mut R {
        assert!(index < self.1, "outside of the buffer");
        self.0.wrapping_add(index)
    }

    /// Elements `from..from + len`.
    ///
    /// # Safety
    /// Nobody else uses one of them while the slice lives.
    ///
    /// # Panics
    /// When they do not all exist.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, from: usize, len: usize) -> &mut [R] {
        assert!(from <= self.1 && len <= self.1 - from, "outside of the buffer");
        // SAFETY: the elements exist, as just seen, and belong to the caller alone.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(from), len) }
    }
}
