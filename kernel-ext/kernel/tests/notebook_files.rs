//! Notebook files and their HTML.

use lathe_kernel::notebook::{Cell, CellKind, Notebook, NotebookError, Output, html};
use serde_json::json;

/// As JupyterLab writes it: every kind of cell and output, unknown fields, ANSI, an unknown output.
const GOLDEN: &str = include_str!("notebook_files/golden.ipynb");

#[test]
fn what_jupyter_wrote_is_written_back_byte_for_byte() -> Result<(), NotebookError> {
    let notebook = Notebook::parse(GOLDEN, "golden.ipynb")?;
    assert_eq!(notebook.to_json(), GOLDEN);
    assert_eq!(notebook.cells.len(), 5);
    assert_eq!(notebook.code_cells(), 2);
    let cell = &notebook.cells[1];
    assert_eq!((cell.kind.clone(), cell.id.as_str(), cell.execution_count), (CellKind::Code, "a1b2-c3", Some(3)));
    assert_eq!(cell.source, "let x = 1;\nprintln!(\"{x} é\");");
    assert!(cell.has_tag("raises-exception") && !cell.has_tag("other"));
    assert_eq!(cell.outputs[0], Output::Stream { name: "stdout".into(), text: "1 é\nlast".into() });
    assert!(matches!(&cell.outputs[1], Output::Display { data, .. } if data["image/png"] == "iVBORw0KGgo=\n"));
    assert!(matches!(&cell.outputs[2], Output::Result { data, .. } if data["text/plain"] == "a\nb"));
    assert!(matches!(&cell.outputs[3], Output::Error { traceback, .. } if traceback.len() == 2));
    assert!(matches!(&cell.outputs[4], Output::Other(value) if value["output_type"] == "future_thing"));
    Ok(())
}

