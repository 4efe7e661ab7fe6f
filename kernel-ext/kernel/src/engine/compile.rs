//! A cell that does not compile: which errors are shown, in which order, and how each is written.

use super::fate::Fates;
use super::locate::{Sources, Spot};
use super::message::{Message, Span};
use super::render::{self, Mark};
use super::suggest;
use super::translate::{Plain, translate};
use super::types::without_paths;
use crate::ansi::{BOLD, END, FRAME, RED};
use crate::api::CellError;

/// Errors shown in full; the rest is counted.
const SHOWN: usize = 5;
/// Lines of a list of types or traits that are shown.
const LISTED: usize = 4;

/// What a user is told.
pub(super) struct Failure {
    pub error: CellError,
    /// Everything that the compiler said, with the cell's own lines; only when the error says less.
    pub details: Option<String>,
    /// The same, always.
    pub whole: String,
}

struct Found<'a> {
    message: &'a Message,
    place: Spot,
    plain: Option<Plain>,
}

/// Reads the compiler's messages; `None` when none of them points to a cell.
pub(super) fn failure(sources: &Sources<'_>, messages: &[Message], fates: &Fates) -> Option<Failure> {
    let errors = messages.iter().filter(|message| message.level == "error");
    let mut found: Vec<Found<'_>> = errors
        .filter_map(|message| {
            let place = place(sources, message)?;
            let gone = || fates.why(message.quoted().first()?);
            let told = || translate(message, |span| text_of(sources, span));
            let plain = if message.code() == "E0425" { gone().or_else(told) } else { told() };
            Some(Found { message, place, plain })
        })
        .collect();
    found.sort_by_key(|error| rank(error));
    let (shown, folded) = fold(found);
    let first = shown.first()?;
    let code = first.message.code();
    let ename = if code.is_empty() { "SyntaxError" } else { code }.to_owned();
    let evalue = first.plain.as_ref().map_or_else(|| message_text(first.message), |plain| plain.title.clone());
    let (mut traceback, mut whole, mut shortened) = (Vec::new(), Vec::new(), false);
    for error in shown.iter().take(SHOWN) {
        if !traceback.is_empty() {
            traceback.push(String::new());
            whole.push(String::new());
        }
        shortened |= short(sources, error, &mut traceback);
        long(sources, error.message, &mut whole);
    }
    let more = shown.len().saturating_sub(SHOWN);
    let mut rest = Vec::new();
    if more > 0 {
        rest.push(format!("and {}", count(more, "more error")));
    }
    if !folded.is_empty() {
        let verb = if folded.len() == 1 { "follows" } else { "follow" };
        rest.push(format!("and {} that {verb} from the above", count(folded.len(), "error")));
        for error in &folded {
            whole.push(String::new());
            long(sources, error.message, &mut whole);
        }
    }
    if !rest.is_empty() {
        traceback.extend([String::new(), format!("... {}", rest.join(", "))]);
    }
    if !code.is_empty() {
        traceback.extend([String::new(), format!("More about this kind of error: `:explain {code}`")]);
    }
    let whole = render::plain(&whole.join("\n"));
    let details = (shortened || !folded.is_empty()).then(|| whole.clone());
    Some(Failure { error: CellError { ename, evalue, traceback }, details, whole })
}

