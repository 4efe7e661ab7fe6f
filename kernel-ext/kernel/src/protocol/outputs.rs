//! From what the engine reports to what is broadcast: fewer and larger messages, in the same order.

use super::limit::Limiter;
use crate::api::{Output, Stream};
use lathe_events::frame::Bundle;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A fragment waits this long for the next one.
const FLUSH_AFTER: Duration = Duration::from_millis(30);
/// More text than this is sent at once.
const FLUSH_BYTES: usize = 8 << 10;
/// Updates of one display may use this many bytes a second: Jupyter's server drops messages above 1 MB/s.
const UPDATE_BYTES_PER_SECOND: f64 = 500e3;

/// What goes to iopub: message type and content.
pub(super) type Published = (&'static str, Value);

/// The outputs of one cell on their way to the front end.
#[derive(Debug, Default)]
pub(super) struct OutputBuffer {
    count: u64,
    text: String,
    stream: Option<Stream>,
    text_due: Option<Instant>,
    limits: [Limiter; 2],
    /// Updates held back: only the last state of each display matters.
    updates: Vec<(String, Bundle, Instant)>,
    /// When the next update of a display may be sent.
    next_update: HashMap<String, Instant>,
    /// The text of the cell's value, for the history.
    pub(super) result: Option<String>,
}

impl OutputBuffer {
    pub(super) fn new(count: u64) -> Self {
        Self { count, ..Self::default() }
    }

    pub(super) fn push(&mut self, output: Output, now: Instant, out: &mut Vec<Published>) {
        match output {
            Output::Stream { stream, text } => {
                if let Some(text) = self.limits[stream as usize].admit(&text) {
                    self.append(stream, &text, now, out);
                }
            }
            Output::Update { bundle, id } => {
                let due = self.next_update.get(&id).copied().unwrap_or(now).max(now);
                match self.updates.iter_mut().find(|(waiting, ..)| *waiting == id) {
                    Some(waiting) => waiting.1 = bundle,
                    None => self.updates.push((id, bundle, due)),
                }
                self.send_updates(Some(now), out);
            }
            Output::Display { bundle, id } => {
                self.flush(out);
                if let Some(id) = &id {
                    self.next_update.insert(id.clone(), now + pause(&bundle));
                }
                let transient = id.map_or(json!({}), |id| json!({"display_id": id}));
                let content = json!({"data": bundle.data, "metadata": bundle.metadata, "transient": transient});
                out.push(("display_data", content));
            }
            Output::Clear { wait } => {
                self.flush(out);
                out.push(("clear_output", json!({"wait": wait})));
            }
            Output::Result { bundle } => {
                self.flush(out);
                self.result = bundle.data.get("text/plain").and_then(Value::as_str).map(str::to_owned);
                let content = json!({"data": bundle.data, "metadata": bundle.metadata, "execution_count": self.count});
                out.push(("execute_result", content));
            }
            // These are no outputs; the session deals with them.
            Output::Input { .. } | Output::Comm { .. } | Output::CommDone { .. } | Output::ProcessLost => {}
        }
    }

    /// Sends what has waited long enough.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Published>) {
        if self.text_due.is_some_and(|due| due <= now) {
            self.send_text(out);
        }
        self.send_updates(Some(now), out);
    }

    /// When [`OutputBuffer::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.updates.iter().map(|(.., due)| *due).chain(self.text_due).min()
    }

    /// At the end of the cell: sends everything.
    pub(super) fn finish(&mut self, now: Instant, out: &mut Vec<Published>) {
        self.flush(out);
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(rest) = self.limits[stream as usize].finish() {
                self.append(stream, &rest, now, out);
            }
        }
        self.flush(out);
    }

    fn append(&mut self, stream: Stream, text: &str, now: Instant, out: &mut Vec<Published>) {
        if self.stream != Some(stream) {
            self.send_text(out);
        }
        self.stream = Some(stream);
        self.text.push_str(text);
        self.text_due.get_or_insert(now + FLUSH_AFTER);
        if self.text.len() >= FLUSH_BYTES {
            self.send_text(out);
        }
    }

    pub(super) fn flush(&mut self, out: &mut Vec<Published>) {
        self.send_text(out);
        self.send_updates(None, out);
    }

    pub(super) fn send_text(&mut self, out: &mut Vec<Published>) {
        self.text_due = None;
        if let Some(stream) = self.stream.take()
            && !self.text.is_empty()
        {
            out.push(("stream", json!({"name": stream.name(), "text": std::mem::take(&mut self.text)})));
        }
    }

    /// The updates that are due at `now`, or all of them.
    fn send_updates(&mut self, now: Option<Instant>, out: &mut Vec<Published>) {
        let due = |(.., due): &mut (String, Bundle, Instant)| now.is_none_or(|now| *due <= now);
        for (id, bundle, _) in self.updates.extract_if(.., due) {
            if let Some(now) = now {
                self.next_update.insert(id.clone(), now + pause(&bundle));
            }
            let transient = json!({"display_id": id});
            let content = json!({"data": bundle.data, "metadata": bundle.metadata, "transient": transient});
            out.push(("update_display_data", content));
        }
    }
}

