//! Runs cells: `evcxr` with our own cargo, our own child process and our own way of showing and stopping.
//!
//! The same program is kernel, child of evcxr and `cargo`: [`enter_special_modes`] tells which.

mod answer;
mod aside;
mod background;
mod calls;
mod cell;
mod channel;
mod child;
mod commands;
mod compile;
mod complete;
mod control;
mod death;
mod deps;
mod details;
mod diagnostics;
mod execute;
mod fate;
mod glossary;
mod inbox;
mod items;
mod locate;
mod memory;
mod message;
pub(crate) mod original_env;
mod outcome;
mod output;
mod past;
mod patch;
mod persist;
mod place;
mod plan;
mod record;
mod render;
mod run_dir;
mod runtime;
mod shim;
mod split;
mod starts;
mod stdin;
mod suggest;
mod times;
mod translate;
mod trim;
mod types;
mod worker;

pub use complete::{Completeness, is_complete, is_expression};
pub(crate) use deps::usage as added_crates;
pub use run_dir::remove_private_folder;

use crate::api::{Answer, Asker, Completion, Engine, Interrupter, Messenger, Outcome, Output, Question, Stream};
use crate::prepared::{PrepareError, Prepared};
use aside::Aside;
use channel::Channel;
use control::Control;
use crossbeam_channel::{Receiver, Sender, bounded, never, unbounded};
use lathe_events::frame::{Bundle, NONCE_ENV};
use memory::Memory;
use outcome::Report;
use output::{Event, Pending};
use record::{Kind, Writer};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use worker::{ChildPlan, Done, Ended, How, Job};

/// What every session starts with. The `?` makes evcxr generate code that allows it; otherwise the first cell with one
/// would be compiled twice.
const PRELUDE: &str = "use lathe::prelude::*;\nOk::<(), String>(())?;";
/// Records that may wait for a slow front end before the cell has to wait.
const QUEUE: usize = 256;
/// Fragments of text that come within this time are shown together.
const COALESCE: Duration = Duration::from_millis(5);
/// How often an interrupt is looked for while rust-analyzer works.
const LOOK: Duration = Duration::from_millis(20);
/// A question about the code is given up after this time.
const QUESTION: Duration = Duration::from_secs(10);
/// evcxr's start is given up after this time.
const START: Duration = Duration::from_secs(120);

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The prelude is not prepared.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A file or folder could not be made.
    #[error("{path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// evcxr did not start.
    #[error("the Rust engine did not start: {0}")]
    Start(String),
    /// The first cell, which loads the prelude, failed.
    #[error("the prelude does not load: {0}")]
    Prelude(String),
}

/// How to start an engine.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// The kernel's program; by default the one that runs. Tests name it, because they are another program.
    pub exe: Option<PathBuf>,
    /// Where cells run; by default where the kernel was started.
    pub working_dir: Option<PathBuf>,
    /// Cells see `LATHE_QUICK=1`: fewer epochs, less data.
    pub quick: bool,
    /// More variables for the process that runs cells.
    pub env: Vec<(String, String)>,
    /// Shown by the first cell, for example that an older prelude is used.
    pub notice: Option<String>,
}

/// Takes over when this process is the child of evcxr or plays `cargo` or `rustup`; returns in the kernel itself.
///
/// Must be the first call in `main`, before any thread and any output.
pub fn enter_special_modes() {
    match shim::tool_name() {
        Some("cargo") => shim::cargo(),
        Some("rustup") => shim::rustup(),
        _ => {}
    }
    if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
        child::run();
    }
}

/// Cells on `evcxr`.
#[derive(Debug)]
pub struct EvcxrEngine {
    folder: PathBuf,
    jobs: Sender<Job>,
    events: Receiver<Event>,
    control: Arc<Control>,
    aside: Arc<Aside>,
    channel: Channel,
    pending: Pending,
    /// The cell that ran last.
    last_code: String,
    token: u64,
    /// As they were after the last cell.
    variables: Vec<(String, String)>,
    /// Variables that evcxr believes in, but that were never made.
    absent: BTreeSet<String>,
    memory: Memory,
    prepared: Prepared,
    working_dir: Option<PathBuf>,
    /// Every cell says how long it took.
    timing: bool,
    /// For the first cell.
    notice: Option<String>,
    /// The user knows that the sources changed.
    told_outdated: bool,
    /// Number of the cell that runs, or ran last.
    number: u64,
    next_number: Option<u64>,
    /// The interrupted cell that rust-analyzer still works on; it will not be compiled.
    left: Option<Receiver<Done>>,
    /// All that the compiler said about the last cell that did not compile.
    explained: Option<String>,
}

