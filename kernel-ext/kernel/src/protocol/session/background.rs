//! What is shown while no cell runs: by threads that a cell has left behind, and by callbacks of widgets.

use super::Session;
use crate::api::Output;
use crate::protocol::outputs::OutputBuffer;
use serde_json::{Map, Value};
use std::time::Instant;

/// Outputs that wait to be joined, and the request that they are shown with.
pub(super) struct Background {
    parent: Map<String, Value>,
    output: OutputBuffer,
}

impl Session {
    /// The engine shows something, whether a cell runs or not.
    pub(super) fn on_output(&mut self, output: Output, now: Instant) {
        match output {
            Output::Input { id, prompt, password } => {
                // The text before the question is seen first.
                if let Some(running) = &mut self.running {
                    let mut out = Vec::new();
                    running.output.flush(&mut out);
                    self.publish_outputs(out);
                }
                self.ask_user(id, prompt, password);
            }
            Output::Comm { comm, token } => self.send_comm(comm, token.as_deref()),
            Output::CommDone { token } => self.comm_done(&token, now),
            Output::ProcessLost => {
                self.drop_questions();
                self.close_comms();
            }
            output if self.running.is_some() => self.on_cell_output(output, now),
            output => self.show_in_background(output, now),
        }
    }

    /// The header of the cell that runs, or else of the last one.
    pub(super) fn cell_header(&self) -> Map<String, Value> {
        match &self.running {
            Some(running) => running.request.message.header.clone(),
            None => self.last_cell.clone().unwrap_or_default(),
        }
    }

    fn show_in_background(&mut self, output: Output, now: Instant) {
        let parent = match self.comms.handled() {
            // An update finds its place by its id. Everything else a front end shows with the cell that made the widget:
            // with the message of the widget it would show it nowhere (JupyterLab: only in its log console).
            Some((message, _)) if matches!(output, Output::Update { .. }) => message.clone(),
            Some((_, Some(owner))) => owner.clone(),
            _ => match &self.last_cell {
                Some(header) => header.clone(),
                // The last cell was silent.
                None => return,
            },
        };
        let mut out = Vec::new();
        if let Some(background) = self.background.as_mut().filter(|background| background.parent != parent) {
            background.output.flush(&mut out);
        }
        self.publish_background(std::mem::take(&mut out));
        let new = || Background { parent: Map::new(), output: OutputBuffer::new(self.count) };
        let background = self.background.get_or_insert_with(new);
        background.parent = parent;
        background.output.push(output, now, &mut out);
        self.publish_background(out);
    }

    pub(super) fn flush_background_text(&mut self) {
        let mut out = Vec::new();
        if let Some(background) = &mut self.background {
            background.output.send_text(&mut out);
        }
        self.publish_background(out);
    }

    pub(super) fn tick_background(&mut self, now: Instant) {
        let mut out = Vec::new();
        if let Some(background) = &mut self.background {
            background.output.tick(now, &mut out);
        }
        self.publish_background(out);
    }

    pub(super) fn background_due(&self) -> Option<Instant> {
        self.background.as_ref().and_then(|background| background.output.due())
    }

    /// Sends what waits, before a cell begins.
    pub(super) fn finish_background(&mut self, now: Instant) {
        let mut out = Vec::new();
        if let Some(background) = &mut self.background {
            background.output.finish(now, &mut out);
        }
        self.publish_background(out);
        self.background = None;
    }

    fn publish_background(&mut self, outputs: Vec<crate::protocol::outputs::Published>) {
        let Some(parent) = self.background.as_ref().map(|background| background.parent.clone()) else { return };
        for (kind, content) in outputs {
            self.publish(kind, content, &parent);
        }
    }
}
