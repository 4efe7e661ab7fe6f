//! Losses and their gradients, each in one parallel pass: the value is summed and the gradient written while the inputs are at
//! hand. Parts have fixed sizes and are added in order, so that the number of threads does not change a bit.

use rayon::prelude::*;

use crate::{
    Real,
    dispatch::{Work, wide},
};

/// Values of a task.
const CHUNK: usize = 8 * 1024;
/// Fewer values than this stay on the calling thread.
const SMALL: usize = 2 * CHUNK;
/// Sums run side by side in this many lanes, on machines with narrower vectors too.
const LANES: usize = 16;

/// A loss that compares a prediction x with a target t, element by element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pair {
    /// max(x, 0) − x t + ln(1 + exp(−|x|)), for logits x; the part for t = 1 is multiplied by the weight of the column.
    Bce,
    /// (x − t)².
    Squared,
    /// |x − t|; gradient 0 where they are equal.
    Absolute,
    /// ½ d² for |d| < δ, else δ (|d| − ½ δ), with d = x − t.
    Huber(f64),
    /// max(0, 1 − t x).
    Hinge,
    /// x t.
    Product,
}

/// The terms of [`Pair`] as code: value and slope for one element.
trait Term<R>: Copy + Send + Sync {
    fn at(&self, x: R, t: R, weight: R) -> (R, R);
}

/// The sum of a loss over all elements, in `f64`. `targets` has as many values as `x`, or one for all; `weights` one for each
/// column, or none. The slopes are written to `gradient` unless it is empty.
///
/// # Panics
/// When lengths do not fit.
pub fn pair<R: Real>(loss: Pair, x: &[R], targets: &[R], weights: &[R], gradient: &mut [R]) -> f64 {
    let zero = R::default();
    match loss {
        Pair::Bce => sum(x, targets, weights, gradient, bce::<R>),
        Pair::Squared => sum(x, targets, weights, gradient, |x: R, t: R, _: R| {
            let d = x - t;
            (d * d, d + d)
        }),
        Pair::Absolute => sum(x, targets, weights, gradient, move |x: R, t: R, _: R| {
            let d = x - t;
            // Comparisons written this way keep NaN.
            if d > zero {
                (d, R::ONE)
            } else if d < zero {
                (-d, -R::ONE)
            } else {
                (d, d)
            }
        }),
        Pair::Huber(delta) => {
            let (delta, half) = (R::of(delta), R::of(0.5));
            sum(x, targets, weights, gradient, move |x: R, t: R, _: R| {
                let d = x - t;
                if d >= delta {
                    (delta * (d - half * delta), delta)
                } else if d <= -delta {
                    (-delta * (d + half * delta), -delta)
                } else {
                    (half * d * d, d)
                }
            })
        }
        Pair::Hinge => sum(x, targets, weights, gradient, move |x: R, t: R, _: R| {
            let margin = R::ONE - t * x;
            if margin <= zero { (zero, zero) } else { (margin, -t) }
        }),
        Pair::Product => sum(x, targets, weights, gradient, |x: R, t: R, _: R| (x * t, t)),
    }
}

#[inline(always)]
fn bce<R: Real>(l: R, t: R, weight: R) -> (R, R) {
    let zero = R::default();
    let (negative, size) = if l > zero { (zero, l) } else { (-l, -l) };
    let small = (-size).exp();
    let factor = R::ONE + (weight - R::ONE) * t;
    // s(l) = 1 / (1 + e^-l) from the same exponential.
    let share = R::ONE / (R::ONE + small);
    let probability = if l > zero { share } else { small * share };
    ((R::ONE - t) * l + factor * (small.ln_1p() + negative), factor * probability - weight * t)
}

impl<R: Real, F: Fn(R, R, R) -> (R, R) + Copy + Send + Sync> Term<R> for F {
    #[inline(always)]
    fn at(&self, x: R, t: R, weight: R) -> (R, R) {
        self(x, t, weight)
    }
}

