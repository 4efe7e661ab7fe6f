//! Compile errors as the compiler would print them, in the cell's own line numbers and for any script.

use crate::api::CellError;
use evcxr::CompilationError;

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[1;32m";
const BOLD: &str = "\x1b[1m";
const END: &str = "\x1b[0m";

/// A marked piece of the cell: 1-based lines and character columns, the end column exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub lines: (usize, usize),
    pub columns: (usize, usize),
    pub label: String,
    pub primary: bool,
}

/// The error of a cell that does not compile; `shift` columns at the start of line 1 are not the user's.
pub(super) fn compile_error(cell: &str, errors: &[CompilationError], shift: usize) -> CellError {
    let is_error = |error: &&CompilationError| error.level() == "error";
    let mut shown: Vec<&CompilationError> = errors.iter().filter(is_error).collect();
    if shown.is_empty() {
        shown = errors.iter().collect();
    }
    let first = shown.first();
    let ename = first.and_then(|error| error.code()).unwrap_or("CompileError").to_owned();
    let evalue = first.map_or_else(|| String::from("the cell does not compile"), |error| error.message());
    let mut traceback = Vec::new();
    for error in shown {
        if !traceback.is_empty() {
            traceback.push(String::new());
        }
        render(cell, error, shift, &mut traceback);
    }
    CellError { ename, evalue, traceback }
}

fn render(cell: &str, error: &CompilationError, shift: usize, out: &mut Vec<String>) {
    let code = error.code().map(|code| format!("[{code}]")).unwrap_or_default();
    let message = error.message();
    let mut lines = message.lines();
    out.push(format!("{RED}error{code}{END}{BOLD}: {}{END}", lines.next().unwrap_or_default()));
    out.extend(lines.map(str::to_owned));
    let marks: Vec<Mark> = error
        .spanned_messages()
        .iter()
        .filter_map(|m| {
            let span = m.span?;
            let unshift =
                |line: usize, column: usize| if line == 1 { column.saturating_sub(shift).max(1) } else { column };
            Some(Mark {
                lines: (span.start_line, span.end_line),
                columns: (unshift(span.start_line, span.start_column), unshift(span.end_line, span.end_column)),
                // Without a label of its own evcxr repeats the message.
                label: if m.label == format!("error: {message}") { String::new() } else { m.label.clone() },
                primary: m.is_primary,
            })
        })
        .collect();
    snippet(cell, &marks, out);
    for (level, text) in notes(error) {
        let mut lines = text.lines();
        out.push(format!("  {BLUE}={END} {BOLD}{level}{END}: {}", lines.next().unwrap_or_default()));
        out.extend(lines.map(|line| format!("          {line}")));
    }
    let labels = error.help_spanned().iter().filter(|help| help.span.is_some() && !help.label.is_empty());
    for help in labels {
        out.push(format!("  {BLUE}={END} {BOLD}try{END}: {}", help.label));
    }
    if let Some(hint) = error.evcxr_extra_hint() {
        out.push(format!("  {BLUE}={END} {BOLD}note{END}: {}", hint.replace("Evcxr", "a notebook")));
    }
}

/// Notes and helps without a place of their own in the cell.
fn notes(error: &CompilationError) -> Vec<(String, String)> {
    let children = error.json["children"].as_array();
    let place_in_cell = |child: &serde_json::Value| child["spans"].as_array().is_some_and(|spans| !spans.is_empty());
    children
        .into_iter()
        .flatten()
        .filter(|child| !place_in_cell(child))
        .filter_map(|child| Some((child["level"].as_str()?.to_owned(), child["message"].as_str()?.to_owned())))
        .filter(|(level, _)| level == "help" || level == "note")
        .collect()
}

/// The marked lines with their marks below them.
pub(super) fn snippet(cell: &str, marks: &[Mark], out: &mut Vec<String>) {
    let source: Vec<&str> = cell.lines().collect();
    let Some(primary) = marks.iter().find(|mark| mark.primary).or(marks.first()) else { return };
    let mut numbers: Vec<usize> =
        marks.iter().flat_map(|m| [m.lines.0, m.lines.1]).filter(|n| (1..=source.len()).contains(n)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let width = numbers.last().map_or(1, |last| last.to_string().len());
    let gutter = " ".repeat(width);
    out.push(format!("{gutter}{BLUE}-->{END} cell:{}:{}", primary.lines.0, primary.columns.0));
    out.push(format!("{gutter} {BLUE}|{END}"));
    let mut last = None;
    for number in numbers {
        if last.is_some_and(|last| number > last + 1) {
            out.push(format!("{BLUE}...{END}"));
        }
        last = Some(number);
        let text = source[number - 1];
        out.push(format!("{BLUE}{number:>width$} |{END} {}", text.replace('\t', "    ")));
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
            let (sign, colour) = if mark.primary { ("^", RED) } else { ("-", BLUE) };
            // A mark over several lines is labelled at its end.
            let label = if whole || mark.lines.1 == number { mark.label.as_str() } else { "" };
            let row = format!("{gutter} {BLUE}|{END} {}{colour}{} {label}", " ".repeat(before), sign.repeat(marked));
            out.push(format!("{}{END}", row.trim_end()));
        }
    }
}

/// How many columns of a terminal the characters take.
fn columns(chars: impl Iterator<Item = char>) -> usize {
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
pub(super) fn point_at(cell: &str, line: usize, column: Option<usize>, label: &str) -> Vec<String> {
    let text = cell.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indent = text.chars().take_while(|c| c.is_whitespace()).count();
    let length = text.trim_end().chars().count();
    let columns = column.map_or((indent + 1, length + 1), |column| (column, column + 1));
    let mark = Mark { lines: (line, line), columns, label: label.to_owned(), primary: true };
    let mut out = Vec::new();
    snippet(cell, &[mark], &mut out);
    out
}

/// A failure that is not a compile error: a bold red title and what belongs below it.
pub(super) fn failure(ename: &str, evalue: &str, below: Vec<String>) -> CellError {
    let mut lines = evalue.lines();
    let mut traceback = vec![format!("{RED}{ename}{END}{BOLD}: {}{END}", lines.next().unwrap_or_default())];
    traceback.extend(lines.map(str::to_owned));
    traceback.extend(below);
    CellError { ename: ename.to_owned(), evalue: evalue.to_owned(), traceback }
}

/// A hint in green below an error.
pub(super) fn hint(text: &str) -> String {
    format!("  {BLUE}={END} {GREEN}help{END}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> Vec<String> {
        lines
            .iter()
            .map(|line| {
                let mut text = String::new();
                let mut rest = line.as_str();
                while let Some(start) = rest.find('\x1b') {
                    text.push_str(&rest[..start]);
                    rest = rest[start..].split_once('m').map_or("", |(_, rest)| rest);
                }
                text + rest
            })
            .collect()
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
    fn places_outside_the_cell_do_no_harm() {
        let mark = Mark { lines: (7, 9), columns: (3, 1), label: String::new(), primary: true };
        let mut out = Vec::new();
        snippet("one line", &[mark], &mut out);
        assert_eq!(plain(&out)[0], " --> cell:7:3");
    }
}
