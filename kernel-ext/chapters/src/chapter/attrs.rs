//! The words after ` ```rust cell `.

use super::is_id;

/// What the info string of a Rust fence says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attrs {
    pub cell: bool,
    pub hide: bool,
    pub should_fail: bool,
    pub id: Option<String>,
    pub quick: Vec<(String, String)>,
}

/// Words that a listing which is not run may carry, for editors and readers.
const LISTING: [&str; 6] = ["ignore", "no_run", "compile_fail", "should_panic", "noplayground", "text"];

/// Reads an info string that starts with `rust`. The error says what is wrong and how to mend it.
pub(super) fn parse(info: &str) -> Result<Attrs, (String, String)> {
    let mut attrs = Attrs::default();
    let cell = info.split_whitespace().any(|word| word == "cell");
    let separators = |c: char| c.is_whitespace() || (!cell && c == ',');
    for word in info.split(separators).filter(|word| !word.is_empty()).skip(1) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match (key, value) {
            ("cell", "") => attrs.cell = true,
            ("hide", "") if cell => attrs.hide = true,
            ("should_fail", "") if cell => attrs.should_fail = true,
            ("id", id) if cell && is_id(id) => attrs.id = Some(id.to_owned()),
            ("id", id) if cell => {
                return Err((
                    format!("'{id}' cannot be an id"),
                    String::from("use lower-case letters, digits and dashes, such as id=train-vae"),
                ));
            }
            ("quick", pairs) if cell && !pairs.is_empty() => {
                for pair in pairs.split(',') {
                    let (name, value) = pair
                        .split_once(':')
                        .filter(|(name, value)| is_name(name) && !value.is_empty())
                        .ok_or_else(|| {
                            (
                                format!("'{word}' is not understood"),
                                String::from("write quick=epochs:2 or quick=epochs:2,rows:500"),
                            )
                        })?;
                    attrs.quick.push((name.to_owned(), value.to_owned()));
                }
            }
            (word, "") if !cell && LISTING.contains(&word) => {}
            _ if cell => {
                return Err((
                    format!("unknown attribute '{word}'"),
                    String::from("a cell knows: hide, should_fail, quick=name:value, id=name"),
                ));
            }
            _ => {
                return Err((
                    format!("unknown word '{word}' after ```rust"),
                    format!(
                        "write ```rust cell for code that is run; a listing that is not may say {}",
                        LISTING.join(", ")
                    ),
                ));
            }
        }
    }
    Ok(attrs)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}

/// Gives the first `let`, `const` or `static` of that name another value; `None` when there is none on a line of its own.
pub(super) fn rebind(code: &str, name: &str, value: &str) -> Option<String> {
    let mut done = false;
    let lines: Vec<String> = code
        .split_inclusive('\n')
        .map(|line| match bound(line, name) {
            Some((start, end)) if !done => {
                done = true;
                format!("{}{value}{}", &line[..start], &line[end..])
            }
            _ => line.to_owned(),
        })
        .collect();
    done.then(|| lines.concat())
}

/// Where in a line the value of `name` stands.
fn bound(line: &str, name: &str) -> Option<(usize, usize)> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("pub ").unwrap_or(rest);
    let rest = ["let mut ", "let ", "const ", "static "].iter().find_map(|word| rest.strip_prefix(word))?.trim_start();
    let rest = rest.strip_prefix(name)?.trim_start();
    if !rest.starts_with([':', '=']) {
        return None;
    }
    let equals = line.find('=')?;
    let start = equals + 1 + line[equals + 1..].bytes().take_while(|b| *b == b' ').count();
    let end = start + line[start..].find(';')?;
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes() {
        let attrs = parse("rust cell hide id=set-up quick=epochs:2,rows:500 should_fail").unwrap();
        assert!(attrs.cell && attrs.hide && attrs.should_fail);
        assert_eq!(attrs.id.as_deref(), Some("set-up"));
        assert_eq!(attrs.quick, [("epochs".into(), "2".into()), ("rows".into(), "500".into())]);
        assert_eq!(parse("rust").unwrap(), Attrs::default());
        assert_eq!(parse("rust,ignore").unwrap(), Attrs::default());
        for bad in
            ["rust cell hidden", "rust cel", "rust cell id=Two", "rust cell quick=", "rust cell quick=3:x", "rust hide"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quick_values_replace_what_the_reader_sees() {
        let code = "let epochs: usize = 40; // full\nlet epochs_done = epochs;\n";
        assert_eq!(rebind(code, "epochs", "2").unwrap(), "let epochs: usize = 2; // full\nlet epochs_done = epochs;\n");
        assert_eq!(rebind("const N: usize = 1 << 10;\n", "N", "8").unwrap(), "const N: usize = 8;\n");
        assert_eq!(rebind(code, "epoch", "2"), None);
    }
}
