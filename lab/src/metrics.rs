//! Metrics, each with the formula it computes. They refuse what has no answer (one class missing, NaN) instead of inventing one.

use rand::Rng;

use crate::{Error, Result, rng};

/// Area under the ROC curve: the probability that a random positive scores higher than a random negative, ties counting half,
/// (R₊ − n₊(n₊ + 1)/2) / (n₊ n₋) with R₊ the sum of the positives' ranks (ties have the average rank).
///
/// 0.5 is guessing, 1 is perfect order.
///
/// ```
/// // scikit-learn's example: roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) = 0.75
/// let auc = lab::metrics::auroc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]).unwrap();
/// assert_eq!(auc, 0.75);
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], and [`Error::Metric`] when there is no positive or no negative.
pub fn auroc(scores: &[f32], positive: &[bool]) -> Result<f64> {
    let order = ascending("auroc", scores, positive)?;
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    let mut rank_sum = 0.0;
    let mut start = 0;
    for tie in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let average = (2 * start + tie.len() + 1) as f64 / 2.0;
        rank_sum += average * tie.iter().filter(|i| positive[**i]).count() as f64;
        start += tie.len();
    }
    Ok((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Average precision: Σ (R_k − R_{k−1}) P_k over thresholds from the highest score down; equal scores form one threshold.
///
/// Guessing gives the share of positives: print it beside.
///
/// ```
/// // scikit-learn's example: average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) = 0.8333...
/// let ap = lab::metrics::average_precision(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]).unwrap();
/// assert!((ap - 5.0 / 6.0).abs() < 1e-12);
/// ```
///
/// # Errors
/// As [`auroc`].
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Result<f64> {
    let mut order = ascending("average precision", scores, positive)?;
    order.reverse();
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let (mut taken, mut hits, mut sum) = (0.0, 0.0, 0.0);
    for tie in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let found = tie.iter().filter(|i| positive[**i]).count() as f64;
        taken += tie.len() as f64;
        hits += found;
        sum += found / positives * (hits / taken);
    }
    Ok(sum)
}

/// Root mean squared error, sqrt(mean (prediction − truth)²), in the unit of the truth.
///
/// ```
/// assert_eq!(lab::metrics::rmse(&[1.0, 2.0], &[1.0, 4.0]).unwrap(), 2.0f64.sqrt());
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::Empty`], [`Error::NotFinite`].
pub fn rmse(prediction: &[f32], truth: &[f32]) -> Result<f64> {
    Ok((errors("rmse", prediction, truth)?.map(|e| e * e).sum::<f64>() / truth.len() as f64).sqrt())
}

/// Mean absolute error, in the unit of the truth.
///
/// # Errors
/// As [`rmse`].
pub fn mae(prediction: &[f32], truth: &[f32]) -> Result<f64> {
    Ok(errors("mae", prediction, truth)?.map(f64::abs).sum::<f64>() / truth.len() as f64)
}

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The statistic of the sample itself.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Percentile bootstrap: `statistic` of `resamples` samples drawn with replacement from `values`; the interval holds the
/// middle `level` (0.95) of them. The same seed gives the same interval.
///
/// `values` are the independent units (one number for each plant seed, not for each day).
///
/// ```
/// use lab::metrics::{bootstrap_ci, mean};
/// let savings = [3.0, 5.0, 4.0, 6.0, 2.0, 4.5, 5.5, 3.5];
/// let ci = bootstrap_ci(&savings, mean, 2_000, 0.95, 1).unwrap();
/// assert!(ci.low < ci.estimate && ci.estimate < ci.high && ci.low > 2.0);
/// ```
///
/// # Errors
/// [`Error::Metric`] for fewer than two values, no resamples, or a level outside of (0, 1).
pub fn bootstrap_ci(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval> {
    let refuse = |reason: String| Err(Error::Metric { metric: "bootstrap interval", reason });
    if values.len() < 2 {
        return refuse(format!("{} value(s), at least 2 are needed", values.len()));
    }
    if resamples == 0 || !(level > 0.0 && level < 1.0) {
        return refuse(format!("{resamples} resamples at level {level}: take 1000 or more and a level such as 0.95"));
    }
    if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
        return refuse(format!("a value is {bad}"));
    }
    let mut rng = rng::keyed(seed, "bootstrap", 0);
    let mut sample = vec![0.0; values.len()];
    let mut found = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        sample.iter_mut().for_each(|x| *x = values[rng.gen_range(0..values.len() as u64) as usize]);
        found.push(statistic(&sample));
    }
    found.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Ok(Interval { estimate: statistic(values), low: quantile(&found, tail), high: quantile(&found, 1.0 - tail) })
}

/// Arithmetic mean; NaN for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Linear interpolation between the two nearest of sorted values (NumPy's default).
///
/// ```
/// assert_eq!(lab::metrics::quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
/// ```
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - at.floor())
}

fn ascending(metric: &'static str, scores: &[f32], positive: &[bool]) -> Result<Vec<usize>> {
    if scores.len() != positive.len() {
        return Err(Error::Length { what: format!("{metric}: labels"), got: positive.len(), expected: scores.len() });
    }
    if let Some(row) = scores.iter().position(|s| s.is_nan()) {
        return Err(Error::NotFinite { what: "scores", row, column: 0, value: scores[row] });
    }
    let positives = positive.iter().filter(|p| **p).count();
    if positives == 0 || positives == positive.len() {
        let reason = format!("{positives} of {} rows are positive, both classes are needed", positive.len());
        return Err(Error::Metric { metric, reason });
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    Ok(order)
}

fn errors<'a>(metric: &'static str, prediction: &'a [f32], truth: &'a [f32]) -> Result<impl Iterator<Item = f64> + 'a> {
    if prediction.len() != truth.len() {
        return Err(Error::Length {
            what: format!("{metric}: predictions"),
            got: prediction.len(),
            expected: truth.len(),
        });
    }
    if truth.is_empty() {
        return Err(Error::Empty { what: metric, remedy: "give it at least one prediction" });
    }
    for (what, values) in [("predictions", prediction), ("truth", truth)] {
        if let Some(row) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { what, row, column: 0, value: values[row] });
        }
    }
    Ok(prediction.iter().zip(truth).map(|(p, t)| f64::from(*p) - f64::from(*t)))
}
