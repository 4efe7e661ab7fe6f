//! The sources that rust-analyzer reads, as skeletons inside the prepared folder.

use super::skeleton::skeleton;
use super::{PrepareError, at};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Stands for the prepared folder in the stored answers.
pub(crate) const PREPARED: &str = "@PREPARED-FOLDER@";
/// Folder of the skeletons inside a prepared folder.
pub(super) const SOURCES: &str = "sources";
/// Folder of the standard library inside it.
pub(super) const LIBRARY: &str = "library";
/// Crates of the standard library whose types a cell can meet.
const STANDARD: [&str; 8] = [
    "core",
    "alloc",
    "std",
    "hashbrown",
    "proc_macro",
    "rustc-std-workspace-core",
    "rustc-std-workspace-alloc",
    "rustc-std-workspace-std",
];

/// Makes skeletons of all packages of a `cargo metadata` answer that have a source, and lets the answer name them.
///
/// `library` is the folder of the standard library when the answer is about it.
pub(super) fn write(answer: &str, library: Option<&Path>, staging: &Path) -> Result<String, PrepareError> {
    let what = "cargo metadata";
    let mut answer: Value =
        serde_json::from_str(answer).map_err(|error| PrepareError::Answer { what, reason: error.to_string() })?;
    if library.is_some() {
        keep_standard(&mut answer);
    }
    let mut todo = Vec::new();
    for package in answer["packages"].as_array_mut().into_iter().flatten() {
        let text = |value: &Value| value.as_str().map(PathBuf::from).unwrap_or_default();
        let manifest = text(&package["manifest_path"]);
        let Some(from) = manifest.parent().filter(|folder| folder.is_absolute() && folder.is_dir()) else { continue };
        let to = match library.and_then(|library| from.strip_prefix(library).ok()) {
            Some(inside) => Path::new(LIBRARY).join(inside),
            None => Path::new("packages").join(format!(
                "{}-{}",
                package["name"].as_str().unwrap_or_default(),
                package["version"].as_str().unwrap_or_default()
            )),
        };
        let own = package["source"].is_null() && library.is_none();
        let place = Path::new(PREPARED).join(SOURCES).join(&to);
        for target in package["targets"].as_array_mut().into_iter().flatten() {
            let root = text(&target["src_path"]);
            let (Some(folder), Ok(inside)) = (root.parent(), root.strip_prefix(from)) else { continue };
            let Ok(folder_inside) = folder.strip_prefix(from) else { continue };
            todo.push((folder.to_owned(), staging.join(SOURCES).join(&to).join(folder_inside), own));
            target["src_path"] = json!(place.join(inside));
        }
        package["manifest_path"] = json!(place.join("Cargo.toml"));
    }
    let mut files = Vec::new();
    for (from, to, own) in todo {
        collect(&from, &to, own, &mut files)?;
    }
    shorten(files)?;
    if let Some(library) = library {
        let root = staging.join(SOURCES).join(LIBRARY);
        // rust-analyzer looks whether it is there.
        let manifest = root.join("Cargo.toml");
        std::fs::copy(library.join("Cargo.toml"), &manifest).map_err(at(&manifest))?;
        let place = Path::new(PREPARED).join(SOURCES).join(LIBRARY);
        answer["workspace_root"] = json!(place);
    }
    serde_json::to_string(&answer).map_err(|error| PrepareError::Answer { what, reason: error.to_string() })
}

/// Tests, and crates that only the standard library itself uses, are not read.
fn keep_standard(answer: &mut Value) {
    let mut kept = BTreeSet::new();
    if let Some(packages) = answer["packages"].as_array_mut() {
        packages.retain(|package| package["name"].as_str().is_some_and(|name| STANDARD.contains(&name)));
        kept.extend(packages.iter().filter_map(|package| package["id"].as_str().map(str::to_owned)));
        for package in packages {
            super::metadata::only_library(package);
        }
    }
    let known = |id: &Value| id.as_str().is_some_and(|id| kept.contains(id));
    for list in ["workspace_members", "workspace_default_members"] {
        if let Some(members) = answer[list].as_array_mut() {
            members.retain(&known);
        }
    }
    if let Some(nodes) = answer["resolve"]["nodes"].as_array_mut() {
        nodes.retain(|node| known(&node["id"]));
        for node in nodes {
            super::metadata::only_known(node, &known);
        }
    }
}

/// A file, its skeleton, and whether it is our own.
type Todo = (PathBuf, PathBuf, bool);

/// All Rust files below a folder.
fn collect(from: &Path, to: &Path, own: bool, files: &mut Vec<Todo>) -> Result<(), PrepareError> {
    std::fs::create_dir_all(to).map_err(at(to))?;
    for entry in std::fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            let skip = ["tests", "benches", "target"].iter().any(|name| entry.file_name() == *name);
            if !skip {
                collect(&path, &to, own, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((path, to, own));
        }
    }
    Ok(())
}

/// Writes the skeletons, on all cores.
fn shorten(files: Vec<Todo>) -> Result<(), PrepareError> {
    let files = Mutex::new(files);
    let failed = Mutex::new(None);
    let take = || files.lock().ok().and_then(|mut files| files.pop());
    let work = || {
        while let Some((from, to, own)) = take() {
            let done = std::fs::read_to_string(&from).map_err(at(&from)).and_then(|text| {
                let short = skeleton(&text, own);
                std::fs::write(&to, short.unwrap_or(text)).map_err(at(&to))
            });
            if let (Err(error), Ok(mut failed)) = (done, failed.lock()) {
                *failed = Some(error);
            }
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        for _ in 0..cores {
            // Deeply nested text.
            let spawned = std::thread::Builder::new().stack_size(32 << 20).spawn_scoped(scope, work);
            if spawned.is_err() {
                break;
            }
        }
        work();
    });
    match failed.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(()),
    }
}
