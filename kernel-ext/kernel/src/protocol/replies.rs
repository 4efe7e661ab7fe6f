//! Contents of replies.

use super::text::char_offset;
use super::{Message, history::History, message};
use crate::ansi::{END, RED};
use crate::api::{CellError, Completion, Match};
use crate::engine::Completeness;
use lathe_events::frame::Bundle;
use serde_json::{Value, json};

pub(super) fn kernel_info(rust_version: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "status": "ok",
        "protocol_version": message::VERSION,
        "implementation": "lathe",
        "implementation_version": version,
        "language_info": {
            "name": "rust",
            "version": rust_version,
            "mimetype": "text/x-rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "script",
        },
        "banner": format!("Lathe {version}: Rust {rust_version} for Jupyter. Variables live on from cell to cell; `:help` lists commands."),
        "debugger": false,
        "supported_features": [],
        "help_links": [
            {"text": "The Rust Book", "url": "https://doc.rust-lang.org/book/"},
            {"text": "Rust's standard library", "url": "https://doc.rust-lang.org/std/"},
            {"text": "Rust by Example", "url": "https://doc.rust-lang.org/rust-by-example/"},
            {"text": "dfdx (tensors, networks)", "url": "https://docs.rs/dfdx/0.13"},
            {"text": "polars (data frames)", "url": "https://docs.rs/polars/0.55"},
            {"text": "plotters (figures)", "url": "https://docs.rs/plotters"},
        ],
    })
}

/// A refusal in the debug adapter protocol's form.
pub(super) fn no_debugger(request: &Message) -> Value {
    let field = |name: &str| request.content.get(name).cloned().unwrap_or(Value::Null);
    let why = "this kernel has no debugger: print values, or debug the code in a program of its own";
    json!({
        "status": "error", "ename": "NotSupported", "evalue": why, "traceback": [],
        "type": "response", "seq": 0, "request_seq": field("seq"), "command": field("command"), "success": false, "message": why,
    })
}

pub(super) fn is_complete(answer: Completeness) -> Value {
    match answer {
        Completeness::Complete => json!({"status": "complete"}),
        Completeness::Incomplete { indent } => json!({"status": "incomplete", "indent": indent}),
        Completeness::Invalid => json!({"status": "invalid"}),
    }
}

pub(super) fn history(history: &History, request: &Message) -> Value {
    json!({"status": "ok", "history": history.answer(request)})
}

/// The answer when the engine cannot be asked: nothing to complete.
pub(super) fn no_completion(request: &Message) -> Value {
    let cursor = request.number("cursor_pos").unwrap_or(0);
    json!({"status": "ok", "matches": [], "cursor_start": cursor, "cursor_end": cursor, "metadata": {}})
}

/// The answer when nothing is known, or the engine cannot be asked.
pub(super) fn not_found() -> Value {
    json!({"status": "ok", "found": false, "data": {}, "metadata": {}})
}

/// A failure of the kernel's own, with lines that say what to do.
pub(super) fn error(ename: &str, evalue: &str, further: &[&str]) -> CellError {
    let mut traceback = vec![format!("{RED}{ename}{END}: {evalue}")];
    traceback.extend(further.iter().map(|&line| line.to_owned()));
    CellError { ename: ename.to_owned(), evalue: evalue.to_owned(), traceback }
}

/// Content of `execute_reply` for a cell that ran.
pub(super) fn ok_reply(count: u64) -> Value {
    json!({"status": "ok", "execution_count": count, "payload": [], "user_expressions": {}})
}

/// Content of `execute_reply` for a cell that failed.
pub(super) fn error_reply(error: &CellError, count: u64) -> Value {
    let CellError { ename, evalue, traceback } = error;
    json!({"status": "error", "execution_count": count, "ename": ename, "evalue": evalue, "traceback": traceback,
        "payload": [], "user_expressions": {}})
}

/// The answer for one of the `user_expressions` that has no value.
pub(super) fn expression_error(error: &CellError) -> Value {
    let CellError { ename, evalue, traceback } = error;
    json!({"status": "error", "ename": ename, "evalue": evalue, "traceback": traceback})
}

/// Byte offsets become character offsets; kinds and signatures go where ipykernel puts them.
pub(super) fn completion_reply(request: &Message, completion: &Completion) -> Value {
    let code = request.text("code");
    let (start, end) = (char_offset(code, completion.start), char_offset(code, completion.end));
    let matches: Vec<&str> = completion.matches.iter().map(|found| found.text.as_str()).collect();
    let types: Vec<Value> = completion
        .matches
        .iter()
        .map(|Match { text, kind, signature }| {
            json!({"text": text, "type": kind, "signature": signature, "start": start, "end": end})
        })
        .collect();
    json!({
        "status": "ok",
        "matches": matches,
        "cursor_start": start,
        "cursor_end": end,
        "metadata": {"_jupyter_types_experimental": types},
    })
}

/// Content of `inspect_reply`.
pub(super) fn inspection_reply(found: Option<&Bundle>) -> Value {
    match found {
        Some(Bundle { data, metadata }) => json!({"status": "ok", "found": true, "data": data, "metadata": metadata}),
        None => not_found(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_tell_what_they_are_and_offsets_are_characters() {
        let content = json!({"code": "é.le"}).as_object().cloned().unwrap_or_default();
        let len = Match { text: "len".into(), kind: "function".into(), signature: "()".into() };
        let request = Message { content, ..Message::default() };
        let matches = vec![len, "left".into()];
        let reply = completion_reply(&request, &Completion { matches, start: 3, end: 5 });
        assert_eq!(reply["matches"], json!(["len", "left"]));
        assert_eq!((&reply["cursor_start"], &reply["cursor_end"]), (&json!(2), &json!(4)));
        let first = json!({"text": "len", "type": "function", "signature": "()", "start": 2, "end": 4});
        assert_eq!(reply["metadata"]["_jupyter_types_experimental"][0], first);
    }
}
