//! The notebook runner, with a test double for the engine.

mod protocol_support;

use lathe_kernel::api::Engine;
use lathe_kernel::notebook::command::{Console, RunError, RunRequest, Status, run};
use lathe_kernel::notebook::{Cell, Notebook, Output, Progress, RunOptions, run_notebook};
use protocol_support::Fake;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn notebook(sources: &[&str]) -> Notebook {
    let mut notebook = Notebook::new();
    for (index, source) in sources.iter().enumerate() {
        notebook.cells.push(Cell::code(format!("c{index}"), *source));
    }
    notebook
}

fn run_all(notebook: &mut Notebook) -> lathe_kernel::notebook::RunReport {
    run_notebook(&mut Fake::new().0, notebook, RunOptions::default(), &mut |_| ())
}

fn texts(cell: &Cell) -> Vec<String> {
    let text = |output: &Output| match output {
        Output::Stream { name, text } => format!("{name}:{text}"),
        Output::Display { data, .. } => format!("display:{}", data["text/plain"].as_str().unwrap_or_default()),
        Output::Result { data, execution_count, .. } => {
            format!("result {}:{}", execution_count.unwrap_or(0), data["text/plain"].as_str().unwrap_or_default())
        }
        Output::Error { ename, traceback, .. } => format!("error:{ename}:{}", traceback.len()),
        Output::Other(_) => "other".into(),
    };
    cell.outputs.iter().map(text).collect()
}

#[test]
fn outputs_are_stored_as_a_front_end_stores_them() {
    let mut notebook = notebook(&[
        "print a\nprint b\\n\nprint c\neprint e\nprint d\nresult 42",
        "print 10%\\r\nprint 20%\\r\nprint 100%\\n",
        "print gone\nclear\nprint kept\nclear wait\nprint last\ndisplay d shown",
        "print stays\nclear wait",
    ]);
    notebook.cells.insert(1, Cell::markdown("m", "prose"));
    notebook.cells.push(Cell::code("blank", "  \n"));
    notebook.cells[0].outputs = vec![Output::Stream { name: "stdout".into(), text: "old".into() }];
    let report = run_all(&mut notebook);
    assert!(report.passed());
    assert_eq!((report.cells, report.of), (4, 4));
    assert_eq!(texts(&notebook.cells[0]), ["stdout:ab\nc", "stderr:e", "stdout:d", "result 1:42"]);
    assert_eq!(texts(&notebook.cells[2]), ["stdout:100%\n"]);
    assert_eq!(texts(&notebook.cells[3]), ["stdout:last", "display:shown"]);
    assert_eq!(texts(&notebook.cells[4]), ["stdout:stays"]);
    let counts: Vec<_> = notebook.cells.iter().map(|cell| cell.execution_count).collect();
    assert_eq!(counts, [Some(1), None, Some(2), Some(3), Some(4), None]);
}

#[test]
fn updates_reach_earlier_cells_and_every_display_of_that_id() {
    let mut notebook =
        notebook(&["display d one\ndisplay d again\ndisplay e else", "update d two", "update none x\nclear"]);
    assert!(run_all(&mut notebook).passed());
    assert_eq!(texts(&notebook.cells[0]), ["display:two", "display:two", "display:else"]);
    assert!(notebook.cells[1].outputs.is_empty() && notebook.cells[2].outputs.is_empty());
}

#[test]
fn the_first_failure_ends_the_run_unless_it_was_expected() {
    let mut notebook = notebook(&["fail", "result 2", "print x\nfail", "result 4"]);
    notebook.cells[0].add_tag("raises-exception");
    notebook.cells[1].add_tag("skip-execution");
    notebook.cells[3].outputs = vec![Output::Stream { name: "stdout".into(), text: "old".into() }];
    let mut seen = Vec::new();
    let report = run_notebook(&mut Fake::new().0, &mut notebook, RunOptions::default(), &mut |progress| {
        seen.push(match progress {
            Progress::CellStarted { index, number, of, .. } => format!("start {index} {number}/{of}"),
            Progress::CellFinished { index, error, .. } => format!("end {index} {}", error.is_some()),
        });
    });
    assert_eq!(seen, ["start 0 1/3", "end 0 true", "start 2 2/3", "end 2 true"]);
    let failure = report.failure.expect("the third cell fails");
    assert_eq!(
        (failure.index, failure.number, failure.id.as_str(), failure.error.ename.as_str()),
        (2, 2, "c2", "E0308")
    );
    assert_eq!(texts(&notebook.cells[0]), ["error:E0308:2"]);
    assert_eq!(texts(&notebook.cells[2]), ["stdout:x", "error:E0308:2"]);
    assert!(notebook.cells[3].outputs.is_empty(), "outputs of another run are not kept");
    let options = RunOptions { allow_errors: true, ..RunOptions::default() };
    assert!(run_notebook(&mut Fake::new().0, &mut notebook, options, &mut |_| ()).passed());
    assert_eq!(texts(&notebook.cells[3]), ["result 3:4"]);
}

