//! Buffers that are used again: a fresh block of tens of megabytes costs more in page faults than what is computed in it.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::Mutex,
};

use crate::Real;

/// Shorter buffers are left to the allocator, which keeps them at hand itself.
const SMALLEST: usize = 4096;
/// Bytes that wait at most; beyond that a returned buffer is freed.
const MOST: usize = 1 << 30;

/// Buffers that wait to be used again.
#[derive(Debug)]
pub struct Pool<R> {
    idle: Mutex<Idle<R>>,
}

#[derive(Debug)]
struct Idle<R> {
    by_capacity: BTreeMap<usize, Vec<Vec<R>>>,
    bytes: usize,
}

impl<R> Idle<R> {
    const NONE: Self = Self { by_capacity: BTreeMap::new(), bytes: 0 };
}

impl<R> Pool<R> {
    /// A pool without buffers.
    pub const fn new() -> Self {
        Self { idle: Mutex::new(Idle::NONE) }
    }
}

impl<R> Default for Pool<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Real> Pool<R> {
    fn take(&self, len: usize) -> Option<Vec<R>> {
        let mut idle = self.idle.lock().ok()?;
        // Not a much larger one: it may be wanted for its own size.
        let size = *idle.by_capacity.range(len..=len + len / 4).next()?.0;
        let found = idle.by_capacity.get_mut(&size)?.pop()?;
        if idle.by_capacity.get(&size).is_some_and(Vec::is_empty) {
            idle.by_capacity.remove(&size);
        }
        idle.bytes -= size * size_of::<R>();
        Some(found)
    }

    fn give(&self, buffer: Vec<R>) {
        let bytes = buffer.capacity() * size_of::<R>();
        let Ok(mut idle) = self.idle.lock() else { return };
        if idle.bytes + bytes <= MOST {
            idle.bytes += bytes;
            idle.by_capacity.entry(buffer.capacity()).or_default().push(buffer);
        }
    }

    /// Frees what waits.
    pub fn clear(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            *idle = Idle::NONE;
        }
    }
}

/// A slice of numbers whose memory goes back to the pool when it is dropped.
///
/// ```
/// use lathe_kernels::pool::Buf;
/// let mut x = Buf::<f32>::zeros(3);
/// x[1] = 2.0;
/// assert_eq!(x.into_vec(), [0.0, 2.0, 0.0]);
/// ```
#[derive(Debug, Default, PartialEq)]
pub struct Buf<R: Real>(Vec<R>);

impl<R: Real> Buf<R> {
    /// `len` numbers of any value: for results that are written in full.
    pub fn any(len: usize) -> Self {
        if len < SMALLEST {
            return Self(vec![R::default(); len]);
        }
        let Some(mut found) = R::pool().take(len) else { return Self(vec![R::default(); len]) };
        found.truncate(len);
        found.resize(len, R::default());
        Self(found)
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::any(len);
        buffer.fill(R::default());
        buffer
    }

    /// A copy.
    pub fn copy(values: &[R]) -> Self {
        let mut buffer = Self::any(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// The numbers as a vector, which no pool gets back.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<R> {
        std::mem::take(&mut self.0)
    }
}

impl<R: Real> From<Vec<R>> for Buf<R> {
    fn from(values: Vec<R>) -> Self {
        Self(values)
    }
}

impl<R: Real> Clone for Buf<R> {
    fn clone(&self) -> Self {
        Self::copy(self)
    }
}

impl<R: Real> Drop for Buf<R> {
    fn drop(&mut self) {
        if self.0.capacity() >= SMALLEST {
            R::pool().give(std::mem::take(&mut self.0));
        }
    }
}

impl<R: Real> Deref for Buf<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        &self.0
    }
}

impl<R: Real> DerefMut for Buf<R> {
    fn deref_mut(&mut self) -> &mut [R] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_zeros_are_zeros() {
        let mut first = Buf::<f64>::any(70_001);
        let place = first.as_ptr();
        first.fill(7.0);
        drop(first);
        // Another test may take it first, but nobody else asks for these sizes.
        let second = Buf::<f64>::zeros(70_000);
        assert_eq!(second.as_ptr(), place);
        assert_eq!(second.len(), 70_000);
        assert!(second.iter().all(|x| *x == 0.0));
    }
}
