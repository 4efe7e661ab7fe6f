//! Calendar against a T² alarm on ten plants, a year each: `cargo run -p lathe-case --example trial`

use case::{Alarm, Arm, Calendar, CaseError, HotellingT2, Kpi, RunToFailure, Silent, Trial, threshold};
use data::plant::{Channel, HourlyReading, Plant, PlantConfig, Scaler, SensorWindows, WindowSpec};
use std::time::Instant;

/// The day's mean of each sensor.
fn means(window: &[f32]) -> Vec<f32> {
    (0..4).map(|c| window.iter().skip(c).step_by(4).sum::<f32>() / 24.0).collect()
}

fn main() -> Result<(), CaseError> {
    // Fitted on a plant of its own, which no trial sees.
    let plant = Plant::simulate(&PlantConfig { seed: 1_000, ..PlantConfig::default() })?;
    let all: SensorWindows<24, 4> = SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default())?;
    let scaler = Scaler::fit(&all.healthy());
    let healthy = scaler.transform(&all.healthy());
    let rows: Vec<f32> = (0..healthy.len()).flat_map(|i| means(healthy.row(i))).collect();
    let t2 = HotellingT2::fit(&rows, 4, 1e-6)?;
    let scores: Vec<f32> = rows.chunks_exact(4).map(|row| t2.score(row)).collect();
    let limits = [0.98, 0.995, 1.0].map(|q| threshold(&scores, q).unwrap_or(f32::INFINITY));

    let mut arms = vec![Arm::new("run to failure", |_| RunToFailure)];
    for days in [30, 45, 60, 90] {
        arms.push(Arm::new(format!("calendar {days}"), move |_| Calendar { every_days: f64::from(days) }));
    }
    for limit in limits {
        let (scaler, t2) = (scaler.clone(), t2.clone());
        arms.push(Arm::new(format!("alarm {limit:.1}"), move |_| {
            let (scaler, t2) = (scaler.clone(), t2.clone());
            let score =
                move |hours: &[HourlyReading]| Some(t2.score(&means(&scaler.window::<24>(hours, Channel::ALL)?)));
            Alarm::new(24, limit, 12, score)
        }));
    }
    let names: Vec<String> = arms.iter().map(|a| a.name().to_owned()).collect();
    let start = Instant::now();
    let report = Trial::paired(1..=10, arms).run(&mut Silent)?;
    println!("{} plant-years in {:.1} s", report.runs().len(), start.elapsed().as_secs_f64());
    for name in &names {
        let mean = |kpi| -> Result<f64, CaseError> { Ok(report.values(name, kpi)?.iter().sum::<f64>() / 10.0) };
        println!(
            "{name:>16}: {:>8.0} EUR, {:>5.1} failures, {:>5.1} overhauls, {:>4.0} h down",
            mean(Kpi::Cost)?,
            mean(Kpi::Failures)?,
            mean(Kpi::Overhauls)?,
            mean(Kpi::DownHours)?
        );
    }
    for name in &names {
        println!("{}", report.compare("calendar 60", name, Kpi::Cost)?);
    }
    Ok(())
}
