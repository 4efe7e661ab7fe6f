use std::path::PathBuf;

use lathe_events::interrupt::Interrupted;

/// What can go wrong in this crate: each names the thing, the place and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody asked to stop; the model holds what it had learnt up to the last finished batch and can be used or fitted on.
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    /// There is nothing to compute with.
    #[error("{what} is empty: {remedy}")]
    Empty {
        /// The argument.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A value is NaN or infinite.
    #[error("{what} holds {value} in row {row}, column {column}: fill or drop such rows first")]
    NotFinite {
        /// The argument.
        what: &'static str,
        /// 0-based row.
        row: usize,
        /// 0-based column within the row.
        column: usize,
        /// The value met.
        value: f32,
    },
    /// A value lies outside of the range that the model is made for.
    #[error("{what} holds {value} in row {row}, outside of [{low}, {high}]: {remedy}")]
    OutOfRange {
        /// The argument.
        what: &'static str,
        /// 0-based row.
        row: usize,
        /// The value met.
        value: f32,
        /// Smallest value allowed.
        low: f32,
        /// Largest value allowed.
        high: f32,
        /// What to do.
        remedy: &'static str,
    },
    /// Two arguments that belong together have different lengths, or values do not fill whole rows.
    #[error("{what}: {got} where {expected} was expected")]
    Length {
        /// What was counted.
        what: String,
        /// The length found.
        got: usize,
        /// The length (or divisor) that fits.
        expected: usize,
    },
    /// The number of a class is too large.
    #[error("the target of row {row} is class {class}, but there are {classes}, counted from 0")]
    Class {
        /// 0-based row.
        row: usize,
        /// The target.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A setting that cannot work.
    #[error("config: {field} = {value} cannot work, {remedy}")]
    Config {
        /// Field of the configuration.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would work.
        remedy: &'static str,
    },
    /// Training ran away: a loss or gradient is NaN or infinite. The weights are those from before the bad step.
    #[error(
        "{what} became {value} in epoch {epoch}, batch {batch}: lower the learning rate or look at the data's scale (standardise it)"
    )]
    Diverged {
        /// "loss", or the name of the parameter whose gradient it was.
        what: String,
        /// The value.
        value: f32,
        /// 1-based epoch.
        epoch: usize,
        /// 1-based batch in the epoch.
        batch: usize,
    },
    /// A metric has no value for this input.
    #[error("{metric} is undefined here: {reason}")]
    Metric {
        /// Name of the metric.
        metric: &'static str,
        /// Why.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file is not a checkpoint of this model.
    #[error("{} does not fit this model: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// The tensor library refused (out of memory, or an internal size mismatch).
    #[error("tensor library: {0}")]
    Device(String),
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<dfdx::tensor::CpuError> for Error {
    fn from(error: dfdx::tensor::CpuError) -> Self {
        Self::Device(error.to_string())
    }
}
