//! The few calls that std does not offer: signals, locks, terminal width, free space.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: libc::c_int) {
    STOP.store(true, Ordering::SeqCst);
}

/// From now on Ctrl-C, a kill and a closed terminal only set a flag, which every waiting loop looks at.
pub fn catch_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only stores into an atomic, which is async-signal-safe; a zeroed sigaction is a valid one.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// Whether Ctrl-C (or a kill) came since [`catch_signals`].
pub fn stop_requested() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Puts a command into a process group of its own, which dies with us, so that one signal reaches its whole family.
pub fn own_group(command: &mut Command) {
    // SAFETY: both calls are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            libc::setpgid(0, 0);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

/// Sends `signal` to the process group `pid`.
pub fn signal_group(pid: u32, signal: libc::c_int) {
    // SAFETY: kill takes plain numbers.
    unsafe { libc::kill(-(pid as libc::pid_t), signal) };
}

/// Sends `signal` to one process; false when there is none (any more). Signal 0 only asks.
pub fn signal_one(pid: u32, signal: libc::c_int) -> bool {
    // SAFETY: kill takes plain numbers.
    pid > 1 && unsafe { libc::kill(pid as libc::pid_t, signal) } == 0
}

/// Tries to take the lock on an open file: `Ok(false)` when another process holds it. Released when the file is closed.
pub fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open as long as `file` lives.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EWOULDBLOCK) => Ok(false),
        Some(libc::EINTR) => Ok(false),
        _ => Err(error),
    }
}

/// Columns of the terminal on stderr, if it is one that can redraw a line.
pub fn terminal_width() -> Option<usize> {
    if std::env::var_os("TERM").is_some_and(|t| t == "dumb") {
        return None;
    }
    // SAFETY: TIOCGWINSZ fills the struct it is given.
    let (rc, size) = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(2, libc::TIOCGWINSZ, &mut size), size)
    };
    // A pseudo-terminal that was never given a size says 0.
    (rc == 0).then_some(if size.ws_col == 0 { 80 } else { size.ws_col as usize })
}

/// Whether we run as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Bytes that we may still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the path is NUL-terminated and statvfs fills the struct it is given.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(path.as_ptr(), &mut stat) != 0 {
            return None;
        }
        #[allow(clippy::unnecessary_cast, reason = "the field types differ between platforms")]
        Some(stat.f_bavail as u64 * stat.f_frsize as u64)
    }
}
