//! Metrics against brute force, identities and values of NumPy and scikit-learn's definitions.

use lab::{
    Error,
    metrics::{auroc, average_precision, bootstrap_ci, mae, mean, quantile, rmse},
    rng,
};
use rand::Rng;

/// Scores with many ties.
fn scored(n: usize, seed: u64) -> (Vec<f32>, Vec<bool>) {
    let mut rng = rng::keyed(seed, "scored", 0);
    let labels: Vec<bool> = (0..n).map(|_| rng.gen_bool(0.3)).collect();
    (labels.iter().map(|p| rng.gen_range(0..12) as f32 + if *p { 3.0 } else { 0.0 }).collect(), labels)
}

#[test]
fn auroc_counts_pairs() {
    for seed in 0..20 {
        let (scores, labels) = scored(60, seed);
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (s, _) in scores.iter().zip(&labels).filter(|(_, p)| **p) {
            for (t, _) in scores.iter().zip(&labels).filter(|(_, p)| !**p) {
                wins += if s > t {
                    1.0
                } else if s == t {
                    0.5
                } else {
                    0.0
                };
                pairs += 1.0;
            }
        }
        assert!((auroc(&scores, &labels).unwrap() - wins / pairs).abs() < 1e-12);
        // Any increasing map leaves it, a decreasing one mirrors it.
        let mapped: Vec<f32> = scores.iter().map(|s| (s / 4.0).exp()).collect();
        let mirrored: Vec<f32> = scores.iter().map(|s| -s).collect();
        assert_eq!(auroc(&mapped, &labels).unwrap(), auroc(&scores, &labels).unwrap());
        assert!((auroc(&mirrored, &labels).unwrap() + auroc(&scores, &labels).unwrap() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn perfect_and_blind_scores() {
    let labels = [false, true, false, true];
    assert_eq!(auroc(&[0.0, 2.0, 1.0, 3.0], &labels).unwrap(), 1.0);
    assert_eq!(average_precision(&[0.0, 2.0, 1.0, 3.0], &labels).unwrap(), 1.0);
    assert_eq!(auroc(&[5.0; 4], &labels).unwrap(), 0.5);
    assert_eq!(average_precision(&[5.0; 4], &labels).unwrap(), 0.5);
    assert_eq!(auroc(&[f32::NEG_INFINITY, 2.0, 1.0, f32::INFINITY], &labels).unwrap(), 1.0);
}

#[test]
fn average_precision_is_the_mean_precision_at_each_hit_without_ties() {
    let mut rng = rng::keyed(3, "ap", 0);
    let scores: Vec<f32> = (0..200).map(|_| rng.r#gen()).collect();
    let labels: Vec<bool> = scores.iter().map(|s| rng.gen_bool(f64::from(*s))).collect();
    let mut order: Vec<usize> = (0..200).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut hits, mut sum) = (0.0, 0.0);
    for (k, i) in order.iter().enumerate() {
        if labels[*i] {
            hits += 1.0;
            sum += hits / (k + 1) as f64;
        }
    }
    assert!((average_precision(&scores, &labels).unwrap() - sum / hits).abs() < 1e-12);
}

#[test]
fn what_has_no_answer_is_refused() {
    assert!(matches!(auroc(&[1.0, 2.0], &[true, true]), Err(Error::Metric { .. })));
    assert!(matches!(average_precision(&[1.0, 2.0], &[false, false]), Err(Error::Metric { .. })));
    assert!(matches!(auroc(&[1.0, f32::NAN], &[true, false]), Err(Error::NotFinite { row: 1, .. })));
    assert!(matches!(auroc(&[1.0], &[true, false]), Err(Error::Length { .. })));
    assert!(matches!(rmse(&[], &[]), Err(Error::Empty { .. })));
    assert!(matches!(mae(&[1.0], &[1.0, 2.0]), Err(Error::Length { .. })));
    assert!(matches!(rmse(&[f32::INFINITY], &[1.0]), Err(Error::NotFinite { .. })));
    for bad in [
        bootstrap_ci(&[1.0], mean, 100, 0.95, 1),
        bootstrap_ci(&[1.0, 2.0], mean, 0, 0.95, 1),
        bootstrap_ci(&[1.0, 2.0], mean, 9, 1.0, 1),
    ] {
        assert!(matches!(bad, Err(Error::Metric { .. })));
    }
}

#[test]
fn errors_have_their_unit() {
    assert_eq!(mae(&[1.0, -2.0, 3.0], &[0.0, 0.0, 0.0]).unwrap(), 2.0);
    assert!((rmse(&[1.0, -2.0, 3.0], &[0.0, 0.0, 0.0]).unwrap() - (14.0f64 / 3.0).sqrt()).abs() < 1e-12);
    assert_eq!(rmse(&[4.0, 4.0], &[1.0, 1.0]).unwrap(), 3.0);
}

/// numpy.quantile([1, 3, 4, 10], [0, .1, .5, .9, 1]) = [1, 1.6, 3.5, 8.2, 10]
#[test]
fn quantiles_are_numpys() {
    for (q, want) in [(0.0, 1.0), (0.1, 1.6), (0.5, 3.5), (0.9, 8.2), (1.0, 10.0)] {
        assert!((quantile(&[1.0, 3.0, 4.0, 10.0], q) - want).abs() < 1e-12);
    }
    assert!(quantile(&[], 0.5).is_nan());
}

#[test]
fn the_interval_covers_as_often_as_it_says() {
    // 200 samples of 40 values of N(5, 1): the 90 % interval should hold 5 in about 180 (percentile intervals are a little short).
    let mut covered = 0;
    for seed in 0..200 {
        let values: Vec<f64> =
            rng::normal(&mut rng::keyed(seed, "coverage", 0), 40).iter().map(|x| 5.0 + f64::from(*x)).collect();
        let ci = bootstrap_ci(&values, mean, 300, 0.9, seed).unwrap();
        assert!(ci.low <= ci.estimate && ci.estimate <= ci.high);
        covered += usize::from(ci.low <= 5.0 && 5.0 <= ci.high);
    }
    assert!((165..=192).contains(&covered), "{covered} of 200");
    let values = [1.0, 4.0, 2.0, 8.0];
    assert_eq!(bootstrap_ci(&values, mean, 50, 0.9, 1).unwrap(), bootstrap_ci(&values, mean, 50, 0.9, 1).unwrap());
    assert_ne!(bootstrap_ci(&values, mean, 50, 0.9, 1).unwrap(), bootstrap_ci(&values, mean, 50, 0.9, 2).unwrap());
}
