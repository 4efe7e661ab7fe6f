//! Text of macros: what a macro writes becomes items only in rust-analyzer, so nothing is known of the place where it stands.

use super::{Place, Writer, attribute, body, fulfils, group, is, is_punct, list};
use proc_macro2::{Delimiter, TokenTree};

impl Writer<'_> {
    /// The rules of a macro: only what it writes is shortened.
    pub(super) fn rules(&mut self, tokens: &[TokenTree]) {
        let mut written = false;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(text) if written => {
                    self.around(text, |writer| writer.pattern(&list(text.stream()), false));
                    written = false;
                }
                other => self.copy(other),
            }
            written |= is_punct(Some(token), '>') && is_punct(at.checked_sub(1).and_then(|at| tokens.get(at)), '=');
        }
    }

    /// Text of a macro: functions lose their bodies, fulfilments of traits their functions, long documentation its
    /// examples. `repeated`: it stands in `$(...)*`.
    pub(super) fn pattern(&mut self, tokens: &[TokenTree], repeated: bool) {
        let mut at = 0;
        let mut in_examples = false;
        while at < tokens.len() {
            let length = attribute(&tokens[at..]);
            if length > 0 {
                let attribute = &tokens[at..at + length];
                at += length;
                let doc = self.comment(&attribute[0]);
                let is_doc = doc.is_some()
                    || matches!(attribute.last(), Some(TokenTree::Group(content))
                        if is(content.stream().into_iter().next().as_ref(), "doc"));
                if let Some(range) = doc {
                    in_examples |= self.source[range].trim_start_matches(['/', ' ', '!']).starts_with("# Example");
                }
                if !(is_doc && in_examples) {
                    self.attribute(attribute);
                }
                continue;
            }
            let before = at.checked_sub(1).and_then(|before| tokens.get(before));
            let token = &tokens[at];
            let starts_item = match before {
                None | Some(TokenTree::Group(_)) => true,
                Some(TokenTree::Punct(punct)) => punct.as_char() == ';' || punct.as_char() == '*',
                Some(TokenTree::Ident(word)) => word == "unsafe" || word == "default" || word == "const",
                Some(TokenTree::Literal(_)) => false,
            };
            in_examples = false;
            if is(Some(token), "impl")
                && starts_item
                && let Some(end) = body(&tokens[at..])
                && let Some(block) = group(tokens.get(at + end), Delimiter::Brace)
            {
                let head = &tokens[at..at + end];
                head.iter().for_each(|token| self.copy(token));
                let content = list(block.stream());
                let plain = !content.iter().any(|token| is_punct(Some(token), '$'));
                self.around(block, |writer| {
                    if fulfils(head) && plain {
                        writer.items(&content, Place::Fulfilment);
                    } else {
                        writer.pattern(&content, false);
                    }
                });
                at += end + 1;
                continue;
            }
            let named = matches!(tokens.get(at + 1), Some(TokenTree::Ident(_))) || is_punct(tokens.get(at + 1), '$');
            if is(Some(token), "fn")
                && named
                && let Some(end) = body(&tokens[at..])
                && let Some(block) = group(tokens.get(at + end), Delimiter::Brace)
            {
                let signature = &tokens[at..at + end];
                signature.iter().for_each(|token| self.copy(token));
                let holds = |tokens: &[TokenTree]| tokens.iter().any(|token| token.to_string().contains('$'));
                let constant =
                    self.keep_const_fns && at > 0 && tokens[..at].iter().rev().take(3).any(|t| is(Some(t), "const"));
                if constant || (repeated && !holds(signature) && holds(&list(block.stream()))) {
                    self.copy(&TokenTree::Group(block.clone()));
                } else {
                    self.text("{}");
                }
                at += end + 1;
                continue;
            }
            match token {
                TokenTree::Group(inner) => {
                    let repeats = is_punct(before, '$');
                    self.around(inner, |writer| writer.pattern(&list(inner.stream()), repeated || repeats));
                }
                other => self.copy(other),
            }
            at += 1;
        }
    }
}
