//! From what the checks reported to a verdict.

use crate::error::GradeError;
use crate::sandbox::{End, Finished, Limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where an exercise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The stub, or nothing but `todo!()`.
    NotStarted,
    /// What is written is right, and there is a `todo!()` left.
    Unfinished,
    /// rustc refuses it.
    DoesNotCompile,
    /// Something that is written violates a property.
    Wrong,
    /// Everything holds.
    Right,
}

impl State {
    /// As shown to the learner.
    pub fn words(self) -> &'static str {
        match self {
            State::NotStarted => "not started",
            State::Unfinished => "unfinished",
            State::DoesNotCompile => "does not compile",
            State::Wrong => "wrong",
            State::Right => "right",
        }
    }
}

/// The verdict on one answer.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Name of the exercise.
    pub exercise: String,
    /// Where it stands.
    pub state: State,
    /// What the compiler says, with paths as the learner knows them; the errors, or the warnings of an answer that is wrong.
    pub compiler: Vec<String>,
    /// One entry for each function to write, in the order of the checks.
    pub parts: Vec<Part>,
    /// What the answer printed.
    pub printed: String,
    /// Something to know that is not about the answer, such as known mistakes that could not be compared.
    pub note: Option<String>,
    /// From file to verdict.
    pub seconds: f64,
}

/// The verdict on one function.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// [`State::Right`], [`State::Wrong`] or [`State::NotStarted`] (it still says `todo!()`).
    pub state: State,
    /// What does not hold.
    pub violations: Vec<Violation>,
    /// The known mistake that answers every probe in the same way.
    pub mistake: Option<crate::catalogue::Mutant>,
    /// Its answers to the probes.
    #[serde(skip)]
    pub probes: Probes,
}

/// A property that does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// The property in words.
    pub property: String,
    /// The numbers, the panic, or how the program ended.
    pub message: String,
}

/// Answers to the probes by name; `None` is a panic.
pub type Probes = BTreeMap<String, Option<Vec<f64>>>;

#[derive(Deserialize)]
struct Record {
    nonce: String,
    kind: String,
    #[serde(default)]
    part: String,
    #[serde(default)]
    property: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    place: String,
    values: Option<Vec<String>>,
}

/// Reads the records of one run. Lines without our nonce are not ours.
///
/// # Errors
/// When the program did not get as far as `main`: no answer's fault.
pub(crate) fn parts(finished: &Finished, nonce: &str, limits: Limits) -> Result<Vec<Part>, GradeError> {
    let mut started = false;
    let records = finished.verdict.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
    let mut parts: Vec<Part> = Vec::new();
    // What was begun and has not ended: where the program is when it dies.
    let mut open: Option<(usize, String)> = None;
    let mut done = false;
    for record in records.filter(|r| r.nonce == nonce) {
        match record.kind.as_str() {
            "started" => {
                started = true;
                continue;
            }
            "done" => {
                done = true;
                break;
            }
            _ => {}
        }
        let at = match parts.iter().position(|p| p.name == record.part) {
            Some(at) => at,
            None => {
                parts.push(Part::new(record.part));
                parts.len() - 1
            }
        };
        let part = &mut parts[at];
        open = None;
        match record.kind.as_str() {
            "begin" => open = Some((at, record.property)),
            "violated" => part.violate(record.property, record.message),
            "panicked" => {
                let message = format!("the code panicked at {}: {}", record.place, record.message);
                part.violate(record.property, message);
            }
            "todo" if part.state == State::Right => part.state = State::NotStarted,
            "probe" => {
                let values = record.values.map(|v| v.iter().map(|x| x.parse().unwrap_or(f64::NAN)).collect());
                part.probes.insert(record.property, values);
            }
            _ => {}
        }
    }
    if !started {
        return Err(GradeError::NotStarted { end: format!("{:?}", finished.end), said: finished.stderr.trim().into() });
    }
    if !done {
        let how = how_it_ended(finished, limits);
        match open {
            Some((at, property)) => parts[at].violate(property, how),
            None => {
                let mut part = Part::new("the program".into());
                part.violate("the program comes to an end by itself".into(), how);
                parts.push(part);
            }
        }
    }
    Ok(parts)
}

impl Part {
    fn new(name: String) -> Part {
        Part { name, state: State::Right, violations: Vec::new(), mistake: None, probes: Probes::new() }
    }

    fn violate(&mut self, property: String, message: String) {
        self.state = State::Wrong;
        self.violations.push(Violation { property, message });
    }
}

/// The whole from its parts.
pub(crate) fn overall(parts: &[Part]) -> State {
    let all = |state| parts.iter().all(|p| p.state == state);
    if parts.iter().any(|p| p.state == State::Wrong) {
        State::Wrong
    } else if all(State::NotStarted) {
        State::NotStarted
    } else if all(State::Right) {
        State::Right
    } else {
        State::Unfinished
    }
}

fn how_it_ended(finished: &Finished, limits: Limits) -> String {
    let said = &finished.stderr;
    match finished.end {
        End::TimedOut => {
            format!("still running after {} s, stopped: is there a loop that never ends?", limits.wall.as_secs())
        }
        End::Signal(_) if said.contains("memory allocation of") => {
            let gib = limits.memory.unwrap_or(0) >> 30;
            format!("it asked for more memory than the {gib} GiB it may use: does something grow in a loop?")
        }
        End::Signal(_) if said.contains("overflowed its stack") => {
            "the stack overflowed: does a function call itself without end?".into()
        }
        End::Signal(libc::SIGXFSZ) => "it wrote a file larger than it may".into(),
        End::Signal(signal) => format!("the program was ended by signal {signal}"),
        End::Exited(code) => {
            format!("the program ended with code {code} before the checks did: does the answer call `exit`?")
        }
    }
}

/// Do two answers to the probes agree, up to rounding?
pub(crate) fn agree(a: &Probes, b: &Probes) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|((name, x), (other, y))| {
            name == other
                && match (x, y) {
                    (Some(x), Some(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| near(*x, *y)),
                    (None, None) => true,
                    _ => false,
                }
        })
}

fn near(a: f64, b: f64) -> bool {
    if !a.is_finite() || !b.is_finite() {
        return a == b || (a.is_nan() && b.is_nan());
    }
    (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn only_rounding_is_forgiven() {
        assert!(near(1.0, 1.00005) && near(f64::NAN, f64::NAN) && near(f64::INFINITY, f64::INFINITY));
        assert!(!near(1.0, 1.001) && !near(f64::INFINITY, 75.0) && !near(f64::NAN, 0.0) && !near(1e-3, 2e-3));
    }
}
