//! Is the text of a console cell complete, or does the user want another line?

use proc_macro2::TokenStream;
use std::str::FromStr;
use syn::parse::Parser;

/// What a console does when the user presses Enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Run it.
    Complete,
    /// Ask for another line that starts with `indent`.
    Incomplete {
        /// Spaces.
        indent: String,
    },
    /// Run it, the error is not at the end.
    Invalid,
}

/// Tells whether `code` can be run, needs more lines or is wrong.
///
/// ```
/// use lathe_kernel::engine::{Completeness, is_complete};
/// assert_eq!(is_complete("1 + 1"), Completeness::Complete);
/// assert_eq!(is_complete("fn f() {"), Completeness::Incomplete { indent: "    ".into() });
/// assert_eq!(is_complete("let = = 3;"), Completeness::Invalid);
/// ```
pub fn is_complete(code: &str) -> Completeness {
    if code.len() > LONGEST_FOLLOWED {
        return Completeness::Complete;
    }
    let code = without_commands(code);
    match brackets(&code) {
        Brackets::Open(depth) => return Completeness::Incomplete { indent: "    ".repeat(depth.min(DEEPEST_INDENT)) },
        Brackets::Wrong => return Completeness::Invalid,
        Brackets::Closed => {}
    }
    // What is too long to be parsed here is the compiler's to judge.
    parsed_aside(&code, parsed).unwrap_or(Completeness::Complete)
}

fn parsed(code: &str) -> Completeness {
    let Ok(tokens) = TokenStream::from_str(code) else { return Completeness::Invalid };
    match parse(tokens) {
        Ok(_) => Completeness::Complete,
        Err(error) if error.to_string().contains("unexpected end of input") => {
            let indent = code.lines().next_back().unwrap_or_default();
            Completeness::Incomplete { indent: indent.chars().take_while(|c| *c == ' ').collect() }
        }
        Err(_) => Completeness::Invalid,
    }
}

/// Is this one Rust expression? Texts above 16 kB are not.
///
/// ```
/// assert!(lathe_kernel::engine::is_expression("v.len() + 1"));
/// assert!(!lathe_kernel::engine::is_expression("let v = 1;"));
/// ```
pub fn is_expression(code: &str) -> bool {
    parsed_aside(code, |code| syn::parse_str::<syn::Expr>(code).is_ok()).unwrap_or(false)
}

/// Brackets are followed up to this many bytes of code.
const LONGEST_FOLLOWED: usize = 1 << 20;
/// Code is parsed up to this many bytes: a parser that calls itself needs up to 10 kB of stack for a byte of `((((`.
const LONGEST_PARSED: usize = 16 << 10;
/// Levels of indentation, at most.
const DEEPEST_INDENT: usize = 40;

/// Parses on a stack that no nesting can exhaust (memory that is not touched costs nothing); `None` for too long a text.
fn parsed_aside<T: Send>(code: &str, parse: impl FnOnce(&str) -> T + Send) -> Option<T> {
    if code.len() > LONGEST_PARSED {
        return None;
    }
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("parser".into()).stack_size(LONGEST_PARSED * (16 << 10));
        parser.spawn_scoped(scope, || parse(code)).ok()?.join().ok()
    })
}

fn parse(tokens: TokenStream) -> syn::Result<Vec<syn::Stmt>> {
    let statements = |input: syn::parse::ParseStream<'_>| {
        input.call(syn::Attribute::parse_inner)?;
        input.call(syn::Block::parse_within)
    };
    statements.parse2(tokens)
}

/// The statements of a cell; `None` when it does not parse.
pub(super) fn statements(code: &str) -> Option<Vec<syn::Stmt>> {
    parse(TokenStream::from_str(&without_commands(code)).ok()?).ok()
}

/// Blanks the `:command` and `!shell` lines at the top, keeping the numbers of the other lines.
pub(super) fn without_commands(code: &str) -> String {
    let mut top = true;
    let mut lines = Vec::new();
    for line in code.lines() {
        let is_command = line.trim_start().starts_with(':') || line.starts_with('!');
        top &= is_command || line.trim().is_empty() || line.starts_with("//");
        lines.push(if top && is_command { "" } else { line });
    }
    lines.join("\n")
}

enum Brackets {
    Closed,
    /// Something is open: a bracket, a string or a comment, this deep.
    Open(usize),
    /// A bracket closes another one.
    Wrong,
}

/// Follows brackets, strings, characters and comments to the end.
fn brackets(code: &str) -> Brackets {
    let chars: Vec<char> = code.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut open = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => match end_of_comment(&chars, i) {
                Some(end) => i = end,
                None => return Brackets::Open(open.len()),
            },
            '"' => match end_of_string(&chars, i) {
                Some(end) => i = end,
                None => return Brackets::Open(open.len()),
            },
            'r' if (at(i + 1) == '"' || at(i + 1) == '#') && !part_of_name(&chars, i) => match end_of_raw(&chars, i) {
                Some(Some(end)) => i = end,
                Some(None) => return Brackets::Open(open.len()),
                None => {}
            },
            '\'' => i = end_of_char(&chars, i),
            c @ ('(' | '[' | '{') => open.push(c),
            c @ (')' | ']' | '}') => {
                let expected = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(expected) {
                    return Brackets::Wrong;
                }
            }
            _ => {}
        }
        i += 1;
    }
    if open.is_empty() { Brackets::Closed } else { Brackets::Open(open.len()) }
}

