//! Losses of a batch, row by row, and their gradients. `width` is the number of columns; a gradient is multiplied by `factor`
//! (1 / rows for a mean over rows).

use crate::{
    Real,
    dispatch::{Work, wide},
};

/// Sums `term` over the columns of each row.
struct Rows<'a, R, F> {
    rows: &'a mut [R],
    width: usize,
    term: F,
}

impl<R: Real, F: Fn(usize) -> R> Work for Rows<'_, R, F> {
    #[inline(always)]
    fn run(self) {
        for (row, sum) in self.rows.iter_mut().enumerate() {
            for column in 0..self.width {
                *sum += (self.term)(row * self.width + column);
            }
        }
    }
}

fn rows<R: Real>(n: usize, width: usize, term: impl Fn(usize) -> R) -> Vec<R> {
    let mut rows = vec![R::default(); n / width.max(1)];
    wide(Rows { rows: &mut rows, width, term });
    rows
}

/// ½ (mean² + exp(log_var) − 1 − log_var), summed over each row.
pub(crate) fn kl_rows<R: Real>(mean: &[R], log_var: &[R], width: usize) -> Vec<R> {
    assert_eq!(mean.len(), log_var.len(), "kl: sizes");
    let half = R::of(0.5);
    rows(mean.len(), width, |i| half * (mean[i] * mean[i] + log_var[i].exp() - R::ONE - log_var[i]))
}

/// Gradients for mean and log_var of [`kl_rows`].
pub(crate) fn kl_backward<R: Real>(mean: &[R], log_var: &[R], factor: R) -> (Vec<R>, Vec<R>) {
    let half = R::of(0.5);
    let d_mean = mean.iter().map(|m| factor * *m).collect();
    (d_mean, log_var.iter().map(|l| factor * half * (l.exp() - R::ONE)).collect())
}

/// max(l, 0) − l t + ln(1 + exp(−|l|)), summed over each row.
pub(crate) fn bce_rows<R: Real>(logits: &[R], targets: &[R], width: usize) -> Vec<R> {
    assert_eq!(logits.len(), targets.len(), "bce: sizes");
    rows(logits.len(), width, |i| {
        let l = logits[i];
        let (positive, size) = if l > R::default() { (l, l) } else { (R::default(), -l) };
        positive - l * targets[i] + (-size).exp().ln_1p()
    })
}

/// Gradient for the logits of [`bce_rows`].
pub(crate) fn bce_backward<R: Real>(logits: &[R], targets: &[R], factor: R) -> Vec<R> {
    logits.iter().zip(targets).map(|(l, t)| factor * (l.sigmoid() - *t)).collect()
}

/// (prediction − target)², summed over each row.
pub(crate) fn squared_rows<R: Real>(prediction: &[R], target: &[R], width: usize) -> Vec<R> {
    assert_eq!(prediction.len(), target.len(), "squared error: sizes");
    rows(prediction.len(), width, |i| (prediction[i] - target[i]) * (prediction[i] - target[i]))
}

/// Gradient for the prediction of [`squared_rows`].
pub(crate) fn squared_backward<R: Real>(prediction: &[R], target: &[R], factor: R) -> Vec<R> {
    let factor = factor + factor;
    prediction.iter().zip(target).map(|(p, t)| factor * (*p - *t)).collect()
}

/// ½ ((target − prediction)² exp(−log_var) + log_var + ln 2π), summed over each row; one log_var for each column.
pub(crate) fn nll_rows<R: Real>(prediction: &[R], target: &[R], log_var: &[R]) -> Vec<R> {
    let width = log_var.len();
    assert!(prediction.len() == target.len(), "nll: sizes");
    let (half, constant) = (R::of(0.5), R::of((2.0 * std::f64::consts::PI).ln()));
    let precision: Vec<R> = log_var.iter().map(|l| (-*l).exp()).collect();
    rows(prediction.len(), width, |i| {
        let (error, column) = (prediction[i] - target[i], i % width);
        half * (error * error * precision[column] + log_var[column] + constant)
    })
}

/// Gradients for prediction and log_var of [`nll_rows`].
pub(crate) fn nll_backward<R: Real>(prediction: &[R], target: &[R], log_var: &[R], factor: R) -> (Vec<R>, Vec<R>) {
    let width = log_var.len().max(1);
    let precision: Vec<R> = log_var.iter().map(|l| (-*l).exp()).collect();
    let mut d_prediction = vec![R::default(); prediction.len()];
    let mut d_log_var = vec![R::default(); log_var.len()];
    let half = R::of(0.5) * factor;
    for ((d, p), t) in d_prediction.chunks_mut(width).zip(prediction.chunks(width)).zip(target.chunks(width)) {
        for (column, (d, (p, t))) in d.iter_mut().zip(p.iter().zip(t)).enumerate() {
            let scaled = (*p - *t) * precision[column];
            *d = factor * scaled;
            d_log_var[column] += half * (R::ONE - (*p - *t) * scaled);
        }
    }
    (d_prediction, d_log_var)
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
