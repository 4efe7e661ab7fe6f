//! A plant that encapsulates electronic components: presses, sensors, wear, failures, and the truth about all of it.
//!
//! Each press melts epoxy in a heated mould and drives it around the chips with a hydraulic pump. Four sensors report
//! once a minute. Three parts wear out: pump bearing, heater, hydraulic seal. The plant's habit (status quo) is to
//! overhaul each press every 90 days and to repair what breaks in between.
//!
//! ```
//! use data::plant::{Plant, PlantConfig};
//! let plant = Plant::simulate(&PlantConfig { days: 60, ..PlantConfig::default() })?;
//! println!("{}", plant.observed().sensors()?); // what everyone may see
//! println!("{}", plant.truth().failures_frame()?); // what only the examiner knows
//! # Ok::<(), data::plant::PlantError>(())
//! ```
//!
//! # The model
//!
//! Time runs in minutes from Monday 2024-01-01 00:00 UTC; hidden state advances hourly. N, N', ... are standard normal
//! numbers keyed by (seed, purpose, machine, time) ([`crate::noise`]); AR(φ) is a first-order autoregression of unit variance.
//!
//! **Outside** (no action changes it; year y and day d as fractions):
//! - hall air, °C: `a = 23 + 6 sin 2π(y - 0.30) + 2 sin 2π(d - 0.375) + 1.5 AR(0.8; days)`
//! - load, 1 = 600 units/h: `u = s w (1 + 0.10 sin 2π(y - 0.55) + 0.05 AR(0.7; days)) + 0.04 N + 0.05 AR(0.95; hours)`,
//!   on 0.15 to 1.1; shift `s` = 0.84 (6-14 h), 0.76 (14-22 h), 0.60 (night); `w` = 1, Saturday 0.8, Sunday 0.6
//! - product: at each shift change, with probability 0.45, a new draw from A 50 %, B 30 %, C 20 %;
//!   mould set point 175/171/179 °C, transfer pressure `p` = 78/70/86 bar, shake `k` = 1/1.18/0.86.
//!
//! **Wear** of part m in an hour is a gamma process (Abdel-Hameed 1975; van Noortwijk, *A survey of the application of gamma
//! processes in maintenance*, RESS 94, 2009): `ΔW ~ Gamma(60 r / L) / 60`, mean life L = 95/120/85 days (bearing, heater, seal),
//! `r = stress * machine * part`, machine and part log-normal (0.12, 0.25), stress
//! - bearing `(u/0.65)^1.5` (the life exponent of loaded bearings is higher; a load *share* of the force is assumed)
//! - heater `0.6 + 0.4 u/0.65 + 0.01 (23 - a)`
//! - seal `0.3 + 0.7 (u/0.65) (p/78)^3`.
//!
//! A part fails at W = 1 and shows from W = [`ONSET`]: `x = ((W - 0.7)/0.3)²` on 0 to 1 (P-F interval of reliability-centred
//! maintenance: Moubray 1997). A failure stops the press for 30/18/12 h ± 25 %; only the broken part is replaced. An overhaul takes
//! 6 h and replaces all three. At the start parts have used a random 0 to 50 % of their lives.
//!
//! **Readings** of a running press (b, h, s: symptoms x of bearing, heater, seal; each press of a fleet has its own
//! offsets: 1.5 °C, 1 bar, 8 %, 1 A):
//! - temperature, °C: the mould follows `set point + 0.12 (a - 23) + 2.5 (u - 0.65) - 9 h (0.4 + 0.6 u) + 1.2 b` with a lag of
//!   40 min; noise 0.7 (1 + 0.5 h)
//! - pressure, bar: `p - 4 (u - 0.65) - 9 s (0.5 + 0.5 u)`, noise 0.9 (1 + 1.2 s)
//! - vibration, mm/s RMS: `1.5 k (0.35 + 1.15 u) + 1.7 b (0.3 + 0.7 u) + 0.25 s`, noise 0.16 (1 + b) (measured as
//!   ISO 10816 asks, on the housing)
//! - current, A: `9 + 24 u p/78 + 6 (1 - 0.5 h) - 0.08 (a - 23) + 1.5 b u + 2.2 s`, noise 0.8.
//!
//! Each sensor drifts between random monthly levels (0.8 °C, 0.5 bar, 0.05 mm/s, 0.3 A). A standing press cools to hall
//! temperature and shows no pressure, 0.03 mm/s, 1.2 A.
//!
//! **Sensor faults**, each with its label in the truth: gaps (5 to 95 min), spikes (one minute, 8 to 20 noise widths),
//! stuck values (30 to 240 min).
//!
//! Why this is hard for one sensor: vibration doubles between a Sunday night and a Tuesday morning, and product B shakes
//! more than a worn bearing under product C. What gives a failing part away is a reading that does not fit the *others*.

