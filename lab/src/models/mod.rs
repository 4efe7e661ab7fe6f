//! Trained models: each has a configuration with serde, `new`, `fit`, what it is for (`score`, `sample`, `predict`), `save`
//! and `load`. Their sizes are type parameters.

pub mod gan;
pub mod lstm;
pub mod vae;

use crate::{Error, Result};

/// Refuses settings of the optimiser and the loop that cannot work.
fn check_training(batch: usize, learning_rates: &[(&'static str, f64)]) -> Result<()> {
    if batch == 0 {
        return Err(Error::Config {
            field: "batch",
            value: String::from("0"),
            remedy: "a batch needs at least one row",
        });
    }
    for (field, rate) in learning_rates {
        if !(rate.is_finite() && *rate > 0.0) {
            return Err(Error::Config {
                field,
                value: rate.to_string(),
                remedy: "it must be positive and finite; 0.001 is a good start",
            });
        }
    }
    Ok(())
}

/// Refuses empty data and values that are not numbers.
fn check_values(what: &'static str, values: &[f32], width: usize) -> Result<()> {
    if values.is_empty() {
        return Err(Error::Empty { what, remedy: "give it at least one row" });
    }
    match values.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(Error::NotFinite { what, row: at / width, column: at % width, value: values[at] }),
        None => Ok(()),
    }
}

/// Where the first value outside of these bounds lies.
fn outside(values: &[f32], low: f32, high: f32) -> Option<usize> {
    values.iter().position(|x| !(low..=high).contains(x))
}

/// The given rows of a row-major table, one after the other.
fn gather(values: &[f32], width: usize, rows: &[usize]) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len() * width);
    for row in rows {
        out.extend_from_slice(&values[row * width..(row + 1) * width]);
    }
    out
}

/// Rows that inference takes at once, so that its memory does not grow with the data.
const CHUNK: usize = 1024;
