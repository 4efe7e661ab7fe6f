//! The exercises on disk: which there are, and what belongs to each.

use crate::error::GradeError;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of exercises.
///
/// ```text
/// stubs/exNN_name.rs            what the learner starts from
/// tests/exNN_name.rs            `pub fn checks(c: &mut Checks)`: properties and probes
/// solutions/exNN_name.rs        our answer
/// alternatives/exNN_name/*.rs   other right answers
/// mutants/exNN_name/*.rs        known wrong answers, each with its explanation
/// hints/exNN_name.md            hints in steps, one `##` section each
/// my/exNN_name.rs               the learner's answer (git-ignored)
/// ```
#[derive(Debug, Clone)]
pub struct Catalogue {
    dir: PathBuf,
    exercises: Vec<Exercise>,
}

/// One exercise.
#[derive(Debug, Clone)]
pub struct Exercise {
    /// `ex01_vae_terms`.
    pub name: String,
    /// The number in the name.
    pub number: u32,
    /// From the stub's first line.
    pub title: String,
    /// What the learner starts from.
    pub stub: PathBuf,
    /// The checks.
    pub checks: PathBuf,
    /// Our answer.
    pub solution: PathBuf,
    /// The learner's answer.
    pub answer: PathBuf,
    /// The hints.
    pub hints: PathBuf,
    /// Folder of known wrong answers.
    pub mutants: PathBuf,
}

/// A known wrong answer and what to say to someone who gave it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Mutant {
    /// File name without `.rs`.
    pub id: String,
    /// The mistake in one line.
    pub title: String,
    /// Which published error it is, by our numbering of the source articles (`001-5`), or `none: ` and an origin.
    pub source: String,
    /// Why it is wrong.
    pub why: String,
    /// What to look at.
    pub hint: String,
    /// Where it is.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Catalogue {
    /// Reads which exercises a folder holds.
    ///
    /// # Errors
    /// When there is no folder `stubs`, or a stub without checks, or a stub whose name is not `exNN_name.rs`.
    pub fn open(dir: &Path) -> Result<Catalogue, GradeError> {
        // Absolute, because rustc gets these paths inside a file in another folder.
        let dir = dir.canonicalize().map_err(|_| GradeError::NoExercises(dir.to_path_buf()))?;
        let stubs = dir.join("stubs");
        if !stubs.is_dir() {
            return Err(GradeError::NoExercises(dir));
        }
        let exercises =
            rust_files(&stubs)?.into_iter().map(|stub| Exercise::new(&dir, stub)).collect::<Result<_, _>>()?;
        Ok(Catalogue { dir, exercises })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All exercises, in order.
    pub fn exercises(&self) -> &[Exercise] {
        &self.exercises
    }

    /// Finds an exercise by number (`1`, `01`), name or unambiguous beginning of a name (`ex01`).
    ///
    /// # Errors
    /// When none or several match.
    pub fn find(&self, word: &str) -> Result<&Exercise, GradeError> {
        let word = word.strip_suffix(".rs").unwrap_or(word);
        let found: Vec<&Exercise> = self
            .exercises
            .iter()
            .filter(|e| {
                word.parse() == Ok(e.number)
                    || (!word.is_empty()
                        && (e.name.starts_with(word) || e.name.split_once('_').is_some_and(|n| n.1 == word)))
            })
            .collect();
        match found[..] {
            [one] => Ok(one),
            _ => {
                let names = |list: &[&Exercise]| list.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ");
                Err(GradeError::NoSuchExercise {
                    word: word.into(),
                    found: if found.is_empty() { "no exercise".into() } else { format!("several: {}", names(&found)) },
                    known: names(&self.exercises.iter().collect::<Vec<_>>()),
                })
            }
        }
    }

    /// A path as the learner knows it: seen from the folder above the exercises, where they work.
    pub fn shown(&self, path: &Path) -> String {
        let above = self.dir.parent().unwrap_or(&self.dir);
        path.strip_prefix(above).unwrap_or(path).display().to_string()
    }

    /// Shortens our own paths in a compiler's message or a panic's place.
    pub fn shorten(&self, text: &str) -> String {
        match self.dir.parent().map(|above| format!("{}/", above.display())) {
            Some(above) if above != "/" => text.replace(&above, ""),
            _ => text.to_string(),
        }
    }
}

