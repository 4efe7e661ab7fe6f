//! What happened while a cell ran, and what the user is told about it.

use super::fate::{End, Fates};
use super::output::{Event, Pending};
use super::render::{self, hint};
use super::worker::Ended;
use super::{compile, details, diagnostics, locate, message, patch};
use crate::api::{CellError, Outcome, Output, Stream};
use lathe_events::frame::Frame;
use std::path::Path;

/// A panic as the prelude's hook reported it.
#[derive(Debug)]
struct Panic {
    message: String,
    file: String,
    line: u32,
    column: u32,
    backtrace: String,
}

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
    /// All that the compiler said.
    pub whole: Option<String>,
}

/// A longer unfinished line is no prompt.
const PROMPT: usize = 2000;

/// The cell and the source that was made from it.
pub(super) struct Place<'a> {
    pub code: &'a str,
    /// The engine's folder.
    pub folder: &'a Path,
    /// Columns before line 1 that are not the user's.
    pub shift: usize,
    /// Earlier cells that define something.
    pub earlier: &'a [(u64, String)],
    pub fates: &'a Fates,
}

impl Place<'_> {
    fn generated(&self) -> std::path::PathBuf {
        self.folder.join("cell/lib.rs")
    }

    fn sources<'b>(&'b self, generated: &'b str) -> locate::Sources<'b> {
        locate::Sources { generated, cell: self.code, earlier: self.earlier }
    }

    /// The lines of a cell for a place in the generated source, marked.
    fn point(&self, line: u32, column: u32, label: &str) -> Option<Vec<String>> {
        let generated = std::fs::read_to_string(self.generated()).ok()?;
        let sources = self.sources(&generated);
        let spot = sources.spot(line as usize, column as usize)?;
        Some(render::point_at(&sources.name(spot), sources.text(spot), spot.line, Some(spot.column), label))
    }

    /// `cell:3:5` for a place in the generated source.
    fn name(&self, line: u32, column: u32) -> Option<String> {
        let generated = std::fs::read_to_string(self.generated()).ok()?;
        let sources = self.sources(&generated);
        let spot = sources.spot(line as usize, column as usize)?;
        Some(format!("{}:{}:{}", sources.name(spot), spot.line, spot.column))
    }

    fn is_generated(&self, file: &str) -> bool {
        file == "cell/lib.rs" || Path::new(file) == self.generated()
    }

    /// What the compiler warns of.
    pub fn warnings(&self) -> Vec<String> {
        let saved = diagnostics::warnings(self.folder).unwrap_or_default();
        compile::warnings(&self.sources(&saved.source), &message::Message::read_all(&saved.messages))
    }

    /// Why the cell does not compile.
    fn compile_failure(&self, errors: &[evcxr::CompilationError]) -> compile::Failure {
        let saved = diagnostics::errors(self.folder);
        let told = saved.and_then(|saved| {
            compile::failure(&self.sources(&saved.source), &message::Message::read_all(&saved.messages), self.fates)
        });
        told.unwrap_or_else(|| {
            let error = render::compile_error(self.code, errors, self.shift);
            let whole = errors.iter().map(evcxr::CompilationError::rendered).collect::<String>();
            compile::Failure { error, details: None, whole: render::plain(&whole) }
        })
    }
}

impl Report {
    /// Takes one event; shows what is to be shown.
    pub fn take(&mut self, event: Event, pending: &mut Pending, place: &Place<'_>, out: &mut dyn FnMut(Output)) {
        match event {
            Event::Text(stream, bytes) => {
                if stream == Stream::Stdout {
                    self.line.extend_from_slice(&bytes);
                    let start = self.line.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                    self.line.drain(..start.max(self.line.len().saturating_sub(PROMPT)));
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
                    Frame::Panic { message, file, line, column, backtrace } => {
                        self.show_panic_of_thread(place, out);
                        self.panic = Some(Panic { message, file, line, column, backtrace });
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
            let own = place.is_generated(&panic.file).then(|| place.name(panic.line, panic.column)).flatten();
            let at = own.unwrap_or_else(|| format!("{}:{}", short(&panic.file), panic.line));
            let text = format!("a thread panicked at {at}: {}\n", panic.message);
            out(Output::Stream { stream: Stream::Stderr, text });
        }
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
            Ended::Message(message) => Outcome::Error(message_error(&message)),
            Ended::Terminated(message) => Outcome::Error(self.died_error(&message, before)),
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
        let mut below = Vec::new();
        if place.is_generated(&panic.file) {
            below = place.point(panic.line, panic.column, "panicked here").unwrap_or_default();
        } else {
            below.push(format!("at {}:{}:{}", short(&panic.file), panic.line, panic.column));
        }
        below.extend(panic.backtrace.lines().map(str::to_owned));
        render::failure("Panic", &panic.message, below)
    }

    fn died_error(&self, message: &str, before: &[(String, String)]) -> CellError {
        let how = match self.died {
            Some(status) if libc::WIFSIGNALED(status) => signal_text(libc::WTERMSIG(status)),
            Some(status) => format!("exit status {}", libc::WEXITSTATUS(status)),
            None => message.lines().next_back().unwrap_or_default().to_owned(),
        };
        let evalue = format!("the cell's process ended ({how}). {}", lost(before));
        render::failure("ProcessDied", &evalue, vec![hint("the next cell runs in a new process")])
    }
}

fn lost(before: &[(String, String)]) -> String {
    let mut names: Vec<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() {
        String::from("No variable was lost")
    } else {
        format!("Lost variables: {}; functions and types are kept", names.join(", "))
    }
}

fn signal_text(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "aborted",
        libc::SIGSEGV => "segmentation fault, perhaps endless recursion",
        libc::SIGILL => "illegal instruction",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "arithmetic error",
        libc::SIGKILL => "killed, perhaps because memory ran out",
        libc::SIGTERM => "terminated",
        _ => "killed",
    };
    format!("{name}, signal {signal}")
}

fn early_error(text: &str, place: &Place<'_>) -> CellError {
    let Some((line, column, text)) = patch::parse_try(text) else {
        return render::failure("Error", "the cell returned an error", Vec::new());
    };
    let below = place.point(line, column, "the cell returned here").unwrap_or_default();
    render::failure("Error", &text, below)
}

/// evcxr's own messages, in words for a notebook.
fn message_error(message: &str) -> CellError {
    let message = message.trim();
    if let Some(text) = message.strip_prefix("error: no matching package named: ") {
        return render::failure("DependencyError", &text.replace("\\n", "\n"), Vec::new());
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

    #[test]
    fn what_is_lost_is_named() {
        let variables = [(String::from("y"), String::from("i32")), (String::from("x"), String::from("i32"))];
        assert_eq!(lost(&variables), "Lost variables: x, y; functions and types are kept");
        assert_eq!(lost(&[]), "No variable was lost");
    }
}
