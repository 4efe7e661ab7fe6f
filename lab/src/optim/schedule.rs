use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The learning rate of each step (or epoch: whatever is counted), PyTorch's formulas. A plain value: what has to be saved is
/// the number of the step.
///
/// ```
/// use lab::optim::Schedule;
/// let schedule = Schedule::Step { every: 30, factor: 0.1 };
/// assert_eq!(schedule.rate(1.0, 29), 1.0);
/// assert_eq!(schedule.rate(1.0, 30), 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always the same.
    #[default]
    Constant,
    /// Times `factor` after each `every` steps (`StepLR`).
    Step {
        /// Steps between two changes.
        every: u64,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Times `factor` after each step (`ExponentialLR`).
    Exponential {
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Half a cosine from the rate to `floor` times the rate in `steps` steps, then constant (`CosineAnnealingLR`; Loshchilov and
    /// Hutter 2017).
    Cosine {
        /// Steps down to the floor.
        steps: u64,
        /// Share of the rate that remains.
        floor: f64,
    },
    /// Up in a straight line over `warmup` steps, the first of which has 1 / `warmup` of the rate; then [`Schedule::Cosine`] down
    /// to the end of `steps`, warm-up included.
    WarmupCosine {
        /// Steps up.
        warmup: u64,
        /// Steps in all.
        steps: u64,
        /// Share of the rate that remains.
        floor: f64,
    },
    /// From rate / 25 up to the rate in `rise` of all steps, then down to rate / 250 000, both along a cosine (`OneCycleLR`; Smith and
    /// Topin 2018). The momentum stays as it is.
    OneCycle {
        /// Steps in all.
        steps: u64,
        /// Share of steps that go up; PyTorch has 0.3.
        rise: f64,
    },
}

impl Schedule {
    /// The learning rate of step `step`, the first of which is 0, for a learning rate of `rate`.
    pub fn rate(&self, rate: f64, step: u64) -> f64 {
        rate * self.factor(step)
    }

    fn factor(&self, step: u64) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Step { every, factor } => factor.powf((step / every.max(1)) as f64),
            Self::Exponential { factor } => factor.powf(step as f64),
            Self::Cosine { steps, floor } => between(1.0, floor, share(step as f64, steps as f64)),
            Self::WarmupCosine { warmup, .. } if step < warmup => (step + 1) as f64 / warmup as f64,
            Self::WarmupCosine { warmup, steps, floor } => {
                between(1.0, floor, share((step - warmup) as f64, steps.saturating_sub(warmup) as f64))
            }
            Self::OneCycle { steps, rise } => {
                let (last, at) = (steps.saturating_sub(1) as f64, step as f64);
                let top = rise * steps as f64 - 1.0;
                let (start, end) = (1.0 / 25.0, 1.0 / 25.0 / 1e4);
                if at <= top {
                    between(start, 1.0, share(at, top))
                } else {
                    between(1.0, end, share(at - top, last - top))
                }
            }
        }
    }
}

fn share(done: f64, of: f64) -> f64 {
    if of > 0.0 { (done / of).min(1.0) } else { 1.0 }
}

/// From `a` to `b` along half a cosine.
fn between(a: f64, b: f64, share: f64) -> f64 {
    b + (a - b) * 0.5 * (1.0 + (PI * share).cos())
}

/// Lowers the learning rate when a loss stops falling (PyTorch's `ReduceLROnPlateau` with its defaults). Serde saves where it stands.
///
/// ```
/// use lab::optim::Plateau;
/// let mut plateau = Plateau { patience: 1, ..Plateau::default() };
/// let factors: Vec<f64> = [3.0, 2.0, 2.0, 2.0, 1.0].map(|loss| plateau.observe(loss)).into();
/// assert_eq!(factors, [1.0, 1.0, 1.0, 0.1, 0.1]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plateau {
    /// What the learning rate is multiplied by.
    pub factor: f64,
    /// Epochs without improvement that are let pass.
    pub patience: u32,
    /// A loss is better when it is below the best by this share of it.
    pub threshold: f64,
    /// Epochs after a change in which nothing is counted.
    pub cooldown: u32,
    /// The answer is never below this.
    pub floor: f64,
    /// Where it stands.
    pub progress: Progress,
}

/// What a [`Plateau`] has seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The best loss.
    pub best: Option<f64>,
    /// Epochs since then.
    pub bad: u32,
    /// Epochs of the cool-down that are left.
    pub cooling: u32,
    /// Times that the rate was lowered.
    pub lowered: u32,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { factor: 0.1, patience: 10, threshold: 1e-4, cooldown: 0, floor: 0.0, progress: Progress::default() }
    }
}

impl Plateau {
    /// Takes in the loss of an epoch; what the first learning rate is to be multiplied by from now on.
    pub fn observe(&mut self, loss: f64) -> f64 {
        let p = &mut self.progress;
        if p.best.is_none_or(|best| loss < best * (1.0 - self.threshold)) {
            (p.best, p.bad) = (Some(loss), 0);
        } else {
            p.bad += 1;
        }
        if p.cooling > 0 {
            (p.cooling, p.bad) = (p.cooling - 1, 0);
        }
        if p.bad > self.patience {
            (p.lowered, p.cooling, p.bad) = (p.lowered + 1, self.cooldown, 0);
        }
        self.factor.powf(f64::from(p.lowered)).max(self.floor)
    }
}
