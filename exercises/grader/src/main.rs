//! `lathe-grader`: what `cargo lathe exercises` forwards to.

use clap::{Parser, Subcommand};
use lathe_grader::report::{self, Style};
use lathe_grader::{Catalogue, Exercise, GradeError, Grader, Learner, State, suite, watch};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exercises: edit the files in exercises/my/, grade them here.
#[derive(Parser)]
#[command(name = "lathe-grader", bin_name = "cargo lathe exercises", version)]
struct Cli {
    /// The folder of the exercises (default: found from here upwards).
    #[arg(long, global = true, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// All exercises and where you stand.
    List,
    /// Grade some exercises (by number or name), or the next one that is not right.
    Check {
        /// Numbers or names.
        exercises: Vec<String>,
        /// Grade this file instead of the one in my/.
        #[arg(long)]
        file: Option<PathBuf>,
        /// One JSON object for each exercise.
        #[arg(long)]
        json: bool,
    },
    /// Grade at every save.
    Watch {
        /// Where to begin.
        exercise: Option<String>,
    },
    /// The next hint: each call tells a little more.
    Hint {
        /// Number or name.
        exercise: Option<String>,
        /// All hints at once.
        #[arg(long)]
        all: bool,
    },
    /// Bring the stub back; your answer is kept beside it.
    Reset {
        /// Numbers or names.
        exercises: Vec<String>,
        /// Every exercise.
        #[arg(long, conflicts_with = "exercises", required_unless_present = "exercises")]
        all: bool,
    },
    /// Our answer, once yours is right.
    Solution {
        /// Number or name.
        exercise: String,
        /// Show it anyway.
        #[arg(long)]
        force: bool,
    },
    /// Grade everything, as `cargo test -p exercises` does.
    Grade,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Exit codes: 0 all that was asked for is right or done, 1 something graded is not right, 2 it could not be graded.
fn run(cli: Cli) -> Result<ExitCode, GradeError> {
    let style = Style::detect();
    let catalogue = Catalogue::open(&cli.dir.unwrap_or_else(find_folder))?;
    match cli.command.unwrap_or(Task::List) {
        Task::List => print!("{}", watch::list(&catalogue, &Learner::open(&catalogue)?, style)),
        Task::Check { exercises, file, json } => return check(&catalogue, &exercises, file.as_deref(), json, style),
        Task::Watch { exercise } => {
            let first = exercise.map(|word| catalogue.find(&word)).transpose()?;
            watch::watch(&catalogue, first, style)?;
        }
        Task::Hint { exercise, all } => {
            let mut learner = Learner::open(&catalogue)?;
            let Some(exercise) = one_or_next(&catalogue, &learner, exercise.as_deref())? else {
                println!("All exercises are right.");
                return Ok(ExitCode::SUCCESS);
            };
            println!("{}: {}", style.bold(&exercise.name), exercise.title);
            if all {
                let hints = exercise.hints()?;
                print!("{}", watch::hint_text(hints.len(), &hints, style));
            } else {
                print!("{}", watch::hint(&mut learner, exercise, style)?);
            }
        }
        Task::Reset { exercises, all } => {
            let mut learner = Learner::open(&catalogue)?;
            let some = exercises.iter().map(|word| catalogue.find(word)).collect::<Result<Vec<_>, _>>()?;
            for exercise in if all { catalogue.exercises().iter().collect() } else { some } {
                println!("{}", watch::reset(&catalogue, &mut learner, exercise)?);
            }
        }
        Task::Solution { exercise, force } => return solution(&catalogue, catalogue.find(&exercise)?, force, style),
        Task::Grade => {
            let all: Vec<&Exercise> = catalogue.exercises().iter().collect();
            return Ok(ExitCode::from(if suite::suite(&catalogue, &all, 0, style)? { 0 } else { 1 }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(
    catalogue: &Catalogue,
    words: &[String],
    file: Option<&Path>,
    json: bool,
    style: Style,
) -> Result<ExitCode, GradeError> {
    // With a file of its own a check leaves the learner's folder alone.
    let mut learner = if file.is_none() { Some(Learner::open(catalogue)?) } else { None };
    let mut exercises = words.iter().map(|word| catalogue.find(word)).collect::<Result<Vec<_>, _>>()?;
    if let (true, Some(learner)) = (words.is_empty(), &learner) {
        exercises.extend(watch::next_open(catalogue, learner));
        if exercises.is_empty() {
            println!("All exercises are right.");
        }
    }
    let grader = Grader::new();
    let mut all_right = true;
    for exercise in exercises {
        let answer = file.unwrap_or(&exercise.answer);
        let verdict = grader.grade(catalogue, exercise, answer)?;
        all_right &= verdict.state == State::Right;
        if let Some(learner) = &mut learner {
            learner.remember(exercise, verdict.state)?;
        }
        if json {
            println!("{}", serde_json::to_string(&verdict).unwrap_or_default());
        } else {
            print!("{}", report::verdict(exercise, &catalogue.shown(answer), &verdict, style));
        }
    }
    Ok(ExitCode::from(if all_right { 0 } else { 1 }))
}

fn solution(catalogue: &Catalogue, exercise: &Exercise, force: bool, style: Style) -> Result<ExitCode, GradeError> {
    if !force {
        let mut learner = Learner::open(catalogue)?;
        let verdict = Grader::new().grade(catalogue, exercise, &exercise.answer)?;
        learner.remember(exercise, verdict.state)?;
        if verdict.state != State::Right {
            println!(
                "{} is {}: our answer is shown when yours is right (or with --force).",
                exercise.name,
                style.state(verdict.state)
            );
            println!("`cargo lathe exercises hint {}` helps.", exercise.number);
            return Ok(ExitCode::from(1));
        }
    }
    let text = std::fs::read_to_string(&exercise.solution).map_err(|source| GradeError::Io {
        action: "read",
        path: exercise.solution.clone(),
        source,
    })?;
    print!("// {}\n{text}", catalogue.shown(&exercise.solution));
    Ok(ExitCode::SUCCESS)
}

fn one_or_next<'a>(
    catalogue: &'a Catalogue,
    learner: &Learner,
    word: Option<&str>,
) -> Result<Option<&'a Exercise>, GradeError> {
    match word {
        Some(word) => catalogue.find(word).map(Some),
        None => Ok(watch::next_open(catalogue, learner)),
    }
}

/// `exercises/` here or further up, else the one of the clone that this program was built from.
fn find_folder() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors()
        .flat_map(|folder| [folder.join("exercises"), folder.to_path_buf()])
        .find(|folder| folder.join("stubs").is_dir() && folder.join("solutions").is_dir())
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}
