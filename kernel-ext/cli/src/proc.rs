//! Runs a program, hands out its lines as they come, keeps them in a log, and stops it with its family on Ctrl-C.

use crate::sys;
use crate::trouble::Trouble;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// What a running program gives us.
pub enum Event<'a> {
    /// A line of its stdout.
    Out(&'a str),
    /// A line of its stderr.
    Err(&'a str),
    /// Nothing new, but time has passed.
    Tick,
}

/// A log file that is made on first use, so that a read-only folder is found where the message is best.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
}

impl Log {
    /// Starts an empty log at `path`.
    pub fn create(path: &Path) -> Result<Log, Trouble> {
        let make = |p: &Path| {
            std::fs::create_dir_all(p.parent().unwrap_or(p))?;
            File::create(p)
        };
        let file = make(path).map_err(|e| Trouble::io("writing a log", path, &e))?;
        Ok(Log { path: path.to_path_buf(), file: Some(file) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn line(&mut self, line: &str) {
        if let Some(file) = &mut self.file {
            // A log that cannot be written is no reason to stop.
            let _ = writeln!(file, "{line}");
        }
    }
}

/// Runs `command` to its end. Its stdin is empty; every line goes to `log` and to `on`.
///
/// Ctrl-C is passed on as SIGINT to the whole family, and after five seconds as SIGKILL.
pub fn stream(mut command: Command, log: &mut Log, on: &mut dyn FnMut(Event<'_>)) -> Result<ExitStatus, Trouble> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    sys::own_group(&mut command);
    log.line(&format!("$ {command:?}"));
    let program = PathBuf::from(command.get_program());
    let mut child = command.spawn().map_err(|e| Trouble::io("starting", program.clone(), &e))?;
    let (sender, lines) = mpsc::channel();
    read_lines(child.stdout.take(), sender.clone(), false);
    read_lines(child.stderr.take(), sender, true);
    let mut asked_to_stop: Option<Instant> = None;
    let mut ended: Option<ExitStatus> = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok((line, err)) => {
                log.line(&line);
                on(if err { Event::Err(&line) } else { Event::Out(&line) });
                if !sys::stop_requested() {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => on(Event::Tick),
            Err(RecvTimeoutError::Disconnected) => {
                // A program may close its output and live on.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // A grandchild (a compiler cache's server, say) may hold the pipes open for ever: once the program has ended and
        // nothing came for a while, we go.
        if let Some(status) = ended {
            return if sys::stop_requested() { Err(Trouble::Interrupted) } else { Ok(status) };
        }
        ended = child.try_wait().map_err(|e| Trouble::io("waiting for", program.clone(), &e))?;
        if ended.is_none() && sys::stop_requested() {
            match asked_to_stop {
                None => {
                    asked_to_stop = Some(Instant::now());
                    sys::signal_group(child.id(), libc::SIGINT);
                }
                Some(since) if since.elapsed() > Duration::from_secs(5) => sys::signal_group(child.id(), libc::SIGKILL),
                Some(_) => {}
            }
        }
    }
}

fn read_lines(pipe: Option<impl Read + Send + 'static>, sender: Sender<(String, bool)>, err: bool) {
    let Some(pipe) = pipe else { return };
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
            // Of a line that draws over itself the last state counts.
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_end_matches(['\n', '\r']);
            let text = text.rsplit('\r').next().unwrap_or(text);
            if sender.send((text.to_string(), err)).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// How a program ended, in words.
pub fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "unknown end".into(),
    }
}

/// Runs a short program and returns its (success, stdout, stderr); `None` when it cannot be started.
pub fn ask(mut command: Command) -> Option<(bool, String, String)> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    Some((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

/// The last `n` lines that were not empty, kept while a program runs.
pub struct Tail {
    lines: std::collections::VecDeque<String>,
    n: usize,
}

impl Tail {
    /// Keeps `n` lines.
    pub fn new(n: usize) -> Tail {
        Tail { lines: Default::default(), n }
    }

    /// Takes one more line.
    pub fn push(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.lines.push_back(line.to_string());
            if self.lines.len() > self.n {
                self.lines.pop_front();
            }
        }
    }

    /// The lines as one text.
    pub fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn log(name: &str) -> Log {
        Log::create(&std::env::temp_dir().join(format!("lathe-proc-{}-{name}.log", std::process::id()))).unwrap()
    }

    #[test]
    fn lines_status_and_log_arrive() {
        let mut log = log("lines");
        let mut seen = Vec::new();
        let status =
            stream(shell("echo a; printf 'x\\ry\\n' >&2; printf '\\377'; exit 3"), &mut log, &mut |e| match e {
                Event::Out(l) => seen.push(format!("out {l}")),
                Event::Err(l) => seen.push(format!("err {l}")),
                Event::Tick => {}
            })
            .unwrap();
        seen.sort();
        assert_eq!(seen, ["err y", "out a", "out \u{fffd}"]);
        assert_eq!(ending(status), "exit status 3");
        let text = std::fs::read_to_string(log.path()).unwrap();
        assert!(text.contains("\na\n") && text.contains("\ny\n"), "{text}");
        std::fs::remove_file(log.path()).unwrap();
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_does_not_hold_us() {
        let mut log = log("daemon");
        // The background process keeps stdout; a stub that reads to the end of the pipe would wait a minute.
        let mut pid = String::new();
        stream(shell("sleep 60 & echo $!"), &mut log, &mut |e| {
            if let Event::Out(l) = e {
                pid = l.to_string();
            }
        })
        .unwrap();
        let pid: u32 = pid.parse().unwrap();
        assert!(sys::signal_one(pid, libc::SIGKILL), "the daemon had ended before we did");
        std::fs::remove_file(log.path()).unwrap();
    }

    #[test]
    fn a_missing_program_is_named() {
        let mut log = log("missing");
        let error = stream(Command::new("/no/such/program"), &mut log, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
        std::fs::remove_file(log.path()).unwrap();
    }

    #[test]
    fn tail_keeps_the_last_lines() {
        let mut tail = Tail::new(2);
        for line in ["1", "", "2", "3"] {
            tail.push(line);
        }
        assert_eq!(tail.text(), "2\n3");
    }
}
