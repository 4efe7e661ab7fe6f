use std::path::PathBuf;

/// Why a figure or table could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FigureError {
    /// The frame has no such column.
    #[error("there is no column {column:?}; the frame has: {available}")]
    MissingColumn {
        /// The name asked for.
        column: String,
        /// The names that exist.
        available: String,
    },
    /// The column holds something that has no place on a number axis.
    #[error(
        "column {column:?} is {dtype}, and a plot needs numbers, booleans or times there: cast it first, or plot one of: {numeric}"
    )]
    NotNumeric {
        /// The column.
        column: String,
        /// Its polars type.
        dtype: String,
        /// The columns that could be drawn.
        numeric: String,
    },
    /// There is nothing to draw.
    #[error("{what} is empty: there is nothing to draw")]
    Empty {
        /// What had no values.
        what: String,
    },
    /// Two things that belong together differ in length.
    #[error("{what} has {got} values and {expected} are needed: one for each {each}")]
    Length {
        /// What is too long or too short.
        what: String,
        /// Its length.
        got: usize,
        /// The length it should have.
        expected: usize,
        /// What its values belong to.
        each: &'static str,
    },
    /// A column could not be converted.
    #[error("column {column:?} cannot be read as numbers: {source}")]
    Convert {
        /// The column.
        column: String,
        /// What polars says.
        source: polars::error::PolarsError,
    },
    /// A text is not a date or time.
    #[error("{0:?} is not a time: write it as \"2025-03-12\" or \"2025-03-12 14:05\" (UTC)")]
    NotATime(String),
    /// The figure has no series of that name.
    #[error("there is no series {series:?} in the figure; it has: {available}")]
    MissingSeries {
        /// The name asked for.
        series: String,
        /// The names that exist.
        available: String,
    },
    /// A plotters drawing of the caller's failed.
    #[error("the drawing failed: {0}")]
    Drawing(String),
    /// The file name does not say which picture is wanted.
    #[error("{}: the name must end in .png or .svg", .0.display())]
    FileKind(PathBuf),
    /// The file could not be written; an older file of that name is untouched.
    #[error("{}: {source}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