#[test]
fn older_minor_versions_get_ids_that_stay() -> Result<(), NotebookError> {
    let old = json!({"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": [
        {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": null},
        {"cell_type": "markdown", "source": ["a\n", "b"], "metadata": {}},
    ]})
    .to_string();
    let notebook = Notebook::parse(&old, "old")?;
    assert_eq!(notebook.cells[1].source, "a\nb");
    assert_ne!(notebook.cells[0].id, notebook.cells[1].id);
    assert_eq!(Notebook::parse(&old, "old")?, notebook);
    assert_eq!(Notebook::parse(&notebook.to_json(), "new")?, notebook);
    Ok(())
}

#[test]
fn what_is_no_rust_notebook_is_refused_in_words() {
    let message = |text: &str| Notebook::parse(text, "x.ipynb").err().map_or(String::new(), |error| error.to_string());
    assert!(message("{\"cells\": [\n<<<<<<< HEAD").contains("x.ipynb is not JSON (line 2"));
    assert!(message("[1]").contains("not a notebook"));
    assert!(message("{}").contains("no field `nbformat`"));
    assert!(message(r#"{"nbformat": 3, "worksheets": []}"#).contains("format 3"));
    assert!(message(r#"{"nbformat": 4, "metadata": {}}"#).contains("no list `cells`"));
    assert!(message(r#"{"nbformat": 4, "cells": [{"cell_type": "code"}]}"#).contains("cell 1: has no `source`"));
    let missing = Notebook::read("/no/such.ipynb".as_ref()).err().map_or(String::new(), |error| error.to_string());
    assert!(missing.contains("cannot read /no/such.ipynb"));
    let mut notebook = Notebook::new();
    assert!(notebook.check_language("x").is_ok());
    notebook.metadata.insert("kernelspec".into(), json!({"name": "python3", "language": "python"}));
    notebook.metadata.remove("language_info");
    let refused = notebook.check_language("x").err().map_or(String::new(), |error| error.to_string());
    assert!(refused.contains("\"python3\" (python), not for Rust"), "{refused}");
    notebook.metadata.clear();
    assert!(notebook.check_language("x").is_ok(), "no metadata: taken for Rust");
}

#[test]
fn files_are_replaced_whole_and_keep_their_permissions() -> Result<(), Box<dyn std::error::Error>> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("deep/er/n.ipynb");
    let mut notebook = Notebook::new();
    notebook.write(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))?;
    notebook.cells.push(Cell::markdown("m", "text"));
    notebook.write(&path)?;
    assert_eq!(Notebook::read(&path)?, notebook);
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(path.parent().ok_or("a parent")?)?.count(), 1, "nothing is left beside it");
    Ok(())
}

#[test]
fn a_page_shows_prose_code_and_outputs_without_scripts() -> Result<(), NotebookError> {
    let mut notebook = Notebook::parse(GOLDEN, "golden.ipynb")?;
    let page = html::notebook_to_html(&notebook, "golden");
    assert!(page.starts_with("<!doctype html>") && page.contains("<title>A title &amp; more</title>"));
    assert!(!page.contains("<script") && !page.contains("http"), "nothing is loaded");
    assert!(page.contains("<table>") && page.contains("<th>head</th>"));
    assert!(page.contains("<math") && page.contains("</math>"));
    assert!(page.contains("<span class=\"k\">let</span> x"));
    assert!(page.contains("src=\"data:image/png;base64,iVBORw0KGgo=\"") && page.contains("alt=\"a &lt;figure&gt;\""));
    assert!(page.contains("width=\"320\"") && page.contains("src=\"data:image/png;base64,QUJD\""));
    assert!(page.contains("var(--ansi-red") && !page.contains('\u{1b}'));
    assert!(page.contains("prefers-color-scheme: dark"));
    // A formula that cannot be read is shown as it was written.
    notebook.cells = vec![Cell::markdown("m", "broken $\\nosuch x < 1$ and $$x^2$$")];
    let page = html::notebook_to_html(&notebook, "formulas");
    assert!(page.contains("\\(\\nosuch x &lt; 1\\)") && page.contains("display=\"block\""), "{page}");
    Ok(())
}

#[test]
fn outputs_as_a_fragment() {
    let rich = |data: serde_json::Value| Output::Display {
        data: data.as_object().cloned().unwrap_or_default(),
        metadata: Default::default(),
    };
    let show = |output: Output| html::cell_outputs_to_html(&[output]);
    let table = show(rich(json!({"text/html": "<table></table>", "text/plain": "table"})));
    assert!(table.contains("<div class=\"lathe-html\"><table></table></div>"));
    let svg = show(rich(json!({"image/svg+xml": "<svg onload=\"alert(1)\"/>", "text/plain": "a curve"})));
    assert!(
        svg.contains("data:image/svg+xml;base64,PHN2Zy") && svg.contains("alt=\"a curve\"") && !svg.contains("onload")
    );
    let data = json!({"image/png": "AAAA", "text/plain": "Figure"}).as_object().cloned().unwrap_or_default();
    let metadata = json!({"image/png": {"alt": "a rising line", "width": 9}}).as_object().cloned().unwrap_or_default();
    let figure = show(Output::Display { data, metadata });
    assert!(figure.contains("alt=\"a rising line\" width=\"9\""), "{figure}");
    assert!(show(rich(json!({"text/plain": "<b>"}))).contains("<pre class=\"lathe-text\">&lt;b&gt;</pre>"));
    assert!(show(rich(json!({"application/json": {"a": 1}}))).contains("&quot;a&quot;: 1"));
    assert!(show(rich(json!({"text/latex": "$x$"}))).contains("<math"));
    let bar =
        show(Output::Stream { name: "stderr".into(), text: "10%\r20%\r\u{1b}[2K\u{1b}[32mdone\u{1b}[0m\n".into() });
    assert!(
        bar.contains("lathe-stderr") && bar.contains(">done</span>") && !bar.contains("10%") && !bar.contains("20%"),
        "{bar}"
    );
    assert_eq!(show(rich(json!({}))), "");
}
