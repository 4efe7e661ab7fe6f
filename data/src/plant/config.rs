//! What can be chosen about a plant, and the errors of a choice that makes no sense.

use serde::{Deserialize, Serialize};

/// The shape of a simulated plant. `PlantConfig::default()` is the plant of the course: seed 7, three presses, one year.
///
/// ```
/// use data::plant::PlantConfig;
/// let config = PlantConfig { seed: 3, days: 30, ..PlantConfig::default() };
/// assert!(config.validate().is_ok());
/// assert!(PlantConfig { machines: 0, ..config }.validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantConfig {
    /// The year the plant lives through: weather, orders, spare parts, noise. Same seed, same data, on every computer.
    pub seed: u64,
    /// The presses themselves: offsets of their sensors and how fast they wear. Two seeds of one fleet are two possible years of
    /// the same plant, so what was learnt from one can be used in the other; another fleet is another plant.
    pub fleet: u64,
    /// Number of presses, 1 to 64.
    pub machines: usize,
    /// Length in days, 1 to 3660, from Monday 2024-01-01 00:00 UTC.
    pub days: u32,
    /// Status quo of the plant: overhaul each machine this many days after its last one. `None`: run to failure.
    pub overhaul_every_days: Option<f64>,
    /// Multiplies every wear rate: 1 = as documented, 2 = parts live half as long. 0 = nothing ever wears.
    pub wear_rate: f64,
    /// Multiplies the standard deviation of the sensor noise.
    pub noise: f64,
    /// Share of the readings of each sensor that is missing, 0 to 0.2.
    pub gap_share: f64,
    /// Single wrong readings per sensor and day, 0 to 100.
    pub spikes_per_day: f64,
    /// Episodes in which a sensor repeats one value, per sensor and day, 0 to 10.
    pub stuck_per_day: f64,
}

impl Default for PlantConfig {
    fn default() -> Self {
        Self {
            seed: 7,
            fleet: 1,
            machines: 3,
            days: 365,
            overhaul_every_days: Some(90.0),
            wear_rate: 1.0,
            noise: 1.0,
            gap_share: 0.005,
            spikes_per_day: 0.5,
            stuck_per_day: 0.02,
        }
    }
}

impl PlantConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`PlantError::OutOfRange`] names the field, its value and what is allowed.
    pub fn validate(&self) -> Result<(), PlantError> {
        let check = |field, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(PlantError::OutOfRange { field, value, low, high }) }
        };
        check("machines", self.machines as f64, 1.0, 64.0)?;
        check("days", f64::from(self.days), 1.0, 3660.0)?;
        if let Some(days) = self.overhaul_every_days {
            check("overhaul_every_days", days, 1.0, 3660.0)?;
        }
        check("wear_rate", self.wear_rate, 0.0, 100.0)?;
        check("noise", self.noise, 0.0, 100.0)?;
        check("gap_share", self.gap_share, 0.0, 0.2)?;
        check("spikes_per_day", self.spikes_per_day, 0.0, 100.0)?;
        check("stuck_per_day", self.stuck_per_day, 0.0, 10.0)
    }

    /// Simulated hours.
    pub fn hours(&self) -> u32 {
        self.days * 24
    }
}

/// Why a plant could not be simulated, or its data not be cut into windows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlantError {
    /// A field of [`PlantConfig`] is outside its range.
    #[error("PlantConfig.{field} = {value} is outside {low}..={high}: choose a value in this range")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// Smallest allowed value.
        low: f64,
        /// Largest allowed value.
        high: f64,
    },
    /// A machine number that the plant does not have.
    #[error("there is no machine {machine}: this plant has {machines}, numbered from 0")]
    NoSuchMachine {
        /// The number asked for.
        machine: usize,
        /// How many there are.
        machines: usize,
    },
    /// The world has already been simulated to its end.
    #[error("the world ends after hour {hours}: make a longer one with PlantConfig.days")]
    AtTheEnd {
        /// Length of the world.
        hours: u32,
    },
    /// No window fits the data.
    #[error("no window of {len} steps of {minutes} min fits: {why}")]
    NoWindows {
        /// Steps of a window.
        len: usize,
        /// Minutes of a step.
        minutes: u32,
        /// What stands in the way and what to change.
        why: &'static str,
    },
    /// polars refused to build a frame.
    #[error("could not build a data frame: {0}")]
    Frame(#[from] polars::error::PolarsError),
    /// The tensor library refused to build a tensor (too large for memory, for instance).
    #[error("could not build a tensor of {rows} rows of {width} values: {reason}")]
    Tensor {
        /// Rows asked for.
        rows: usize,
        /// Values of a row.
        width: usize,
        /// The library's own words.
        reason: String,
    },
}
