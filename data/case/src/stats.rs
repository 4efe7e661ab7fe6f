//! Small-sample inference on paired differences.

use data::noise::{Draws, Noise};
use serde::{Deserialize, Serialize};

/// A mean with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean of the sample.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

const RESAMPLES: u64 = 4_000;
/// Draws that one step of keyed noise holds.
const DRAWS_PER_STEP: usize = 256;
const BOOTSTRAP_STREAM: u64 = 1_001;
const FLIP_STREAM: u64 = 1_002;

/// Steps of keyed noise that `n` draws take.
fn steps(n: usize) -> u64 {
    n.div_ceil(DRAWS_PER_STEP) as u64
}

fn mean_and_error(values: impl Iterator<Item = f64> + Clone, n: usize) -> (f64, f64) {
    let n = n as f64;
    let mean = values.clone().sum::<f64>() / n;
    let square: f64 = values.map(|v| (v - mean) * (v - mean)).sum();
    (mean, (square / (n - 1.0) / n).sqrt())
}

/// 95 % interval of a mean by the studentised bootstrap (Efron and Tibshirani 1993, ch. 12), which keeps its
/// coverage for ten values where the plain percentile interval is too short. Fewer than 5 values: Student's t. `None` for fewer than 2.
///
/// ```
/// let interval = case::mean_interval(&[1.0, 2.0, 3.0, 2.0, 1.5, 2.5], 7).unwrap();
/// assert!(interval.low < 2.0 && 2.0 < interval.high);
/// assert_eq!(case::mean_interval(&[0.0; 10], 7).unwrap().high, 0.0);
/// ```
pub fn mean_interval(values: &[f64], seed: u64) -> Option<Interval> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let (mean, error) = mean_and_error(values.iter().copied(), n);
    if error == 0.0 {
        return Some(Interval { mean, low: mean, high: mean });
    }
    if n < 5 {
        let t = [12.706, 4.303, 3.182][n - 2];
        return Some(Interval { mean, low: mean - t * error, high: mean + t * error });
    }
    let noise = Noise::new(seed, BOOTSTRAP_STREAM, n as u64);
    let mut ratios: Vec<f64> = Vec::with_capacity(RESAMPLES as usize);
    for resample in 0..RESAMPLES {
        let mut draws: Draws = noise.at(resample * steps(n));
        let picked: Vec<f64> = (0..n).map(|_| values[draws.below(n)]).collect();
        let (m, e) = mean_and_error(picked.iter().copied(), n);
        // All draws equal: no spread, no ratio.
        if e > 0.0 {
            ratios.push((m - mean) / e);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let at = |q: f64| ratios.get((q * (ratios.len() as f64 - 1.0)).round() as usize).copied().unwrap_or(0.0);
    Some(Interval { mean, low: mean - at(0.975) * error, high: mean - at(0.025) * error })
}

/// Two-sided p-value of "the differences are symmetric around 0" by flipping signs: every combination up to 14 values,
/// 20 000 random ones beyond. 1 without values.
///
/// ```
/// assert_eq!(case::sign_flip_p(&[1.0, 2.0, 3.0], 7), 0.25); // 2 of 8 combinations are as extreme
/// assert_eq!(case::sign_flip_p(&[0.0; 10], 7), 1.0);
/// ```
pub fn sign_flip_p(values: &[f64], seed: u64) -> f64 {
    let n = values.len();
    let seen = values.iter().sum::<f64>().abs();
    // Rounding must not turn a tie into a miss.
    let limit = seen - 1e-9 * values.iter().map(|v| v.abs()).sum::<f64>();
    let extreme = |flip: &mut dyn FnMut(usize) -> bool| {
        values.iter().enumerate().map(|(i, &v)| if flip(i) { -v } else { v }).sum::<f64>().abs() >= limit
    };
    if n <= 14 {
        let all = 1_u32 << n;
        let hits = (0..all).filter(|bits| extreme(&mut |i| bits >> i & 1 == 1)).count();
        return hits as f64 / f64::from(all);
    }
    let noise = Noise::new(seed, FLIP_STREAM, n as u64);
    let rounds = 20_000_u32;
    let hits = (0..rounds)
        .filter(|&round| {
            let mut draws = noise.at(u64::from(round) * steps(n));
            extreme(&mut |_| draws.uniform() < 0.5)
        })
        .count();
    (hits as f64 + 1.0) / (f64::from(rounds) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_covers_the_true_mean_about_nineteen_times_in_twenty() {
        let noise = Noise::new(3, 0, 0);
        let covered = (0..400)
            .filter(|&trial| {
                let mut draws = noise.at(trial);
                let sample: Vec<f64> = (0..10).map(|_| 5.0 + 2.0 * draws.normal()).collect();
                let interval = mean_interval(&sample, trial).unwrap();
                interval.low <= 5.0 && 5.0 <= interval.high
            })
            .count();
        assert!((368..=392).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn p_values_are_uniform_without_an_effect_and_small_with_one() {
        let noise = Noise::new(4, 0, 0);
        let p = |trial: u64, shift: f64, n: usize| {
            let mut draws = noise.at(trial);
            sign_flip_p(&(0..n).map(|_| shift + draws.normal()).collect::<Vec<_>>(), trial)
        };
        let rejected = (0..400).filter(|&t| p(t, 0.0, 10) <= 0.05).count();
        assert!((8..=32).contains(&rejected), "{rejected} of 400");
        assert!(p(1, 3.0, 10) < 0.01 && p(1, 3.0, 20) < 0.001);
    }
}
