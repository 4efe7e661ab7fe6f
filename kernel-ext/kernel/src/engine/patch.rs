//! Small changes to the source that evcxr generates, none of which moves a line or a column of the cell.

use super::cell::mentions;
use super::split::{END_MARK, EVCXR_MARK, RUN_MARK, TRY_MARK};

/// Where evcxr's function for the cell begins, with and without stored variables.
const STARTS: [&str; 2] =
    ["  -> *mut evcxr_internal_runtime::VariableStore {", "evcxr_variable_store: *mut u8) -> *mut u8 {"];
/// Its last expression.
const END: &str = "evcxr_variable_store";
/// The cell's function begins with this.
pub(super) const FUNCTION: &str = "pub extern \"C\" fn run_user_code_";
/// evcxr's conversion of an early `?`'s error takes whatever can be shown, and then this is its text.
const ANY_ERROR: &str = "impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {";
const SHOWN_PLAIN: &str = "::lathe::display::cell::early::plain(&error)";
/// Narrower conversions, which know what caused an error: bound and text.
const WITH_CAUSES: [(&str, &str); 2] = [
    ("::std::error::Error + 'static", "::lathe::display::cell::early::error(&error)"),
    ("::std::fmt::Display + 'static", "::lathe::display::cell::early::boxed(&error)"),
];
/// Calls after which a cell's error is a mere text, and types of functions that return a text or a box: there the first of
/// these would not compile.
const TEXT_CALLS: [&str; 3] = [".ok_or(", ".ok_or_else(", ".map_err(|"];
const TEXT_TYPES: [&str; 3] = [", String>", "&'static str>", "dyn "];
/// How an early `?` prints its error.
const ERROR: &str = "eprintln!(\"{}\", error);";
/// What evcxr's own code prints for evcxr, and what is printed after the mark.
const NOTES: [(&str, &str, &str); 3] = [
    ("println!(\"EVCXR_PANIC_NOTIFICATION\");", "}", "\"EVCXR_PANIC_NOTIFICATION\""),
    (
        "println!(\"{}\", evcxr_internal_runtime::USER_ERROR_OCCURRED);",
        "}",
        "evcxr_internal_runtime::USER_ERROR_OCCURRED",
    ),
    ("println!(\"{VARIABLE_CHANGED_TYPE}{name}\");", "}{}", "VARIABLE_CHANGED_TYPE, name"),
];
/// The nonce that tells our marks from printed text.
const NONCE: &str = "::lathe::display::cell::nonce()";

/// evcxr's copy of its store of variables, in every cell, and the last function in it.
const STORE: [&str; 2] = ["mod evcxr_internal_runtime {", "pub fn create_variable_store() "];

/// Says when the cell's code begins, prepares the prelude in this process, flushes at the end, and tells where a `?` was.
pub(super) fn patch(source: &str) -> String {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    if let Some(line) = lines.iter_mut().rev().find(|line| STARTS.contains(&line.as_str())) {
        line.push_str(&format!(" ::lathe::display::cell::enter({RUN_MARK:?});"));
    }
    if source.contains("run_user_code_0(")
        && let Some(line) = lines.first_mut()
    {
        // evcxr's own first cell, `42`: without the prelude it would be compiled twice.
        line.push_str(" use ::lathe::prelude::*;");
    }
    if let Some(line) = lines.iter_mut().rev().find(|line| *line == END) {
        *line = format!("::lathe::display::cell::leave({END_MARK:?}); {END}");
    }
    for (note, more, what) in NOTES {
        // The last is evcxr's: the cell's own text comes before it, except for the line of a module that evcxr adds.
        let own = |line: &&mut String| line.trim() == note;
        let found = if note.contains("name") { lines.iter_mut().find(own) } else { lines.iter_mut().rev().find(own) };
        if let Some(line) = found {
            *line = format!("println!(\"{{}}{{}} {{{more}\", {EVCXR_MARK:?}, {NONCE}, {what});");
        }
    }
    if let Some(start) = lines.iter().position(|line| line.contains("From<T> for EvcxrUserCodeError")) {
        let report = format!(
            "if ::lathe::events::interrupt::requested() \
             {{ ::std::panic::resume_unwind(::std::boxed::Box::new(::lathe::events::interrupt::Interrupted)); }} \
             let place = ::std::panic::Location::caller(); let text = {SHOWN_PLAIN}\
             .replace('\\\\', \"\\\\\\\\\").replace('\\n', \"\\\\n\"); \
             println!(\"{{}}{{}} {{}} {{}} {{}}\", {TRY_MARK:?}, {NONCE}, place.line(), place.column(), text);"
        );
        for line in lines.iter_mut().skip(start).take(8) {
            if line.contains(ERROR) {
                *line = line.replace(ERROR, &report);
            } else if line.trim_start().starts_with("fn from(") {
                *line = line.replacen("fn from(", "#[track_caller] fn from(", 1);
            }
        }
    }
    use_prepared_store(&mut lines);
    let mut patched = lines.join("\n");
    patched.push('\n');
    patched
}

