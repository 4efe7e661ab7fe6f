//! Who decides when to maintain.

use crate::{CaseError, Costs, Ledger};
use data::noise::Noise;
use data::plant::{Action, HourlyReading, ObservedView, World};

/// A decision maker: asked before every hour, sees what the plant sees.
pub trait Policy {
    /// What to do in the coming hour.
    fn decide(&mut self, view: &ObservedView<'_>) -> Vec<Action>;
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn decide(&mut self, view: &ObservedView<'_>) -> Vec<Action> {
        (**self).decide(view)
    }
}

/// Lets a policy run a world to its end and books the result.
///
/// # Errors
/// [`CaseError::Plant`] when the policy asks for a machine that does not exist, [`CaseError::Interrupted`] when the user stops it.
pub fn simulate(world: &mut World, policy: &mut dyn Policy, costs: &Costs) -> Result<Ledger, CaseError> {
    while world.hour() < world.hours() {
        lathe_events::interrupt::check()?;
        let actions = policy.decide(&world.view());
        world.step(&actions)?;
    }
    Ok(Ledger::of(&world.view(), costs))
}

/// Machines that could be stopped now.
fn running(view: &ObservedView<'_>) -> Vec<usize> {
    (0..view.machines()).filter(|&m| view.is_running(m)).collect()
}

/// Never maintains: repairs what breaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunToFailure;

impl Policy for RunToFailure {
    fn decide(&mut self, _: &ObservedView<'_>) -> Vec<Action> {
        Vec::new()
    }
}

/// Overhauls each machine a fixed time after its last overhaul: the status quo.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// Days between overhauls.
    pub every_days: f64,
}

impl Policy for Calendar {
    fn decide(&mut self, view: &ObservedView<'_>) -> Vec<Action> {
        let due = |m: &usize| f64::from(view.hours_since_overhaul(*m)) >= self.every_days * 24.0;
        running(view).into_iter().filter(due).map(|machine| Action::Maintain { machine }).collect()
    }
}

/// Overhauls at random moments, looking at nothing: what any policy has to beat, and, against another salt, a check
/// that a trial finds no difference where there is none.
#[derive(Clone, Debug)]
pub struct Placebo {
    noise: Noise,
    every_days: f64,
}

/// The placebo's own stream of keyed noise, apart from those of the plant.
const PLACEBO_STREAM: u64 = 1_000;

impl Placebo {
    /// On average an overhaul per machine every so many days; different salts decide differently.
    pub fn new(seed: u64, salt: u64, every_days: f64) -> Self {
        Self { noise: Noise::new(seed, PLACEBO_STREAM, salt), every_days }
    }
}

impl Policy for Placebo {
    fn decide(&mut self, view: &ObservedView<'_>) -> Vec<Action> {
        let mut draws = self.noise.at(u64::from(view.hour()));
        let rate = 1.0 / (24.0 * self.every_days);
        // A number for every machine, running or not: what one machine draws does not depend on the others.
        let drawn: Vec<bool> = (0..view.machines()).map(|_| draws.uniform() < rate).collect();
        running(view).into_iter().filter(|&m| drawn[m]).map(|machine| Action::Maintain { machine }).collect()
    }
}

/// Overhauls a machine when a score of its last hours stays above a threshold.
///
/// The score is any function of the last `history` hourly readings of one machine (oldest first); `None` means "cannot tell"
/// (warming up, readings missing) and neither raises nor clears the alarm. Higher means less normal.
///
/// ```
/// use case::{Alarm, Costs, simulate};
/// use data::plant::{PlantConfig, World};
/// // Pressure of the last day against what the product asks for.
/// let low_pressure = |hours: &[data::plant::HourlyReading]| {
///     let steady: Vec<f32> = hours.iter().filter(|h| h.steady).map(|h| 78.0 - h.values[1]).collect();
///     (!steady.is_empty()).then(|| steady.iter().sum::<f32>() / steady.len() as f32)
/// };
/// let mut world = World::new(&PlantConfig { days: 90, ..PlantConfig::default() })?;
/// let ledger = simulate(&mut world, &mut Alarm::new(24, 9.0, 12, low_pressure), &Costs::default())?;
/// println!("{} overhauls, {} failures", ledger.overhauls, ledger.failures);
/// # Ok::<(), case::CaseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Alarm<S> {
    history: u32,
    threshold: f32,
    debounce: u32,
    every: u32,
    scorer: S,
    /// Consecutive looks above the threshold, per machine.
    above: Vec<u32>,
}

impl<S: FnMut(&[HourlyReading]) -> Option<f32>> Alarm<S> {
    /// Looks every hour at the last `history` hours and overhauls after `debounce` consecutive looks (at least 1) above `threshold`.
    pub fn new(history: u32, threshold: f32, debounce: u32, scorer: S) -> Self {
        Self { history, threshold, debounce: debounce.max(1), every: 1, scorer, above: Vec::new() }
    }

    /// Looks only every so many hours: for expensive scores.
    #[must_use]
    pub fn every(mut self, hours: u32) -> Self {
        self.every = hours.max(1);
        self
    }
}

impl<S: FnMut(&[HourlyReading]) -> Option<f32>> Policy for Alarm<S> {
    fn decide(&mut self, view: &ObservedView<'_>) -> Vec<Action> {
        self.above.resize(view.machines(), 0);
        if !view.hour().is_multiple_of(self.every) || view.hour() < self.history {
            return Vec::new();
        }
        let mut actions = Vec::new();
        for machine in running(view) {
            let Some(score) = (self.scorer)(&view.readings(machine, self.history)) else { continue };
            self.above[machine] = if score > self.threshold { self.above[machine] + 1 } else { 0 };
            if self.above[machine] >= self.debounce {
                self.above[machine] = 0;
                actions.push(Action::Maintain { machine });
            }
        }
        actions
    }
}

/// The `quantile` (0 to 1) of scores of normal machines: the threshold that so large a share of them stays below. Scores that are
/// not numbers are left out; `None` without scores.
///
/// ```
/// let healthy: Vec<f32> = (0..=100).map(|i| i as f32).collect();
/// assert_eq!(case::threshold(&healthy, 0.99), Some(99.0));
/// ```
pub fn threshold(scores: &[f32], quantile: f64) -> Option<f32> {
    let mut sorted: Vec<f32> = scores.iter().copied().filter(|s| !s.is_nan()).collect();
    sorted.sort_by(f32::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((quantile.clamp(0.0, 1.0) * last as f64).round() as usize).copied()
}