#[test]
fn a_cell_over_its_time_is_interrupted_and_fails() {
    let mut notebook = notebook(&["wait", "result 2"]);
    notebook.cells[0].add_tag("raises-exception");
    let options = RunOptions { timeout: Some(Duration::from_millis(20)), ..RunOptions::default() };
    let failure = run_notebook(&mut Fake::new().0, &mut notebook, options, &mut |_| ()).failure.expect("too late");
    assert_eq!((failure.index, failure.error.ename.as_str()), (0, "Timeout"));
    assert!(failure.error.evalue.contains("longer than 0.02 s"));
    // In time: nothing is interrupted.
    let mut quick = self::notebook(&["result 1", "result 2"]);
    let options = RunOptions { timeout: Some(Duration::from_secs(60)), ..RunOptions::default() };
    assert!(run_notebook(&mut Fake::new().0, &mut quick, options, &mut |_| ()).passed());
}

/// Runs the command on these files; returns what it printed and whether all passed.
fn command(request: &RunRequest) -> Result<(String, bool), RunError> {
    let (mut out, mut status) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, colour: false, status: Status::Line(&mut status) };
    let summary = run(
        request,
        &|folder: &Path, _: &mut dyn FnMut(&str)| {
            assert!(folder.is_dir(), "cells run in their notebook's folder");
            Ok(Box::new(Fake::new().0) as Box<dyn Engine>)
        },
        &mut console,
    )?;
    Ok((String::from_utf8_lossy(&out).into_owned(), summary.all_passed()))
}

#[test]
fn the_command_reports_a_line_per_notebook_and_the_failing_cell() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    notebook(&["result 1"]).write(&path("01-good.ipynb"))?;
    notebook(&["print x", "print first\nfail"]).write(&path("02-bad.ipynb"))?;
    notebook(&["fail"]).write(&path("01-good.executed.ipynb"))?;
    std::fs::write(path("03-broken.ipynb"), "{")?;
    let request = RunRequest { paths: vec![folder.path().into()], html: true, ..RunRequest::default() };
    let (printed, passed) = command(&request)?;
    assert!(!passed);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("ok      ") && lines[0].contains("01-good.ipynb  1 cells"), "{printed}");
    assert!(lines[1].starts_with("FAILED  ") && lines[1].contains("02-bad.ipynb  cell 2 of 2"), "{printed}");
    assert!(printed.contains("cell [2] (id c1):\n     1 | print first\n     2 | fail\n"), "{printed}");
    assert!(printed.contains("E0308: as told\n  line 1\n  line 2\n") && !printed.contains('\u{1b}'), "{printed}");
    assert!(printed.contains("FAILED  ") && printed.contains("03-broken.ipynb is not JSON"), "{printed}");
    assert!(printed.ends_with("1 passed, 2 failed\n"));
    let executed = Notebook::read(&path("01-good.executed.ipynb"))?;
    assert_eq!(texts(&executed.cells[0]), ["result 1:1"]);
    assert!(Notebook::read(&path("01-good.ipynb"))?.cells[0].outputs.is_empty(), "the original is untouched");
    assert!(std::fs::read_to_string(path("02-bad.executed.html"))?.contains("lathe-error"));
    Ok(())
}

#[test]
fn results_go_where_they_should() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    for name in ["a/n.ipynb", "b/n.ipynb", "b/bad.ipynb"] {
        notebook(&[if name.contains("bad") { "fail" } else { "result 1" }]).write(&path(name))?;
    }
    let output = Some(path("out"));
    let one = RunRequest { paths: vec![path("a")], output: output.clone(), ..RunRequest::default() };
    assert!(command(&one)?.1);
    assert_eq!(texts(&Notebook::read(&path("out/n.ipynb"))?.cells[0]), ["result 1:1"]);
    let both = RunRequest { paths: vec![path("a"), path("b")], output, ..RunRequest::default() };
    assert!(matches!(command(&both), Err(RunError::SameTarget { .. })));
    let in_place = RunRequest { paths: vec![path("b")], in_place: true, ..RunRequest::default() };
    let (printed, passed) = command(&in_place)?;
    assert!(!passed && printed.contains("left as it was"), "{printed}");
    assert!(Notebook::read(&path("b/bad.ipynb"))?.cells[0].outputs.is_empty());
    assert_eq!(texts(&Notebook::read(&path("b/n.ipynb"))?.cells[0]), ["result 1:1"]);
    for (paths, words) in [(path("none.ipynb"), "cannot read"), (path("out/empty"), "no .ipynb file")] {
        std::fs::create_dir_all(path("out/empty"))?;
        let error = command(&RunRequest { paths: vec![paths], ..RunRequest::default() }).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    Ok(())
}

#[test]
fn a_python_notebook_and_a_missing_engine_are_named() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path: PathBuf = folder.path().join("p.ipynb");
    let mut python = notebook(&["print(1)"]);
    python.metadata.insert("language_info".into(), json!({"name": "python"}));
    python.write(&path)?;
    let request = RunRequest { paths: vec![path.clone()], ..RunRequest::default() };
    let (printed, passed) = command(&request)?;
    assert!(!passed && printed.contains("not for Rust"), "{printed}");
    notebook(&["result 1"]).write(&path)?;
    let mut console = Console { out: &mut std::io::sink(), colour: false, status: Status::Off };
    let error =
        run(&request, &|_: &Path, _: &mut dyn FnMut(&str)| Err("no rust-src".into()), &mut console).unwrap_err();
    assert!(error.to_string().contains("no rust-src"));
    Ok(())
}
