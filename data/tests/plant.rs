//! The plant does what its documentation says, and the same everywhere.

use data::plant::{Action, Channel, LogKind, ONSET, Plant, PlantConfig, PlantError, Product, SensorFaultKind, World};
use sha2::{Digest, Sha256};

fn plant(config: &PlantConfig) -> Plant {
    Plant::simulate(config).expect("the configuration is valid")
}

fn year() -> PlantConfig {
    PlantConfig::default()
}

/// No noise, no sensor faults: the equations alone.
fn quiet() -> PlantConfig {
    PlantConfig { noise: 0.0, gap_share: 0.0, spikes_per_day: 0.0, stuck_per_day: 0.0, ..year() }
}

/// SHA-256 over everything observed.
fn digest(plant: &Plant) -> String {
    let mut hash = Sha256::new();
    for machine in 0..plant.observed().machines() {
        let record = plant.observed().machine(machine).expect("it exists");
        for value in record.readings.iter().flatten() {
            hash.update(if value.is_nan() { [0xff; 4] } else { value.to_bits().to_le_bytes() });
        }
        hash.update(&record.up);
    }
    for entry in plant.observed().log() {
        hash.update(entry.minute.to_le_bytes());
        hash.update([entry.machine as u8, entry.kind as u8]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_hash() {
    // Changes whenever any reading of the course's plant changes: then chapters have to be executed again.
    let plant = plant(&PlantConfig { days: 100, ..year() });
    assert_eq!(digest(&plant), GOLDEN);
}
const GOLDEN: &str = "787b326196c16dcbad99d20a8a511a790ec117740f6364b25b29db0e5e73736f";

#[test]
fn threads_do_not_matter() {
    let config = PlantConfig { days: 40, ..year() };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| plant(&config).observed().fingerprint())
    };
    let (one, four) = (with(1), with(4));
    assert_eq!(one, four);
    assert_ne!(one, plant(&PlantConfig { seed: 8, ..config.clone() }).observed().fingerprint());
    assert_ne!(one, plant(&PlantConfig { fleet: 2, ..config }).observed().fingerprint());
}

#[test]
fn a_longer_year_begins_like_a_shorter_one() {
    let (short, long) = (plant(&PlantConfig { days: 20, ..year() }), plant(&PlantConfig { days: 50, ..year() }));
    let head = &long.observed().machine(2).unwrap().readings[..20 * 1440];
    let bits = |rows: &[[f32; 4]]| rows.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(bits(head) == bits(&short.observed().machine(2).unwrap().readings));
}

#[test]
fn the_season_is_the_documented_one() {
    // Regress the hall's share in the mould temperature on the year's sine: 0.12 * 6 °C, from product A at full running.
    let plant = plant(&PlantConfig { wear_rate: 0.0, overhaul_every_days: None, ..quiet() });
    let readings = plant.observed().readings(0).unwrap();
    let (mut sums, mut n) = ([0.0_f64; 5], 0.0);
    for r in readings.iter().filter(|r| r.product == Product::A && r.steady) {
        // The load explains part of the temperature: take it out through the current (24 A per load).
        let load = f64::from(r.values[3]) / 24.0;
        let y = f64::from(r.values[0]) - 2.5 * load;
        let angle = std::f64::consts::TAU * (f64::from(r.hour / 24) / 365.25 - 0.30);
        let (sin, cos) = angle.sin_cos();
        n += 1.0;
        for (sum, v) in sums.iter_mut().zip([y, sin, cos, y * sin, sin * sin]) {
            *sum += v;
        }
    }
    let covariance = sums[3] / n - sums[0] / n * (sums[1] / n);
    let variance = sums[4] / n - (sums[1] / n).powi(2);
    let amplitude = covariance / variance;
    assert!((0.5..1.1).contains(&amplitude), "season of the mould: {amplitude} °C, expected 0.72 plus drift");
}

#[test]
fn day_and_week_show_in_the_current() {
    let plant = plant(&quiet());
    let mean = |keep: &dyn Fn(u32, u32) -> bool| {
        let all = plant.observed().readings(1).unwrap();
        let picked: Vec<f32> =
            all.iter().filter(|r| r.steady && keep(r.hour / 24 % 7, r.hour % 24)).map(|r| r.values[3]).collect();
        picked.iter().sum::<f32>() / picked.len() as f32
    };
    let (morning, night) = (mean(&|d, h| d < 5 && (6..14).contains(&h)), mean(&|d, h| d < 5 && !(6..22).contains(&h)));
    let (friday, sunday) = (mean(&|d, _| d == 4), mean(&|d, _| d == 6));
    // 24 A per load: shifts differ by 0.24, Sunday asks 40 % less of 0.73.
    assert!((4.5..7.5).contains(&(morning - night)), "{morning} {night}");
    assert!((5.0..9.0).contains(&(friday - sunday)), "{friday} {sunday}");
}

#[test]
fn failures_are_as_many_as_documented_and_begin_before_they_happen() {
    let mut per_mode = [0; 3];
    for seed in 0..6 {
        let plant = plant(&PlantConfig { seed, overhaul_every_days: None, ..year() });
        for failure in plant.truth().failures() {
            assert!(failure.onset < failure.minute, "{failure:?}");
            per_mode[failure.mode as usize] += 1;
        }
        let logged = plant.observed().log().iter().filter(|e| e.kind == LogKind::Failure).count();
        assert_eq!(logged, plant.truth().failures().len());
    }
    // 18 machine-years: 365 / (95, 120, 85) lives each, more for the half-used parts at the start.
    for (count, expected) in per_mode.into_iter().zip([69.0, 55.0, 77.0]) {
        let ratio = f64::from(count) / expected;
        assert!((0.7..1.45).contains(&ratio), "{per_mode:?}");
    }
    assert!(plant(&PlantConfig { wear_rate: 0.0, ..year() }).truth().failures().is_empty());
}

#[test]
fn wear_only_grows_until_the_part_is_replaced() {
    let plant = plant(&year());
    let truth = plant.truth();
    for life in truth.lives() {
        let hours = life.start.div_ceil(60)..life.end.unwrap_or(365 * 1440) / 60;
        let wear: Vec<f64> = hours
            .clone()
            .map(|h| truth.wear(life.machine, h).expect("inside the record")[life.mode as usize])
            .collect();
        assert!(wear.windows(2).all(|w| w[0] <= w[1]), "{life:?}");
        assert!(wear.iter().all(|w| (0.0..=1.0).contains(w)));
        if let Some(onset) = life.onset {
            let before = truth.wear(life.machine, onset / 60).unwrap()[life.mode as usize];
            assert!(before < ONSET, "{life:?} {before}");
        }
    }
    assert!(truth.lives().iter().any(|l| l.failed) && truth.lives().iter().any(|l| !l.failed));
}

#[test]
fn each_failing_part_shows_in_its_sensor() {
    // The same hours with and without wear: the difference is the signature.
    let healthy = plant(&PlantConfig { wear_rate: 0.0, overhaul_every_days: None, ..quiet() });
    let worn = plant(&PlantConfig { overhaul_every_days: None, ..quiet() });
    for failure in worn.truth().failures() {
        let hour = failure.minute / 60 - 1;
        let only = worn.truth().wear(failure.machine, hour).unwrap().iter().filter(|w| **w > ONSET).count() == 1;
        let at = |plant: &Plant| plant.observed().readings(failure.machine).unwrap()[hour as usize];
        let (sick, sound) = (at(&worn), at(&healthy));
        if only && sick.steady {
            let change: Vec<f32> = sick.values.iter().zip(sound.values).map(|(a, b)| a - b).collect();
            let shows = match failure.mode.name() {
                "bearing" => change[2] > 0.8 && change[1].abs() < 0.1,
                "heater" => change[0] < -4.0 && change[3] < -1.0,
                _ => change[1] < -5.0 && change[3] > 1.0,
            };
            assert!(shows, "{failure:?} {change:?}");
        }
    }
}

#[test]
fn remaining_life_ends_at_the_failure_and_is_censored_by_overhauls() {
    let plant = plant(&year());
    let truth = plant.truth();
    let failure = truth.failures()[0];
    let life = truth.remaining(failure.machine, failure.minute - 90);
    assert_eq!((life.minutes, life.censored), (90, false));
    let overhaul = plant.observed().log().iter().find(|e| e.kind == LogKind::OverhaulStarted).expect("every 90 days");
    let life = truth.remaining(overhaul.machine, overhaul.minute - 1);
    assert_eq!((life.minutes, life.censored), (1, true));
    let frame = truth.frame().unwrap();
    assert_eq!(frame.shape(), (3 * 365 * 24, 7));
}

#[test]
fn sensor_faults_are_where_the_labels_say() {
    let config = PlantConfig { days: 200, stuck_per_day: 0.2, ..year() };
    let dirty = plant(&config);
    let clean = plant(&PlantConfig { gap_share: 0.0, spikes_per_day: 0.0, stuck_per_day: 0.0, ..config });
    let mut labelled = vec![vec![false; 200 * 1440 * 4]; 3];
    for fault in dirty.truth().sensor_faults() {
        for minute in fault.start..fault.end {
            labelled[fault.machine][minute as usize * 4 + fault.channel as usize] = true;
        }
    }
    let (mut gaps, mut rows) = (0, 0);
    for (machine, labelled) in labelled.iter().enumerate() {
        let (a, b) = (
            &dirty.observed().machine(machine).unwrap().readings,
            &clean.observed().machine(machine).unwrap().readings,
        );
        for (i, (x, y)) in a.iter().flatten().zip(b.iter().flatten()).enumerate() {
            assert!(x.to_bits() == y.to_bits() || labelled[i], "an unlabelled fault: machine {machine}, value {i}");
            gaps += usize::from(x.is_nan());
            rows += 1;
        }
    }
    let share = gaps as f64 / rows as f64;
    assert!((0.004..0.006).contains(&share), "gap share {share}, configured 0.005");
    let count = |kind| dirty.truth().sensor_faults().iter().filter(|f| f.kind == kind).count() as f64 / (200.0 * 12.0);
    assert!((0.44..0.56).contains(&count(SensorFaultKind::Spike)));
    assert!((0.16..0.24).contains(&count(SensorFaultKind::Stuck)));
    let stuck = dirty.truth().sensor_faults().iter().find(|f| f.kind == SensorFaultKind::Stuck).unwrap();
    let readings = &dirty.observed().machine(stuck.machine).unwrap().readings;
    let held: std::collections::BTreeSet<u32> = (stuck.start..stuck.end)
        .map(|m| readings[m as usize][stuck.channel as usize])
        .filter(|v| !v.is_nan())
        .map(f32::to_bits)
        .collect();
    assert!(held.len() <= 2, "one value, but for a spike on top: {held:?}");
}

#[test]
fn the_frame_holds_what_the_record_holds() {
    let plant = plant(&PlantConfig { days: 5, gap_share: 0.1, ..year() });
    let frame = plant.observed().sensors().unwrap();
    let names: Vec<String> = frame.get_column_names().iter().map(|n| n.to_string()).collect();
    assert_eq!(names, ["time", "machine", "running", "product", "temperature", "pressure", "vibration", "current"]);
    let missing: usize = Channel::ALL.iter().map(|c| frame.column(c.name()).unwrap().null_count()).sum();
    let nan = |m| plant.observed().machine(m).unwrap().readings.iter().flatten().filter(|v| v.is_nan()).count();
    assert_eq!(missing, (0..3).map(nan).sum::<usize>());
    assert!(missing > 0);
    assert_eq!(frame.column("time").unwrap().get(1440).unwrap().to_string(), "2024-01-02 00:00:00");
}

#[test]
fn maintaining_one_machine_leaves_the_others_alone() {
    let config = PlantConfig { days: 60, overhaul_every_days: None, ..year() };
    let (mut idle, mut cared) = (World::new(&config).unwrap(), World::new(&config).unwrap());
    for hour in 0..config.hours() {
        idle.step(&[]).unwrap();
        let done = cared.step(if hour == 200 { &[Action::Maintain { machine: 0 }] } else { &[] }).unwrap();
        assert_eq!(done, if hour == 200 { vec![true] } else { vec![] });
    }
    let (idle, cared) = (Plant::of(&idle), Plant::of(&cared));
    let bits = |p: &Plant, m| -> Vec<u32> {
        p.observed().machine(m).unwrap().readings.iter().flatten().map(|v| v.to_bits()).collect()
    };
    assert!(bits(&idle, 1) == bits(&cared, 1) && bits(&idle, 2) == bits(&cared, 2));
    let (a, b) = (bits(&idle, 0), bits(&cared, 0));
    let at = 200 * 60 * 4;
    assert!(a[..at] == b[..at] && a[at..] != b[at..]);
    // The noise of machine 0 itself is the same too: while neither shows symptoms, readings of far later hours agree.
    let sound = |p: &Plant, h| p.truth().wear(0, h).unwrap().iter().all(|w| *w < ONSET);
    let later = (230..config.hours()).find(|&h| {
        let steady = |p: &Plant| p.observed().readings(0).unwrap()[h as usize].steady;
        sound(&idle, h) && sound(&cared, h) && steady(&idle) && steady(&cared)
    });
    let later = later.expect("both run sound for an hour") as usize;
    let pressure = |p: &Plant| p.observed().readings(0).unwrap()[later].values[1].to_bits();
    assert_eq!(pressure(&idle), pressure(&cared));
}

#[test]
fn a_world_shows_the_same_readings_as_the_record() {
    let config = PlantConfig { days: 45, overhaul_every_days: None, gap_share: 0.05, wear_rate: 3.0, ..year() };
    let mut world = World::new(&config).unwrap();
    let mut seen = Vec::new();
    for _ in 0..config.hours() {
        world.step(&[]).unwrap();
        seen.extend(world.view().readings(1, 1));
    }
    assert_eq!(seen, Plant::simulate(&config).unwrap().observed().readings(1).unwrap());
    assert!(seen.iter().any(|r| r.up < 1.0), "something failed in between");
}

#[test]
fn wrong_configurations_are_named() {
    let says = |config: PlantConfig, words: &str| {
        let error = Plant::simulate(&config).expect_err("out of range").to_string();
        assert!(error.contains(words), "{error}");
    };
    says(PlantConfig { machines: 0, ..year() }, "PlantConfig.machines = 0 is outside 1..=64");
    says(PlantConfig { days: 0, ..year() }, "PlantConfig.days");
    says(PlantConfig { noise: f64::NAN, ..year() }, "PlantConfig.noise = NaN");
    says(PlantConfig { gap_share: 0.5, ..year() }, "PlantConfig.gap_share");
    says(PlantConfig { overhaul_every_days: Some(0.0), ..year() }, "PlantConfig.overhaul_every_days");
    let mut world = World::new(&PlantConfig { days: 1, ..year() }).unwrap();
    let error = world.step(&[Action::Maintain { machine: 3 }]).expect_err("machines are 0, 1, 2");
    assert!(matches!(error, PlantError::NoSuchMachine { machine: 3, machines: 3 }), "{error}");
    assert_eq!(world.hour(), 0, "nothing happened");
}
