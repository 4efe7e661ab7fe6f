//! `sync --check` finds each kind of staleness, says why, and how to mend it.

mod common;

use common::{edit, execute, files, with_chapter};
use lathe_chapters::{Layout, check};
use std::process::Command;

fn stale(layout: &Layout) -> Vec<(String, String, String)> {
    let stale = check(layout).unwrap();
    stale.into_iter().map(|stale| (stale.form.display().to_string(), stale.why, stale.mend)).collect()
}

fn only(layout: &Layout) -> (String, String, String) {
    let found = stale(layout);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn nothing_is_stale_after_a_full_run() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    let before = files(&layout);
    assert_eq!(stale(&layout), []);
    assert_eq!(files(&layout), before, "a check writes nothing");
}

#[test]
fn edited_prose_needs_sync_only() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    edit(&layout, "01-normal", "The end, for", "The very end, for");
    let found = stale(&layout);
    assert_eq!(
        found.iter().map(|(form, ..)| form.as_str()).collect::<Vec<_>>(),
        ["book/ids/01-normal.json", "notebooks/01-normal.ipynb"]
    );
    assert!(found[1].1.contains("the source of cell 'p-") && found[1].2 == "cargo lathe sync", "{found:?}");
    lathe_chapters::sync(&layout).unwrap();
    assert_eq!(stale(&layout), []);
}

#[test]
fn edited_code_needs_a_run() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    edit(&layout, "01-normal", "let epochs = 40;", "let epochs = 50;");
    let found = stale(&layout);
    assert!(found[0].1.contains("the source of cell 'train' differs"), "{found:?}");
    assert!(found[1].1.contains("its outputs are of other cells"), "{found:?}");
    lathe_chapters::sync(&layout).unwrap();
    let (form, why, mend) = only(&layout);
    assert_eq!((form.as_str(), mend.as_str()), ("notebooks/01-normal.ipynb", "cargo lathe sync --execute 01"));
    assert!(why.contains("the code of the chapter changed"), "{why}");
    execute(&layout).unwrap();
    assert_eq!(stale(&layout), []);
}

#[test]
fn changed_lab_code_needs_a_run_and_a_comment_does_not() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    let file = layout.root().join("lab/src/lib.rs");
    std::fs::write(&file, "/// Other words.\npub fn twice(x: f32) -> f32 {\n    x * 2.0\n}\n").unwrap();
    assert_eq!(stale(&layout), []);
    std::fs::write(&file, "pub fn twice(x: f32) -> f32 { x * 2.5 }\n").unwrap();
    let (_, why, mend) = only(&layout);
    assert!(
        why.contains("lab, data, case, display or prelude changed") && mend == "cargo lathe sync --execute 01",
        "{why}"
    );
    execute(&layout).unwrap();
    assert_eq!(stale(&layout), []);
}

#[test]
fn missing_outputs_are_seen() {
    let (_folder, layout) = with_chapter();
    lathe_chapters::sync(&layout).unwrap();
    assert!(only(&layout).1.contains("it was never executed in full"));
    execute(&layout).unwrap();
    let path = layout.notebook("01-normal");
    let mut notebook = common::notebook(&layout, "01-normal");
    let cell = notebook.cells.iter_mut().find(|cell| cell.id == "plot").unwrap();
    cell.outputs.clear();
    cell.execution_count = None;
    notebook.write(&path).unwrap();
    assert!(only(&layout).1.contains("the outputs of cell 'plot' are missing"));
    std::fs::remove_file(&path).unwrap();
    assert!(only(&layout).1.contains("it does not exist"));
}

#[test]
fn a_notebook_that_somebody_edited_is_seen() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    let mut notebook = common::notebook(&layout, "01-normal");
    notebook.cells.swap_remove(2);
    notebook.write(&layout.notebook("01-normal")).unwrap();
    let found = stale(&layout);
    assert!(found[0].1.contains("stands where the text has 'table'"), "{found:?}");
    std::fs::write(layout.notebook("01-normal"), "<<<<<<< HEAD\n").unwrap();
    let error = check(&layout).unwrap_err().to_string();
    assert!(error.contains("notebooks/01-normal.ipynb") && error.contains("restore it from git"), "{error}");
}

#[test]
fn missing_ids_orphans_and_the_table_of_contents_are_seen() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    edit(&layout, "01-normal", "cell id=plot", "cell");
    let found = stale(&layout);
    assert!(found[0].0 == "book/src/01-normal.md" && found[0].1.contains("the cell in line 20 has no id"), "{found:?}");
    edit(&layout, "01-normal", "```rust cell\nshow picture", "```rust cell id=plot\nshow picture");
    assert_eq!(stale(&layout), []);
    let summary = layout.sources().join("SUMMARY.md");
    let text = std::fs::read_to_string(&summary).unwrap();
    std::fs::write(&summary, text.replace("01-normal.md", "03-gone.md")).unwrap();
    std::fs::copy(layout.notebook("01-normal"), layout.notebook("02-old")).unwrap();
    let found = stale(&layout);
    let whys: Vec<&str> = found.iter().map(|(_, why, _)| why.as_str()).collect();
    assert!(whys.iter().any(|why| why.contains("no chapter book/src/02-old.md")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("does not list 01-normal.md")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("lists 03-gone.md, which does not exist")), "{whys:?}");
}

#[test]
fn the_program_exits_with_1_and_names_the_command() {
    let (_folder, layout) = with_chapter();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lathe-chapters"));
        command.current_dir(layout.root().join("book/src")).env_remove("LATHE_QUICK");
        command
    };
    let run = |arguments: &[&str]| {
        let output = program().args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    assert_eq!(run(&["sync"]).0, Some(0));
    let (code, text) = run(&["sync", "--check"]);
    assert!(code == Some(1) && text.contains("mend it: cargo lathe sync --execute 01"), "{text}");
    execute(&layout).unwrap();
    let (code, text) = run(&["sync", "--check"]);
    assert!(code == Some(0) && text.contains("1 chapters: every form is up to date"), "{text}");
    assert!(run(&["list"]).1.contains("What does normal look like?"));
    let (code, text) = run(&["test", "07"]);
    assert!(code == Some(1) && text.contains("no chapter '07'") && text.contains("01-normal"), "{text}");
    let quick = program().args(["sync", "--execute", "01"]).env("LATHE_QUICK", "1").output().unwrap();
    assert_eq!(quick.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&quick.stderr).contains("a quick run never overwrites stored outputs"));
}
