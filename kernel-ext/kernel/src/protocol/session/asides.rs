//! Completion and inspection while a cell runs: asked from another thread, answered when it can be.

use super::{EngineState, Request, Session};
use crate::api::{Answer, Question};
use crate::protocol::message::Message;
use crate::protocol::replies;
use crate::protocol::text::byte_offset;
use std::time::Instant;

/// What a request asks; positions of the protocol are characters.
pub(super) fn question(message: &Message) -> Question {
    let code = message.text("code").to_owned();
    let cursor = message.number("cursor_pos").and_then(|n| usize::try_from(n).ok());
    let cursor = byte_offset(&code, cursor.unwrap_or(usize::MAX));
    match message.kind() {
        "complete_request" => Question::Complete { code, cursor },
        _ => Question::Inspect { code, cursor },
    }
}

impl Session {
    /// While a cell runs the questions that wait for the engine go to the other thread, one after the other.
    pub(super) fn ask_aside(&mut self) {
        if self.running.is_none() || self.asking || !matches!(self.engine, EngineState::Ready(_)) {
            return;
        }
        self.asides.append(&mut self.asks);
        if !self.asking_aside
            && let Some(ask) = self.asides.front()
        {
            let question = question(&ask.message);
            self.asking_aside = self.questions.send(question).is_ok();
            if !self.asking_aside {
                while let Some(ask) = self.asides.pop_front() {
                    self.answer_unasked(&ask);
                }
            }
        }
    }

    /// The other thread has dealt with the first of its questions.
    pub(super) fn answer_aside(&mut self, answer: Option<Answer>, now: Instant) {
        self.asking_aside = false;
        let Some(ask) = self.asides.pop_front() else { return };
        match answer {
            Some(answer) => self.answer(&ask, &answer),
            None if self.running.is_some() => self.answer_unasked(&ask),
            // The cell has ended meanwhile: the engine itself has time.
            None => self.asks.push_back(ask),
        }
        if self.running.is_none() {
            self.asks.append(&mut self.asides);
            self.pump(now);
        }
        self.ask_aside();
    }

    fn answer(&mut self, ask: &Request, answer: &Answer) {
        let content = match answer {
            Answer::Completion(completion) => replies::completion_reply(&ask.message, completion),
            Answer::Inspection(found) => replies::inspection_reply(found.as_ref()),
        };
        self.reply(ask, content);
        self.idle(&ask.message.header);
    }
}
