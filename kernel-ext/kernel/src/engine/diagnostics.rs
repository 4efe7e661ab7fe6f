//! The compiler's JSON messages, before evcxr sees them.
//!
//! A shape that does not fit is found when a generic function of the library is instantiated: the error then lies in the
//! library and only a note points to the cell. evcxr keeps what points to the cell, so the user would see the note alone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// Starts the note about the function whose constant is wrong.
pub(super) const CHECKED_IN: &str = "checked at compile time in ";
const INSTANTIATING: &str = "the above error was encountered while instantiating ";

/// In an engine's folder: what the compiler last had to say, and about which source.
const SAVED: &str = "diagnostics.json";
/// In an engine's folder: what it had to say about the source that ran.
const WARNINGS: &str = "warnings.json";
/// Warnings that a learner is told of; the others are noise in a notebook.
const TOLD: [&str; 7] = [
    "unused_must_use",
    "unreachable_code",
    "unconditional_recursion",
    "unused_comparisons",
    "for_loops_over_fallibles",
    "let_underscore_lock",
    "arithmetic_overflow",
];

/// The compiler's messages about a cell.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The source that the messages speak of.
    pub source: String,
    /// One message of JSON a line.
    pub messages: String,
}

/// Keeps the messages for the kernel: what evcxr passes on has lost the places of notes, suggestions and earlier cells.
///
/// After a failure evcxr may compile another form of the cell; if that one compiles, the failure stays the last word.
pub(super) fn save(folder: &Path, failed: bool, messages: &str) {
    let told = |message: &str| TOLD.iter().any(|lint| message.contains(&format!("\"code\":\"{lint}\"")));
    let messages: String =
        messages.lines().filter(|line| failed || told(line)).map(|line| format!("{line}\n")).collect();
    let file = folder.join(if failed { SAVED } else { WARNINGS });
    if messages.is_empty() {
        return;
    }
    let source = std::fs::read_to_string(folder.join("cell/lib.rs")).unwrap_or_default();
    let saved = Saved { source, messages };
    // Without it errors are shown as evcxr passes them on.
    let _ = serde_json::to_vec(&saved).map(|bytes| std::fs::write(file, bytes));
}

/// Forgets what was said about earlier cells.
pub(super) fn forget(folder: &Path) {
    for file in [SAVED, WARNINGS] {
        // It may not be there.
        let _ = std::fs::remove_file(folder.join(file));
    }
}

/// Why the source did not compile; since [`forget`].
pub(super) fn errors(folder: &Path) -> Option<Saved> {
    read(&folder.join(SAVED))
}

/// The warnings about the source that ran; since [`forget`].
pub(super) fn warnings(folder: &Path) -> Option<Saved> {
    read(&folder.join(WARNINGS))
}

fn read(file: &Path) -> Option<Saved> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Moves such an error to the place in the cell; all other lines stay as they are.
pub(super) fn rewrite(messages: &str) -> String {
    let mut lines: Vec<(String, Option<Value>)> = Vec::new();
    for line in messages.lines() {
        let message: Option<Value> = serde_json::from_str(line).ok();
        let what = message.as_ref().and_then(|m| m["message"].as_str()?.strip_prefix(INSTANTIATING));
        if let (Some(message), Some(what)) = (&message, what)
            && let Some((text, error)) = lines.iter_mut().rev().find_map(|(text, m)| Some((text, m.as_mut()?)))
            && move_error(error, message, what)
        {
            *text = error.to_string();
            continue;
        }
        // Only errors can be moved, and the notes about their constants say nothing more.
        let is_error = message.as_ref().is_some_and(|m| m["level"] == "error" && m["spans"] != json!([]));
        lines.push((line.to_owned(), message.filter(|_| is_error)));
    }
    lines.into_iter().map(|(line, _)| line + "\n").collect()
}

/// `false` when the error lies in the cell anyway.
fn move_error(error: &mut Value, note: &Value, what: &str) -> bool {
    let in_cell = |message: &Value| {
        message["spans"].as_array().is_some_and(|spans| {
            spans.iter().any(|span| span["file_name"].as_str().is_some_and(|file| file.ends_with("cell/lib.rs")))
        })
    };
    if in_cell(error) || !in_cell(note) {
        return false;
    }
    if let Some(text) = error["message"].as_str().and_then(|text| text.strip_prefix("evaluation panicked: ")) {
        error["message"] = json!(text);
    }
    error["spans"] = note["spans"].clone();
    if let Some(spans) = error["spans"].as_array_mut() {
        spans.iter_mut().for_each(|span| span["label"] = json!("this call asks for it"));
    }
    error["children"] = json!([{
        "message": format!("{CHECKED_IN}{}", what.trim_matches('`')),
        "level": "note", "code": null, "spans": [], "children": [], "rendered": null,
    }]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: &str, text: &str, file: &str) -> String {
        json!({ "message": text, "level": level, "children": [], "code": { "code": "E0080" },
            "spans": [{ "file_name": file, "line_start": 3, "is_primary": true, "label": null }] })
        .to_string()
    }

    #[test]
    fn an_error_inside_the_library_moves_to_the_call() {
        let input = [
            message("warning", "unused", "cell/lib.rs"),
            message("error", "evaluation panicked: 96 is not 100", "/rust/core/src/panic.rs"),
            message("note", "erroneous constant encountered", "lab/src/vae.rs"),
            message("note", "the above error was encountered while instantiating `fn flat::<100>`", "cell/lib.rs"),
        ]
        .join("\n");
        let output = rewrite(&input);
        let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1]["message"], "96 is not 100");
        assert_eq!(lines[1]["spans"][0]["file_name"], "cell/lib.rs");
        assert_eq!(lines[1]["children"][0]["message"], "checked at compile time in fn flat::<100>");
    }

    #[test]
    fn other_messages_stay() {
        let input = format!("{}\nnot json\n", message("error", "mismatched types", "cell/lib.rs"));
        assert_eq!(rewrite(&input), input);
        let note = message("note", "the above error was encountered while instantiating `fn f`", "cell/lib.rs");
        let both = format!("{input}{note}\n");
        assert_eq!(rewrite(&both), both);
    }
}
