//! Crates that the user adds to a notebook by `:dep`: built by the real cargo in a package of their own.
//!
//! The prelude is never rebuilt for them. They get another profile than the workspace, so that a crate which is also
//! inside the prelude (another version or the same) is a different crate for the compiler and does not clash.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const READY: &str = "ready.json";
const ROOT: &str = "cell-deps";
/// In the cache folder: packages of all sessions, what they compile to, and how long that took.
const CACHE: &str = "deps";
/// In an engine's folder: this session has looked at the sources of its path crates.
const LOOKED: &str = "deps.looked";

/// `ready.json`: what was built last.
#[derive(Serialize, Deserialize)]
struct Ready {
    section: String,
    args: Vec<String>,
}

/// `pace.json`: what was built so far, all together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pace {
    crates: u32,
    seconds: f64,
    bytes: u64,
    /// Package ids.
    built: BTreeSet<String>,
}

/// The lines below `[dependencies]` in the manifest that evcxr writes.
pub(super) fn section(manifest: &str) -> String {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let mut lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    // evcxr keeps them in a hash map.
    lines.sort_unstable();
    lines.join("\n")
}

/// The package of these dependencies: every session that asks for the same ones uses it.
fn package(section: &str, toolchain: &Path) -> Result<PathBuf, String> {
    let mut hasher = Sha256::new();
    for part in [section.as_bytes(), toolchain.as_os_str().as_encoded_bytes()] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let name: String = hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let root = crate::prepared::cache_root().map_err(|error| error.to_string())?;
    Ok(root.join(CACHE).join(name))
}

