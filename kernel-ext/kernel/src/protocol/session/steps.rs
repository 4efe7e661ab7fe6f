//! What one execute request makes the engine do: show documentation (`?name`), run the cell, evaluate `user_expressions`.

use super::{EngineState, Running, Session};
use crate::api::{Outcome, Output, Stream};
use crate::engine::is_expression;
use crate::protocol::message::Message;
use crate::protocol::replies;
use crate::protocol::worker::Job;
use lathe_events::frame::Bundle;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::time::Instant;

/// What the engine does now for the request that has it.
pub(super) enum Step {
    /// Looks up this name for the pager.
    Page(String),
    /// Runs the cell.
    Cell(String),
    /// Evaluates the first of the [`Expressions`].
    Expression,
}

/// Expressions that one request may have evaluated; each costs a compilation.
const MOST: usize = 64;

/// The `user_expressions` of a request.
#[derive(Default)]
pub(super) struct Expressions {
    /// Name and code; the first one is being evaluated in [`Step::Expression`].
    waiting: VecDeque<(String, String)>,
    /// The value of the one that is being evaluated.
    value: Option<Bundle>,
    answers: Map<String, Value>,
}

impl Expressions {
    pub(super) fn of(request: &Message) -> Self {
        let mut all = Self::default();
        let asked = request.content.get("user_expressions").and_then(Value::as_object).into_iter().flatten();
        for (name, code) in asked {
            match code.as_str() {
                Some(_) if all.waiting.len() >= MOST => {
                    let cause = replies::error("TooMany", &format!("only {MOST} expressions are evaluated"), &[]);
                    all.answers.insert(name.clone(), replies::expression_error(&cause));
                }
                Some(code) if is_expression(code) => {
                    all.waiting.push_back((name.clone(), code.to_owned()));
                }
                _ => {
                    let cause = replies::error("SyntaxError", "not a Rust expression", &[]);
                    all.answers.insert(name.clone(), replies::expression_error(&cause));
                }
            }
        }
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.answers.is_empty()
    }

    /// The answers for the reply.
    pub(super) fn take_answers(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.answers))
    }

    /// Keeps the value of an expression; gives back what else was shown.
    pub(super) fn keep_value(&mut self, output: Output) -> Option<Output> {
        match output {
            Output::Result { bundle } => {
                self.value = Some(bundle);
                None
            }
            other => Some(other),
        }
    }

    fn answer(&mut self, outcome: &Outcome) {
        let value = self.value.take();
        let Some((name, _)) = self.waiting.pop_front() else { return };
        let answer = match outcome {
            Outcome::Ok => {
                let Bundle { data, metadata, .. } = value.unwrap_or_else(|| Bundle::text("()"));
                json!({"status": "ok", "data": data, "metadata": metadata})
            }
            Outcome::Error(cause) | Outcome::Interrupted(cause) => replies::expression_error(cause),
        };
        self.answers.insert(name, answer);
        if matches!(outcome, Outcome::Interrupted(_)) {
            // The user wants the engine back.
            for (name, _) in std::mem::take(&mut self.waiting) {
                let cause = replies::error("Interrupted", "not evaluated: an earlier expression was stopped", &[]);
                self.answers.insert(name, replies::expression_error(&cause));
            }
        }
    }
}

/// What a cell asks documentation for: `?name`, `??name`, `name?`, `name??`, as in IPython. `name?` may also be Rust.
pub(super) fn asked_name(code: &str) -> Option<&str> {
    let code = code.trim();
    let name = code.trim_start_matches('?').trim_end_matches('?').trim();
    let name = name.strip_suffix('!').unwrap_or(name);
    let first = name.chars().next()?;
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.');
    let is_name = (first.is_alphabetic() || first == '_') && name.chars().all(of_name) && !name.ends_with([':', '.']);
    (is_name && (code.starts_with('?') || code.ends_with('?'))).then_some(name)
}