/// Short notes about what the compiler warns of in the cell that runs.
pub(super) fn warnings(sources: &Sources<'_>, messages: &[Message]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for message in messages.iter().filter(|message| message.level == "warning") {
        if let Some(spot) = place(sources, message).filter(|spot| spot.earlier.is_none()) {
            let note = format!("warning: {} (cell:{}:{})\n", message_text(message), spot.line, spot.column);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The first place of a message that a user wrote.
fn place(sources: &Sources<'_>, message: &Message) -> Option<Spot> {
    let spots = |wanted: bool| {
        let spans = message.spans.iter().filter(move |span| span.is_primary == wanted);
        spans.filter_map(|span| span.local()).filter_map(|span| sources.spot(span.line_start, span.column_start))
    };
    spots(true).next().or_else(|| spots(false).next())
}

/// Wrong syntax first, then names that are not there, then the rest in the order of the cell.
fn rank(error: &Found<'_>) -> (u8, Spot) {
    let phase = match error.message.code() {
        "" => 0,
        "E0432" | "E0433" => 1,
        // Types that could not be found out mostly follow from something else.
        "E0282" | "E0283" => 3,
        _ => 2,
    };
    (phase, error.place)
}

/// Takes out what says nothing new: the same thing again, and what is only wrong because something else is.
fn fold(errors: Vec<Found<'_>>) -> (Vec<Found<'_>>, Vec<Found<'_>>) {
    let (mut shown, mut folded): (Vec<Found<'_>>, Vec<Found<'_>>) = (Vec::new(), Vec::new());
    for error in errors {
        match shown.iter().position(|earlier| follows(&error, earlier)) {
            // Of two that say the same the one in plain words stays.
            Some(at) if telling(&error) > telling(&shown[at]) => {
                folded.push(std::mem::replace(&mut shown[at], error));
            }
            Some(_) => folded.push(error),
            None => shown.push(error),
        }
    }
    (shown, folded)
}

/// Plain words are best, and then a mark on the argument that is wrong.
fn telling(error: &Found<'_>) -> (bool, usize) {
    (error.plain.is_some(), error.message.spans.iter().filter(|span| span.local().is_some()).count())
}

fn follows(error: &Found<'_>, earlier: &Found<'_>) -> bool {
    let (a, b) = (error.message, earlier.message);
    let same_line = (error.place.earlier, error.place.line) == (earlier.place.earlier, earlier.place.line);
    let outermost = |message: &Message| {
        let note = message.children.iter().rev().find(|child| child.level == "note" && child.quoted().len() == 2);
        note.map(|note| note.quoted()[0].to_owned())
    };
    let same_words = a.code() == b.code() && a.message == b.message;
    // An import that failed, and then the name it would have brought.
    let import = matches!(b.code(), "E0432" | "E0433") && {
        let missing = b.quoted().last().and_then(|path| path.rsplit("::").next()).unwrap_or_default();
        !missing.is_empty() && a.quoted().iter().any(|text| super::cell::mentions(text, missing))
    };
    // Several names of one cell that failed.
    let same_cause = || match (&error.plain, &earlier.plain) {
        (Some(one), Some(other)) => a.code() == "E0425" && b.code() == "E0425" && one.help == other.help,
        _ => false,
    };
    error.place == earlier.place
        || same_cause()
        || matches!(a.code(), "E0282" | "E0283")
        || a.message.contains("{type error}")
        || import
        || (same_words && (same_line || a.code() == "E0425"))
        || (same_line && a.code() == b.code() && outermost(a).is_some() && outermost(a) == outermost(b))
}

/// The source below a span of one line.
fn text_of(sources: &Sources<'_>, span: &Span) -> Option<String> {
    let span = span.local()?;
    let line = sources.generated.lines().nth(span.line_start.checked_sub(1)?)?;
    let width =
        if span.line_end == span.line_start { span.column_end.checked_sub(span.column_start)? } else { usize::MAX };
    Some(line.chars().skip(span.column_start.checked_sub(1)?).take(width).collect())
}

fn message_text(message: &Message) -> String {
    // `Ok(())` is what evcxr puts behind a cell.
    let text = without_paths(&message.message).replace("expected `;`, found `Ok`", "expected `;`");
    text.replace("`evcxr_variable_store`", "the end of the cell")
}

fn title(code: &str, text: &str, out: &mut Vec<String>) {
    let code = if code.is_empty() { String::new() } else { format!("[{code}]") };
    let mut lines = text.lines();
    out.push(format!("{RED}error{code}{END}{BOLD}: {}{END}", lines.next().unwrap_or_default()));
    out.extend(lines.map(str::to_owned));
}

/// Writes an error for somebody in a hurry; `true` when something was left out.
fn short(sources: &Sources<'_>, error: &Found<'_>, out: &mut Vec<String>) -> bool {
    let Some(plain) = &error.plain else {
        return compiler(sources, error.message, out, Some(LISTED));
    };
    title(error.message.code(), &plain.title, out);
    snippet(sources, error.message, Some(&plain.label), out);
    for note in &plain.notes {
        remark("note", note, out);
    }
    for help in &plain.help {
        out.push(render::hint(help));
    }
    true
}

/// Writes everything.
fn long(sources: &Sources<'_>, message: &Message, out: &mut Vec<String>) {
    compiler(sources, message, out, None);
}

/// An error in the compiler's words, its lists cut after `listed` lines; `true` when something was left out.
fn compiler(sources: &Sources<'_>, message: &Message, out: &mut Vec<String>, listed: Option<usize>) -> bool {
    title(message.code(), &message_text(message), out);
    snippet(sources, message, None, out);
    let mut left_out = false;
    for child in message.children.iter().filter(|child| matches!(child.level.as_str(), "help" | "note")) {
        if child.message.contains("for more information about this error") {
            continue;
        }
        if let Some(diff) = suggest::diff(sources, child) {
            out.extend(diff);
            continue;
        }
        let text = without_paths(&child.message);
        let mut lines: Vec<&str> = text.lines().collect();
        let limit = listed.map_or(usize::MAX, |listed| listed + 1);
        let cut = lines.len().saturating_sub(limit);
        lines.truncate(limit);
        remark(&child.level, &lines.join("\n"), out);
        if cut > 0 {
            left_out = true;
            out.push(format!("          and {cut} more"));
        }
        // A note about another place of the cells.
        if place(sources, child).is_some() {
            snippet(sources, child, None, out);
        }
    }
    if let Some(hint) = notebook_hint(message.code()) {
        out.push(render::hint(hint));
    }
    left_out
}

/// What is different in a notebook.
fn notebook_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "E0384" | "E0596" => "a variable of an earlier cell becomes changeable by `let mut x = x;`",
        "E0597" | "E0716" => {
            "a variable that outlives its cell cannot borrow from it: keep the value itself, or put the cell's code in braces"
        }
        _ => return None,
    })
}

