//! Where output goes: frames to our kernel, content blocks to stock evcxr, text to a terminal or a pipe.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lathe_events::frame::{Bundle, Frame, NONCE_ENV};

use crate::{Rich, stock};

/// Who reads this process's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Our kernel: any number of displays, updated in place.
    Kernel,
    /// Stock `evcxr_jupyter`: everything at the cell's end, with the last updates.
    Evcxr,
    /// A person at a terminal: text, progress lines redrawn with `\r`.
    Terminal,
    /// A pipe or a file: text, sparse progress.
    Plain,
}

/// Who reads this process's standard output; decided once, from the environment.
pub fn place() -> Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    *PLACE.get_or_init(|| {
        if nonce().is_some() {
            Place::Kernel
        } else if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
            Place::Evcxr
        } else if std::io::stdout().is_terminal() {
            Place::Terminal
        } else {
            Place::Plain
        }
    })
}

pub(crate) fn nonce() -> Option<&'static str> {
    static NONCE: OnceLock<Option<String>> = OnceLock::new();
    NONCE.get_or_init(|| std::env::var(NONCE_ENV).ok().filter(|n| !n.is_empty())).as_deref()
}

/// Sends one frame in the form that `place()` understands. Output errors (a closed pipe) are ignored: there is nobody to tell.
pub(crate) fn send(frame: &Frame) {
    let text = match place() {
        Place::Kernel => frame.encode(nonce().unwrap_or_default()),
        Place::Evcxr => stock::blocks(frame),
        Place::Terminal | Place::Plain => plain_text(frame),
    };
    if text.is_empty() {
        return;
    }
    let mut out = std::io::stdout().lock();
    // What was printed before must come before the frame, and the frame must not be cut by another thread.
    let _ = out.flush().and_then(|()| out.write_all(text.as_bytes())).and_then(|()| out.flush());
}

/// A frame as a person reads it.
pub(crate) fn plain_text(frame: &Frame) -> String {
    let (Frame::Display { bundle, .. } | Frame::Result { bundle }) = frame else { return String::new() };
    match bundle.data.get("text/plain").and_then(|text| text.as_str()) {
        Some(text) => format!("{}\n", text.trim_end_matches('\n')),
        None => String::new(),
    }
}

/// Shows a value below the cell, now, in its richest form.
///
/// ```
/// display::display(display::markdown("The **loss** falls."));
/// ```
pub fn display(value: impl Rich) {
    send(&Frame::Display { bundle: value.bundle(), id: None });
}

/// Shows a value under a display id of your own, so that [`update`] can replace it, also from a later cell.
pub fn display_as(id: &str, value: impl Rich) {
    send(&Frame::Display { bundle: value.bundle(), id: Some(id.to_owned()) });
}

/// Replaces what is shown under `id`; in stock `evcxr_jupyter` only what the same cell shows, in a terminal nothing.
pub fn update(id: &str, value: impl Rich) {
    send(&Frame::Update { bundle: value.bundle(), id: id.to_owned() });
}

/// Clears the cell's output, now or (`wait`) when the next output comes, which avoids flicker.
pub fn clear_output(wait: bool) {
    send(&Frame::Clear { wait });
}

/// Shows a value and returns a handle by which it is replaced.
///
/// ```
/// let counter = display::display_live(display::text("0"));
/// for i in 1..=3 {
///     counter.update(display::text(i.to_string()));
/// }
/// ```
pub fn display_live(value: impl Rich) -> Handle {
    let handle = Handle { id: fresh_id() };
    display_as(&handle.id, value);
    handle
}

/// Something shown that can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    id: String,
}

impl Handle {
    /// Replaces what is shown.
    pub fn update(&self, value: impl Rich) {
        update(&self.id, value);
    }

    /// The display id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of a cell that ends in a handle: it is shown already, so nothing.
    pub fn evcxr_display(&self) {}
}

/// A display id that no other display of this session has.
pub(crate) fn fresh_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("lathe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Sends a cell's value.
pub(crate) fn result(bundle: Bundle) {
    send(&Frame::Result { bundle });
}
