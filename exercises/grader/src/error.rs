//! What can go wrong with the grader itself, as opposed to the learner's answer.

use std::path::PathBuf;

/// Something outside the learner's answer that keeps an exercise from being graded.
#[derive(Debug, thiserror::Error)]
pub enum GradeError {
    /// No folder with exercises was found.
    #[error("{0} holds no exercises (no folder `stubs` in it); name the folder with `--dir path/to/exercises`")]
    NoExercises(PathBuf),
    /// The word on the command line names no exercise, or more than one.
    #[error("`{word}` names {found}; there are: {known}")]
    NoSuchExercise {
        /// What the user typed.
        word: String,
        /// "no exercise" or the several that match.
        found: String,
        /// All names.
        known: String,
    },
    /// A tracked file of an exercise is missing or wrong.
    #[error("{path}: {problem}; `git status exercises` shows what changed, `git restore {path}` brings it back")]
    Tracked {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start `{program}`: {source}; {remedy}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The exercise needs the prelude, and there is no kernel binary that could prepare it.
    #[error(
        "this exercise uses the crate `lathe`, which `lathe-kernel` prepares, and there is no lathe-kernel in {looked}; \
         run `cargo build -p lathe-kernel` (the first time takes some minutes), then try again"
    )]
    NoKernel {
        /// Folders that were searched.
        looked: String,
    },
    /// Preparing the prelude failed.
    #[error("`{command}` failed ({status}):\n{said}\nrun it by hand to see all it says")]
    Prepare {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        said: String,
    },
    /// The prepared folder does not look as expected.
    #[error("{path}: {problem}; delete the folder and try again, it is made anew")]
    Prepared {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The compiled answer did not come as far as its first line.
    #[error(
        "the compiled answer did not start ({end}): {said}\nis the disk full, the temporary folder mounted noexec, or \
         the toolchain updated since `lathe-kernel prepare`?"
    )]
    NotStarted {
        /// How it ended.
        end: String,
        /// What it said.
        said: String,
    },
    /// rustc took too long.
    #[error("rustc did not finish {file} in {seconds} s and was stopped; is there a constant that computes for ever?")]
    CompileTime {
        /// What was compiled.
        file: PathBuf,
        /// The limit.
        seconds: u64,
    },
    /// The checks of an exercise do not work with its own solution or mutants.
    #[error("the exercise itself is broken: {0}; this is our mistake, not yours: please report it")]
    Broken(String),
}

impl GradeError {
    /// Wraps an error of the file system with what was tried and where.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| GradeError::Io { action, path, source }
    }
}
