//! Questions to the user: below the cell in JupyterLab, at the prompt in a terminal.

use std::collections::HashMap;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use lathe_events::frame::Frame;

use crate::inbox::lock;
use crate::out::{self, Place};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Nobody can be asked; the text says why and what to do instead.
    #[error("{0}")]
    Refused(String),
    /// The input has ended (Ctrl-D, or the end of a file).
    #[error("the input has ended before there was an answer to {prompt:?}")]
    End {
        /// What was asked.
        prompt: String,
    },
    /// Standard input cannot be read.
    #[error("standard input cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// Asks the user for a line and waits for it; the answer comes without its newline. The stop button ends the wait and keeps
/// all variables.
///
/// ```no_run
/// let name = display::input("Your name? ")?;
/// println!("Hello {name}");
/// # Ok::<(), display::InputError>(())
/// ```
///
/// # Errors
/// [`InputError::Refused`] where nobody can be asked: when the notebook is run by a program, or in a callback.
pub fn input(prompt: &str) -> Result<String, InputError> {
    ask(prompt, false)
}

/// Like [`input`], without showing what is typed.
///
/// # Errors
/// See [`input`].
pub fn password(prompt: &str) -> Result<String, InputError> {
    ask(prompt, true)
}

/// What a front end sends for Ctrl-D.
const END: &str = "\u{4}";
/// While it waits the thread looks this often whether it should stop.
const LOOK: Duration = Duration::from_millis(20);
const START: Duration = Duration::from_secs(5);

type Answer = Result<String, String>;
static WAITING: LazyLock<Mutex<HashMap<String, Sender<Answer>>>> = LazyLock::new(Mutex::default);
static CAN_ASK: AtomicBool = AtomicBool::new(false);

/// The kernel's answers are read.
pub(crate) fn can_ask() {
    CAN_ASK.store(true, Ordering::SeqCst);
}

/// The kernel has an answer.
pub(crate) fn answered(id: &str, answer: Answer) {
    if let Some(waiting) = lock(&WAITING).remove(id) {
        // The thread that asked may have been stopped.
        let _ = waiting.send(answer);
    }
}

fn ask(prompt: &str, password: bool) -> Result<String, InputError> {
    match out::place() {
        Place::Kernel => ask_kernel(prompt, password),
        Place::Evcxr => {
            // The prompt goes up to a colon. The line must begin as it does here: after an unfinished line of the cell
            // evcxr would take it for text, and both would wait for ever.
            let secret = if password { "_PASSWORD" } else { "" };
            let prompt_line: String = prompt.chars().take_while(|&c| c != '\n' && c != ':').collect();
            println!("\nEVCXR_INPUT_REQUEST{secret}:{prompt_line}");
            read_line(prompt, &mut std::io::stdin().lock())
        }
        Place::Terminal | Place::Plain => {
            print!("{prompt}");
            // Nobody sees the prompt then; the answer can come all the same.
            let _ = std::io::stdout().flush();
            let stdin = std::io::stdin();
            let quiet = (password && stdin.is_terminal()).then(NoEcho::new);
            let answer = read_line(prompt, &mut stdin.lock());
            if quiet.is_some() {
                println!();
            }
            answer
        }
    }
}

fn ask_kernel(prompt: &str, password: bool) -> Result<String, InputError> {
    // The thread that reads answers starts with the first cell of a process.
    let give_up = Instant::now() + START;
    while !CAN_ASK.load(Ordering::SeqCst) {
        if Instant::now() > give_up {
            return Err(InputError::Refused(String::from("the kernel cannot be asked: restart it")));
        }
        std::thread::sleep(LOOK);
    }
    let id = out::fresh_id();
    let (sender, answer) = channel();
    lock(&WAITING).insert(id.clone(), sender);
    out::send(&Frame::Input { id: id.clone(), prompt: prompt.to_owned(), password });
    loop {
        match answer.recv_timeout(LOOK) {
            Ok(Ok(text)) if text == END => return Err(InputError::End { prompt: prompt.to_owned() }),
            Ok(Ok(text)) => return Ok(text),
            Ok(Err(reason)) => return Err(InputError::Refused(reason)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(InputError::Refused(String::from("the kernel does not answer any more")));
            }
            Err(RecvTimeoutError::Timeout) => {
                if lathe_events::interrupt::requested() {
                    lock(&WAITING).remove(&id);
                    crate::check();
                }
            }
        }
    }
}

fn read_line(prompt: &str, from: &mut impl BufRead) -> Result<String, InputError> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(InputError::End { prompt: prompt.to_owned() });
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct NoEcho(Option<libc::termios>);

impl NoEcho {
    fn new() -> Self {
        // SAFETY: the struct is filled by tcgetattr before it is used.
        unsafe {
            let mut before: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(0, &mut before) != 0 {
                return Self(None);
            }
            let mut quiet = before;
            quiet.c_lflag &= !libc::ECHO;
            libc::tcsetattr(0, libc::TCSANOW, &quiet);
            Self(Some(before))
        }
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: what tcgetattr gave.
            unsafe { libc::tcsetattr(0, libc::TCSANOW, before) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_end_and_an_end_of_input_is_no_answer() {
        let mut typed = "Ada \r\n\nlast".as_bytes();
        let mut next = || read_line("name? ", &mut typed);
        assert_eq!(next().ok().as_deref(), Some("Ada "));
        assert_eq!(next().ok().as_deref(), Some(""));
        assert_eq!(next().ok().as_deref(), Some("last"));
        let end = next().unwrap_err();
        assert!(matches!(&end, InputError::End { prompt } if prompt == "name? "), "{end}");
    }

    #[test]
    fn an_answer_reaches_the_question_it_belongs_to() {
        let (sender, answer) = channel();
        lock(&WAITING).insert(String::from("q1"), sender);
        answered("q2", Ok(String::from("somebody else's")));
        assert!(answer.try_recv().is_err());
        answered("q1", Ok(String::from("Ada")));
        assert_eq!(answer.try_recv(), Ok(Ok(String::from("Ada"))));
        answered("q1", Ok(String::from("twice")));
    }
}
