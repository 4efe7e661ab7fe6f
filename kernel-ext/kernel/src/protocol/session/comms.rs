//! Comms: messages between widgets in the cells' process and their views in the front end. The kernel passes them on and
//! knows which comms are open; what they say is for the two ends.

use super::{Channel, EngineState, Request, Session};
use crate::api::Inward;
use lathe_events::frame::{Comm, CommAction};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Targets that the in-cell library answers.
const TARGETS: [&str; 1] = ["jupyter.widget.control"];
/// A message whose callback takes longer is called done: its view can then speak again.
const LONGEST_CALLBACK: Duration = Duration::from_secs(60);

/// Of a message.
type Header = Map<String, Value>;

/// What is open and what is being dealt with.
#[derive(Default)]
pub(super) struct Comms {
    open: BTreeMap<String, Open>,
    /// Messages that the process has not dealt with, oldest first.
    flights: VecDeque<Flight>,
}

struct Open {
    target: String,
    /// The request that made it.
    owner: Header,
}

struct Flight {
    token: String,
    comm_id: String,
    header: Header,
    due: Instant,
    done: bool,
}

impl Comms {
    /// For `comm_info_reply`.
    pub(super) fn info(&self, target: &str) -> Value {
        let wanted = self.open.iter().filter(|(_, open)| target.is_empty() || open.target == target);
        wanted.map(|(id, open)| (id.clone(), json!({"target_name": open.target}))).collect::<Map<_, _>>().into()
    }

    /// The message that is being dealt with, and the request that made its comm.
    pub(super) fn handled(&self) -> Option<(&Header, Option<&Header>)> {
        let flight = self.flights.iter().find(|flight| !flight.done)?;
        Some((&flight.header, self.open.get(&flight.comm_id).map(|open| &open.owner)))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.flights.front().map(|flight| flight.due)
    }
}

impl Session {
    /// A comm message of the front end.
    pub(super) fn on_comm(&mut self, request: &Request, now: Instant) {
        let message = &request.message;
        let header = message.header.clone();
        self.status("busy", &header);
        let comm_id = message.text("comm_id").to_owned();
        let known = self.comms.open.contains_key(&comm_id);
        let alive = matches!(self.engine, EngineState::Ready(_));
        let action = match message.kind() {
            "comm_open" => {
                let target = message.text("target_name").to_owned();
                if !alive || !TARGETS.contains(&target.as_str()) {
                    // Nobody is there: the front end is told that the other end is closed.
                    self.publish("comm_close", json!({"comm_id": comm_id, "data": {}}), &header);
                    return self.idle(&header);
                }
                self.comms.open.insert(comm_id.clone(), Open { target: target.clone(), owner: header.clone() });
                CommAction::Open { target }
            }
            _ if !known || !alive => return self.idle(&header),
            "comm_close" => {
                self.comms.open.remove(&comm_id);
                CommAction::Close
            }
            _ => CommAction::Message,
        };
        let data = message.content.get("data").cloned().unwrap_or_default();
        let comm = Comm { comm_id: comm_id.clone(), action, data, metadata: message.metadata.clone() };
        let token = message.id().to_owned();
        if self.messenger.send(Inward::Comm { comm, token: token.clone() }) {
            // `idle` follows when the process says that it is done: views wait for it before they send more.
            self.comms.flights.push_back(Flight { token, comm_id, header, due: now + LONGEST_CALLBACK, done: false });
        } else {
            let text = "the cells' process does not read: a message of a widget was dropped\n";
            self.publish("stream", json!({"name": "stderr", "text": text}), &header);
            self.idle(&header);
        }
    }

    /// A comm message of the cells' process.
    pub(super) fn send_comm(&mut self, comm: Comm, token: Option<&str>) {
        let Comm { comm_id, action, data, metadata } = comm;
        let flight = self.comms.flights.iter().find(|flight| Some(flight.token.as_str()) == token);
        let parent = flight.map_or_else(|| self.cell_header(), |flight| flight.header.clone());
        let (kind, content) = match action {
            CommAction::Open { target } => {
                let content = json!({"comm_id": comm_id, "target_name": target, "data": data});
                self.comms.open.insert(comm_id, Open { target, owner: parent.clone() });
                ("comm_open", content)
            }
            CommAction::Message => ("comm_msg", json!({"comm_id": comm_id, "data": data})),
            CommAction::Close => {
                self.comms.open.remove(&comm_id);
                ("comm_close", json!({"comm_id": comm_id, "data": data}))
            }
        };
        self.publish(kind, content, &parent);
        if let Some((Channel::Iopub, message)) = self.outbox.last_mut() {
            message.metadata = metadata;
        }
    }

    /// The process has dealt with a message.
    pub(super) fn comm_done(&mut self, token: &str, now: Instant) {
        if let Some(flight) = self.comms.flights.iter_mut().find(|flight| flight.token == token) {
            flight.done = true;
            self.flush_background_text();
            self.settle_comms(now);
        }
    }

    /// Says `idle` for messages that are dealt with, as soon as what they changed is shown: updates are held back where a
    /// front end could not follow, and a view that is dragged then waits too. Callbacks that take too long keep nobody waiting.
    pub(super) fn settle_comms(&mut self, now: Instant) {
        let shown = self.background_due().is_none();
        let mut settled = Vec::new();
        self.comms.flights.retain(|flight| {
            let stays = flight.due > now && !(flight.done && shown);
            if !stays {
                settled.push(flight.header.clone());
            }
            stays
        });
        for header in settled {
            self.idle(&header);
        }
    }

    /// The process is gone, and with it the widgets.
    pub(super) fn close_comms(&mut self) {
        let parent = self.cell_header();
        for comm_id in std::mem::take(&mut self.comms.open).into_keys() {
            self.publish("comm_close", json!({"comm_id": comm_id, "data": {}}), &parent);
        }
        for flight in std::mem::take(&mut self.comms.flights) {
            self.idle(&flight.header);
        }
    }
}
