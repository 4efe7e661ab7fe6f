//! Cuts what a cell's process writes on stdout into text, frames and evcxr's control lines.
//!
//! A control line may start anywhere, because a cell may have printed an unfinished line before it; evcxr itself
//! compares whole lines and would lose text or wait for ever. Every mark but one holds this process's nonce, so a cell
//! that prints a text with marks, a saved log for example, prints a text. The one is `EVCXR_EXECUTION_COMPLETE`, which
//! evcxr's own loop prints: it does not count between the marks of the start and the end of the cell's code.

/// One piece of the output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What the cell printed.
    Text(&'a [u8]),
    /// A frame line of this process.
    Frame(&'a [u8]),
    /// A line `LATHE-TRY line column text`, without its mark.
    Try(&'a [u8]),
    /// The cell's own code begins.
    Running,
    /// MIME type, newline, content.
    Content(&'a [u8]),
    /// A line for evcxr, with its newline.
    Control(Control, &'a [u8]),
}

/// evcxr's own lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Complete,
    Panicked,
    EarlyReturn,
    /// A cell asks for input by evcxr's protocol: the kernel answers.
    Input,
    /// A variable changed its type: for evcxr.
    Other,
}

// What the patched source prints; after each come the nonce and a space or the end of the line.
/// For an early `?`.
pub(super) const TRY_MARK: &str = "\u{1e}LATHE-TRY ";
/// When the cell's code begins.
pub(super) const RUN_MARK: &str = "\u{1e}LATHE-RUN ";
/// When the cell's code has ended, in whatever way.
pub(super) const END_MARK: &str = "\u{1e}LATHE-END ";
/// Before a line for evcxr.
pub(super) const EVCXR_MARK: &str = "\u{1e}LATHE-EVCXR ";

const CONTENT_START: &[u8] = b"EVCXR_BEGIN_CONTENT ";
const CONTENT_END: &[u8] = b"EVCXR_END_CONTENT\n";
const COMPLETE: &[u8] = b"EVCXR_EXECUTION_COMPLETE\n";
const INPUT: &[u8] = b"EVCXR_INPUT_REQUEST";
/// Lines that follow [`EVCXR_MARK`].
const CONTROLS: [(&[u8], Control); 2] =
    [(b"EVCXR_PANIC_NOTIFICATION\n", Control::Panicked), (b"EVCXR_ERROR_OCCURRED\n", Control::EarlyReturn)];

/// What stands at a place that may begin a mark.
enum Found {
    /// Ordinary text.
    Nothing,
    /// More bytes are needed; `true` when it surely is a mark.
    Wait(bool),
    /// A piece of this many bytes.
    Piece(usize),
}

/// The marks of this process.
#[derive(Debug)]
struct Marks {
    frame: Vec<u8>,
    attempt: Vec<u8>,
    run: Vec<u8>,
    end: Vec<u8>,
    evcxr: Vec<u8>,
}

/// Holds back what may be the start of a mark.
#[derive(Debug)]
pub(super) struct Splitter {
    bytes: Vec<u8>,
    marks: Marks,
    /// The cell's code runs, whatever it prints is a text.
    running: bool,
    certain: bool,
    /// Bytes already searched for the end of a long line.
    searched: usize,
}

impl Splitter {
    /// Frames are recognised by this process's nonce.
    pub fn new(nonce: &str) -> Self {
        let mark = |start: &str, end: char| format!("{start}{nonce}{end}").into_bytes();
        let marks = Marks {
            frame: mark(lathe_events::frame::MARK, ' '),
            attempt: mark(TRY_MARK, ' '),
            run: mark(RUN_MARK, '\n'),
            end: mark(END_MARK, '\n'),
            evcxr: mark(EVCXR_MARK, ' '),
        };
        Self { bytes: Vec::new(), marks, running: false, certain: false, searched: 0 }
    }

    /// Text is held back that will be released by [`Splitter::release`] if nothing follows.
    pub fn holds_text(&self) -> bool {
        !self.bytes.is_empty() && !self.certain
    }

    /// Takes what was read.
    pub fn push(&mut self, read: &[u8], take: &mut dyn FnMut(Piece<'_>)) {
        self.bytes.extend_from_slice(read);
        let mut text_start = 0;
        let mut at = 0;
        self.certain = false;
        let bytes = std::mem::take(&mut self.bytes);
        loop {
            let Some(next) = bytes[at..].iter().position(|&b| b == 0x1e || b == b'E') else {
                at = bytes.len();
                break;
            };
            at += next;
            match self.look(&bytes[at..]) {
                Found::Nothing => at += 1,
                Found::Wait(certain) => {
                    self.certain = certain;
                    break;
                }
                Found::Piece(length) => {
                    if at > text_start {
                        take(Piece::Text(&bytes[text_start..at]));
                    }
                    if let Some(piece) = self.piece(&bytes[at..at + length]) {
                        take(piece);
                    }
                    self.searched = 0;
                    at += length;
                    text_start = at;
                }
            }
        }
        if at > text_start {
            take(Piece::Text(&bytes[text_start..at]));
        }
        self.bytes = bytes;
        self.bytes.drain(..at);
    }

    /// Nothing followed for a while: what was held back is text, unless it surely is a mark.
    pub fn release(&mut self, take: &mut dyn FnMut(Piece<'_>)) {
        if self.holds_text() {
            take(Piece::Text(&self.bytes));
            self.bytes.clear();
        }
    }

    /// The process ended: everything is text.
    pub fn finish(&mut self, take: &mut dyn FnMut(Piece<'_>)) {
        self.certain = false;
        self.searched = 0;
        self.release(take);
    }

    fn look(&mut self, rest: &[u8]) -> Found {
        let Marks { frame, attempt, run, end, evcxr } = &self.marks;
        let complete = (!self.running).then_some(COMPLETE);
        for mark in [run.as_slice(), end].into_iter().chain(complete) {
            if rest.starts_with(mark) {
                return Found::Piece(mark.len());
            }
        }
        if [frame.as_slice(), attempt, evcxr, INPUT].into_iter().any(|mark| rest.starts_with(mark)) {
            return self.until(rest, b"\n");
        }
        if rest.starts_with(CONTENT_START) {
            // A text that only looks like the start of a content block has no end of one before the cell's.
            let from = self.searched.saturating_sub(end.len()).min(rest.len());
            let Some(cut) = find(&rest[from..], end).map(|at| from + at) else { return self.until(rest, CONTENT_END) };
            let found = self.until(&rest[..cut], CONTENT_END);
            self.searched = 0;
            return if matches!(found, Found::Piece(_)) { found } else { Found::Nothing };
        }
        let marks = [frame.as_slice(), attempt, run, end, evcxr, CONTENT_START, INPUT];
        if marks.into_iter().chain(complete).any(|mark| mark.starts_with(rest)) {
            Found::Wait(false)
        } else {
            Found::Nothing
        }
    }

    /// Searches the end of a piece, not again where an earlier call searched.
    fn until(&mut self, rest: &[u8], end: &[u8]) -> Found {
        let from = self.searched.saturating_sub(end.len()).min(rest.len());
        match find(&rest[from..], end) {
            Some(position) => Found::Piece(from + position + end.len()),
            None => {
                self.searched = rest.len();
                Found::Wait(true)
            }
        }
    }

    fn piece<'a>(&mut self, line: &'a [u8]) -> Option<Piece<'a>> {
        let Marks { frame, attempt, run, end, evcxr } = &self.marks;
        if line.starts_with(frame) {
            return Some(Piece::Frame(line));
        }
        if let Some(text) = line.strip_prefix(attempt.as_slice()) {
            return Some(Piece::Try(text.strip_suffix(b"\n").unwrap_or(text)));
        }
        if line == run || line == end {
            self.running = line == run;
            return self.running.then_some(Piece::Running);
        }
        if line == COMPLETE {
            return Some(Piece::Control(Control::Complete, line));
        }
        if let Some(line) = line.strip_prefix(evcxr.as_slice()) {
            let control =
                CONTROLS.iter().find(|(start, _)| line.starts_with(start)).map_or(Control::Other, |(_, c)| *c);
            return Some(Piece::Control(control, line));
        }
        if let Some(content) = line.strip_prefix(CONTENT_START) {
            let content = content.strip_suffix(CONTENT_END).unwrap_or(content);
            return Some(Piece::Content(content.strip_suffix(b"\n").unwrap_or(content)));
        }
        Some(Piece::Control(Control::Input, line))
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(input: &[u8], step: usize) -> Vec<String> {
        let mut splitter = Splitter::new("n1");
        let mut out = Vec::new();
        let mut text = String::new();
        let mut take = |piece: Piece<'_>| {
            if let Piece::Text(t) = piece {
                text.push_str(&String::from_utf8_lossy(t));
                return;
            }
            if !text.is_empty() {
                out.push(std::mem::take(&mut text));
            }
            out.push(match piece {
                Piece::Text(_) => unreachable!(),
                Piece::Frame(f) => format!("frame {}", String::from_utf8_lossy(f).trim()),
                Piece::Try(t) => format!("try {}", String::from_utf8_lossy(t)),
                Piece::Running => String::from("run"),
                Piece::Content(c) => format!("content {}", String::from_utf8_lossy(c)),
                Piece::Control(c, line) => format!("{c:?} {}", String::from_utf8_lossy(line).trim()),
            });
        };
        for chunk in input.chunks(step) {
            splitter.push(chunk, &mut take);
        }
        splitter.finish(&mut take);
        if !text.is_empty() {
            out.push(text);
        }
        out
    }

    #[test]
    fn marks_are_found_anywhere_and_text_is_kept() {
        let input = b"\x1eLATHE-RUN n1\nE loss: \x1eLATHE n1 {}\nEVCXRx \x1eLATHE n2 {}\nabcEVCXR_BEGIN_CONTENT text/html\n<b>\nx\nEVCXR_END_CONTENT\n\
            x\x1eLATHE-EVCXR n1 EVCXR_PANIC_NOTIFICATION\n\x1eLATHE-TRY n1 3 4 bad\n\x1eLATHE-EVCXR n1 EVCXR_ERROR_OCCURRED\n\
            \x1eLATHE-EVCXR n1 EVCXR_VARIABLE_CHANGED_TYPE:v\nfoo\x1eLATHE-END n1\nbarEVCXR_EXECUTION_COMPLETE\nEEVCXR_EXECUTION_COMPLETE\n";
        let expected = [
            "run",
            "E loss: ",
            "frame \u{1e}LATHE n1 {}",
            "EVCXRx \u{1e}LATHE n2 {}\nabc",
            "content text/html\n<b>\nx",
            "x",
            "Panicked EVCXR_PANIC_NOTIFICATION",
            "try 3 4 bad",
            "EarlyReturn EVCXR_ERROR_OCCURRED",
            "Other EVCXR_VARIABLE_CHANGED_TYPE:v",
            "foobar",
            "Complete EVCXR_EXECUTION_COMPLETE",
            "E",
            "Complete EVCXR_EXECUTION_COMPLETE",
        ];
        for step in [1, 2, 3, 5, 11, 1000] {
            assert_eq!(split(input, step), expected, "step {step}");
        }
    }

    #[test]
    fn marks_in_a_printed_text_are_text() {
        let log = "EVCXR_EXECUTION_COMPLETE\nEVCXR_PANIC_NOTIFICATION\nEVCXR_ERROR_OCCURRED\nEVCXR_VARIABLE_CHANGED_TYPE:v\n\
                   \u{1e}LATHE-RUN n0\n\u{1e}LATHE-END n0\nEVCXR_EXECUTION_COMPLETE\n\u{1e}LATHE-TRY n0 1 2 x\n\
                   EVCXR_BEGIN_CONTENT text/html\nno end\n";
        let input =
            format!("\u{1e}LATHE-RUN n1\n{log}\u{1e}LATHE-END n1\nEVCXR_EXECUTION_COMPLETE\n\u{1e}LATHE-RUN n1\nnext");
        for step in [1, 7, 1000] {
            let expected = ["run", log, "Complete EVCXR_EXECUTION_COMPLETE", "run", "next"];
            assert_eq!(split(input.as_bytes(), step), expected, "step {step}");
        }
    }

    #[test]
    fn only_what_may_become_a_mark_is_held_back() {
        let mut splitter = Splitter::new("n1");
        let mut seen = Vec::new();
        splitter.push(b"50 % EVC", &mut |piece| seen.push(format!("{piece:?}")));
        assert_eq!(seen, [format!("{:?}", Piece::Text(b"50 % "))]);
        assert!(splitter.holds_text());
        splitter.release(&mut |piece| seen.push(format!("{piece:?}")));
        assert_eq!(seen[1], format!("{:?}", Piece::Text(b"EVC")));
        splitter.push(b"\x1eLATHE n1 {", &mut |_| unreachable!());
        assert!(!splitter.holds_text());
    }
}
