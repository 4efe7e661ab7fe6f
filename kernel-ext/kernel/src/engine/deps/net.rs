//! Asking cargo with the network and, where there is none, without.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// In an engine's folder: there was no network.
const NO_NETWORK: &str = "deps.offline";
/// For so long it is not tried again: cargo needs some seconds to notice.
const FORGET: Duration = Duration::from_secs(60);

/// What cargo says when it cannot reach a registry.
const SIGNS: [&str; 7] = [
    "Could not resolve host",
    "Couldn't resolve host",
    "Could not connect",
    "Couldn't connect",
    "failed to download from",
    "network failure",
    "spurious network error",
];

/// Runs a question to cargo (`args` begin with its command); when the network is missing, once more with what was
/// downloaded before. `folder` is the engine's.
pub(super) fn ask(folder: &Path, place: &Path, args: &[&str], cargo: &impl Fn() -> Command) -> io::Result<Output> {
    let run = |more: &[&str]| {
        let mut command = cargo();
        command.args(args).args(more).current_dir(place).stdin(Stdio::null()).env("CARGO_NET_RETRY", "1").output()
    };
    let mark = folder.join(NO_NETWORK);
    let fresh = |time: std::time::SystemTime| time.elapsed().is_ok_and(|age| age < FORGET);
    if mark.metadata().and_then(|meta| meta.modified()).is_ok_and(fresh) {
        return run(&["--offline"]);
    }
    let output = run(&[])?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !SIGNS.iter().any(|sign| said.contains(sign)) {
        return Ok(output);
    }
    // Without it the network is only tried again.
    let _ = fs::write(mark, "");
    run(&["--offline"])
}

/// Is the network not to be used now? Then a build must not try either.
pub(super) fn is_off(folder: &Path) -> bool {
    folder.join(NO_NETWORK).exists()
}
