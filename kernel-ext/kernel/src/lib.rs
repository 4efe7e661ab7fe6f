//! The Lathe kernel: Rust cells for Jupyter on `evcxr`, over `zmq`, and a headless notebook runner.
//!
//! | module | what |
//! |---|---|
//! | [`api`] | what an engine promises: run a cell, complete, inspect, be interrupted |
//! | [`engine`] | cells on evcxr: [`engine::EvcxrEngine`], [`engine::is_complete`], [`engine::enter_special_modes`] |
//! | [`installation`] | kernelspecs: install, list, remove, and [`installation::doctor`] |
//! | [`prepared`] | the prelude compiled once: [`prepared::find_or_build`] |
//! | [`protocol`] | Jupyter's messages over zmq: [`protocol::serve`] |
//! | [`client`] | the other end: starts a kernel and talks to it as Jupyter does: [`client::RemoteEngine`] |
//! | [`notebook`] | `.ipynb` files: read, write, [`notebook::run_notebook`], [`notebook::html`] |

mod ansi;
pub mod api;
pub mod client;
pub mod engine;
pub mod installation;
pub mod notebook;
pub mod prepared;
pub mod protocol;
