//! Values that have only a `Debug` form, made readable.

use std::fmt::{Debug, Write};

/// Longer `{:?}` texts are cut here: nobody reads on, and notebooks store it.
pub(crate) const TEXT_LIMIT: usize = 20_000;
/// A line of text about as wide as a notebook.
const LINE: usize = 120;
/// A longer list shows this many first ones and a few last ones.
const ITEMS: usize = 40;
const LAST: usize = 5;

/// `{:?}` where it is short, `{:#?}` for large structs, one item a line for long lists; never longer than the limit.
pub(crate) fn debug_text(value: &dyn Debug) -> String {
    let mut line = Limited::new(TEXT_LIMIT);
    // The error is only the limit's.
    let _ = write!(line, "{value:?}");
    if line.text.len() <= LINE {
        return line.finish();
    }
    if !line.cut
        && let Some(text) = listed(&line.text)
    {
        return text;
    }
    if !line.text.starts_with(['[', '"', '(']) {
        let mut block = Limited::new(TEXT_LIMIT);
        let _ = write!(block, "{value:#?}");
        if block.text.lines().count() <= 200 {
            return block.finish();
        }
    }
    line.finish()
}

/// A list or map with one item a line, when its items are structs or texts; short plain items fill their lines.
fn listed(text: &str) -> Option<String> {
    let (open, close) = (text.chars().next()?, text.chars().last()?);
    if !matches!((open, close), ('[', ']') | ('{', '}')) {
        return None;
    }
    let items = items(&text[1..text.len() - 1])?;
    let count = items.len();
    let plain = items.iter().all(|item| item.len() <= 24 && !item.contains(['{', '(', '[']));
    if count < 2 || plain && count <= ITEMS {
        return None;
    }
    let shown: Vec<String> = if count <= ITEMS + LAST {
        items.iter().map(|item| (*item).to_owned()).collect()
    } else {
        let tail = items[count - LAST..].iter();
        let left_out = format!("… {} more …", count - ITEMS - LAST);
        items[..ITEMS]
            .iter()
            .map(|item| (*item).to_owned())
            .chain([left_out])
            .chain(tail.map(|i| (*i).to_owned()))
            .collect()
    };
    if !plain {
        let lines: String = shown.iter().map(|item| format!("    {item},\n").replace("…,\n", "…\n")).collect();
        return Some(format!("{open}\n{lines}{close}  ({count} items)"));
    }
    let mut lines = vec![String::from(" ")];
    for item in &shown {
        if lines.last().is_some_and(|line| line.len() + item.len() > LINE - 20) {
            lines.push(String::from(" "));
        }
        if let Some(line) = lines.last_mut() {
            let _ = write!(line, "{item}, ");
        }
    }
    let body = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n").replace("…,", "…");
    Some(format!("{open}{}{close}  ({count} items)", body.trim_start().trim_end_matches(',')))
}

/// The items between the top-level commas of a `Debug` text.
fn items(text: &str) -> Option<Vec<&str>> {
    let (mut depth, mut start, mut quoted, mut escaped) = (0_i32, 0, false, false);
    let mut items = Vec::new();
    for (at, c) in text.char_indices() {
        if quoted {
            quoted = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => (quoted, escaped) = (true, false),
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    (depth == 0 && !quoted).then_some(items)
}

/// Text up to a length; then writing stops, so a gigabyte is not formatted for nothing.
pub(crate) struct Limited {
    pub(crate) text: String,
    pub(crate) limit: usize,
    pub(crate) cut: bool,
}

impl Limited {
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit, cut: false }
    }

    fn finish(mut self) -> String {
        if self.cut {
            self.text.push_str(" … (cut here)");
        }
        self.text
    }
}

impl Write for Limited {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let room = self.limit.saturating_sub(self.text.len());
        if part.len() <= room {
            self.text.push_str(part);
            return Ok(());
        }
        let end = (0..=room).rev().find(|at| part.is_char_boundary(*at)).unwrap_or(0);
        self.text.push_str(&part[..end]);
        self.cut = true;
        Err(std::fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_stand_below_each_other() {
        let texts: Vec<String> = (0..60).map(|i| format!("machine, number {i} [press]")).collect();
        let shown = debug_text(&texts);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "    \"machine, number 0 [press]\",");
        assert_eq!((lines[41], lines[46], lines.len()), ("    … 15 more …", "    \"machine, number 59 [press]\",", 48));
        assert_eq!(lines[47], "]  (60 items)");
        let numbers = debug_text(&(0..300_u64).collect::<std::collections::BTreeSet<_>>());
        assert!(numbers.starts_with("{0, 1, 2") && numbers.contains("… 255 more … 295,"), "{numbers}");
        assert!(numbers.ends_with("299}  (300 items)") && numbers.lines().all(|line| line.len() <= LINE), "{numbers}");
    }

    #[test]
    fn short_values_stay_as_rust_writes_them() {
        assert_eq!(debug_text(&vec![Some(1), None]), "[Some(1), None]");
        assert_eq!(debug_text(&"x".repeat(500)).len(), 502);
        assert_eq!(debug_text(&(0..30).collect::<Vec<i32>>()), format!("{:?}", (0..30).collect::<Vec<i32>>()));
    }
}
