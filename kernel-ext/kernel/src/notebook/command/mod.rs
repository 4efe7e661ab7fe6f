//! `lathe-kernel run`: notebooks from the command line, several at once.

mod console;
mod junit;
mod one;

pub use console::{Console, Status};

use super::{Failure, Notebook, NotebookError, Parameter, Stop, files, terminal, write_atomically};
use crate::api::Engine;
use console::Board;
use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};
use one::{Finished, Message};
use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What to run and where the results go.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// Notebooks, and folders of notebooks.
    pub paths: Vec<PathBuf>,
    /// Write `<name>.html` too.
    pub html: bool,
    /// Write here under the same names; otherwise beside the notebook as `<name>.executed.ipynb`.
    pub output: Option<PathBuf>,
    /// Overwrite the notebook itself, if every cell passed.
    pub in_place: bool,
    /// Time for each cell.
    pub timeout: Option<Duration>,
    /// Time for all cells of a notebook together.
    pub notebook_timeout: Option<Duration>,
    /// Go on after failing cells.
    pub allow_errors: bool,
    /// How many notebooks run at once; by default what cores and memory allow.
    pub jobs: Option<usize>,
    /// Write a summary in the JUnit format to this file.
    pub junit: Option<PathBuf>,
    /// Values for variables, put in each notebook.
    pub parameters: Vec<Parameter>,
    /// Ends the run early; what was run is kept.
    pub stop: Stop,
}

/// Starts a fresh engine whose cells run in the given folder; the last argument takes lines about the progress. It is
/// called on the thread that runs the notebook.
pub type Start<'a> = dyn Fn(&Path, &mut dyn FnMut(&str)) -> Result<Box<dyn Engine>, String> + Sync + 'a;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Notebooks of which every cell did what it should.
    pub passed: usize,
    /// The others that were started or could not be read.
    pub failed: usize,
    /// Notebooks that were never started, because somebody stopped the run.
    pub left_out: usize,
    /// Somebody stopped the run.
    pub stopped: bool,
}

impl Summary {
    /// Did every notebook pass?
    pub fn all_passed(&self) -> bool {
        self.failed == 0 && self.left_out == 0
    }
}

/// Why `run` cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A notebook cannot be read or written.
    #[error(transparent)]
    Notebook(#[from] NotebookError),
    /// Two notebooks would be written to one file.
    #[error("{} and {} would both be written to {}: run them into different folders", .first.display(), .second.display(), .target.display())]
    SameTarget {
        /// One notebook.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// The file.
        target: PathBuf,
    },
    /// The engine does not start.
    #[error("the engine did not start: {0}")]
    Engine(String),
    /// The console cannot be written.
    #[error("cannot write to the console: {0}")]
    Console(#[from] io::Error),
}

/// Memory that a running notebook takes: rust-analyzer in the kernel, and data of a lesson's size in its cells.
const MEMORY: u64 = 1_500_000_000;

/// How many notebooks can run at once: one for each core and each 1.5 GB of free memory.
pub fn default_jobs() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free =
        text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse().ok());
    let by_memory = free.map_or(cores, |kilobytes: u64| usize::try_from(kilobytes * 1024 / MEMORY).unwrap_or(cores));
    cores.min(by_memory).max(1)
}

/// Runs the notebooks, each in a fresh engine, several at once, and says for each how it went, in their order. A notebook
/// that fails or cannot be read does not keep the others from running; an engine that does not start does.
///
/// # Errors
/// When the arguments cannot be used (a missing file, two notebooks with one target), no engine starts, or the console or
/// the summary cannot be written.
pub fn run(request: &RunRequest, start: &Start<'_>, console: &mut Console<'_>) -> Result<Summary, RunError> {
    let notebooks = files::expand(&request.paths)?;
    let targets = targets(request, &notebooks)?;
    // One that cannot be read is reported when its turn comes.
    let cells: Vec<usize> = notebooks
        .iter()
        .map(|path| Notebook::read(path).map_or(0, |n| n.cells.iter().filter(|cell| cell.runs()).count()))
        .collect();
    let jobs = request.jobs.unwrap_or_else(default_jobs).clamp(1, notebooks.len().max(1));
    let (next, give_up) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut finished: Vec<Option<Finished>> = notebooks.iter().map(|_| None).collect();
    let mut engine_error = None;
    let (sender, messages) = unbounded();
    let printed = std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next, give_up) = (sender.clone(), &next, &give_up);
            let (notebooks, targets) = (&notebooks, &targets);
            scope.spawn(move || work(request, notebooks, targets, start, next, give_up, &sender));
        }
        drop(sender);
        let mut board = Board::new(cells.iter().copied());
        let mut shown = 0;
        loop {
            let message = match messages.recv_timeout(Duration::from_millis(500)) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    board.show(console);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let name = |index: usize| notebooks[index].display().to_string();
            match message {
                Message::Note { index, text } => board.note(index, &name(index), &text, console),
                Message::Cell { index, number, of, source } => board.cell(index, number, of, &source, console),
                Message::NoEngine { reason } => _ = engine_error.get_or_insert(reason),
                Message::Finished { index, result } => {
                    let (ran, word) = (result.cells(), if result.passed() { "finished" } else { "FAILED" });
                    board.finish(index, cells[index].saturating_sub(ran), ran > 0, console);
                    console.log(&format!("{word} {}", name(index)));
                    finished[index] = Some(*result);
                }
            }
            // In their order, so that two runs can be compared.
            while let Some(Some(done)) = finished.get(shown) {
                if let Err(error) = console.print(&describe(done, &name(shown), console)) {
                    give_up.store(true, Ordering::SeqCst);
                    return Err(error);
                }
                shown += 1;
            }
            board.show(console);
        }
        console.line("");
        for (index, done) in finished.iter().enumerate().skip(shown) {
            if let Some(done) = done {
                console.print(&describe(done, &notebooks[index].display().to_string(), console))?;
            }
        }
        Ok(())
    });
    if let Some(path) = &request.junit {
        let pairs = notebooks.iter().map(PathBuf::as_path).zip(finished.iter().map(Option::as_ref));
        write_atomically(path, junit::report(pairs).as_bytes())
            .map_err(|source| NotebookError::Write { path: path.clone(), source })?;
    }
    printed?;
    if let Some(reason) = engine_error {
        return Err(RunError::Engine(reason));
    }
    let passed = finished.iter().flatten().filter(|done| done.passed()).count();
    let failed = finished.iter().flatten().count() - passed;
    let left_out = notebooks.len() - passed - failed;
    if notebooks.len() > 1 {
        let rest = if left_out > 0 { format!(", {left_out} not run") } else { String::new() };
        console.print(&format!("{passed} passed, {failed} failed{rest}\n"))?;
    }
    Ok(Summary { passed, failed, left_out, stopped: request.stop.is_requested() })
}

