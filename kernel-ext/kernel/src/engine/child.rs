//! The process that runs cells, and the pump between it and the kernel.
//!
//! evcxr starts this program again and reads its stdout line by line. Before evcxr's loop begins the process forks: the
//! new process runs cells with its stdout and stderr on pipes, the old one, whose pid evcxr knows, becomes the pump. It
//! sends what the cells print to the kernel at once, passes evcxr's own lines on, and ends as the other one ended.

use super::record::{Kind, Writer};
use super::runtime;
use super::split::{Control, Piece, Splitter};
use lathe_events::frame::NONCE_ENV;
use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// Names the FIFO to the kernel.
pub(super) const FIFO_ENV: &str = "LATHE_FIFO";
/// Names the FIFO that is the cells' standard input.
pub(super) const STDIN_ENV: &str = "LATHE_STDIN";
/// A held-back start of a mark is shown after this time.
const PATIENCE_MS: c_int = 30;

/// Runs cells until the kernel closes the command pipe.
pub(super) fn run() -> ! {
    ignore_interrupts();
    let mut commands = None;
    if let (Some(fifo), Some(stdin)) = (std::env::var_os(FIFO_ENV), std::env::var_os(STDIN_ENV)) {
        match fork_pump(Path::new(&fifo), Path::new(&stdin)) {
            Ok(own) => commands = Some(own),
            // The kernel is ending and has removed its folder while evcxr started one more process.
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::process::exit(0),
            // Without the pump cells still run, with evcxr's own handling of their output.
            Err(error) => eprintln!("lathe: the output pump did not start: {error}"),
        }
    }
    // SAFETY: this process has one thread.
    unsafe {
        std::env::remove_var(FIFO_ENV);
        std::env::remove_var(STDIN_ENV);
        // evcxr asks for backtraces; without debug information in cells they are pages of `<unknown>`.
        std::env::remove_var("RUST_BACKTRACE");
    }
    if let Some(commands) = commands {
        runtime::serve(commands);
    }
    evcxr::runtime_hook();
    std::process::exit(0);
}

/// Ctrl-C reaches the whole process group; the prelude installs its own handler in the process that runs cells.
fn ignore_interrupts() {
    extern "C" fn nothing(_: c_int) {}
    // A handler that does nothing, and not SIG_IGN, which programs started by a cell would inherit.
    // SAFETY: the handler does nothing, so it is async-signal-safe; the struct is filled before use.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
    }
}

/// Returns evcxr's commands in the new process; the old one never returns.
fn fork_pump(fifo: &Path, stdin: &Path) -> io::Result<File> {
    let kernel = Writer::open(fifo)?;
    // The kernel holds the other end, so this does not wait.
    let stdin = File::open(stdin)?;
    let commands = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (out_read, out_write) = io::pipe()?;
    let (err_read, err_write) = io::pipe()?;
    // When the kernel is killed both processes go; a cell would otherwise run for ever, unseen.
    die_with_parent();
    // SAFETY: this process has one thread, so the new process may go on as an ordinary program.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            die_with_parent();
            // SAFETY: plain calls on descriptors that this process owns.
            unsafe {
                for (from, to) in [(stdin.as_raw_fd(), 0), (out_write.as_raw_fd(), 1), (err_write.as_raw_fd(), 2)] {
                    if libc::dup2(from, to) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
            }
            // The rest is closed here; a cell cannot reach the kernel past the pump.
            Ok(commands)
        }
        pid => {
            drop((out_write, err_write, stdin, commands));
            let status = Pump::new(kernel, out_read.into(), err_read.into(), pid).run();
            end_like(status)
        }
    }
}

