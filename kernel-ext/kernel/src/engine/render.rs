//! Compile errors as the compiler would print them, in the cell's own line numbers and for any script.

use super::memory::Shifts;
use crate::ansi::{BOLD, END, FRAME, GREEN, RED};
use crate::api::CellError;
use evcxr::CompilationError;

/// Columns that a front end shows without wrapping.
const WIDTH: usize = 84;

/// A marked piece of the cell: 1-based lines and character columns, the end column exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub lines: (usize, usize),
    pub columns: (usize, usize),
    pub label: String,
    pub primary: bool,
}

/// The error of a cell that does not compile, from evcxr's own errors; `shifts` are not the user's columns.
pub(super) fn compile_error(cell: &str, errors: &[CompilationError], shifts: &Shifts) -> CellError {
    let first = errors.iter().find(|error| error.level() == "error").or(errors.first());
    let ename = first.and_then(|error| error.code()).unwrap_or("CompileError").to_owned();
    let evalue = first.map_or_else(|| String::from("the cell does not compile"), |error| error.message());
    let mut error = failure(&ename, &evalue, Vec::new());
    for message in errors.iter().flat_map(|error| error.spanned_messages()) {
        let Some(span) = message.span else { continue };
        let mark = Mark {
            lines: (span.start_line, span.end_line),
            columns: (shifts.column(span.start_line, span.start_column), shifts.column(span.end_line, span.end_column)),
            label: message.label.clone(),
            primary: message.is_primary,
        };
        snippet(cell, &[mark], &mut error.traceback);
    }
    error
}

/// The marked lines with their marks below them.
pub(super) fn snippet(cell: &str, marks: &[Mark], out: &mut Vec<String>) {
    snippet_of("cell", cell, marks, out);
}

