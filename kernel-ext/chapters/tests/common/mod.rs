//! A small repository with one chapter, and an engine that needs no compiler.
#![allow(dead_code)]

use lathe_chapters::{Layout, Told};
use lathe_events::frame::Bundle;
use lathe_kernel::api::{CellError, Completion, Engine, Interrupter, Outcome, Output, Stream};
use lathe_kernel::notebook::Notebook;
use std::path::Path;
use tempfile::TempDir;

pub const CHAPTER: &str = r#"<!--
minutes: 40
goals:
- Say what normal looks like.
-->
# What does normal look like?

A window is $x \in \mathbb{R}^{64}$, see [the next one](02-next.md#why).

<!-- a note among authors -->

## Reading the plant

```rust cell id=table
show table
```

Then a picture, with `a * b` in it:

```rust cell id=plot
show picture
```

```rust cell hide id=helper
// Colours & sizes.
let s = "
# not hidden
";
```

```rust cell id=train quick=epochs:2
let epochs = 40;
print epochs
```

```rust cell id=wrong should_fail
fail E0308
```

The end, for \$5.

```text
only shown
```
"#;

/// A repository whose `lab` has one file.
pub fn repository(chapters: &[(&str, &str)]) -> (TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book");
    put("book/book.toml", &std::fs::read_to_string(book.join("book.toml")).unwrap());
    put("book/theme/lathe.css", &std::fs::read_to_string(book.join("theme/lathe.css")).unwrap());
    put("book/src/SUMMARY.md", "# Summary\n\n[Introduction](introduction.md)\n");
    put("book/src/introduction.md", "# Introduction\n\nWelcome.\n");
    put("lab/src/lib.rs", "/// Doc.\npub fn twice(x: f32) -> f32 { x * 2.0 }\n");
    for (stem, text) in chapters {
        put(&format!("book/src/{stem}.md"), text);
    }
    let layout = Layout::new(folder.path());
    (folder, layout)
}

pub fn with_chapter() -> (TempDir, Layout) {
    repository(&[("01-normal", CHAPTER)])
}

/// Understands `show table`, `show picture`, `print NAME` after `let NAME = VALUE;`, `fail NAME`, `big N`.
#[derive(Default)]
pub struct Fake {
    pub runs: Vec<String>,
    variables: std::collections::HashMap<String, String>,
}

impl Engine for Fake {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        self.runs.push(code.to_owned());
        for line in code.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["let", name, "=", value] => {
                    self.variables.insert(name.into(), value.trim_end_matches(';').into());
                }
                ["print", name] => {
                    let text = format!("{name} is {}\n", self.variables[name]);
                    out(Output::Stream { stream: Stream::Stdout, text });
                }
                ["show", "table"] => out(Output::Result {
                    bundle: Bundle::text("1 row")
                        .with("text/html", "<table>\n\n<tr><td>bar &amp; pin</td></tr></table>"),
                }),
                ["show", "picture"] => {
                    let mut bundle = Bundle::text("loss falls from 3 to \"1\"").with("image/png", PNG);
                    bundle.metadata.insert("execution_time".into(), 0.123.into());
                    out(Output::Display { bundle, id: Some("live".into()) });
                }
                ["big", bytes] => {
                    let text = "x".repeat(bytes.parse().unwrap());
                    out(Output::Display { bundle: Bundle::text("figure").with("text/html", text), id: None });
                }
                ["path"] => {
                    let text = format!("at {}/evcxr-a1/src.rs\n", std::env::temp_dir().display());
                    out(Output::Stream { stream: Stream::Stderr, text });
                }
                ["fail", name] => {
                    return Outcome::Error(CellError {
                        ename: name.into(),
                        evalue: "mismatched <types>".into(),
                        traceback: vec![format!("\u{1b}[1m\u{1b}[31merror[{name}]\u{1b}[0m: Vec<u8>")],
                    });
                }
                _ => {}
            }
        }
        Outcome::Ok
    }
    fn complete(&mut self, _: &str, _: usize) -> Completion {
        Completion::default()
    }
    fn inspect(&mut self, _: &str, _: usize) -> Option<Bundle> {
        None
    }
    fn interrupter(&self) -> Interrupter {
        Interrupter::new(|| {})
    }
    fn shutdown(&mut self) {}
}

/// One transparent pixel.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

pub fn start(_quick: bool) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(Fake::default()))
}

/// `sync`, then a full run of all chapters.
pub fn execute(layout: &Layout) -> lathe_chapters::Result<()> {
    lathe_chapters::sync(layout)?;
    lathe_chapters::execute(layout, &layout.chapters()?, &mut start, &mut |_: Told| ())
}

pub fn notebook(layout: &Layout, stem: &str) -> Notebook {
    Notebook::read(&layout.notebook(stem)).unwrap()
}

/// Replaces text in a chapter.
pub fn edit(layout: &Layout, stem: &str, from: &str, to: &str) {
    let path = layout.chapter(stem);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// All files of the repository with their contents.
pub fn files(layout: &Layout) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    fn walk(folder: &Path, found: &mut Vec<(std::path::PathBuf, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push((path.clone(), std::fs::read(&path).unwrap())) }
        }
    }
    let mut found = Vec::new();
    walk(layout.root(), &mut found);
    found.sort();
    found
}
