//! From values to positions: linear, logarithmic, time and category axes, and where their ticks stand.

/// What kind of numbers an axis carries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Linear,
    Log,
    /// Seconds since 1970-01-01 00:00 UTC.
    Time,
    /// Integers that index these names.
    Names(Vec<String>),
}

/// An axis from `low` to `high`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    pub(crate) kind: Kind,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Scale {
    /// An axis that holds all finite values, with a little air (`air` as a share of the range).
    pub(crate) fn fit(kind: Kind, values: impl Iterator<Item = f64>, air: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.filter(|v| v.is_finite() && (kind != Kind::Log || *v > 0.0)) {
            (low, high) = (low.min(v), high.max(v));
        }
        if let Kind::Names(names) = &kind {
            return Self { low: -0.5, high: names.len() as f64 - 0.5, kind };
        }
        if low > high {
            (low, high) = if kind == Kind::Log { (0.1, 1.0) } else { (0.0, 1.0) };
        }
        if kind == Kind::Log {
            let pad = ((high / low).ln() * air).max(0.02);
            return Self { kind, low: low * (-pad).exp(), high: high * pad.exp() };
        }
        let span = high - low;
        // Constant data: open the axis around it.
        let pad = if span > f64::EPSILON * low.abs().max(high.abs()) * 8.0 {
            span * air
        } else if kind == Kind::Time {
            60.0
        } else {
            (low.abs() * 0.1).max(if low == 0.0 { 0.5 } else { f64::MIN_POSITIVE })
        };
        Self { kind, low: low - pad, high: high + pad }
    }

    /// Where a value lies: 0 at `low`, 1 at `high`; NaN for what the axis cannot show.
    pub(crate) fn place(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Log if value <= 0.0 => f64::NAN,
            Kind::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            _ => (value - self.low) / (self.high - self.low),
        }
    }

    /// Up to about `wanted` ticks: value and label.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        match &self.kind {
            Kind::Linear => linear_ticks(self.low, self.high, wanted),
            Kind::Log => log_ticks(self.low, self.high, wanted),
            Kind::Time => time_ticks(self.low, self.high, wanted),
            Kind::Names(names) => {
                let step = names.len().div_ceil(wanted.max(1)).max(1);
                names.iter().enumerate().step_by(step).map(|(i, name)| (i as f64, name.clone())).collect()
            }
        }
    }

    /// A value as read out in a description.
    pub(crate) fn say(&self, value: f64) -> String {
        match &self.kind {
            Kind::Time => date_time(value, 60.0),
            Kind::Names(names) => names.get(value.round().max(0.0) as usize).cloned().unwrap_or_else(|| number(value)),
            _ => number(value),
        }
    }
}

/// The round step (1, 2 or 5 times a power of ten) that cuts `span` into about `wanted` parts.
fn round_step(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let lead = rough / power;
    let round = match lead {
        _ if lead <= 1.4 => 1.0,
        _ if lead <= 2.8 => 2.0,
        _ if lead <= 7.0 => 5.0,
        _ => 10.0,
    };
    power * round
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let step = round_step(high - low, wanted);
    if !(step.is_finite() && step > 0.0) {
        return Vec::new();
    }
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    if last - first > 1000.0 || (first + 1.0) == first {
        return Vec::new();
    }
    (0..=(last - first) as i64).map(|i| (first + i as f64) * step).map(|v| (v, tick_label(v, step))).collect()
}

/// A tick's label with as many decimals as the step needs, and a suffix for large numbers.
fn tick_label(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    if value == 0.0 {
        return String::from("0");
    }
    if step < 1e-4 {
        return scientific(value, ((value.abs() / step).log10().floor().max(0.0)) as usize);
    }
    // One suffix for the whole axis, by its step; a short axis of large numbers keeps its digits.
    for (unit, suffix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if step >= unit / 2.0 && (unit > 1e3 || step >= 5e3) {
            let decimals = usize::from(step < unit);
            return minus(format!("{:.decimals$}{suffix}", value / unit));
        }
    }
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    minus(format!("{value:.decimals$}"))
}

