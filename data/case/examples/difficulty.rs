//! How hard is the early warning? Trivial scores against a linear one, on plants that were not used for fitting.
//!
//! `cargo run -p lathe-case --example difficulty`

use case::{CaseError, HotellingT2};
use data::plant::{Channel, Plant, PlantConfig, Scaler, SensorWindows, WindowSpec};
use std::time::Instant;

type W = SensorWindows<24, 4>;

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

fn main() -> Result<(), CaseError> {
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
        let all: W = SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default())?;
        let (train, test) = all.split_at_day(220);
        let scaler = Scaler::fit(&train.healthy());
        let healthy = scaler.transform(&train.healthy());
        let test = scaler.transform(&test.labelled());
        let labels = test.labels();
        let mean = |w: &W| -> Vec<f32> {
            let day = |i: usize| (0..4).map(move |c| (i, c));
            let at = |(i, c): (usize, usize)| w.row(i).iter().skip(c).step_by(4).sum::<f32>() / 24.0;
            (0..w.len()).flat_map(day).map(at).collect()
        };
        let (last, means) = (|i: usize, c: usize| test.row(i)[92 + c], mean(&test));
        println!(
            "  windows: {} healthy for training, {} for test, {:.1} % fail within 72 h",
            healthy.len(),
            test.len(),
            100.0 * labels.iter().filter(|&&l| l).count() as f64 / labels.len() as f64
        );
        let report = |name: &str, score: &dyn Fn(usize) -> f32| {
            let scores: Vec<f64> = (0..test.len()).map(|i| f64::from(score(i))).collect();
            println!("  {name:<34} AUROC {:.3}", auroc(&scores, &labels));
        };
        report("hours since service", &|i| test.rows()[i].hours_since_service);
        for (c, channel) in Channel::ALL.iter().enumerate() {
            report(&format!("|z| of the last {}", channel.name()), &|i| last(i, c).abs());
        }
        report("|z| of the day's mean vibration", &|i| means[4 * i + 2].abs());
        report("largest |z| of the day's means", &|i| means[4 * i..4 * i + 4].iter().fold(0.0, |m, v| m.max(v.abs())));
        let t2 = HotellingT2::fit(&mean(&healthy), 4, 1e-6)?;
        report("T2 of the day's four means", &|i| t2.score(&means[4 * i..4 * i + 4]));
        let t2 = HotellingT2::fit(healthy.values(), 96, 1e-3)?;
        report("T2 of all 96 values", &|i| t2.score(test.row(i)));
    }
    Ok(())
}
