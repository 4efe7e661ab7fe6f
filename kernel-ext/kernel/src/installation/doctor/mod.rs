//! Finds what is wrong with an installation, one line for each thing, and says the cure.

mod jupyter;
mod machine;
mod prelude;
mod trial;

use super::{list, places};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It works, but something should be known.
    Note,
    /// The kernel does not work because of it, or Jupyter does not find it.
    Problem,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it went.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, grade: Grade::Ok, found: found.into(), cure: None }
    }

    pub(super) fn note(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, grade: Grade::Note, found: found.into(), cure: Some(cure.into()) }
    }

    pub(super) fn problem(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, grade: Grade::Problem, found: found.into(), cure: Some(cure.into()) }
    }
}

/// What to examine.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The kernel's program.
    pub program: PathBuf,
    /// Its clone.
    pub root: Option<PathBuf>,
    /// Start a kernel and let it calculate.
    pub start: bool,
}

/// Runs all checks, cheap ones first; each is handed to `tell` as soon as it is known. None stops the others.
pub fn examine(patient: &Patient, tell: &mut dyn FnMut(&Check)) -> Vec<Check> {
    let mut all: Vec<Check> = Vec::new();
    let mut add = |checks: Vec<Check>| {
        checks.iter().for_each(&mut *tell);
        all.extend(checks);
    };
    add(vec![prelude::clone(patient), prelude::toolchain(patient)]);
    let (prepared, checks) = prelude::prepared(patient);
    add(checks);
    add(machine::folders());
    add(machine::added_crates().into_iter().collect());
    add(vec![machine::disk(), machine::memory(), machine::ports()]);
    add(vec![jupyter::runtime_folder()]);
    let entries = list(&places::data_folders(&patient.program));
    add(jupyter::specs(patient, &entries));
    add(jupyter::programs(patient, &entries));
    if patient.start {
        let spec = patient.root.as_ref().and_then(|root| entries.iter().find(|entry| entry.spec.belongs_to(root)));
        add(vec![trial::start(&patient.program, spec.map(|entry| &entry.spec), prepared)]);
    }
    all
}

/// Does it work?
pub fn is_healthy(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.grade != Grade::Problem)
}

/// How the user starts set-up in a clone.
fn set_up(root: Option<&Path>) -> String {
    match root {
        Some(root) => format!("run `cargo lathe setup` in {}", root.display()),
        None => "run `cargo lathe setup` in the clone".to_owned(),
    }
}
