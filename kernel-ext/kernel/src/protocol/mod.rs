//! Jupyter's messaging protocol (5.4): five `zmq` sockets, signed messages, one engine behind them.
//!
//! One thread, the caller of [`serve`], owns all sockets and every decision (`session`); the engine lives on a thread of
//! its own (`worker`) and starts in the background, so that `kernel_info_request` is answered at once and cells queue
//! behind the start. Completion and inspection are answered by the engine when it is free and with an empty answer when a
//! cell runs; interrupt and shutdown are handled at any time.

mod connection;
mod gate;
mod history;
pub mod limit;
mod message;
mod outputs;
mod process;
mod replies;
mod server;
mod session;
mod sockets;
mod text;
mod worker;

pub use connection::{ConnectionError, ConnectionFile, has_curve};
pub use history::history_path;
pub use message::{Codec, DELIMITER, Message, WireError};
pub use process::{kill_descendants, rustc_version};
pub use server::{ServeError, handle_signals, serve};
pub use text::{byte_offset, char_offset};

use crate::api::Engine;
use crate::engine::Completeness;

/// How an engine is made, on the engine's thread; the argument shows a line to a waiting user.
pub type StartEngine = Box<dyn FnOnce(&mut dyn FnMut(String)) -> Result<Box<dyn Engine>, String> + Send>;

/// What the server needs to know of the engine before it is there.
pub struct Setup {
    /// Makes the engine, or says what is wrong and what to do.
    pub start: StartEngine,
    /// Answers `is_complete_request`.
    pub is_complete: fn(&str) -> Completeness,
    /// Version of Rust, for `kernel_info_reply`.
    pub rust_version: String,
    /// Where the cells of all sessions are kept, see [`history_path`]; `None`: they are forgotten with the kernel.
    pub history: Option<std::path::PathBuf>,
}