/// A real minus sign, as wide as a digit.
fn minus(text: String) -> String {
    if text.starts_with('-') { text.replacen('-', "\u{2212}", 1) } else { text }
}

fn scientific(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    minus(if mantissa == "1" {
        format!("10{}", superscript(exponent))
    } else {
        format!("{mantissa}×10{}", superscript(exponent))
    })
}

fn superscript(exponent: &str) -> String {
    exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '0' | '4'..='9' => char::from_u32(0x2070 + (c as u32 - '0' as u32)).unwrap_or(c),
            c => c,
        })
        .collect()
}

/// A number in a sentence: four significant digits, no needless zeros.
///
/// ```
/// assert_eq!(display::number(0.123_456), "0.1235");
/// assert_eq!(display::number(12_345.6), "12346");
/// assert_eq!(display::number(f64::NAN), "NaN");
/// ```
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { String::from("0") } else { value.to_string() };
    }
    let power = value.abs().log10().floor();
    if !(-4.0..7.0).contains(&power) {
        let text = format!("{value:.3e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'));
    }
    let decimals = (3.0 - power).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (high / low).log10();
    let steps: &[f64] = if decades < 1.5 {
        &[1.0, 2.0, 3.0, 5.0, 7.0]
    } else if decades < 3.0 {
        &[1.0, 3.0]
    } else {
        &[1.0]
    };
    let stride = ((decades / wanted.max(1) as f64).ceil() as usize).max(1);
    let mut ticks = Vec::new();
    for power in (first..=last).step_by(if steps.len() > 1 { 1 } else { stride }) {
        for lead in steps {
            let value = lead * 10f64.powi(power);
            if value >= low * (1.0 - 1e-9) && value <= high * (1.0 + 1e-9) {
                let label = if (-3..5).contains(&power) { number(value) } else { scientific(value, 0) };
                ticks.push((value, label));
            }
        }
    }
    // Less than a tick or two on the axis: ordinary steps serve better.
    if ticks.len() < 2 { linear_ticks(low, high, wanted) } else { ticks }
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

fn time_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let rough = (high - low) / wanted.max(1) as f64;
    if rough > 15.0 * DAY {
        return month_ticks(low, high, rough);
    }
    let steps = [
        1.0,
        2.0,
        5.0,
        10.0,
        30.0,
        MINUTE,
        2.0 * MINUTE,
        5.0 * MINUTE,
        10.0 * MINUTE,
        30.0 * MINUTE,
        HOUR,
        2.0 * HOUR,
        3.0 * HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
        DAY,
        2.0 * DAY,
        5.0 * DAY,
        7.0 * DAY,
        14.0 * DAY,
        15.0 * DAY,
    ];
    let step =
        if rough < 1.0 { round_step(high - low, wanted) } else { *steps.iter().find(|s| **s >= rough).unwrap_or(&DAY) };
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last.min(first + 200)).map(|i| i as f64 * step).map(|t| (t, time_label(t, step))).collect()
}