/// Is this the description of a variable or a field, `name: Type`? With a `?` behind it, it is Rust.
fn is_value(name: &str, found: &Bundle) -> bool {
    let last = name.rsplit(['.', ':']).next().unwrap_or(name);
    let text = found.data.get("text/plain").and_then(Value::as_str).unwrap_or_default();
    text.lines().any(|line| line.strip_prefix(last).is_some_and(|rest| rest.starts_with(": ")))
}

impl Running {
    /// What the engine has to do for the current step.
    pub(super) fn job(&self) -> Job {
        match &self.step {
            Step::Page(name) => Job::Page(name.clone()),
            Step::Cell(code) => Job::Execute(code.clone(), self.count),
            Step::Expression => {
                let code = self.expressions.waiting.front().map(|(_, code)| code.clone()).unwrap_or_default();
                Job::Execute(code, self.count)
            }
        }
    }
}

impl Session {
    /// Gives the engine the current step, when there is an engine.
    pub(super) fn start_step(&mut self, now: Instant) {
        let Some(running) = &self.running else { return };
        let job = running.job();
        match &self.engine {
            EngineState::Ready(_) => self.send_job(job, now),
            EngineState::Starting => self.show_note(now),
            EngineState::Gone(reason) => self.finish(Outcome::Error(reason.clone()), now),
        }
    }

    /// Something was shown while the current step ran.
    pub(super) fn on_cell_output(&mut self, output: Output, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let output = match running.step {
            Step::Expression => running.expressions.keep_value(output),
            _ => Some(output),
        };
        if let Some(output) = output {
            let mut out = Vec::new();
            running.output.push(output, now, &mut out);
            self.publish_outputs(out);
        }
    }

    /// The documentation for a cell like `Vec::new?` is there, or there is none.
    pub(super) fn on_page(&mut self, found: Option<Bundle>, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let Step::Page(name) = &running.step else { return };
        let code = running.request.message.text("code").trim().to_owned();
        let only_a_question = code.starts_with('?');
        match found {
            Some(page) if only_a_question || !is_value(name, &page) => {
                let mut data = page.data;
                data.entry("text/plain").or_insert_with(|| name.as_str().into());
                running.payload.push(json!({"source": "page", "data": data, "start": 0}));
                self.finish(Outcome::Ok, now);
            }
            None if only_a_question => {
                let text = format!("Nothing is known about `{name}`.\n");
                self.on_output(Output::Stream { stream: Stream::Stdout, text }, now);
                self.finish(Outcome::Ok, now);
            }
            _ => {
                running.step = Step::Cell(code);
                self.start_step(now);
            }
        }
    }

    /// The engine is done with a step. `true` when another step follows; the request is not finished then.
    pub(super) fn next_step(&mut self, outcome: &Outcome, now: Instant) -> bool {
        let Some(running) = &mut self.running else { return false };
        match running.step {
            Step::Expression => running.expressions.answer(outcome),
            _ if !matches!(outcome, Outcome::Ok) => return false,
            _ => {}
        }
        running.step = Step::Expression;
        if running.expressions.waiting.is_empty() {
            return false;
        }
        self.start_step(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_about_names() {
        for (code, name) in [
            ("?Vec::new", "Vec::new"),
            (" Vec::new?\n", "Vec::new"),
            ("??v.len", "v.len"),
            ("println!?", "println"),
            ("?println!", "println"),
            ("größe??", "größe"),
        ] {
            assert_eq!(asked_name(code), Some(name), "{code}");
        }
        for code in
            ["Vec::new", "f(1)?", "a? + b?", "a?;", "?", "??", "? 1", "Vec::?", "if a? {}", "a?.b?", "!ls ?", ""]
        {
            assert_eq!(asked_name(code), None, "{code}");
        }
    }

    #[test]
    fn values_are_told_from_items() {
        assert!(is_value("r", &Bundle::text("r: Result<i32, String>")));
        assert!(is_value("p.size", &Bundle::text("ctx::P\n\nsize: usize")));
        assert!(!is_value("Vec::new", &Bundle::text("alloc::vec::Vec\n\npub const fn new() -> Self\n\nrenew: x")));
        assert!(!is_value("area", &Bundle::text("ctx\n\nfn area(w: f64) -> f64")));
    }
}
