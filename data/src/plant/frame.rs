//! Small helpers for polars columns.

use polars::prelude::*;

/// 2024-01-01 00:00 UTC, a Monday, in milliseconds since 1970.
pub(crate) const EPOCH_MS: i64 = 1_704_067_200_000;

/// A datetime column from minutes since the start of the simulation.
pub(crate) fn time(name: &str, minutes: impl Iterator<Item = u32>) -> PolarsResult<Column> {
    let values: Vec<i64> = minutes.map(|m| EPOCH_MS + i64::from(m) * 60_000).collect();
    Column::new(name.into(), values).cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
}
