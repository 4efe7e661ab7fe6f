//! Policies against each other on the same plants.

use crate::{CaseError, Costs, Interval, Kpi, Ledger, Policy, mean_interval, sign_flip_p, simulate};
use data::plant::{PlantConfig, World};
use lathe_events::{Event, Watcher};
use polars::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

type Make = dyn Fn(u64) -> Box<dyn Policy> + Send + Sync;

/// One way of running the plant: a name and how to make its policy for a plant seed.
pub struct Arm {
    name: String,
    make: Box<Make>,
}

impl Arm {
    /// `make` is called once per plant, with its seed; models that it captures are shared between threads.
    pub fn new<P: Policy + 'static>(name: impl Into<String>, make: impl Fn(u64) -> P + Send + Sync + 'static) -> Self {
        Self { name: name.into(), make: Box::new(move |seed| Box::new(make(seed))) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Arm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arm").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every arm runs every plant: one seed, one exogenous world, as many futures as arms.
#[derive(Debug)]
pub struct Trial {
    seeds: Vec<u64>,
    arms: Vec<Arm>,
    plant: PlantConfig,
    costs: Costs,
}

impl Trial {
    /// A trial of these arms on these plants: one year of the default plant, default costs.
    pub fn paired(seeds: impl IntoIterator<Item = u64>, arms: Vec<Arm>) -> Self {
        Self { seeds: seeds.into_iter().collect(), arms, plant: PlantConfig::default(), costs: Costs::default() }
    }

    /// Another plant; its seed is replaced by each of the trial's, its own overhaul habit by the arms.
    #[must_use]
    pub fn plant(mut self, plant: PlantConfig) -> Self {
        self.plant = plant;
        self
    }

    /// Other prices.
    #[must_use]
    pub fn costs(mut self, costs: Costs) -> Self {
        self.costs = costs;
        self
    }

    /// Runs everything, on all cores; the result does not depend on their number. The watcher hears of each finished run.
    ///
    /// # Errors
    /// [`CaseError::NoArms`], [`CaseError::SameName`], [`CaseError::TooFewSeeds`], [`CaseError::SameSeed`], whatever the plant
    /// refuses, and [`CaseError::Interrupted`].
    pub fn run(&self, watcher: &mut dyn Watcher) -> Result<Report, CaseError> {
        self.check()?;
        let jobs: Vec<(usize, usize)> =
            (0..self.seeds.len()).flat_map(|s| (0..self.arms.len()).map(move |a| (s, a))).collect();
        let total = jobs.len();
        watcher.on(&Event::Started { task: "trial", total: Some(total as u64), unit: "run" });
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(total);
        let mut results: Vec<Option<Run>> = (0..total).map(|_| None).collect();
        let mut failed = None;
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..threads {
                let (send, next, jobs) = (send.clone(), &next, &jobs);
                scope.spawn(move || {
                    while let Some(&(seed, arm)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let run = self.one(self.seeds[seed], &self.arms[arm]);
                        let stop = run.is_err();
                        if send.send((seed * self.arms.len() + arm, run)).is_err() || stop {
                            // Nobody needs the rest any more.
                            next.store(usize::MAX / 2, Ordering::Relaxed);
                            return;
                        }
                    }
                });
            }
            drop(send);
            for (done, (index, run)) in receive.iter().enumerate() {
                match run {
                    Ok(run) => results[index] = Some(run),
                    Err(error) => failed = failed.take().or(Some(error)),
                }
                watcher.on(&Event::Progress { done: done as u64 + 1 });
            }
        });
        watcher.on(&Event::Finished);
        match failed {
            Some(error) => Err(error),
            None => Ok(Report {
                arms: self.arms.iter().map(|a| a.name.clone()).collect(),
                runs: results.into_iter().flatten().collect(),
            }),
        }
    }

    fn one(&self, seed: u64, arm: &Arm) -> Result<Run, CaseError> {
        let mut world = World::new(&PlantConfig { seed, ..self.plant.clone() })?;
        let mut policy = (arm.make)(seed);
        let ledger = simulate(&mut world, &mut policy, &self.costs)?;
        Ok(Run { seed, arm: arm.name.clone(), ledger })
    }

    fn check(&self) -> Result<(), CaseError> {
        if self.arms.is_empty() {
            return Err(CaseError::NoArms);
        }
        for (i, arm) in self.arms.iter().enumerate() {
            if self.arms[..i].iter().any(|other| other.name == arm.name) {
                return Err(CaseError::SameName { name: arm.name.clone() });
            }
        }
        if self.seeds.len() < 2 {
            return Err(CaseError::TooFewSeeds { found: self.seeds.len() });
        }
        for (i, &seed) in self.seeds.iter().enumerate() {
            if self.seeds[..i].contains(&seed) {
                return Err(CaseError::SameSeed { seed });
            }
        }
        Ok(())
    }
}