/// The same for a cell with a name of its own.
pub(super) fn snippet_of(name: &str, cell: &str, marks: &[Mark], out: &mut Vec<String>) {
    let source: Vec<&str> = cell.lines().collect();
    let Some(primary) = marks.iter().find(|mark| mark.primary).or(marks.first()) else { return };
    let mut numbers: Vec<usize> =
        marks.iter().flat_map(|m| [m.lines.0, m.lines.1]).filter(|n| (1..=source.len()).contains(n)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let width = numbers.last().map_or(1, |last| last.to_string().len());
    let gutter = " ".repeat(width);
    out.push(format!("{gutter}{FRAME}-->{END} {name}:{}:{}", primary.lines.0, primary.columns.0));
    out.push(format!("{gutter} {FRAME}|{END}"));
    let mut last = None;
    for number in numbers {
        if last.is_some_and(|last| number > last + 1) {
            out.push(format!("{FRAME}...{END}"));
        }
        last = Some(number);
        let text = source[number - 1];
        out.push(format!("{FRAME}{number:>width$} |{END} {}", text.replace('\t', "    ")));
        let mut here: Vec<&Mark> =
            marks.iter().filter(|mark| mark.lines.0 == number || mark.lines.1 == number).collect();
        // The marks further right first, as the compiler prints them.
        here.sort_by_key(|mark| std::cmp::Reverse(mark.columns.0));
        for mark in here {
            let whole = mark.lines.0 == mark.lines.1;
            let length = text.chars().count();
            let indent = text.chars().take_while(|c| c.is_whitespace()).count();
            let start = if mark.lines.0 == number { mark.columns.0 - 1 } else { indent };
            let end = if mark.lines.1 == number { mark.columns.1.saturating_sub(1) } else { length };
            let before = columns(text.chars().take(start));
            let marked = columns(text.chars().skip(start).take(end.saturating_sub(start))).max(1);
            let (sign, colour, bold) = if mark.primary { ("^", RED, BOLD) } else { ("-", "", "") };
            // A mark over several lines is labelled at its end.
            let label = if whole || mark.lines.1 == number { mark.label.as_str() } else { "" };
            let bar = format!("{gutter} {FRAME}|{END} ");
            let marks = format!("{bar}{}{colour}{}", " ".repeat(before), sign.repeat(marked));
            if before + marked + columns(label.chars()) < WIDTH || label.is_empty() {
                let label = if label.is_empty() { String::new() } else { format!(" {bold}{label}{END}") };
                out.push(format!("{marks}{END}{label}"));
            } else {
                // Front ends wrap long lines anywhere: the label stands below, as far right as it fits.
                let indent = before.min(WIDTH.saturating_sub(columns(label.chars())));
                out.push(format!("{marks}{END}"));
                out.push(format!("{bar}{}{bold}{label}{END}", " ".repeat(indent)));
            }
        }
    }
}

/// How many columns of a terminal the characters take.
pub(super) fn columns(chars: impl Iterator<Item = char>) -> usize {
    chars.map(width).sum()
}

fn width(c: char) -> usize {
    match u32::from(c) {
        9 => 4,
        // Combining marks, joiners and variation selectors.
        0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        // East Asian wide forms and pictographs.
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// One line of the cell with a mark below the column (or the whole line).
pub(super) fn point_at(name: &str, cell: &str, line: usize, column: Option<usize>, label: &str) -> Vec<String> {
    let text = cell.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indent = text.chars().take_while(|c| c.is_whitespace()).count();
    let length = text.trim_end().chars().count();
    let columns = column.map_or((indent + 1, length + 1), |column| (column, column + 1));
    let mark = Mark { lines: (line, line), columns, label: label.to_owned(), primary: true };
    let mut out = Vec::new();
    snippet_of(name, cell, &[mark], &mut out);
    out
}

/// A failure that is not a compile error: a title on red ground and what belongs below it.
pub(super) fn failure(ename: &str, evalue: &str, below: Vec<String>) -> CellError {
    let mut lines = evalue.lines();
    let mut traceback = vec![format!("{RED}{ename}{END}{BOLD}: {}{END}", lines.next().unwrap_or_default())];
    traceback.extend(lines.map(str::to_owned));
    traceback.extend(below);
    CellError { ename: ename.to_owned(), evalue: evalue.to_owned(), traceback }
}

/// A text without colours.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\x1b') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// What caused an early error, below it.
pub(super) fn caused_by(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let first = format!("  {FRAME}={END} {BOLD}caused by{END}: {}", lines.next().unwrap_or_default());
    std::iter::once(first).chain(lines.map(|line| format!("               {line}"))).collect()
}

/// A hint below an error.
pub(super) fn hint(text: &str) -> String {
    format!("  {FRAME}={END} {GREEN}help{END}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| super::plain(line)).collect()
    }

    #[test]
    fn marks_stand_below_wide_characters() {
        let cell = "// π\nlet 温度: i32 = \"é\";";
        let mark = |columns, label: &str, primary| Mark { lines: (2, 2), columns, label: label.to_owned(), primary };
        let mut out = Vec::new();
        snippet(
            cell,
            &[mark((15, 18), "expected `i32`, found `&str`", true), mark((9, 12), "because of this", false)],
            &mut out,
        );
        assert_eq!(
            plain(&out),
            [
                " --> cell:2:15",
                "  |",
                "2 | let 温度: i32 = \"é\";",
                "  |                 ^^^ expected `i32`, found `&str`",
                "  |           --- because of this",
            ]
        );
    }

    #[test]
    fn a_label_that_would_be_wrapped_stands_below() {
        let cell = format!("let wrong = {};", "f(x).".repeat(14));
        let mark =
            Mark { lines: (1, 1), columns: (53, 83), label: String::from("this call asks for it"), primary: true };
        let mut out = Vec::new();
        snippet(&cell, &[mark], &mut out);
        let out = plain(&out);
        assert_eq!(out[3], format!("  | {}{}", " ".repeat(52), "^".repeat(30)));
        assert_eq!(out[4], format!("  | {}this call asks for it", " ".repeat(52)));
    }

    #[test]
    fn places_outside_the_cell_do_no_harm() {
        let mark = Mark { lines: (7, 9), columns: (3, 1), label: String::new(), primary: true };
        let mut out = Vec::new();
        snippet("one line", &[mark], &mut out);
        assert_eq!(plain(&out)[0], " --> cell:7:3");
    }
}
