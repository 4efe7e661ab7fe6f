//! `lathe-kernel run` stores what nbclient stores for the same notebook; and what the book says of the kernel runs.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Prints, overwritten lines, both streams (in cells of their own: two pipes have no common order), displays that are updated from other cells, results, cleared output, errors
/// that are expected.
const CELLS: [(&str, &[&str]); 10] = [
    ("print!(\"a\"); println!(\"b\");\n1 + 1", &[]),
    ("eprintln!(\"e\");", &[]),
    (
        "for i in 0..=3 { print!(\"\\r{i} of 3\"); std::thread::sleep(std::time::Duration::from_millis(60)); }\nprintln!();",
        &[],
    ),
    ("let shown = display_live(text(\"first\"));\ndisplay(markdown(\"*prose*\"));", &[]),
    ("shown.update(text(\"second\"));\nvec![\"x\", \"y\"]", &[]),
    ("println!(\"gone\"); clear_output(false); println!(\"stays\");", &[]),
    ("println!(\"gone too\"); clear_output(true); display(html(\"<b>last</b>\"));", &[]),
    ("let frame = df!(\"t\" => [0, 1, 2], \"loss\" => [1.0, 0.5, 0.4])?;\nlines(&frame, \"t\", \"loss\")?", &[]),
    ("let number: u8 = \"text\";", &["raises-exception"]),
    ("panic!(\"over\");", &["raises-exception"]),
];

fn source_text(value: &Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// The outputs of each cell in one form: neighbouring pieces of a stream joined, overwritten lines gone.
fn outputs(path: &Path) -> Vec<Vec<Value>> {
    let notebook: Value = serde_json::from_slice(&std::fs::read(path).expect("a notebook")).expect("JSON");
    let cells = notebook["cells"].as_array().expect("cells");
    let mut all = Vec::new();
    for cell in cells {
        let mut joined: Vec<Value> = Vec::new();
        for output in cell["outputs"].as_array().expect("outputs") {
            let mut output = output.clone();
            if output["output_type"] == "stream" {
                let text = source_text(&output["text"]);
                match joined.last_mut() {
                    Some(last) if last["output_type"] == "stream" && last["name"] == output["name"] => {
                        last["text"] = (source_text(&last["text"]) + &text).into();
                        continue;
                    }
                    _ => output["text"] = text.into(),
                }
            }
            if let Some(data) = output.get_mut("data").and_then(Value::as_object_mut) {
                for (_, content) in data.iter_mut().filter(|(_, content)| content.is_array()) {
                    *content = source_text(content).into();
                }
            }
            joined.push(output);
        }
        for stream in joined.iter_mut().filter(|output| output["output_type"] == "stream") {
            let text = stream["text"].as_str().unwrap_or_default();
            let last = |line: &str| line.rsplit('\r').next().unwrap_or_default().to_owned();
            stream["text"] = text.split('\n').map(last).collect::<Vec<_>>().join("\n").into();
        }
        all.push(joined);
    }
    all
}

fn notebook<'a>(cells: impl Iterator<Item = (&'a str, &'a [&'a str])>) -> String {
    let cell = |(index, (source, tags)): (usize, (&str, &[&str]))| {
        json!({"cell_type": "code", "id": format!("c{index}"), "metadata": {"tags": tags}, "source": source,
            "outputs": [], "execution_count": null})
    };
    let cells: Vec<Value> = cells.enumerate().map(cell).collect();
    let kernelspec = json!({"name": "lathe", "display_name": "Rust (Lathe)", "language": "rust"});
    json!({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernelspec}}).to_string()
}

#[test]
fn what_is_stored_is_what_nbclient_stores() {
    let Some(python) = lathe_tests::environment_python() else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("n.ipynb"), notebook(CELLS.into_iter())).expect("a writable folder");
    // `input` has nobody to ask here.
    let page = std::fs::read_to_string(lathe_tests::root().join("book/src/kernel.md")).expect("the page can be read");
    let blocks: Vec<&str> = page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 4, "{blocks:?}");
    let blocks = blocks.into_iter().filter(|code| !code.contains("input("));
    std::fs::write(path("page.ipynb"), notebook(blocks.map(|code| (code, &[][..])))).expect("a writable folder");
    let kernel = lathe_tests::program("lathe-kernel");
    let run = |command: &mut Command| {
        let output = command.current_dir(folder.path()).output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    let prefix = path("prefix");
    run(Command::new(&kernel).args(["install", "--prefix"]).arg(&prefix));
    run(Command::new(&kernel).args(["run", "n.ipynb", "page.ipynb", "--output", "ours"]));
    let script = lathe_tests::root().join("tests/e2e/nbclient_run.py");
    let mut theirs = Command::new(python);
    theirs.arg(script).args(["n.ipynb", "theirs.ipynb"]).env("JUPYTER_PATH", prefix.join("share/jupyter"));
    theirs.env("JUPYTER_PREFER_ENV_PATH", "0").env("JUPYTER_RUNTIME_DIR", path("runtime"));
    run(&mut theirs);
    let page: Value =
        serde_json::from_slice(&std::fs::read(path("ours/page.ipynb")).expect("a notebook")).expect("JSON");
    let widgets = &page["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"];
    let mut models = widgets.as_object().expect("the page has a slider").values();
    assert!(models.any(|model| model["model_name"] == "FloatSliderModel"), "{widgets:#}");
    let (ours, theirs) = (outputs(&path("ours/n.ipynb")), outputs(&path("theirs.ipynb")));
    assert!(ours.iter().all(|outputs| !outputs.is_empty()), "every cell shows something: {ours:#?}");
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "cell {index}: {}", CELLS[index].0);
    }
}
