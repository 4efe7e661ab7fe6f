use super::{CellKind, Notebook, OutputStore, Stop};
use crate::api::{CellError, Engine, Interrupter, Inward, Outcome, Output};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::time::{Duration, Instant};

/// Why a cell that asks gets no answer.
const NOBODY: &str = "nobody can be asked while a notebook is run from the command line: write the value into the cell, \
                      or run the notebook in JupyterLab";

/// How a notebook is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The longest time for one cell; a cell that takes longer is interrupted and fails.
    pub timeout: Option<Duration>,
    /// The longest time for all cells together.
    pub notebook_timeout: Option<Duration>,
    /// Ends the run early: the running cell is interrupted, the others are not run.
    pub stop: Stop,
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
    /// Each cell that was run, in order.
    pub timings: Vec<CellTiming>,
    /// Somebody asked to stop, and cells were left out.
    pub stopped: bool,
}

/// How long a cell took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellTiming {
    /// Position in [`Notebook::cells`].
    pub index: usize,
    /// Time from its start to its end.
    pub elapsed: Duration,
    /// Did it end with an error, expected or not?
    pub failed: bool,
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
    for cell in &mut notebook.cells {
        if cell.kind == CellKind::Code {
            cell.outputs.clear();
            cell.execution_count = None;
        }
    }
    let of = notebook.cells.iter().filter(|cell| cell.runs()).count();
    let mut report =
        RunReport { cells: 0, of, elapsed: Duration::ZERO, failure: None, timings: Vec::new(), stopped: false };
    let limits = Limits {
        cell: options.timeout,
        notebook: options.notebook_timeout.map(|limit| (limit, began + limit)),
        stop: options.stop,
    };
    let mut store = OutputStore::default();
    let mut places = Vec::new();
    for (index, cell) in notebook.cells.iter_mut().enumerate().filter(|(_, cell)| cell.runs()) {
        report.cells += 1;
        let number = report.cells;
        if let Some(error) = limits.reached() {
            report.stopped = limits.stop.is_requested();
            report.failure = Some(Failure { index, number, id: cell.id.clone(), source: cell.source.clone(), error });
            break;
        }
        progress(Progress::CellStarted { index, number, of, source: &cell.source });
        cell.execution_count = Some(number as u64);
        // What threads of the last cell have shown since.
        engine.background(&mut |output| store.push(output, number.saturating_sub(1) as u64));
        places.push((store.begin_cell(), index));
        let cell_began = Instant::now();
        let outcome = execute(engine, &cell.source, number as u64, &mut store, &limits);
        let (error, stopped) = match outcome {
            Outcome::Ok => (None, false),
            Outcome::Error(error) => (Some(error), false),
            Outcome::Interrupted(error) => (Some(error), true),
        };
        store.end_cell(error.as_ref());
        let elapsed = cell_began.elapsed();
        report.timings.push(CellTiming { index, elapsed, failed: error.is_some() });
        progress(Progress::CellFinished { index, elapsed, error: error.as_ref() });
        let expected = options.allow_errors || cell.has_tag("raises-exception");
        if let Some(error) = error
            && (stopped || !expected)
        {
            report.stopped = limits.stop.is_requested();
            let (id, source) = (cell.id.clone(), cell.source.clone());
            report.failure = Some(Failure { index, number, id, source, error });
            break;
        }
    }
    let widgets = engine.widget_state();
    let mut outputs = store.finish(widgets.is_some());
    for (place, index) in places {
        notebook.cells[index].outputs = std::mem::take(&mut outputs[place]);
    }
    // Widgets of another run belong to outputs that are gone.
    notebook.metadata.remove("widgets");
    if let Some(state) = widgets {
        notebook.metadata.insert("widgets".to_owned(), state);
    }
    report.elapsed = began.elapsed();
    report
}

/// What ends a cell before its time.
struct Limits {
    cell: Option<Duration>,
    /// The time for the whole notebook, and when it is over.
    notebook: Option<(Duration, Instant)>,
    stop: Stop,
}

impl Limits {
    /// Why the next cell cannot be started.
    fn reached(&self) -> Option<CellError> {
        if self.stop.is_requested() {
            let evalue = "the run was stopped before this cell".to_owned();
            return Some(CellError { ename: "Interrupted".into(), evalue, traceback: Vec::new() });
        }
        let (limit, end) = self.notebook?;
        (Instant::now() >= end).then(|| timeout(&notebook_note(limit), Vec::new()))
    }

    /// Waits for the end of the cell, and interrupts it when its time is over (again each second until it ends) or when
    /// somebody asks for it. Returns the time limit that was reached.
    fn watch(&self, ended: &Receiver<()>, interrupter: &Interrupter) -> Option<String> {
        const AGAIN: Duration = Duration::from_secs(1);
        const STEP: Duration = Duration::from_millis(100);
        let cell = self.cell.map(|limit| (Instant::now() + limit, cell_note(limit)));
        let notebook = self.notebook.map(|(limit, end)| (end, notebook_note(limit)));
        let (mut due, mut note) = cell.into_iter().chain(notebook).min_by_key(|(end, _)| *end).unzip();
        let (mut late, mut requests) = (None, 0);
        loop {
            let left = due.map(|due: Instant| due.saturating_duration_since(Instant::now()));
            let wait = left.into_iter().chain(self.stop.is_watched().then_some(STEP)).min().unwrap_or(Duration::MAX);
            if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return late;
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                due = Some(Instant::now() + AGAIN);
                late = late.or(note.take());
                interrupter.interrupt();
            }
            if self.stop.requests() > requests {
                requests = self.stop.requests();
                interrupter.interrupt();
            }
        }
    }
}

fn cell_note(limit: Duration) -> String {
    format!("the cell took longer than {} s (--timeout)", limit.as_secs_f64())
}

fn notebook_note(limit: Duration) -> String {
    format!("the notebook took longer than {} s (--notebook-timeout)", limit.as_secs_f64())
}

fn timeout(note: &str, mut traceback: Vec<String>) -> CellError {
    traceback.push(note.to_owned());
    CellError { ename: "Timeout".into(), evalue: note.to_owned(), traceback }
}

/// Runs one cell; a second thread watches its limits.
fn execute(engine: &mut dyn Engine, code: &str, count: u64, store: &mut OutputStore, limits: &Limits) -> Outcome {
    engine.set_cell_number(count);
    let messenger = engine.messenger();
    let mut out = |output| match output {
        Output::Input { id, .. } => _ = messenger.send(Inward::Answer { id, answer: Err(NOBODY.to_owned()) }),
        output => store.push(output, count),
    };
    if limits.cell.is_none() && limits.notebook.is_none() && !limits.stop.is_watched() {
        return engine.execute(code, &mut out);
    }
    let interrupter = engine.interrupter();
    let (done, ended) = bounded::<()>(0);
    std::thread::scope(|scope| {
        let watchdog = scope.spawn(move || limits.watch(&ended, &interrupter));
        let outcome = engine.execute(code, &mut out);
        drop(done);
        match (outcome, watchdog.join().unwrap_or(None)) {
            (Outcome::Interrupted(error) | Outcome::Error(error), Some(note)) => {
                Outcome::Interrupted(timeout(&note, error.traceback))
            }
            (outcome, _) => outcome,
        }
    })
}