/// Takes one notebook after the other until none is left.
fn work(
    request: &RunRequest,
    notebooks: &[PathBuf],
    targets: &[PathBuf],
    start: &Start<'_>,
    next: &AtomicUsize,
    give_up: &AtomicBool,
    tell: &Sender<Message>,
) {
    while !give_up.load(Ordering::SeqCst) && !request.stop.is_requested() {
        let index = next.fetch_add(1, Ordering::SeqCst);
        let (Some(path), Some(target)) = (notebooks.get(index), targets.get(index)) else { return };
        let message = match one::run(request, index, path, target, start, tell) {
            Some(result) => Message::Finished { index, result: Box::new(result) },
            None => {
                give_up.store(true, Ordering::SeqCst);
                return;
            }
        };
        if tell.send(message).is_err() {
            return;
        }
    }
}

fn targets(request: &RunRequest, notebooks: &[PathBuf]) -> Result<Vec<PathBuf>, RunError> {
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut targets = Vec::new();
    for path in notebooks {
        let name = path.file_name().unwrap_or_default();
        let target = match &request.output {
            Some(folder) => folder.join(name),
            None if request.in_place => path.clone(),
            None => path.with_extension("executed.ipynb"),
        };
        if let Some(first) = taken.insert(target.clone(), path.clone())
            && first != *path
        {
            return Err(RunError::SameTarget { first, second: path.clone(), target });
        }
        targets.push(target);
    }
    Ok(targets)
}

/// The lines about a notebook that has ended.
fn describe(done: &Finished, name: &str, console: &Console<'_>) -> String {
    let bad = console.paint("1;31", "FAILED");
    let ran = match &done.outcome {
        Ok(ran) => ran,
        Err(error) => return format!("{bad}  {error}\n"),
    };
    let report = &ran.report;
    let (cells, of, seconds) = (report.cells, report.of, report.elapsed.as_secs_f64());
    let arrow = match &ran.target {
        Some(target) => format!("  -> {}", target.display()),
        None => "  (left as it was)".to_owned(),
    };
    let mut text = match &report.failure {
        None => format!("{}      {name}  {cells} cells  {seconds:.1} s{arrow}\n", console.paint("1;32", "ok")),
        Some(_) if report.stopped => {
            format!("{} {name}  cell {cells} of {of}  {seconds:.1} s{arrow}\n", console.paint("1;33", "stopped"))
        }
        Some(failure) => {
            format!("{bad}  {name}  cell {cells} of {of}  {seconds:.1} s{arrow}\n{}", explain(failure, console))
        }
    };
    if !ran.unknown.is_empty() {
        // Writing to a string cannot fail.
        _ = writeln!(text, "        note: no cell tagged `parameters` declares {}", ran.unknown.join(", "));
    }
    text
}

/// The failing cell with line numbers, and its error.
fn explain(failure: &Failure, console: &Console<'_>) -> String {
    let mut text = format!("\n  cell [{}] (id {}):\n", failure.number, failure.id);
    for (line, source) in failure.source.lines().enumerate() {
        _ = writeln!(text, "  {:>4} | {source}", line + 1);
    }
    let error = &failure.error;
    text.push('\n');
    // Most tracebacks start with the error itself.
    if !error.traceback.first().is_some_and(|first| terminal::plain(first).contains(&error.evalue)) {
        _ = writeln!(text, "  {}", console.paint("1;31", &format!("{}: {}", error.ename, error.evalue)));
    }
    for line in error.traceback.iter().flat_map(|text| text.split('\n')) {
        let line = if console.colour { line.to_owned() } else { terminal::plain(line) };
        _ = writeln!(text, "  {line}");
    }
    text.push('\n');
    text
}
