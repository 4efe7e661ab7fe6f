//! Softmax of rows, for itself and inside of attention.

use crate::{
    Real,
    dispatch::{Work, wide},
    layer_norm::sum,
    par::{self, Shared},
};

/// Values of a task.
const PART: usize = 16 * 1024;
/// A row's maximum is made of this many partial ones.
const LANES: usize = 16;

/// z becomes exp(scale z − max) / Σ; returns what is taken off and 1 / Σ. A row of −∞ becomes zeros; NaN spreads over its row.
#[inline(always)]
pub(crate) fn row<R: Real>(z: &mut [R], scale: R) -> (R, R) {
    let mut lanes = [R::of(f64::NEG_INFINITY); LANES];
    let mut chunks = z.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, z) in lanes.iter_mut().zip(chunk) {
            *lane = if *z > *lane { *z } else { *lane };
        }
    }
    for (lane, z) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = if *z > *lane { *z } else { *lane };
    }
    let top = lanes.iter().fold(lanes[0], |top, lane| if *lane > top { *lane } else { top });
    // All are −∞, or NaN: the latter pass on through the product below.
    let (top, dead) = if top > R::of(f64::NEG_INFINITY) { (top * scale, false) } else { (R::default(), true) };
    z.iter_mut().for_each(|z| *z = (*z * scale - top).exp());
    let total = sum(z.len(), |i| z[i]);
    // exp saturates at a tiny number, so a dead row is asked for by name.
    let inverse = if dead && !total.to_f64().is_nan() { R::default() } else { R::ONE / total };
    z.iter_mut().for_each(|z| *z = *z * inverse);
    (top, inverse)
}

/// y = softmax of rows of `width` values; or its logarithm.
///
/// # Panics
/// When the lengths differ.
pub fn forward<R: Real>(x: &[R], width: usize, log: bool, y: &mut [R]) {
    assert_eq!(x.len(), y.len(), "softmax: sizes");
    let size = (PART / width.max(1)).max(1) * width;
    let (len, out) = (x.len(), Shared::new(y));
    par::each(len.div_ceil(size.max(1)), |i| {
        let n = size.min(len - i * size);
        // SAFETY: each part is written by one call.
        let y = unsafe { out.part(i * size, n) };
        wide(Forward { x: &x[i * size..i * size + n], width, log, y });
    });
}

/// The gradient of y becomes that of x: dx = y (dy − Σ dy y), or dy − exp(y) Σ dy for the logarithm.
///
/// # Panics
/// When the lengths differ.
pub fn backward<R: Real>(dy: &mut [R], y: &[R], width: usize, log: bool) {
    assert_eq!(dy.len(), y.len(), "softmax: sizes");
    let size = (PART / width.max(1)).max(1) * width;
    let (len, out) = (y.len(), Shared::new(dy));
    par::each(len.div_ceil(size.max(1)), |i| {
        let n = size.min(len - i * size);
        // SAFETY: each part is changed by one call.
        let dy = unsafe { out.part(i * size, n) };
        wide(Backward { dy, y: &y[i * size..i * size + n], width, log });
    });
}

struct Forward<'a, R> {
    x: &'a [R],
    width: usize,
    log: bool,
    y: &'a mut [R],
}

impl<R: Real> Work for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        for (y, x) in self.y.chunks_exact_mut(self.width).zip(self.x.chunks_exact(self.width)) {
            y.copy_from_slice(x);
            let (top, inverse) = row(y, R::ONE);
            if self.log {
                let shift = top - inverse.ln();
                y.iter_mut().zip(x).for_each(|(y, x)| *y = *x - shift);
            }
        }
    }
}

struct Backward<'a, R> {
    dy: &'a mut [R],
    y: &'a [R],
    width: usize,
    log: bool,
}

impl<R: Real> Work for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        for (dy, y) in self.dy.chunks_exact_mut(self.width).zip(self.y.chunks_exact(self.width)) {
            if self.log {
                let total = sum(dy.len(), |i| dy[i]);
                dy.iter_mut().zip(y).for_each(|(d, y)| *d = *d - y.exp() * total);
            } else {
                let total = sum(dy.len(), |i| dy[i] * y[i]);
                dy.iter_mut().zip(y).for_each(|(d, y)| *d = *y * (*d - total));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_probabilities_and_logarithms_of_them() {
        let x: Vec<f32> =
            (0..3 * 37).map(|i| (i as f32 * 1.3).sin() * 30.0 + if i > 40 { 500.0 } else { 0.0 }).collect();
        let (mut y, mut logs) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        forward(&x, 37, false, &mut y);
        forward(&x, 37, true, &mut logs);
        for r in 0..3 {
            let x: Vec<f64> = x[r * 37..(r + 1) * 37].iter().map(|x| f64::from(*x)).collect();
            let top = x.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = x.iter().map(|x| (x - top).exp()).sum();
            for (j, x) in x.iter().enumerate() {
                let want = (x - top).exp() / total;
                assert!((f64::from(y[r * 37 + j]) - want).abs() < 1e-6, "{r} {j}");
                assert!((f64::from(logs[r * 37 + j]) - want.ln()).abs() < 1e-4, "{r} {j}");
            }
        }
    }

    #[test]
    fn dead_rows_are_zero_and_nan_spreads() {
        let low = f32::NEG_INFINITY;
        let mut y = vec![1.0; 6];
        forward(&[low, low, low, 1.0, f32::NAN, 2.0], 3, false, &mut y);
        assert_eq!(y[..3], [0.0; 3]);
        assert!(y[3..].iter().all(|y| y.is_nan()));
    }
}