mod config;
pub(crate) mod frame;
mod machine;
mod observed;
mod outside;
mod sensors;
mod truth;
mod windows;
mod world;

pub use config::{PlantConfig, PlantError};
pub use machine::{FailureMode, Life, LogEntry, LogKind, ONSET, OVERHAUL_HOURS};
pub use observed::{HourlyReading, MachineRecord, Observed, STEADY_MINUTES};
pub use outside::{Outside, Product};
pub use sensors::{Channel, SensorFault, SensorFaultKind};
pub use truth::{Failure, RemainingLife, Truth};
pub use windows::{Scaler, SensorWindows, WindowRow, WindowSpec};
pub use world::{Action, ObservedView, Production, UNITS_PER_HOUR, World};

use rayon::prelude::*;

/// The name of a machine in frames: "M1" for machine 0.
pub fn machine_name(machine: usize) -> String {
    format!("M{}", machine + 1)
}

/// A simulated plant: its record, and the truth behind it.
#[derive(Clone, Debug)]
pub struct Plant {
    observed: Observed,
    truth: Truth,
}

impl Plant {
    /// Simulates the plant under its own habit ([`PlantConfig::overhaul_every_days`]). A year of three presses takes about
    /// a second; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// Whatever [`PlantConfig::validate`] finds.
    pub fn simulate(config: &PlantConfig) -> Result<Self, PlantError> {
        let mut world = World::new(config)?;
        let hours = config.hours();
        let every = config.overhaul_every_days.map(|days| (days * 24.0) as u32);
        world.machines.par_iter_mut().for_each(|machine| {
            for _ in 0..hours {
                if every.is_some_and(|every| machine.hours_since_overhaul() >= every) {
                    machine.overhaul();
                }
                machine.step();
            }
        });
        Ok(Self::of(&world))
    }

    /// The record and truth of a world up to its present hour.
    pub fn of(world: &World) -> Self {
        let hours = world.hour();
        let machines = world.machines.iter().zip(world.sensors.iter()).map(|(machine, sensors)| {
            let readings = (0..hours).into_par_iter().flat_map_iter(|hour| sensors.hour(machine, hour)).collect();
            MachineRecord {
                readings,
                up: machine.hours.iter().map(|h| h.up).collect(),
                product: machine.hours.iter().map(|h| h.outside.product).collect(),
            }
        });
        let machines = machines.collect();
        let mut log: Vec<LogEntry> = world.machines.iter().flat_map(|m| m.log.iter().copied()).collect();
        log.sort_by_key(|e| (e.minute, e.machine));
        let lives: Vec<Life> = world.machines.iter().flat_map(|m| m.lives.iter().copied()).collect();
        let mut failures: Vec<Failure> = lives
            .iter()
            .filter(|life| life.failed)
            .filter_map(|life| {
                let minute = life.end?;
                Some(Failure { machine: life.machine, mode: life.mode, onset: life.onset.unwrap_or(minute), minute })
            })
            .collect();
        failures.sort_by_key(|f| (f.minute, f.machine));
        let overhauls = |machine: &machine::Machine| {
            let begun = machine.log.iter().filter(|e| e.kind == LogKind::OverhaulStarted);
            begun.map(|e| e.minute).collect()
        };
        let truth = Truth {
            wear: world.machines.iter().map(|m| m.hours.iter().map(|h| h.wear).collect()).collect(),
            lives,
            failures,
            faults: world.sensors.iter().flat_map(|s| s.faults.iter().copied()).collect(),
            overhauls: world.machines.iter().map(overhauls).collect(),
            minutes: hours * 60,
        };
        Self { observed: Observed { machines, log }, truth }
    }

    /// What the plant knows.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// What only the examiner knows.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }
}