impl EvcxrEngine {
    /// Starts evcxr and its child on a prepared folder and loads the prelude: about 1 s.
    ///
    /// # Errors
    /// [`EngineError`] says what could not be started.
    pub fn start(prepared: Prepared, options: &EngineOptions) -> Result<Self, EngineError> {
        // The program may be replaced by a new build while it runs; this name stays the old one.
        let own = || PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        let exe = options.exe.clone().unwrap_or_else(own);
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let (jobs, job_queue) = unbounded();
        let (event_sender, events) = bounded(QUEUE);
        let (ready, started) = bounded(1);
        let aside = Arc::new(Aside::default());
        let for_worker = Arc::clone(&aside);
        let (folder, control, channel) = run_dir::with_engine_folder(&prepared, &exe, |folder| {
            let fifo_path = folder.join(shim::FIFO);
            let fifo = make_fifo(&fifo_path).map_err(|source| EngineError::Io { path: fifo_path.clone(), source })?;
            let control = Arc::new(Control::new(folder.to_owned()));
            let (channel, listeners) = Channel::start(folder, &nonce, &control, &aside, event_sender)?;
            let for_nonce = nonce.clone();
            std::thread::Builder::new()
                .name(String::from("cell output"))
                .spawn(move || output::read(fifo, &for_nonce, &listeners))
                .map_err(EngineError::Thread)?;
            let mut variables = vec![
                (NONCE_ENV.to_owned(), nonce.into()),
                (child::FIFO_ENV.to_owned(), fifo_path.into_os_string()),
                (String::from("LD_LIBRARY_PATH"), library_path(&prepared)),
            ];
            variables.extend(Channel::variables(folder));
            if options.quick {
                variables.push((String::from("LATHE_QUICK"), "1".into()));
            }
            variables.extend(options.env.iter().map(|(name, value)| (name.clone(), value.into())));
            starts::begin(folder, &prepared);
            let plan = ChildPlan { exe: exe.clone(), working_dir: options.working_dir.clone(), variables };
            let place = folder.to_owned();
            std::thread::Builder::new()
                .name(String::from("cells"))
                // rust-analyzer recurses deeply.
                .stack_size(32 << 20)
                .spawn(move || match worker::start(plan.command()) {
                    Ok(context) => {
                        // The receiver may have given up.
                        let _ = ready.send(Ok(()));
                        worker::work(context, &place, &job_queue, &for_worker);
                    }
                    Err(error) => drop(ready.send(Err(error))),
                })
                .map_err(EngineError::Thread)?;
            // evcxr reads the environment while it starts.
            let answer = started.recv_timeout(START).unwrap_or_else(|_| {
                control.signal(libc::SIGKILL);
                Err(EngineError::Start(format!("no answer within {} s", START.as_secs())))
            });
            answer.map_err(|error| with_last_words(error, &events))?;
            Ok((folder.to_owned(), control, channel))
        })?;
        let mut engine = Self {
            folder,
            jobs,
            events,
            control,
            aside,
            channel,
            pending: Pending::default(),
            last_code: String::new(),
            token: 0,
            variables: Vec::new(),
            absent: BTreeSet::new(),
            memory: Memory::default(),
            prepared,
            working_dir: options.working_dir.clone(),
            timing: false,
            notice: None,
            told_outdated: false,
            number: 0,
            next_number: Some(0),
            left: None,
            explained: None,
        };
        let outcome = engine.execute(PRELUDE, &mut |_| {});
        starts::end(&engine.folder);
        match outcome {
            Outcome::Ok => {
                engine.notice.clone_from(&options.notice);
                // An older prelude was taken on purpose.
                engine.told_outdated = options.notice.is_some();
                Ok(engine)
            }
            Outcome::Error(error) | Outcome::Interrupted(error) => {
                Err(EngineError::Prelude(format!("{}\n{}", error.evalue, error.traceback.join("\n"))))
            }
        }
    }

