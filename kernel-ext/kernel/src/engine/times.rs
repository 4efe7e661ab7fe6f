//! How long a cell took.

use std::time::Duration;

/// One line about a cell: `ran` is what its own code took, if it was run.
pub(super) fn line(total: Duration, ran: Option<Duration>) -> String {
    match ran {
        Some(ran) => format!("time: compiled in {}, ran in {}\n", short(total.saturating_sub(ran)), short(ran)),
        None => format!("time: {}, nothing was run\n", short(total)),
    }
}

/// Three significant digits with a unit.
pub(super) fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 60.0 => return format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let digits = if value >= 100.0 { 0 } else { usize::from(value < 10.0) + 1 };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let of = |micros: u64| short(Duration::from_micros(micros));
        assert_eq!(of(210_000), "210 ms");
        assert_eq!(of(1_340_000), "1.34 s");
        assert_eq!(of(12_340_000), "12.3 s");
        assert_eq!(of(42), "42.0 µs");
        assert_eq!(of(754_000_000), "12 min 34 s");
    }

    #[test]
    fn compiling_is_what_is_not_running() {
        let total = Duration::from_millis(1500);
        assert_eq!(line(total, Some(Duration::from_millis(1300))), "time: compiled in 200 ms, ran in 1.30 s\n");
        assert_eq!(line(total, None), "time: 1.50 s, nothing was run\n");
    }
}
