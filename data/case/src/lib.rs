//! Decisions about the plant, and whether they pay: policies, costs, paired trials.
//!
//! A [`Policy`] sees what the plant sees and decides what to maintain. A [`Trial`] lets each policy run *the same* plants,
//! many of them, and reports differences plant by plant: the unit of analysis is the plant seed, never the day, because the
//! days of one plant share its parts, its orders and its weather.
//!
//! ```
//! use case::{Alarm, Arm, Calendar, Kpi, Silent, Trial};
//! use data::plant::PlantConfig;
//!
//! let arms = vec![
//!     Arm::new("calendar", |_| Calendar { every_days: 60.0 }),
//!     // Any score of the last hours will do; this one is naive: mean vibration of a day.
//!     Arm::new("alarm", |_| Alarm::new(24, 3.2, 6, |day| {
//!         Some(day.iter().map(|hour| hour.values[2]).sum::<f32>() / day.len() as f32)
//!     })),
//! ];
//! let plant = PlantConfig { days: 60, ..PlantConfig::default() };
//! let report = Trial::paired(1..=4, arms).plant(plant).run(&mut Silent)?;
//! println!("{}", report.compare("calendar", "alarm", Kpi::Cost)?);
//! # Ok::<(), case::CaseError>(())
//! ```

mod error;
mod ledger;
mod policy;
mod stats;
mod t2;
mod trial;

pub use error::CaseError;
pub use lathe_events::{Silent, Watcher};
pub use ledger::{Costs, Kpi, Ledger};
pub use policy::{Alarm, Calendar, Placebo, Policy, RunToFailure, simulate, threshold};
pub use stats::{Interval, mean_interval, sign_flip_p};
pub use t2::HotellingT2;
pub use trial::{Arm, Comparison, Report, Run, Trial};
