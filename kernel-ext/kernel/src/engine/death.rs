//! The end of the process that runs cells: how it ended, where, and what went with it.

use super::place::Place;
use super::render::{self, hint};
use crate::api::CellError;
use lathe_events::frame::{CALLS, HOME};

/// What the process said when it ended.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    /// Addresses in libraries of cells, each with the library's number; the innermost call first.
    pub calls: Vec<(u64, u64)>,
    /// The library whose source the place of a panic is in.
    pub home: Option<u64>,
    /// The stack was full.
    pub overflow: bool,
}

/// The addresses in the text of a panic's or an end's frame, and the rest of the text.
pub(super) fn read_calls(text: &str) -> (LastWords, String) {
    let (mut words, mut rest) = (LastWords::default(), Vec::new());
    for line in text.lines() {
        let Some(list) = line.strip_prefix(CALLS) else {
            rest.push(line);
            continue;
        };
        words.overflow = list.contains("overflow");
        for word in list.split_whitespace() {
            if let Some(home) = word.strip_prefix(HOME) {
                words.home = home.parse().ok();
            } else if let Some((library, address)) = word.split_once(':') {
                words.calls.extend(library.parse().ok().zip(u64::from_str_radix(address, 16).ok()));
            }
        }
    }
    (words, rest.join("\n"))
}

/// How often this system has ended a process for want of memory.
pub(super) fn out_of_memory_kills() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// What is known of an end.
pub(super) struct Death<'a> {
    /// The wait status.
    pub status: Option<i32>,
    /// evcxr's words, when there is no status.
    pub message: &'a str,
    pub words: Option<&'a LastWords>,
    /// The end of what was printed on stderr.
    pub stderr: &'a [u8],
    /// [`out_of_memory_kills`] before the cell.
    pub kills_before: Option<u64>,
}

impl Death<'_> {
    /// The error; `before` are the variables that existed before the cell.
    pub fn error(&self, place: &Place<'_>, before: &[(String, String)]) -> CellError {
        let how = self.how();
        let label =
            if self.words.is_some_and(|words| words.overflow) { "the stack ended here" } else { "it ended here" };
        let mut below =
            self.words.map(|words| place.point_calls(&place.look_up(&words.calls), label)).unwrap_or_default();
        below.push(hint("the next cell runs in a new process"));
        render::failure("ProcessDied", &format!("the cell's process ended ({how}). {}", lost(before)), below)
    }

    fn how(&self) -> String {
        let signal = match self.status {
            Some(status) if libc::WIFSIGNALED(status) => libc::WTERMSIG(status),
            Some(status) => return format!("exit status {}", libc::WEXITSTATUS(status)),
            None => return self.message.lines().next_back().unwrap_or_default().to_owned(),
        };
        let name = match signal {
            libc::SIGABRT => match self.refused_bytes() {
                Some(bytes) => format!("out of memory: {} were asked for at once", size(bytes)),
                None => String::from("aborted"),
            },
            libc::SIGSEGV if self.words.is_some_and(|words| words.overflow) => {
                String::from("stack overflow: a function calls itself too often, or its local values are too large")
            }
            libc::SIGSEGV if self.words.is_some() => String::from("segmentation fault"),
            libc::SIGSEGV => String::from("segmentation fault, perhaps a stack overflow in a thread"),
            libc::SIGILL => String::from("illegal instruction"),
            libc::SIGBUS => String::from("bus error"),
            libc::SIGFPE => String::from("arithmetic error"),
            libc::SIGKILL if out_of_memory_kills() > self.kills_before => {
                String::from("killed: the system ran out of memory")
            }
            libc::SIGKILL => String::from("killed, perhaps because memory ran out"),
            libc::SIGTERM => String::from("terminated"),
            _ => String::from("killed"),
        };
        format!("{name}, signal {signal}")
    }

    /// What std prints when the allocator refuses.
    fn refused_bytes(&self) -> Option<u64> {
        let text = String::from_utf8_lossy(self.stderr);
        let rest = text.rsplit_once("memory allocation of ")?.1;
        rest.split_once(" bytes failed")?.0.parse().ok()
    }
}

fn size(bytes: u64) -> String {
    let steps = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")];
    let found = steps.into_iter().find(|(unit, _)| bytes as f64 >= *unit);
    found.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{:.1} {name}", bytes as f64 / unit))
}

/// What went with the process.
pub(super) fn lost(before: &[(String, String)]) -> String {
    let mut names: Vec<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() {
        String::from("No variable was lost")
    } else {
        format!("Lost variables: {}; functions and types are kept", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_named() {
        let variables = [(String::from("y"), String::from("i32")), (String::from("x"), String::from("i32"))];
        assert_eq!(lost(&variables), "Lost variables: x, y; functions and types are kept");
        assert_eq!(lost(&[]), "No variable was lost");
    }

    #[test]
    fn refused_memory_is_recognised() {
        let death =
            |stderr: &'static [u8], status| Death { status, message: "", words: None, stderr, kills_before: None };
        let text = death(b"x\nmemory allocation of 8000000000000 bytes failed\n", Some(libc::SIGABRT)).how();
        assert_eq!(text, "out of memory: 8.0 TB were asked for at once, signal 6");
        assert_eq!(death(b"", Some(libc::SIGABRT)).how(), "aborted, signal 6");
        assert_eq!(death(b"", Some(3 << 8)).how(), "exit status 3");
    }

    #[test]
    fn calls_come_back() {
        let (words, rest) = read_calls(&format!("{CALLS} overflow {HOME}7 7:1a2b 3:ff\n0: main\n1: start"));
        assert_eq!((words.overflow, words.home, rest.as_str()), (true, Some(7), "0: main\n1: start"));
        assert_eq!(words.calls, [(7, 0x1a2b), (3, 0xff)]);
        assert!(read_calls("0: main").0.calls.is_empty());
    }
}
