//! The training loop: batches in an order keyed by the seed, a history, reports to a watcher, and a stop at any batch.

use std::collections::BTreeMap;

use lathe_events::{Event, Watcher, interrupt};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, optim::StepError, rng};

/// What a training run recorded: for each series ("loss", ...) its mean over every epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    series: BTreeMap<String, Vec<f64>>,
}

impl History {
    /// Adds the value of the next epoch.
    pub fn push(&mut self, series: &str, value: f64) {
        self.series.entry(series.to_owned()).or_default().push(value);
    }

    /// Names of the series, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// A series, one value an epoch; empty where there is none of that name.
    ///
    /// ```
    /// let mut history = lab::History::default();
    /// history.push("loss", 2.0);
    /// history.push("loss", 1.0);
    /// assert_eq!(history.series("loss"), [2.0, 1.0]);
    /// assert!(history.last("loss") < history.first("loss"));
    /// ```
    pub fn series(&self, name: &str) -> &[f64] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first epoch's value; NaN where there is none.
    pub fn first(&self, name: &str) -> f64 {
        self.series(name).first().copied().unwrap_or(f64::NAN)
    }

    /// The last epoch's value; NaN where there is none.
    pub fn last(&self, name: &str) -> f64 {
        self.series(name).last().copied().unwrap_or(f64::NAN)
    }

    /// Number of epochs recorded.
    pub fn epochs(&self) -> usize {
        self.series.values().map(Vec::len).max().unwrap_or(0)
    }
}

/// What the loop runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Name shown to the watcher.
    pub task: &'a str,
    /// Rows of the data.
    pub rows: usize,
    /// Rows of a batch; more than there are rows means one batch of all.
    pub batch: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Passes made before (by an earlier run that this one goes on from).
    pub done: usize,
    /// Keys the order of the rows.
    pub seed: u64,
}

/// Where the loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// 1-based epoch, earlier runs included.
    pub epoch: usize,
    /// 1-based batch in this epoch.
    pub batch: usize,
    /// 0-based number of this batch over all epochs, earlier runs included: a key for its noise.
    pub step: u64,
}

impl At {
    /// The error for a loss that is not finite, with this place in it.
    ///
    /// # Errors
    /// [`Error::Diverged`] unless `value` is finite.
    pub fn finite(self, what: &str, value: f32) -> Result<f64> {
        match value.is_finite() {
            true => Ok(f64::from(value)),
            false => Err(Error::Diverged { what: what.to_owned(), value, epoch: self.epoch, batch: self.batch }),
        }
    }

    /// An optimiser's error, with this place in it.
    pub fn error(self, error: StepError) -> Error {
        match error {
            StepError::BadGradient { parameter, value } => Error::Diverged {
                what: format!("the gradient of {parameter}"),
                value: value as f32,
                epoch: self.epoch,
                batch: self.batch,
            },
            StepError::Config { field, value, remedy } => Error::Config { field, value: value.to_string(), remedy },
            StepError::NoSuchParameter { .. } => Error::Config {
                field: "groups",
                value: error.to_string(),
                remedy: "use the names of the model's tensors",
            },
            StepError::Device(text) => Error::Device(text),
        }
    }
}

/// Something that learns from batches of row numbers and reports `K` numbers for each.
pub trait Learner<const K: usize> {
    /// Names of the numbers that a step returns, the loss first.
    const SERIES: [&'static str; K];

    /// Learns from these rows. Must leave the model usable when it fails.
    ///
    /// # Errors
    /// Stops the run.
    fn step(&mut self, rows: &[usize], at: At) -> Result<[f64; K]>;

    /// Called after each epoch, for pictures and the like.
    ///
    /// # Errors
    /// Stops the run.
    fn epoch_end(&mut self, _epoch: usize, _watcher: &mut dyn Watcher) -> Result<()> {
        Ok(())
    }
}

/// Curves get this many points an epoch where there are enough batches.
const POINTS: usize = 4;

/// Runs the loop: for each epoch a new order of the rows (keyed by seed and epoch), for each batch a step.
///
/// The watcher hears `Started`, the series several times an epoch (means since the point before, `step` in epochs),
/// `Progress` after each epoch, and `Finished` however the run ends.
///
/// # Errors
/// [`Error::Interrupted`] between two batches once somebody has asked to stop; whatever the learner returns.
pub fn run<const K: usize, L: Learner<K>>(
    plan: Plan<'_>,
    learner: &mut L,
    watcher: &mut dyn Watcher,
) -> Result<History> {
    let mut reporter = Reporter::start(plan, watcher);
    let mut history = History::default();
    let size = plan.batch.clamp(1, plan.rows.max(1));
    let batches = plan.rows.div_ceil(size);
    for epoch in plan.done..plan.done + plan.epochs {
        let order = rng::permutation(&mut rng::keyed(plan.seed, "order", epoch as u64), plan.rows);
        let (mut whole, mut part) = (Mean::<K>::default(), Mean::<K>::default());
        for (b, rows) in order.chunks(size).enumerate() {
            interrupt::check()?;
            let at = At { epoch: epoch + 1, batch: b + 1, step: (epoch * batches + b) as u64 };
            let values = learner.step(rows, at)?;
            whole.add(values, rows.len());
            part.add(values, rows.len());
            if (b + 1) * POINTS / batches > b * POINTS / batches && (batches >= 2 * POINTS || b + 1 == batches) {
                reporter.point(
                    &L::SERIES,
                    epoch as f64 + (b + 1) as f64 / batches as f64,
                    std::mem::take(&mut part).get(),
                );
            }
        }
        for (name, value) in L::SERIES.iter().zip(whole.get()) {
            history.push(name, value);
        }
        learner.epoch_end(epoch + 1, reporter.watcher)?;
        reporter.watcher.on(&Event::Progress { done: (epoch + 1 - plan.done) as u64 });
    }
    Ok(history)
}

/// Tells the watcher that the task ended even when it ends by `?` or a panic.
struct Reporter<'w> {
    watcher: &'w mut dyn Watcher,
}

impl<'w> Reporter<'w> {
    fn start(plan: Plan<'_>, watcher: &'w mut dyn Watcher) -> Self {
        watcher.on(&Event::Started { task: plan.task, total: Some(plan.epochs as u64), unit: "epoch" });
        Self { watcher }
    }

    fn point<const K: usize>(&mut self, names: &[&'static str; K], step: f64, values: [f64; K]) {
        for (series, value) in names.iter().zip(values) {
            self.watcher.on(&Event::Scalar { series, step, value });
        }
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        self.watcher.on(&Event::Finished);
    }
}

/// Mean over rows, not over batches: a small last batch does not count as a full one.
struct Mean<const K: usize> {
    sum: [f64; K],
    rows: f64,
}

impl<const K: usize> Default for Mean<K> {
    fn default() -> Self {
        Self { sum: [0.0; K], rows: 0.0 }
    }
}

impl<const K: usize> Mean<K> {
    fn add(&mut self, values: [f64; K], rows: usize) {
        self.rows += rows as f64;
        self.sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value * rows as f64);
    }

    fn get(&self) -> [f64; K] {
        self.sum.map(|sum| sum / self.rows)
    }
}
