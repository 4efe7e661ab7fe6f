//! The process that runs PyTorch.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::models::{Task, What};

/// PyTorch, waiting for requests.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    peak_kb: f64,
    version: Option<String>,
}

impl Peer {
    /// Starts it, where there is one.
    pub fn start() -> Option<Self> {
        let python = std::env::var("LATHE_TORCH_PYTHON").unwrap_or_else(|_| String::from("python3"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/vs_pytorch/peer.py");
        let quiet = std::env::var_os("LATHE_TORCH_PYTHON").is_none();
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(if quiet { Stdio::null() } else { Stdio::inherit() })
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut peer = Self { child, input, output, peak_kb: 0.0, version: None };
        peer.steps(&Task::new("mlp"), false, 1)?;
        Some(peer)
    }

    pub fn version(&self) -> Option<String> {
        self.version.clone()
    }

    pub fn peak_kb(&self) -> f64 {
        self.peak_kb
    }

    /// Milliseconds of single steps.
    pub fn steps(&mut self, task: &Task, tuned: bool, steps: usize) -> Option<Vec<f64>> {
        let request = serde_json::json!({
            "model": task.name, "what": if task.what == What::Train { "train" } else { "infer" }, "tuned": tuned,
            "batch": task.batch, "width": task.width, "length": task.length, "threads": task.threads, "steps": steps,
        });
        writeln!(self.input, "{request}").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        let answer: serde_json::Value = serde_json::from_str(&line).ok()?;
        self.peak_kb = answer["peak_kb"].as_f64().unwrap_or(0.0);
        self.version = answer["version"].as_str().map(str::to_owned);
        answer["ms"].as_array()?.iter().map(serde_json::Value::as_f64).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Largest resident memory of this process so far.
pub fn own_peak_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