/// Runs `work` for all parts, in parallel if there are enough values, and adds what they return in order.
fn total<P: Send>(values: usize, parts: Vec<P>, work: impl Fn(P) -> f64 + Sync + Send) -> f64 {
    if values < SMALL || rayon::current_num_threads() == 1 {
        parts.into_iter().map(work).sum()
    } else {
        parts.into_par_iter().map(work).collect::<Vec<f64>>().into_iter().sum()
    }
}

fn sum<R: Real>(x: &[R], targets: &[R], weights: &[R], gradient: &mut [R], term: impl Term<R>) -> f64 {
    let n = x.len();
    assert!(targets.len() == n || targets.len() == 1, "loss: targets");
    assert!(gradient.len() == n || gradient.is_empty(), "loss: gradient");
    assert!(weights.is_empty() || n.is_multiple_of(weights.len()), "loss: weights");
    // Rows of a part are whole, so that each starts with the first weight.
    let size = if weights.len() > 1 { (CHUNK / weights.len()).max(1) * weights.len() } else { CHUNK };
    let mut slopes = gradient.chunks_mut(size);
    let mut parts = Vec::with_capacity(n.div_ceil(size));
    for (index, x) in x.chunks(size).enumerate() {
        let targets = if targets.len() == n && n != 1 { &targets[index * size..][..x.len()] } else { targets };
        parts.push((x, targets, slopes.next().unwrap_or_default()));
    }
    total(n, parts, |(x, targets, gradient)| {
        let mut out = 0.0;
        wide(Sum { x, targets, weights, gradient, term, out: &mut out });
        out
    })
}

struct Sum<'a, R, F> {
    x: &'a [R],
    targets: &'a [R],
    weights: &'a [R],
    gradient: &'a mut [R],
    term: F,
    out: &'a mut f64,
}

/// Up to [`LANES`] values, the rest filled with `R::default()`.
#[inline(always)]
fn lanes<R: Real>(values: &[R], from: usize, len: usize) -> [R; LANES] {
    let mut out = [R::default(); LANES];
    if len == LANES {
        out.copy_from_slice(&values[from..from + LANES]);
    } else {
        out[..len].copy_from_slice(&values[from..from + len]);
    }
    out
}

impl<R: Real, F: Term<R>> Work for Sum<'_, R, F> {
    #[inline(always)]
    fn run(self) {
        let n = self.x.len();
        let row = if self.weights.len() > 1 { self.weights.len() } else { n };
        let one = self.weights.first().copied().unwrap_or(R::ONE);
        let mut sums = [0.0f64; LANES];
        let mut start = 0;
        while start < n {
            let mut at = 0;
            while at < row {
                let (from, len) = (start + at, LANES.min(row - at));
                let x = lanes(self.x, from, len);
                let t = if self.targets.len() == 1 { [self.targets[0]; LANES] } else { lanes(self.targets, from, len) };
                let w = if self.weights.len() > 1 { lanes(self.weights, at, len) } else { [one; LANES] };
                let (mut values, mut slopes) = ([R::default(); LANES], [R::default(); LANES]);
                for i in 0..LANES {
                    (values[i], slopes[i]) = self.term.at(x[i], t[i], w[i]);
                }
                for i in 0..LANES {
                    // What fills up a short block does not count.
                    sums[i] += if i < len { values[i].to_f64() } else { 0.0 };
                }
                if !self.gradient.is_empty() {
                    self.gradient[from..from + len].copy_from_slice(&slopes[..len]);
                }
                at += LANES;
            }
            start += row.max(1);
        }
        *self.out = sums.iter().sum();
    }
}

/// For each row of `width` values the sum of a loss that is computed on that row alone.
fn each_row<R: Real>(n: usize, width: usize, row: impl Fn(usize) -> f64 + Sync + Send) -> Vec<R> {
    (0..n / width.max(1)).map(|i| R::of(row(i))).collect()
}

