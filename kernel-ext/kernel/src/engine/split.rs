//! Cuts what a cell's process writes on stdout into text, frames and evcxr's control lines.
//!
//! A control line may start anywhere, because a cell may have printed an unfinished line before it; evcxr itself
//! compares whole lines and would lose text or wait for ever.

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

/// What the patched source prints for an early `?`.
pub(super) const TRY_MARK: &str = "\u{1e}LATHE-TRY ";
/// What the patched source prints when the cell's code begins.
pub(super) const RUN_MARK: &str = "\u{1e}LATHE-RUN";

const CONTENT_START: &[u8] = b"EVCXR_BEGIN_CONTENT ";
const CONTENT_END: &[u8] = b"EVCXR_END_CONTENT\n";
const CONTROLS: [(&[u8], Control); 5] = [
    (b"EVCXR_EXECUTION_COMPLETE\n", Control::Complete),
    (b"EVCXR_PANIC_NOTIFICATION\n", Control::Panicked),
    (b"EVCXR_ERROR_OCCURRED\n", Control::EarlyReturn),
    (b"EVCXR_VARIABLE_CHANGED_TYPE:", Control::Other),
    (b"EVCXR_INPUT_REQUEST", Control::Input),
];

/// What stands at a place that may begin a mark.
enum Found {
    /// Ordinary text.
    Nothing,
    /// More bytes are needed; `true` when it surely is a mark.
    Wait(bool),
    /// A piece of this many bytes.
    Piece(usize),
}

/// Holds back what may be the start of a mark.
#[derive(Debug)]
pub(super) struct Splitter {
    bytes: Vec<u8>,
    frame_mark: Vec<u8>,
    certain: bool,
    /// Bytes already searched for the end of a long line.
    searched: usize,
}

impl Splitter {
    /// Frames are recognised by this process's nonce.
    pub fn new(nonce: &str) -> Self {
        let frame_mark = format!("{}{nonce} ", lathe_events::frame::MARK).into_bytes();
        Self { bytes: Vec::new(), frame_mark, certain: false, searched: 0 }
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
                    take(self.piece(&bytes[at..at + length]));
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
        let run = RUN_MARK.as_bytes();
        let try_mark = TRY_MARK.as_bytes();
        if rest.starts_with(&self.frame_mark) || rest.starts_with(try_mark) || rest.starts_with(run) {
            return self.until(rest, b"\n");
        }
        if rest.starts_with(CONTENT_START) {
            return self.until(rest, CONTENT_END);
        }
        for (mark, _) in CONTROLS {
            if rest.starts_with(mark) {
                return self.until(rest, b"\n");
            }
        }
        let may_become = |mark: &[u8]| mark.starts_with(rest);
        let marks = [self.frame_mark.as_slice(), try_mark, run, CONTENT_START];
        if marks.into_iter().any(may_become) || CONTROLS.iter().any(|(mark, _)| may_become(mark)) {
            Found::Wait(false)
        } else {
            Found::Nothing
        }
    }

    /// Searches the end of a piece, not again where an earlier call searched.
    fn until(&mut self, rest: &[u8], end: &[u8]) -> Found {
        let from = self.searched.saturating_sub(end.len()).min(rest.len());
        match rest[from..].windows(end.len()).position(|window| window == end) {
            Some(position) => Found::Piece(from + position + end.len()),
            None => {
                self.searched = rest.len();
                Found::Wait(true)
            }
        }
    }

    fn piece<'a>(&self, line: &'a [u8]) -> Piece<'a> {
        if line.starts_with(&self.frame_mark) {
            return Piece::Frame(line);
        }
        if let Some(text) = line.strip_prefix(TRY_MARK.as_bytes()) {
            return Piece::Try(text.strip_suffix(b"\n").unwrap_or(text));
        }
        if line.starts_with(RUN_MARK.as_bytes()) {
            return Piece::Running;
        }
        if let Some(content) = line.strip_prefix(CONTENT_START) {
            let content = content.strip_suffix(CONTENT_END).unwrap_or(content);
            return Piece::Content(content.strip_suffix(b"\n").unwrap_or(content));
        }
        let control = CONTROLS.iter().find(|(mark, _)| line.starts_with(mark)).map_or(Control::Other, |(_, c)| *c);
        Piece::Control(control, line)
    }
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
        let input = b"\x1eLATHE-RUN\nE loss: \x1eLATHE n1 {}\nEVCXRx \x1eLATHE n2 {}\nabcEVCXR_BEGIN_CONTENT text/html\n<b>\nx\nEVCXR_END_CONTENT\n\
            xEVCXR_PANIC_NOTIFICATION\n\x1eLATHE-TRY 3 4 bad\nEVCXR_ERROR_OCCURRED\nEVCXR_VARIABLE_CHANGED_TYPE:v\nfooEVCXR_EXECUTION_COMPLETE\nE";
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
            "foo",
            "Complete EVCXR_EXECUTION_COMPLETE",
            "E",
        ];
        for step in [1, 2, 3, 5, 11, 1000] {
            assert_eq!(split(input, step), expected, "step {step}");
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
