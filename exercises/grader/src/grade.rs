//! Grades one answer: compile, run, judge, explain.

use crate::catalogue::{Catalogue, Exercise};
use crate::compile::{Compiled, answer_program, compile};
use crate::error::GradeError;
use crate::prelude::{Prelude, names_lathe};
use crate::references;
use crate::sandbox::{self, Finished, Limits};
use crate::verdict::{State, Verdict, overall, parts};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{env, fs};

/// With what an answer is compiled and linked: rustc alone, or the prepared prelude.
pub(crate) struct Link<'a> {
    pub(crate) prelude: Option<&'a Prelude>,
    pub(crate) dir: &'a Path,
}

impl Link<'_> {
    /// rustc, in the folder of the exercises so that rustup takes our toolchain.
    pub(crate) fn rustc(&self) -> Command {
        let mut rustc = Command::new(self.prelude.map_or(Path::new("rustc"), |p| &p.rustc));
        rustc.current_dir(self.dir);
        rustc
    }

    /// What makes two compilations differ, apart from the sources.
    pub(crate) fn identity(&self) -> Result<String, GradeError> {
        match self.prelude {
            Some(prelude) => Ok(prelude.dir.display().to_string()),
            None => {
                let mut rustc = self.rustc();
                rustc.arg("-vV");
                Ok(sandbox::run(rustc, Limits::RUSTC, None)?.stdout)
            }
        }
    }
}

/// Grades answers; asks for the prelude at most once.
#[derive(Default)]
pub struct Grader {
    prelude: Mutex<Option<Arc<Prelude>>>,
}

impl Grader {
    /// A grader that has not prepared anything yet.
    pub fn new() -> Grader {
        Grader::default()
    }

    /// Grades `answer` (usually `exercise.answer`) as an answer to `exercise`.
    ///
    /// # Errors
    /// Only for what is not the answer's fault: a missing file or compiler, an unprepared prelude, a broken exercise.
    pub fn grade(&self, catalogue: &Catalogue, exercise: &Exercise, answer: &Path) -> Result<Verdict, GradeError> {
        let start = Instant::now();
        // What is not UTF-8 is rustc's to complain about.
        let read = |path: &Path| {
            let bytes = fs::read(path).map_err(GradeError::io("read", path))?;
            Ok::<_, GradeError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let answer = &answer.canonicalize().map_err(GradeError::io("read", answer))?;
        let (text, stub, checks) = (read(answer)?, read(&exercise.stub)?, read(&exercise.checks)?);
        let mut verdict = Verdict {
            exercise: exercise.name.clone(),
            state: State::NotStarted,
            compiler: Vec::new(),
            parts: Vec::new(),
            printed: String::new(),
            note: None,
            seconds: 0.0,
        };
        if !text.split_whitespace().eq(stub.split_whitespace()) {
            let needs_prelude = names_lathe(&text) || names_lathe(&checks);
            let prelude = if needs_prelude { Some(self.prelude()?) } else { None };
            let link = Link { prelude: prelude.as_deref(), dir: catalogue.dir() };
            judge(catalogue, exercise, answer, &link, &mut verdict)?;
        }
        verdict.seconds = start.elapsed().as_secs_f64();
        Ok(verdict)
    }

    /// Other threads wait meanwhile: it may take minutes the first time, and they need the same.
    fn prelude(&self) -> Result<Arc<Prelude>, GradeError> {
        let mut kept = self.prelude.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(prelude) = &*kept {
            return Ok(Arc::clone(prelude));
        }
        Ok(Arc::clone(kept.insert(Arc::new(Prelude::prepare()?))))
    }
}

fn judge(
    catalogue: &Catalogue,
    exercise: &Exercise,
    answer: &Path,
    link: &Link,
    verdict: &mut Verdict,
) -> Result<(), GradeError> {
    let folder = tempfile::tempdir().map_err(GradeError::io("make", env::temp_dir()))?;
    let (program, warnings) = match compile(&answer_program(answer, &exercise.checks), answer, folder.path(), link)? {
        Compiled::Program { path, warnings } => (path, warnings),
        Compiled::Refused(errors) => {
            verdict.state = State::DoesNotCompile;
            let answer = answer.to_string_lossy();
            if !errors.iter().any(|e| e.file == *answer) {
                let stub = catalogue.shown(&exercise.stub);
                verdict.note = Some(format!(
                    "The error shows where the checks call your functions: names, arguments and results have to stay as in {stub}."
                ));
            }
            verdict.compiler = errors.into_iter().map(|e| catalogue.shorten(&e.rendered)).collect();
            return Ok(());
        }
    };
    let (finished, nonce) = start_program(&program, None, folder.path(), link)?;
    verdict.parts = parts(&finished, &nonce, Limits::ANSWER)?;
    verdict.state = overall(&verdict.parts);
    for violation in verdict.parts.iter_mut().flat_map(|p| &mut p.violations) {
        violation.message = catalogue.shorten(&violation.message);
    }
    verdict.printed = finished.stdout + &finished.stderr;
    if verdict.state == State::Wrong {
        verdict.compiler = warnings.iter().map(|w| catalogue.shorten(w)).collect();
        // The verdict stands without the explanation.
        if let Err(problem) = references::explain(exercise, link, &mut verdict.parts) {
            verdict.note = Some(format!("The known mistakes could not be compared: {problem}"));
        }
    }
    Ok(())
}

/// Runs a compiled program with a fresh nonce; gives back both.
pub(crate) fn start_program(
    program: &Path,
    which: Option<usize>,
    folder: &Path,
    link: &Link,
) -> Result<(Finished, String), GradeError> {
    let nonce = format!("{:016x}", RandomState::new().hash_one(program));
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("RUST_BACKTRACE", "0").args(which.map(|i| i.to_string()));
    // Thread pools and memory arenas in proportion to the cores would use up the address space on a large machine.
    command.envs([("RAYON_NUM_THREADS", "2"), ("POLARS_MAX_THREADS", "2"), ("MALLOC_ARENA_MAX", "2")]);
    if let Some(prelude) = link.prelude {
        command.env("LD_LIBRARY_PATH", env::join_paths(&prelude.libraries).unwrap_or_default());
    }
    Ok((sandbox::run(command, Limits::ANSWER, Some(&nonce))?, nonce))
}
