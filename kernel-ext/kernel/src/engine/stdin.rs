//! Cells that read standard input directly: the kernel notices that one waits, asks the user, and writes the answer.
//!
//! Standard input of the cells' process is a FIFO whose writing end is held here. A thread looks, while a cell runs, whether
//! one of the process's threads (or of a program that the cell started) stands in `read` on it.

use super::aside::Aside;
use super::control::Control;
use super::output::Event;
use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Ids of these questions begin so; others are the in-cell library's.
pub(super) const PREFIX: &str = "stdin-";
/// What a user sends who has nothing more to say (Ctrl-D in `jupyter console`).
const END_OF_INPUT: &str = "\u{4}";
const LOOK: Duration = Duration::from_millis(100);
const FOREVER: Duration = Duration::from_secs(3600);
/// Programs below the cell's process that are looked at.
const PROCESSES: usize = 64;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Tell {
    /// A cell's own code begins.
    Running,
    /// The answer to a question.
    Answer(String, Result<String, String>),
    /// The process ended: what it did not read is thrown away.
    Died,
}

/// Starts the thread; it ends when the returned sender is dropped.
pub(super) fn start(
    path: &Path,
    control: Arc<Control>,
    aside: Arc<Aside>,
    events: Sender<Event>,
) -> io::Result<Sender<Tell>> {
    drop(super::make_fifo(path)?);
    let (tell, told) = unbounded();
    let mut held = Some(open(path)?);
    let path = path.to_owned();
    std::thread::Builder::new().name(String::from("cell stdin")).spawn(move || {
        let mut watch = Watch { path, control, aside, events, asked: None, count: 0, waiting: false, rest: Vec::new() };
        loop {
            let pause = if watch.control.running.load(SeqCst) { LOOK } else { FOREVER };
            match told.recv_timeout(pause) {
                Ok(Tell::Running) => watch.forget(),
                Ok(Tell::Died) => {
                    watch.forget();
                    held = None;
                    held = held.or_else(|| open(&watch.path).ok());
                }
                Ok(Tell::Answer(id, answer)) => watch.answer(&id, answer, &mut held),
                Err(RecvTimeoutError::Timeout) => watch.look(&mut held),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            watch.write(held.as_mut());
        }
    })?;
    Ok(tell)
}

/// Both ways, so that it never waits for the other end.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)
}

struct Watch {
    path: PathBuf,
    control: Arc<Control>,
    /// A copy of this process, which would hold the FIFO too.
    aside: Arc<Aside>,
    events: Sender<Event>,
    /// The question that waits for its answer.
    asked: Option<String>,
    count: u64,
    /// A reader was seen waiting at the last look.
    waiting: bool,
    /// What the FIFO had no room for.
    rest: Vec<u8>,
}

impl Watch {
    fn forget(&mut self) {
        self.asked = None;
        self.waiting = false;
        self.rest.clear();
    }

    fn look(&mut self, held: &mut Option<File>) {
        let waits = self.control.running.load(SeqCst) && self.is_read();
        if !waits {
            self.waiting = false;
            return;
        }
        if self.control.stops() {
            return self.end_of_input(held);
        }
        // What the cell printed before it began to wait is shown first: its prints are flushed within one look.
        let twice = std::mem::replace(&mut self.waiting, true);
        if twice && self.asked.is_none() && self.rest.is_empty() {
            self.count += 1;
            let id = format!("{PREFIX}{}", self.count);
            self.asked = Some(id.clone());
            // The engine is gone: the process is about to end.
            let _ = self.events.send(Event::Stdin(id));
        }
    }

    fn answer(&mut self, id: &str, answer: Result<String, String>, held: &mut Option<File>) {
        if self.asked.as_deref() != Some(id) {
            return;
        }
        self.asked = None;
        self.waiting = false;
        match answer {
            Ok(text) if text == END_OF_INPUT => self.end_of_input(held),
            Ok(text) => {
                self.rest.extend_from_slice(text.as_bytes());
                self.rest.push(b'\n');
            }
            Err(reason) => {
                let _ = self.events.send(Event::NoInput(reason));
                self.end_of_input(held);
            }
        }
    }

    fn write(&mut self, held: Option<&mut File>) {
        let Some(fifo) = held else { return };
        while !self.rest.is_empty() {
            match fifo.write(&self.rest) {
                Ok(written) => drop(self.rest.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No room: at the next look.
                Err(_) => return,
            }
        }
    }

    /// A reader of a FIFO sees the end of the input as long as nobody has it open for writing.
    fn end_of_input(&mut self, held: &mut Option<File>) {
        *held = None;
        let give_up = Instant::now() + Duration::from_secs(1);
        while self.is_read() && Instant::now() < give_up {
            self.aside.end();
            std::thread::sleep(Duration::from_millis(2));
        }
        *held = open(&self.path).ok();
    }

    /// Does a thread of the cells' process, or of a program that it started, wait for standard input?
    fn is_read(&self) -> bool {
        let process = self.control.process.load(SeqCst);
        let mut processes = if process > 0 { vec![process] } else { Vec::new() };
        let mut next = 0;
        while let Some(&process) = processes.get(next) {
            next += 1;
            let tasks = PathBuf::from(format!("/proc/{process}/task"));
            for task in std::fs::read_dir(&tasks).into_iter().flatten().flatten() {
                if reads_from(process, &task.path(), &self.path) {
                    return true;
                }
                if processes.len() < PROCESSES
                    && let Ok(children) = std::fs::read_to_string(task.path().join("children"))
                {
                    processes.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
                }
            }
        }
        false
    }
}

/// Stands this thread in a `read` on that file?
fn reads_from(process: i32, task: &Path, file: &Path) -> bool {
    // "number argument argument ...", "running", or unreadable where the system forbids it: then nobody is asked.
    let Ok(call) = std::fs::read_to_string(task.join("syscall")) else { return false };
    let mut words = call.split_whitespace();
    let number = words.next().and_then(|word| word.parse::<i64>().ok());
    if number != Some(libc::SYS_read) && number != Some(libc::SYS_readv) {
        return false;
    }
    let fd = words.next().and_then(|word| i64::from_str_radix(word.trim_start_matches("0x"), 16).ok());
    fd.is_some_and(|fd| std::fs::read_link(format!("/proc/{process}/fd/{fd}")).is_ok_and(|target| target == file))
}