/// One plant under one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Plant seed.
    pub seed: u64,
    /// Name of the arm.
    pub arm: String,
    /// What came of it.
    pub ledger: Ledger,
}

/// All runs of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    arms: Vec<String>,
    runs: Vec<Run>,
}

impl Report {
    /// Every run, ordered by seed, then arm.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// A quantity of one arm, an entry per plant in the order of the seeds.
    ///
    /// # Errors
    /// [`CaseError::UnknownArm`].
    pub fn values(&self, arm: &str, kpi: Kpi) -> Result<Vec<f64>, CaseError> {
        if !self.arms.iter().any(|a| a == arm) {
            return Err(CaseError::UnknownArm { name: arm.to_owned(), known: self.arms.clone() });
        }
        Ok(self.runs.iter().filter(|r| r.arm == arm).map(|r| r.ledger.kpi(kpi)).collect())
    }

    /// `arm` minus `baseline`, plant by plant, with a seeded 95 % interval of the mean and a paired permutation p-value.
    ///
    /// # Errors
    /// [`CaseError::UnknownArm`].
    pub fn compare(&self, baseline: &str, arm: &str, kpi: Kpi) -> Result<Comparison, CaseError> {
        let (before, after) = (self.values(baseline, kpi)?, self.values(arm, kpi)?);
        let differences: Vec<f64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        let interval = mean_interval(&differences, 0).ok_or(CaseError::TooFewSeeds { found: differences.len() })?;
        let p_value = sign_flip_p(&differences, 0);
        Ok(Comparison { baseline: baseline.to_owned(), arm: arm.to_owned(), kpi, differences, interval, p_value })
    }

    /// A row per run: `seed`, `arm`, `cost`, `failures`, `overhauls`, `down_hours`, `made`.
    ///
    /// # Errors
    /// [`CaseError::Frame`] if polars refuses.
    pub fn frame(&self) -> Result<DataFrame, CaseError> {
        let mut columns = vec![
            Column::new("seed".into(), self.runs.iter().map(|r| r.seed).collect::<Vec<u64>>()),
            Column::new("arm".into(), self.runs.iter().map(|r| r.arm.as_str()).collect::<Vec<&str>>()),
        ];
        for kpi in Kpi::ALL {
            let values: Vec<f64> = self.runs.iter().map(|r| r.ledger.kpi(kpi)).collect();
            columns.push(Column::new(kpi.name().into(), values));
        }
        Ok(DataFrame::new(self.runs.len(), columns)?)
    }
}

/// Two arms on the same plants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What it is compared with.
    pub baseline: String,
    /// What is compared.
    pub arm: String,
    /// By which quantity.
    pub kpi: Kpi,
    /// `arm - baseline`, a number per plant.
    pub differences: Vec<f64>,
    /// Mean difference and its 95 % confidence interval.
    pub interval: Interval,
    /// Chance of so large a mean difference if the arms were alike (paired permutation test, two-sided).
    pub p_value: f64,
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Interval { mean, low, high } = self.interval;
        let unit = if self.kpi.unit().is_empty() { String::new() } else { format!(" {}", self.kpi.unit()) };
        let digits = usize::from(mean.abs() < 100.0) * 2;
        write!(
            f,
            "{}: {} - {} = {mean:+.digits$}{unit} per plant, 95 % CI [{low:+.digits$}, {high:+.digits$}], p = {:.4}, {} plants",
            self.kpi.name(),
            self.arm,
            self.baseline,
            self.p_value,
            self.differences.len()
        )
    }
}