/// The forms of a patched source that are worth a trial, the one that knows most about errors first.
pub(super) fn conversions(patched: &str) -> Vec<String> {
    let Some(start) = patched.find(ANY_ERROR) else { return vec![patched.to_owned()] };
    let end = start + ANY_ERROR.len();
    let first = usize::from(has_texts(patched));
    let narrow = WITH_CAUSES[first..].iter().map(|(bound, text)| {
        let header = format!("impl<T: {bound}> From<T> for EvcxrUserCodeError {{");
        format!("{}{header}{}", &patched[..start], patched[end..].replacen(SHOWN_PLAIN, text, 1))
    });
    narrow.chain([patched.to_owned()]).collect()
}

/// Are some of the errors of this cell probably texts or boxes?
fn has_texts(patched: &str) -> bool {
    let (before, cell) = patched.split_at(patched.rfind(FUNCTION).unwrap_or(0));
    let returns_text = |at: usize| {
        let Some(function) = before[..at].rfind("fn ") else { return false };
        let name = before[function + 3..].split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
        name.is_some_and(|name| mentions(cell, name))
    };
    TEXT_CALLS.iter().any(|text| cell.contains(text))
        || TEXT_TYPES.iter().any(|text| before.match_indices(text).any(|(at, _)| returns_text(at)))
}

/// May a wider conversion help, by what the compiler said of a narrower one?
pub(super) fn is_about_conversion(messages: &str) -> bool {
    messages.lines().any(|message| {
        let about = ["EvcxrUserCodeError", "'static", "not live long enough"].iter().any(|text| message.contains(text));
        // No conversion makes a result of an `Option`.
        about && !message.contains("operator can only be used on")
    })
}

/// When a cell moves a variable that it made, evcxr compiles it again with the value as debug text. This shows the value as
/// ever; `None` when there is nothing to change.
pub(super) fn show_value(source: &str) -> Option<String> {
    const OPEN: &str = "evcxr_send_text_plain(&format!(\"{:?}\",&(";
    let mut lines: Vec<&str> = source.lines().collect();
    let open = lines.iter().rposition(|line| *line == OPEN)?;
    let close = open + lines.get(open..)?.iter().position(|line| *line == ")));")?;
    lines[open] = "(";
    lines[close] = ").evcxr_display();";
    Some(lines.join("\n") + "\n")
}

/// The store is compiled once, in the prelude; the copy in the cell becomes empty lines.
fn use_prepared_store(lines: &mut [String]) {
    let Some(start) = lines.iter().position(|line| line == STORE[0]) else { return };
    let Some(last) = lines.iter().skip(start).position(|line| line.starts_with(STORE[1])) else { return };
    // The function and the module end by a bracket in the first column.
    let mut ends = lines.iter().enumerate().skip(start + last).filter(|(_, line)| *line == "}").map(|(at, _)| at);
    let (Some(_), Some(end)) = (ends.next(), ends.next()) else { return };
    for line in &mut lines[start..=end] {
        line.clear();
    }
    lines[start].push_str("use ::lathe::display::cell::store as evcxr_internal_runtime;");
}

