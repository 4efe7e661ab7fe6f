//! The Lathe kernel: Rust cells for Jupyter on `evcxr`, over `zmq`, and a headless notebook runner.
//!
//! | module | what |
//! |---|---|
//! | [`api`] | what an engine promises: run a cell, complete, inspect, be interrupted |
//! | [`protocol`] | Jupyter's messages over zmq: [`protocol::serve`], and the kernelspec |
//! | [`notebook`] | `.ipynb` files: read, write, [`notebook::run_notebook`], [`notebook::html`] |

pub mod api;
pub mod notebook;
pub mod protocol;
