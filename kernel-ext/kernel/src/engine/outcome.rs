//! What happened while a cell ran, and what the user is told about it.

use super::death::{Death, LastWords, lost, out_of_memory_kills, read_calls};
use super::fate::End;
use super::output::{Event, Pending};
use super::persist;
use super::place::{Call, Place};
use super::render;
use super::worker::Ended;
use super::{details, patch};
use crate::api::{CellError, Outcome, Output, Stream};
use lathe_events::frame::{ENDED, Frame};

/// Between an error and its cause, as `display::cell::early` writes them.
const CAUSE: char = '\u{1f}';

/// A panic as the prelude's hook reported it.
#[derive(Debug)]
struct Panic {
    message: String,
    file: String,
    line: u32,
    column: u32,
    backtrace: String,
    /// Where it came from.
    words: LastWords,
}

/// Addresses of a panic, and the calls that they belong to.
type LookedUp = (Vec<(u64, u64)>, Vec<Call>);

/// Collected while the cell ran.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Reported, but not yet known to be the cell's own.
    panic: Option<Panic>,
    panicked: bool,
    early: Option<String>,
    died: Option<i32>,
    /// The last line on stdout, while it is unfinished: what a cell prints before it reads.
    line: Vec<u8>,
    /// What the cell asks by evcxr's protocol.
    asked: Option<(String, bool)>,
    /// It wanted to read, and nobody could be asked.
    no_input: Option<String>,
    last_words: Option<LastWords>,
    /// The end of what was printed on stderr.
    stderr: Vec<u8>,
    /// Processes that the system had ended for want of memory when the cell began.
    kills_before: Option<u64>,
    /// All that the compiler said.
    pub whole: Option<String>,
    /// Panics that were located.
    looked_up: Vec<LookedUp>,
    threads_panicked: bool,
}

/// Different panics of one cell that are located in it when they are not its own.
const LOOKS: usize = 4;
/// A longer unfinished line is no prompt.
const PROMPT: usize = 2000;

impl Report {
    /// A cell begins.
    pub fn begin() -> Self {
        Self { kills_before: out_of_memory_kills(), ..Self::default() }
    }

    /// Takes one event; shows what is to be shown.
    pub fn take(&mut self, event: Event, pending: &mut Pending, place: &Place<'_>, out: &mut dyn FnMut(Output)) {
        match event {
            Event::Text(stream, bytes) => {
                if stream == Stream::Stdout {
                    self.line.extend_from_slice(&bytes);
                    let start = self.line.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                    self.line.drain(..start.max(self.line.len().saturating_sub(PROMPT)));
                }
                let bytes = if stream == Stream::Stderr { with_own_places(bytes, place) } else { bytes };
                if stream == Stream::Stderr {
                    self.stderr.extend_from_slice(&bytes);
                    self.stderr.drain(..self.stderr.len().saturating_sub(PROMPT));
                }
                pending.text(stream, &bytes, out);
            }
            Event::Ask(line) => {
                let (command, prompt) = line.trim_end().split_once(':').unwrap_or((&line, ""));
                self.asked = Some((prompt.to_owned(), command.ends_with("_PASSWORD")));
            }
            Event::Stdin(id) => {
                pending.flush(out);
                let line = std::mem::take(&mut self.line);
                let (prompt, password) =
                    self.asked.take().unwrap_or_else(|| (String::from_utf8_lossy(&line).into_owned(), false));
                out(Output::Input { id, prompt, password });
            }
            Event::NoInput(reason) => self.no_input = Some(reason),
            Event::Content { mime, content } => pending.content(&mime, content, out),
            Event::Frame(frame) => {
                pending.flush(out);
                match *frame {
                    Frame::Display { bundle, id } => out(Output::Display { bundle, id }),
                    Frame::Result { bundle } => out(Output::Result { bundle }),
                    Frame::Update { bundle, id } => out(Output::Update { bundle, id }),
                    Frame::Clear { wait } => out(Output::Clear { wait }),
                    Frame::Flushed => {}
                    Frame::Input { id, prompt, password } => out(Output::Input { id, prompt, password }),
                    Frame::Comm { comm, token } => out(Output::Comm { comm, token }),
                    Frame::CommDone { token } => out(Output::CommDone { token }),
                    Frame::Panic { file, backtrace, .. } if file == ENDED => {
                        self.last_words = Some(read_calls(&backtrace).0);
                    }
                    Frame::Panic { message, file, line, column, backtrace } => {
                        let (words, backtrace) = read_calls(&backtrace);
                        self.show_panic_of_thread(place, out);
                        self.panic = Some(Panic { message, file, line, column, backtrace, words });
                    }
                }
            }
            Event::Try(text) => self.early = Some(text),
            Event::Panicked => self.panicked = true,
            Event::EarlyReturn => {
                self.early.get_or_insert_default();
            }
            Event::Died(status) => {
                self.died = Some(status);
                pending.flush(out);
                out(Output::ProcessLost);
            }
            Event::Sync(_) => {}
        }
    }

