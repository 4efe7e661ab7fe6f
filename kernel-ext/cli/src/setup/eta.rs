//! How long a build will still take: what each crate cost when we measured, and how fast this machine has been so far.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// `name seconds` for the crates that take longest, measured on 2 CPUs with `cargo build --timings`.
const WEIGHTS: &str = include_str!("weights.txt");
/// Every other crate.
const LIGHT: f64 = 0.6;
/// For so many seconds the table is believed as much as this machine's own pace.
const PRIOR: f64 = 60.0;

/// Follows one build.
pub struct Eta {
    weights: HashMap<&'static str, f64>,
    /// name@version of every crate to build, if that could be found out.
    crates: HashSet<String>,
    finished: HashSet<String>,
    active: Vec<(String, Instant)>,
    fresh: f64,
    built: f64,
    /// Of the crates that were watched from begin to end: what the table says, and what they took here.
    expected: f64,
    taken: f64,
    cpus: f64,
    started: Instant,
}

impl Eta {
    /// A build of `crates` (`name@version`) on `cpus` CPUs.
    pub fn new(crates: HashSet<String>, cpus: usize) -> Eta {
        let weights = WEIGHTS.lines().filter_map(|l| l.split_once(' ')).filter_map(|(n, s)| Some((n, s.parse().ok()?)));
        Eta {
            weights: weights.collect(),
            crates,
            finished: HashSet::new(),
            active: Vec::new(),
            fresh: 0.0,
            built: 0.0,
            expected: 0.0,
            taken: 0.0,
            cpus: cpus as f64,
            started: Instant::now(),
        }
    }

    fn weight(&self, id: &str) -> f64 {
        let name = id.split('@').next().unwrap_or(id);
        *self.weights.get(name).unwrap_or(&LIGHT)
    }

    fn total(&self) -> f64 {
        self.crates.iter().map(|c| self.weight(c)).sum()
    }

    /// cargo began with a crate.
    pub fn begin(&mut self, id: &str) {
        if !self.finished.contains(id) && !self.active.iter().any(|a| a.0 == id) {
            self.active.push((id.to_string(), Instant::now()));
        }
    }

    /// A crate is there; `fresh` when there was nothing to do.
    pub fn finish(&mut self, id: &str, fresh: bool) {
        let begun = self.active.iter().find(|a| a.0 == id).map(|a| a.1);
        self.active.retain(|a| a.0 != id);
        if self.finished.insert(id.to_string()) {
            let weight = self.weight(id);
            if let Some(begun) = begun {
                self.expected += weight;
                self.taken += begun.elapsed().as_secs_f64();
            }
            *(if fresh { &mut self.fresh } else { &mut self.built }) += weight;
        }
    }

    /// Crates that are there, and all.
    pub fn count(&self) -> (usize, usize) {
        (self.finished.len(), self.crates.len().max(self.finished.len()))
    }

    /// How many are still to be made.
    pub fn missing(&self) -> usize {
        let (there, all) = self.count();
        all - there
    }

    /// The heaviest crate in work.
    pub fn at(&self) -> Option<&str> {
        let heavy = self.active.iter().max_by(|a, b| self.weight(&a.0).total_cmp(&self.weight(&b.0)))?;
        heavy.0.split('@').next()
    }

    /// Whether anything had to be compiled.
    pub fn compiled(&self) -> usize {
        self.finished.len().min(if self.built > 0.0 { usize::MAX } else { 0 })
    }

    /// Share done, and seconds left.
    pub fn left(&self) -> (f64, f64) {
        self.left_at(self.started.elapsed().as_secs_f64(), Instant::now())
    }

    fn left_at(&self, elapsed: f64, now: Instant) -> (f64, f64) {
        // A heavy crate counts while it is in work, or the bar would stand still for minutes.
        let pace = |active: f64| (PRIOR * self.cpus + self.built + active) / (PRIOR + elapsed);
        let share = (PRIOR + self.expected) / (PRIOR + self.taken);
        let active: f64 = self
            .active
            .iter()
            .map(|(id, since)| (now.saturating_duration_since(*since).as_secs_f64() * share).min(0.9 * self.weight(id)))
            .sum();
        let all = (self.total() - self.fresh).max(self.built + active + LIGHT);
        let rest = all - self.built - active;
        (((self.fresh + self.built + active) / (self.fresh + all)).min(0.999), rest / pace(active))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn crates(names: &[&str]) -> HashSet<String> {
        names.iter().map(|n| format!("{n}@1.0.0")).collect()
    }

    #[test]
    fn heavy_crates_weigh() {
        let mut eta = Eta::new(crates(&["polars-ops", "a", "b", "c"]), 2);
        for light in ["a@1.0.0", "b@1.0.0", "c@1.0.0"] {
            eta.finish(light, false);
        }
        let (done, left) = eta.left_at(2.0, Instant::now());
        assert!(done < 0.05, "three light crates are not three quarters: {done}");
        assert!(left > 60.0, "{left}");
        assert_eq!(eta.count(), (3, 4));
    }

    #[test]
    fn a_slow_machine_is_believed() {
        let mut eta = Eta::new(crates(&["polars-ops", "polars-core"]), 2);
        let fast = eta.left_at(1.0, Instant::now()).1;
        eta.finish("polars-core@1.0.0", false);
        let quick = eta.left_at(100.0, Instant::now()).1;
        let slow = eta.left_at(2000.0, Instant::now()).1;
        assert!(slow > 3.0 * quick && quick < fast, "{fast} {quick} {slow}");
    }

    #[test]
    fn the_crate_in_work_moves_the_bar() {
        let mut eta = Eta::new(crates(&["polars-ops", "a"]), 2);
        eta.begin("polars-ops@1.0.0");
        eta.begin("a@1.0.0");
        assert_eq!(eta.at(), Some("polars-ops"));
        let now = Instant::now();
        let early = eta.left_at(1.0, now).0;
        let later = eta.left_at(100.0, now + Duration::from_secs(100)).0;
        assert!(later > early + 0.05, "{early} {later}");
        assert!(eta.left_at(1e5, now + Duration::from_secs(100_000)).0 < 0.95);
    }

    #[test]
    fn what_is_there_already_costs_nothing() {
        let mut eta = Eta::new(crates(&["polars-ops", "a"]), 2);
        let before = eta.left_at(0.5, Instant::now()).1;
        eta.finish("polars-ops@1.0.0", true);
        let after = eta.left_at(0.5, Instant::now()).1;
        assert!(after < before / 10.0, "{before} {after}");
        assert_eq!(eta.compiled(), 0);
    }

    #[test]
    fn the_table_is_well_formed() {
        for line in WEIGHTS.lines() {
            let (name, seconds) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            assert!(!name.is_empty() && seconds.parse::<f64>().is_ok_and(|s| s > 0.0), "{line:?}");
        }
        assert!(WEIGHTS.lines().any(|l| l.starts_with("polars-ops ")));
    }
}