/// rustc arguments for the crates of `section`, which are built when they changed; `say` gets progress text.
pub(super) fn build(
    folder: &Path,
    section: &str,
    toolchain: &Path,
    cargo: impl Fn() -> Command,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<OsString>, String> {
    let place = package(section, toolchain)?;
    let looked = fs::read_to_string(folder.join(LOOKED)).is_ok_and(|seen| seen == section);
    if let Some(args) = ready(&place, section).filter(|_| looked || !section.contains("path")) {
        return Ok(args.into_iter().map(OsString::from).collect());
    }
    let names: Vec<&str> = section.lines().filter_map(|line| line.split_whitespace().next()).collect();
    write_package(&place, section)?;
    // One kernel builds, another one with the same crates waits for it.
    let lock = fs::File::create(place.join("lock")).map_err(|error| format!("{}: {error}", place.display()))?;
    lock.lock().map_err(|error| format!("{}: {error}", place.display()))?;
    let cache = place.parent().unwrap_or(&place).to_owned();
    let mut pace = read_pace(&cache);
    // evcxr passes one line on.
    let metadata = metadata(&place, &[], &cargo).map_err(|error| error.trim().replace('\n', "\\n"))?;
    let new = to_compile(&metadata, &pace);
    if let Some(text) = announcement(&names, &new, &pace, &cache) {
        say(&text);
    }

    let began = Instant::now();
    let mut child = cargo()
        .args(["build", "--message-format=json-render-diagnostics"])
        .env("CARGO_TARGET_DIR", cache.join("target"))
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
    let (mut messages, mut compiled) = (String::new(), 0);
    for line in child.stderr.take().into_iter().flat_map(|err| BufReader::new(err).lines()).map_while(Result::ok) {
        let line = line.trim();
        if line.starts_with("Compiling") && !line.contains(ROOT) {
            compiled += 1;
            say(&format!("{line} ({compiled} of {})\n", new.len().max(compiled)));
        } else if line.starts_with("Download") || line.starts_with("Blocking") {
            say(&format!("{line}\n"));
        } else {
            messages.push_str(line);
            messages.push('\n');
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let artifacts = artifacts.join().unwrap_or_default();
    if !status.success() {
        return Err(format!("building {} failed:\\n{}", names.join(", "), messages.trim().replace('\n', "\\n")));
    }
    if compiled > 0 {
        let took = began.elapsed().as_secs_f64();
        pace.crates += u32::try_from(compiled).unwrap_or(0);
        pace.seconds += took;
        pace.bytes += new_bytes(&artifacts);
        say(&format!("compiled in {took:.1} s; later sessions use it at once\n"));
    }
    pace.built.extend(new.into_iter().map(|(id, _)| id));
    // Only estimates depend on it.
    let _ = fs::write(cache.join("pace.json"), serde_json::to_vec(&pace).unwrap_or_default());
    let direct = direct_dependencies(&metadata);
    let args = arguments(&artifacts, &direct);
    let ready = Ready { section: section.to_owned(), args };
    let kept = place.join(READY);
    fs::write(&kept, serde_json::to_vec(&ready).unwrap_or_default())
        .map_err(|error| format!("{}: {error}", kept.display()))?;
    // When it is not written the sources are looked at once more.
    let _ = fs::write(folder.join(LOOKED), section);
    Ok(ready.args.into_iter().map(OsString::from).collect())
}

/// The arguments from an earlier build whose files are still there.
fn ready(place: &Path, section: &str) -> Option<Vec<String>> {
    let ready: Ready = serde_json::from_slice(&fs::read(place.join(READY)).ok()?).ok()?;
    let there = |arg: &String| arg.split_once('=').is_none_or(|(_, file)| Path::new(file).exists());
    (ready.section == section && ready.args.iter().all(there)).then_some(ready.args)
}

fn read_pace(cache: &Path) -> Pace {
    fs::read(cache.join("pace.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Ids and names of the packages that no session has compiled yet.
fn to_compile(metadata: &Value, pace: &Pace) -> Vec<(String, String)> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| Some((package["id"].as_str()?.to_owned(), package["name"].as_str()?.to_owned())))
        .filter(|(id, name)| name != ROOT && !pace.built.contains(id))
        .collect()
}

/// What the build will cost, before it begins.
fn announcement(names: &[&str], new: &[(String, String)], pace: &Pace, cache: &Path) -> Option<String> {
    if new.is_empty() {
        return None;
    }
    let mut list: Vec<&str> = new.iter().take(6).map(|(_, name)| name.as_str()).collect();
    if new.len() > list.len() {
        list.push("...");
    }
    let count = new.len() as f64;
    let cost = match f64::from(pace.crates) {
        0.0 => String::from("usually one to three seconds and a few MB for each"),
        built => format!(
            "about {:.0} s and {:.0} MB, as with earlier ones",
            (pace.seconds / built * count).max(1.0),
            (pace.bytes as f64 / built * count / 1e6).max(1.0)
        ),
    };
    let crates = if new.len() == 1 { "crate" } else { "crates" };
    Some(format!(
        "{}: at most {} {crates} to compile ({}), {cost}, in {}. Interrupt to stop.\n",
        names.join(", "),
        new.len(),
        list.join(", "),
        cache.display()
    ))
}

/// Bytes of what was compiled now and not found.
fn new_bytes(artifacts: &str) -> u64 {
    let messages = artifacts.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["reason"] == "compiler-artifact" && message["fresh"] == false)
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| fs::metadata(file.as_str()?).ok())
        .map(|file| file.len())
        .sum()
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
    section: &str,
    target: &str,
    toolchain: &Path,
    cargo: impl Fn() -> Command,
) -> Option<String> {
    let place = package(section, toolchain).ok()?;
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
    fn the_cost_is_said_before() {
        let packages = serde_json::json!({ "packages": [
            { "id": "a#1", "name": "a" }, { "id": "b#1", "name": "b" }, { "id": "r", "name": ROOT },
        ] });
        let mut pace = Pace::default();
        let new = to_compile(&packages, &pace);
        let text = announcement(&["a"], &new, &pace, Path::new("/c")).expect("two are new");
        assert!(text.starts_with("a: at most 2 crates to compile (a, b), usually"), "{text}");
        pace = Pace { crates: 4, seconds: 10.0, bytes: 8_000_000, built: BTreeSet::from([String::from("b#1")]) };
        let new = to_compile(&packages, &pace);
        let text = announcement(&["a"], &new, &pace, Path::new("/c")).expect("one is new");
        assert!(text.contains("at most 1 crate to compile (a), about 2 s and 2 MB"), "{text}");
        pace.built.insert(String::from("a#1"));
        assert_eq!(announcement(&["a"], &to_compile(&packages, &pace), &pace, Path::new("/c")), None);
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
