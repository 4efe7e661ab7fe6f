//! What the engine promises to the protocol server and to the notebook runner.

use crossbeam_channel::{Receiver, never};
use lathe_events::frame::{Bundle, Comm};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Jupyter's name of the stream.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What a running cell shows, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Text as it was printed (any fragment, not only whole lines).
    Stream {
        /// Where it was printed.
        stream: Stream,
        /// The text, always valid UTF-8.
        text: String,
    },
    /// A picture or other rich content; with an id it can be updated.
    Display {
        /// The content.
        bundle: Bundle,
        /// The display id.
        id: Option<String>,
    },
    /// New content for a display id.
    Update {
        /// The content.
        bundle: Bundle,
        /// The display id.
        id: String,
    },
    /// Clear the output of the cell.
    Clear {
        /// Only when the next output comes.
        wait: bool,
    },
    /// The value of the cell's last expression.
    Result {
        /// The content.
        bundle: Bundle,
    },
    /// The cell waits for a line from the user; it is answered by [`Inward::Answer`] with the same id.
    Input {
        /// Names the question.
        id: String,
        /// What stands before the input field.
        prompt: String,
        /// Do not show what is typed.
        password: bool,
    },
    /// A message of a widget to its view.
    Comm {
        /// The message.
        comm: Comm,
        /// It answers the [`Inward::Comm`] with this token.
        token: Option<String>,
    },
    /// The [`Inward::Comm`] with this token is dealt with.
    CommDone {
        /// The token.
        token: String,
    },
    /// The process that held the widgets is gone: every comm is closed, nobody waits for an answer.
    ProcessLost,
}

/// What is sent into the process that runs cells, also while a cell runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Inward {
    /// The answer to [`Output::Input`].
    Answer {
        /// The question.
        id: String,
        /// What the user typed, or why nobody could be asked.
        answer: Result<String, String>,
    },
    /// A message of the front end to a widget; [`Output::CommDone`] follows when it is dealt with.
    Comm {
        /// The message.
        comm: Comm,
        /// Names it in the answer.
        token: String,
    },
}

/// Why a cell failed, in Jupyter's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// Kind of error: `E0308`, `Panic`, `Error` (an early `?`), `Interrupted`, `ProcessDied`.
    pub ename: String,
    /// One line that says what happened.
    pub evalue: String,
    /// Lines with ANSI colours.
    pub traceback: Vec<String>,
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end.
    Ok,
    /// It did not compile, panicked, returned an error or killed its process.
    Error(CellError),
    /// The user stopped it.
    Interrupted(CellError),
}

/// One thing that could stand at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Full replacement text.
    pub text: String,
    /// In Jupyter's words: `function`, `class`, `module`, `instance`, `keyword`; empty when not known.
    pub kind: String,
    /// Parameters of a function, the type of a variable; may be empty.
    pub signature: String,
}

impl From<&str> for Match {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// What could stand at the cursor; `start..end` (bytes) is replaced by a match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What could stand there.
    pub matches: Vec<Match>,
    /// Where the replaced text starts.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// What a front end asks about code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// What could stand at byte `cursor` of `code`?
    Complete {
        /// The cell.
        code: String,
        /// Where.
        cursor: usize,
    },
    /// What is that at byte `cursor` of `code`?
    Inspect {
        /// The cell.
        code: String,
        /// Where.
        cursor: usize,
    },
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Question::Complete`].
    Completion(Completion),
    /// To [`Question::Inspect`]; `None` when nothing is known.
    Inspection(Option<Bundle>),
}

/// Answers questions from another thread while [`Engine::execute`] runs; may wait some seconds.
#[derive(Clone)]
pub struct Asker(Arc<Ask>);

type Ask = dyn Fn(&Question) -> Option<Answer> + Send + Sync;

impl Asker {
    /// Wraps the engine's way to answer.
    pub fn new(ask: impl Fn(&Question) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// For an engine that answers only while no cell runs.
    pub fn none() -> Self {
        Self::new(|_| None)
    }

    /// `None` when no cell runs, or it cannot be answered while one does.
    pub fn ask(&self, question: &Question) -> Option<Answer> {
        (self.0)(question)
    }
}

/// Stops the running cell; can be called from any thread while [`Engine::execute`] runs.
#[derive(Clone)]
pub struct Interrupter(Arc<dyn Fn() + Send + Sync>);

impl Interrupter {
    /// Wraps the engine's way to stop a cell.
    pub fn new(stop: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(stop))
    }

    /// Stops the running cell; does nothing when none runs.
    pub fn interrupt(&self) {
        (self.0)();
    }
}

/// Sends messages into the process that runs cells; can be used from any thread while [`Engine::execute`] runs. Never waits.
#[derive(Clone)]
pub struct Messenger(Arc<dyn Fn(Inward) -> bool + Send + Sync>);

impl Messenger {
    /// Wraps the engine's way in; it says whether the message was taken.
    pub fn new(send: impl Fn(Inward) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// For an engine whose cells cannot be spoken to: takes nothing.
    pub fn none() -> Self {
        Self::new(|_| false)
    }

    /// `false` when the message was dropped: there is no process, or it has not read for long.
    pub fn send(&self, message: Inward) -> bool {
        (self.0)(message)
    }
}

/// Runs cells one after the other in one session that keeps its variables.
pub trait Engine {
    /// Compiles and runs a cell; what it shows goes to `out` while it runs.
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Outcome;
    /// The number (`[7]`) of the cell that [`Engine::execute`] gets next; messages name cells by it.
    fn set_cell_number(&mut self, number: u64) {
        let _ = number;
    }
    /// Completions at byte `cursor` of `code`.
    fn complete(&mut self, code: &str, cursor: usize) -> Completion;
    /// Documentation or type of what stands at byte `cursor` of `code`.
    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Bundle>;
    /// A handle that stops the running cell from another thread.
    fn interrupter(&self) -> Interrupter;
    /// A handle that sends messages to the cell's process from another thread.
    fn messenger(&self) -> Messenger {
        Messenger::none()
    }
    /// A handle that answers questions from another thread while a cell runs.
    fn asker(&self) -> Asker {
        Asker::none()
    }
    /// Becomes readable when the process shows something; while no cell runs [`Engine::background`] then has something to do.
    fn stirred(&self) -> Receiver<()> {
        never()
    }
    /// Hands over what the process has shown since the last cell (threads, callbacks of widgets); does not wait.
    fn background(&mut self, out: &mut dyn FnMut(Output)) {
        let _ = out;
    }
    /// The state of the notebook's widgets, as front ends store it in the notebook's metadata; `None` without widgets, and
    /// for an engine that leaves this to its front end.
    fn widget_state(&self) -> Option<serde_json::Value> {
        None
    }
    /// Ends the cell's process.
    fn shutdown(&mut self);
}
