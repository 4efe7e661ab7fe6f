//! One notebook, on a thread of its own.

use super::{RunRequest, Start};
use crate::notebook::{
    Notebook, NotebookError, Progress, RunOptions, RunReport, html, inject, run_notebook, write_atomically,
};
use crossbeam_channel::Sender;
use std::path::{Path, PathBuf};

/// What a thread tells.
pub(super) enum Message {
    /// A notebook does something else than running a cell.
    Note { index: usize, text: String },
    /// A cell starts.
    Cell { index: usize, number: usize, of: usize, source: String },
    /// A notebook has ended.
    Finished { index: usize, result: Box<Finished> },
    /// No engine starts.
    NoEngine { reason: String },
}

/// A notebook that has ended.
pub(super) struct Finished {
    pub outcome: Result<Ran, NotebookError>,
}

/// One that was run.
pub(super) struct Ran {
    pub report: RunReport,
    pub notebook: Notebook,
    /// Where it was written; not at all when it failed and would overwrite itself.
    pub target: Option<PathBuf>,
    /// Parameters that it does not declare.
    pub unknown: Vec<String>,
}

impl Finished {
    pub fn passed(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|ran| ran.report.passed())
    }

    pub fn cells(&self) -> usize {
        self.outcome.as_ref().map_or(0, |ran| ran.report.timings.len())
    }
}

/// Runs a notebook and writes its results; `None`: no engine starts, and nothing was run.
pub(super) fn run(
    request: &RunRequest,
    index: usize,
    path: &Path,
    target: &Path,
    start: &Start<'_>,
    tell: &Sender<Message>,
) -> Option<Finished> {
    // Nobody listens any more when the console is gone; then `give_up` ends the thread.
    let say = |message| _ = tell.send(message);
    let name = path.display().to_string();
    let read = || {
        let mut notebook = Notebook::read(path)?;
        notebook.check_language(&name)?;
        let unknown = inject(&mut notebook, &request.parameters, &name)?;
        Ok((notebook, unknown))
    };
    let (mut notebook, unknown) = match read() {
        Ok(read) => read,
        Err(error) => return Some(Finished { outcome: Err(error) }),
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    say(Message::Note { index, text: "starting the engine".into() });
    let mut engine = match start(folder, &mut |line| say(Message::Note { index, text: line.to_owned() })) {
        Ok(engine) => engine,
        Err(reason) => {
            say(Message::NoEngine { reason });
            return None;
        }
    };
    let options = RunOptions {
        timeout: request.timeout,
        notebook_timeout: request.notebook_timeout,
        stop: request.stop,
        allow_errors: request.allow_errors,
    };
    let report = run_notebook(&mut *engine, &mut notebook, options, &mut |progress| {
        if let Progress::CellStarted { number, of, source, .. } = progress {
            say(Message::Cell { index, number, of, source: source.to_owned() });
        }
    });
    engine.shutdown();
    let write = || {
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
        Ok(written.then(|| target.to_owned()))
    };
    let outcome = write();
    Some(Finished { outcome: outcome.map(|target| Ran { report, notebook, target, unknown }) })
}