/// `br"..."` and `cr"..."` are raw strings, `for"` is not.
fn part_of_name(chars: &[char], i: usize) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    match i.checked_sub(1).map(|j| chars[j]) {
        Some('b' | 'c') => i >= 2 && is_name(chars[i - 2]),
        Some(c) => is_name(c),
        None => false,
    }
}

/// Index of the last character of a comment that starts at `i`.
fn end_of_comment(chars: &[char], i: usize) -> Option<usize> {
    let mut depth = 0;
    let mut j = i;
    while j + 1 < chars.len() {
        match (chars[j], chars[j + 1]) {
            ('/', '*') => (depth, j) = (depth + 1, j + 2),
            ('*', '/') if depth == 1 => return Some(j + 1),
            ('*', '/') => (depth, j) = (depth - 1, j + 2),
            _ => j += 1,
        }
    }
    None
}

fn end_of_string(chars: &[char], i: usize) -> Option<usize> {
    let mut j = i + 1;
    while j < chars.len() {
        match chars[j] {
            '\\' => j += 1,
            '"' => return Some(j),
            _ => {}
        }
        j += 1;
    }
    None
}

/// `None`: not a raw string; `Some(None)`: it does not end.
fn end_of_raw(chars: &[char], i: usize) -> Option<Option<usize>> {
    let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
    let start = i + 1 + hashes;
    if chars.get(start) != Some(&'"') {
        return None;
    }
    let closes =
        |j: usize| chars[j] == '"' && chars[j + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    Some((start + 1..chars.len()).find(|&j| closes(j)).map(|j| j + hashes))
}

/// A character literal is skipped, a lifetime is only its quote.
fn end_of_char(chars: &[char], i: usize) -> usize {
    match chars.get(i + 1) {
        Some('\\') => (i + 3..chars.len()).find(|&j| chars[j] == '\'').unwrap_or(i),
        Some(_) if chars.get(i + 2) == Some(&'\'') => i + 2,
        _ => i,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_cells() {
        for code in [
            "1 + 1",
            "fn f() -> i32 { 2 }",
            "let x = 3;",
            "",
            "// only a comment",
            ":dep itertools = \"0.14\"\nlet c = '{';",
            "let s = r#\"{\"#; let l: &'static str = \"}\"; let q = '\\'';",
            "/* { /* ( */ */ use std::fs;\nfor i in 0..3 { println!(\"{i}\") }\n#[derive(Debug)] struct A;",
        ] {
            assert_eq!(is_complete(code), Completeness::Complete, "{code}");
        }
    }

    #[test]
    fn cells_that_go_on() {
        for (code, indent) in [
            ("fn f() {", 4),
            ("let v = vec![1,", 4),
            ("println!(\"a", 4),
            ("if a {\n    match b {", 8),
            ("let x =", 0),
            ("/* not yet", 0),
            ("let s = r##\"a\"#", 0),
            ("    a.iter().", 4),
        ] {
            assert_eq!(is_complete(code), Completeness::Incomplete { indent: " ".repeat(indent) }, "{code}");
        }
    }

    #[test]
    fn nesting_and_length_do_no_harm() {
        let deep = LONGEST_PARSED / 2;
        for code in [
            format!("{}{}", "(".repeat(deep), ")".repeat(deep)),
            format!("{}1", "!".repeat(2 * deep - 1)),
            format!("{}1", "- ".repeat(deep - 1)),
            "|a|".repeat(deep / 2) + "1",
            "a=".repeat(deep - 1) + "a",
            "if a {} else ".repeat(1000) + "{}",
            format!("let a: {}T = b;", "&".repeat(2 * deep - 20)),
        ] {
            assert!(code.len() <= LONGEST_PARSED);
            assert_ne!(is_complete(&code), Completeness::Incomplete { indent: String::new() }, "{}", &code[..20]);
            is_expression(&code);
        }
        assert_eq!(is_complete(&"(".repeat(LONGEST_FOLLOWED)), Completeness::Incomplete { indent: " ".repeat(160) });
        assert_eq!(is_complete(&"(".repeat(LONGEST_FOLLOWED + 1)), Completeness::Complete);
        assert_eq!(is_complete(&"a; ".repeat(LONGEST_PARSED)), Completeness::Complete);
        assert!(is_expression("Point { x: 1 }.x") && !is_expression("let x = 1;") && !is_expression(""));
    }

    #[test]
    fn cells_that_are_wrong() {
        for code in ["let = = 3;", "fn 5x() {}", "let v = [1);", "}"] {
            assert_eq!(is_complete(code), Completeness::Invalid, "{code}");
        }
    }
}
