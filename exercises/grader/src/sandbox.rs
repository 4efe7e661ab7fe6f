//! Runs programs with limits: rustc, and the small program that holds the learner's answer.
//!
//! # What this protects against, and what not
//! It protects a learner's machine from the usual accidents: an endless loop, a loop that allocates, output without end, a
//! process left behind, and a verdict garbled by the answer's own `println!`.
//! It is **not** a jail. The answer runs as the user, with the user's files and network, in the same process as the checks; whoever
//! wants to can find the verdict's descriptor under `/proc/self/fd`, and the solutions lie in the same tree anyway. To grade strangers'
//! submissions, run the grader in a container or as an unprivileged user without network, on a tree without `solutions/`.

use crate::error::GradeError;
use std::io::{Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a program may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time on the clock.
    pub wall: Duration,
    /// Address space in bytes, libraries and reserved memory included; `None` for rustc.
    pub memory: Option<u64>,
    /// Size of any file it writes, in bytes; `None` for rustc.
    pub file: Option<u64>,
}

impl Limits {
    /// For an answer: 10 s, 4 GiB, files up to 16 MiB.
    pub const ANSWER: Limits = Limits { wall: Duration::from_secs(10), memory: Some(4 << 30), file: Some(16 << 20) };
    /// For rustc: two minutes.
    pub const RUSTC: Limits = Limits { wall: Duration::from_secs(120), memory: None, file: None };
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal.
    Signal(i32),
    /// We stopped it.
    TimedOut,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// The start of its standard output.
    pub stdout: String,
    /// The start of its standard error.
    pub stderr: String,
    /// What it wrote to the private descriptor.
    pub verdict: String,
}

/// More than this of each stream is read and dropped.
const KEPT: usize = 1 << 20;

/// Runs a program to its end or its limit.
///
/// With a `nonce` the program's first line of standard input is "descriptor nonce": where to write its verdict, and what to sign it with.
///
/// # Errors
/// When the program cannot be started.
pub fn run(mut command: Command, limits: Limits, nonce: Option<&str>) -> Result<Finished, GradeError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start =
        |source| GradeError::Start { program: program.clone(), source, remedy: "is it installed and on the PATH?" };
    let (verdict_in, verdict_out) = pipe().map_err(start)?;
    let descriptor = verdict_out.as_raw_fd();
    let inherited = nonce.map(|_| descriptor);
    command
        .stdin(if nonce.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: the closure runs between fork and exec and calls only async-signal-safe functions on copied integers.
    unsafe {
        command.pre_exec(move || prepare_child(limits, inherited));
    }
    let mut child = command.spawn().map_err(start)?;
    drop(verdict_out);
    let streams = [
        drain(child.stdout.take().expect("piped above")),
        drain(child.stderr.take().expect("piped above")),
        drain(verdict_in),
    ];
    if let (Some(mut stdin), Some(nonce)) = (child.stdin.take(), nonce) {
        // A program that died at once is reported by how it ended.
        let _ = writeln!(stdin, "{descriptor} {nonce}");
    }
    let end = wait(&mut child, limits.wall).map_err(start)?;
    let [stdout, stderr, verdict] = streams.map(|stream| collect(&stream));
    Ok(Finished { end, stdout, stderr, verdict })
}

/// In the child: a process group of its own, the limits, and the end together with the grader.
fn prepare_child(limits: Limits, inherited: Option<i32>) -> std::io::Result<()> {
    let limit = |what, value: u64| {
        let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limits` outlives both calls.
        unsafe {
            check(libc::getrlimit(what, &mut limits))?;
            // Somebody may have set a lower limit already, which we cannot raise.
            limits.rlim_max = value.min(limits.rlim_max);
            limits.rlim_cur = limits.rlim_max;
            check(libc::setrlimit(what, &limits))
        }
    };
    // SAFETY: plain system calls on our own process.
    unsafe {
        check(libc::setpgid(0, 0))?;
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        if let Some(descriptor) = inherited {
            check(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
        }
    }
    limit(libc::RLIMIT_CORE, 0)?;
    if let Some(bytes) = limits.memory {
        limit(libc::RLIMIT_AS, bytes)?;
    }
    if let Some(bytes) = limits.file {
        limit(libc::RLIMIT_FSIZE, bytes)?;
    }
    Ok(())
}

fn check(result: i32) -> std::io::Result<()> {
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn wait(child: &mut Child, wall: Duration) -> std::io::Result<End> {
    let deadline = Instant::now() + wall;
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            break None;
        }
        thread::sleep(Duration::from_millis(3));
    };
    // The whole group, so that nothing it started goes on: also after a normal end.
    // SAFETY: the group is the child's own (setpgid above); a group that is gone gives an error that we do not need.
    unsafe {
        libc::kill(-(child.id() as i32), libc::SIGKILL);
    }
    Ok(match ended {
        None => {
            child.wait()?;
            End::TimedOut
        }
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => End::Exited(code),
            (None, signal) => End::Signal(signal.unwrap_or(0)),
        },
    })
}

/// Reads a stream to its end in a thread of its own; sends what it keeps.
fn drain(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut kept = 0;
        let mut buffer = [0; 1 << 14];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            let n_kept = n.min(KEPT - kept);
            kept += n_kept;
            if n_kept > 0 && send.send(buffer[..n_kept].to_vec()).is_err() {
                return;
            }
        }
    });
    receive
}

/// All of a stream; a descendant that left the process group and holds the stream open costs half a second, not for ever.
fn collect(stream: &Receiver<Vec<u8>>) -> String {
    let deadline = Instant::now() + Duration::from_millis(500);
    let mut bytes = Vec::new();
    while let Ok(more) = stream.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        bytes.extend(more);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
