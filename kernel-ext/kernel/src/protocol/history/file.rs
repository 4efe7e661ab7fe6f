//! The cells of earlier kernels, in one file of the user's data folder: a JSON object per line, only appended to.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Above this size the older half of the file is given up.
const MOST_BYTES: u64 = 4 << 20;
/// Larger cells are remembered by the running kernel only.
const LARGEST_CELL: usize = 64 << 10;
/// Of a value this much is kept.
const LARGEST_OUTPUT: usize = 4 << 10;

/// One line: a cell, or (without `input`) what a cell answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Counts the kernels that wrote to the file.
    pub(super) session: i64,
    pub(super) number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<String>,
}

/// The file, and this kernel's number in it.
#[derive(Debug)]
pub(super) struct HistoryFile {
    path: PathBuf,
    session: Option<i64>,
    /// It could not be written: a read-only home, a full disk. Said once, then left alone.
    broken: bool,
}

impl HistoryFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, session: None, broken: false }
    }

    /// This kernel's number, or the one it will have when it runs its first cell.
    pub(super) fn session(&self) -> i64 {
        self.session.unwrap_or_else(|| next_session(&self.read()))
    }

    /// What other kernels left, in order; damaged lines are skipped.
    pub(super) fn read(&self) -> Vec<Line> {
        let mut text = Vec::new();
        // Missing or unreadable: nothing to tell. Larger than we ever let it grow: not ours.
        if let Ok(file) = File::open(&self.path) {
            _ = file.take(4 * MOST_BYTES).read_to_end(&mut text);
        }
        let lines = parse(&text);
        lines.into_iter().filter(|line| Some(line.session) != self.session).collect()
    }

    pub(super) fn add_input(&mut self, number: u64, input: &str) {
        if input.len() <= LARGEST_CELL {
            self.write(number, Some(input.to_owned()), None);
        }
    }

    pub(super) fn add_output(&mut self, number: u64, output: &str) {
        let output = &output[..output.floor_char_boundary(LARGEST_OUTPUT)];
        self.write(number, None, Some(output.to_owned()));
    }

    fn write(&mut self, number: u64, input: Option<String>, output: Option<String>) {
        if self.broken {
            return;
        }
        if let Err(error) = self.try_write(number, input, output) {
            self.broken = true;
            eprintln!(
                "lathe-kernel: the history of cells is not kept, {} cannot be written: {error} (LATHE_HISTORY=off silences this)",
                self.path.display()
            );
        }
    }

    fn try_write(&mut self, number: u64, input: Option<String>, output: Option<String>) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.is_dir()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = open_locked(&self.path)?;
        if file.metadata()?.len() > MOST_BYTES {
            file = shorten(&self.path, file)?;
        }
        let session = match self.session {
            Some(session) => session,
            // Under the lock, so that two kernels that start together get two numbers.
            None => *self.session.insert(next_session(&parse(&std::fs::read(&self.path)?))),
        };
        let line = serde_json::to_string(&Line { session, number, input, output })?;
        // A line that a killed kernel or a full disk left unfinished must not swallow this one.
        let start = if ends_in_a_line(&self.path) { "" } else { "\n" };
        // One write: also without the lock (not every network disk has locks) lines stay whole.
        file.write_all(format!("{start}{line}\n").as_bytes())
    }
}

fn parse(text: &[u8]) -> Vec<Line> {
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn next_session(lines: &[Line]) -> i64 {
    lines.iter().map(|line| line.session).max().unwrap_or(0).saturating_add(1)
}

fn ends_in_a_line(path: &Path) -> bool {
    use std::os::unix::fs::FileExt;
    let mut last = [b'\n'];
    if let Ok(file) = File::open(path)
        && let Ok(metadata) = file.metadata()
        && metadata.len() > 0
    {
        _ = file.read_at(&mut last, metadata.len() - 1);
    }
    last == *b"\n"
}

/// Opens for appending and takes the lock; it ends with the file. Another kernel may have put a shorter file in place meanwhile.
fn open_locked(path: &Path) -> std::io::Result<File> {
    loop {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        for _ in 0..20 {
            // SAFETY: a lock on a descriptor that we own.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                break;
            }
            // Held for well under a millisecond; a holder that was stopped must not stop us.
            std::thread::sleep(Duration::from_millis(2));
        }
        if std::fs::metadata(path).is_ok_and(|named| Some(named.ino()) == file.metadata().ok().map(|ours| ours.ino())) {
            return Ok(file);
        }
    }
}

