//! Questions about the code while a cell runs.
//!
//! evcxr's context belongs to the worker's thread, which waits for the cell; a second one would cost another 700 MB. So when
//! a question comes while a cell's own code runs, the kernel forks: the new process sees everything that the worker knew
//! (copy on write), answers from there, and is ended before the worker gets anything else to do. Cells without questions
//! cost nothing.
//!
//! Why the copy is whole: it counts only when the worker was asleep in the system from before the fork until after it (its
//! count of context switches is the same), and only while the cell's own code runs, when evcxr does nothing but wait for a
//! line of the child. Other threads may hold a lock at that moment; if the new process ever needs it, it does not answer in
//! time, is killed, and the question is answered with nothing, as if the kernel knew nothing.

use super::answer::answer;
use super::control::Control;
use crate::api::{Answer, Question};
use evcxr::CommandContext;
use std::ffi::c_int;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a question waits for the compiler to finish.
const COMPILING: Duration = Duration::from_secs(5);
/// After this time without a cell it has ended.
const IDLE: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(5);
/// A question that is not answered within this time never will be.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer; documentation of a type can be long.
const LONGEST: u32 = 16 << 20;

/// What the asking thread shares with the worker and the engine.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// The worker's context and its thread.
    context: AtomicPtr<CommandContext>,
    thread: AtomicI32,
    copy: Mutex<Option<Copy>>,
}

/// The process that answers.
#[derive(Debug)]
struct Copy {
    pid: libc::pid_t,
    socket: UnixStream,
}

impl Copy {
    fn kill(&self) {
        // SAFETY: our own child, not waited for yet.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.kill();
        // SAFETY: our own child; the status is not wanted.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

impl Aside {
    /// Called by the worker on its own thread; the context stays where it is until [`Aside::retract`].
    pub fn publish(&self, context: &mut CommandContext) {
        // SAFETY: asks for a number.
        self.thread.store(unsafe { libc::gettid() }, SeqCst);
        self.context.store(context, SeqCst);
    }

    /// The context goes.
    pub fn retract(&self) {
        let mut copy = self.lock();
        self.context.store(std::ptr::null_mut(), SeqCst);
        *copy = None;
    }

    /// Ends the process that answers: what it knows is old, and it writes where the worker is going to write.
    pub fn end(&self) {
        *self.lock() = None;
    }

    /// Lets the process go without waiting until its memory is given back; [`Aside::end`] does.
    pub fn dismiss(&self) {
        if let Some(copy) = self.lock().as_ref() {
            copy.kill();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Copy>> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers while a cell runs; `None` when it cannot be answered now, or the cell has ended meanwhile.
    pub fn ask(&self, question: &Question, control: &Control) -> Option<Answer> {
        let began = Instant::now();
        let mut busy = began;
        while !control.running.load(SeqCst) {
            if control.is_busy() {
                busy = Instant::now();
            }
            // The cell may be about to begin, or has just ended.
            if busy.elapsed() > IDLE || began.elapsed() > COMPILING {
                return None;
            }
            std::thread::sleep(STEP);
        }
        let mut socket = {
            let mut copy = self.lock();
            if copy.is_none() {
                // Asked once more inside the lock: the engine ends the copy there before it goes on.
                if !control.running.load(SeqCst) {
                    return None;
                }
                *copy = self.fork().ok();
            }
            copy.as_ref()?.socket.try_clone().ok()?
        };
        let answer = exchange(&mut socket, question);
        if answer.is_err() {
            self.end();
        }
        answer.ok()
    }

    fn fork(&self) -> io::Result<Copy> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(PATIENCE))?;
        ours.set_write_timeout(Some(PATIENCE))?;
        let thread = self.thread.load(SeqCst);
        let busy = || io::Error::from(io::ErrorKind::WouldBlock);
        let asleep = asleep(thread).ok_or_else(busy)?;
        let context = self.context.load(SeqCst);
        if context.is_null() {
            return Err(busy());
        }
        // SAFETY: the new process has only this thread and ends by `_exit` without returning from `answer`; see above for
        // what it may find of the others.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: in the new process nobody else uses the context: its thread exists only in the old one.
            0 => answer_questions(theirs, unsafe { &mut *context }),
            pid => {
                drop(theirs);
                let copy = Copy { pid, socket: ours };
                if self::asleep(thread) == Some(asleep) { Ok(copy) } else { Err(busy()) }
            }
        }
    }
}

/// How often the thread was given the processor so far, if it sleeps now.
fn asleep(thread: i32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let number = |name| field(name)?.parse().ok();
    field("State:")?
        .starts_with('S')
        .then_some((number("voluntary_ctxt_switches:")?, number("nonvoluntary_ctxt_switches:")?))
}

fn exchange(socket: &mut UnixStream, question: &Question) -> io::Result<Answer> {
    send(socket, &serde_json::to_vec(question)?)?;
    Ok(serde_json::from_slice(&receive(socket)?)?)
}

fn send(socket: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    socket.write_all(&length.to_le_bytes())?;
    socket.write_all(message)
}

fn receive(socket: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::other("too long"));
    }
    let mut message = vec![0; length as usize];
    socket.read_exact(&mut message)?;
    Ok(message)
}

/// Life of the copy: answers until the other end of the socket is closed.
fn answer_questions(mut socket: UnixStream, context: &mut CommandContext) -> ! {
    be_alone(socket.as_raw_fd());
    while let Ok(question) = receive(&mut socket) {
        let answer = serde_json::from_slice(&question).map(|question: Question| answer(context, &question));
        let Ok(answer) = answer.and_then(|answer| serde_json::to_vec(&answer)) else { break };
        if send(&mut socket, &answer).is_err() {
            break;
        }
    }
    // SAFETY: ends this process; no destructor of the kernel's may run here.
    unsafe { libc::_exit(0) }
}

/// Gives up everything that belongs to the kernel's process.
fn be_alone(keep: c_int) {
    // SAFETY: plain calls that change only this process; the descriptors that are closed are never used here.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"lathe-answers".as_ptr());
        for signal in [libc::SIGINT, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        for signal in [libc::SIGTERM, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGABRT] {
            libc::signal(signal, libc::SIG_DFL);
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for fd in 0..3 {
            libc::dup2(null, fd);
        }
        close_range(3, keep - 1);
        close_range(keep + 1, c_int::MAX);
        // A fault of this process is nobody's core dump, and an endless loop of it ends.
        for (what, most) in [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_CPU, 60)] {
            libc::setrlimit(what, &libc::rlimit { rlim_cur: most, rlim_max: most });
        }
    }
    // When memory is short this is the process to end. Not allowed everywhere.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

fn close_range(first: c_int, last: c_int) {
    if first > last {
        return;
    }
    // SAFETY: see the caller. Before Linux 5.9 the call does not exist; the files are then closed one by one.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
            for fd in first..=last.min(1024) {
                libc::close(fd);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_is_asleep_and_one_that_works_is_not() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (stop, told) = std::sync::mpsc::channel::<()>();
        let waiting = std::thread::spawn(move || {
            // SAFETY: asks for a number.
            sender.send(unsafe { libc::gettid() }).unwrap();
            let _ = told.recv();
        });
        let thread = receiver.recv().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while asleep(thread).is_none() {
            assert!(Instant::now() < deadline);
        }
        let first = asleep(thread);
        assert_eq!(first, asleep(thread));
        stop.send(()).unwrap();
        waiting.join().unwrap();
        assert_eq!(asleep(thread), None);
        // SAFETY: asks for a number.
        assert_eq!(asleep(unsafe { libc::gettid() }), None, "this thread works");
    }
}