fn month_ticks(low: f64, high: f64, rough: f64) -> Vec<(f64, String)> {
    let months = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200];
    let step = *months.iter().find(|m| f64::from(**m) * 30.4 * DAY >= rough).unwrap_or(&1200);
    let (year, month, _) = civil((low / DAY).floor() as i64);
    let mut at = (year * 12 + i64::from(month) - 1).div_euclid(i64::from(step)) * i64::from(step);
    let mut ticks = Vec::new();
    loop {
        let (year, month) = (at.div_euclid(12), at.rem_euclid(12) as u32 + 1);
        let time = days_from_civil(year, month, 1) as f64 * DAY;
        if time > high || ticks.len() > 200 {
            return ticks;
        }
        if time >= low {
            let first = ticks.is_empty() || month == 1;
            let label = if step >= 12 {
                year.to_string()
            } else if first {
                format!("{} {year}", MONTHS[month as usize - 1])
            } else {
                MONTHS[month as usize - 1].to_owned()
            };
            ticks.push((time, label));
        }
        at += i64::from(step);
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn time_label(time: f64, step: f64) -> String {
    let (_, month, day) = civil((time / DAY).floor() as i64);
    let second = time.rem_euclid(DAY);
    let (h, m, s) = ((second / HOUR) as u32, (second % HOUR / MINUTE) as u32, second % MINUTE);
    if step >= DAY || (second == 0.0 && step >= MINUTE) {
        format!("{day} {}", MONTHS[month as usize - 1])
    } else if step >= MINUTE {
        format!("{h:02}:{m:02}")
    } else if step >= 1.0 {
        format!("{h:02}:{m:02}:{:02}", s as u32)
    } else {
        format!("{m:02}:{s:06.3}")
    }
}

/// `2026-03-01 14:05`, with seconds when `step` is below a minute.
pub(crate) fn date_time(time: f64, step: f64) -> String {
    if !time.is_finite() {
        return time.to_string();
    }
    let (year, month, day) = civil((time / DAY).floor() as i64);
    let second = time.rem_euclid(DAY);
    let (h, m, s) = ((second / HOUR) as u32, (second % HOUR / MINUTE) as u32, (second % MINUTE) as u32);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if step < MINUTE { format!("{date} {h:02}:{m:02}:{s:02}") } else { format!("{date} {h:02}:{m:02}") }
}

/// Year, month (1-12) and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, u32, u32) {
    // A year begins on 1 March here, so that the leap day is its last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u32;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 } as u32;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, wanted: usize) -> Vec<String> {
        scale.ticks(wanted).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_inside() {
        let scale = Scale { kind: Kind::Linear, low: -0.013, high: 1.02 };
        assert_eq!(labels(&scale, 6), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let scale = Scale { kind: Kind::Linear, low: -3.0, high: 3.0 };
        assert_eq!(labels(&scale, 4), ["\u{2212}2", "0", "2"]);
        let scale = Scale { kind: Kind::Linear, low: 0.0, high: 2.2e6 };
        assert_eq!(labels(&scale, 5), ["0", "0.5M", "1.0M", "1.5M", "2.0M"]);
        let scale = Scale { kind: Kind::Linear, low: 0.0, high: 4.1e-5 };
        assert_eq!(labels(&scale, 5), ["0", "10⁻⁵", "2×10⁻⁵", "3×10⁻⁵", "4×10⁻⁵"]);
    }

    #[test]
    fn log_ticks_name_decades() {
        let scale = Scale { kind: Kind::Log, low: 1e-6, high: 10.0 };
        let labels = labels(&scale, 8);
        assert!(labels.contains(&String::from("10⁻⁶")) && labels.contains(&String::from("0.1")), "{labels:?}");
    }

    #[test]
    fn time_ticks_fall_on_the_calendar() {
        let day = |y, m, d| days_from_civil(y, m, d) as f64 * DAY;
        let year = Scale { kind: Kind::Time, low: day(2025, 1, 1), high: day(2026, 1, 1) };
        let names = labels(&year, 6);
        assert_eq!(names.first().map(String::as_str), Some("Jan 2025"));
        assert!(names.contains(&String::from("Jul")), "{names:?}");
        let hours =
            Scale { kind: Kind::Time, low: day(2024, 2, 28) + 20.0 * HOUR, high: day(2024, 2, 29) + 9.0 * HOUR };
        assert_eq!(labels(&hours, 5), ["21:00", "29 Feb", "03:00", "06:00", "09:00"]);
    }

    #[test]
    fn calendar_is_its_own_inverse_and_knows_leap_years() {
        for days in (-200_000..200_000).step_by(37) {
            let (y, m, d) = civil(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(date_time(0.0, 60.0), "1970-01-01 00:00");
    }

    #[test]
    fn constant_and_missing_data_still_give_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![5.0, 5.0], vec![0.0]] {
            let scale = Scale::fit(Kind::Linear, values.into_iter(), 0.05);
            assert!(scale.low < scale.high && !scale.ticks(5).is_empty(), "{scale:?}");
        }
    }
}