/// Reads `line column text` back.
pub(super) fn parse_try(message: &str) -> Option<(u32, u32, String)> {
    let mut parts = message.splitn(3, ' ');
    let line = parts.next()?.parse().ok()?;
    let column = parts.next()?.parse().ok()?;
    let mut text = String::new();
    let mut chars = parts.next()?.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    Some((line, column, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_where_they_are() {
        let source = "fn a() {}\npub extern \"C\" fn run_user_code_1(\nevcxr_variable_store: *mut u8) -> *mut u8 {\n\
                      if std::panic::catch_unwind(||{\n1\n}).is_err() {\n}\nevcxr_variable_store\n}\n";
        let patched = patch(source);
        assert_eq!(patched.lines().count(), source.lines().count());
        let at = |n: usize| patched.lines().nth(n - 1).unwrap().to_owned();
        assert!(at(3).contains("cell::enter(") && at(3).contains("LATHE-RUN"));
        assert_eq!(at(5), "1");
        assert!(at(8).contains("leave(") && at(8).contains("LATHE-END") && at(8).ends_with(END));
    }

    #[test]
    fn the_store_of_the_prelude_is_used() {
        let source = "mod evcxr_internal_runtime {\npub struct VariableStore {\n}\nimpl VariableStore {\n}\n\
                      pub fn create_variable_store() -> *mut VariableStore {\nnew()\n}\n}\nfn after() {\n}\n";
        let patched = patch(source);
        assert_eq!(patched.lines().count(), source.lines().count());
        assert!(patched.starts_with("use ::lathe::display::cell::store as evcxr_internal_runtime;\n\n"), "{patched}");
        assert!(patched.ends_with("\n\nfn after() {\n}\n"), "{patched}");
        let other = "mod evcxr_internal_runtime {\npub fn something_else() {}\n}\n";
        assert_eq!(patch(other), other);
    }

    #[test]
    fn an_early_return_tells_its_place() {
        let source = "impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {\n    fn from(error: T) -> Self {\n\
                      eprintln!(\"{}\", error);\n";
        let patched = patch(source);
        assert!(patched.contains("#[track_caller] fn from(") && patched.contains("Location::caller()"));
        assert!(!patched.contains("eprintln!"));
    }

    #[test]
    fn causes_are_asked_for_first() {
        let source = "fn before() {}\nimpl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {\n    \
                      fn from(error: T) -> Self {\neprintln!(\"{}\", error);\n}\n}\nwidth()?;\n";
        let forms = conversions(&patch(source));
        assert_eq!(forms.len(), 3);
        assert!(forms[0].contains("Error + 'static> From<T>") && forms[0].contains("early::error(&error)"));
        assert!(forms[1].contains("Display + 'static> From<T>") && forms[1].contains("early::boxed(&error)"));
        assert!(forms[2].contains(ANY_ERROR) && forms.iter().all(|form| form.lines().count() == 7));
        // What an item does with its own errors is no matter, what it returns is.
        let with_item = |item: &str| format!("{item}\npub extern \"C\" fn run_user_code_3(\n{source}");
        assert!(!has_texts(&with_item("fn width() -> Result<i32, Wide> { f().map_err(|e| Wide(e)) }")));
        assert!(has_texts(&with_item("fn width() -> Result<i32, Box<dyn Error>> { f() }")));
        assert!(!has_texts(&with_item("fn height() -> Result<i32, Box<dyn Error>> { f() }")));
        // A text is no error: the first form would be compiled in vain.
        let forms = conversions(&patch(&source.replace("width()?", "x.ok_or(\"no width\")?")));
        assert_eq!(forms.len(), 2);
        assert_eq!(conversions("1 + 1"), ["1 + 1"]);
    }

    #[test]
    fn a_value_that_evcxr_would_debug_is_shown() {
        let source = "let a = 1;\nevcxr_send_text_plain(&format!(\"{:?}\",&(\nfigure(a)?\n)));\n}\n";
        assert_eq!(show_value(source).as_deref(), Some("let a = 1;\n(\nfigure(a)?\n).evcxr_display();\n}\n"));
        assert_eq!(show_value("let a = 1;\n(\na\n).evcxr_display();\n"), None);
    }

    #[test]
    fn texts_of_errors_come_back() {
        assert_eq!(parse_try("3 14 no \\\\ file\\nhere"), Some((3, 14, String::from("no \\ file\nhere"))));
        assert_eq!(parse_try("x"), None);
    }
}
