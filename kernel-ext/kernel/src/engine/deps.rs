//! Crates that the user adds to a notebook by `:dep`: built by the real cargo in a package of their own.
//!
//! The prelude is never rebuilt for them. They get another profile than the workspace, so that a crate which is also
//! inside the prelude (another version or the same) is a different crate for the compiler and does not clash.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const READY: &str = "ready.json";
const ROOT: &str = "cell-deps";

/// `ready.json`: what was built last.
#[derive(Serialize, Deserialize)]
struct Ready {
    section: String,
    args: Vec<String>,
}

/// The lines below `[dependencies]` in the manifest that evcxr writes.
pub(super) fn section(manifest: &str) -> String {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let mut lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    // evcxr keeps them in a hash map.
    lines.sort_unstable();
    lines.join("\n")
}

/// rustc arguments for the crates of `section`, which are built when they changed; `say` gets progress text.
pub(super) fn build(
    folder: &Path,
    section: &str,
    cargo: impl Fn() -> Command,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<OsString>, String> {
    let place = folder.join("deps");
    let ready = fs::read(place.join(READY)).ok().and_then(|bytes| serde_json::from_slice::<Ready>(&bytes).ok());
    if let Some(ready) = ready
        && ready.section == section
    {
        return Ok(ready.args.into_iter().map(OsString::from).collect());
    }
    let names: Vec<&str> = section.lines().filter_map(|line| line.split_whitespace().next()).collect();
    say(&format!("Compiling {} for this notebook; it stays compiled until the kernel ends.\n", names.join(", ")));
    write_package(&place, section)?;

    let mut child = cargo()
        .args(["build", "--message-format=json-render-diagnostics"])
        .current_dir(&place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let stdout = child.stdout.take();
    let artifacts = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.map(|mut out| out.read_to_string(&mut text));
        text
    });
    let mut messages = String::new();
    for line in child.stderr.take().into_iter().flat_map(|err| BufReader::new(err).lines()).map_while(Result::ok) {
        if ["Compiling", "Downloaded", "Downloading"].iter().any(|word| line.trim_start().starts_with(word)) {
            say(&format!("{line}\n"));
        } else {
            messages.push_str(&line);
            messages.push('\n');
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let artifacts = artifacts.join().unwrap_or_default();
    if !status.success() {
        return Err(format!("building {} failed:\\n{}", names.join(", "), messages.trim().replace('\n', "\\n")));
    }
    let direct = direct_dependencies(&metadata(&place, &[], &cargo)?);
    let args = arguments(&artifacts, &direct);
    let ready = Ready { section: section.to_owned(), args };
    fs::write(place.join(READY), serde_json::to_vec(&ready).unwrap_or_default()).map_err(|error| error.to_string())?;
    Ok(ready.args.into_iter().map(OsString::from).collect())
}

fn write_package(place: &Path, section: &str) -> Result<(), String> {
    let manifest = format!(
        "[package]\nname = \"{ROOT}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n\
         [profile.dev]\nopt-level = 2\ndebug = false\ndebug-assertions = false\ncodegen-units = 8\nincremental = false\n\
         [dependencies]\n{section}\n"
    );
    fs::create_dir_all(place)
        .and_then(|()| fs::write(place.join("Cargo.toml"), manifest))
        .and_then(|()| fs::write(place.join("lib.rs"), ""))
        .map_err(|error| format!("{}: {error}", place.display()))
}

fn metadata(place: &Path, args: &[&str], cargo: &impl Fn() -> Command) -> Result<Value, String> {
    let output = cargo()
        .args(["metadata", "--format-version=1"])
        .args(args)
        .current_dir(place)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn root_node(metadata: &Value) -> Option<&Value> {
    let root = metadata["resolve"]["root"].as_str()?;
    metadata["resolve"]["nodes"].as_array()?.iter().find(|node| node["id"] == root)
}

/// Name in `use` and package id.
fn direct_dependencies(metadata: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    root_node(metadata)
        .and_then(|root| root["deps"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|dep| Some((text(&dep["name"])?, text(&dep["pkg"])?)))
        .collect()
}

fn arguments(artifacts: &str, direct: &[(String, String)]) -> Vec<String> {
    let (mut externs, mut folders) = (Vec::new(), BTreeSet::new());
    for message in artifacts.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let paths = message["linked_paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
        folders.extend(paths.map(str::to_owned));
        let kinds = message["target"]["kind"].as_array();
        let is = |kind: &str| kinds.is_some_and(|kinds| kinds.iter().any(|k| k == kind));
        if message["reason"] != "compiler-artifact" || is("custom-build") || is("bin") {
            continue;
        }
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let file = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|e| e == "rlib" || e == "so"));
        let Some(file) = file else { continue };
        if let Some(parent) = file.parent() {
            folders.insert(format!("dependency={}", parent.display()));
        }
        for (name, _) in direct.iter().filter(|(_, id)| message["package_id"] == id.as_str()) {
            externs.extend([String::from("--extern"), format!("{name}={}", file.display())]);
        }
    }
    externs.extend(folders.into_iter().flat_map(|folder| [String::from("-L"), folder]));
    externs
}

/// Adds the user's crates to what rust-analyzer is told; `None` when cargo cannot say.
pub(super) fn merge_metadata(
    answer: &str,
    folder: &Path,
    section: &str,
    target: &str,
    cargo: impl Fn() -> Command,
) -> Option<String> {
    let place = folder.join("deps");
    write_package(&place, section).ok()?;
    let real = metadata(&place, &["--filter-platform", target], &cargo).ok()?;
    let mut merged: Value = serde_json::from_str(answer).ok()?;
    let root = real["resolve"]["root"].clone();
    let known: BTreeSet<String> =
        merged["packages"].as_array()?.iter().filter_map(|p| p["id"].as_str().map(str::to_owned)).collect();
    let new = |id: &Value| *id != root && id.as_str().is_some_and(|id| !known.contains(id));
    let take = |list: &Value| -> Vec<Value> {
        list.as_array().into_iter().flatten().filter(|p| new(&p["id"])).cloned().collect()
    };
    let (packages, nodes) = (take(&real["packages"]), take(&real["resolve"]["nodes"]));
    merged["packages"].as_array_mut()?.extend(packages);
    let cell = merged["resolve"]["root"].clone();
    let all = merged["resolve"]["nodes"].as_array_mut()?;
    all.extend(nodes);
    let node = all.iter_mut().find(|node| node["id"] == cell)?;
    let direct = root_node(&real)?;
    node["deps"].as_array_mut()?.extend(direct["deps"].as_array()?.iter().cloned());
    node["dependencies"].as_array_mut()?.extend(direct["dependencies"].as_array()?.iter().cloned());
    serde_json::to_string(&merged).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dependencies_count() {
        let manifest = "[package]\nname = \"ctx\"\n\n[dependencies]\n\nb = \"1\"\na = { version = \"2\" }\n";
        assert_eq!(section(manifest), "a = { version = \"2\" }\nb = \"1\"");
        assert_eq!(section("[package]\n[dependencies]\n\n\n"), "");
    }

    #[test]
    fn direct_crates_get_extern_arguments() {
        let artifacts = r#"{"reason":"compiler-artifact","package_id":"x#1","target":{"kind":["lib"]},"filenames":["/t/deps/libx_y-1.rlib","/t/deps/libx_y-1.rmeta"]}
{"reason":"build-script-executed","linked_paths":["native=/n"]}
{"reason":"compiler-artifact","package_id":"z#1","target":{"kind":["lib"]},"filenames":["/t/deps/libz-1.rlib"]}"#;
        let args = arguments(artifacts, &[(String::from("xy"), String::from("x#1"))]);
        assert_eq!(args, ["--extern", "xy=/t/deps/libx_y-1.rlib", "-L", "dependency=/t/deps", "-L", "native=/n"]);
    }
}
