//! What a terminal would show of printed text: `\r`, `\b` and erase sequences applied, colours kept.

/// One line under construction: characters, each with the colour sequences that were printed just before it.
#[derive(Default)]
struct Line {
    cells: Vec<(String, char)>,
    cursor: usize,
    /// Colour sequences waiting for their character.
    pending: String,
}

impl Line {
    fn put(&mut self, c: char) {
        let cell = (std::mem::take(&mut self.pending), c);
        if self.cursor < self.cells.len() {
            self.cells[self.cursor] = cell;
        } else {
            self.cells.push(cell);
        }
        self.cursor += 1;
    }

    fn finish(&mut self, out: &mut String) {
        for (colour, c) in self.cells.drain(..) {
            out.push_str(&colour);
            out.push(c);
        }
        out.push_str(&std::mem::take(&mut self.pending));
        self.cursor = 0;
    }
}

/// Folds overwritten text away, as JupyterLab does when it stores a stream: `"\r 10%\r 20%\n"` becomes `" 20%\n"`.
pub(super) fn fold(text: &str) -> String {
    if !text.contains(['\r', '\u{8}', '\u{1b}']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut line = Line::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                line.finish(&mut out);
                out.push('\n');
            }
            // `\r\n` is an ordinary line end.
            '\r' => line.cursor = 0,
            '\u{8}' => line.cursor = line.cursor.saturating_sub(1),
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                let mut sequence = String::from("\u{1b}[");
                let mut last = '\0';
                while let Some(&next) = chars.peek() {
                    if !(' '..='~').contains(&next) {
                        break;
                    }
                    chars.next();
                    sequence.push(next);
                    if ('@'..='~').contains(&next) {
                        last = next;
                        break;
                    }
                }
                match last {
                    'm' => line.pending.push_str(&sequence),
                    'K' if sequence == "\u{1b}[2K" => {
                        line.cells.iter_mut().for_each(|cell| *cell = (String::new(), ' '));
                        line.cells.truncate(line.cursor);
                    }
                    'K' if sequence != "\u{1b}[1K" => line.cells.truncate(line.cursor),
                    _ => {}
                }
            }
            c => line.put(c),
        }
    }
    let unfinished_return = text.ends_with('\r');
    line.finish(&mut out);
    if unfinished_return {
        // The next fragment may overwrite this line.
        out.push('\r');
    }
    out
}

/// The same text without its colour sequences, for logs and for terminals that are none.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
        } else if chars.next_if_eq(&'[').is_some() {
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_keeps_its_last_state() {
        assert_eq!(fold("a\rb\n"), "b\n");
        assert_eq!(fold("loss 0.5\rloss 0.25\r"), "loss 0.25\r");
        assert_eq!(fold("long line\rshort\n"), "shortline\n");
        assert_eq!(fold("ab\u{8}c\r\nd"), "ac\nd");
        assert_eq!(fold("long\r\u{1b}[2Kx\n"), "x\n");
        assert_eq!(fold("long\rx\u{1b}[K\n"), "x\n");
    }

    #[test]
    fn colours_survive_folding_and_plain_removes_them() {
        let coloured = "\u{1b}[31mred\u{1b}[0m rest\n";
        assert_eq!(fold(coloured), coloured);
        assert_eq!(plain(coloured), "red rest\n");
    }
}