    /// The cell ended: shows what nothing else will tell.
    pub fn finish(&mut self, place: &Place<'_>, out: &mut dyn FnMut(Output)) {
        if !self.panicked {
            self.show_panic_of_thread(place, out);
        }
    }

    /// A panic that did not end the cell: of a thread, or caught.
    fn show_panic_of_thread(&mut self, place: &Place<'_>, out: &mut dyn FnMut(Output)) {
        if let Some(panic) = self.panic.take() {
            let own = if place.is_generated(&panic.file) {
                place.name(panic.words.home, panic.line, panic.column)
            } else {
                let calls = self.look_up(&panic.words.calls, place);
                place.name_call(&calls).map(|cell| format!("{cell} (in {}:{})", short(&panic.file), panic.line))
            };
            let at = own.unwrap_or_else(|| format!("{}:{}", short(&panic.file), panic.line));
            let text = format!("a thread panicked at {at}: {}\n", panic.message);
            self.threads_panicked = true;
            out(Output::Stream { stream: Stream::Stderr, text });
        }
    }

    /// Many threads may panic at one place, and a look costs a compilation.
    fn look_up(&mut self, calls: &[(u64, u64)], place: &Place<'_>) -> Vec<Call> {
        if let Some((_, found)) = self.looked_up.iter().find(|(known, _)| known == calls) {
            return found.clone();
        }
        if calls.is_empty() || self.looked_up.len() == LOOKS {
            return Vec::new();
        }
        let found = place.look_up(calls);
        self.looked_up.push((calls.to_vec(), found.clone()));
        found
    }

    /// How the cell ended, for its variables.
    pub fn end(&self, result: &Ended, interrupted: bool) -> End {
        match result {
            Ended::Terminated(_) => End::Died,
            Ended::Compile(_) | Ended::Message(_) => End::NotCompiled,
            Ended::Ok(_) if interrupted => End::Interrupted,
            Ended::Ok(_) if self.panicked => End::Panicked,
            Ended::Ok(_) if self.early.is_some() => End::Returned,
            Ended::Ok(_) => End::Done,
        }
    }

    /// The outcome of the cell; `before` are the variables that existed before it.
    pub fn outcome(
        &mut self,
        result: Ended,
        place: &Place<'_>,
        before: &[(String, String)],
        (requested, killed): (bool, bool),
        out: &mut dyn FnMut(Output),
    ) -> Outcome {
        if let Some(outcome) = self.interrupted(&result, before, requested, killed) {
            return outcome;
        }
        match result {
            Ended::Ok(_) if self.no_input.is_some() => {
                let reason = self.no_input.take().unwrap_or_default();
                Outcome::Error(render::failure("NoInput", &reason, Vec::new()))
            }
            Ended::Ok(_) if self.panicked => Outcome::Error(self.panic_error(place)),
            Ended::Ok(_) => match self.early.take() {
                Some(text) => Outcome::Error(early_error(&text, place)),
                None => Outcome::Ok,
            },
            Ended::Compile(errors) => {
                let failure = place.compile_failure(&errors);
                if let Some(details) = &failure.details {
                    out(Output::Display { bundle: details::bundle(details), id: None });
                }
                self.whole = Some(failure.whole);
                Outcome::Error(failure.error)
            }
            Ended::Message(message) => {
                Outcome::Error(persist::explain(place.code, &message).unwrap_or_else(|| message_error(&message)))
            }
            Ended::Terminated(message) => {
                let death = Death {
                    status: self.died,
                    message: &message,
                    words: self.last_words.as_ref(),
                    stderr: &self.stderr,
                    kills_before: self.kills_before,
                };
                Outcome::Error(death.error(place, before))
            }
        }
    }

