//! Texts become notebooks, and edits keep what they can.

mod common;

use common::{CHAPTER, edit, execute, files, notebook, repository, with_chapter};
use lathe_kernel::notebook::CellKind;

#[test]
fn the_notebook_is_what_the_text_says() {
    let (_folder, layout) = with_chapter();
    lathe_chapters::sync(&layout).unwrap();
    let notebook = notebook(&layout, "01-normal");
    let cells: Vec<(&str, bool)> = notebook.cells.iter().map(|cell| (&*cell.id, cell.kind == CellKind::Code)).collect();
    let ids: Vec<&str> = cells.iter().filter(|(_, code)| *code).map(|(id, _)| *id).collect();
    assert_eq!(ids, ["table", "plot", "helper", "train", "wrong"]);
    // Title with time and goals, a heading, the sentence before the picture, the end.
    assert_eq!(cells.len(), ids.len() + 4);
    let title = &notebook.cells[0].source;
    assert!(
        title.starts_with(
            "# What does normal look like?\n\n*About 40 minutes.* After this chapter you can:\n\n- Say what"
        ),
        "{title}"
    );
    assert!(title.contains("$x \\in \\mathbb{R}^{64}$") && title.contains("(02-next.ipynb#why)"), "{title}");
    let all: String = notebook.cells.iter().map(|cell| cell.source.as_str()).collect();
    assert!(!all.contains("among authors") && all.contains("only shown"));
    let by_id = |id: &str| notebook.cells.iter().find(|cell| cell.id == id).unwrap();
    assert_eq!(by_id("train").source, "let epochs = 40;\nprint epochs");
    assert!(by_id("wrong").has_tag("raises-exception") && by_id("helper").has_tag("hide-input"));
    assert_eq!(by_id("helper").metadata["jupyter"]["source_hidden"], true);
    assert_eq!(notebook.metadata["kernelspec"]["name"], "lathe");
    let text = std::fs::read_to_string(layout.notebook("01-normal")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((json["nbformat"].as_u64(), json["nbformat_minor"].as_u64()), (Some(4), Some(5)));
}

#[test]
fn syncing_twice_changes_nothing() {
    let (_folder, layout) =
        repository(&[("01-a", "# A\n\n```rust cell\nlet a = 1;\n```\n\n```rust cell\nlet a = 1;\n```\n")]);
    assert_eq!(lathe_chapters::sync(&layout).unwrap().len(), 4, "text, ids, notebook, table of contents");
    let before = files(&layout);
    assert!(lathe_chapters::sync(&layout).unwrap().is_empty());
    assert_eq!(files(&layout), before);
    execute(&layout).unwrap();
    let executed = files(&layout);
    assert!(lathe_chapters::sync(&layout).unwrap().is_empty());
    execute(&layout).unwrap();
    assert_eq!(files(&layout), executed, "a second full run of the same code gives the same bytes");
}

#[test]
fn missing_ids_are_written_into_the_text_once() {
    let (_folder, layout) =
        repository(&[("01-a", "# A\n\n```rust cell hide\nlet a = 1;\n```\n\n```rust cell\nlet a = 1;\n```\n")]);
    lathe_chapters::sync(&layout).unwrap();
    let text = std::fs::read_to_string(layout.chapter("01-a")).unwrap();
    let ids: Vec<&str> = text.lines().filter_map(|line| line.split_once(" id=")).map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert!(text.contains(&format!("```rust cell hide id={}\nlet a = 1;", ids[0])));
    // The id stays when the code changes.
    edit(&layout, "01-a", "hide", "hide should_fail");
    edit(&layout, "01-a", "let a = 1;", "let b = 2;");
    lathe_chapters::sync(&layout).unwrap();
    assert_eq!(notebook(&layout, "01-a").cells[1].id, ids[0]);
}

#[test]
fn editing_one_cell_keeps_the_outputs_and_ids_of_the_others() {
    let (_folder, layout) = with_chapter();
    execute(&layout).unwrap();
    let before = notebook(&layout, "01-normal");
    edit(&layout, "01-normal", "let epochs = 40;", "let epochs = 50;");
    edit(&layout, "01-normal", "Then a picture", "Now a picture");
    lathe_chapters::sync(&layout).unwrap();
    let after = notebook(&layout, "01-normal");
    assert_eq!(after.cells.len(), before.cells.len());
    for (old, new) in before.cells.iter().zip(&after.cells) {
        assert_eq!(old.id, new.id);
        if new.id == "train" {
            assert!(!old.outputs.is_empty() && new.outputs.is_empty() && new.execution_count.is_none());
        } else {
            assert_eq!(old.outputs, new.outputs);
            assert_eq!(old.execution_count, new.execution_count);
        }
    }
    assert_eq!(before.metadata, after.metadata, "the recorded hashes are those of the last full run");
}

#[test]
fn a_new_chapter_enters_the_table_of_contents() {
    let (_folder, layout) = repository(&[("02-b", "# Second\n"), ("01-a", "# First\n")]);
    lathe_chapters::sync(&layout).unwrap();
    let summary = std::fs::read_to_string(layout.sources().join("SUMMARY.md")).unwrap();
    assert!(summary.ends_with("\n- [First](01-a.md)\n- [Second](02-b.md)\n"), "{summary}");
}

#[test]
fn a_new_chapter_is_one_that_runs() {
    let (_folder, layout) = repository(&[("01-a", "# First\n")]);
    lathe_chapters::new_chapter(&layout, "02-two-words").unwrap();
    execute(&layout).unwrap();
    assert_eq!(lathe_chapters::check(&layout).unwrap(), []);
    assert!(notebook(&layout, "02-two-words").cells[0].source.starts_with("# Two words\n"));
    for bad in ["02-again", "attention", "../03-x", "03-A"] {
        assert!(lathe_chapters::new_chapter(&layout, bad).is_err(), "{bad}");
    }
}

#[test]
fn images_and_boxes_travel_into_the_notebook() {
    let text = "# A\n\n![two curves][fig]\n\n> [!WARNING]\n> Hot.\n\n[fig]: img/fig.png\n";
    let (_folder, layout) = repository(&[("01-a", text)]);
    let error = lathe_chapters::sync(&layout).unwrap_err().to_string();
    assert!(error.contains("book/src/01-a.md:3: the image 'img/fig.png' cannot be read"), "{error}");
    std::fs::create_dir(layout.sources().join("img")).unwrap();
    std::fs::write(layout.sources().join("img/fig.png"), b"png").unwrap();
    lathe_chapters::sync(&layout).unwrap();
    let cell = &notebook(&layout, "01-a").cells[0];
    assert!(cell.source.contains("![two curves](attachment:img-fig.png)"), "{}", cell.source);
    assert!(cell.source.contains("> **Warning**\\\n> Hot."), "{}", cell.source);
    assert_eq!(cell.extra["attachments"]["img-fig.png"]["image/png"], "cG5n");
}

#[test]
fn every_mistake_is_named_with_its_line_and_the_rest_is_done() {
    let cases = [
        ("# A\n\n```rust cell\nlet a = 1;\n", 3, "never closed"),
        ("# A\n\n```rust cell\nlet a = 1;\n\n```rust cell\nlet b = 1;\n```\n", 3, "line 6 opens another"),
        ("# A\n\n```rust cell hiden\nlet a = 1;\n```\n", 3, "unknown attribute 'hiden'"),
        ("# A\n\n```rust cel\nlet a = 1;\n```\n", 3, "unknown word 'cel'"),
        ("# A\n\n```python cell\na = 1\n```\n", 3, "'python' cannot be run"),
        ("# A\n\n```rust cell id=x\n1\n```\n\n```rust cell id=x\n2\n```\n", 7, "'x' is taken by line 3"),
        ("# A\n\n- item\n\n  ```rust cell\n  1\n  ```\n", 5, "inside a list"),
        ("# A\n\n```rust cell quick=epochs:2\nlet epoch = 3;\n```\n", 3, "let epochs"),
        ("<!--\nminutes: soon\n-->\n# A\n", 2, "not a number of minutes"),
        ("# A\n\n$\\frac{a}$\n", 3, "formula"),
        ("# A\n\n```rust cell id=a\n\n```\n", 3, "empty"),
        ("# A\n\n<!-- id: x -->\n", 3, "belongs to no block"),
        ("Text.\n", 1, "no title"),
    ];
    for (text, line, what) in cases {
        let (_folder, layout) = repository(&[("01-a", text), ("02-good", CHAPTER)]);
        let error = lathe_chapters::sync(&layout).unwrap_err().to_string();
        assert!(error.contains(&format!("book/src/01-a.md:{line}: ")) && error.contains(what), "{error}");
        assert!(error.contains("mend it: "), "{error}");
        assert!(!layout.notebook("01-a").exists() && layout.notebook("02-good").exists());
        assert_eq!(std::fs::read_to_string(layout.chapter("01-a")).unwrap(), text);
    }
}
