//! What differs from run to run or from machine to machine has no place in stored outputs.

use lathe_kernel::notebook::{Notebook, Output};
use serde_json::{Map, Value};
use std::path::Path;

/// Removes paths of this machine, temporary names, addresses and thread numbers from the outputs of a notebook.
///
/// Metadata of cells and notebook need no care: they are generated anew.
pub(crate) fn volatile(notebook: &mut Notebook, root: &Path) {
    let places = Places::new(root);
    for cell in &mut notebook.cells {
        order_streams(&mut cell.outputs);
    }
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

/// Which of the two streams came first is a race: in a run of printed text, stdout comes first.
fn order_streams(outputs: &mut Vec<Output>) {
    let mut ordered: Vec<Output> = Vec::new();
    let mut run: [Option<Output>; 2] = [None, None];
    for output in outputs.drain(..) {
        let Output::Stream { name, text } = output else {
            ordered.extend(run.iter_mut().filter_map(Option::take));
            ordered.push(output);
            continue;
        };
        match &mut run[usize::from(name == "stderr")] {
            Some(Output::Stream { text: before, .. }) => before.push_str(&text),
            empty => *empty = Some(Output::Stream { name, text }),
        }
    }
    ordered.extend(run.iter_mut().filter_map(Option::take));
    *outputs = ordered;
}

/// A progress line says how fast this machine was: `step 20/20 · 49.2/s · took 0.4 s, loss 0.2` becomes `step 20/20, loss 0.2`.
fn timing(text: &mut String) {
    if !text.contains(" · took ") {
        return;
    }
    let line = |line: &str| {
        let mut pieces = line.split(" · ");
        let mut kept = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (first, rest) = piece.split_once(", ").map_or((piece, None), |(first, rest)| (first, Some(rest)));
            let speed =
                first.starts_with(|c: char| c.is_ascii_digit()) && (first.ends_with("/s") || first.contains(" per "));
            if !speed && !first.starts_with("took ") {
                kept.push_str(" · ");
                kept.push_str(first);
            }
            if let Some(rest) = rest {
                kept.push_str(", ");
                kept.push_str(rest);
            }
        }
        kept
    };
    *text = text.split('\n').map(line).collect::<Vec<_>>().join("\n");
}

fn texts(data: &mut Map<String, Value>, places: &Places) {
    for (mime, value) in data.iter_mut() {
        if let Value::String(text) = value
            && mime.starts_with("text/")
        {
            timing(text);
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
    fn streams_have_one_order_and_progress_lines_no_times() {
        let stream = |name: &str, text: &str| Output::Stream { name: name.into(), text: text.into() };
        let picture = Output::Other(Value::Null);
        let mut outputs = vec![
            stream("stderr", "e"),
            stream("stdout", "a"),
            stream("stderr", "f"),
            picture.clone(),
            stream("stderr", "g"),
        ];
        order_streams(&mut outputs);
        assert_eq!(outputs, [stream("stdout", "a"), stream("stderr", "ef"), picture, stream("stderr", "g")]);
        let mut line = String::from("fit: epoch 40/40 · 5.0 s per epoch · took 3 min 20 s, loss 0.2\nnext · 3 bars");
        timing(&mut line);
        assert_eq!(line, "fit: epoch 40/40, loss 0.2\nnext · 3 bars");
        let mut html = String::from("<progress></progress> progress: step 20/20 · 49.2/s · took 0.4 s");
        timing(&mut html);
        assert_eq!(html, "<progress></progress> progress: step 20/20");
    }

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
