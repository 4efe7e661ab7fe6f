//! The course's glossary of errors: one page for the book and for `:explain E0382` in a cell.

use lathe_events::frame::Bundle;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../book/src/errors.md"));

/// The page's entry about a code or a name (`E0382`, `Panic`), with its heading.
pub(super) fn entry(code: &str) -> Option<&'static str> {
    let start = PAGE.match_indices("\n## ").map(|(at, _)| at + 1).find(|&at| {
        let title = PAGE[at + 3..].split([':', '\n']).next().unwrap_or_default();
        title.trim().eq_ignore_ascii_case(code)
    })?;
    let rest = &PAGE[start..];
    let end = rest[3..].find("\n## ").map_or(rest.len(), |at| at + 4);
    Some(rest[..end].trim_end())
}

/// Answers `:explain`: the whole text of the last error, or the entry of a code and what rustc says about it.
///
/// # Errors
/// When there is nothing to explain, or nobody knows the code.
pub(super) fn explain(what: &str, last: Option<&str>, rustc: &Path) -> Result<Bundle, String> {
    if what.is_empty() {
        let Some(last) = last else {
            return Err(String::from("no cell has failed to compile; a code can be explained too: `:explain E0382`"));
        };
        let html = format!("<pre>{}</pre>", last.replace('&', "&amp;").replace('<', "&lt;"));
        return Ok(Bundle::text(last).with("text/html", html));
    }
    let ours = entry(what).map(clean);
    let code = what.to_uppercase();
    let is_code = code.len() == 5 && code.starts_with('E') && code[1..].bytes().all(|b| b.is_ascii_digit());
    let theirs = if is_code { rustc_explains(rustc, &code) } else { None };
    let text = match (ours, theirs) {
        (Some(ours), Some(theirs)) => format!("{ours}\n\n## rustc about {code}\n\n{theirs}"),
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => return Err(format!("nobody explains `{what}`; a code has the form E0382")),
    };
    Ok(Bundle::text(text.clone()).with("text/markdown", text))
}

/// The entry without what only the book needs: ids of headings and marks of code blocks.
fn clean(text: &str) -> String {
    let line = |line: &str| {
        if line.starts_with("```rust") {
            String::from("```rust")
        } else if line.starts_with("## ") {
            line.split(" {#").next().unwrap_or(line).to_owned()
        } else {
            line.to_owned()
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn rustc_explains(rustc: &Path, code: &str) -> Option<String> {
    let output =
        Command::new(rustc).args(["--explain", code]).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Marks of the compiler's own tests, and lines that its documentation hides.
    let shown = |line: &&str| !line.starts_with("# ") && *line != "#";
    let plain =
        |line: &str| if line.starts_with("```") && line.len() > 3 { String::from("```rust") } else { line.to_owned() };
    Some(text.lines().filter(shown).map(plain).collect::<Vec<_>>().join("\n").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_code_and_name() {
        let entry = entry("e0382").expect("it is the most frequent one");
        assert!(entry.starts_with("## E0382") && !entry[3..].contains("\n## "), "{entry}");
        assert!(super::entry("Panic").is_some() && super::entry("E9999").is_none() && super::entry("").is_none());
    }

    #[test]
    fn codes_and_the_last_error_are_explained() {
        let rustc = Path::new("rustc");
        let bundle = explain("E0382", None, rustc).expect("it is known");
        let text = bundle.data["text/markdown"].as_str().unwrap();
        assert!(text.starts_with("## E0382") && text.contains("## rustc about E0382"), "{text}");
        assert!(!text.contains("{#") && !text.contains("ignore"), "{text}");
        assert_eq!(explain("", Some("a < b"), rustc).unwrap().data["text/plain"], "a < b");
        assert!(explain("", None, rustc).is_err() && explain("E9999", None, rustc).is_err());
        assert!(explain("; rm", None, rustc).is_err());
    }
}
