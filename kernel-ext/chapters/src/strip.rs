//! What differs from run to run or from machine to machine has no place in stored outputs.

use lathe_kernel::notebook::{Notebook, Output};
use serde_json::{Map, Value};
use std::path::Path;

/// Removes paths of this machine, temporary names, addresses and thread numbers from the outputs of a notebook.
///
/// Metadata of cells and notebook need no care: they are generated anew.
pub(crate) fn volatile(notebook: &mut Notebook, root: &Path) {
    let places = Places::new(root);
    for output in notebook.cells.iter_mut().flat_map(|cell| &mut cell.outputs) {
        match output {
            Output::Stream { text, .. } => places.clean(text),
            Output::Display { data, metadata } | Output::Result { data, metadata, .. } => {
                // Display metadata is a table for each MIME type; anything else belongs to the front end.
                metadata.retain(|key, value| key.contains('/') && value.is_object());
                texts(data, &places);
            }
            Output::Error { evalue, traceback, .. } => {
                places.clean(evalue);
                traceback.iter_mut().for_each(|line| places.clean(line));
            }
            Output::Other(_) => {}
        }
    }
}

fn texts(data: &mut Map<String, Value>, places: &Places) {
    for (mime, value) in data.iter_mut() {
        if let Value::String(text) = value
            && mime.starts_with("text/")
        {
            places.clean(text);
        }
    }
}

struct Places {
    /// What is replaced by what, the longest first.
    fixed: Vec<(String, &'static str)>,
    temp: String,
}

impl Places {
    fn new(root: &Path) -> Self {
        let mut fixed = Vec::new();
        let mut add = |path: &Path, with: &'static str| {
            let text = path.display().to_string();
            if text.len() > 2 {
                fixed.push((text, with));
            }
        };
        add(&root.join(""), "");
        if let Some(home) = std::env::var_os("HOME") {
            add(Path::new(&home), "~");
        }
        let temp = std::env::temp_dir().join("").display().to_string();
        Self { fixed, temp }
    }

    fn clean(&self, text: &mut String) {
        for (from, to) in &self.fixed {
            if text.contains(from) {
                *text = text.replace(from, to);
            }
        }
        let word = |c: char| c.is_alphanumeric() || "._-".contains(c);
        *text = after(text, &self.temp, "…", |rest| rest.find(|c| !word(c)).unwrap_or(rest.len()));
        *text = after(text, "lathe/prepared/", "…", |rest| {
            rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len())
        });
        *text = after(text, "0x", "…", |rest| {
            let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            // Addresses, not the constants that a text explains.
            if digits >= 9 { digits } else { 0 }
        });
        // Since Rust 1.89 the message of a panic has the thread's number: thread 'main' (4711) panicked.
        *text = after(text, "' (", "…", |rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            if rest[digits..].starts_with(") panicked") { digits } else { 0 }
        });
    }
}

/// Replaces, after each `mark`, as many bytes as `length` says (0 leaves the place alone).
fn after(text: &str, mark: &str, with: &str, length: impl Fn(&str) -> usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let (head, tail) = rest.split_at(at + mark.len());
        out.push_str(head);
        let skip = length(tail);
        if skip > 0 {
            out.push_str(with);
        }
        rest = &tail[skip..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_specific_words_go_and_numbers_stay() {
        let places =
            Places { fixed: vec![("/home/u/lathe/".into(), ""), ("/home/u".into(), "~")], temp: "/tmp/".into() };
        let clean = |text: &str| {
            let mut text = text.to_owned();
            places.clean(&mut text);
            text
        };
        assert_eq!(clean("at /home/u/lathe/lab/src/loss.rs:3"), "at lab/src/loss.rs:3");
        assert_eq!(clean("--> /tmp/evcxr-a1B2/src/lib.rs"), "--> /tmp/…/src/lib.rs");
        assert_eq!(clean("/home/u/.cache/lathe/prepared/0a1b2c/x"), "~/.cache/lathe/prepared/…/x");
        assert_eq!(clean("thread 'main' (812) panicked at"), "thread 'main' (…) panicked at");
        assert_eq!(clean("ptr 0x7ffd12345678, mask 0xff"), "ptr 0x…, mask 0xff");
        assert_eq!(clean("loss 0.123 (4) AUROC 0.97"), "loss 0.123 (4) AUROC 0.97");
    }
}
