//! Several notebooks at once, limits, parameters and the summary for CI, with a test double for the engine.

mod protocol_support;

use lathe_kernel::api::Engine;
use lathe_kernel::notebook::command::{Console, RunError, RunRequest, Status, Summary, run};
use lathe_kernel::notebook::{Cell, Notebook, Output, Stop};
use protocol_support::Fake;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Failing = Result<(), Box<dyn std::error::Error>>;

fn write(path: &Path, sources: &[&str]) -> Failing {
    let mut notebook = Notebook::new();
    for (index, source) in sources.iter().enumerate() {
        notebook.cells.push(Cell::code(format!("c{index}"), *source));
    }
    Ok(notebook.write(path)?)
}

fn fake(_: &Path, _: &mut dyn FnMut(&str)) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(Fake::new().0))
}

/// Runs with these engines; what was printed, what the log of a machine gets, and how it ended.
fn logged(
    request: &RunRequest,
    start: &lathe_kernel::notebook::command::Start<'_>,
) -> Result<(String, String, Summary), RunError> {
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let summary = run(request, start, &mut Console { out: &mut out, colour: false, status: Status::Log(&mut log) })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(out), text(log), summary))
}

#[test]
fn notebooks_run_side_by_side_and_are_reported_in_their_order() -> Failing {
    let folder = tempfile::tempdir()?;
    for name in ["a.ipynb", "b.ipynb", "c.ipynb"] {
        write(&folder.path().join(name), &["print x\\n"])?;
    }
    // Nobody passes the barrier before all three are there: one after the other this would never end.
    let barrier = Barrier::new(3);
    let request = RunRequest { paths: vec![folder.path().into()], jobs: Some(3), ..RunRequest::default() };
    let (out, log, summary) = logged(&request, &|folder, say| {
        barrier.wait();
        fake(folder, say)
    })?;
    assert_eq!(summary, Summary { passed: 3, ..Summary::default() });
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    for (line, name) in lines.iter().zip(["a.ipynb", "b.ipynb", "c.ipynb"]) {
        assert!(line.starts_with("ok ") && line.contains(name), "{out}");
    }
    assert_eq!((log.matches("started ").count(), log.matches("finished ").count()), (3, 3), "{log}");
    Ok(())
}

#[test]
fn the_time_of_a_notebook_is_the_time_of_all_its_cells() -> Failing {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("n.ipynb");
    write(&path, &["print a", "wait", "print b"])?;
    let request = RunRequest {
        paths: vec![path.clone()],
        notebook_timeout: Some(Duration::from_millis(50)),
        timeout: Some(Duration::from_secs(600)),
        ..RunRequest::default()
    };
    let (out, _, summary) = logged(&request, &fake)?;
    assert_eq!(summary, Summary { failed: 1, ..Summary::default() });
    assert!(out.contains("cell 2 of 3") && out.contains("the notebook took longer than 0.05 s"), "{out}");
    let executed = Notebook::read(&path.with_extension("executed.ipynb"))?;
    assert_eq!(executed.cells[0].outputs.len(), 1, "what was run is kept");
    Ok(())
}

#[test]
fn who_stops_the_run_keeps_what_was_run() -> Failing {
    static PRESSED: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    write(&path("a.ipynb"), &["print kept", "wait", "print never"])?;
    write(&path("b.ipynb"), &["print never"])?;
    let junit = path("report.xml");
    let request = RunRequest {
        paths: vec![folder.path().into()],
        jobs: Some(1),
        junit: Some(junit.clone()),
        stop: Stop::watch(&PRESSED),
        ..RunRequest::default()
    };
    let (out, _, summary) = logged(&request, &|folder, say| {
        // By then, or later, the second cell waits for somebody who stops it.
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            PRESSED.fetch_add(1, Ordering::SeqCst);
        });
        fake(folder, say)
    })?;
    assert_eq!(summary, Summary { failed: 1, left_out: 1, stopped: true, ..Summary::default() });
    assert!(out.starts_with("stopped ") && out.contains("cell 2 of 3") && out.contains("1 not run"), "{out}");
    let executed = Notebook::read(&path("a.executed.ipynb"))?;
    let stored: Vec<usize> = executed.cells.iter().map(|cell| cell.outputs.len()).collect();
    assert_eq!(stored, [1, 1, 0], "text, the interruption, nothing");
    assert!(matches!(&executed.cells[0].outputs[0], Output::Stream { text, .. } if text == "kept"));
    assert!(!path("b.executed.ipynb").exists());
    let report = std::fs::read_to_string(junit)?;
    assert!(report.contains("not run") && report.contains("the run ended before it"), "{report}");
    Ok(())
}

#[test]
fn the_summary_for_ci_has_a_case_for_each_cell() -> Failing {
    let folder = tempfile::tempdir()?;
    write(&folder.path().join("1.ipynb"), &["print <&>\\n", "", "result 2"])?;
    write(&folder.path().join("2.ipynb"), &["print a", "print <b>\nfail", "print c"])?;
    std::fs::write(folder.path().join("3.ipynb"), "{")?;
    let junit = folder.path().join("deep/report.xml");
    let request = RunRequest { paths: vec![folder.path().into()], junit: Some(junit.clone()), ..RunRequest::default() };
    let (_, _, summary) = logged(&request, &fake)?;
    assert_eq!((summary.passed, summary.failed), (1, 2));
    let report = std::fs::read_to_string(junit)?;
    for words in [
        "<testsuites name=\"notebooks\" tests=\"6\" failures=\"2\"",
        "1.ipynb\" tests=\"2\" failures=\"0\" skipped=\"0\"",
        "2.ipynb\" tests=\"3\" failures=\"1\" skipped=\"1\"",
        "<testcase classname=\"1\" name=\"[1] print &lt;&amp;&gt;\\n\"",
        "<failure message=\"as told\" type=\"E0308\">print &lt;b&gt;\nfail\n\nline 1\nline 2</failure>",
        "is not JSON",
    ] {
        assert!(report.contains(words), "{words} is missing in {report}");
    }
    assert_eq!(report.matches("<testcase").count(), report.matches("</testcase>").count() + 3, "three say nothing");
    Ok(())
}

#[test]
fn parameters_are_set_behind_their_cell() -> Failing {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("n.ipynb");
    let mut notebook = Notebook::new();
    let mut cell = Cell::code("p", "let epochs: usize = 20;");
    cell.add_tag("parameters");
    cell.add_tag("skip-execution");
    notebook.cells.push(cell);
    notebook.cells.push(Cell::code("c", "result 1"));
    notebook.write(&path)?;
    let parameters = |texts: &[&str]| texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, String>>();
    let request = RunRequest {
        paths: vec![path.clone()],
        parameters: parameters(&["epochs=3", "other=x"])?,
        allow_errors: true,
        ..RunRequest::default()
    };
    let (out, ..) = logged(&request, &fake)?;
    assert!(out.contains("no cell tagged `parameters` declares other"), "{out}");
    let executed = Notebook::read(&path.with_extension("executed.ipynb"))?;
    assert_eq!(executed.cells[1].source, "// Parameters of this run\nlet epochs: usize = 3;\nlet other = \"x\";");
    assert_eq!(executed.cells[1].execution_count, Some(1), "it is run");
    assert!(executed.cells[1].has_tag("injected-parameters"));
    let request = RunRequest { parameters: parameters(&["epochs=many"])?, ..request };
    let (out, ..) = logged(&request, &fake)?;
    assert!(out.starts_with("FAILED") && out.contains("--parameter epochs=many: a whole number"), "{out}");
    Ok(())
}
