//! The stop button and the order of reports. One process-wide flag: these tests live alone in their binary and in one test.

use lab::{
    Error, Event, Silent, Watcher, column,
    models::{
        gan::{DenseGan, GanConfig},
        lstm::{LstmConfig, LstmRegressor},
        vae::{DenseVae, VaeConfig},
    },
    rng, rows, windows,
};
use lathe_events::interrupt;

/// Presses the button at the first point of the second epoch's curve, and writes down what it hears.
#[derive(Default)]
struct Impatient(Vec<String>);

impl Watcher for Impatient {
    fn on(&mut self, event: &Event<'_>) {
        self.0.push(match event {
            Event::Started { total, unit, .. } => format!("started {total:?} {unit}"),
            Event::Progress { done } => format!("progress {done}"),
            Event::Scalar { step, .. } => {
                if *step > 1.0 {
                    interrupt::request();
                }
                String::from("scalar")
            }
            Event::Finished => String::from("finished"),
            _ => String::from("other"),
        });
    }
}

/// The events that must come, in this order, around whatever scalars and pictures there are.
fn milestones(watcher: &Impatient) -> Vec<&str> {
    watcher.0.iter().map(String::as_str).filter(|e| !matches!(*e, "scalar" | "other")).collect()
}

#[test]
fn a_stop_keeps_the_model_and_ends_the_task() {
    let noise = |n| rng::normal(&mut rng::keyed(1, "noise", 0), n);
    let expected = ["started Some(50) epoch", "progress 1", "finished"];

    let x = rows::<4>(noise(4 * 160)).unwrap();
    let mut vae = DenseVae::<4, 8, 2>::new(VaeConfig { epochs: 50, batch: 16, ..VaeConfig::default() }).unwrap();
    let mut watcher = Impatient::default();
    assert!(matches!(vae.fit(&x, &mut watcher), Err(Error::Interrupted(_))));
    assert_eq!(milestones(&watcher), expected);
    assert!(watcher.0.iter().filter(|e| *e == "scalar").count() >= 5 * 3, "several points an epoch");
    assert_eq!(vae.epochs_done(), 1);
    // Still pressed: the next run stops at once. After clear() the model is used and trained on.
    assert!(matches!(vae.fit(&x, &mut Silent), Err(Error::Interrupted(_))));
    interrupt::clear();
    assert!(vae.score(&x).unwrap().iter().all(|s| s.is_finite()));
    assert_eq!(vae.fit(&x, &mut Silent).unwrap().epochs(), 50);
    assert_eq!(vae.epochs_done(), 51);

    let pictures = rows::<9>(noise(9 * 64).iter().map(|x| x.tanh()).collect()).unwrap();
    let mut gan = DenseGan::<2, 8, 9>::new(GanConfig { epochs: 50, batch: 8, ..GanConfig::default() }).unwrap();
    let mut watcher = Impatient::default();
    assert!(matches!(gan.fit(&pictures, &mut watcher), Err(Error::Interrupted(_))));
    assert_eq!(milestones(&watcher), expected);
    interrupt::clear();
    assert!(gan.sample(3, 1).unwrap().as_vec().iter().all(|p| p.abs() <= 1.0));

    let w = windows::<5, 2>(noise(10 * 64)).unwrap();
    let y = column((0..64).map(|i| i as f32).collect()).unwrap();
    let mut lstm = LstmRegressor::<5, 2, 4>::new(LstmConfig { epochs: 50, batch: 8, ..LstmConfig::default() }).unwrap();
    let mut watcher = Impatient::default();
    assert!(matches!(lstm.fit(&w, &y, &mut watcher), Err(Error::Interrupted(_))));
    assert_eq!(milestones(&watcher), expected);
    interrupt::clear();
    assert!(lstm.predict(&w).unwrap().iter().all(|p| p.is_finite()));

    // A run that fails ends its task too.
    let mut bad = DenseVae::<4, 8, 2>::new(VaeConfig {
        learning_rate: 1e30,
        clip_norm: None,
        epochs: 50,
        ..VaeConfig::default()
    })
    .unwrap();
    let mut watcher = Impatient::default();
    assert!(matches!(bad.fit(&x, &mut watcher), Err(Error::Diverged { .. })));
    interrupt::clear();
    assert_eq!(watcher.0.last().map(String::as_str), Some("finished"));
}
