//! Sources as rust-analyzer needs them: declarations without what stands in functions.
//!
//! rust-analyzer answers which type a variable has and what can be called on it from signatures alone, but it reads, parses
//! and expands whole files of the standard library, polars and dfdx before the first answer. Without bodies, private
//! functions, methods that only fulfil a trait, tests and comments that is a small part of the work. Documentation stays.

mod macros;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::ops::Range;

/// Attributes that say nothing about names, types or documentation.
const IDLE_ATTRIBUTES: [&str; 15] = [
    "stable",
    "rustc_const_stable",
    "rustc_const_unstable",
    "rustc_on_unimplemented",
    "rustc_inherit_overflow_checks",
    "rustc_diagnostic_item",
    "diagnostic",
    "inline",
    "must_use",
    "allow",
    "expect",
    "warn",
    "deny",
    "cold",
    "track_caller",
];
/// A table with more tokens is emptied.
const TABLE: usize = 32;

/// A source file without what no question is about; `None` when it is not Rust as this program knows it.
pub(super) fn skeleton(source: &str, keep_const_fns: bool) -> Option<String> {
    // Otherwise every text that this thread ever parsed is kept.
    proc_macro2::extra::invalidate_current_thread_spans();
    let tokens: TokenStream = source.parse().ok()?;
    let mut writer = Writer { source, out: String::with_capacity(source.len() / 3), end: 0, keep_const_fns };
    writer.items(&list(tokens), Place::Module);
    Some(writer.out)
}

/// Where items stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Module,
    /// `impl Type`.
    Inherent,
    /// `impl Trait for Type`: the trait says what its functions are.
    Fulfilment,
    Trait,
}

struct Writer<'a> {
    source: &'a str,
    out: String,
    /// Where the last written token ended in the source.
    end: usize,
    keep_const_fns: bool,
}

