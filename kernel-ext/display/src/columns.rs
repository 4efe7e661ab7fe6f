//! Columns of a polars frame as numbers.

use polars::prelude::{Column, DataFrame, DataType, TimeUnit};

use crate::error::FigureError;
use crate::scale::Kind;

/// One or several column names: `"loss"`, `["loss", "val"]`, a `Vec<String>` ...
pub trait Names {
    /// The names, in order.
    fn names(self) -> Vec<String>;
}

impl Names for &str {
    fn names(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl Names for String {
    fn names(self) -> Vec<String> {
        vec![self]
    }
}

impl<T: AsRef<str>, const N: usize> Names for [T; N] {
    fn names(self) -> Vec<String> {
        self.iter().map(|name| name.as_ref().to_owned()).collect()
    }
}

impl<T: AsRef<str>> Names for &[T] {
    fn names(self) -> Vec<String> {
        self.iter().map(|name| name.as_ref().to_owned()).collect()
    }
}

impl<T: AsRef<str>> Names for Vec<T> {
    fn names(self) -> Vec<String> {
        self.iter().map(|name| name.as_ref().to_owned()).collect()
    }
}

impl<T: AsRef<str>> Names for &Vec<T> {
    fn names(self) -> Vec<String> {
        self.as_slice().names()
    }
}

pub(crate) fn find<'a>(df: &'a DataFrame, name: &str) -> Result<&'a Column, FigureError> {
    df.column(name).map_err(|_| FigureError::MissingColumn {
        column: name.to_owned(),
        available: list(df.columns().iter().map(|column| column.name().as_str())),
    })
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    if names.is_empty() { String::from("no columns") } else { names.join(", ") }
}

fn is_time(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Datetime(..) | DataType::Date)
}

fn drawable(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric()
        || is_time(dtype)
        || matches!(dtype, DataType::Boolean | DataType::Duration(_) | DataType::Time)
}

/// Seconds in one unit of a temporal column's integers.
fn seconds(dtype: &DataType) -> f64 {
    match dtype {
        DataType::Date => 86_400.0,
        DataType::Datetime(TimeUnit::Milliseconds, _) | DataType::Duration(TimeUnit::Milliseconds) => 1e-3,
        DataType::Datetime(TimeUnit::Microseconds, _) | DataType::Duration(TimeUnit::Microseconds) => 1e-6,
        DataType::Datetime(TimeUnit::Nanoseconds, _) | DataType::Duration(TimeUnit::Nanoseconds) | DataType::Time => {
            1e-9
        }
        _ => 1.0,
    }
}

/// A column's values (null is NaN; times are seconds since 1970, durations seconds) and the axis they belong on.
pub(crate) fn values(df: &DataFrame, name: &str) -> Result<(Vec<f64>, Kind), FigureError> {
    let column = find(df, name)?;
    let dtype = column.dtype();
    if !drawable(dtype) {
        let numeric =
            df.columns().iter().filter(|column| drawable(column.dtype())).map(|column| column.name().as_str());
        let (column, dtype, numeric) = (name.to_owned(), dtype.to_string(), list(numeric));
        return Err(FigureError::NotNumeric { column, dtype, numeric });
    }
    let unit = seconds(dtype);
    let convert = || {
        let physical = column.as_materialized_series().to_physical_repr().cast(&DataType::Float64)?;
        Ok(physical.f64()?.iter().map(|v| v.map_or(f64::NAN, |v| v * unit)).collect())
    };
    let values = convert().map_err(|source| FigureError::Convert { column: name.to_owned(), source })?;
    Ok((values, if is_time(dtype) { Kind::Time } else { Kind::Linear }))
}

/// A column's values as names of groups.
pub(crate) fn labels(df: &DataFrame, name: &str) -> Result<Vec<String>, FigureError> {
    let column = find(df, name)?;
    Ok((0..column.len())
        .map(|row| match column.get(row) {
            Ok(value) if value.is_null() => String::from("null"),
            Ok(value) => value.get_str().map_or_else(|| value.to_string(), str::to_owned),
            Err(_) => String::new(),
        })
        .collect())
}
