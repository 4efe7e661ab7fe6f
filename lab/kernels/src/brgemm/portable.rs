//! The register kernel in plain Rust: for `f64`, for processors without FMA, and for aarch64, where the compiler makes NEON of it.

use super::{Block, PANEL};
use crate::Real;

const ROWS: usize = 4;

/// # Safety
/// As for [`super::Element::block`].
pub(super) unsafe fn block<R: Real>(block: &Block<'_, R>, a: *const R, b: *const R, c: *mut R) {
    let mut i = 0;
    while i < block.m {
        let rows = ROWS.min(block.m - i);
        // SAFETY: rows i.. of A and C, as the caller promises.
        unsafe { strip(block, rows, a.add(i * block.row), b, c.add(i * block.ldc)) };
        i += rows;
    }
}

/// # Safety
/// As for [`super::Element::block`], for `rows <= ROWS` rows.
unsafe fn strip<R: Real>(block: &Block<'_, R>, rows: usize, a: *const R, b: *const R, c: *mut R) {
    let mut sums = [[R::default(); PANEL]; ROWS];
    for seg in block.segs {
        for p in 0..block.k {
            // SAFETY: the segment's elements exist, as the caller promises.
            let line = unsafe { std::slice::from_raw_parts(b.add(seg.b + p * block.ldb), block.n) };
            for (r, sum) in sums.iter_mut().enumerate().take(rows) {
                // SAFETY: the same.
                let x = unsafe { *a.add(seg.a + r * block.row + p * block.column) };
                for (s, y) in sum.iter_mut().zip(line) {
                    *s = x.fused(*y, *s);
                }
            }
        }
    }
    for (r, sum) in sums.iter().enumerate().take(rows) {
        // SAFETY: row r of C exists and is ours alone.
        let row = unsafe { std::slice::from_raw_parts_mut(c.add(r * block.ldc), block.n) };
        for (j, (y, s)) in row.iter_mut().zip(sum).enumerate() {
            let mut z = if block.add { *y + *s } else { *s };
            if let Some((bias, slope)) = block.finish {
                if let Some(bias) = bias {
                    z += bias[j];
                }
                // NaN stays.
                z = if z <= R::default() { slope * z } else { z };
            }
            *y = z;
        }
    }
}