/// max(l, 0) − l t + ln(1 + exp(−|l|)), summed over each row.
pub(crate) fn bce_rows<R: Real>(logits: &[R], targets: &[R], width: usize) -> Vec<R> {
    assert_eq!(logits.len(), targets.len(), "bce: sizes");
    let part = |i: usize| i * width..(i + 1) * width;
    each_row(logits.len(), width, |i| pair(Pair::Bce, &logits[part(i)], &targets[part(i)], &[], &mut []))
}

/// (prediction − target)², summed over each row.
pub(crate) fn squared_rows<R: Real>(prediction: &[R], target: &[R], width: usize) -> Vec<R> {
    assert_eq!(prediction.len(), target.len(), "squared error: sizes");
    let part = |i: usize| i * width..(i + 1) * width;
    each_row(prediction.len(), width, |i| pair(Pair::Squared, &prediction[part(i)], &target[part(i)], &[], &mut []))
}

/// ½ (mean² + exp(log_var) − 1 − log_var), summed over each row.
pub(crate) fn kl_rows<R: Real>(mean: &[R], log_var: &[R], width: usize) -> Vec<R> {
    assert_eq!(mean.len(), log_var.len(), "kl: sizes");
    let part = |i: usize| i * width..(i + 1) * width;
    each_row(mean.len(), width, |i| kl(&mean[part(i)], &log_var[part(i)], (&mut [], &mut [])))
}

/// ½ ((target − prediction)² exp(−log_var) + log_var + ln 2π), summed over each row; one log_var for each column.
pub(crate) fn nll_rows<R: Real>(prediction: &[R], target: &[R], log_var: &[R]) -> Vec<R> {
    assert_eq!(prediction.len(), target.len(), "nll: sizes");
    let part = |i: usize| i * log_var.len()..(i + 1) * log_var.len();
    let row = |i: usize| nll(&prediction[part(i)], &target[part(i)], log_var, (&mut [], &mut []));
    each_row(prediction.len(), log_var.len(), row)
}

/// A loss of two inputs with a gradient for each: both slopes are written unless the slices are empty.
fn two<R: Real>(
    a: &[R],
    b: &[R],
    (da, db): (&mut [R], &mut [R]),
    term: impl Fn(R, R) -> (R, R, R) + Copy + Sync + Send,
) -> f64 {
    struct Two<'a, R, F>(&'a [R], &'a [R], &'a mut [R], &'a mut [R], F, &'a mut f64);
    impl<R: Real, F: Fn(R, R) -> (R, R, R)> Work for Two<'_, R, F> {
        #[inline(always)]
        fn run(self) {
            let mut sums = [0.0f64; LANES];
            for from in (0..self.0.len()).step_by(LANES) {
                let len = LANES.min(self.0.len() - from);
                let (a, b) = (lanes(self.0, from, len), lanes(self.1, from, len));
                let (mut values, mut da, mut db) =
                    ([R::default(); LANES], [R::default(); LANES], [R::default(); LANES]);
                for i in 0..LANES {
                    (values[i], da[i], db[i]) = self.4(a[i], b[i]);
                }
                for i in 0..LANES {
                    sums[i] += if i < len { values[i].to_f64() } else { 0.0 };
                }
                if !self.2.is_empty() {
                    self.2[from..from + len].copy_from_slice(&da[..len]);
                    self.3[from..from + len].copy_from_slice(&db[..len]);
                }
            }
            *self.5 = sums.iter().sum();
        }
    }
    assert!(a.len() == b.len() && da.len() == db.len(), "loss: sizes");
    assert!(da.len() == a.len() || da.is_empty(), "loss: gradients");
    let (mut da, mut db) = (da.chunks_mut(CHUNK), db.chunks_mut(CHUNK));
    let parts: Vec<_> = a
        .chunks(CHUNK)
        .zip(b.chunks(CHUNK))
        .map(|(a, b)| (a, b, da.next().unwrap_or_default(), db.next().unwrap_or_default()))
        .collect();
    total(a.len(), parts, |(a, b, da, db)| {
        let mut out = 0.0;
        wide(Two(a, b, da, db, term, &mut out));
        out
    })
}

