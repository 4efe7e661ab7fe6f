//! Completion and inspection by evcxr's rust-analyzer.

use crate::api::{Answer, Completion, Match, Question};
use evcxr::CommandContext;
use lathe_events::frame::Bundle;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Answers with what the context knows; with nothing when its code fails.
pub(super) fn answer(context: &mut CommandContext, question: &Question) -> Answer {
    match question {
        Question::Complete { code, cursor } => {
            let cursor = code.floor_char_boundary(*cursor);
            let found = catch_unwind(AssertUnwindSafe(|| context.completions(code, cursor)));
            let found = found.ok().and_then(Result::ok).filter(|found| !found.completions.is_empty());
            let nothing = Completion { matches: Vec::new(), start: cursor, end: cursor };
            Answer::Completion(found.map_or(nothing, |found| completion(context, found)))
        }
        Question::Inspect { code, cursor } => {
            let found = inspected(code, code.floor_char_boundary(*cursor)).and_then(|end| {
                let found = catch_unwind(AssertUnwindSafe(|| context.hover_at(code, end)));
                found.ok().and_then(Result::ok)
            });
            let known = |text: &str| !text.trim().is_empty() && text != "No documentation found";
            let found = found.filter(|(plain, _)| known(plain));
            Answer::Inspection(found.map(|(plain, html)| Bundle::text(plain).with("text/html", html)))
        }
    }
}

fn completion(context: &CommandContext, found: evcxr::Completions) -> Completion {
    let types: std::collections::HashMap<&str, &str> = context.variables_and_types().collect();
    let mut seen = HashSet::new();
    let mut matches = Vec::new();
    for item in found.completions {
        // Names without the brackets of a call, as other kernels answer; front ends insert them as they are.
        let (name, rest) = match item.code.find(['(', '[', '{', '<', ' ']) {
            Some(at) if !item.code.starts_with(':') => item.code.split_at(at),
            _ => (item.code.as_str(), ""),
        };
        if name.is_empty() || !seen.insert(name.to_owned()) {
            continue;
        }
        let mut signature = if rest.starts_with('(') { rest.trim_end_matches(';').to_owned() } else { String::new() };
        if item.kind == "instance"
            && let Some(ty) = types.get(name)
        {
            signature = format!(": {ty}");
        }
        matches.push(Match { text: name.to_owned(), kind: item.kind.to_owned(), signature });
    }
    Completion { matches, start: found.start_offset, end: found.end_offset }
}

/// End of the name that a question at `cursor` is about: the word there, or the function whose arguments are written.
fn inspected(code: &str, cursor: usize) -> Option<usize> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let end = cursor + code[cursor..].find(|c| !is_name(c)).unwrap_or(code.len() - cursor);
    if code[..end].ends_with(is_name) {
        return Some(end);
    }
    // Back to the bracket that is open at the cursor.
    let mut depth = 0;
    for (at, c) in code[..cursor].char_indices().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth > 0 => depth -= 1,
            '(' => {
                let name = code[..at].trim_end_matches('!');
                // A turbofish is not the name.
                return name.ends_with(is_name).then_some(name.len());
            }
            '[' | '{' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_about_the_word_or_the_call() {
        let about = |text: &str| {
            let cursor = text.find('|').unwrap();
            let code = text.replace('|', "");
            inspected(&code, cursor).map(|end| code[..end].to_owned())
        };
        assert_eq!(about("String::n|ew()").as_deref(), Some("String::new"));
        assert_eq!(about("größe.le|").as_deref(), Some("größe.le"));
        assert_eq!(about("v.push(|)").as_deref(), Some("v.push"));
        assert_eq!(about("f(g(1), |2)").as_deref(), Some("f(g(1), 2"));
        assert_eq!(about("f(g(1), |)").as_deref(), Some("f"));
        assert_eq!(about("println!(|)").as_deref(), Some("println"));
        assert_eq!(about("{ |}"), None);
        assert_eq!(about("|"), None);
    }
}
