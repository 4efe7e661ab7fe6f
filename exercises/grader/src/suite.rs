//! `cargo test -p exercises`: all exercises, in the manner of libtest.

use crate::catalogue::{Catalogue, Exercise};
use crate::error::GradeError;
use crate::grade::Grader;
use crate::learner::Learner;
use crate::report::{self, Style};
use crate::verdict::{State, Verdict};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// The `main` of the test target: grades `my/` in the folder `dir`, with the arguments that `cargo test -- ...` passes on.
///
/// Words select exercises by a part of their name, `--exact` by the whole; `--list` lists; other options of libtest are accepted
/// and have no effect. Exit code 0 means that every selected exercise is right: an exercise that is not started counts as failed, as
/// in rustlings, so that a green result is the whole course done. (Plain `cargo test` does not grade.)
pub fn main(dir: &Path, arguments: impl IntoIterator<Item = String>) -> ExitCode {
    match run(dir, arguments.into_iter().collect(), Style::detect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(dir: &Path, arguments: Vec<String>, style: Style) -> Result<bool, GradeError> {
    const WITH_VALUE: [&str; 7] =
        ["--skip", "--test-threads", "--format", "--color", "--logfile", "--report-time", "-Z"];
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            rest.next();
        } else if !argument.starts_with('-') {
            words.push(argument);
        }
    }
    let flag = |name: &str| arguments.iter().any(|a| a == name);
    let catalogue = Catalogue::open(dir)?;
    let exact = flag("--exact");
    let wanted = |e: &&Exercise| {
        words.is_empty() || words.iter().any(|w| if exact { e.name == **w } else { e.name.contains(w.as_str()) })
    };
    let selected: Vec<&Exercise> = catalogue.exercises().iter().filter(wanted).collect();
    if flag("--list") {
        for exercise in &selected {
            println!("{}: test", exercise.name);
        }
        return Ok(true);
    }
    if flag("--ignored") {
        println!(
            "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; {} filtered out; finished in 0.00s\n",
            catalogue.exercises().len()
        );
        return Ok(true);
    }
    let out = catalogue.exercises().len() - selected.len();
    suite(&catalogue, &selected, out, style)
}

/// Grades several of the learner's answers and prints the lines and the summary of libtest. True when all are right.
///
/// # Errors
/// When the learner's folder cannot be made. What keeps a single exercise from being graded is printed and counts as failed.
pub fn suite(catalogue: &Catalogue, selected: &[&Exercise], filtered: usize, style: Style) -> Result<bool, GradeError> {
    let start = Instant::now();
    let mut learner = Learner::open(catalogue)?;
    let n = selected.len();
    println!("\nrunning {n} {}", if n == 1 { "test" } else { "tests" });
    let results = grade_all(catalogue, selected, |exercise, result| {
        let words = match result {
            Ok(v) if v.state == State::Right => style.state(State::Right).replace("right", "ok"),
            Ok(v) => format!("FAILED ({})", style.state(v.state)),
            Err(_) => "FAILED (not graded)".into(),
        };
        println!("test {} ... {words}", exercise.name);
    });
    let mut passed = 0;
    let mut details = String::new();
    for (exercise, result) in selected.iter().zip(&results) {
        let shown = catalogue.shown(&exercise.answer);
        match result {
            Ok(v) => {
                passed += usize::from(v.state == State::Right);
                learner.remember(exercise, v.state)?;
                if !matches!(v.state, State::Right | State::NotStarted) {
                    details.push_str(&format!("\n{}", report::verdict(exercise, &shown, v, style)));
                }
            }
            Err(error) => {
                details.push_str(&format!("\n{}  not graded\n{}", exercise.name, style.wrapped(&error.to_string(), 2)))
            }
        }
    }
    print!("{details}");
    if let Some(next) = selected.iter().zip(&results).find(|(_, r)| r.as_ref().is_ok_and(|v| v.state != State::Right)) {
        println!("\nNext: {} ({})", catalogue.shown(&next.0.answer), next.0.title);
        println!(
            "      `cargo lathe exercises hint {0}` helps, `cargo lathe exercises watch {0}` grades at every save.",
            next.0.number
        );
    }
    let word = if passed == n { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; {filtered} filtered out; finished in {:.2}s\n",
        n - passed,
        start.elapsed().as_secs_f64()
    );
    Ok(passed == n)
}

/// Grades on as many threads as there are cores and reports in order, each as soon as it and all before it are known.
fn grade_all(
    catalogue: &Catalogue,
    selected: &[&Exercise],
    mut report: impl FnMut(&Exercise, &Result<Verdict, GradeError>),
) -> Vec<Result<Verdict, GradeError>> {
    let grader = Grader::new();
    let next = AtomicUsize::new(0);
    let (send, receive) = std::sync::mpsc::channel();
    let send = Mutex::new(send);
    let threads = thread::available_parallelism().map_or(1, |n| n.get()).min(selected.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            let (grader, next, send) = (&grader, &next, &send);
            scope.spawn(move || {
                while let Some(exercise) = selected.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = grader.grade(catalogue, exercise, &exercise.answer);
                    let at = selected.iter().position(|e| e.name == exercise.name).unwrap_or_default();
                    let send = send.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    if send.send((at, result)).is_err() {
                        return;
                    }
                }
            });
        }
        let mut waiting: Vec<Option<_>> = selected.iter().map(|_| None).collect();
        let mut done = Vec::new();
        while done.len() < selected.len() {
            let Ok((at, result)) = receive.recv() else { break };
            waiting[at] = Some(result);
            while let Some(result) = waiting.get_mut(done.len()).and_then(Option::take) {
                report(selected[done.len()], &result);
                done.push(result);
            }
        }
        done
    })
}