fn remark(level: &str, text: &str, out: &mut Vec<String>) {
    let mut lines = text.lines();
    out.push(format!("  {FRAME}={END} {BOLD}{level}{END}: {}", lines.next().unwrap_or_default()));
    out.extend(lines.map(|line| format!("        {line}")));
}

/// The marked lines of each cell that the message speaks of; `label` takes the place of the compiler's own.
fn snippet(sources: &Sources<'_>, message: &Message, label: Option<&str>, out: &mut Vec<String>) {
    let mut marks: Vec<(Spot, Mark)> = Vec::new();
    for outer in &message.spans {
        let Some(span) = outer.local() else { continue };
        let Some(start) = sources.spot(span.line_start, span.column_start) else { continue };
        let end = sources.spot(span.line_end, span.column_end).filter(|end| end.earlier == start.earlier);
        let end = end.unwrap_or(Spot { column: start.column + 1, ..start });
        let label = match label {
            Some(label) if outer.is_primary => label.to_owned(),
            // The compiler's other labels speak of traits and bounds; only a type that the user wrote matters.
            Some(_) if message.code() == "E0308" && text_of(sources, span).is_some_and(|text| text.contains('<')) => {
                String::from("the type written here")
            }
            // Where it went.
            Some(_) if message.code() == "E0382" && outer.label().contains("moved") => without_paths(outer.label()),
            Some(_) => continue,
            None => without_paths(outer.label()),
        };
        let mark = Mark {
            lines: (start.line, end.line),
            columns: (start.column, end.column),
            label,
            primary: outer.is_primary,
        };
        if !marks.iter().any(|(spot, other)| spot.earlier == start.earlier && *other == mark) {
            marks.push((start, mark));
        }
    }
    let mut cells: Vec<Option<usize>> = Vec::new();
    for (spot, _) in marks.iter().filter(|(_, mark)| mark.primary).chain(&marks) {
        if !cells.contains(&spot.earlier) {
            cells.push(spot.earlier);
        }
    }
    for cell in cells {
        let here: Vec<&(Spot, Mark)> = marks.iter().filter(|(spot, _)| spot.earlier == cell).collect();
        let spot = here[0].0;
        let marks: Vec<Mark> = here.iter().map(|(_, mark)| mark.clone()).collect();
        render::snippet_of(&sources.name(spot), sources.text(spot), &marks, out);
    }
}
