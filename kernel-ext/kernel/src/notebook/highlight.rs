//! Colours for Rust source in HTML: a small lexer that knows where comments, strings and words end.

use super::html::escape;

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn",
    "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "Self",
    "static", "struct", "super", "trait", "true", "type", "unsafe", "use", "where", "while",
];

/// The source as HTML, with `<span class="k|s|c|n|m|t|l">` for keywords, strings, comments, numbers, macros, types, lifetimes.
pub(super) fn rust(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (class, length) = token(rest, first);
        let (text, after) = rest.split_at(length);
        match class {
            "" => out.push_str(&escape(text)),
            class => out.push_str(&format!("<span class=\"{class}\">{}</span>", escape(text))),
        }
        rest = after;
    }
    out
}

/// Class and length in bytes of the token at the start of `rest`.
fn token(rest: &str, first: char) -> (&'static str, usize) {
    if rest.starts_with("//") {
        return ("c", rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return ("c", block_comment(rest));
    }
    if let Some(length) = raw_string(rest) {
        return ("s", length);
    }
    let quoted = rest.strip_prefix(['b', 'c']).filter(|r| r.starts_with('"')).unwrap_or(rest);
    if quoted.starts_with('"') {
        return ("s", rest.len() - quoted.len() + quoted_end(quoted, '"'));
    }
    if first == '\'' {
        let mut chars = rest.chars().skip(1);
        let (second, third) = (chars.next(), chars.next());
        if second == Some('\\') || third == Some('\'') {
            return ("s", quoted_end(rest, '\''));
        }
        let length = rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(rest.len(), |n| n + 1);
        return ("l", length.max(1));
    }
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if first.is_ascii_digit() {
        let mut length = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        // `1.5` but not `1..5` or `1.max(2)`.
        let fraction = &rest[length..];
        if fraction.strip_prefix('.').is_some_and(|f| f.starts_with(|c: char| c.is_ascii_digit())) {
            length += 1 + fraction[1..].find(|c: char| !word(c)).unwrap_or(fraction.len() - 1);
        }
        return ("n", length);
    }
    if word(first) {
        let length = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        let text = &rest[..length];
        let class = match text {
            _ if KEYWORDS.contains(&text) => "k",
            _ if rest[length..].starts_with('!') && !rest[length..].starts_with("!=") => "m",
            _ if first.is_uppercase() => "t",
            _ => "",
        };
        return (class, length);
    }
    ("", first.len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, `br"..."`.
fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let text = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - text.len();
    Some(text.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// Behind the closing quote of the literal at the start of `rest`.
fn quoted_end(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::rust;

    #[test]
    fn tokens_keep_their_text_and_get_their_class() {
        let html = rust("let x: Vec<f32> = vec![1.5; 1..n]; // é\nprint!(\"a\\\"b {}\", 'c');");
        assert!(
            html.contains("<span class=\"k\">let</span>") && html.contains("<span class=\"t\">Vec</span>&lt;f32&gt;")
        );
        assert!(html.contains("<span class=\"m\">vec</span>") && html.contains("<span class=\"n\">1.5</span>"));
        assert!(html.contains("<span class=\"n\">1</span>..n") && html.contains("<span class=\"c\">// é</span>"));
        assert!(
            html.contains("<span class=\"s\">&quot;a\\&quot;b {}&quot;</span>")
                && html.contains("<span class=\"s\">'c'</span>")
        );
    }

    #[test]
    fn no_text_is_lost_even_when_nothing_is_closed() {
        for source in
            ["\"open", "/* /* open */", "r#\"open\"", "'", "'a", "b\"", "1.", "fn f<'a>(x: &'a str) {}", "日本"]
        {
            let mut plain = String::new();
            let mut tag = false;
            for c in rust(source).chars() {
                match c {
                    '<' => tag = true,
                    '>' => tag = false,
                    c if !tag => plain.push(c),
                    _ => {}
                }
            }
            let plain = plain.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            assert_eq!(plain, source);
        }
    }
}
