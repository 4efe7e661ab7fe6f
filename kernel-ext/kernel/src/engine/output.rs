//! From the records of the child to what the front end shows.

use super::control::Control;
use super::inbox::Inbox;
use super::record::{Assembler, Kind};
use super::stdin::Tell;
use crate::api::{Output, Stream};
use crossbeam_channel::Sender;
use lathe_events::frame::{Bundle, Frame};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// What the reader hands to the engine, in order.
#[derive(Debug)]
pub(super) enum Event {
    Text(Stream, Vec<u8>),
    Frame(Box<Frame>),
    Content {
        mime: String,
        content: String,
    },
    Try(String),
    Panicked,
    EarlyReturn,
    Died(i32),
    Sync(u64),
    /// A cell asks by evcxr's protocol; it reads standard input next.
    Ask(String),
    /// A cell waits for standard input: the question's id.
    Stdin(String),
    /// It was told that there is none, for this reason.
    NoInput(String),
}

/// Whom the reader tells what it saw.
pub(super) struct Listeners {
    pub control: Arc<Control>,
    pub events: Sender<Event>,
    pub inbox: Arc<Inbox>,
    pub stdin: Sender<Tell>,
    /// Holds one sign that something came.
    pub stirred: Sender<()>,
}

/// Reads the FIFO until it is told to stop. Waits while the engine is behind: the cell then waits too.
pub(super) fn read(mut fifo: File, nonce: &str, listeners: &Listeners) {
    let Listeners { control, events, inbox, stdin, stirred } = listeners;
    let mut assembler = Assembler::default();
    let mut buffer = vec![0; 64 << 10];
    let mut stop = false;
    while !stop {
        let Ok(read) = fifo.read(&mut buffer) else { return };
        assembler.push(&buffer[..read], &mut |kind, message| {
            let text = || String::from_utf8_lossy(message).into_owned();
            let event = match kind {
                Kind::Start => {
                    control.process.store(text().parse().unwrap_or(0), SeqCst);
                    return;
                }
                Kind::Running => {
                    control.mark(true);
                    // It ends with the engine.
                    let _ = stdin.send(Tell::Running);
                    return;
                }
                Kind::Complete => {
                    control.mark(false);
                    return;
                }
                Kind::Died => {
                    control.process.store(0, SeqCst);
                    control.mark(false);
                    inbox.forget();
                    let _ = stdin.send(Tell::Died);
                    Event::Died(message.try_into().map_or(0, i32::from_le_bytes))
                }
                Kind::Stop => {
                    stop = true;
                    return;
                }
                Kind::Stdout => Event::Text(Stream::Stdout, message.to_vec()),
                Kind::Stderr => Event::Text(Stream::Stderr, message.to_vec()),
                Kind::Frame => match Frame::decode(&text(), nonce) {
                    Some(frame) => Event::Frame(Box::new(frame)),
                    None => Event::Text(Stream::Stdout, message.to_vec()),
                },
                Kind::Content => {
                    let text = text();
                    let (mime, content) = text.split_once('\n').unwrap_or((&text, ""));
                    let mime = mime.split(' ').next().unwrap_or_default();
                    Event::Content { mime: mime.to_owned(), content: content.to_owned() }
                }
                Kind::Try => Event::Try(text()),
                Kind::Panicked => Event::Panicked,
                Kind::EarlyReturn => Event::EarlyReturn,
                Kind::Ask => Event::Ask(text()),
                Kind::Sync => Event::Sync(message.try_into().map_or(0, u64::from_le_bytes)),
            };
            // The engine is gone: the next record stops this thread.
            stop |= events.send(event).is_err();
            // It is there already, or the engine is gone.
            let _ = stirred.try_send(());
        });
    }
}

/// Joins fragments of text and blocks of content before they are shown.
#[derive(Debug, Default)]
pub(super) struct Pending {
    text: Vec<u8>,
    stream: Option<Stream>,
    /// Ends of unfinished characters, one for each stream.
    tails: [Vec<u8>; 2],
    content: Bundle,
}

/// Text is shown at least this often.
const TEXT_LIMIT: usize = 32 << 10;

