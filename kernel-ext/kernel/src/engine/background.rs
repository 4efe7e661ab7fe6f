//! What the cells' process shows while no cell runs: threads that go on, callbacks of widgets.

use super::EvcxrEngine;
use super::memory::NO_SHIFTS;
use super::outcome::Report;
use crate::api::Output;

/// Events handed over at once; then cells and questions have their turn.
const PORTION: usize = 256;

impl EvcxrEngine {
    pub(super) fn hand_over(&mut self, out: &mut dyn FnMut(Output)) {
        let mut report = Report::default();
        let place = self.memory.place(None, &self.last_code, &self.folder, &NO_SHIFTS);
        for _ in 0..PORTION {
            let Ok(event) = self.events.try_recv() else { break };
            report.take(event, &mut self.pending, &place, out);
            // A panic is told at once: the end of its callback may follow.
            report.finish(&place, out);
        }
        if !self.events.is_empty() {
            // The sign for the rest may have been taken already.
            let _ = self.channel.stir.try_send(());
        }
        self.pending.flush(out);
    }
}
