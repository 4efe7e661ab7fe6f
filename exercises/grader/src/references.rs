//! What the solution and the known wrong answers say to the probes. Computed once for each version of an exercise and kept.

use crate::catalogue::{Exercise, Mutant};
use crate::compile::{Compiled, HARNESS, compile, reference_program};
use crate::error::GradeError;
use crate::grade::{Link, start_program};
use crate::sandbox::Limits;
use crate::verdict::{Part, Probes, State, agree, parts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::{env, fs};

/// Answers by part.
type Answers = BTreeMap<String, Probes>;

/// The same with numbers as text: JSON has neither NaN nor infinity.
type Text = BTreeMap<String, BTreeMap<String, Option<Vec<String>>>>;

/// The answers of the solution (first) and of each mutant.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Everything that went into it, word for word: a file whose name has the same hash by chance is not ours.
    key: String,
    answers: Vec<Text>,
}

/// Finds for each wrong part the known mistake that behaves in the same way.
///
/// # Errors
/// When the solution or a mutant does not compile, or a file cannot be read.
pub(crate) fn explain(exercise: &Exercise, link: &Link, wrong: &mut [Part]) -> Result<(), GradeError> {
    let mutants = exercise.mutants()?;
    if mutants.is_empty() {
        return Ok(());
    }
    let answers = answers(exercise, &mutants, link)?;
    let [solution, known @ ..] = &answers[..] else { return Ok(()) };
    for part in wrong.iter_mut().filter(|p| p.state == State::Wrong && !p.probes.is_empty()) {
        let said = |answers: &Answers| answers.get(&part.name).cloned().unwrap_or_default();
        let right = said(solution);
        // A mutant that is right in this part explains nothing here.
        part.mistake = known
            .iter()
            .zip(&mutants)
            .find(|(answers, _)| agree(&part.probes, &said(answers)) && !agree(&right, &said(answers)))
            .map(|(_, mutant)| mutant.clone());
    }
    Ok(())
}

fn answers(exercise: &Exercise, mutants: &[Mutant], link: &Link) -> Result<Vec<Answers>, GradeError> {
    let mut files = vec![exercise.solution.clone()];
    files.extend(mutants.iter().map(|m| m.path.clone()));
    let mut key = format!("{}\n{HARNESS}\n{}\n", env!("CARGO_PKG_VERSION"), link.identity()?);
    for file in files.iter().chain([&exercise.checks]) {
        key.push_str(&fs::read_to_string(file).map_err(GradeError::io("read", file))?);
        key.push('\0');
    }
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let kept = cache_folder().map(|f| f.join(format!("{}-{:016x}.json", exercise.name, hasher.finish())));
    if let Some(stored) = kept.as_ref().and_then(|path| fs::read(path).ok()) {
        // Anything unreadable is computed anew.
        if let Some(stored) = serde_json::from_slice::<Stored>(&stored).ok().filter(|s| s.key == key) {
            return Ok(stored.answers.into_iter().map(from_text).collect());
        }
    }
    let answers = compute(exercise, &files, link)?;
    if let Some(path) = kept {
        let stored = Stored { key, answers: answers.iter().map(to_text).collect() };
        // A cache that cannot be written costs time, nothing else.
        let _ = serde_json::to_vec(&stored).map(|bytes| crate::learner::write_atomically(&path, &bytes));
    }
    Ok(answers)
}

fn compute(exercise: &Exercise, files: &[PathBuf], link: &Link) -> Result<Vec<Answers>, GradeError> {
    let folder = tempfile::tempdir().map_err(GradeError::io("make", env::temp_dir()))?;
    let program = reference_program(files, &exercise.checks);
    let path = match compile(&program, &exercise.checks, folder.path(), link)? {
        Compiled::Program { path, .. } => path,
        Compiled::Refused(errors) => {
            let said: Vec<String> = errors.into_iter().map(|e| e.rendered).collect();
            return Err(GradeError::Broken(format!("{}: known mistakes: {}", exercise.name, said.join("\n"))));
        }
    };
    let run = |i: usize| {
        let (finished, nonce) = start_program(&path, Some(i), folder.path(), link)?;
        Ok(parts(&finished, &nonce, Limits::ANSWER)?.into_iter().map(|p| (p.name, p.probes)).collect())
    };
    (0..files.len()).map(run).collect()
}

/// `$LATHE_CACHE` or `~/.cache/lathe`, as for everything of ours that is made once and kept.
fn cache_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("LATHE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|c| c.join("lathe")))
        .or_else(|| set("HOME").map(|h| h.join(".cache/lathe")))
        .map(|f| f.join("grader"))
}

fn to_text(answers: &Answers) -> Text {
    let text = |values: &Option<Vec<f64>>| values.as_ref().map(|v| v.iter().map(|x| format!("{x:e}")).collect());
    let probes = |probes: &Probes| probes.iter().map(|(name, v)| (name.clone(), text(v))).collect();
    answers.iter().map(|(part, p)| (part.clone(), probes(p))).collect()
}

fn from_text(stored: Text) -> Answers {
    let number = |v: Vec<String>| v.iter().map(|x| x.parse().unwrap_or(f64::NAN)).collect();
    let probes = |p: BTreeMap<String, Option<Vec<String>>>| p.into_iter().map(|(n, v)| (n, v.map(number))).collect();
    stored.into_iter().map(|(part, p)| (part, probes(p))).collect()
}
