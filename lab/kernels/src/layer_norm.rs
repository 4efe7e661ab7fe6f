//! Layer normalisation: each row is brought to mean 0 and variance 1, then scaled and shifted (Ba, Kiros and Hinton 2016).

// An index is a column of several slices at once.
#![allow(clippy::needless_range_loop)]

use crate::{
    Real, dense,
    dispatch::{Work, wide},
    par::{self, Shared},
    pool::Buf,
};

/// Values of a task.
const PART: usize = 16 * 1024;
/// Sums of a row are made of this many partial sums, whatever the machine's vectors.
const LANES: usize = 16;

/// y = (x − mean) inverse weight + bias with inverse = 1 / sqrt(variance + epsilon), for rows of `weight.len()` values.
/// `kept` gets each row's mean and inverse.
///
/// # Panics
/// When the lengths do not fit.
pub fn forward<R: Real>(x: &[R], weight: &[R], bias: &[R], epsilon: f64, y: &mut [R], kept: &mut [R]) {
    let width = weight.len();
    assert!(x.len() == y.len() && kept.len() * width == 2 * x.len() && bias.len() == width, "layer norm: sizes");
    let rows = (PART / width.max(1)).max(1);
    let (count, out, keep) = (kept.len() / 2, Shared::new(y), Shared::new(kept));
    par::each(count.div_ceil(rows), |i| {
        let (from, n) = (i * rows, rows.min(count - i * rows));
        // SAFETY: each part's rows are written by one call.
        let (y, kept) = unsafe { (out.part(from * width, n * width), keep.part(2 * from, 2 * n)) };
        wide(Forward { x: &x[from * width..(from + n) * width], weight, bias, epsilon: R::of(epsilon), y, kept });
    });
}

/// Turns `dy` into the gradient of x and adds those of weight and bias.
///
/// With x̂ = (x − mean) inverse and g = dy weight: dx = inverse (g − mean of g − x̂ times the mean of g x̂).
///
/// # Panics
/// When the lengths do not fit.
pub fn backward<R: Real>(dy: &mut [R], x: &[R], weight: &[R], kept: &[R], d_weight: &mut [R], d_bias: &mut [R]) {
    let width = weight.len();
    assert!(x.len() == dy.len() && kept.len() * width == 2 * x.len(), "layer norm: sizes");
    assert!(d_weight.len() == width && d_bias.len() == width, "layer norm: sizes of the gradients");
    let rows = (PART / width.max(1)).max(1);
    let count = kept.len() / 2;
    let parts = count.div_ceil(rows);
    let mut sums = Buf::zeros(parts * 2 * width);
    let (out, to) = (Shared::new(dy), Shared::new(&mut sums));
    par::each(parts, |i| {
        let (from, n) = (i * rows, rows.min(count - i * rows));
        // SAFETY: each part's rows and sums are written by one call.
        let (dy, sums) = unsafe { (out.part(from * width, n * width), to.part(2 * i * width, 2 * width)) };
        wide(Backward { dy, x: &x[from * width..], weight, kept: &kept[2 * from..2 * (from + n)], sums });
    });
    for part in sums.chunks(2 * width.max(1)) {
        dense::add(d_weight, &part[..width]);
        dense::add(d_bias, &part[width..]);
    }
}

/// Σ f(i) over a row of `n` values, in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn sum<R: Real>(n: usize, f: impl Fn(usize) -> R) -> R {
    let mut lanes = [R::default(); LANES];
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for (j, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + j);
        }
    }
    for (lane, i) in lanes.iter_mut().zip(whole..n) {
        *lane += f(i);
    }
    // Halves, so that the rounding errors of a long sum do not pile up in one number.
    let mut half = LANES / 2;
    while half > 0 {
        for j in 0..half {
            let other = lanes[j + half];
            lanes[j] += other;
        }
        half /= 2;
    }
    lanes[0]
}

struct Forward<'a, R> {
    x: &'a [R],
    weight: &'a [R],
    bias: &'a [R],
    epsilon: R,
    y: &'a mut [R],
    kept: &'a mut [R],
}

impl<R: Real> Work for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let n = self.weight.len();
        let (weight, bias) = (&self.weight[..n], &self.bias[..n]);
        let share = R::of(1.0 / n as f64);
        for ((x, y), kept) in self.x.chunks_exact(n).zip(self.y.chunks_exact_mut(n)).zip(self.kept.chunks_exact_mut(2))
        {
            let mean = sum(n, |i| x[i]) * share;
            let variance = sum(n, |i| (x[i] - mean) * (x[i] - mean)) * share;
            let inverse = R::ONE / (variance + self.epsilon).sqrt();
            for j in 0..n {
                y[j] = (x[j] - mean) * inverse * weight[j] + bias[j];
            }
            kept.copy_from_slice(&[mean, inverse]);
        }
    }
}

struct Backward<'a, R> {
    dy: &'a mut [R],
    x: &'a [R],
    weight: &'a [R],
    kept: &'a [R],
    sums: &'a mut [R],
}

impl<R: Real> Work for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let n = self.weight.len();
        let weight = &self.weight[..n];
        let (d_weight, d_bias) = self.sums.split_at_mut(n);
        let share = R::of(1.0 / n as f64);
        for ((dy, x), kept) in self.dy.chunks_exact_mut(n).zip(self.x.chunks_exact(n)).zip(self.kept.chunks_exact(2)) {
            let (mean, inverse) = (kept[0], kept[1]);
            let centre = sum(n, |i| dy[i] * weight[i]) * share;
            let tilt = sum(n, |i| dy[i] * weight[i] * (x[i] - mean)) * inverse * share;
            let d_weight = &mut d_weight[..n];
            for j in 0..n {
                d_weight[j] += dy[j] * ((x[j] - mean) * inverse);
            }
            dense::add_inline(d_bias, dy);
            for j in 0..n {
                dy[j] = inverse * (dy[j] * weight[j] - centre - (x[j] - mean) * inverse * tilt);
            }
        }
    }
}