impl Exercise {
    fn new(dir: &Path, stub: PathBuf) -> Result<Exercise, GradeError> {
        let name = stem(&stub);
        let broken = |problem: &str| GradeError::Tracked { path: stub.clone(), problem: problem.into() };
        let number = name
            .strip_prefix("ex")
            .and_then(|rest| rest.split('_').next())
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| broken("is not named exNN_name.rs"))?;
        let text = fs::read_to_string(&stub).map_err(GradeError::io("read", &stub))?;
        let first = text.lines().next().unwrap_or_default();
        let title = first.trim_start_matches("//!").trim().trim_start_matches('#').trim();
        let title = title.split_once(": ").map_or(title, |(_, title)| title).to_string();
        let file = |folder: &str| dir.join(folder).join(format!("{name}.rs"));
        let exercise = Exercise {
            number,
            title,
            checks: file("tests"),
            solution: file("solutions"),
            answer: file("my"),
            hints: dir.join("hints").join(format!("{name}.md")),
            mutants: dir.join("mutants").join(&name),
            stub: stub.clone(),
            name,
        };
        if exercise.checks.is_file() {
            Ok(exercise)
        } else {
            Err(broken("has no checks in tests/ under the same name"))
        }
    }

    /// The hints, the mildest first.
    ///
    /// # Errors
    /// When the file of hints cannot be read.
    pub fn hints(&self) -> Result<Vec<String>, GradeError> {
        let text = fs::read_to_string(&self.hints).map_err(GradeError::io("read", &self.hints))?;
        let mut hints: Vec<String> = Vec::new();
        for line in text.lines() {
            if line.starts_with("## ") {
                hints.push(String::new());
            } else if let Some(hint) = hints.last_mut() {
                hint.push_str(line);
                hint.push('\n');
            }
        }
        Ok(hints.iter().map(|h| h.trim().to_string()).collect())
    }

    /// The known wrong answers.
    ///
    /// # Errors
    /// When a mutant cannot be read or does not explain itself.
    pub fn mutants(&self) -> Result<Vec<Mutant>, GradeError> {
        if !self.mutants.is_dir() {
            return Ok(Vec::new());
        }
        rust_files(&self.mutants)?.into_iter().map(Mutant::read).collect()
    }
}

impl Mutant {
    /// Reads the header: `//! title: ...`, `source:`, `why:`, `hint:`, each going on until the next key.
    fn read(path: PathBuf) -> Result<Mutant, GradeError> {
        const KEYS: [&str; 4] = ["title", "source", "why", "hint"];
        let text = fs::read_to_string(&path).map_err(GradeError::io("read", &path))?;
        let mut values: [String; 4] = Default::default();
        let mut current = None;
        for line in text.lines().map_while(|l| l.strip_prefix("//!")).map(str::trim) {
            let key =
                line.split_once(':').and_then(|(k, rest)| Some((KEYS.iter().position(|x| *x == k)?, rest.trim())));
            let more = match key {
                Some((i, rest)) => {
                    current = Some(i);
                    rest
                }
                None => line,
            };
            if let Some(i) = current {
                if !values[i].is_empty() {
                    values[i].push(' ');
                }
                values[i].push_str(more);
            }
        }
        if let Some(i) = values.iter().position(String::is_empty) {
            let problem = format!("its header has no `//! {}:`", KEYS[i]);
            return Err(GradeError::Tracked { path, problem });
        }
        let [title, source, why, hint] = values;
        Ok(Mutant { id: stem(&path), title, source, why, hint, path })
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The Rust files of a folder, sorted by name.
pub(crate) fn rust_files(dir: &Path) -> Result<Vec<PathBuf>, GradeError> {
    let entries = fs::read_dir(dir).map_err(GradeError::io("read", dir))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(GradeError::io("read", dir))?.path();
        if path.extension().is_some_and(|e| e == "rs") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
