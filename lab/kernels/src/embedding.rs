//! Tables that are read by row: embeddings and positions, and single steps of sequences.

use crate::{
    Real, dense,
    par::{self, Shared},
};

/// Rows of a task.
const ROWS: usize = 256;
/// Columns of a task.
const COLUMNS: usize = 64;

/// Row i of y is row `ids[i]` of the table.
///
/// # Panics
/// When an id has no row, or the lengths do not fit.
pub fn gather<R: Real>(ids: &[usize], table: &[R], width: usize, y: &mut [R]) {
    assert_eq!(y.len(), ids.len() * width, "embedding: sizes");
    let out = Shared::new(y);
    par::each(ids.len().div_ceil(ROWS), |i| {
        let ids = &ids[i * ROWS..ids.len().min((i + 1) * ROWS)];
        // SAFETY: each part is written by one call.
        let y = unsafe { out.part(i * ROWS * width, ids.len() * width) };
        for (y, id) in y.chunks_exact_mut(width.max(1)).zip(ids) {
            y.copy_from_slice(&table[id * width..(id + 1) * width]);
        }
    });
}

/// Adds row i of dy to row `ids[i]` of the table's gradient, in the order of the rows.
///
/// # Panics
/// When an id has no row, or the lengths do not fit.
pub fn scatter<R: Real>(ids: &[usize], dy: &[R], width: usize, d_table: &mut [R]) {
    assert!(dy.len() == ids.len() * width && d_table.len().is_multiple_of(width.max(1)), "embedding: sizes");
    let out = Shared::new(d_table);
    par::each(width.div_ceil(COLUMNS), |part| {
        let first = part * COLUMNS;
        let n = COLUMNS.min(width - first);
        for (dy, id) in dy.chunks_exact(width).zip(ids) {
            // SAFETY: each part of the columns belongs to one call.
            dense::add(unsafe { out.part(id * width + first, n) }, &dy[first..first + n]);
        }
    });
}

/// y = x + table, for each `table.len()` values of x.
///
/// # Panics
/// When the lengths do not fit.
pub fn add_table<R: Real>(x: &[R], table: &[R], y: &mut [R]) {
    assert!(x.len() == y.len() && x.len().is_multiple_of(table.len().max(1)), "positions: sizes");
    let (n, out) = (table.len(), Shared::new(y));
    par::each(x.len().checked_div(n).unwrap_or(0), |i| {
        // SAFETY: each part is written by one call.
        let y = unsafe { out.part(i * n, n) };
        y.copy_from_slice(&x[i * n..(i + 1) * n]);
        dense::add(y, table);
    });
}

/// Adds every `sum.len()` values of x to `sum`.
pub fn sum_tables<R: Real>(x: &[R], sum: &mut [R]) {
    let (n, out) = (sum.len(), Shared::new(sum));
    par::each(n.div_ceil(1024), |part| {
        let first = part * 1024;
        let width = 1024.min(n - first);
        // SAFETY: each part of the columns belongs to one call.
        let sum = unsafe { out.part(first, width) };
        for x in x.chunks_exact(n) {
            dense::add(sum, &x[first..first + width]);
        }
    });
}

/// sin and cos of position / 10000^(2 i / width) in columns 2 i and 2 i + 1, for positions `0..steps`.
pub fn sinusoids<R: Real>(steps: usize, width: usize, table: &mut [R]) {
    assert_eq!(table.len(), steps * width, "positions: sizes");
    for (position, row) in table.chunks_exact_mut(width.max(1)).enumerate() {
        for (j, x) in row.iter_mut().enumerate() {
            let angle = position as f64 / 10_000.0_f64.powf((j / 2 * 2) as f64 / width as f64);
            *x = R::of(if j % 2 == 0 { angle.sin() } else { angle.cos() });
        }
    }
}

/// y += x, in parallel.
///
/// # Panics
/// When the lengths differ.
pub fn add<R: Real>(y: &mut [R], x: &[R]) {
    const PART: usize = 32 * 1024;
    assert_eq!(x.len(), y.len(), "add: sizes");
    let (len, out) = (x.len(), Shared::new(y));
    par::each(len.div_ceil(PART), |i| {
        let (from, n) = (i * PART, PART.min(len - i * PART));
        // SAFETY: each part is changed by one call.
        dense::add(unsafe { out.part(from, n) }, &x[from..from + n]);
    });
}

/// Step `at` of each sequence of `steps` steps of `width` values.
///
/// # Panics
/// When there is no such step or the lengths do not fit.
pub fn step<R: Real>(x: &[R], (steps, width, at): (usize, usize, usize), y: &mut [R]) {
    assert!(at < steps && x.len() == y.len() * steps, "step {at} of {steps}");
    for (y, x) in y.chunks_exact_mut(width.max(1)).zip(x.chunks_exact(steps * width.max(1))) {
        y.copy_from_slice(&x[at * width..(at + 1) * width]);
    }
}

/// The gradient of [`step`]: zero at the other steps.
///
/// # Panics
/// As [`step`].
pub fn step_back<R: Real>(dy: &[R], (steps, width, at): (usize, usize, usize), dx: &mut [R]) {
    assert!(at < steps && dx.len() == dy.len() * steps, "step {at} of {steps}");
    dx.fill(R::default());
    for (dy, dx) in dy.chunks_exact(width.max(1)).zip(dx.chunks_exact_mut(steps * width.max(1))) {
        dx[at * width..(at + 1) * width].copy_from_slice(dy);
    }
}

/// x *= factor.
pub fn scale<R: Real>(x: &mut [R], factor: R) {
    x.iter_mut().for_each(|x| *x = *x * factor);
}
