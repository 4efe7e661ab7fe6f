//! How hard is the early warning? Trivial scores against a linear one, on plants that were not used for fitting.
//!
//! `cargo run -p lathe-case --example difficulty`

use case::HotellingT2;
use data::plant::{Channel, Plant, PlantConfig, Scaler, SensorWindows, WindowSpec};
use std::time::Instant;

type W = SensorWindows<24, 4>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
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
            let scores: Vec<f32> = (0..test.len()).map(score).collect();
            let area = lab::metrics::auroc(&scores, &labels).unwrap_or(f64::NAN);
            println!("  {name:<34} AUROC {area:.3}");
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
    remaining_life()
}

/// Remaining life of presses that run to failure: the mean of the training part against the mean of windows of like T2.
fn remaining_life() -> Result<(), Box<dyn std::error::Error>> {
    let plant = Plant::simulate(&PlantConfig { overhaul_every_days: None, ..PlantConfig::default() })?;
    let all: W = SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default())?;
    let (train, test) = all.split_at_day(220);
    let scaler = Scaler::fit(&train);
    let (healthy, known) = (scaler.transform(&train.healthy()), |w: &W| scaler.transform(&w.filter(|r| r.rul_known)));
    let (train, test) = (known(&train), known(&test));
    let t2 = HotellingT2::fit(healthy.values(), 96, 1e-3)?;
    let bin = |w: &W, i: usize| (t2.score(w.row(i)).ln() * 4.0) as usize;
    let mut bins = vec![(0.0_f32, 0.0_f32); 200];
    for i in 0..train.len() {
        let (sum, n) = &mut bins[bin(&train, i).min(199)];
        *sum += train.rows()[i].rul_hours;
        *n += 1.0;
    }
    let mean = bins.iter().map(|b| b.0).sum::<f32>() / train.len() as f32;
    let like = |i| {
        let (sum, n) = bins[bin(&test, i).min(199)];
        if n > 0.0 { sum / n } else { mean }
    };
    let truth: Vec<f32> = test.rows().iter().map(|r| r.rul_hours).collect();
    println!("remaining life, run to failure: {} windows for training, {} for test", train.len(), test.len());
    println!("  mean of the training part     RMSE {:.0} h", lab::metrics::rmse(&vec![mean; truth.len()], &truth)?);
    let guess: Vec<f32> = (0..test.len()).map(like).collect();
    println!("  mean of windows of like T2    RMSE {:.0} h", lab::metrics::rmse(&guess, &truth)?);
    Ok(())
}
