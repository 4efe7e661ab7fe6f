//! One line that a cell's process writes among its prints and that the kernel takes out again.
//!
//! `U+001E "LATHE " nonce " " json "\n"`, written in one locked write. The nonce is new for each process and given to it in
//! [`NONCE_ENV`]; a line with another nonce is ordinary text, so a program that prints a saved log cannot forge a frame.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Starts a frame, anywhere in the stream.
pub const MARK: &str = "\u{1e}LATHE ";
/// The environment variable that holds this process's nonce; absent outside our kernel.
pub const NONCE_ENV: &str = "LATHE_FRAME_NONCE";
/// Starts the line of a panic's backtrace that holds addresses in the libraries of cells, the innermost call first: words
/// `number:address`, the number of the library and the hexadecimal address in it.
pub const CALLS: &str = "calls:";
/// Starts the word of that line with the number of the library whose source the panic's place is in.
pub const HOME: &str = "home:";
/// In place of the file of a panic: there was none, the process ends.
pub const ENDED: &str = "<the process ends>";

/// What a front end shows: the same thing in several formats, keyed by MIME type, the richest that it knows is taken.
///
/// Text formats hold a JSON string, binary ones (`image/png`) a base64 string, `application/*json` a JSON value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// MIME type to content.
    pub data: Map<String, Value>,
    /// Jupyter's display metadata, for example `{"image/png": {"width": 640}}`.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

impl Bundle {
    /// A bundle of plain text, to which richer formats are added by [`Bundle::with`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().with("text/plain", text.into())
    }

    /// The same bundle with one more format.
    #[must_use]
    pub fn with(mut self, mime: &str, content: impl Into<Value>) -> Self {
        self.data.insert(mime.to_owned(), content.into());
        self
    }
}

/// One message of a comm: Jupyter's channel between an object here and its view in the front end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comm {
    /// Which comm; the side that opens it makes up the id.
    pub comm_id: String,
    /// What happens to it.
    pub action: CommAction,
    /// What is said, by the rules of the target.
    #[serde(default)]
    pub data: Value,
    /// Jupyter's message metadata.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a [`Comm`] message does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommAction {
    /// Opens it.
    Open {
        /// What kind of object the other side shall make, for example `jupyter.widget`.
        target: String,
    },
    /// Says something on it.
    Message,
    /// Closes it.
    Close,
}

/// What a cell's process tells the kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum Frame {
    /// Show this below the cell.
    Display {
        /// What.
        bundle: Bundle,
        /// A name under which it can be updated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// The value of the cell's last expression (Jupyter's `execute_result`).
    Result {
        /// What.
        bundle: Bundle,
    },
    /// Replace what was shown under a name.
    Update {
        /// By what.
        bundle: Bundle,
        /// The name.
        id: String,
    },
    /// Clear the cell's output.
    Clear {
        /// Only when the next output comes.
        wait: bool,
    },
    /// A panic on some thread; whether the cell failed is for the kernel to find out.
    Panic {
        /// What the panic says.
        message: String,
        /// Source file.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
        /// Where it came from, one frame a line; may be empty.
        backtrace: String,
    },
    /// Ask the user for a line; the answer comes on the way in (see [`crate::inbox`]).
    Input {
        /// Names the question in the answer.
        id: String,
        /// What stands before the input field.
        prompt: String,
        /// Do not show what is typed.
        password: bool,
    },
    /// A message to the other half of a widget, in the front end.
    Comm {
        /// The message.
        comm: Comm,
        /// It answers the message that came in with this token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// The message that came in with this token is dealt with, its callbacks have ended.
    CommDone {
        /// The token.
        token: String,
    },
    /// Everything this process had printed before this point has been written (answer to a flush request).
    Flushed,
}

impl Frame {
    /// The frame as a line, ready to be written.
    pub fn encode(&self, nonce: &str) -> String {
        let json = serde_json::to_string(self).unwrap_or_else(|_| String::from("{\"frame\":\"flushed\"}"));
        format!("{MARK}{nonce} {json}\n")
    }

    /// Reads a line back (without or with its newline); `None` for text, foreign frames and damaged ones.
    ///
    /// ```
    /// use lathe_events::frame::{Bundle, Frame};
    /// let frame = Frame::Display { bundle: Bundle::text("42"), id: None };
    /// let line = frame.encode("n1");
    /// assert_eq!(Frame::decode(&line, "n1"), Some(frame));
    /// assert_eq!(Frame::decode(&line, "n2"), None);
    /// ```
    pub fn decode(line: &str, nonce: &str) -> Option<Self> {
        let rest = line.strip_prefix(MARK)?.strip_prefix(nonce)?.strip_prefix(' ')?;
        serde_json::from_str(rest.trim_end_matches('\n')).ok()
    }
}
