//! The Lathe kernel: Rust cells for Jupyter on `evcxr`, over `zmq`, and a headless notebook runner.

pub mod api;
