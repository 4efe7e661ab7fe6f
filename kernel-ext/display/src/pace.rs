//! When to draw again, and how far a task is.

use std::sync::Arc;
use std::time::Duration;

/// At most ten times a second.
const SHORTEST: Duration = Duration::from_millis(100);
/// Drawing takes at most one part in this many of the time: curves and each picture grid have a share each.
const SHARE: u32 = 150;

type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Decides whether it is time to draw: not too often, and not for more than 2 % of the time.
pub(crate) struct Pace {
    clock: Clock,
    next: Duration,
}

impl Pace {
    /// `clock` says how much time has passed since some fixed moment.
    pub(crate) fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), next: Duration::ZERO }
    }

    /// Another pace by the same clock.
    pub(crate) fn another(&self) -> Self {
        Self { clock: Arc::clone(&self.clock), next: Duration::ZERO }
    }

    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    pub(crate) fn due(&self) -> bool {
        self.now() >= self.next
    }

    pub(crate) fn reset(&mut self) {
        self.next = Duration::ZERO;
    }

    /// A drawing that began at `begin` has just ended.
    pub(crate) fn drew(&mut self, begin: Duration) {
        let now = self.now();
        self.next = now + SHORTEST.max(SHARE * now.saturating_sub(begin));
    }
}

/// How far a task is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) unit: String,
    total: Option<u64>,
    start: Duration,
    end: Option<Duration>,
}

impl Tally {
    pub(crate) fn new(_task: &str, total: Option<u64>, unit: &str, start: Duration) -> Self {
        Self { done: 0, unit: unit.to_owned(), total, start, end: None }
    }

    pub(crate) fn end(&mut self, now: Duration) {
        self.end = Some(now);
    }

    /// The share that is done, in `[0, 1]`, when the length is known.
    pub(crate) fn share(&self) -> Option<f64> {
        self.total.filter(|total| *total > 0).map(|total| (self.done as f64 / total as f64).min(1.0))
    }

    /// `epoch 12/40`.
    pub(crate) fn position(&self) -> String {
        let total = self.total.map_or(String::new(), |total| format!("/{total}"));
        if self.unit.is_empty() && self.done == 0 {
            String::new()
        } else {
            format!("{} {}{total}", self.unit, self.done).trim_start().to_owned()
        }
    }

    /// What a stored picture says: the same in every run.
    pub(crate) fn outcome(&self) -> String {
        let position = self.position();
        let stopped = self.end.is_some() && self.total.is_some_and(|total| self.done < total);
        if stopped { format!("{position}, stopped") } else { position }
    }

    /// `epoch 12/40 · 3.2/s · 9 s left`, or at the end what was done in what time.
    pub(crate) fn line(&self, now: Duration) -> String {
        let elapsed = self.end.unwrap_or(now).saturating_sub(self.start);
        let position = self.position();
        let mut parts = if position.is_empty() { Vec::new() } else { vec![position] };
        let rate = self.done as f64 / elapsed.as_secs_f64().max(1e-9);
        if self.done > 0 {
            parts.push(rate_text(rate, &self.unit));
        }
        match (self.end, self.total) {
            (Some(_), Some(total)) if self.done < total => parts.push(format!("stopped after {}", span(elapsed))),
            (Some(_), _) => parts.push(format!("took {}", span(elapsed))),
            (None, Some(total)) if self.done > 0 && self.done < total => {
                let left = Duration::try_from_secs_f64((total - self.done) as f64 / rate).unwrap_or(Duration::MAX);
                parts.push(format!("{} left", span(left)));
            }
            _ => {}
        }
        parts.join(" · ")
    }
}

fn rate_text(rate: f64, unit: &str) -> String {
    if rate >= 1.0 || rate <= 0.0 {
        return format!("{}/s", if rate >= 100.0 { format!("{rate:.0}") } else { format!("{rate:.1}") });
    }
    format!("{} per {}", span(Duration::from_secs_f64(1.0 / rate)), if unit.is_empty() { "step" } else { unit })
}

/// A duration as people say it: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if whole < 100 {
        format!("{whole} s")
    } else if whole < 5970 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else if whole < 360_000 {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    } else {
        format!("{} days", whole / 86_400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_position_rate_and_time_left() {
        let mut tally = Tally::new("fit", Some(40), "epoch", Duration::from_secs(1));
        assert_eq!(tally.line(Duration::from_secs(1)), "epoch 0/40");
        tally.done = 10;
        assert_eq!(tally.line(Duration::from_secs(6)), "epoch 10/40 · 2.0/s · 15 s left");
        tally.done = 40;
        tally.end(Duration::from_secs(201));
        assert_eq!(tally.line(Duration::from_secs(999)), "epoch 40/40 · 5.0 s per epoch · took 3 min 20 s");
        tally.done = 4;
        assert!(tally.line(Duration::ZERO).ends_with("stopped after 3 min 20 s"));
    }

    #[test]
    fn durations_read_well() {
        let texts = [0.04, 9.97, 99.4, 100.0, 7500.0, 1e6].map(|s| span(Duration::from_secs_f64(s)));
        assert_eq!(texts, ["0.0 s", "10 s", "99 s", "1 min 40 s", "2 h 05 min", "11 days"]);
    }
}
