//! Windows carry the right values and labels, and nothing leaks.

use data::plant::{Channel, LogKind, Plant, PlantConfig, PlantError, Scaler, SensorWindows, WindowSpec};
use dfdx::prelude::*;

type W = SensorWindows<24, 4>;

fn plant() -> Plant {
    Plant::simulate(&PlantConfig::default()).expect("valid")
}

fn cut(plant: &Plant) -> W {
    SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default()).expect("a year is long enough")
}

#[test]
fn a_window_is_a_day_of_hourly_means() {
    let plant = plant();
    let windows = cut(&plant);
    assert!(windows.len() > 4_000, "{}", windows.len());
    let row = windows.rows()[100];
    let hours = plant.observed().readings(row.machine).unwrap();
    let first = (row.start / 60) as usize;
    for (step, reading) in hours[first..first + 24].iter().enumerate() {
        assert!(reading.steady);
        for c in 0..4 {
            let value = windows.row(100)[step * 4 + c];
            assert!(reading.values[c].is_nan() || value == reading.values[c]);
        }
    }
    assert!(windows.values().iter().all(|v| v.is_finite()));
}

#[test]
fn labels_agree_with_the_truth() {
    let plant = plant();
    let windows = cut(&plant);
    let mut soon = 0;
    for row in windows.rows() {
        let truth = plant.truth().remaining(row.machine, row.end);
        let hours = truth.minutes as f32 / 60.0;
        assert_eq!(row.fails_soon, !truth.censored && hours <= 72.0);
        assert_eq!(row.censored, truth.censored && hours < 72.0);
        assert_eq!(row.rul_hours, hours.min(480.0));
        assert_eq!(row.rul_known, !truth.censored || hours >= 480.0);
        soon += u32::from(row.fails_soon);
        // No stop inside the window.
        let inside = |minute: u32| minute > row.start && minute < row.end;
        assert!(
            !plant
                .observed()
                .log()
                .iter()
                .any(|e| e.machine == row.machine && e.kind == LogKind::Failure && inside(e.minute))
        );
    }
    assert!(soon > 50, "{soon}");
    assert!(windows.healthy().rows().iter().all(|r| r.rul_hours >= 480.0 && !r.fails_soon && !r.censored));
    assert!(windows.labelled().len() < windows.len());
}

#[test]
fn the_split_leaks_nothing() {
    let windows = cut(&plant());
    let (train, test) = windows.split_at_day(200);
    assert!(train.len() > 1_000 && test.len() > 1_000);
    assert!(train.rows().iter().all(|r| r.end + 480 * 60 <= 200 * 1440));
    assert!(test.rows().iter().all(|r| r.start >= 200 * 1440));
}

#[test]
fn the_scaler_knows_its_training_part_only() {
    let windows = cut(&plant());
    let (train, test) = windows.split_at_day(200);
    let scaler = Scaler::fit(&train);
    let scaled = scaler.transform(&train);
    for c in 0..4 {
        let values: Vec<f64> = scaled.values().iter().skip(c).step_by(4).map(|&v| f64::from(v)).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-3, "{c}: {mean} {variance}");
    }
    let back = scaler.inverse(&scaler.transform(&test));
    assert!(back.values().iter().zip(test.values()).all(|(a, b)| (a - b).abs() < 1e-3));
    assert_ne!(scaler, Scaler::fit(&test));
}

#[test]
fn a_policy_sees_the_same_window_as_the_training() {
    let plant = plant();
    let windows = cut(&plant);
    let scaler = Scaler::fit(&windows);
    let scaled = scaler.transform(&windows);
    let row = windows.rows()[777];
    let hours = plant.observed().readings(row.machine).unwrap();
    let live = scaler.window::<24>(&hours[..(row.end / 60) as usize], Channel::ALL).expect("the same day");
    assert_eq!(live, scaled.row(777));
    assert_eq!(scaler.window::<24>(&hours[..23], Channel::ALL), None);
}

#[test]
fn tensors_hold_the_rows() {
    let windows = cut(&plant()).select(&[5, 3, 1_000_000]);
    let dev = Cpu::default();
    let flat: Tensor<(usize, Const<96>), f32, Cpu> = windows.flat(&dev).unwrap();
    let steps = windows.sequences(&dev).unwrap();
    assert_eq!(flat.shape().0, 2);
    assert_eq!(flat.as_vec(), windows.values());
    assert_eq!(steps.as_vec(), windows.values());
    assert_eq!(windows.rul(&dev).unwrap().as_vec(), windows.rows().iter().map(|r| r.rul_hours).collect::<Vec<_>>());
}

#[test]
fn other_steps_and_channels() {
    let plant = Plant::simulate(&PlantConfig { days: 30, ..PlantConfig::default() }).unwrap();
    let spec = WindowSpec { minutes_per_step: 10, stride: 36, ..WindowSpec::default() };
    let windows: SensorWindows<36, 1> = SensorWindows::cut(plant.observed(), [Channel::Vibration], &spec).unwrap();
    let row = windows.rows()[7];
    let record = plant.observed().machine(row.machine).unwrap();
    let minutes = &record.readings[row.start as usize..row.start as usize + 10];
    let values: Vec<f32> = minutes.iter().map(|m| m[2]).filter(|v| !v.is_nan()).collect();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    assert!((windows.row(7)[0] - mean).abs() < 1e-5);
    let nothing = SensorWindows::<1000, 4>::cut(plant.observed(), Channel::ALL, &WindowSpec::default());
    assert!(matches!(nothing, Err(PlantError::NoWindows { len: 1000, .. })));
}

#[test]
fn a_scaler_survives_storage_and_refuses_another_width() {
    let scaler = Scaler::fit(&cut(&plant()));
    let text = serde_json::to_string(&scaler).unwrap();
    assert_eq!(serde_json::from_str::<Scaler<4>>(&text).unwrap(), scaler);
    let error = serde_json::from_str::<Scaler<3>>(&text).expect_err("three channels").to_string();
    assert!(error.contains("a scaler of 3 channels needs 3 values, found 4"), "{error}");
    let typo = serde_json::from_str::<PlantConfig>(r#"{"seeds": 3}"#).expect_err("no such field").to_string();
    assert!(typo.contains("unknown field `seeds`"), "{typo}");
}
