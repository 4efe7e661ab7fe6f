//! What the learner sees while something takes long: on a terminal one line that redraws itself, elsewhere a line now and then.

use crate::sys;
use std::io::Write;
use std::time::{Duration, Instant};

/// Writes to stderr, so that stdout stays the output of the command itself.
pub struct Screen {
    width: Option<usize>,
    drawn: bool,
    last: Option<Instant>,
    stage: String,
    started: Instant,
    quiet_until: Duration,
}

/// Without a terminal a line at most this often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// On a terminal a drawing at most this often.
const DRAW_EVERY: Duration = Duration::from_millis(100);

impl Screen {
    /// A screen on stderr.
    pub fn new() -> Screen {
        Screen {
            width: sys::terminal_width(),
            drawn: false,
            last: None,
            stage: String::new(),
            started: Instant::now(),
            quiet_until: Duration::ZERO,
        }
    }

    /// Begins a stage; nothing is shown before `quiet_until`, so that steps with nothing to do stay silent.
    pub fn stage(&mut self, title: &str, quiet_until: Duration) {
        self.wipe();
        self.stage = title.to_string();
        self.started = Instant::now();
        self.quiet_until = quiet_until;
        self.last = None;
        if quiet_until.is_zero() {
            self.tick(None, "", None);
        }
    }

    /// How long the stage has taken.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows how far the stage is (0 to 1), at what, and how long still.
    pub fn tick(&mut self, done: Option<f64>, at: &str, left: Option<Duration>) {
        let every = if self.width.is_some() { DRAW_EVERY } else { PLAIN_EVERY };
        if self.elapsed() < self.quiet_until || self.last.is_some_and(|l| l.elapsed() < every) {
            return;
        }
        self.last = Some(Instant::now());
        match self.width {
            Some(_) => {
                // The window may have changed.
                let width = sys::terminal_width().unwrap_or(80);
                eprint!("\r\x1b[K{}", draw(&self.stage, done, at, left, width.saturating_sub(1)));
                let _ = std::io::stderr().flush();
                self.drawn = true;
            }
            None => eprintln!("{}", draw(&self.stage, done, at, left, usize::MAX)),
        }
    }

    /// A line that stays.
    pub fn say(&mut self, text: &str) {
        self.wipe();
        eprintln!("{text}");
    }

    /// Ends the stage with a line that stays.
    pub fn done(&mut self, text: &str) {
        let line = format!("{}: {text}", self.stage);
        self.say(&line);
    }

    /// Removes a drawn line.
    pub fn wipe(&mut self) {
        if self.drawn {
            eprint!("\r\x1b[K");
            let _ = std::io::stderr().flush();
            self.drawn = false;
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.wipe();
    }
}

fn draw(stage: &str, done: Option<f64>, at: &str, left: Option<Duration>, width: usize) -> String {
    let mut line = stage.to_string();
    if let Some(done) = done {
        let done = done.clamp(0.0, 1.0);
        let filled = (done * 24.0) as usize;
        line += &format!("  [{}{}] {:2.0} %", "#".repeat(filled), ".".repeat(24 - filled), done * 100.0);
    }
    let left = left.map(|l| format!("about {} left", words(l)));
    let tail: Vec<&str> = [Some(at), left.as_deref()].into_iter().flatten().filter(|t| !t.is_empty()).collect();
    if !tail.is_empty() {
        line += "  ";
        line += &tail.join(", ");
    }
    match line.char_indices().nth(width) {
        Some((cut, _)) => line[..cut].to_string(),
        None => line,
    }
}

/// A duration as one says it: `8 s`, `4 min`, `1 h 10 min`.
pub fn words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 9.95 && s.fract() > 0.0 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), (s % 3600.0) / 60.0),
    }
}

/// A remaining time, rounded so that it does not feign exactness.
pub fn rounded(seconds: f64) -> Duration {
    let step = match seconds {
        s if s < 20.0 => 5.0,
        s if s < 90.0 => 10.0,
        _ => 60.0,
    };
    Duration::from_secs_f64(((seconds / step).ceil() * step).clamp(5.0, 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_at_what_and_how_long() {
        let line = draw("Compiling", Some(0.5), "212 of 560 crates, polars-ops", Some(Duration::from_secs(540)), 200);
        assert_eq!(line, "Compiling  [############............] 50 %  212 of 560 crates, polars-ops, about 9 min left");
    }

    #[test]
    fn a_narrow_terminal_gets_one_line() {
        let line = draw("Compiling \u{e4}\u{e4}\u{e4}", Some(1.7), "something long", None, 12);
        assert_eq!(line.chars().count(), 12);
    }

    #[test]
    fn durations_in_words() {
        assert_eq!(words(Duration::from_millis(340)), "0.3 s");
        assert_eq!(words(Duration::from_secs(5)), "5 s");
        assert_eq!(words(Duration::from_secs(42)), "42 s");
        assert_eq!(words(Duration::from_secs(540)), "9 min");
        assert_eq!(words(Duration::from_secs(4200)), "1 h 10 min");
        assert_eq!(rounded(3.0), Duration::from_secs(5));
        assert_eq!(rounded(61.0), Duration::from_secs(70));
        assert_eq!(rounded(500.0), Duration::from_secs(540));
        assert_eq!(rounded(-1.0), Duration::from_secs(5));
    }
}