fn list(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

fn is(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// Number of tokens of an attribute or a comment of documentation at the start; 0 when there is none.
fn attribute(tokens: &[TokenTree]) -> usize {
    if !is_punct(tokens.first(), '#') {
        return 0;
    }
    let inner = usize::from(is_punct(tokens.get(1), '!'));
    if group(tokens.get(1 + inner), Delimiter::Bracket).is_some() { 2 + inner } else { 0 }
}

/// Position of the body: the first pair of braces that is no argument of a type, or of the semicolon in its place.
fn body(tokens: &[TokenTree]) -> Option<usize> {
    (0..tokens.len()).find(|at| match &tokens[*at] {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let before = at.checked_sub(1).and_then(|before| tokens.get(before));
            let opens = is_punct(before, '<') || is_punct(before, ',') || is_punct(before, '=');
            let closes = is_punct(tokens.get(at + 1), '>') || is_punct(tokens.get(at + 1), ',');
            !(opens && closes)
        }
        _ => false,
    })
}

/// Does `impl ... {` fulfil a trait? The `for` of `for<'a>` does not count.
fn fulfils(head: &[TokenTree]) -> bool {
    head.windows(2).any(|pair| is(Some(&pair[0]), "for") && !is_punct(Some(&pair[1]), '<'))
}

impl Writer<'_> {
    fn raw(&mut self, range: Range<usize>) {
        if range.start != self.end && !self.out.ends_with('\n') {
            self.out.push(' ');
        }
        self.out.push_str(&self.source[range.clone()]);
        self.end = range.end;
    }

    /// Text that is not in the source.
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        // What follows is never joined to it.
        self.end = usize::MAX;
    }

    /// The comment that stands in the source where the parser gives `#[doc = "..."]`.
    fn comment(&self, token: &TokenTree) -> Option<Range<usize>> {
        let range = token.span().byte_range();
        self.source.get(range.clone()).filter(|text| text.starts_with("//") || text.starts_with("/*")).map(|_| range)
    }

    /// An attribute, if it matters.
    fn attribute(&mut self, tokens: &[TokenTree]) {
        if let Some(range) = self.comment(&tokens[0]) {
            self.raw(range);
            self.out.push('\n');
            return;
        }
        let Some(TokenTree::Group(content)) = tokens.last() else { return };
        let inner = tokens.len() > 2;
        let idle = match content.stream().into_iter().next() {
            Some(TokenTree::Ident(name)) => IDLE_ATTRIBUTES.iter().any(|idle| name == idle),
            _ => false,
        };
        if inner || !idle {
            tokens.iter().for_each(|token| self.copy(token));
        }
    }

    fn copy(&mut self, token: &TokenTree) {
        match token {
            TokenTree::Group(group) => self.around(group, |writer| writer.plain(&list(group.stream()))),
            other => self.raw(other.span().byte_range()),
        }
    }

    fn around(&mut self, group: &Group, inside: impl FnOnce(&mut Self)) {
        self.raw(group.span_open().byte_range());
        inside(self);
        self.raw(group.span_close().byte_range());
    }

    /// Tokens as they are, but for attributes without a meaning.
    fn plain(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            match attribute(&tokens[at..]) {
                0 => {
                    self.copy(&tokens[at]);
                    at += 1;
                }
                length => {
                    self.attribute(&tokens[at..at + length]);
                    at += length;
                }
            }
        }
    }

    fn items(&mut self, tokens: &[TokenTree], place: Place) {
        let mut at = 0;
        while at < tokens.len() {
            at += self.item(&tokens[at..], place).max(1);
        }
    }

    /// Writes the item at the start, if it matters; how many tokens it has.
    fn item(&mut self, tokens: &[TokenTree], place: Place) -> usize {
        let mut at = 0;
        let (mut test, mut special) = (false, false);
        while let length @ 1.. = attribute(&tokens[at..]) {
            if length > 2 {
                // About the file.
                self.attribute(&tokens[at..at + length]);
                return at + length;
            }
            if self.comment(&tokens[at]).is_none() {
                let text = tokens[at + 1].to_string();
                let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                test |= text == "[cfg(test)]" || text == "[test]";
                special |= text.starts_with("[lang=") || text.contains("builtin") || text.contains("intrinsic");
            }
            at += length;
        }
        let attributes = at;
        let (mut public, mut constant) = (false, false);
        if is(tokens.get(at), "pub") {
            at += 1;
            let restricted = group(tokens.get(at), Delimiter::Parenthesis).is_some();
            public = !restricted;
            at += usize::from(restricted);
        }
        loop {
            let next = tokens.get(at + 1);
            let literal = matches!(next, Some(TokenTree::Literal(_)));
            let leads = |token: Option<&TokenTree>| {
                ["fn", "unsafe", "async", "extern", "trait", "impl"].iter().any(|name| is(token, name))
            };
            let word = |name: &str| is(tokens.get(at), name);
            if word("extern") && literal && is(tokens.get(at + 2), "fn") {
                at += 2;
            } else if (word("const") || word("extern")) && leads(next) {
                constant |= word("const");
                at += 1;
            } else if ["default", "async", "unsafe", "safe", "auto"].iter().any(|name| word(name))
                && matches!(next, Some(TokenTree::Ident(_)))
            {
                at += 1;
            } else {
                break;
            }
        }
        let keyword = match tokens.get(at) {
            Some(TokenTree::Ident(name)) => name.to_string(),
            _ => String::new(),
        };
        let rest = &tokens[at..];
        let whole = |end: Option<usize>| end.map_or(tokens.len(), |end| at + end + 1);
        match keyword.as_str() {
            "fn" => {
                let end = body(rest);
                let length = whole(end);
                let unseen = match place {
                    Place::Module | Place::Inherent => !public,
                    Place::Fulfilment => true,
                    Place::Trait => false,
                };
                if special || !(unseen || test) {
                    self.plain(&tokens[..attributes]);
                    let signature = attributes..at + end.unwrap_or(rest.len());
                    tokens[signature].iter().for_each(|token| self.copy(token));
                    match end.map(|end| &rest[end]) {
                        Some(TokenTree::Group(block)) if constant && self.keep_const_fns => {
                            self.copy(&TokenTree::Group(block.clone()));
                        }
                        Some(TokenTree::Group(_)) => self.text("{}\n"),
                        _ => self.text(";\n"),
                    }
                }
                length
            }
            "impl" | "trait" | "mod" => {
                let end = body(rest);
                let length = whole(end);
                if test {
                    return length;
                }
                self.plain(&tokens[..attributes]);
                let head = &tokens[attributes..at + end.unwrap_or(rest.len())];
                head.iter().for_each(|token| self.copy(token));
                let inside = match keyword.as_str() {
                    "mod" => Place::Module,
                    "trait" => Place::Trait,
                    _ if fulfils(head) => Place::Fulfilment,
                    _ => Place::Inherent,
                };
                match end.map(|end| &rest[end]) {
                    Some(TokenTree::Group(block)) => {
                        let content = list(block.stream());
                        self.around(block, |writer| writer.items(&content, inside));
                        self.out.push('\n');
                    }
                    _ => self.text(";\n"),
                }
                length
            }
            "macro_rules" if is_punct(rest.get(1), '!') => {
                self.plain(&tokens[..at]);
                let length = rest.iter().position(|token| matches!(token, TokenTree::Group(_)));
                for token in rest.iter().take(length.map_or(rest.len(), |length| length + 1)) {
                    match token {
                        TokenTree::Group(rules) => self.around(rules, |writer| writer.rules(&list(rules.stream()))),
                        other => self.copy(other),
                    }
                }
                self.out.push('\n');
                whole(length)
            }
            "macro" => {
                self.plain(&tokens[..at]);
                let length = rest.iter().position(|token| group(Some(token), Delimiter::Brace).is_some());
                rest.iter().take(length.map_or(rest.len(), |length| length + 1)).for_each(|token| self.copy(token));
                self.out.push('\n');
                whole(length)
            }
            "const" | "static" => {
                let length = rest.iter().position(|token| is_punct(Some(token), ';'));
                if test {
                    return whole(length);
                }
                self.plain(&tokens[..at]);
                let mut value = false;
                for token in rest.iter().take(length.map_or(rest.len(), |length| length + 1)) {
                    value |= is_punct(Some(token), '=');
                    match group(Some(token), Delimiter::Bracket) {
                        Some(table) if value && table.stream().into_iter().count() > TABLE => {
                            self.around(table, |_| {});
                        }
                        _ => self.copy(token),
                    }
                }
                self.out.push('\n');
                whole(length)
            }
            "use" | "type" | "struct" | "enum" | "union" => {
                let length = match keyword.as_str() {
                    "use" | "type" => whole(rest.iter().position(|token| is_punct(Some(token), ';'))),
                    _ => whole(body(rest)),
                };
                if !test {
                    self.plain(&tokens[..length]);
                    self.out.push('\n');
                }
                length
            }
            _ => {
                // A call of a macro, whose text is often that of items.
                let call = rest.iter().position(|token| matches!(token, TokenTree::Group(_)));
                let path = call.is_some_and(|call| {
                    rest[..call].iter().any(|token| is_punct(Some(token), '!'))
                        && !rest[..call].iter().any(|token| is_punct(Some(token), ';'))
                });
                if let (Some(call), true) = (call, path) {
                    self.plain(&tokens[..at]);
                    for token in &rest[..=call] {
                        match token {
                            TokenTree::Group(text) => {
                                self.around(text, |writer| writer.pattern(&list(text.stream()), false))
                            }
                            other => self.copy(other),
                        }
                    }
                    return at + call + 1;
                }
                self.plain(&tokens[..(at + 1).min(tokens.len())]);
                at + 1
            }
        }
    }
}

#[cfg(test)]
mod tests;
