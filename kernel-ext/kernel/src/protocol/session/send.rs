//! What leaves: broadcasts and replies.

use super::{Channel, Request, Session};
use crate::protocol::outputs::Published;
use serde_json::{Map, Value, json};

impl Session {
    /// Greets a new subscriber: from now on it hears everything (JEP 65).
    pub(in crate::protocol) fn welcome(&mut self, topic: &str) {
        let mut message = self.codec.message("iopub_welcome", json!({"subscription": topic}), &Map::new());
        if !topic.is_empty() {
            message.identities = vec![topic.as_bytes().to_vec()];
        }
        self.outbox.push((Channel::Iopub, message));
    }

    pub(super) fn publish_outputs(&mut self, outputs: Vec<Published>) {
        let Some(running) = self.running.as_ref().filter(|running| !running.silent) else { return };
        let parent = running.request.message.header.clone();
        for (kind, content) in outputs {
            self.publish(kind, content, &parent);
        }
    }

    pub(super) fn status(&mut self, state: &str, parent: &Map<String, Value>) {
        self.publish("status", json!({"execution_state": state}), parent);
    }

    /// Idle for this request; when a cell still runs, front ends that watch only the last status are reminded of it.
    pub(super) fn idle(&mut self, parent: &Map<String, Value>) {
        self.status("idle", parent);
        if let Some(running) = &self.running {
            let parent = running.request.message.header.clone();
            self.status("busy", &parent);
        }
    }

    pub(super) fn publish(&mut self, kind: &str, content: Value, parent: &Map<String, Value>) {
        let mut message = self.codec.message(kind, content, parent);
        message.identities = vec![format!("lathe.{kind}").into_bytes()];
        self.outbox.push((Channel::Iopub, message));
    }

    pub(super) fn reply(&mut self, request: &Request, content: Value) {
        let kind = request.message.kind().replace("_request", "_reply");
        let mut message = self.codec.message(&kind, content, &request.message.header);
        message.identities.clone_from(&request.message.identities);
        self.outbox.push((request.channel, message));
    }
}
