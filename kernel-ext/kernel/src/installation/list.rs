use super::spec::is_program;
use super::{Spec, Status};
use crossbeam_channel::bounded;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A kernelspec of Lathe, and what its program says.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The kernelspec.
    pub spec: Spec,
    /// What its program would use, or why it cannot be asked.
    pub status: Result<Status, String>,
}

impl Entry {
    /// Would Jupyter get a kernel from it?
    pub fn starts(&self) -> bool {
        self.status.as_ref().is_ok_and(|status| status.problem.is_none())
    }

    /// In a few words.
    pub fn words(&self) -> String {
        match &self.status {
            Ok(status) => status.words(),
            Err(reason) => format!("does not start: {reason}"),
        }
    }
}

/// The kernelspecs of Lathe in these data folders of Jupyter.
pub(super) fn specs(data: &[PathBuf]) -> Vec<Spec> {
    let mut found = Vec::new();
    for folder in data {
        let inside = std::fs::read_dir(folder.join("kernels")).into_iter().flatten().flatten();
        let mut inside: Vec<Spec> = inside.filter_map(|entry| Spec::read(&entry.path())).collect();
        inside.sort_by_key(Spec::name);
        found.extend(inside.into_iter().filter(|spec| spec.ours));
    }
    found
}

/// The same, and each program is asked what it would use.
pub fn list(data: &[PathBuf]) -> Vec<Entry> {
    let specs = specs(data);
    specs.into_iter().map(|spec| Entry { status: ask(&spec), spec }).collect()
}

/// A program that does not answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(20);

fn ask(spec: &Spec) -> Result<Status, String> {
    let program = spec.program();
    if !is_program(&program) {
        return Err(format!("{} is not there; build it with `cargo lathe setup` in its clone", program.display()));
    }
    let mut command = Command::new(&program);
    command.args(["status", "--json"]).envs(spec.env.iter().cloned()).stdin(Stdio::null());
    let (sender, answer) = bounded(1);
    let spawned = std::thread::Builder::new().spawn(move || sender.send(command.output()));
    spawned.map_err(|error| error.to_string())?;
    let output = match answer.recv_timeout(PATIENCE) {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("{}: {error}", program.display())),
        Err(_) => return Err(format!("{} does not answer", program.display())),
    };
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{} is of an older version; build it again with `cargo lathe setup`", program.display()))
}
