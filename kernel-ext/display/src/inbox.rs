//! What the kernel tells this process: answers of the user, messages of widgets.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lathe_events::inbox::{INBOX_ENV, Letter};

use crate::{input, out, widgets};

/// Starts the thread that reads the kernel's letters; `cell::init` calls it once.
pub(crate) fn start() {
    let (Some(path), Some(nonce)) = (std::env::var_os(INBOX_ENV), out::nonce()) else { return };
    // Without the thread nothing is asked and widgets do not move; cells run all the same.
    let _ = std::thread::Builder::new().name("lathe-inbox".into()).spawn(move || {
        if let Ok(fifo) = File::open(path) {
            input::can_ask();
            read(BufReader::new(fifo), nonce);
        }
    });
}

fn read(mut fifo: impl BufRead, nonce: &str) {
    let mut line = Vec::new();
    while fifo.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        match Letter::decode(&String::from_utf8_lossy(&line), nonce) {
            Some(Letter::Answer { id, answer }) => input::answered(&id, answer),
            Some(Letter::Comm { comm, token, idle }) => widgets::on_comm(comm, token, idle),
            None => {}
        }
        line.clear();
    }
}

/// A panic elsewhere leaves data that is still usable.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
