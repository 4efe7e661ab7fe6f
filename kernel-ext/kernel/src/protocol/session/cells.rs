//! Cells: from the request to the reply.

use super::steps::{Expressions, Step, asked_name};
use super::{EngineState, Request, Running, Session};
use crate::api::{CellError, Outcome, Output, Stream};
use crate::protocol::outputs::OutputBuffer;
use crate::protocol::replies;
use crate::protocol::worker::Job;
use serde_json::{Value, json};
use std::time::Instant;

impl Session {
    pub(super) fn begin(&mut self, request: Request, now: Instant) {
        let message = &request.message;
        let silent = message.flag("silent", false);
        let stored = !silent && message.flag("store_history", true);
        let stop_on_error = message.flag("stop_on_error", true);
        let Some(code) = message.content.get("code").and_then(Value::as_str).map(str::to_owned) else {
            self.status("busy", &request.message.header.clone());
            self.reply(
                &request,
                replies::error_reply(
                    &replies::error("BadRequest", "an execute_request without `code`", &[]),
                    self.count,
                ),
            );
            return self.idle(&request.message.header);
        };
        let header = message.header.clone();
        self.status("busy", &header);
        let expressions = Expressions::of(message);
        let blank = code.trim().is_empty();
        if blank && expressions.is_empty() {
            self.reply(&request, replies::ok_reply(self.count));
            return self.idle(&header);
        }
        // The counter counts what is stored.
        let count = self.count + u64::from(stored && !blank);
        if stored && !blank {
            self.count = count;
            self.history.add(count, &code);
        }
        if !silent && !blank {
            self.publish("execute_input", json!({"code": code, "execution_count": count}), &header);
        }
        let step = match asked_name(&code) {
            Some(name) => Step::Page(name.to_owned()),
            None => Step::Cell(code),
        };
        let output = OutputBuffer::new(count);
        self.finish_background(now);
        if !silent {
            self.last_cell = Some(header);
        }
        let payload = Vec::new();
        self.running =
            Some(Running { request, step, expressions, payload, count, stored, silent, stop_on_error, output });
        if blank {
            self.finish(Outcome::Ok, now);
        } else {
            self.start_step(now);
        }
    }

    pub(super) fn send_job(&mut self, job: Job, now: Instant) {
        if self.jobs.send(job).is_err() {
            self.engine_gone(replies::error("KernelFault", "the engine has ended", &["Restart the kernel."]), now);
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome, now: Instant) {
        self.drop_questions();
        let Some(running) = &mut self.running else { return };
        let evaluated = matches!(running.step, Step::Expression);
        let mut out = Vec::new();
        running.output.finish(now, &mut out);
        self.publish_outputs(out);
        if self.next_step(&outcome, now) {
            return;
        }
        let Some(mut running) = self.running.take() else { return };
        let (count, silent) = (running.count, running.silent);
        if let Some(result) = running.output.result.as_ref().filter(|_| running.stored) {
            self.history.set_output(count, result);
        }
        let request = running.request;
        // A failing expression is its own matter: the cell before it ran.
        let outcome = if evaluated { Outcome::Ok } else { outcome };
        let failed = match outcome {
            Outcome::Ok => {
                let mut content = replies::ok_reply(count);
                content["payload"] = running.payload.into();
                content["user_expressions"] = running.expressions.take_answers();
                self.reply(&request, content);
                false
            }
            Outcome::Error(cause) | Outcome::Interrupted(cause) => {
                if !silent {
                    let content = json!({"ename": cause.ename, "evalue": cause.evalue, "traceback": cause.traceback});
                    self.publish("error", content, &request.message.header);
                }
                self.reply(&request, replies::error_reply(&cause, count));
                true
            }
        };
        self.idle(&request.message.header);
        if failed && running.stop_on_error && !silent {
            self.abort_queue();
        }
    }

    /// The cells that were sent along with a failed one are not run.
    pub(super) fn abort_queue(&mut self) {
        for request in std::mem::take(&mut self.queue) {
            self.status("busy", &request.message.header);
            let mut content = replies::error_reply(
                &replies::error("Aborted", "not run: an earlier cell failed or was stopped", &[]),
                self.count,
            );
            content["status"] = "aborted".into();
            self.reply(&request, content);
            self.idle(&request.message.header);
        }
    }

    pub(super) fn engine_gone(&mut self, reason: CellError, now: Instant) {
        self.engine = EngineState::Gone(reason.clone());
        self.asking = false;
        for ask in std::mem::take(&mut self.asks).into_iter().chain(std::mem::take(&mut self.asides)) {
            self.answer_unasked(&ask);
        }
        self.finish(Outcome::Error(reason), now);
        self.pump(now);
    }

    /// While the engine starts, the waiting cell shows how far it is.
    pub(super) fn show_note(&mut self, now: Instant) {
        if let (Some(running), EngineState::Starting) = (&mut self.running, &self.engine)
            && let Some(note) = self.last_note.take()
        {
            let mut out = Vec::new();
            running.output.push(Output::Stream { stream: Stream::Stderr, text: format!("{note}\n") }, now, &mut out);
            self.publish_outputs(out);
        }
    }
}
