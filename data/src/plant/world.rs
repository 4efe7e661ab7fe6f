//! The plant as something one can act on, hour by hour.

use super::config::{PlantConfig, PlantError};
use super::machine::{LogEntry, Machine};
use super::observed::{HourlyReading, STEADY_MINUTES};
use super::sensors::Sensors;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// Good units a press makes in an hour at load 1.
pub const UNITS_PER_HOUR: f64 = 600.0;

/// What can be done to the plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Stop the machine at the start of the coming hour and replace all its wearing parts
    /// ([`OVERHAUL_HOURS`](super::OVERHAUL_HOURS) of downtime). Without effect on a machine that is down already.
    Maintain {
        /// Machine, from 0.
        machine: usize,
    },
}

/// A plant that is stepped hour by hour under somebody's actions.
///
/// Everything random is keyed by time, machine or part number and never by the order of events, so that worlds of one seed
/// under different actions share weather, orders, spare parts and sensor noise. `clone` forks the world at any moment.
///
/// ```
/// use data::plant::{Action, PlantConfig, World};
/// let config = PlantConfig { days: 2, ..PlantConfig::default() };
/// let mut idle = World::new(&config)?;
/// let mut cared = idle.clone();
/// for hour in 0..48 {
///     idle.step(&[])?;
///     cared.step(if hour == 10 { &[Action::Maintain { machine: 0 }] } else { &[] })?;
/// }
/// let (a, b) = (idle.view(), cared.view());
/// assert_eq!(a.readings(1, 24), b.readings(1, 24)); // machine 1 does not notice
/// assert_ne!(a.readings(0, 40), b.readings(0, 40));
/// assert!(cared.step(&[]).is_err()); // the world has ended
/// # Ok::<(), data::plant::PlantError>(())
/// ```
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) config: PlantConfig,
    pub(crate) machines: Vec<Machine>,
    pub(crate) sensors: Arc<[Sensors]>,
    /// Hourly means, computed when somebody looks.
    readings: Vec<Vec<OnceLock<HourlyReading>>>,
}

impl World {
    /// A world before its first hour.
    ///
    /// # Errors
    /// Whatever [`PlantConfig::validate`] finds.
    pub fn new(config: &PlantConfig) -> Result<Self, PlantError> {
        config.validate()?;
        Ok(Self {
            config: config.clone(),
            machines: (0..config.machines).map(|m| Machine::new(config, m)).collect(),
            sensors: (0..config.machines).map(|m| Sensors::new(config, m)).collect(),
            readings: vec![vec![OnceLock::new(); config.hours() as usize]; config.machines],
        })
    }

    /// Hours simulated so far; the coming hour has this number.
    pub fn hour(&self) -> u32 {
        self.machines.first().map_or(0, Machine::now)
    }

    /// Length of the world in hours.
    pub fn hours(&self) -> u32 {
        self.config.hours()
    }

    /// Does the actions, then lets an hour pass. Returns for each action whether it had an effect.
    ///
    /// # Errors
    /// [`PlantError::AtTheEnd`] after the last hour, [`PlantError::NoSuchMachine`] (nothing is done then).
    pub fn step(&mut self, actions: &[Action]) -> Result<Vec<bool>, PlantError> {
        let hours = self.hours();
        if self.hour() >= hours {
            return Err(PlantError::AtTheEnd { hours });
        }
        let machines = self.machines.len();
        for &Action::Maintain { machine } in actions {
            if machine >= machines {
                return Err(PlantError::NoSuchMachine { machine, machines });
            }
        }
        let done = actions.iter().map(|&Action::Maintain { machine }| self.machines[machine].overhaul()).collect();
        self.machines.iter_mut().for_each(Machine::step);
        Ok(done)
    }

    /// What the plant knows now.
    pub fn view(&self) -> ObservedView<'_> {
        ObservedView { world: self }
    }
}

/// What a decision maker may look at: readings and log book up to now, nothing hidden, nothing of the future.
///
/// ```compile_fail,E0599
/// fn cheat(view: &data::plant::ObservedView<'_>) -> f64 {
///     view.truth().failures().len() as f64 // no such method: wear is truth
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ObservedView<'a> {
    world: &'a World,
}

impl ObservedView<'_> {
    /// The coming hour; readings exist for all hours before it.
    pub fn hour(&self) -> u32 {
        self.world.hour()
    }

    /// Number of machines.
    pub fn machines(&self) -> usize {
        self.world.machines.len()
    }

    /// Whether the machine can run in the coming hour (false for machines that do not exist).
    pub fn is_running(&self, machine: usize) -> bool {
        self.world.machines.get(machine).is_some_and(Machine::is_running)
    }

    /// Hours since the last overhaul of the machine was done, or since the start.
    pub fn hours_since_overhaul(&self, machine: usize) -> u32 {
        self.world.machines.get(machine).map_or(0, Machine::hours_since_overhaul)
    }

    /// The machine's log book, oldest first.
    pub fn log(&self, machine: usize) -> &[LogEntry] {
        self.world.machines.get(machine).map_or(&[], |m| &m.log)
    }

    /// Units made, and units lost by standing still, since the start.
    pub fn production(&self, machine: usize) -> Production {
        let mut production = Production::default();
        for hour in self.world.machines.get(machine).map_or(&[][..], |m| &m.hours) {
            let units = hour.outside.load * UNITS_PER_HOUR;
            let share = f64::from(hour.up) / 60.0;
            production.made += units * share;
            production.lost += units * (1.0 - share);
            production.down_hours += 1.0 - share;
        }
        production
    }

    /// The hourly mean readings of the machine's last `n` hours, oldest first (fewer at the start, none for an unknown
    /// machine). Computed when first asked for: a policy that never looks costs nothing.
    pub fn readings(&self, machine: usize, n: u32) -> Vec<HourlyReading> {
        let Some(state) = self.world.machines.get(machine) else { return Vec::new() };
        let now = state.now();
        let reading = |hour: u32| {
            *self.world.readings[machine][hour as usize].get_or_init(|| {
                let minutes = self.world.sensors[machine].hour(state, hour);
                let up_for = state.hours[..=hour as usize].iter().rev().take_while(|h| h.up == 60).take(4).count();
                let steady = 60 * up_for as u32 >= STEADY_MINUTES + 60 || up_for as u32 == hour + 1;
                let h = &state.hours[hour as usize];
                let up = f32::from(h.up) / 60.0;
                HourlyReading {
                    hour,
                    machine,
                    product: h.outside.product,
                    up,
                    steady,
                    values: super::observed::means(&minutes),
                }
            })
        };
        (now.saturating_sub(n)..now).map(reading).collect()
    }
}

/// What a machine made and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Production {
    /// Good units made.
    pub made: f64,
    /// Units not made because the machine stood still.
    pub lost: f64,
    /// Hours it stood still.
    pub down_hours: f64,
}
