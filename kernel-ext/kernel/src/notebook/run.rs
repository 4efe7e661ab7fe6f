use super::{CellKind, Notebook, OutputStore};
use crate::api::{CellError, Engine, Outcome};
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::time::{Duration, Instant};

/// How a notebook is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The longest time for one cell; a cell that takes longer is interrupted and fails.
    pub timeout: Option<Duration>,
    /// Go on after a failing cell, as if every cell carried the tag `raises-exception`.
    pub allow_errors: bool,
}

/// What happens while a notebook runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress<'a> {
    /// A code cell starts: number `number` (1-based) of `of` code cells.
    CellStarted {
        /// Position in [`Notebook::cells`].
        index: usize,
        /// 1-based number among the code cells.
        number: usize,
        /// How many code cells there are.
        of: usize,
        /// Its source.
        source: &'a str,
    },
    /// A code cell ended.
    CellFinished {
        /// Position in [`Notebook::cells`].
        index: usize,
        /// How long it took.
        elapsed: Duration,
        /// Its error, if it failed (even where it was expected to).
        error: Option<&'a CellError>,
    },
}

/// The cell that ended a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Position in [`Notebook::cells`].
    pub index: usize,
    /// 1-based number among the code cells: the `[n]` that the notebook shows.
    pub number: usize,
    /// The cell's id.
    pub id: String,
    /// The cell's source.
    pub source: String,
    /// Why it failed.
    pub error: CellError,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// Code cells that were run, the failing one included.
    pub cells: usize,
    /// Code cells of the notebook.
    pub of: usize,
    /// Time for all of them.
    pub elapsed: Duration,
    /// The first unexpected failure; the cells after it were not run.
    pub failure: Option<Failure>,
}

impl RunReport {
    /// Did every cell do what it should?
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// Runs all code cells in order and stores outputs and execution counts in the notebook; old outputs are dropped first.
///
/// The tags of nbconvert are understood: a cell with `raises-exception` may fail, one with `skip-execution` is left out.
/// Empty cells are not run and get no number. The run stops at the first other failure, or earlier when the engine was
/// interrupted.
///
/// ```
/// use lathe_kernel::api::{Completion, Engine, Interrupter, Outcome, Output};
/// use lathe_kernel::notebook::{Cell, Notebook, RunOptions, run_notebook};
/// struct Echo;
/// impl Engine for Echo {
///     fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
///         out(Output::Stream { stream: lathe_kernel::api::Stream::Stdout, text: code.to_owned() });
///         Outcome::Ok
///     }
///     fn complete(&mut self, _: &str, _: usize) -> Completion { Completion::default() }
///     fn inspect(&mut self, _: &str, _: usize) -> Option<lathe_events::frame::Bundle> { None }
///     fn interrupter(&self) -> Interrupter { Interrupter::new(|| {}) }
///     fn shutdown(&mut self) {}
/// }
/// let mut notebook = Notebook::new();
/// notebook.cells.push(Cell::code("a", "hello"));
/// let report = run_notebook(&mut Echo, &mut notebook, RunOptions::default(), &mut |_| ());
/// assert!(report.passed());
/// assert_eq!(notebook.cells[0].execution_count, Some(1));
/// ```
pub fn run_notebook(
    engine: &mut dyn Engine,
    notebook: &mut Notebook,
    options: RunOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> RunReport {
    let began = Instant::now();
    let runs = |cell: &super::Cell| {
        cell.kind == CellKind::Code && !cell.source.trim().is_empty() && !cell.has_tag("skip-execution")
    };
    for cell in &mut notebook.cells {
        if cell.kind == CellKind::Code {
            cell.outputs.clear();
            cell.execution_count = None;
        }
    }
    let of = notebook.cells.iter().filter(|cell| runs(cell)).count();
    let mut report = RunReport { cells: 0, of, elapsed: Duration::ZERO, failure: None };
    let mut store = OutputStore::default();
    let mut places = Vec::new();
    for (index, cell) in notebook.cells.iter_mut().enumerate().filter(|(_, cell)| runs(cell)) {
        report.cells += 1;
        let number = report.cells;
        progress(Progress::CellStarted { index, number, of, source: &cell.source });
        cell.execution_count = Some(number as u64);
        places.push((store.begin_cell(), index));
        let cell_began = Instant::now();
        let outcome = execute(engine, &cell.source, number as u64, &mut store, options.timeout);
        let (error, stopped) = match outcome {
            Outcome::Ok => (None, false),
            Outcome::Error(error) => (Some(error), false),
            Outcome::Interrupted(error) => (Some(error), true),
        };
        store.end_cell(error.as_ref());
        progress(Progress::CellFinished { index, elapsed: cell_began.elapsed(), error: error.as_ref() });
        let expected = options.allow_errors || cell.has_tag("raises-exception");
        if let Some(error) = error
            && (stopped || !expected)
        {
            let (id, source) = (cell.id.clone(), cell.source.clone());
            report.failure = Some(Failure { index, number, id, source, error });
            break;
        }
    }
    let mut outputs = store.finish();
    for (place, index) in places {
        notebook.cells[index].outputs = std::mem::take(&mut outputs[place]);
    }
    report.elapsed = began.elapsed();
    report
}

/// Runs one cell; a second thread interrupts it when its time is over, and again each second until it ends.
fn execute(
    engine: &mut dyn Engine,
    code: &str,
    count: u64,
    store: &mut OutputStore,
    timeout: Option<Duration>,
) -> Outcome {
    engine.set_cell_number(count);
    let mut out = |output| store.push(output, count);
    let Some(timeout) = timeout else { return engine.execute(code, &mut out) };
    let interrupter = engine.interrupter();
    let (done, ended) = bounded::<()>(0);
    std::thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            let (mut wait, mut late) = (timeout, false);
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                (wait, late) = (Duration::from_secs(1), true);
                interrupter.interrupt();
            }
            late
        });
        let outcome = engine.execute(code, &mut out);
        drop(done);
        match (outcome, watchdog.join().unwrap_or(false)) {
            (Outcome::Interrupted(mut error) | Outcome::Error(mut error), true) => {
                let note = format!("the cell took longer than {} s (--timeout)", timeout.as_secs_f64());
                error.traceback.push(note.clone());
                Outcome::Interrupted(CellError { ename: "Timeout".into(), evalue: note, traceback: error.traceback })
            }
            (outcome, _) => outcome,
        }
    })
}