/// Σ ½ (mean² + exp(log_var) − 1 − log_var); the slopes for mean and log_var unless those slices are empty.
pub fn kl<R: Real>(mean: &[R], log_var: &[R], slopes: (&mut [R], &mut [R])) -> f64 {
    let half = R::of(0.5);
    two(mean, log_var, slopes, move |m, l| {
        let variance = l.exp();
        (half * (m * m + variance - R::ONE - l), m, half * (variance - R::ONE))
    })
}

/// Σ ½ ((target − prediction)² exp(−log_var) + log_var + ln 2π) with one log_var for each column; the slopes for prediction
/// and log_var unless those slices are empty.
///
/// # Panics
/// When lengths do not fit.
pub fn nll<R: Real>(prediction: &[R], target: &[R], log_var: &[R], (dp, dl): (&mut [R], &mut [R])) -> f64 {
    struct Rows<'a, R> {
        prediction: &'a [R],
        target: &'a [R],
        /// exp(−log_var) of each column.
        precision: &'a [R],
        dp: &'a mut [R],
        /// For each column Σ (target − prediction)² precision.
        errors: &'a mut [R],
    }
    impl<R: Real> Work for Rows<'_, R> {
        #[inline(always)]
        fn run(self) {
            let width = self.precision.len();
            for (row, (p, t)) in self.prediction.chunks(width).zip(self.target.chunks(width)).enumerate() {
                for at in (0..width).step_by(LANES) {
                    let len = LANES.min(width - at);
                    let (x, y, s) = (lanes(p, at, len), lanes(t, at, len), lanes(self.precision, at, len));
                    let (mut slopes, mut errors) = ([R::default(); LANES], lanes(self.errors, at, len));
                    for i in 0..LANES {
                        let d = x[i] - y[i];
                        slopes[i] = d * s[i];
                        errors[i] += d * slopes[i];
                    }
                    self.errors[at..at + len].copy_from_slice(&errors[..len]);
                    if !self.dp.is_empty() {
                        self.dp[row * width + at..][..len].copy_from_slice(&slopes[..len]);
                    }
                }
            }
        }
    }
    let (n, width) = (prediction.len(), log_var.len());
    if width == 0 {
        return 0.0;
    }
    assert!(target.len() == n && n.is_multiple_of(width), "nll: sizes");
    assert!((dp.len() == n && dl.len() == width) || (dp.is_empty() && dl.is_empty()), "nll: gradients");
    let precision: Vec<R> = log_var.iter().map(|l| (-*l).exp()).collect();
    let size = (CHUNK / width).max(1) * width;
    let mut sums = vec![R::default(); n.div_ceil(size) * width];
    let mut slopes = dp.chunks_mut(size);
    let parts: Vec<_> = prediction
        .chunks(size)
        .zip(target.chunks(size))
        .zip(sums.chunks_mut(width))
        .map(|((p, t), errors)| (p, t, slopes.next().unwrap_or_default(), errors))
        .collect();
    total(n, parts, |(prediction, target, dp, errors)| {
        wide(Rows { prediction, target, precision: &precision, dp, errors });
        0.0
    });
    let rows = (n / width) as f64;
    let mut value = 0.0;
    for (column, l) in log_var.iter().enumerate() {
        let error: f64 = sums.chunks(width).map(|part| part[column].to_f64()).sum();
        value += 0.5 * (error + rows * (l.to_f64() + (2.0 * std::f64::consts::PI).ln()));
        if let Some(d) = dl.get_mut(column) {
            *d = R::of(0.5 * (rows - error));
        }
    }
    value
}

/// How [`cross_entropy`] counts its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Classes<'a, R> {
    /// The right class of each row; a number that is no class leaves the row out.
    pub targets: &'a [usize],
    /// A weight for each class, or none.
    pub weights: &'a [R],
    /// Share of the target that is spread over all classes alike.
    pub smoothing: f64,
}

