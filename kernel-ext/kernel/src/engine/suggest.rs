//! The compiler's suggestions as changes of the cell's lines.

use super::locate::{Sources, Spot};
use super::message::Message;
use super::render;
use super::types::without_paths;
use crate::ansi::{END, FRAME, GREEN, RED};

/// One replacement in the cell.
struct Change {
    start: Spot,
    end: Spot,
    text: String,
}

/// A suggestion as lines with `-` and `+`; `None` when the note suggests nothing or the place is in no cell.
pub(super) fn diff(sources: &Sources<'_>, child: &Message) -> Option<Vec<String>> {
    let mut changes = Vec::new();
    let mut safe = true;
    for outer in &child.spans {
        let span = outer.local()?;
        let text = outer.suggested_replacement.clone()?;
        safe &= outer.suggestion_applicability.as_deref() == Some("MachineApplicable");
        let start = sources.spot(span.line_start, span.column_start)?;
        let end = if (span.line_end, span.column_end) == (span.line_start, span.column_start) {
            start
        } else {
            sources.spot(span.line_end, span.column_end)?
        };
        changes.push(Change { start, end, text });
    }
    let cell = changes.first()?.start.earlier;
    if changes.iter().any(|change| (change.start.earlier, change.end.earlier) != (cell, cell)) {
        return None;
    }
    changes.sort_by_key(|change| change.start);
    let first = changes.first()?.start.line;
    let last = changes.iter().map(|change| change.end.line).max()?;
    let source = sources.text(changes[0].start);
    let old: Vec<&str> = source.lines().skip(first - 1).take(last + 1 - first).collect();
    let new = apply(&old, first, &changes)?;
    let new: Vec<&str> = new.lines().collect();
    let sure = if safe { " (can be applied as it is)" } else { "" };
    let mut out = vec![format!("  {FRAME}={END} {GREEN}help{END}: {}{sure}", without_paths(&child.message))];
    out.extend(old.iter().filter(|line| !new.contains(line)).map(|line| format!("      {RED}-{END} {line}")));
    for line in new.iter().filter(|line| !old.contains(line)) {
        out.push(format!("      {GREEN}+{END} {line}"));
        // The sign below marks the change for who sees no colours.
        if let [before] = old.as_slice()
            && new.len() == 1
        {
            let (start, width) = changed(before, line);
            if width > 0 {
                out.push(format!("        {}{GREEN}{}{END}", " ".repeat(start), "~".repeat(width)));
            }
        }
    }
    Some(out)
}

/// The lines after the changes.
fn apply(old: &[&str], first: usize, changes: &[Change]) -> Option<String> {
    let text = old.join("\n");
    let offset = |spot: Spot| -> Option<usize> {
        let line = spot.line.checked_sub(first)?;
        let before: usize = old.get(..line)?.iter().map(|line| line.len() + 1).sum();
        let text = old.get(line)?;
        let column = text.char_indices().nth(spot.column - 1).map_or(text.len(), |(at, _)| at);
        Some(before + column)
    };
    let mut new = String::new();
    let mut at = 0;
    for change in changes {
        let (start, end) = (offset(change.start)?, offset(change.end)?);
        if start < at || end < start {
            return None;
        }
        new.push_str(text.get(at..start)?);
        new.push_str(&change.text);
        at = end;
    }
    new.push_str(text.get(at..)?);
    Some(new)
}

/// Column and width, in columns of a terminal, of what is new in a line.
fn changed(old: &str, new: &str) -> (usize, usize) {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let rest = |text: &str| text.chars().count() - same;
    let back = old.chars().rev().zip(new.chars().rev()).take(rest(old).min(rest(new))).take_while(|(a, b)| a == b);
    let width = rest(new) - back.count();
    (render::columns(new.chars().take(same)), render::columns(new.chars().skip(same).take(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::Span;

    fn suggestion(column: (usize, usize), text: &str, how: &str) -> Message {
        let span = Span {
            file_name: String::from("cell/lib.rs"),
            line_start: 2,
            line_end: 2,
            column_start: column.0,
            column_end: column.1,
            is_primary: true,
            suggested_replacement: Some(text.to_owned()),
            suggestion_applicability: Some(how.to_owned()),
            ..Span::default()
        };
        Message {
            message: String::from("consider"),
            level: String::from("help"),
            spans: vec![span],
            ..Message::default()
        }
    }

    #[test]
    fn a_suggestion_is_a_changed_line() {
        let sources =
            Sources {
                generated: "fn x() {\nlet 温 = f(x);\n}", cell: "  let 温 = f(x);", number: None, earlier: &[]
            };
        let lines = diff(&sources, &suggestion((11, 11), "&", "MachineApplicable")).unwrap();
        let lines: Vec<String> = lines.iter().map(|line| render::plain(line)).collect();
        assert_eq!(
            lines,
            [
                "  = help: consider (can be applied as it is)",
                "      -   let 温 = f(x);",
                "      +   let 温 = f(&x);",
                "                     ~",
            ]
        );
        let lines = diff(&sources, &suggestion((9, 13), "g()", "MaybeIncorrect")).unwrap();
        assert_eq!(render::plain(&lines[0]), "  = help: consider");
        assert_eq!(render::plain(&lines[2]), "      +   let 温 = g();");
        assert!(diff(&sources, &suggestion((60, 61), "g()", "MaybeIncorrect")).is_some());
        let elsewhere = Message { spans: vec![Span::default()], ..suggestion((1, 2), "", "") };
        assert!(diff(&sources, &elsewhere).is_none());
    }
}
