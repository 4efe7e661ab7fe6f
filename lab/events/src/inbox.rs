//! One line that the kernel writes to a cell's process: `nonce " " json "\n"`, on the FIFO that [`INBOX_ENV`] names.
//!
//! A line that does not begin with the nonce of this process is skipped: the kernel may have been cut off in the middle of a
//! line when an earlier process died.

use crate::frame::Comm;
use serde::{Deserialize, Serialize};

/// The environment variable that names the FIFO; absent outside our kernel.
pub const INBOX_ENV: &str = "LATHE_INBOX";

/// What the kernel tells a cell's process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// The answer to [`Frame::Input`](crate::frame::Frame::Input).
    Answer {
        /// The question.
        id: String,
        /// What the user typed, or why nobody could be asked.
        answer: Result<String, String>,
    },
    /// A message of a comm from the front end. It must be answered by a
    /// [`Frame::CommDone`](crate::frame::Frame::CommDone) with the same token.
    Comm {
        /// The message.
        comm: Comm,
        /// Names the message in the answer.
        token: String,
        /// No cell runs now.
        idle: bool,
    },
}

impl Letter {
    /// The letter as a line, ready to be written.
    pub fn encode(&self, nonce: &str) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{nonce} {json}\n")
    }

    /// Reads a line back; `None` for damaged ones and those of other processes.
    ///
    /// ```
    /// use lathe_events::inbox::Letter;
    /// let letter = Letter::Answer { id: String::from("q1"), answer: Ok(String::from("Ada")) };
    /// let line = letter.encode("n1");
    /// assert_eq!(Letter::decode(&line, "n1"), Some(letter));
    /// assert_eq!(Letter::decode(&line[4..], "n1"), None);
    /// assert_eq!(Letter::decode(&line, "n2"), None);
    /// ```
    pub fn decode(line: &str, nonce: &str) -> Option<Self> {
        let json = line.strip_prefix(nonce)?.strip_prefix(' ')?;
        serde_json::from_str(json.trim_end_matches('\n')).ok()
    }
}
