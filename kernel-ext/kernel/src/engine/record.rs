//! The private channel from a cell's process (its pump, the shim) to the kernel: a FIFO of small records.
//!
//! Each record is written by one `write` of at most `PIPE_BUF` bytes, which the system never splits or mixes; so a writer
//! that is killed leaves no half record, and several writers may share the FIFO. Longer messages are cut into parts.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// POSIX guarantees 512; Linux has 4096.
const MAX: usize = 4096;
const HEADER: usize = 4;
/// Longest payload of one record.
pub(super) const PAYLOAD: usize = MAX - HEADER;
/// Longest message that is put together from parts; what is longer is dropped.
const MESSAGE_LIMIT: usize = 256 << 20;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A new child: payload is the pid of the process that runs cells.
    Start = b'S',
    /// The cell's own code begins.
    Running = b'R',
    /// Bytes on stdout.
    Stdout = b'o',
    /// Bytes on stderr.
    Stderr = b'e',
    /// A line with a frame.
    Frame = b'F',
    /// An evcxr content block: MIME type, newline, content.
    Content = b'M',
    /// Place and text of an early `?`.
    Try = b'T',
    /// The cell panicked.
    Panicked = b'P',
    /// The cell returned early through `?`.
    EarlyReturn = b'Q',
    /// A line of evcxr's protocol by which a cell asks for input.
    Ask = b'I',
    /// The cell ended.
    Complete = b'C',
    /// The process ended: payload is the wait status.
    Died = b'D',
    /// The kernel's own mark: everything before it has arrived.
    Sync = b'Y',
    /// The kernel asks its reader to stop.
    Stop = b'X',
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Start,
            Self::Running,
            Self::Stdout,
            Self::Stderr,
            Self::Frame,
            Self::Content,
            Self::Try,
            Self::Panicked,
            Self::EarlyReturn,
            Self::Ask,
            Self::Complete,
            Self::Died,
            Self::Sync,
            Self::Stop,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }

    /// Put together from parts; text is passed on part by part, and the rest is always short.
    fn has_parts(self) -> bool {
        matches!(self, Self::Frame | Self::Content | Self::Try | Self::Ask)
    }
}

/// A writing end.
#[derive(Debug)]
pub(super) struct Writer(File);

impl Writer {
    /// Opens the FIFO; does not wait for a reader.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::options().read(true).write(true).open(path).map(Self)
    }

    /// Sends a message of any length.
    pub fn send(&mut self, kind: Kind, message: &[u8]) -> io::Result<()> {
        let mut rest = message;
        loop {
            let (part, tail) = rest.split_at(rest.len().min(PAYLOAD));
            let mut record = Vec::with_capacity(HEADER + part.len());
            record.push(kind as u8);
            record.push(u8::from(tail.is_empty()));
            record.extend_from_slice(&(part.len() as u16).to_le_bytes());
            record.extend_from_slice(part);
            self.0.write_all(&record)?;
            if tail.is_empty() {
                return Ok(());
            }
            rest = tail;
        }
    }
}

/// Puts messages together from the bytes of the FIFO.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    bytes: Vec<u8>,
    message: Vec<u8>,
    dropping: bool,
}

impl Assembler {
    /// Takes what was read and hands out whole messages.
    pub fn push(&mut self, read: &[u8], take: &mut dyn FnMut(Kind, &[u8])) {
        self.bytes.extend_from_slice(read);
        let mut start = 0;
        while let Some((header, rest)) = self.bytes[start..].split_first_chunk::<HEADER>() {
            let length = usize::from(u16::from_le_bytes([header[2], header[3]]));
            let Some(payload) = rest.get(..length) else { break };
            if let Some(kind) = Kind::from_byte(header[0]) {
                let last = header[1] == 1;
                if kind == Kind::Start {
                    // The last process may have died in the middle of a message.
                    self.message.clear();
                    self.dropping = false;
                }
                if !kind.has_parts() || (last && self.message.is_empty() && !self.dropping) {
                    take(kind, payload);
                } else {
                    self.dropping |= self.message.len() + length > MESSAGE_LIMIT;
                    if !self.dropping {
                        self.message.extend_from_slice(payload);
                    }
                    if last {
                        if !self.dropping {
                            take(kind, &self.message);
                        }
                        self.message = Vec::new();
                        self.dropping = false;
                    }
                }
            }
            start += HEADER + length;
        }
        self.bytes.drain(..start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn messages_survive_any_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plain");
        std::fs::write(&path, "").unwrap();
        let mut writer = Writer::open(&path).unwrap();
        let long: Vec<u8> = (0..10_000).map(|i| i as u8).collect();
        writer.send(Kind::Frame, &long).unwrap();
        writer.send(Kind::Complete, b"").unwrap();
        let mut bytes = Vec::new();
        File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
        for step in [1, 7, 4096, 100_000] {
            let (mut assembler, mut seen) = (Assembler::default(), Vec::new());
            for chunk in bytes.chunks(step) {
                assembler.push(chunk, &mut |kind, message| seen.push((kind, message.to_vec())));
            }
            assert_eq!(seen, [(Kind::Frame, long.clone()), (Kind::Complete, Vec::new())], "step {step}");
        }
    }

    #[test]
    fn a_new_process_forgets_half_a_message() {
        let mut assembler = Assembler::default();
        let mut seen = Vec::new();
        let mut take = |kind: Kind, message: &[u8]| seen.push((kind, message.to_vec()));
        assembler.push(b"F\x00\x02\x00ab", &mut take);
        assembler.push(b"S\x01\x01\x007", &mut take);
        assembler.push(b"F\x01\x01\x00c", &mut take);
        assert_eq!(seen, [(Kind::Start, b"7".to_vec()), (Kind::Frame, b"c".to_vec())]);
    }
}