fn die_with_parent() {
    // SAFETY: changes only this process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

struct Pump {
    kernel: Writer,
    out: File,
    err: File,
    out_open: bool,
    err_open: bool,
    pid: libc::pid_t,
    splitter: Splitter,
}

impl Pump {
    fn new(kernel: Writer, out: OwnedFd, err: OwnedFd, pid: libc::pid_t) -> Self {
        for fd in [&out, &err] {
            // SAFETY: sets a flag of a descriptor that this process owns.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        }
        if let Ok(null) = File::open("/dev/null") {
            // The command pipe belongs to the other process alone.
            // SAFETY: plain call on descriptors that this process owns.
            unsafe { libc::dup2(null.as_raw_fd(), 0) };
        }
        let nonce = std::env::var(NONCE_ENV).unwrap_or_default();
        let splitter = Splitter::new(&nonce);
        Self { kernel, out: out.into(), err: err.into(), out_open: true, err_open: true, pid, splitter }
    }

    /// Pumps until the process ends; returns its wait status.
    fn run(mut self) -> c_int {
        // A failed write means that the kernel is gone; then the command pipe closes and the process ends too.
        let _ = self.kernel.send(Kind::Start, self.pid.to_string().as_bytes());
        let exit = exit_watch(self.pid);
        loop {
            let mut fds = [
                poll_in(self.out_open.then(|| self.out.as_raw_fd())),
                poll_in(self.err_open.then(|| self.err.as_raw_fd())),
                poll_in(exit.as_ref().map(AsRawFd::as_raw_fd)),
            ];
            let timeout = if self.splitter.holds_text() {
                PATIENCE_MS
            } else if exit.is_some() {
                -1
            } else {
                50
            };
            // SAFETY: `fds` is a valid array of its length.
            let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) };
            if ready == 0 {
                let Self { splitter, kernel, .. } = &mut self;
                splitter.release(&mut |piece| pass(kernel, &piece));
            }
            if fds[1].revents != 0 {
                self.read_err();
            }
            if fds[0].revents != 0 {
                self.read_out();
            }
            let ended = if exit.is_some() { fds[2].revents != 0 } else { ready == 0 };
            if ended && let Some(status) = wait(self.pid, exit.is_none()) {
                // Whatever is still in the pipes was written before the end.
                while self.err_open && self.read_err() {}
                while self.out_open && self.read_out() {}
                let Self { splitter, kernel, .. } = &mut self;
                splitter.finish(&mut |piece| pass(kernel, &piece));
                let _ = self.kernel.send(Kind::Died, &status.to_le_bytes());
                return status;
            }
        }
    }

    /// Reads once; `false` when there was nothing.
    fn read_err(&mut self) -> bool {
        let mut buffer = [0; 32 << 10];
        match self.err.read(&mut buffer) {
            Ok(0) => self.err_open = false,
            Ok(read) => {
                let _ = self.kernel.send(Kind::Stderr, &buffer[..read]);
                return true;
            }
            Err(_) => {}
        }
        false
    }

    fn read_out(&mut self) -> bool {
        let mut buffer = [0; 64 << 10];
        let read = match self.out.read(&mut buffer) {
            Ok(0) => {
                self.out_open = false;
                return false;
            }
            Ok(read) => read,
            Err(_) => return false,
        };
        // What the cell wrote on stderr before a control line must be seen before it.
        let mut controls = Vec::new();
        let Self { splitter, kernel, err, .. } = self;
        splitter.push(&buffer[..read], &mut |piece| {
            if let Piece::Control(control, line) = piece {
                let mut rest = [0; 32 << 10];
                while let Ok(read @ 1..) = err.read(&mut rest) {
                    let _ = kernel.send(Kind::Stderr, &rest[..read]);
                }
                match control {
                    // evcxr would answer on the commands' pipe, where the cell does not read.
                    Control::Input => return drop(kernel.send(Kind::Ask, line)),
                    Control::Complete => drop(kernel.send(Kind::Complete, b"")),
                    Control::Panicked => drop(kernel.send(Kind::Panicked, b"")),
                    Control::EarlyReturn => drop(kernel.send(Kind::EarlyReturn, b"")),
                    Control::Other => {}
                }
                controls.extend_from_slice(line);
            } else {
                pass(kernel, &piece);
            }
        });
        if !controls.is_empty() {
            let mut evcxr = io::stdout().lock();
            let _ = evcxr.write_all(&controls).and_then(|()| evcxr.flush());
        }
        true
    }
}

fn pass(kernel: &mut Writer, piece: &Piece<'_>) {
    let _ = match piece {
        Piece::Text(text) => kernel.send(Kind::Stdout, text),
        Piece::Frame(line) => kernel.send(Kind::Frame, line),
        Piece::Try(text) => kernel.send(Kind::Try, text),
        Piece::Running => kernel.send(Kind::Running, b""),
        Piece::Content(content) => kernel.send(Kind::Content, content),
        Piece::Control(..) => Ok(()),
    };
}

fn poll_in(fd: Option<c_int>) -> libc::pollfd {
    // Negative descriptors are skipped by poll.
    libc::pollfd { fd: fd.unwrap_or(-1), events: libc::POLLIN, revents: 0 }
}

/// Becomes readable when the process ends; `None` on kernels before 5.3.
fn exit_watch(pid: libc::pid_t) -> Option<OwnedFd> {
    // SAFETY: the system call takes two numbers; a result that is not negative is a new descriptor of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = c_int::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: see above.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fd.as_fd().try_clone_to_owned().ok()
}

fn wait(pid: libc::pid_t, poll: bool) -> Option<c_int> {
    let mut status = 0;
    // SAFETY: `status` is valid; `pid` is our own child.
    let ended = unsafe { libc::waitpid(pid, &mut status, if poll { libc::WNOHANG } else { 0 }) };
    (ended == pid).then_some(status)
}

/// Ends this process in the way in which the other one ended.
fn end_like(status: c_int) -> ! {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        // SAFETY: restores the default action and sends the signal to this process.
        unsafe {
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    std::process::exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 })
}
