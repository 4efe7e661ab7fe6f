//! Whether Jupyter finds the kernel, and the right one.

use super::machine::try_to_write;
use super::{Check, Patient};
use crate::installation::{Entry, places};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Jupyter writes connection files.
pub(super) fn runtime_folder() -> Check {
    const NAME: &str = "connection files";
    let set = std::env::var_os("JUPYTER_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let Some(folder) = set.or_else(|| Some(places::user_data()?.join("runtime"))) else {
        return Check::problem(NAME, "no folder is known for them", "set HOME or JUPYTER_RUNTIME_DIR");
    };
    let shown = folder.display();
    // Jupyter makes it when it is needed; the nearest folder that is there decides.
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = try_to_write(existing) {
        let cure =
            "make it writable for you (`ls -ld` shows whose it is), or set JUPYTER_RUNTIME_DIR to a folder that is";
        return Check::problem(NAME, format!("{} cannot be written: {error}", existing.display()), cure);
    }
    match folder.metadata().map(|meta| meta.permissions().mode() & 0o022) {
        Ok(open) if open != 0 => {
            let what = format!("{shown} can be written by other users, who could take over a kernel");
            Check::problem(NAME, what, format!("chmod 700 {shown}"))
        }
        _ => Check::ok(NAME, shown.to_string()),
    }
}

/// Every kernelspec of Lathe, and whether this clone has one.
pub(super) fn specs(patient: &Patient, entries: &[Entry]) -> Vec<Check> {
    const NAME: &str = "registered";
    let mut checks = Vec::new();
    let own = |entry: &&Entry| patient.root.as_ref().is_some_and(|root| entry.spec.belongs_to(root));
    if !entries.iter().any(|entry| own(&entry)) {
        checks.push(Check::problem(
            NAME,
            "no kernelspec of this clone in Jupyter's folders",
            "`cargo lathe kernel install --user` (every Jupyter of yours) or `--prefix ENVIRONMENT` (one of them)",
        ));
    }
    for entry in entries {
        let spec = &entry.spec;
        let what = format!("\"{}\" ({}) in {}", spec.display_name, spec.name(), spec.folder.display());
        checks.push(match entry.starts() {
            true => Check::ok(NAME, format!("{what}: {}", entry.words())),
            false if own(&entry) => {
                Check::problem(NAME, format!("{what} {}", entry.words()), super::set_up(patient.root.as_deref()))
            }
            // Not this clone's trouble, but it stands in Jupyter's launcher.
            false => {
                let cure = format!("`cargo lathe kernel remove {}`, or `cargo lathe setup` in its clone", spec.name());
                Check::note(NAME, format!("{what} {}", entry.words()), cure)
            }
        });
        let same = |other: &&Entry| {
            other.spec.folder != spec.folder
                && other.spec.display_name == spec.display_name
                && other.spec.name() != spec.name()
                && other.spec.folder.parent() == spec.folder.parent()
        };
        if let Some(other) = entries.iter().find(same).filter(|other| other.spec.folder > spec.folder) {
            checks.push(Check::note(
                NAME,
                format!("{} and {} are both called \"{}\"", spec.name(), other.spec.name(), spec.display_name),
                format!(
                    "`cargo lathe kernel install --name {} --display-name ...` tells them apart",
                    other.spec.name()
                ),
            ));
        }
    }
    checks
}

/// Every Jupyter that can be started from here: does it see the kernel, and is it this clone's?
pub(super) fn programs(patient: &Patient, entries: &[Entry]) -> Vec<Check> {
    const NAME: &str = "Jupyter";
    let environments = places::environments(&patient.program);
    if environments.is_empty() {
        let cure = "`cargo lathe lab` brings its own JupyterLab; `cargo lathe run` needs none";
        return vec![Check::note(NAME, "no `jupyter` on the path and none beside this kernel", cure)];
    }
    environments.iter().filter_map(|environment| seen_by(environment, patient, entries)).collect()
}

/// What one Jupyter lists; `None` when this environment has none.
fn seen_by(environment: &Path, patient: &Patient, entries: &[Entry]) -> Option<Check> {
    const NAME: &str = "Jupyter";
    let program = environment.join("bin/jupyter");
    if !program.is_file() {
        return None;
    }
    let shown = program.display();
    let output = match Command::new(&program).args(["kernelspec", "list", "--json"]).output() {
        Ok(output) => output,
        Err(error) => {
            let cure = "the environment was moved or its Python was removed: make it again";
            return Some(Check::problem(NAME, format!("{shown}: {error}"), cure));
        }
    };
    let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) else {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.lines().last().unwrap_or("no answer").to_owned();
        return Some(Check::note(NAME, format!("{shown} kernelspec list: {last}"), "reinstall jupyter_client there"));
    };
    let folders: Vec<PathBuf> = answer["kernelspecs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, spec)| spec["resource_dir"].as_str().map(PathBuf::from))
        .collect();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let visible = |entry: &&Entry| folders.iter().any(|folder| real(folder) == real(&entry.spec.folder));
    let own = |entry: &&Entry| patient.root.as_ref().is_some_and(|root| entry.spec.belongs_to(root));
    if let Some(entry) = entries.iter().find(|entry| own(entry) && visible(entry)) {
        return Some(Check::ok(NAME, format!("{shown} offers \"{}\"", entry.spec.display_name)));
    }
    let install = format!("`cargo lathe kernel install --prefix {}`", environment.display());
    Some(match (entries.iter().find(|e| visible(e)), entries.iter().find(|e| own(e))) {
        (Some(other), _) => {
            let what = format!("{shown} offers \"{}\" of another clone, not this one's", other.spec.display_name);
            Check::note(NAME, what, format!("{install} adds this one"))
        }
        (None, Some(spec)) => {
            let what = format!("{shown} does not see {}", spec.spec.folder.display());
            let data = spec.spec.folder.ancestors().nth(2).unwrap_or(Path::new("")).display();
            Check::note(NAME, what, format!("{install}, or start it with JUPYTER_PATH={data}"))
        }
        (None, None) => Check::note(NAME, format!("{shown} does not know this kernel"), install),
    })
}