/// Cross-entropy of rows of logits, one for each class: the sum over rows, and the sum of the weights of the right classes. The
/// slopes of the first are written to `gradient` unless it is empty.
///
/// # Panics
/// When lengths do not fit.
pub fn cross_entropy<R: Real>(logits: &[R], classes: Classes<'_, R>, gradient: &mut [R]) -> (f64, f64) {
    struct Rows<'a, R> {
        logits: &'a [R],
        width: usize,
        targets: &'a [usize],
        classes: Classes<'a, R>,
        gradient: &'a mut [R],
        out: &'a mut (f64, f64),
    }
    impl<R: Real> Work for Rows<'_, R> {
        #[inline(always)]
        fn run(self) {
            let (width, weights) = (self.width, self.classes.weights);
            let weight = |class: usize| if weights.is_empty() { R::ONE } else { weights[class] };
            let (sharp, even) = (1.0 - self.classes.smoothing, self.classes.smoothing / width as f64);
            let total: R = (0..width).fold(R::default(), |sum, class| sum + weight(class));
            for (row, (x, target)) in self.logits.chunks(width).zip(self.targets).enumerate() {
                if *target >= width {
                    if let Some(slopes) = self.gradient.get_mut(row * width..(row + 1) * width) {
                        slopes.fill(R::default());
                    }
                    continue;
                }
                let top = x.iter().fold(x[0], |top, x| if *x > top { *x } else { top });
                let sum = x.iter().fold(0.0, |sum, x| sum + (*x - top).exp().to_f64());
                let log_sum = top.to_f64() + sum.ln();
                let right = weight(*target).to_f64();
                let mut value = sharp * right * (log_sum - x[*target].to_f64());
                if even > 0.0 {
                    for (class, x) in x.iter().enumerate() {
                        value += even * weight(class).to_f64() * (log_sum - x.to_f64());
                    }
                }
                self.out.0 += value;
                self.out.1 += right;
                if let Some(slopes) = self.gradient.get_mut(row * width..(row + 1) * width) {
                    // d/dx of w (ln Σ exp − x): all weights of the row times softmax, less its own.
                    let scale = R::of((sharp * right + even * total.to_f64()) / sum);
                    for (class, (slope, x)) in slopes.iter_mut().zip(x).enumerate() {
                        *slope = scale * (*x - top).exp() - R::of(even) * weight(class);
                    }
                    slopes[*target] += R::of(-sharp * right);
                }
            }
        }
    }
    let rows = classes.targets.len();
    if rows == 0 || logits.is_empty() {
        return (0.0, 0.0);
    }
    assert!(logits.len().is_multiple_of(rows), "cross-entropy: targets");
    let width = logits.len() / rows;
    assert!(gradient.len() == logits.len() || gradient.is_empty(), "cross-entropy: gradient");
    assert!(classes.weights.len() == width || classes.weights.is_empty(), "cross-entropy: weights");
    let each = (CHUNK / width).max(1);
    let mut sums = vec![(0.0, 0.0); rows.div_ceil(each)];
    let mut slopes = gradient.chunks_mut(each * width);
    let parts: Vec<_> = logits
        .chunks(each * width)
        .zip(classes.targets.chunks(each))
        .zip(&mut sums)
        .map(|((logits, targets), out)| (logits, targets, slopes.next().unwrap_or_default(), out))
        .collect();
    total(logits.len(), parts, |(logits, targets, gradient, out)| {
        wide(Rows { logits, width, targets, classes, gradient, out });
        0.0
    });
    sums.into_iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d))
}

/// mean + exp(log_var / 2) noise.
pub(crate) fn reparameterise<R: Real>(mean: &[R], log_var: &[R], noise: &[R]) -> Vec<R> {
    assert!(mean.len() == log_var.len() && mean.len() == noise.len(), "reparameterise: sizes");
    let half = R::of(0.5);
    mean.iter().zip(log_var).zip(noise).map(|((m, l), e)| *m + (half * *l).exp() * *e).collect()
}

/// Gradient for log_var of [`reparameterise`], given that for its result (which is also that for the mean).
pub(crate) fn reparameterise_backward<R: Real>(gradient: &[R], log_var: &[R], noise: &[R]) -> Vec<R> {
    let half = R::of(0.5);
    gradient.iter().zip(log_var).zip(noise).map(|((g, l), e)| *g * half * (half * *l).exp() * *e).collect()
}

