//! Stopping a cell: from another thread, in whatever phase it is.

use super::record::{Kind, Writer};
use super::shim::{COMPILER, FIFO, INTERRUPTED};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A cell has this time to react before a second interrupt ends its process; front ends sometimes send two at once.
const GRACE: Duration = Duration::from_millis(300);
/// The user is told that the cell does not react after this time.
const TELL: Duration = Duration::from_millis(1500);
/// A cell that has not reacted after this time is ended: programs that run notebooks ask only once, and would wait for ever.
const REACT: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(50);

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
    /// The user has asked to stop it again.
    insisted: AtomicBool,
    /// When the cell's own code began and ended.
    times: Mutex<(Option<Instant>, Option<Instant>)>,
    /// The process group of a `!` line, 0 when there is none.
    shell: AtomicI32,
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
            insisted: AtomicBool::new(false),
            times: Mutex::new((None, None)),
            shell: AtomicI32::new(0),
        }
    }

    /// A cell begins; older requests are forgotten, but while an interrupted cell is `left` nothing may be compiled.
    pub fn begin(&self, left: bool) {
        self.insisted.store(false, SeqCst);
        *self.times() = (None, None);
        self.requested.store(false, SeqCst);
        self.killed.store(false, SeqCst);
        self.running.store(false, SeqCst);
        if !left {
            self.accept();
        }
        self.cell.fetch_add(1, SeqCst);
        self.busy.store(true, SeqCst);
    }

    /// What is compiled from now on belongs to the cell that began.
    pub fn accept(&self) {
        // They may not be there.
        let _ = std::fs::remove_file(self.folder.join(COMPILER));
        let _ = std::fs::remove_file(self.folder.join(INTERRUPTED));
        if self.requested.load(SeqCst) {
            // It was asked for just now.
            let _ = std::fs::write(self.folder.join(INTERRUPTED), "");
        }
    }

    /// Did a compiler, or a question about packages, begin in this cell?
    pub fn compiles(&self) -> bool {
        self.folder.join(COMPILER).exists()
    }

    /// Is the cell to stop, and will it never run? A compiler first says that it begins and then looks for the request, so
    /// one that did not begin before the request will refuse.
    pub fn stopped_in_time(&self) -> bool {
        self.requested.load(SeqCst) && self.folder.join(INTERRUPTED).exists() && !self.compiles()
    }

    /// A cell is being compiled or run.
    pub fn is_busy(&self) -> bool {
        self.busy.load(SeqCst)
    }

    fn times(&self) -> std::sync::MutexGuard<'_, (Option<Instant>, Option<Instant>)> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cell's own code begins or ends.
    pub fn mark(&self, running: bool) {
        self.running.store(running, SeqCst);
        let mut times = self.times();
        if running { *times = (Some(Instant::now()), None) } else { times.1 = Some(Instant::now()) }
    }

    /// How long the cell's own code ran.
    pub fn ran(&self) -> Option<Duration> {
        let (began, ended) = *self.times();
        Some(ended?.duration_since(began?))
    }

    /// Has the user asked to stop this cell?
    pub fn is_requested(&self) -> bool {
        self.requested.load(SeqCst)
    }

    /// A `!` line runs in this process group; 0 when it ended.
    pub fn set_shell(&self, group: i32) {
        self.shell.store(group, SeqCst);
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
        let already = self.requested.swap(true, SeqCst);
        // The compiler looks for this file before it starts; if it cannot be written it is killed below all the same.
        let _ = std::fs::write(self.folder.join(INTERRUPTED), "");
        self.nudge();
        if already {
            self.insisted.store(true, SeqCst);
        } else {
            let control = Arc::clone(self);
            let cell = self.cell.load(SeqCst);
            // Without a watchdog the second interrupt still ends the process.
            let _ = std::thread::Builder::new().name(String::from("interrupt")).spawn(move || control.watch(cell));
        }
    }

    /// Repeats the signal, because a cell that has just begun forgets older ones, and ends what does not react.
    fn watch(&self, cell: u64) {
        let mut running_since = None;
        let mut told = false;
        loop {
            std::thread::sleep(STEP);
            if self.cell.load(SeqCst) != cell {
                return;
            }
            self.nudge();
            if !self.running.load(SeqCst) && self.shell.load(SeqCst) == 0 {
                running_since = None;
                continue;
            }
            let time = running_since.get_or_insert_with(Instant::now).elapsed();
            if time >= REACT || (time >= GRACE && self.insisted.load(SeqCst)) {
                self.kill();
                return;
            }
            if time >= TELL && !std::mem::replace(&mut told, true) {
                self.tell();
            }
        }
    }

    /// A loop that does not ask whether it should stop can only be stopped together with its process.
    fn tell(&self) {
        let text = format!(
            "The cell does not react to the interrupt. Interrupt once more to end its process, which loses the variables; \
             otherwise that is done {} s after the first interrupt. Loops that call check() stop at once and keep them.\n",
            REACT.as_secs()
        );
        if let Ok(mut fifo) = Writer::open(&self.folder.join(FIFO)) {
            // Only a hint.
            let _ = fifo.send(Kind::Stderr, text.as_bytes());
        }
    }

    /// Stops the compiler and tells the cell.
    fn nudge(&self) {
        if let Some(group) = self.compiler() {
            // SAFETY: signals a process group that our own child leads.
            unsafe { libc::kill(-group, libc::SIGTERM) };
        }
        self.signal_shell(libc::SIGINT);
        self.signal(libc::SIGINT);
    }

    fn signal_shell(&self, signal: i32) {
        let group = self.shell.load(SeqCst);
        if group > 0 {
            // SAFETY: signals a process group that our own child leads; it is reset before the child is waited for.
            unsafe { libc::kill(-group, signal) };
        }
    }

    /// Ends the process that runs cells, if the cell's own code runs.
    fn kill(&self) {
        self.signal_shell(libc::SIGKILL);
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
