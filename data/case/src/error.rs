//! What can go wrong in a trial.

use data::plant::PlantError;

/// Why a trial or a comparison could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The plant refused.
    #[error(transparent)]
    Plant(#[from] PlantError),
    /// A trial without arms.
    #[error("a trial needs at least one arm: Trial::paired(seeds, vec![Arm::new(..), ..])")]
    NoArms,
    /// Two arms of one name.
    #[error("two arms are called {name:?}: give each arm its own name")]
    SameName {
        /// The name.
        name: String,
    },
    /// Too few plants for an interval.
    #[error("{found} plant seed(s) allow no confidence interval: give at least 2, better 10, all different")]
    TooFewSeeds {
        /// How many there are.
        found: usize,
    },
    /// A seed given twice counts one plant twice.
    #[error("plant seed {seed} is given twice: each plant counts once")]
    SameSeed {
        /// The seed.
        seed: u64,
    },
    /// No arm of this name.
    #[error("no arm is called {name:?}; the arms are {known:?}")]
    UnknownArm {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Rows that no score can be fitted on.
    #[error("{values} values in rows of {width} cannot be used: {why}")]
    BadRows {
        /// Number of values.
        values: usize,
        /// Values of a row.
        width: usize,
        /// What is wrong and what to do.
        why: &'static str,
    },
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] lathe_events::interrupt::Interrupted),
    /// polars refused to build a frame.
    #[error("could not build a data frame: {0}")]
    Frame(#[from] polars::error::PolarsError),
}
