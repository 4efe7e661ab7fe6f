//! `lathe-kernel run`: notebooks from the command line.

use super::{
    Failure, Notebook, NotebookError, Progress, RunOptions, files, html, run_notebook, terminal, write_atomically,
};
use crate::api::Engine;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to run and where the results go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunRequest {
    /// Notebooks, and folders of notebooks.
    pub paths: Vec<PathBuf>,
    /// Write `<name>.html` too.
    pub html: bool,
    /// Write here under the same names; otherwise beside the notebook as `<name>.executed.ipynb`.
    pub output: Option<PathBuf>,
    /// Overwrite the notebook itself, if every cell passed.
    pub in_place: bool,
    /// Shrink epochs and data (`LATHE_QUICK=1`).
    pub quick: bool,
    /// Time for each cell.
    pub timeout: Option<Duration>,
    /// Go on after failing cells.
    pub allow_errors: bool,
}

/// Starts a fresh engine whose cells run in the given folder; the last argument takes lines about the progress.
pub type Start<'a> = dyn FnMut(&Path, &mut dyn FnMut(&str)) -> Result<Box<dyn Engine>, String> + 'a;

/// Where lines go.
pub struct Console<'a> {
    /// One line per notebook, and errors of cells.
    pub out: &'a mut dyn Write,
    /// May lines have colours?
    pub colour: bool,
    /// A line that is overwritten while cells run (a terminal), or nothing.
    pub status: Option<&'a mut dyn Write>,
}

impl Console<'_> {
    fn status(&mut self, text: &str) {
        if let Some(status) = &mut self.status {
            let line: String = text.lines().next().unwrap_or_default().chars().take(100).collect();
            // A terminal that is gone is no reason to stop.
            _ = write!(status, "\r\u{1b}[2K{line}").and_then(|()| status.flush());
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Runs the notebooks one after the other, each in a fresh engine, and says for each how it went. `true`: all passed.
/// A notebook that fails or cannot be read does not keep the others from running; an engine that does not start does.
///
/// # Errors
/// When the arguments cannot be used (a missing file, two notebooks with one target) or the console cannot be written.
pub fn run(request: &RunRequest, start: &mut Start<'_>, console: &mut Console<'_>) -> Result<bool, RunError> {
    let notebooks = files::expand(&request.paths)?;
    let targets = targets(request, &notebooks)?;
    let (mut passed, mut failed) = (0, 0);
    for (path, target) in notebooks.iter().zip(&targets) {
        match one(request, path, target, start, console) {
            Ok(true) => passed += 1,
            Ok(false) => failed += 1,
            Err(RunError::Notebook(error)) => {
                failed += 1;
                let label = console.paint("1;31", "FAILED");
                console.status("");
                writeln!(console.out, "{label}  {error}")?;
            }
            Err(other) => return Err(other),
        }
    }
    if notebooks.len() > 1 {
        writeln!(console.out, "{passed} passed, {failed} failed")?;
    }
    Ok(failed == 0)
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

fn one(
    request: &RunRequest,
    path: &Path,
    target: &Path,
    start: &mut Start<'_>,
    console: &mut Console<'_>,
) -> Result<bool, RunError> {
    let name = path.display().to_string();
    let mut notebook = Notebook::read(path)?;
    notebook.check_language(&name)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    console.status(&format!("{name}: starting the engine"));
    let mut engine = start(folder, &mut |line| console.status(&format!("{name}: {line}"))).map_err(|reason| {
        console.status("");
        RunError::Engine(reason)
    })?;
    let options = RunOptions { timeout: request.timeout, allow_errors: request.allow_errors };
    let report = run_notebook(&mut *engine, &mut notebook, options, &mut |progress| {
        if let Progress::CellStarted { number, of, source, .. } = progress {
            console.status(&format!("{name} [{number}/{of}] {}", source.trim()));
        }
    });
    engine.shutdown();
    console.status("");
    let written = !request.in_place || report.passed();
    if written {
        notebook.write(target)?;
    }
    if request.html {
        let page = target.with_extension("html");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        write_atomically(&page, html::notebook_to_html(&notebook, &stem).as_bytes())
            .map_err(|source| NotebookError::Write { path: page, source })?;
    }
    let (cells, of, seconds) = (report.cells, report.of, report.elapsed.as_secs_f64());
    let arrow = if written { format!("  -> {}", target.display()) } else { "  (left as it was)".to_owned() };
    match &report.failure {
        None => {
            let label = console.paint("1;32", "ok");
            writeln!(console.out, "{label}      {name}  {cells} cells  {seconds:.1} s{arrow}")?;
        }
        Some(failure) => {
            let label = console.paint("1;31", "FAILED");
            writeln!(console.out, "{label}  {name}  cell {cells} of {of}  {seconds:.1} s{arrow}")?;
            explain(failure, console)?;
        }
    }
    Ok(report.passed())
}

/// The failing cell with line numbers, and its error.
fn explain(failure: &Failure, console: &mut Console<'_>) -> io::Result<()> {
    writeln!(console.out, "\n  cell [{}] (id {}):", failure.number, failure.id)?;
    for (line, text) in failure.source.lines().enumerate() {
        writeln!(console.out, "  {:>4} | {text}", line + 1)?;
    }
    let error = &failure.error;
    writeln!(console.out)?;
    // Most tracebacks start with the error itself.
    if !error.traceback.first().is_some_and(|first| terminal::plain(first).contains(&error.evalue)) {
        let title = console.paint("1;31", &format!("{}: {}", error.ename, error.evalue));
        writeln!(console.out, "  {title}")?;
    }
    for line in error.traceback.iter().flat_map(|text| text.split('\n')) {
        let line = if console.colour { line.to_owned() } else { terminal::plain(line) };
        writeln!(console.out, "  {line}")?;
    }
    writeln!(console.out)
}