    fn interrupted(
        &self,
        result: &Ended,
        before: &[(String, String)],
        requested: bool,
        killed: bool,
    ) -> Option<Outcome> {
        if !requested {
            return None;
        }
        let text = match result {
            Ended::Terminated(_) if killed => {
                format!("stopped; the cell did not react, so its process was ended. {}", lost(before))
            }
            // It died of something else at that moment.
            Ended::Terminated(_) => return None,
            Ended::Ok(_) => String::from("stopped; variables keep what they held at that moment"),
            Ended::Compile(_) | Ended::Message(_) => String::from("stopped before the cell ran; variables are kept"),
        };
        Some(Outcome::Interrupted(render::failure("Interrupted", &text, Vec::new())))
    }

    fn panic_error(&mut self, place: &Place<'_>) -> CellError {
        let Some(panic) = self.panic.take() else {
            return render::failure("Panic", "the cell panicked", Vec::new());
        };
        let mut below = if place.is_generated(&panic.file) {
            place.point(panic.words.home, panic.line, panic.column, "panicked here").unwrap_or_default()
        } else {
            let mut below = place.point_calls(&self.look_up(&panic.words.calls, place), "this call panicked");
            below.push(format!("in {}:{}:{}", short(&panic.file), panic.line, panic.column));
            below
        };
        if self.threads_panicked && panic.message.contains("Any {") {
            below.push(render::hint(
                "this is what `join` gives for a thread that panicked; its own message stands above",
            ));
        }
        below.extend(panic.backtrace.lines().map(str::to_owned));
        render::failure("Panic", &panic.message, below)
    }
}

fn early_error(text: &str, place: &Place<'_>) -> CellError {
    let Some((line, column, text)) = patch::parse_try(text) else {
        return render::failure("Error", "the cell returned an error", Vec::new());
    };
    let mut texts = text.split(CAUSE);
    let first = texts.next().unwrap_or_default();
    let mut below: Vec<String> = texts.flat_map(render::caused_by).collect();
    below.extend(place.point(None, line, column, "the cell returned here").unwrap_or_default());
    render::failure("Error", first, below)
}

/// `dbg!` names the generated source: the cell's own line instead.
fn with_own_places(bytes: Vec<u8>, place: &Place<'_>) -> Vec<u8> {
    const FILE: &str = "[cell/lib.rs:";
    let Some(text) = std::str::from_utf8(&bytes).ok().filter(|text| text.contains(FILE)) else { return bytes };
    let mut out = String::new();
    for (number, piece) in text.split(FILE).enumerate() {
        if number > 0 {
            let at = piece.split(']').next().unwrap_or_default();
            let (line, column) = at.split_once(':').unwrap_or((at, "1"));
            let own =
                line.parse().ok().zip(column.parse().ok()).and_then(|(line, column)| place.name(None, line, column));
            out.push('[');
            out.push_str(own.as_deref().unwrap_or(at));
            out.push_str(&piece[at.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out.into_bytes()
}

/// evcxr's own messages, in words for a notebook.
fn message_error(message: &str) -> CellError {
    let message = message.trim();
    if message.contains("No space left on device") {
        let text = "no space is left on the disk for the compiled cell: free some, then run the cell again";
        return render::failure("DiskFull", text, Vec::new());
    }
    if let Some(text) = message.strip_prefix("error: no matching package named: ") {
        return render::failure("DependencyError", &text.replace("\\n", "\n"), Vec::new());
    }
    // Our own cargo could not begin.
    if let Some((_, text)) = message.split_once("error: lathe: ") {
        return render::failure("CompilerUnavailable", text.lines().next().unwrap_or(text), Vec::new());
    }
    let text = message
        .replace("prevent evcxr from attempting to persist", "keep the kernel from storing")
        .replace("evcxr", "the kernel");
    let name = if text.starts_with("Couldn't automatically determine type") { "TypeUnknown" } else { "CompileError" };
    render::failure(name, &text, Vec::new())
}

/// A path inside a dependency or the standard library without the part that differs between machines.
fn short(file: &str) -> &str {
    for mark in ["/registry/src/", "/rustc/", "/lib/rustlib/src/rust/"] {
        if let Some((_, rest)) = file.split_once(mark) {
            // The first part names a registry or a commit.
            return rest.split_once('/').map_or(rest, |(_, rest)| rest);
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_the_machine() {
        assert_eq!(short("/home/a/.cargo/registry/src/index-1/dfdx-0.13.0/src/lib.rs"), "dfdx-0.13.0/src/lib.rs");
        assert_eq!(short("/rustc/0123/library/core/src/option.rs"), "library/core/src/option.rs");
        assert_eq!(short("lab/src/vae.rs"), "lab/src/vae.rs");
    }
}
