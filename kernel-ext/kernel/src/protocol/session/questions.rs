//! Requests that run no cell.

use super::{Request, Session};
use crate::protocol::message::Message;
use crate::protocol::replies;
use serde_json::{Value, json};
use std::time::Instant;

/// Unknown types of messages that are named in the log.
const MOST_UNKNOWN: usize = 50;

fn start_of(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

impl Session {
    /// Requests that need no engine.
    pub(super) fn answer_at_once(&mut self, request: &Request, now: Instant) {
        self.status("busy", &request.message.header);
        let message = &request.message;
        match message.kind() {
            "kernel_info_request" => self.reply(request, replies::kernel_info(&self.rust_version)),
            "is_complete_request" => {
                let answer = (self.is_complete)(message.text("code"));
                self.reply(request, replies::is_complete(answer));
            }
            "history_request" => self.reply(request, replies::history(&self.history, message)),
            "comm_info_request" => {
                let comms = self.comms.info(message.text("target_name"));
                self.reply(request, json!({"status": "ok", "comms": comms}));
            }
            "interrupt_request" => {
                self.interrupt(now);
                self.reply(request, json!({"status": "ok"}));
            }
            "shutdown_request" => {
                let content = json!({"status": "ok", "restart": message.flag("restart", false)});
                self.publish("shutdown_reply", content.clone(), &message.header);
                self.reply(request, content);
                self.ended = true;
            }
            // kernel_info says that there is none; who asks all the same shall not wait for ever.
            "debug_request" => self.reply(request, replies::no_debugger(message)),
            other => {
                // Each once and not without end: front ends probe for extensions, others send noise.
                if self.unknown.len() < MOST_UNKNOWN && self.unknown.insert(start_of(other, 100)) {
                    eprintln!("lathe-kernel: messages of type {:?} are not supported; ignored", start_of(other, 100));
                }
            }
        }
        self.idle(&request.message.header);
    }

    /// The engine has answered the first of the waiting questions.
    pub(super) fn answer_ask(&mut self, content: impl FnOnce(&Message) -> Value, now: Instant) {
        self.asking = false;
        if let Some(ask) = self.asks.pop_front() {
            self.reply(&ask, content(&ask.message));
            self.idle(&ask.message.header);
        }
        self.pump(now);
    }

    /// A question that the engine cannot be asked now.
    pub(super) fn answer_unasked(&mut self, ask: &Request) {
        let content = match ask.message.kind() {
            "complete_request" => replies::no_completion(&ask.message),
            _ => replies::not_found(),
        };
        self.reply(ask, content);
        self.idle(&ask.message.header);
    }
}
