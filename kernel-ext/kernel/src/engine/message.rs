//! One message of the compiler, read from its JSON.

use serde::Deserialize;

/// An error, a warning, or a note below one of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub message: String,
    pub code: Option<Code>,
    pub level: String,
    pub spans: Vec<Span>,
    pub children: Vec<Message>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Code {
    pub code: String,
}

/// A piece of a source file: 1-based lines and character columns, the end column exclusive.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Span {
    pub file_name: String,
    pub line_start: usize,
    pub line_end: usize,
    pub column_start: usize,
    pub column_end: usize,
    pub is_primary: bool,
    pub label: Option<String>,
    pub suggested_replacement: Option<String>,
    pub suggestion_applicability: Option<String>,
    pub expansion: Option<Box<Expansion>>,
}

/// Where a macro was called.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expansion {
    pub span: Span,
}

impl Span {
    /// The piece of the generated source: the span itself, or the call of the macro it lies in.
    pub fn local(&self) -> Option<&Self> {
        let mut span = self;
        loop {
            if span.file_name.ends_with("cell/lib.rs") {
                return Some(span);
            }
            span = &span.expansion.as_ref()?.span;
        }
    }

    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or_default()
    }
}

impl Message {
    /// All messages of one run of the compiler.
    pub fn read_all(lines: &str) -> Vec<Self> {
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn code(&self) -> &str {
        self.code.as_ref().map_or("", |code| &code.code)
    }

    pub fn primary(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.is_primary)
    }

    /// The texts in backticks of the message, in order: types, traits and names.
    pub fn quoted(&self) -> Vec<&str> {
        quoted(&self.message)
    }
}

/// The texts in backticks.
pub(super) fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_in_a_macro_is_its_call() {
        let line = r#"{"message":"m `A` is `B`","level":"error","code":{"code":"E0277","explanation":null},"children":[],
            "spans":[{"file_name":"/rust/macros.rs","line_start":9,"is_primary":true,"label":null,
            "expansion":{"span":{"file_name":"cell/lib.rs","line_start":3,"line_end":3,"column_start":5,"column_end":9}}}]}"#;
        let message = &Message::read_all(&line.replace('\n', ""))[0];
        assert_eq!((message.code(), message.quoted()), ("E0277", vec!["A", "B"]));
        assert_eq!(message.primary().unwrap().local().map(|span| span.line_start), Some(3));
        assert!(Span { file_name: String::from("other.rs"), ..Span::default() }.local().is_none());
    }
}
