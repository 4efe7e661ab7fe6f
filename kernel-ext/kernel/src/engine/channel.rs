//! The way back: from the kernel into the process that runs cells.

use super::aside::Aside;
use super::control::Control;
use super::inbox::Inbox;
use super::output::{Event, Listeners};
use super::stdin::{self, Tell};
use super::{EngineError, child};
use crate::api::{Inward, Messenger};
use crossbeam_channel::{Receiver, Sender, bounded};
use lathe_events::inbox::{INBOX_ENV, Letter};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

const INBOX: &str = "inbox";
const STDIN: &str = "stdin";

/// What the engine keeps of it.
#[derive(Debug)]
pub(super) struct Channel {
    nonce: String,
    inbox: Arc<Inbox>,
    stdin: Sender<Tell>,
    pub stirred: Receiver<()>,
    pub stir: Sender<()>,
}

impl Channel {
    /// Makes both FIFOs in the engine's folder and starts their threads.
    pub fn start(
        folder: &Path,
        nonce: &str,
        control: &Arc<Control>,
        aside: &Arc<Aside>,
        events: Sender<Event>,
    ) -> Result<(Self, Listeners), EngineError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| EngineError::Io { path, source }
        };
        // As /proc names it.
        let folder = folder.canonicalize().map_err(at(folder))?;
        let inbox = Arc::new(Inbox::start(&folder.join(INBOX)).map_err(at(&folder.join(INBOX)))?);
        let path = folder.join(STDIN);
        let stdin = stdin::start(&path, Arc::clone(control), Arc::clone(aside), events.clone()).map_err(at(&path))?;
        let (stir, stirred) = bounded(1);
        let channel = Self {
            nonce: nonce.to_owned(),
            inbox: Arc::clone(&inbox),
            stdin: stdin.clone(),
            stirred,
            stir: stir.clone(),
        };
        Ok((channel, Listeners { control: Arc::clone(control), events, inbox, stdin, stirred: stir }))
    }

    /// What the process needs to know.
    pub fn variables(folder: &Path) -> [(String, OsString); 2] {
        [
            (INBOX_ENV.to_owned(), folder.join(INBOX).into_os_string()),
            (child::STDIN_ENV.to_owned(), folder.join(STDIN).into_os_string()),
        ]
    }

    pub fn messenger(&self, control: &Arc<Control>) -> Messenger {
        let (nonce, inbox, stdin) = (self.nonce.clone(), Arc::clone(&self.inbox), self.stdin.clone());
        let control = Arc::clone(control);
        Messenger::new(move |message| {
            let letter = match message {
                Inward::Answer { id, answer } if id.starts_with(stdin::PREFIX) => {
                    return stdin.send(Tell::Answer(id, answer)).is_ok();
                }
                Inward::Answer { id, answer } => Letter::Answer { id, answer },
                Inward::Comm { comm, token } => Letter::Comm { comm, token, idle: !control.is_busy() },
            };
            inbox.send(letter.encode(&nonce).into_bytes())
        })
    }
}