impl Pending {
    /// Nothing waits to be shown.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.content.data.is_empty()
    }

    pub fn text(&mut self, stream: Stream, bytes: &[u8], out: &mut dyn FnMut(Output)) {
        if self.stream != Some(stream) || !self.content.data.is_empty() {
            self.flush(out);
            self.stream = Some(stream);
        }
        self.text.extend_from_slice(bytes);
        if self.text.len() >= TEXT_LIMIT {
            self.flush(out);
        }
    }

    /// A block of evcxr's display protocol; blocks in different formats that follow each other are one picture.
    pub fn content(&mut self, mime: &str, content: String, out: &mut dyn FnMut(Output)) {
        if !self.text.is_empty() || self.content.data.contains_key(mime) {
            self.flush(out);
        }
        let value = if mime.ends_with("json") {
            serde_json::from_str(&content).unwrap_or(Value::String(content))
        } else {
            Value::String(content)
        };
        self.content.data.insert(mime.to_owned(), value);
    }

    /// Shows what waits, except the bytes of a character whose end has not come yet.
    pub fn flush(&mut self, out: &mut dyn FnMut(Output)) {
        if let Some(stream) = self.stream
            && !self.text.is_empty()
        {
            let mut bytes = std::mem::take(&mut self.tails[stream as usize]);
            bytes.append(&mut self.text);
            let (text, tail) = decode(&bytes);
            self.tails[stream as usize] = tail.to_vec();
            if !text.is_empty() {
                out(Output::Stream { stream, text });
            }
        }
        if !self.content.data.is_empty() {
            let bundle = std::mem::take(&mut self.content);
            // Plain text alone is how evcxr shows a value when it had to compile the cell a second time.
            let is_value = bundle.data.len() == 1 && bundle.data.contains_key("text/plain");
            // A cell that ends in `for` or `while` has no value.
            if is_value && bundle.data["text/plain"] == "()" {
                return;
            }
            out(if is_value { Output::Result { bundle } } else { Output::Display { bundle, id: None } });
        }
    }

    /// The cell ended: shows everything.
    pub fn finish(&mut self, out: &mut dyn FnMut(Output)) {
        self.flush(out);
        for stream in [Stream::Stdout, Stream::Stderr] {
            let tail = std::mem::take(&mut self.tails[stream as usize]);
            if !tail.is_empty() {
                out(Output::Stream { stream, text: String::from_utf8_lossy(&tail).into_owned() });
            }
        }
        self.stream = None;
    }
}

/// Text, and the bytes at the end that may become a character.
fn decode(bytes: &[u8]) -> (String, &[u8]) {
    let incomplete = (1..=3.min(bytes.len())).find(|&back| {
        let tail = &bytes[bytes.len() - back..];
        matches!(std::str::from_utf8(tail), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
    });
    let (whole, tail) = bytes.split_at(bytes.len() - incomplete.unwrap_or(0));
    (String::from_utf8_lossy(whole).into_owned(), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_cut_in_two_are_joined_and_wrong_bytes_are_shown() {
        let mut pending = Pending::default();
        let mut seen = Vec::new();
        let mut out = |output: Output| seen.push(output);
        for chunk in ["a é".as_bytes().split_at(3).0, "a é".as_bytes().split_at(3).1, b"\xff", b"\xe2\x82"] {
            pending.text(Stream::Stdout, chunk, &mut out);
            pending.flush(&mut out);
        }
        pending.finish(&mut out);
        let text: Vec<String> = seen
            .into_iter()
            .map(|output| match output {
                Output::Stream { text, .. } => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(text.concat(), "a é\u{fffd}\u{fffd}");
        assert_eq!(text[0], "a ");
    }

    #[test]
    fn formats_of_one_picture_are_shown_together() {
        let mut pending = Pending::default();
        let mut seen = Vec::new();
        let mut out = |output: Output| seen.push(output);
        pending.content("text/html", String::from("<b>"), &mut out);
        pending.content("application/json", String::from("{\"a\":1}"), &mut out);
        pending.content("text/html", String::from("<i>"), &mut out);
        pending.text(Stream::Stdout, b"x", &mut out);
        pending.finish(&mut out);
        assert_eq!(seen.len(), 3);
        let Output::Display { bundle, .. } = &seen[0] else { panic!("{seen:?}") };
        assert_eq!(bundle.data["application/json"]["a"], 1);
        assert_eq!(bundle.data["text/html"], "<b>");
    }
}
