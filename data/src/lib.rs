//! Data of a simulated electronics plant with known ground truth, as polars frames and as typed dfdx tensors.
//!
//! - [`plant`]: three moulding presses, a year of minute readings, wear, failures, sensor faults; can be acted on.
//! - [`images`]: solder joints, 28x28 grey, good and defective.
//! - [`noise`]: the keyed random numbers under both.
//! - [`mod@write`]: frames to CSV and Parquet, atomically.
//!
//! ```
//! use data::plant::{Plant, PlantConfig};
//! let plant = Plant::simulate(&PlantConfig { days: 3, ..PlantConfig::default() })?;
//! let sensors = plant.observed().sensors()?;
//! assert_eq!(sensors.shape(), (3 * 3 * 24 * 60, 8));
//! # Ok::<(), data::plant::PlantError>(())
//! ```

pub mod images;
pub mod noise;
pub mod plant;
pub mod write;
