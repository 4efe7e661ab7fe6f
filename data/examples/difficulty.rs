//! How hard is the early warning? Trivial scores against a linear one, on plants that were not used for fitting.
//!
//! `cargo run -p lathe-data --example difficulty`

use data::plant::{Channel, Plant, PlantConfig, PlantError, Scaler, WindowSpec, Windows};
use std::time::Instant;

type W = Windows<24, 4>;

/// Area under the ROC curve by ranks, ties counted half.
fn auroc(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut rank_sum, mut i) = (0.0, 0);
    while i < order.len() {
        let mut j = i;
        while j < order.len() && scores[order[j]] == scores[order[i]] {
            j += 1;
        }
        let rank = (i + j + 1) as f64 / 2.0;
        rank_sum += order[i..j].iter().filter(|&&k| labels[k]).count() as f64 * rank;
        i = j;
    }
    let positive = labels.iter().filter(|&&l| l).count() as f64;
    let negative = labels.len() as f64 - positive;
    (rank_sum - positive * (positive + 1.0) / 2.0) / (positive * negative)
}

/// Squared Mahalanobis distance by a Cholesky factor of the covariance (equals T² plus weighted Q over all components).
struct Mahalanobis {
    mean: Vec<f64>,
    factor: Vec<Vec<f64>>,
}

impl Mahalanobis {
    fn fit(rows: &[Vec<f64>], ridge: f64) -> Self {
        let (n, d) = (rows.len() as f64, rows[0].len());
        let mean: Vec<f64> = (0..d).map(|i| rows.iter().map(|r| r[i]).sum::<f64>() / n).collect();
        let mut factor = vec![vec![0.0; d]; d];
        for i in 0..d {
            for j in 0..=i {
                let covariance = rows.iter().map(|r| (r[i] - mean[i]) * (r[j] - mean[j])).sum::<f64>() / n;
                let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
                let rest = covariance + if i == j { ridge } else { 0.0 } - known;
                factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
            }
        }
        Self { mean, factor }
    }

    fn score(&self, row: &[f64]) -> f64 {
        let mut solved = vec![0.0; row.len()];
        for i in 0..row.len() {
            let known: f64 = (0..i).map(|k| self.factor[i][k] * solved[k]).sum();
            solved[i] = (row[i] - self.mean[i] - known) / self.factor[i][i];
        }
        solved.iter().map(|v| v * v).sum()
    }
}

fn main() -> Result<(), PlantError> {
    for seed in [7, 8, 9, 10] {
        let start = Instant::now();
        let plant = Plant::simulate(&PlantConfig { seed, ..PlantConfig::default() })?;
        let simulated = start.elapsed().as_secs_f64();
        let frame = plant.observed().sensors()?;
        let framed = start.elapsed().as_secs_f64() - simulated;
        let failures = plant.truth().failures();
        let per_mode = data::plant::FailureMode::ALL.map(|m| failures.iter().filter(|f| f.mode == m).count());
        println!(
            "seed {seed}: {} rows in {simulated:.2} s, frame {framed:.2} s; {} failures {per_mode:?}",
            frame.height(),
            failures.len()
        );
        let all: W = Windows::cut(plant.observed(), Channel::ALL, &WindowSpec::default())?;
        let (train, test) = all.split_at_day(220);
        let scaler = Scaler::fit(&train.healthy());
        let healthy = scaler.transform(&train.healthy());
        let test = scaler.transform(&test.labelled());
        let labels = test.labels();
        let rows = |w: &W| -> Vec<Vec<f64>> {
            (0..w.len()).map(|i| w.row(i).iter().map(|&v| f64::from(v)).collect()).collect()
        };
        let last: Vec<Vec<f64>> = rows(&test).iter().map(|r| r[92..].to_vec()).collect();
        let mean =
            |r: &Vec<f64>| -> Vec<f64> { (0..4).map(|c| r.iter().skip(c).step_by(4).sum::<f64>() / 24.0).collect() };
        let means: Vec<Vec<f64>> = rows(&test).iter().map(mean).collect();
        println!(
            "  windows: {} healthy for training, {} for test, {:.1} % fail within 72 h",
            healthy.len(),
            test.len(),
            100.0 * labels.iter().filter(|&&l| l).count() as f64 / labels.len() as f64
        );
        let report = |name: &str, scores: Vec<f64>| println!("  {name:<34} AUROC {:.3}", auroc(&scores, &labels));
        report("hours since service", test.rows().iter().map(|r| f64::from(r.hours_since_service)).collect());
        for (c, channel) in Channel::ALL.iter().enumerate() {
            report(&format!("|z| of the last {}", channel.name()), last.iter().map(|r| r[c].abs()).collect());
        }
        report("|z| of the day's mean vibration", means.iter().map(|r| r[2].abs()).collect());
        let model = Mahalanobis::fit(&rows(&healthy).iter().map(mean).collect::<Vec<_>>(), 1e-6);
        report("T2 of the day's four means", means.iter().map(|r| model.score(r)).collect());
        let model = Mahalanobis::fit(&rows(&healthy), 1e-3);
        report("T2 of all 96 values", rows(&test).iter().map(|r| model.score(r)).collect());
        let largest = |r: &Vec<f64>| (0..4).map(|c| r[c].abs()).fold(0.0, f64::max);
        report("largest |z| of the day's means", means.iter().map(largest).collect());
    }
    Ok(())
}
