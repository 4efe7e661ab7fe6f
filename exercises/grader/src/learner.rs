//! The learner's folder: answers made from the stubs, and a small memory (hints shown, last verdicts).

use crate::catalogue::{Catalogue, Exercise};
use crate::error::GradeError;
use crate::verdict::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is remembered about one exercise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    /// Fingerprint of the stub that the answer was made from.
    stub: u64,
    /// How many hints were shown.
    hints: usize,
    /// Fingerprint of the answer and its last verdict.
    graded: Option<(u64, State)>,
}

/// The learner's folder `my/`.
#[derive(Debug)]
pub struct Learner {
    memory: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Learner {
    /// Opens the folder, makes it on the first run, and adds an answer for every exercise that has none.
    ///
    /// An answer that was never touched follows its stub when that changes (`git pull`); any other is left alone.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(catalogue: &Catalogue) -> Result<Learner, GradeError> {
        let my = catalogue.dir().join("my");
        fs::create_dir_all(&my).map_err(GradeError::io("make", &my))?;
        let memory = my.join(".memory.json");
        // A damaged memory forgets which hints were shown, nothing else.
        let entries = fs::read(&memory).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        let mut learner = Learner { memory, entries };
        let mut changed = false;
        for exercise in catalogue.exercises() {
            let stub = read(&exercise.stub)?;
            let entry = learner.entries.entry(exercise.name.clone()).or_default();
            let untouched = match fs::read(&exercise.answer) {
                Ok(answer) => fingerprint(&answer) == entry.stub && entry.stub != fingerprint(&stub),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
                Err(e) => return Err(GradeError::io("read", &exercise.answer)(e)),
            };
            if untouched {
                write_atomically(&exercise.answer, &stub)?;
                entry.stub = fingerprint(&stub);
                changed = true;
            }
        }
        if changed {
            learner.save()?;
        }
        Ok(learner)
    }

    /// The next hint, with its number and how many there are; after the last one all are given again.
    ///
    /// # Errors
    /// When the hints cannot be read or the memory not written.
    pub fn next_hint(&mut self, exercise: &Exercise) -> Result<(usize, Vec<String>), GradeError> {
        let hints = exercise.hints()?;
        let entry = self.entries.entry(exercise.name.clone()).or_default();
        entry.hints = (entry.hints + 1).min(hints.len());
        let shown = entry.hints;
        self.save()?;
        Ok((shown, hints))
    }

    /// Remembers a verdict on the learner's own answer.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn remember(&mut self, exercise: &Exercise, state: State) -> Result<(), GradeError> {
        let answer = fingerprint(&read(&exercise.answer)?);
        self.entries.entry(exercise.name.clone()).or_default().graded = Some((answer, state));
        self.save()
    }

    /// The last verdict, if the answer has not changed since; `None` when it has to be graded anew.
    pub fn remembered(&self, exercise: &Exercise) -> Option<State> {
        let answer = fs::read(&exercise.answer).ok()?;
        if fs::read(&exercise.stub).is_ok_and(|stub| stub == answer) {
            return Some(State::NotStarted);
        }
        let (graded, state) = self.entries.get(&exercise.name)?.graded?;
        (graded == fingerprint(&answer)).then_some(state)
    }

    /// Brings the stub back and forgets the hints; the answer is kept beside it under the name that is returned.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn reset(&mut self, exercise: &Exercise) -> Result<Option<PathBuf>, GradeError> {
        let stub = read(&exercise.stub)?;
        let old = fs::read(&exercise.answer).ok().filter(|answer| *answer != stub);
        let mut kept = None;
        if let Some(old) = old {
            let mut names = (1..).map(|i| exercise.answer.with_extension(format!("{i}.old")));
            let path = names.find(|p| !p.exists()).expect("an endless supply of names");
            write_atomically(&path, &old)?;
            kept = Some(path);
        }
        write_atomically(&exercise.answer, &stub)?;
        self.entries.insert(exercise.name.clone(), Entry { stub: fingerprint(&stub), ..Entry::default() });
        self.save()?;
        Ok(kept)
    }

    fn save(&self) -> Result<(), GradeError> {
        let text = serde_json::to_vec_pretty(&self.entries).unwrap_or_default();
        write_atomically(&self.memory, &text)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GradeError> {
    fs::read(path).map_err(GradeError::io("read", path))
}

fn fingerprint(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Writes beside the file and renames, so that a reader never sees half of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), GradeError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(GradeError::io("make", folder))?;
    let write = || -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        // Temporary files are private; an answer is an ordinary file.
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(GradeError::io("write", path))
}
