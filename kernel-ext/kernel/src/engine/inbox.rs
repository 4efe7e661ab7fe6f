//! The way into the process that runs cells: letters in a FIFO, written by a thread of its own so that nobody waits.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Letters, and their bytes, that may wait for a process that does not read.
const LETTERS: usize = 4096;
const BYTES: usize = 64 << 20;
const LOOK_MS: i32 = 200;

/// The writing end; ends when dropped.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: Sender<(u64, Vec<u8>)>,
    waiting: Arc<AtomicUsize>,
    /// Counts processes: what was written for an earlier one is thrown away.
    process: Arc<AtomicU64>,
}

impl Inbox {
    /// Makes the FIFO and starts the thread.
    pub fn start(path: &Path) -> io::Result<Self> {
        // Opened for reading too: then opening does not wait, and old letters can be taken out again.
        drop(super::make_fifo(path)?);
        let fifo = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let (queue, letters) = bounded(LETTERS);
        let (waiting, process) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let mut post = Post { fifo, waiting: Arc::clone(&waiting), process: Arc::clone(&process), seen: 0 };
        std::thread::Builder::new().name(String::from("cell inbox")).spawn(move || post.deliver(&letters))?;
        Ok(Self { queue, waiting, process })
    }

    /// `false` when too much waits already; the letter is then lost.
    pub fn send(&self, letter: Vec<u8>) -> bool {
        let size = letter.len();
        if self.waiting.fetch_add(size, SeqCst) + size > BYTES {
            self.waiting.fetch_sub(size, SeqCst);
            return false;
        }
        match self.queue.try_send((self.process.load(SeqCst), letter)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.waiting.fetch_sub(size, SeqCst);
                false
            }
        }
    }

    /// The process is gone: its letters go with it.
    pub fn forget(&self) {
        self.process.fetch_add(1, SeqCst);
    }
}

struct Post {
    fifo: File,
    waiting: Arc<AtomicUsize>,
    process: Arc<AtomicU64>,
    seen: u64,
}

impl Post {
    fn deliver(&mut self, letters: &Receiver<(u64, Vec<u8>)>) {
        for (process, letter) in letters {
            if process == self.process.load(SeqCst) {
                // What can go wrong: the process is gone, or the engine is.
                let _ = self.write(process, &letter, letters);
            }
            self.waiting.fetch_sub(letter.len(), SeqCst);
        }
    }

    fn write(&mut self, process: u64, letter: &[u8], letters: &Receiver<(u64, Vec<u8>)>) -> io::Result<()> {
        if self.seen != process {
            self.seen = process;
            self.drain();
        }
        let mut rest = letter;
        while !rest.is_empty() {
            match self.fifo.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut poll = libc::pollfd { fd: self.fifo.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
                    // SAFETY: one valid entry.
                    unsafe { libc::poll(&mut poll, 1, LOOK_MS) };
                    // A sender that is gone shows only when nothing is queued; then nobody reads either.
                    let engine_gone = letters.is_empty()
                        && matches!(letters.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected));
                    if engine_gone || self.process.load(SeqCst) != process {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes out what an earlier process did not read, and ends its last line.
    fn drain(&mut self) {
        let mut rest = [0; 4096];
        while matches!(self.fifo.read(&mut rest), Ok(1..)) {}
        // The new process may have read the start of a line that was cut.
        let _ = self.fifo.write(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    #[test]
    fn letters_arrive_in_order_and_those_of_a_dead_process_do_not() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("inbox");
        let inbox = Inbox::start(&path)?;
        let mut lines = BufReader::new(File::open(&path)?).lines();
        assert!(inbox.send(b"one\n".to_vec()) && inbox.send(vec![b'x'; 300_000]) && inbox.send(b"\ntwo\n".to_vec()));
        assert_eq!(lines.next().transpose()?.as_deref(), Some("one"));
        assert_eq!(lines.next().transpose()?.map(|line| line.len()), Some(300_000));
        assert_eq!(lines.next().transpose()?.as_deref(), Some("two"));
        drop(lines);
        // Nobody reads: the first letter fills the FIFO.
        assert!(inbox.send([vec![b'y'; 200_000], b"\n".to_vec()].concat()) && inbox.send(b"lost\n".to_vec()));
        std::thread::sleep(std::time::Duration::from_millis(50));
        inbox.forget();
        assert!(inbox.send(b"for the new one\n".to_vec()));
        let mut lines = BufReader::new(File::open(&path)?).lines();
        let found = lines.find(|line| !line.as_ref().is_ok_and(|line| line.is_empty() || line.starts_with('y')));
        assert_eq!(found.transpose()?.as_deref(), Some("for the new one"));
        Ok(())
    }

    #[test]
    fn what_nobody_reads_is_refused_in_the_end_and_nobody_waits() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let inbox = Inbox::start(&folder.path().join("inbox"))?;
        let taken = (0..200).filter(|_| inbox.send(vec![b'z'; 1 << 20])).count();
        assert!((32..=65).contains(&taken), "{taken}");
        Ok(())
    }
}
