//! The other end of the protocol: starts a kernel and talks to it as a front end does.
//!
//! The notebook runner and `lathe-kernel doctor` use it, so that what they see is what a front end gets: the same sockets,
//! signatures, buffering and limits. A kernel that dies takes nothing else with it, and several run at once.

mod launch;
mod remote;
mod talk;
mod widgets;

pub use launch::{Launch, Transport};
pub use remote::RemoteEngine;
pub use talk::{Heard, KernelClient};

use std::path::PathBuf;
use std::time::Duration;

/// Why a kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The program cannot be started.
    #[error("cannot start the kernel {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Files for the connection cannot be written, or no port is free.
    #[error("cannot set up a connection for the kernel: {0}")]
    Setup(#[from] std::io::Error),
    /// The kernel's process is gone.
    #[error("the kernel ended ({status}){}", said(words))]
    Died {
        /// How it ended.
        status: String,
        /// The last lines that it printed.
        words: String,
    },
    /// It lives, but does not answer.
    #[error("the kernel did not answer within {} s{}", after.as_secs(), said(words))]
    Silent {
        /// How long we waited.
        after: Duration,
        /// The last lines that it printed.
        words: String,
    },
    /// zmq failed.
    #[error("zmq: {0}")]
    Zmq(#[from] zmq::Error),
    /// The connection file that we wrote is not understood.
    #[error(transparent)]
    Connection(#[from] crate::protocol::ConnectionError),
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!("; it said:\n{words}") }
}
