//! Stopping a cell: from another thread, in whatever phase it is.

use super::shim::{COMPILER, INTERRUPTED};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A second interrupt within this time ends the process.
const SECOND: Duration = Duration::from_secs(3);
/// A cell that has not reacted after this time is ended.
const REACT: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(100);

/// What the engine, its reader and its interrupters know of the running cell.
#[derive(Debug)]
pub(super) struct Control {
    folder: PathBuf,
    /// A cell is being compiled or run.
    busy: AtomicBool,
    /// The cell's own code runs.
    pub running: AtomicBool,
    /// The user has asked to stop this cell.
    requested: AtomicBool,
    /// Its process was ended for that.
    killed: AtomicBool,
    /// The process that runs cells, 0 when there is none.
    pub process: AtomicI32,
    /// Counts cells, so that a watchdog knows its own.
    cell: AtomicU64,
    since: Mutex<Option<Instant>>,
}

impl Control {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            busy: AtomicBool::new(false),
            running: AtomicBool::new(false),
            requested: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            process: AtomicI32::new(0),
            cell: AtomicU64::new(0),
            since: Mutex::new(None),
        }
    }

    /// A cell begins; older requests are forgotten.
    pub fn begin(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.requested.store(false, SeqCst);
        self.killed.store(false, SeqCst);
        self.running.store(false, SeqCst);
        // It may not be there.
        let _ = std::fs::remove_file(self.folder.join(INTERRUPTED));
        self.cell.fetch_add(1, SeqCst);
        self.busy.store(true, SeqCst);
    }

    /// A cell is being compiled or run.
    pub fn is_busy(&self) -> bool {
        self.busy.load(SeqCst)
    }

    /// The cell ended; was it asked to stop, and was its process ended?
    pub fn end(&self) -> (bool, bool) {
        self.busy.store(false, SeqCst);
        self.cell.fetch_add(1, SeqCst);
        (self.requested.load(SeqCst), self.killed.load(SeqCst))
    }

    /// Has the user asked to stop the cell that runs?
    pub fn stops(&self) -> bool {
        self.busy.load(SeqCst) && self.requested.load(SeqCst)
    }

    /// Asks the cell to stop; see the constants for what follows.
    pub fn interrupt(self: &Arc<Self>) {
        if !self.busy.load(SeqCst) {
            // A callback of a widget may run; a cell forgets this signal at its start.
            self.signal(libc::SIGINT);
            return;
        }
        let first = {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            let again = since.is_some_and(|at| at.elapsed() < SECOND);
            *since = Some(Instant::now());
            !again
        };
        let already = self.requested.swap(true, SeqCst);
        // The compiler looks for this file before it starts; if it cannot be written it is killed below all the same.
        let _ = std::fs::write(self.folder.join(INTERRUPTED), "");
        if !first {
            self.kill();
        }
        self.nudge();
        if !already {
            let control = Arc::clone(self);
            let cell = self.cell.load(SeqCst);
            // Without a watchdog the second interrupt still ends the process.
            let _ = std::thread::Builder::new().name(String::from("interrupt")).spawn(move || control.watch(cell));
        }
    }

    /// Repeats the signal, because a cell that has just begun forgets older ones.
    fn watch(&self, cell: u64) {
        let mut running_since = None;
        loop {
            std::thread::sleep(STEP);
            if self.cell.load(SeqCst) != cell {
                return;
            }
            self.nudge();
            if self.running.load(SeqCst) {
                if running_since.get_or_insert_with(Instant::now).elapsed() >= REACT {
                    self.kill();
                    return;
                }
            } else {
                running_since = None;
            }
        }
    }

    /// Stops the compiler and tells the cell.
    fn nudge(&self) {
        if let Some(group) = self.compiler() {
            // SAFETY: signals a process group that our own child leads.
            unsafe { libc::kill(-group, libc::SIGTERM) };
        }
        self.signal(libc::SIGINT);
    }

    /// Ends the process that runs cells, if the cell's own code runs.
    fn kill(&self) {
        if self.running.load(SeqCst) {
            self.killed.store(true, SeqCst);
            self.signal(libc::SIGKILL);
        }
    }

    pub fn signal(&self, signal: i32) {
        let process = self.process.load(SeqCst);
        if process > 0 {
            // SAFETY: the reader sets the pid back to 0 when that process has ended.
            unsafe { libc::kill(process, signal) };
        }
    }

    /// The process group of the compiler, if it is still a child of this process.
    fn compiler(&self) -> Option<i32> {
        let pid: i32 = std::fs::read_to_string(self.folder.join(COMPILER)).ok()?.trim().parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold spaces; after it come state, parent and group.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
        let parent: u32 = fields.next()?.parse().ok()?;
        let group: i32 = fields.next()?.parse().ok()?;
        (parent == std::process::id() && group == pid).then_some(pid)
    }
}