/// Puts a file with the newer half in place, in one step.
fn shorten(path: &Path, locked: File) -> std::io::Result<File> {
    let text = std::fs::read(path)?;
    let middle = text.len().saturating_sub(MOST_BYTES as usize / 2);
    let start = text[middle..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| middle + at + 1);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut shorter = tempfile::Builder::new().prefix(".history").tempfile_in(folder)?;
    shorter.write_all(&text[start..])?;
    shorter.persist(path).map_err(|error| error.error)?;
    drop(locked);
    open_locked(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(file: &HistoryFile) -> Vec<String> {
        file.read().into_iter().filter_map(|line| line.input).collect()
    }

    #[test]
    fn kernels_get_numbers_and_read_each_other() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/folder/history.jsonl");
        let (mut first, mut second) = (HistoryFile::new(path.clone()), HistoryFile::new(path.clone()));
        assert_eq!((first.session(), inputs(&first)), (1, vec![]));
        first.add_input(1, "let a = \"\\n\";\n// ü");
        second.add_input(1, "b");
        first.add_output(1, &"é".repeat(LARGEST_OUTPUT));
        second.add_input(2, &"x".repeat(LARGEST_CELL + 1));
        assert_eq!((first.session(), second.session()), (1, 2));
        assert_eq!(
            (inputs(&first), inputs(&second)),
            (vec!["b".to_owned()], vec!["let a = \"\\n\";\n// ü".to_owned()])
        );
        assert_eq!(HistoryFile::new(path.clone()).session(), 3);
        assert_eq!(std::fs::metadata(path)?.mode() & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn damaged_lines_cost_only_themselves() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("history.jsonl");
        let good = r#"{"session":7,"number":1,"input":"good"}"#;
        std::fs::write(
            &path,
            [b"\xff\xfe\n[]\n{\"session\":\"x\"}\n", good.as_bytes(), b"\n{\"session\":9,\"numb"].concat(),
        )?;
        let mut file = HistoryFile::new(path);
        file.add_input(1, "mine");
        file.session = None;
        assert_eq!(inputs(&file), ["good", "mine"]);
        Ok(())
    }

    #[test]
    fn the_file_stays_small_and_keeps_the_newest() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("history.jsonl");
        let mut file = HistoryFile::new(path.clone());
        let cell = "y".repeat(LARGEST_CELL - 10);
        for number in 1..=100 {
            file.add_input(number, &format!("{cell}{number}"));
            assert!(std::fs::metadata(&path)?.len() <= MOST_BYTES + 2 * LARGEST_CELL as u64);
        }
        file.session = None;
        let numbers: Vec<u64> = file.read().iter().map(|line| line.number).collect();
        assert_eq!(numbers.last(), Some(&100));
        assert!(numbers.is_sorted() && (30..100).contains(&numbers.len()), "{numbers:?}");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn many_writers_lose_nothing() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("history.jsonl");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut file = HistoryFile::new(path.clone());
                    for number in 1..=50 {
                        file.add_input(number, &format!("{}", file.session()));
                    }
                });
            }
        });
        let lines = HistoryFile::new(path).read();
        assert_eq!(lines.len(), 400);
        for session in 1..=8 {
            let numbers: Vec<u64> =
                lines.iter().filter(|line| line.session == session).map(|line| line.number).collect();
            assert_eq!(numbers, (1..=50).collect::<Vec<_>>(), "session {session}");
        }
        Ok(())
    }

    #[test]
    fn a_folder_that_cannot_be_written_does_no_harm() {
        let mut file = HistoryFile::new("/dev/null/lathe/history.jsonl".into());
        file.add_input(1, "a");
        file.add_output(1, "b");
        assert_eq!((file.session(), file.read().len(), file.broken), (1, 0, true));
    }
}
