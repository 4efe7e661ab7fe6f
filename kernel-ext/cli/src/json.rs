//! Just enough JSON to read cargo's messages and our own records, without a dependency that takes longer than we do.

use std::collections::BTreeMap;

/// A JSON value. Numbers are f64, as in JavaScript.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; the last of several equal keys wins.
    Map(BTreeMap<String, Json>),
}

impl Json {
    /// Parses a whole text; `None` if it is not JSON.
    pub fn parse(text: &str) -> Option<Json> {
        let mut parser = Parser { rest: text, depth: 0 };
        let value = parser.value()?;
        parser.rest.trim_start().is_empty().then_some(value)
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(t) => Some(t),
            _ => None,
        }
    }

    /// A number as an integer.
    pub fn integer(&self) -> Option<u64> {
        match self {
            Json::Number(n) if *n >= 0.0 && n.fract() == 0.0 => Some(*n as u64),
            _ => None,
        }
    }
}

/// A string as a JSON literal.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self) -> Option<Json> {
        self.rest = self.rest.trim_start();
        match self.rest.bytes().next()? {
            b'n' => self.eat("null").map(|()| Json::Null),
            b't' => self.eat("true").map(|()| Json::Bool(true)),
            b'f' => self.eat("false").map(|()| Json::Bool(false)),
            b'"' => self.string().map(Json::Text),
            b'[' => self.nested(|p| p.list()),
            b'{' => self.nested(|p| p.map()),
            _ => {
                let is_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let end = self.rest.find(|c| !is_number(c)).unwrap_or(self.rest.len());
                let (number, rest) = self.rest.split_at(end);
                self.rest = rest;
                number.parse().ok().map(Json::Number)
            }
        }
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Option<Json>) -> Option<Json> {
        self.depth += 1;
        // A hostile file must not overflow the stack.
        let value = if self.depth > 64 { None } else { inner(self) };
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Option<Json> {
        self.eat("[")?;
        let mut items = Vec::new();
        if self.eat("]").is_some() {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.eat("]").is_some() {
                return Some(Json::List(items));
            }
            self.eat(",")?;
        }
    }

    fn map(&mut self) -> Option<Json> {
        self.eat("{")?;
        let mut map = BTreeMap::new();
        if self.eat("}").is_some() {
            return Some(Json::Map(map));
        }
        loop {
            self.rest = self.rest.trim_start();
            let key = self.string()?;
            self.eat(":")?;
            map.insert(key, self.value()?);
            if self.eat("}").is_some() {
                return Some(Json::Map(map));
            }
            self.eat(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.strip_prefix('"')?.chars();
        let mut out = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => match chars.next()? {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'u' => {
                        let high = hex4(&mut chars)?;
                        let code = if (0xd800..0xdc00).contains(&high) {
                            (chars.next()? == '\\' && chars.next()? == 'u').then_some(())?;
                            0x10000 + ((high - 0xd800) << 10) + hex4(&mut chars)?.checked_sub(0xdc00)?
                        } else {
                            high
                        };
                        out.push(char::from_u32(code)?);
                    }
                    c @ ('"' | '\\' | '/') => out.push(c),
                    _ => return None,
                },
                c => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(out)
    }
}

fn hex4(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |sum, _| Some(sum * 16 + chars.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_writes() {
        let json = Json::parse(
            r#"{"reason":"compiler-artifact","package_id":"registry+https://x#a@1.0","target":{"kind":["lib"],"name":"a"},"fresh":false,"n":-1.5e3,"x":null}"#,
        )
        .unwrap();
        assert_eq!(json.get("reason").and_then(Json::text), Some("compiler-artifact"));
        assert_eq!(json.get("fresh"), Some(&Json::Bool(false)));
        assert_eq!(json.get("n"), Some(&Json::Number(-1500.0)));
        assert_eq!(json.get("target").and_then(|t| t.get("kind")), Some(&Json::List(vec![Json::Text("lib".into())])));
    }

    #[test]
    fn strings_survive_the_round_trip() {
        for text in ["", "a\"b\\c\n\u{1}", "\u{1f600} \u{e4}"] {
            assert_eq!(Json::parse(&quote(text)), Some(Json::Text(text.into())));
        }
        assert_eq!(Json::parse(r#""\ud83d\ude00""#), Some(Json::Text("\u{1f600}".into())));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in ["", "{", "[1,", "[1,]", "{\"a\" 1}", "tru", "\"\\q\"", "\"\\ud83d\"", "1 2", "-", "nul"] {
            assert_eq!(Json::parse(text), None, "{text:?}");
        }
        assert_eq!(Json::parse(&"[".repeat(100_000)), None);
    }
}
