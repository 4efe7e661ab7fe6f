//! Reads out of the messages of pip and cargo why a step failed.

use crate::trouble::Trouble;
use std::path::Path;

const NETWORK: [&str; 22] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Read timed out",
    "name resolution",
    "Name or service not known",
    "Could not resolve host",
    "Couldn't resolve host",
    "couldn't resolve host",
    "failed to lookup address",
    "Connection refused",
    "Connection reset",
    "Network is unreachable",
    "No route to host",
    "ProxyError",
    "Cannot connect to proxy",
    "SSLError",
    "CERTIFICATE_VERIFY_FAILED",
    "SSL certificate problem",
    "spurious network error",
    "failed to download from",
    "download of config.json failed",
];

/// Makes the trouble out of a failed step; `output` is the end of what the program said.
pub fn explain(doing: &str, code: &str, output: &str, log: &Path, disk: &Path) -> Trouble {
    if output.contains("No space left on device") || output.contains("Disk quota exceeded") {
        return Trouble::Disk { path: disk.to_path_buf(), free: crate::sys::free_bytes(disk).unwrap_or(0), need: 0 };
    }
    if let Some(line) = output.lines().rev().find(|l| NETWORK.iter().any(|n| l.contains(n))) {
        let line: String = line.trim().chars().take(240).collect();
        return Trouble::Network { doing: doing.to_string(), output: line };
    }
    if output.contains("signal: 9, SIGKILL") {
        let krate = output.split("could not compile `").nth(1).and_then(|r| r.split('`').next());
        return Trouble::Memory { krate: krate.unwrap_or("a library").to_string() };
    }
    let code = code.to_string();
    Trouble::Step { doing: doing.to_string(), code, output: output.to_string(), log: log.to_path_buf() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(output: &str) -> Trouble {
        explain("downloading", "exit status 101", output, Path::new("/log"), Path::new("/"))
    }

    #[test]
    fn the_usual_reasons_are_recognised() {
        let pip = "WARNING: Retrying (Retry(total=4 ...)) after connection broken by 'NewConnectionError(...: Failed to \
                   establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/jupyterlab/\n\
                   ERROR: No matching distribution found for jupyterlab==4.5.11";
        assert!(matches!(of(pip), Trouble::Network { .. }));
        let cargo = "error: failed to download from `https://static.crates.io/crates/libc`\nCaused by:\n  [6] Couldn't resolve host";
        assert!(matches!(of(cargo), Trouble::Network { .. }));
        assert!(matches!(of("error: writing x: No space left on device (os error 28)"), Trouble::Disk { need: 0, .. }));
        let killed = "error: could not compile `polars-ops` (lib)\nCaused by:\n process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)";
        assert_eq!(of(killed), Trouble::Memory { krate: "polars-ops".into() });
        assert!(matches!(of("something else"), Trouble::Step { .. }));
    }
}
