//! Grades at every save. Commands are lines on standard input, so that it works in every terminal and through a pipe.

use crate::catalogue::{Catalogue, Exercise};
use crate::error::GradeError;
use crate::grade::Grader;
use crate::learner::Learner;
use crate::report::{self, Style};
use crate::verdict::State;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime};

const KEYS: &str = "save the file to grade it, or type a letter and Enter: \
                    h hint, r run again, n next, l list, x reset, q quit";

/// Watches the answers until the user quits; starts with `first`, else with the first exercise that is not right.
///
/// # Errors
/// When the learner's folder cannot be read or written. An exercise that cannot be graded is reported, and watching goes on.
pub fn watch(catalogue: &Catalogue, first: Option<&Exercise>, style: Style) -> Result<(), GradeError> {
    let mut learner = Learner::open(catalogue)?;
    let grader = Grader::new();
    let keys = keys();
    let mut seen = times(catalogue);
    let Some(mut current) = first.or_else(|| next_open(catalogue, &learner)).or(catalogue.exercises().last()) else {
        return Ok(());
    };
    grade(catalogue, &grader, &mut learner, current, style)?;
    loop {
        let key = match keys.recv_timeout(Duration::from_millis(150)) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            // End of input: Ctrl-D, or whoever started us is gone.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let now = times(catalogue);
        // The time is taken before grading, so that a save meanwhile is seen.
        let changed = now.iter().zip(&seen).position(|(new, old)| new.is_some() && new != old);
        seen = now.iter().zip(&seen).map(|(new, old)| new.or(*old)).collect();
        if let Some(i) = changed {
            current = &catalogue.exercises()[i];
            grade(catalogue, &grader, &mut learner, current, style)?;
            continue;
        }
        match key.as_deref().map(str::trim) {
            None => {}
            Some("q" | "quit") => return Ok(()),
            Some("r" | "run" | "c" | "check") => grade(catalogue, &grader, &mut learner, current, style)?,
            Some("h" | "hint") => println!("{}", hint(&mut learner, current, style)?),
            Some("l" | "list") => print!("{}", list(catalogue, &learner, style)),
            Some("x" | "reset") => {
                println!("{}", reset(catalogue, &mut learner, current)?);
                seen = times(catalogue);
            }
            Some("n" | "next") => match next_after(catalogue, &learner, current) {
                Some(next) => {
                    current = next;
                    grade(catalogue, &grader, &mut learner, current, style)?;
                }
                None => println!("All exercises are right."),
            },
            Some(_) => println!("{KEYS}"),
        }
    }
}

fn grade(
    catalogue: &Catalogue,
    grader: &Grader,
    learner: &mut Learner,
    exercise: &Exercise,
    style: Style,
) -> Result<(), GradeError> {
    println!();
    match grader.grade(catalogue, exercise, &exercise.answer) {
        Ok(verdict) => {
            learner.remember(exercise, verdict.state)?;
            let shown = catalogue.shown(&exercise.answer);
            print!("{}", report::verdict(exercise, &shown, &verdict, style));
            if verdict.state == State::Right {
                match next_open(catalogue, learner) {
                    Some(next) => println!("  Well done. `n`: on to {} ({})", next.name, next.title),
                    None => println!("  Well done: all exercises are right."),
                }
            }
        }
        Err(error) => print!("{}  not graded\n{}", exercise.name, style.wrapped(&error.to_string(), 2)),
    }
    println!("{KEYS}");
    Ok(())
}

/// The next hint as text.
///
/// # Errors
/// When the hints cannot be read.
pub fn hint(learner: &mut Learner, exercise: &Exercise, style: Style) -> Result<String, GradeError> {
    let (shown, hints) = learner.next_hint(exercise)?;
    Ok(hint_text(shown, &hints, style))
}

/// The hints up to number `shown`, the newest last.
pub fn hint_text(shown: usize, hints: &[String], style: Style) -> String {
    let mut out = String::new();
    for (i, hint) in hints.iter().take(shown).enumerate() {
        out.push_str(&style.bold(&format!("Hint {} of {}", i + 1, hints.len())));
        out.push('\n');
        // Code keeps its lines.
        for block in hint.split("\n\n") {
            if block.starts_with("    ") || block.starts_with("```") {
                out.push_str(block);
                out.push('\n');
            } else {
                out.push_str(&style.wrapped(&block.replace('\n', " "), 2));
            }
        }
    }
    out
}

/// Resets and says what became of the answer.
///
/// # Errors
/// When the files cannot be written.
pub fn reset(catalogue: &Catalogue, learner: &mut Learner, exercise: &Exercise) -> Result<String, GradeError> {
    let kept = learner.reset(exercise)?;
    let shown = catalogue.shown(&exercise.answer);
    Ok(match kept {
        Some(path) => format!("{shown} is the stub again; your answer is kept in {}", catalogue.shown(&path)),
        None => format!("{shown} is the stub again"),
    })
}

/// A table of all exercises with what is known about each.
pub fn list(catalogue: &Catalogue, learner: &Learner, style: Style) -> String {
    let wide = catalogue.exercises().iter().map(|e| e.name.len()).max().unwrap_or(0);
    let mut right = 0;
    let mut out = String::new();
    for e in catalogue.exercises() {
        let state = learner.remembered(e);
        right += usize::from(state == Some(State::Right));
        let words = state.map_or("changed since the last check".into(), |s| style.state(s));
        out.push_str(&format!("{:>3}  {:wide$}  {}: {}\n", e.number, e.name, words, e.title));
    }
    out.push_str(&format!("{right} of {} right\n", catalogue.exercises().len()));
    out
}

/// The first exercise that is not known to be right.
pub fn next_open<'a>(catalogue: &'a Catalogue, learner: &Learner) -> Option<&'a Exercise> {
    catalogue.exercises().iter().find(|e| learner.remembered(e) != Some(State::Right))
}

fn next_after<'a>(catalogue: &'a Catalogue, learner: &Learner, current: &Exercise) -> Option<&'a Exercise> {
    let open = |e: &&Exercise| learner.remembered(e) != Some(State::Right) && e.name != current.name;
    let later = catalogue.exercises().iter().filter(|e| e.number > current.number).find(open);
    later.or_else(|| next_open(catalogue, learner))
}

fn times(catalogue: &Catalogue) -> Vec<Option<SystemTime>> {
    let time = |e: &Exercise| std::fs::metadata(&e.answer).and_then(|m| m.modified()).ok();
    catalogue.exercises().iter().map(time).collect()
}

fn keys() -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}