/// How long a display rests after it was sent, so that it stays below the server's limit.
fn pause(bundle: &Bundle) -> Duration {
    let bytes: usize = bundle.data.values().map(|value| value.as_str().map_or(1000, str::len)).sum();
    Duration::from_secs_f64(bytes as f64 / UPDATE_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str) -> Output {
        Output::Stream { stream: Stream::Stdout, text: text.into() }
    }

    fn update(text: &str) -> Output {
        Output::Update { bundle: Bundle::text(text), id: "d".into() }
    }

    #[test]
    fn fragments_are_joined_until_they_are_due_or_something_else_comes() {
        let (mut buffer, mut out, now) = (OutputBuffer::new(7), Vec::new(), Instant::now());
        for part in ["a", "b", "c\n"] {
            buffer.push(print(part), now, &mut out);
        }
        buffer.tick(now, &mut out);
        assert!(out.is_empty());
        assert_eq!(buffer.due(), Some(now + FLUSH_AFTER));
        buffer.tick(now + FLUSH_AFTER, &mut out);
        assert_eq!(out, [("stream", json!({"name": "stdout", "text": "abc\n"}))]);
        out.clear();
        buffer.push(print("d"), now, &mut out);
        buffer.push(Output::Stream { stream: Stream::Stderr, text: "e".into() }, now, &mut out);
        buffer.push(Output::Result { bundle: Bundle::text("42") }, now, &mut out);
        buffer.push(print(&"x".repeat(FLUSH_BYTES)), now, &mut out);
        let kinds: Vec<_> = out.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["stream", "stream", "execute_result", "stream"]);
        assert_eq!(out[2].1["execution_count"], 7);
        assert_eq!(buffer.result.as_deref(), Some("42"));
    }

    #[test]
    fn of_fast_updates_the_first_and_the_last_are_sent() {
        let (mut buffer, mut out, now) = (OutputBuffer::new(1), Vec::new(), Instant::now());
        buffer.push(Output::Display { bundle: Bundle::text("x".repeat(50_000)), id: Some("d".into()) }, now, &mut out);
        for i in 0..100 {
            buffer.push(update(&format!("state {i}")), now, &mut out);
        }
        assert_eq!(out.len(), 1, "50 kB may be followed after 0.1 s");
        buffer.tick(now + Duration::from_millis(101), &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(out[1].1["data"]["text/plain"], "state 99");
        assert_eq!(out[1].1["transient"]["display_id"], "d");
        buffer.push(update("last"), now + Duration::from_millis(101), &mut out);
        buffer.finish(now + Duration::from_millis(101), &mut out);
        assert_eq!(out[2].1["data"]["text/plain"], "last");
    }
}
