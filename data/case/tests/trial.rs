//! Trials: paired, fair, and honest about small samples.

use case::{
    Alarm, Arm, Calendar, CaseError, Costs, Kpi, Ledger, Placebo, Policy, RunToFailure, Silent, Trial, simulate,
};
use data::plant::{Action, HourlyReading, ObservedView, PlantConfig, World};
use lathe_events::{Event, Watcher};

fn months(n: u32) -> PlantConfig {
    PlantConfig { days: 30 * n, ..PlantConfig::default() }
}

#[test]
fn identical_arms_differ_by_exactly_nothing() {
    let arms = vec![Arm::new("a", |_| Calendar { every_days: 50.0 }), Arm::new("b", |_| Calendar { every_days: 50.0 })];
    let report = Trial::paired(0..6, arms).plant(months(4)).run(&mut Silent).unwrap();
    for kpi in Kpi::ALL {
        let comparison = report.compare("a", "b", kpi).unwrap();
        assert!(comparison.differences.iter().all(|&d| d == 0.0));
        assert_eq!((comparison.interval.low, comparison.interval.high, comparison.p_value), (0.0, 0.0, 1.0));
    }
    let costs = report.values("a", Kpi::Cost).unwrap();
    assert!(costs.windows(2).any(|w| w[0] != w[1]), "plants differ: {costs:?}");
}

#[test]
fn two_placebos_are_not_told_apart_and_maintenance_is() {
    let arms = vec![
        Arm::new("placebo 1", |seed| Placebo::new(seed, 1, 60.0)),
        Arm::new("placebo 2", |seed| Placebo::new(seed, 2, 60.0)),
        Arm::new("run to failure", |_| RunToFailure),
        Arm::new("calendar", |_| Calendar { every_days: 45.0 }),
    ];
    let report = Trial::paired(1..=10, arms).run(&mut Silent).unwrap();
    let placebo = report.compare("placebo 1", "placebo 2", Kpi::Cost).unwrap();
    assert!(placebo.interval.low < 0.0 && placebo.interval.high > 0.0 && placebo.p_value > 0.05, "{placebo}");
    assert!(placebo.differences.iter().all(|&d| d != 0.0), "they do act differently");
    let saved = report.compare("run to failure", "calendar", Kpi::Cost).unwrap();
    assert!(saved.interval.high < 0.0 && saved.p_value < 0.01, "{saved}");
    // The same parts in the same weather, in the right order: far fewer breakdowns.
    let failures = report.compare("run to failure", "calendar", Kpi::Failures).unwrap();
    assert!(failures.differences.iter().all(|&d| d < -15.0), "{failures}");
    let frame = report.frame().unwrap();
    assert_eq!(frame.shape(), (40, 7));
}

#[test]
fn an_alarm_on_the_right_signal_beats_the_calendar() {
    // The pressure that is missing for the product and the load (read off the current): catches seals only, so it
    // also overhauls by calendar. The point here is that a scorer plugs in and sees what it should.
    let seal = |hours: &[HourlyReading]| {
        let steady: Vec<f32> = hours
            .iter()
            .filter(|h| h.steady && h.values[1].is_finite())
            .map(|h| [78.0, 70.0, 86.0][h.product as usize] - h.values[1])
            .collect();
        (steady.len() >= 12).then(|| steady.iter().sum::<f32>() / steady.len() as f32)
    };
    let arms = vec![
        Arm::new("run to failure", |_| RunToFailure),
        Arm::new("alarm", move |_| Alarm::new(24, 4.0, 6, seal)),
        Arm::new("deaf", move |_| Alarm::new(24, f32::INFINITY, 1, seal)),
        Arm::new("lazy", move |_| Alarm::new(24, 4.0, 2, seal).every(6)),
    ];
    let report = Trial::paired(1..=5, arms).plant(months(8)).run(&mut Silent).unwrap();
    let failures = report.compare("run to failure", "alarm", Kpi::Failures).unwrap();
    assert!(failures.interval.high < 0.0, "{failures}");
    assert!(report.compare("run to failure", "deaf", Kpi::Cost).unwrap().differences.iter().all(|&d| d == 0.0));
    assert!(report.compare("run to failure", "lazy", Kpi::Failures).unwrap().interval.high < 0.0);
}

