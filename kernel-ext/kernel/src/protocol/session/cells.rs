//! Cells: from the request to the reply.

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
        if code.trim().is_empty() {
            self.reply(&request, replies::ok_reply(self.count));
            return self.idle(&header);
        }
        let count = self.count + 1;
        if stored {
            self.count = count;
            self.history.add(count, &code);
        }
        if !silent {
            self.publish("execute_input", json!({"code": code, "execution_count": count}), &header);
        }
        let job = Job::Execute(code.clone(), count);
        let output = OutputBuffer::new(count);
        self.running = Some(Running { request, code, count, silent, stop_on_error, output });
        match &self.engine {
            EngineState::Ready(_) => self.send_job(job, now),
            EngineState::Starting => self.show_note(now),
            EngineState::Gone(reason) => self.finish(Outcome::Error(reason.clone()), now),
        }
    }

    pub(super) fn send_job(&mut self, job: Job, now: Instant) {
        if self.jobs.send(job).is_err() {
            self.engine_gone(replies::error("KernelFault", "the engine has ended", &["Restart the kernel."]), now);
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let mut out = Vec::new();
        running.output.finish(now, &mut out);
        self.publish_outputs(out);
        let Some(Running { request, count, silent, stop_on_error, output, .. }) = self.running.take() else { return };
        if let Some(result) = &output.result {
            self.history.set_output(count, result);
        }
        let failed = match outcome {
            Outcome::Ok => {
                self.reply(&request, replies::ok_reply(count));
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
        if failed && stop_on_error && !silent {
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
        for ask in std::mem::take(&mut self.asks) {
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
