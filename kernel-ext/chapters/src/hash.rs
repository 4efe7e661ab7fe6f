//! A hash of the code that stored outputs depend on.
//!
//! Tokens are hashed, not bytes: a comment, a doc comment, a line break or a unit test in `lab` does not make every notebook
//! stale. A changed constant does.

use crate::error::{Error, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The folders whose code shows in outputs.
pub const SOURCES: [&str; 7] = [
    "lab/src",
    "lab/kernels/src",
    "lab/events/src",
    "data/src",
    "data/case/src",
    "kernel-ext/display/src",
    "kernel-ext/prelude/src",
];

/// The hash of all files below [`SOURCES`] in the repository at `root`, as 16 hex digits. Folders that do not exist are empty.
///
/// # Errors
/// [`Error::Io`] when a file cannot be read.
pub fn sources_hash(root: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    for folder in SOURCES {
        let mut files = Vec::new();
        collect(&root.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            hasher.update(name.as_bytes());
            hasher.update([0]);
            let bytes = std::fs::read(&file).map_err(Error::io(&file))?;
            // A file that does not parse is being edited: its bytes will do.
            match std::str::from_utf8(&bytes).ok().filter(|_| name.ends_with(".rs")).map(TokenStream::from_str) {
                Some(Ok(tokens)) => tokens_into(&mut hasher, tokens),
                _ => hasher.update(&bytes),
            }
            hasher.update([0]);
        }
    }
    Ok(hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Every file below a folder; programs of their own (`bin/`, `main.rs`) are not linked into cells.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with('~') || name == "bin" || name == "main.rs" {
            continue;
        }
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn tokens_into(hasher: &mut Sha256, tokens: TokenStream) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(attribute) = attribute(&tokens[at..]) {
            if attribute.starts_with("doc=") {
                at += 2 + usize::from(is_punct(&tokens[at + 1], '!'));
                continue;
            }
            if attribute == "cfg(test)" {
                at += item(&tokens[at..]);
                continue;
            }
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                hasher.update(open);
                tokens_into(hasher, group.stream());
                hasher.update(close);
            }
            other => hasher.update(format!("{other}\n")),
        }
        at += 1;
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// The inside of the attribute that starts here.
fn attribute(tokens: &[TokenTree]) -> Option<String> {
    let [hash, rest @ ..] = tokens else { return None };
    let rest = if rest.first().is_some_and(|token| is_punct(token, '!')) { &rest[1..] } else { rest };
    match rest.first() {
        Some(TokenTree::Group(group)) if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket => {
            Some(group.stream().to_string().replace(' ', ""))
        }
        _ => None,
    }
}

/// How many tokens the item that starts here takes: up to its first braces or its semicolon.
fn item(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| {
        is_punct(token, ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    });
    end.map_or(tokens.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(code: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("lab/src/nn")).unwrap();
        std::fs::write(root.path().join("lab/src/nn/vae.rs"), code).unwrap();
        sources_hash(root.path()).unwrap()
    }

    const CODE: &str = "/// Doc.\npub fn f(x: f32) -> f32 {\n    x * 2.0 // twice\n}\n";

    #[test]
    fn comments_layout_and_unit_tests_do_not_count() {
        let hash = hash_of(CODE);
        assert_eq!(hash, hash_of("//! Module.\n#![doc = \"more\"]\npub fn f(x: f32) -> f32 { x * 2.0 }\n"));
        assert_eq!(hash, hash_of(&format!("{CODE}\n#[cfg(test)]\nmod tests {{ fn g() {{ assert!(true); }} }}\n")));
    }

    #[test]
    fn code_and_literals_do_count() {
        let hash = hash_of(CODE);
        assert_ne!(hash, hash_of(&CODE.replace("2.0", "2.5")));
        assert_ne!(hash, hash_of(&format!("{CODE}#[cfg(test)]\nuse a::b;\npub fn g() {{}}\n")));
        assert_ne!(hash_of("f(\"a b\")"), hash_of("f(\"a  b\")"));
        assert_ne!(hash_of("fn broken( {"), hash_of("fn broken( { }}"));
    }

    #[test]
    fn programs_are_not_linked_into_cells() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("data/src")).unwrap();
        let empty = sources_hash(root.path()).unwrap();
        std::fs::write(root.path().join("data/src/main.rs"), "fn main() {}").unwrap();
        assert_eq!(sources_hash(root.path()).unwrap(), empty);
    }
}
