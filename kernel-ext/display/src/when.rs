//! A place on an x axis: a number, or a date as people write it.

use crate::error::FigureError;
use crate::kinds::Number;
use crate::scale::days_from_civil;

/// A place on the x axis: a number in the axis's own unit (on time axes seconds since 1970-01-01 UTC), or a text such as
/// `"2025-03-12"` or `"2025-03-12 14:05"` on a time axis.
pub trait When {
    /// The place; what was written, when it is no date.
    ///
    /// # Errors
    /// The text that is not a date.
    fn place(&self) -> Result<f64, String>;
}

impl<N: Number> When for N {
    fn place(&self) -> Result<f64, String> {
        Ok(self.number())
    }
}

impl When for &str {
    fn place(&self) -> Result<f64, String> {
        parse(self).ok_or_else(|| (*self).to_owned())
    }
}

impl When for String {
    fn place(&self) -> Result<f64, String> {
        self.as_str().place()
    }
}

/// A date or time in UTC as seconds since 1970, the unit of time axes: `moment("2025-03-12 14:05")?`.
///
/// ```
/// assert_eq!(display::moment("1970-01-02")?, 86_400.0);
/// assert_eq!(display::moment("2025-01-01T00:00:30")?, 1_735_689_630.0);
/// assert!(display::moment("2025-02-30").is_err());
/// # Ok::<(), display::FigureError>(())
/// ```
///
/// # Errors
/// [`FigureError::NotATime`] for anything but `YYYY-MM-DD`, with or without ` HH:MM` or ` HH:MM:SS`.
pub fn moment(text: &str) -> Result<f64, FigureError> {
    parse(text).ok_or_else(|| FigureError::NotATime(text.to_owned()))
}

fn parse(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let numbers = |text: &str, mark| text.split(mark).map(|n| n.parse::<u32>().ok()).collect::<Option<Vec<u32>>>();
    let [year, month, day] = numbers(date, '-')?[..] else { return None };
    let (hour, minute, second) = match numbers(clock, ':')?[..] {
        [h, m] => (h, m, 0),
        [h, m, s] => (h, m, s),
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 || year > 9999 {
        return None;
    }
    let whole = days_from_civil(i64::from(year), month, day) as f64 * 86_400.0;
    Some(whole + f64::from(hour * 3600 + minute * 60 + second))
}
