//! Parts of sequences: the last step, and the halves of what a bidirectional layer makes.

use crate::Real;

/// The last of `steps` steps of each row (zeros where there is none): `(rows, steps, width)` to `(rows, width)`.
pub(crate) fn last_step<R: Real>((steps, width): (usize, usize), x: &[R], y: &mut [R]) {
    if steps * width == 0 {
        return y.fill(R::default());
    }
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(steps * width)) {
        y.copy_from_slice(&x[(steps - 1) * width..]);
    }
}

/// Writes the last of `steps` steps of each row of a `dx` of zeros.
pub(crate) fn put_last_step<R: Real>((steps, width): (usize, usize), dy: &[R], dx: &mut [R]) {
    if steps * width > 0 {
        for (dy, dx) in dy.chunks_exact(width).zip(dx.chunks_exact_mut(steps * width)) {
            dx[(steps - 1) * width..].copy_from_slice(dy);
        }
    }
}

/// Columns `from..from + n` of rows of `width` values, as rows of their own.
pub(crate) fn columns<R: Real>((width, from, n): (usize, usize, usize), x: &[R], y: &mut [R]) {
    if n > 0 {
        for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(width)) {
            y.copy_from_slice(&x[from..from + n]);
        }
    }
}

/// Writes such rows into the columns `from..from + n` of x.
pub(crate) fn put_columns<R: Real>((width, from, n): (usize, usize, usize), y: &[R], x: &mut [R]) {
    if n > 0 {
        for (y, x) in y.chunks_exact(n).zip(x.chunks_exact_mut(width)) {
            x[from..from + n].copy_from_slice(y);
        }
    }
}