/// sum += factor x.
///
/// # Panics
/// When the lengths differ.
pub fn add_scaled<R: Real>(sum: &mut [R], x: &[R], factor: R) {
    struct Add<'a, R>(&'a mut [R], &'a [R], R);
    impl<R: Real> Work for Add<'_, R> {
        #[inline(always)]
        fn run(self) {
            for (sum, x) in self.0.iter_mut().zip(self.1) {
                *sum += self.2 * *x;
            }
        }
    }
    assert_eq!(sum.len(), x.len(), "add: lengths");
    let n = sum.len();
    total(n, sum.chunks_mut(CHUNK).zip(x.chunks(CHUNK)).collect(), |(sum, x)| {
        wide(Add(sum, x, factor));
        0.0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> (Vec<f32>, Vec<f32>) {
        let x = (0..n).map(|i| 3.0 * (i as f32 * 0.37).sin()).collect();
        (x, (0..n).map(|i| 0.5 + 0.5 * (i as f32 * 0.11).cos()).collect())
    }

    #[test]
    fn f32_is_near_f64_for_lengths_that_fill_no_vector() {
        for n in [1, 15, 17, 3 * CHUNK + 5] {
            let (x, t) = numbers(n);
            let double = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
            for loss in [Pair::Bce, Pair::Squared, Pair::Absolute, Pair::Huber(0.7), Pair::Hinge, Pair::Product] {
                let (mut g, mut g64) = (vec![0.0; n], vec![0.0; n]);
                let value = pair(loss, &x, &t, &[], &mut g);
                let want = pair(loss, &double(&x), &double(&t), &[], &mut g64);
                assert!((value - want).abs() <= 2e-6 * want.abs().max(1.0), "{loss:?} {n}: {value} {want}");
                assert!(g.iter().zip(&g64).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "{loss:?} {n}");
            }
        }
    }

    #[test]
    fn confident_answers_keep_their_loss() {
        for l in [8.0f32, 20.0, 60.0] {
            let want = f64::from(-l).exp().ln_1p();
            let got = pair(Pair::Bce, &[l], &[1.0], &[], &mut []);
            assert!((got / want - 1.0).abs() < 1e-5, "{l}: {got} {want}");
        }
    }

    #[test]
    fn nan_stays_nan() {
        for loss in [Pair::Bce, Pair::Squared, Pair::Absolute, Pair::Huber(1.0), Pair::Hinge, Pair::Product] {
            let mut g = [0.0f32; 3];
            assert!(pair(loss, &[1.0, f32::NAN, 2.0], &[1.0], &[], &mut g).is_nan(), "{loss:?}");
            assert!(g[0].is_finite() && g[2].is_finite(), "{loss:?}");
        }
        let (mut a, mut b) = ([0.0f64; 1], [0.0f64; 1]);
        assert!(kl(&[0.0], &[f64::NAN], (&mut a, &mut b)).is_nan() && b[0].is_nan());
        let classes = Classes { targets: &[0], weights: &[], smoothing: 0.0 };
        assert!(cross_entropy(&[0.0, f64::NAN], classes, &mut []).0.is_nan());
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let n = 7 * CHUNK + 24;
        let (x, t) = numbers(n);
        let targets: Vec<usize> = (0..n / 8).map(|i| i % 9).collect();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let (mut g, mut h) = (vec![0.0; n], vec![0.0; n]);
                let (mut dp, mut dl) = (vec![0.0; n], vec![0.0; 8]);
                let classes = Classes { targets: &targets, weights: &[], smoothing: 0.1 };
                let values = [
                    pair(Pair::Bce, &x, &t, &[1.0, 2.0, 3.0, 4.0], &mut g),
                    cross_entropy(&x, classes, &mut h).0,
                    nll(&x, &t, &t[..8], (&mut dp, &mut dl)),
                ];
                (values.map(f64::to_bits), g, h, dp, dl)
            })
        };
        assert!(run(1) == run(3));
    }
}