    /// Names of the variables that the next cell can use, with their types.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The private folder of this engine; it holds less than 4 MB however many cells ran (without `:dep`).
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many compilations went to rustc directly, without cargo.
    pub fn fast_path_count(&self) -> u64 {
        std::fs::read_to_string(self.folder.join(shim::FAST_COUNT)).ok().and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// Compiles and runs code; what it shows goes to `out`, what happened to the report. When its user
    /// interrupts the analysis of a cell, which cannot be stopped, it goes on without anybody waiting.
    fn run(&mut self, code: &str, how: How, out: &mut dyn FnMut(Output)) -> Result<(Done, Report), String> {
        // What it knows is about to be old.
        self.aside.end();
        self.token += 1;
        let token = self.token;
        let (done, result) = bounded(1);
        let job = Job::Execute { code: code.to_owned(), token, opt: how.opt, types: how.types, done };
        let gone = || String::from("the engine's thread ended: restart the kernel");
        self.jobs.send(job).map_err(|_| gone())?;
        let mut report = Report::begin();
        let mut finished = None;
        let mut result = result;
        loop {
            let patience = if self.pending.is_empty() { never() } else { crossbeam_channel::after(COALESCE) };
            let analysing = how.leave && finished.is_none() && !self.control.compiles();
            if analysing && self.control.stopped_in_time() {
                self.left = Some(result);
                self.pending.finish(out);
                let done = Done { result: Ended::Message(String::new()), variables: self.variables.clone() };
                return Ok((done, report));
            }
            let look = if analysing { crossbeam_channel::after(LOOK) } else { never() };
            crossbeam_channel::select! {
                recv(self.events) -> event => match event {
                    Ok(Event::Sync(seen)) if seen == token => {
                        let done = match finished { Some(done) => done, None => result.recv().map_err(|_| gone())? };
                        self.pending.finish(out);
                        return Ok((done, report));
                    }
                    Ok(event) => {
                        let place = self.memory.place(Some(self.number), code, &self.folder, &memory::NO_SHIFTS);
                        report.take(event, &mut self.pending, &place, out);
                    }
                    Err(_) => return Err(gone()),
                },
                recv(result) -> done => {
                    finished = Some(done.map_err(|_| gone())?);
                    result = never();
                },
                recv(patience) -> _ => self.pending.flush(out),
                recv(look) -> _ => {}
            }
        }
    }

    /// Asks the worker, which is free.
    fn ask(&mut self, question: Question) -> Option<Answer> {
        self.aside.end();
        let (done, answer) = bounded(1);
        self.jobs.send(Job::Ask { question, done }).ok()?;
        answer.recv_timeout(QUESTION).ok()
    }

    /// Answers `:explain`, alone in its cell.
    fn explain(&self, code: &str, out: &mut dyn FnMut(Output)) -> Option<Outcome> {
        let what = code.trim().strip_prefix(":explain")?;
        let words = what.starts_with(char::is_whitespace) || what.is_empty();
        let answer =
            words.then(|| glossary::explain(what.trim(), self.explained.as_deref(), &self.prepared.info().rustc))?;
        Some(match answer {
            Ok(bundle) => {
                out(Output::Result { bundle });
                Outcome::Ok
            }
            Err(text) => Outcome::Error(render::failure("UnknownCode", &text, Vec::new())),
        })
    }
}

/// The kernel's own words.
fn note(out: &mut dyn FnMut(Output), text: &str) {
    out(Output::Stream { stream: Stream::Stderr, text: text.to_owned() });
}

impl Engine for EvcxrEngine {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome {
        self.execute_cell(code, out)
    }

    fn set_cell_number(&mut self, number: u64) {
        self.next_number = Some(number);
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Completion {
        match self.ask(Question::Complete { code: code.to_owned(), cursor }) {
            Some(Answer::Completion(completion)) => completion,
            _ => Completion { matches: Vec::new(), start: cursor, end: cursor },
        }
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Bundle> {
        match self.ask(Question::Inspect { code: code.to_owned(), cursor }) {
            Some(Answer::Inspection(found)) => found,
            _ => None,
        }
    }

    fn asker(&self) -> Asker {
        let (aside, control) = (Arc::clone(&self.aside), Arc::clone(&self.control));
        Asker::new(move |question| aside.ask(question, &control))
    }

    fn interrupter(&self) -> Interrupter {
        let control = Arc::clone(&self.control);
        Interrupter::new(move || control.interrupt())
    }

    fn messenger(&self) -> Messenger {
        self.channel.messenger(&self.control)
    }

    fn stirred(&self) -> Receiver<()> {
        self.channel.stirred.clone()
    }

    fn background(&mut self, out: &mut dyn FnMut(Output)) {
        self.hand_over(out);
    }

    fn shutdown(&mut self) {
        self.control.signal(libc::SIGKILL);
    }
}

impl Drop for EvcxrEngine {
    fn drop(&mut self) {
        self.shutdown();
        if let Ok(mut fifo) = Writer::open(&self.folder.join(shim::FIFO)) {
            // Without this mark the reader waits until the process ends.
            let _ = fifo.send(Kind::Stop, b"");
        }
        // The next kernel removes what is left.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The prelude's folders before the user's own.
fn library_path(prepared: &Prepared) -> OsString {
    let mut path = prepared.library_path();
    if let Some(own) = std::env::var_os("LD_LIBRARY_PATH").filter(|own| !own.is_empty()) {
        path.push(":");
        path.push(own);
    }
    path
}

/// What the child printed before it failed says why.
fn with_last_words(error: EngineError, events: &Receiver<Event>) -> EngineError {
    let mut words = Vec::new();
    while let Ok(event) = events.recv_timeout(Duration::from_millis(100)) {
        if let Event::Text(_, bytes) = event {
            words.extend(bytes);
        }
    }
    match error {
        EngineError::Start(text) => {
            EngineError::Start(format!("{text}\n{}", String::from_utf8_lossy(&words)).trim_end().to_owned())
        }
        other => other,
    }
}

/// Makes the FIFO and opens it for reading; it never ends, because this end can also write.
fn make_fifo(path: &Path) -> io::Result<File> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `name` is a valid C string.
    if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } != 0 {
        return Err(io::Error::last_os_error());
    }
    File::options().read(true).write(true).open(path)
}
