//! A `?` at the top level of a cell.

use super::{Facts, Plain};

/// evcxr's type of what ends a cell early.
const CELLS_ERROR: &str = "EvcxrUserCodeError";

/// E0277: the value before the `?` is no result, or its error cannot be shown.
pub(super) fn at_top_level(facts: &Facts<'_>) -> Option<Plain> {
    let message = facts.message;
    let texts = || {
        let labels = message.spans.iter().map(super::super::message::Span::label);
        labels.chain(message.children.iter().map(|child| child.message.as_str())).chain([message.message.as_str()])
    };
    if !texts().any(|text| text.contains(CELLS_ERROR)) {
        return None;
    }
    if facts.names.contains(&"Option") || message.message.contains("`Option`") {
        return Some(Plain {
            title: String::from("`?` on an `Option`: a cell ends early only with an error, and `None` is none"),
            label: String::from("an `Option` comes before this `?`"),
            help: vec![
                String::from("say what is missing: `.ok_or(\"what is missing\")?`"),
                String::from("or go on without it: `.unwrap_or(..)`, `if let Some(x) = ..`"),
            ],
            ..Plain::default()
        });
    }
    let (error, what) = facts.bound.as_ref()?;
    (what.name() == "Display").then(|| Plain {
        title: format!("`?` ends the cell with this error, but {error} cannot be shown"),
        label: format!("an error of type {error}"),
        help: vec![
            format!("write `impl std::fmt::Display for {error}`, which says what went wrong"),
            String::from("or make a text of it: `.map_err(|error| format!(\"{error:?}\"))?`"),
        ],
        ..Plain::default()
    })
}
