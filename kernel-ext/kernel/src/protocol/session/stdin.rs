//! Questions of a cell to the user, on the stdin socket.

use super::{Channel, Session};
use crate::api::{Inward, Messenger};
use crate::protocol::message::Message;
use serde_json::json;
use std::collections::VecDeque;

/// Questions of several threads are asked one after the other.
#[derive(Default)]
pub(super) struct Prompts(VecDeque<Question>);

struct Question {
    id: String,
    prompt: String,
    password: bool,
    /// The id of the `input_request`, once it is sent.
    request: Option<String>,
}

const NOBODY: &str = "nobody can be asked here: the front end that runs this cell takes no input (allow_stdin is false). \
                      Write the value into the cell, or run the notebook in JupyterLab";
const NO_CELL: &str =
    "nobody can be asked while no cell runs: ask in the cell and give the answer to the callback or thread";

fn answer(messenger: &Messenger, id: String, answer: Result<String, String>) {
    // A process that is gone waits no longer.
    messenger.send(Inward::Answer { id, answer });
}

impl Session {
    /// A cell asks.
    pub(super) fn ask_user(&mut self, id: String, prompt: String, password: bool) {
        let refusal = match &self.running {
            None => NO_CELL,
            Some(running) if !running.request.message.flag("allow_stdin", false) => NOBODY,
            Some(_) => {
                self.prompts.0.push_back(Question { id, prompt, password, request: None });
                return self.send_question();
            }
        };
        answer(&self.messenger, id, Err(refusal.to_owned()));
    }

    /// Sends the first question to the front end that sent the cell.
    fn send_question(&mut self) {
        let (Some(question), Some(running)) = (self.prompts.0.front_mut(), &self.running) else { return };
        if question.request.is_some() {
            return;
        }
        let content = json!({"prompt": question.prompt, "password": question.password});
        let mut message = self.codec.message("input_request", content, &running.request.message.header);
        message.identities.clone_from(&running.request.message.identities);
        question.request = Some(message.id().to_owned());
        self.outbox.push((Channel::Stdin, message));
    }

    /// The user has answered; answers to questions that are not open are dropped.
    pub(super) fn on_input_reply(&mut self, message: &Message) {
        // Some clients leave the parent empty.
        let parent = message.parent.get("msg_id").and_then(|id| id.as_str()).unwrap_or_default();
        let is_open = |question: &Question| {
            question.request.as_deref().is_some_and(|request| parent.is_empty() || parent == request)
        };
        if self.prompts.0.front().is_some_and(is_open)
            && let Some(question) = self.prompts.0.pop_front()
        {
            answer(&self.messenger, question.id, Ok(message.text("value").to_owned()));
        }
        self.send_question();
    }

    /// The cell ended: threads of it that still wait are told.
    pub(super) fn drop_questions(&mut self) {
        for question in std::mem::take(&mut self.prompts.0) {
            answer(&self.messenger, question.id, Err(NO_CELL.to_owned()));
        }
    }
}
