//! Contents of the replies that need no engine.

use super::{Completeness, Message, history::History, message};
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
        ],
    })
}

pub(super) fn is_complete(answer: Completeness) -> Value {
    match answer {
        Completeness::Complete => json!({"status": "complete"}),
        Completeness::Incomplete(indent) => json!({"status": "incomplete", "indent": indent}),
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
