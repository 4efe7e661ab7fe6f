//! A cell that prints without end must not drown the front end or the notebook file.

/// Bytes of one stream of one cell that are shown as they come. What `\r` overwrites does not count.
pub const SHOWN: usize = 1 << 20;
/// Bytes of the end that are shown when the cell is done.
pub const TAIL: usize = 10 << 10;

/// Lets the first [`SHOWN`] bytes of a stream through, then keeps only its last [`TAIL`] bytes.
#[derive(Debug, Default)]
pub struct Limiter {
    shown: usize,
    line_start: usize,
    tail: Option<String>,
    hidden: u64,
}

impl Limiter {
    /// The part of `text` to show now, with a note where the stream is cut; `None` when there is nothing to show.
    pub fn admit(&mut self, text: &str) -> Option<String> {
        if let Some(tail) = &mut self.tail {
            self.hidden += text.len() as u64;
            keep_end(tail, text);
            return None;
        }
        let bytes = text.as_bytes();
        for (at, c) in text.char_indices() {
            self.shown += c.len_utf8();
            match c {
                '\n' => self.line_start = self.shown,
                '\r' if bytes.get(at + 1) != Some(&b'\n') => self.shown = self.line_start,
                _ => {}
            }
            if self.shown > SHOWN {
                let rest = &text[at..];
                let mut tail = String::new();
                self.hidden = rest.len() as u64;
                keep_end(&mut tail, rest);
                self.tail = Some(tail);
                let note = "... output truncated: the rest is not shown, its end follows when the cell is done\n";
                return Some(format!("{}\n{note}", &text[..at]));
            }
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// At the end of the cell: how much was left out, and the last of it.
    pub fn finish(&mut self) -> Option<String> {
        let mut tail = self.tail.take()?;
        if self.hidden > TAIL as u64 {
            tail.drain(..tail.ceil_char_boundary(tail.len().saturating_sub(TAIL)));
        }
        let left_out = self.hidden.saturating_sub(tail.len() as u64);
        let end = if left_out == 0 {
            tail
        } else {
            format!("... output truncated, {:.1} MB more not shown; its last lines:\n{tail}", left_out as f64 / 1e6)
        };
        *self = Self::default();
        Some(end)
    }
}

/// Appends, and forgets the start once the text is twice as long as needed.
fn keep_end(tail: &mut String, text: &str) {
    tail.push_str(text);
    if tail.len() > 2 * TAIL {
        let start = tail.ceil_char_boundary(tail.len() - TAIL);
        tail.drain(..start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_megabytes_become_one_and_the_end() {
        let mut limiter = Limiter::default();
        let mut shown = String::new();
        for i in 0..1_000_000 {
            shown.extend(limiter.admit(&format!("line {i:05}\n")));
        }
        let head = shown.len();
        shown.extend(limiter.finish());
        assert!((SHOWN..SHOWN + 200).contains(&head), "{head}");
        assert!(shown.len() < SHOWN + TAIL + 300);
        assert!(shown.starts_with("line 00000\nline 00001\n") && shown.ends_with("line 999999\n"));
        assert_eq!(shown.matches("... output truncated").count(), 2);
        assert!(shown.contains("MB more not shown"));
    }

    #[test]
    fn a_long_progress_line_is_never_cut() {
        let mut limiter = Limiter::default();
        for i in 0..200_000 {
            assert!(limiter.admit(&format!("\r{i:20}")).is_some());
        }
        assert_eq!(limiter.finish(), None);
    }

    #[test]
    fn short_rests_are_shown_whole_and_characters_stay_whole() {
        let mut limiter = Limiter::default();
        assert!(limiter.admit(&"é".repeat(SHOWN / 2 + 3)).is_some());
        assert_eq!(limiter.finish().as_deref(), Some("ééé"));
        let mut limiter = Limiter::default();
        limiter.admit(&"é".repeat(SHOWN));
        limiter.admit(&"日".repeat(TAIL));
        assert!(limiter.finish().is_some_and(|end| end.ends_with('日')));
    }
}
