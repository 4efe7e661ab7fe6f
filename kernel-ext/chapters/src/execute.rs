//! Running a chapter's cells.

use crate::chapter::Chapter;
use crate::error::{Error, Result};
use crate::hash::sources_hash;
use crate::layout::Layout;
use crate::plan::Plan;
use crate::{generate, strip};
use lathe_kernel::api::Engine;
use lathe_kernel::notebook::{Cell, CellKind, Notebook, Output, Progress, RunOptions, run_notebook};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The most that a notebook may weigh, in bytes of its file.
pub const LIMIT: usize = 1_000_000;

/// Starts a fresh engine for one chapter; `quick` engines run with `LATHE_QUICK=1`.
pub type Start<'a> = dyn FnMut(bool) -> std::result::Result<Box<dyn Engine>, String> + 'a;

/// What is told while chapters run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Told {
    /// A cell starts.
    Cell {
        /// The chapter.
        chapter: String,
        /// The cell's id.
        id: String,
        /// 1-based number among the cells.
        number: usize,
        /// How many cells there are.
        of: usize,
    },
    /// A chapter ended well.
    Done {
        /// The chapter.
        chapter: String,
        /// How many cells were run.
        cells: usize,
        /// How long that took.
        elapsed: Duration,
    },
    /// A chapter failed.
    Failed {
        /// The chapter.
        chapter: String,
        /// How long it took until then.
        elapsed: Duration,
    },
}

/// Is this process asked for quick runs? `LATHE_QUICK` counts unless it is empty or `0`.
pub fn quick_asked() -> bool {
    std::env::var("LATHE_QUICK").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// Runs chapters in full and stores their outputs and hashes. A chapter that fails leaves its notebook as it was; the others
/// still run. Whoever starts the engines sees to it that they are not quick ones ([`quick_asked`]).
///
/// # Errors
/// [`Error::Cell`], [`Error::Kernel`] or [`Error::TooBig`] for each chapter that failed.
pub fn execute(layout: &Layout, stems: &[String], start: &mut Start<'_>, tell: &mut dyn FnMut(Told)) -> Result<()> {
    let sources = sources_hash(layout.root())?;
    let mut errors = Vec::new();
    for stem in stems {
        let stored = (|| {
            let plan = Plan::new(layout, stem)?;
            let mut notebook = plan.notebook.clone();
            run(&plan.chapter, &mut notebook, false, start, tell)?;
            strip::volatile(&mut notebook, layout.root());
            let hashes = json!({
                "chapter": stem, "chapter_hash": generate::chapter_hash(&plan.chapter), "sources_hash": sources,
            });
            notebook.metadata.insert("lathe".into(), hashes);
            // Only what the chapter says and the outputs remain, whatever a runner may have noted.
            let notebook = generate::notebook(&plan.chapter, Some(&notebook), &layout.sources())?;
            fits(stem, &notebook)?;
            Plan { notebook, ..plan }.write(layout).map(|_| ())
        })();
        errors.extend(stored.err());
    }
    Error::all(errors)
}

/// Runs chapters in quick mode; nothing is written.
///
/// # Errors
/// [`Error::Cell`] or [`Error::Kernel`] for each chapter that failed.
pub fn test(layout: &Layout, stems: &[String], start: &mut Start<'_>, tell: &mut dyn FnMut(Told)) -> Result<()> {
    let mut errors = Vec::new();
    for stem in stems {
        let tested = (|| {
            let plan = Plan::new(layout, stem)?;
            let mut notebook = plan.notebook;
            let codes = plan.chapter.cells().map(|(_, cell)| cell.quick_code());
            for (cell, code) in notebook.cells.iter_mut().filter(|cell| cell.kind == CellKind::Code).zip(codes) {
                cell.source = code.trim_end().to_owned();
            }
            run(&plan.chapter, &mut notebook, true, start, tell)
        })();
        errors.extend(tested.err());
    }
    Error::all(errors)
}

fn run(
    chapter: &Chapter,
    notebook: &mut Notebook,
    quick: bool,
    start: &mut Start<'_>,
    tell: &mut dyn FnMut(Told),
) -> Result<()> {
    let began = Instant::now();
    let stem = || chapter.stem.clone();
    let failed = |what: Error, tell: &mut dyn FnMut(Told)| {
        tell(Told::Failed { chapter: stem(), elapsed: began.elapsed() });
        Err(what)
    };
    let mut engine = match start(quick) {
        Ok(engine) => engine,
        Err(what) => return failed(Error::Kernel { chapter: stem(), what }, tell),
    };
    let ids: Vec<String> = notebook.cells.iter().map(|cell| cell.id.clone()).collect();
    let report = run_notebook(&mut *engine, notebook, RunOptions::default(), &mut |progress| {
        if let Progress::CellStarted { index, number, of, .. } = progress {
            tell(Told::Cell { chapter: stem(), id: ids[index].clone(), number, of });
        }
    });
    engine.shutdown();
    let line = |id: &str| {
        chapter.cells().find(|(block, _)| block.id.as_deref() == Some(id)).map_or(1, |(block, _)| block.line)
    };
    let error = |id: &str, what: String| Error::Cell { chapter: stem(), cell: id.to_owned(), line: line(id), what };
    if let Some(failure) = report.failure {
        let mut what = format!("{}: {}", failure.error.ename, failure.error.evalue);
        for line in &failure.error.traceback {
            what.push_str("\n    ");
            what.push_str(&line.replace('\n', "\n    "));
        }
        return failed(error(&failure.id, what), tell);
    }
    let calm = |cell: &&Cell| {
        cell.has_tag("raises-exception") && !cell.outputs.iter().any(|output| matches!(output, Output::Error { .. }))
    };
    if let Some(cell) = notebook.cells.iter().find(calm) {
        let what = String::from(
            "it says should_fail but ran to its end\n    mend it: delete should_fail, or restore the mistake that the text explains",
        );
        return failed(error(&cell.id.clone(), what), tell);
    }
    tell(Told::Done { chapter: stem(), cells: report.cells, elapsed: began.elapsed() });
    Ok(())
}

/// Refuses a notebook above [`LIMIT`].
fn fits(stem: &str, notebook: &Notebook) -> Result<()> {
    let bytes = notebook.to_json().len();
    if bytes <= LIMIT {
        return Ok(());
    }
    let mut biggest = (0, String::new(), String::from("text of the chapter"));
    for cell in &notebook.cells {
        for (mime, size) in cell.outputs.iter().flat_map(sizes) {
            if size > biggest.0 {
                biggest = (size, cell.id.clone(), mime);
            }
        }
    }
    let (biggest, cell, mime) = biggest;
    Err(Error::TooBig { chapter: stem.to_owned(), bytes, limit: LIMIT, cell, mime, biggest })
}

/// The formats of an output and what each weighs.
fn sizes(output: &Output) -> Vec<(String, usize)> {
    match output {
        Output::Stream { name, text } => vec![(name.clone(), text.len())],
        Output::Display { data, .. } | Output::Result { data, .. } => data
            .iter()
            .map(|(mime, value)| (mime.clone(), value.as_str().map_or_else(|| value.to_string().len(), str::len)))
            .collect(),
        Output::Error { traceback, .. } => vec![(String::from("error"), traceback.iter().map(String::len).sum())],
        Output::Other(value) => vec![(String::from("output"), Value::to_string(value).len())],
    }
}