#[test]
fn an_alarm_waits_for_its_debounce() {
    type Score = fn(&[HourlyReading]) -> Option<f32>;
    struct Log(Vec<u32>, Alarm<Score>);
    impl Policy for Log {
        fn decide(&mut self, view: &ObservedView<'_>) -> Vec<Action> {
            let actions = self.1.decide(view);
            if !actions.is_empty() {
                self.0.push(view.hour());
            }
            actions
        }
    }
    // Above the threshold at every third hour, or always from hour 40 on.
    fn score(hours: &[HourlyReading]) -> Option<f32> {
        let now = hours.last()?.hour + 1;
        (hours[0].machine == 0).then_some(if now >= 40 || now % 3 == 0 { 1.0 } else { 0.0 })
    }
    let mut world = World::new(&PlantConfig { days: 2, ..PlantConfig::default() }).unwrap();
    let mut policy = Log(Vec::new(), Alarm::new(4, 0.5, 5, score as Score));
    let ledger = simulate(&mut world, &mut policy, &Costs::default()).unwrap();
    assert_eq!(policy.0.first(), Some(&43), "hour 39 is a multiple of three: 39, 40, 41, 42, 43");
    assert_eq!(ledger.overhauls, 1);
}

#[test]
fn the_ledger_adds_up() {
    let config = months(6);
    let costs = Costs { overhaul: 10.0, failure: 1_000.0, lost_unit: 0.0 };
    let mut world = World::new(&config).unwrap();
    let ledger = simulate(&mut world, &mut Calendar { every_days: 30.0 }, &costs).unwrap();
    assert_eq!(ledger.cost, 10.0 * f64::from(ledger.overhauls) + 1_000.0 * f64::from(ledger.failures));
    let plant = data::plant::Plant::of(&world);
    assert_eq!(ledger.failures as usize, plant.truth().failures().len());
    let down =
        |m: usize| plant.observed().machine(m).unwrap().up.iter().map(|&up| 60.0 - f64::from(up)).sum::<f64>() / 60.0;
    assert!((ledger.down_hours - (0..3).map(down).sum::<f64>()).abs() < 1e-6);
    let idle = Ledger::of(&World::new(&config).unwrap().view(), &costs);
    assert_eq!(idle, Ledger::default());
}

#[test]
fn the_watcher_hears_of_every_run_and_can_stop_nothing_twice() {
    #[derive(Default)]
    struct Count(Vec<u64>, bool);
    impl Watcher for Count {
        fn on(&mut self, event: &Event<'_>) {
            match event {
                Event::Progress { done } => self.0.push(*done),
                Event::Finished => self.1 = true,
                _ => {}
            }
        }
    }
    let mut count = Count::default();
    Trial::paired(0..3, vec![Arm::new("a", |_| RunToFailure)]).plant(months(1)).run(&mut count).unwrap();
    assert_eq!((count.0, count.1), (vec![1, 2, 3], true));
}

#[test]
fn mistakes_are_named() {
    let arm = |name: &str| Arm::new(name, |_| RunToFailure);
    let run = |seeds: Vec<u64>, arms| Trial::paired(seeds, arms).plant(months(1)).run(&mut Silent);
    assert!(matches!(run(vec![1, 2], vec![]), Err(CaseError::NoArms)));
    assert!(matches!(run(vec![1], vec![arm("a")]), Err(CaseError::TooFewSeeds { found: 1 })));
    assert!(matches!(run(vec![1, 2, 1], vec![arm("a")]), Err(CaseError::SameSeed { seed: 1 })));
    assert!(matches!(run(vec![1, 2], vec![arm("a"), arm("a")]), Err(CaseError::SameName { .. })));
    let report = run(vec![1, 2], vec![arm("a")]).unwrap();
    let error = report.compare("a", "b", Kpi::Cost).expect_err("no such arm").to_string();
    assert_eq!(error, r#"no arm is called "b"; the arms are ["a"]"#);
    struct Lost;
    impl Policy for Lost {
        fn decide(&mut self, _: &ObservedView<'_>) -> Vec<Action> {
            vec![Action::Maintain { machine: 9 }]
        }
    }
    let error = Trial::paired([1, 2], vec![Arm::new("lost", |_| Lost)]).run(&mut Silent).expect_err("no machine 9");
    assert!(error.to_string().contains("there is no machine 9"), "{error}");
    let error = Trial::paired([1, 2], vec![arm("a")]).plant(PlantConfig { days: 0, ..months(1) }).run(&mut Silent);
    assert!(error.is_err_and(|e| e.to_string().contains("PlantConfig.days")));
}
