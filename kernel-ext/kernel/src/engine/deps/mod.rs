//! Crates that the user adds to a notebook by `:dep`: built by the real cargo in a package of their own.
//!
//! The prelude is never rebuilt for them. They get another profile than the workspace, so that a crate which is also
//! inside the prelude (another version or the same) is a different crate for the compiler and does not clash.

mod compiled;
mod cost;
mod net;
mod store;

use compiled::Compiled;
use cost::{Pace, announcement};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use store::Ready;

pub(crate) use store::usage;

const ROOT: &str = "cell-deps";
/// In an engine's folder: [`Last`].
const LAST: &str = "deps.last";

/// The set of crates that this session used last. It has looked at the sources of its path crates.
#[derive(Default, Serialize, Deserialize)]
struct Last {
    section: String,
    place: PathBuf,
}

impl Last {
    fn read(folder: &Path) -> Self {
        let bytes = fs::read(folder.join(LAST)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn write(&self, folder: &Path) {
        // When it is not written the sources are looked at once more.
        let _ = fs::write(folder.join(LAST), serde_json::to_vec(self).unwrap_or_default());
    }
}

/// What a question about crates needs.
pub(super) struct Request<'a> {
    /// The engine's folder.
    pub folder: &'a Path,
    /// See [`section`].
    pub section: &'a str,
    /// Of the compiler.
    pub toolchain: &'a Path,
    /// Host triple.
    pub target: &'a str,
}

/// The lines below `[dependencies]` in the manifest that evcxr writes.
pub(super) fn section(manifest: &str) -> String {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let mut lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    // evcxr keeps them in a hash map.
    lines.sort_unstable();
    lines.join("\n")
}

fn short_hash(parts: impl IntoIterator<Item = String>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Request<'_> {
    /// The package of these crates, and the lock file to begin with. Versions that this session uses already stay, or the
    /// types of its variables would change; every session that adds the same crates in the same order uses the same package.
    fn package(&self) -> Result<(PathBuf, PathBuf), String> {
        let last = Last::read(self.folder);
        let lock = last.place.join("Cargo.lock");
        if last.section == self.section {
            return Ok((last.place, lock));
        }
        let versions = fs::read_to_string(&lock).unwrap_or_default();
        let name = short_hash([self.section.to_owned(), self.toolchain.display().to_string(), versions]);
        Ok((store::cache()?.join(name), lock))
    }

    fn metadata(&self, place: &Path, cargo: &impl Fn() -> Command) -> Result<Value, String> {
        let args = ["metadata", "--format-version=1", "--filter-platform", self.target];
        let output =
            net::ask(self.folder, place, &args, cargo).map_err(|error| format!("cannot run cargo: {error}"))?;
        serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// rustc arguments for the crates, which are built when they changed; `say` gets progress text.
    pub fn build(&self, cargo: impl Fn() -> Command, say: &mut dyn FnMut(&str)) -> Result<Vec<OsString>, String> {
        let (place, lock_file) = self.package()?;
        let looked = Last::read(self.folder).section == self.section;
        let now = Last { section: self.section.to_owned(), place: place.clone() };
        let done = |ready: Ready| {
            store::touch(&place);
            now.write(self.folder);
            Ok(ready.args.into_iter().map(OsString::from).collect())
        };
        let ready = || Ready::read(&place).filter(|ready| ready.section == self.section);
        if let Some(ready) = ready().filter(|_| looked || !self.section.contains("path")) {
            return done(ready);
        }
        let cache = store::cache()?;
        fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
        // One kernel builds; others wait and then find what it built. Nothing is removed meanwhile.
        let _alone = alone(&cache, say)?;
        write_package(&place, self.section, &lock_file)?;
        store::touch(&place);
        let names: Vec<&str> = self.section.lines().filter_map(|line| line.split_whitespace().next()).collect();
        // evcxr passes one line on.
        let one_line = |text: String| text.trim().replace('\n', "\\n");
        let metadata = self.metadata(&place, &cargo).map_err(one_line)?;
        let units = cost::units(&metadata, ROOT);
        let known = store::units(&cache);
        let (old, new): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| known.contains(&unit.key));
        let mut pace = Pace::read(&cache);
        if let Some(text) = announcement(&names, &new, &pace, &cache) {
            say(&text);
        }

        let began = Instant::now();
        let offline: &[&str] = if net::is_off(self.folder) { &["--offline"] } else { &[] };
        let mut command = cargo();
        command.args(["build", "--message-format=json-render-diagnostics"]).args(offline).current_dir(&place);
        // evcxr says where its own build goes, in both variables.
        command.env("CARGO_TARGET_DIR", store::target(&cache)).env("CARGO_BUILD_BUILD_DIR", store::target(&cache));
        let built = run(command, new.len(), say)?;
        if !built.ok {
            return Err(one_line(format!("building {} failed:\n{}", names.join(", "), built.messages.trim())));
        }
        let compiled = Compiled::read(&built.artifacts);
        if built.compiled > 0 {
            let took = began.elapsed().as_secs_f64();
            pace.learn(new.iter().map(|unit| unit.source).sum(), took, compiled.new_bytes);
            pace.write(&cache);
            say(&format!("compiled in {took:.1} s; later sessions use it at once\n"));
        }
        let ready = Ready {
            section: self.section.to_owned(),
            args: compiled.arguments(&direct_dependencies(&metadata)),
            files: compiled.files,
            units: old.into_iter().chain(new).map(|unit| unit.key).collect(),
        };
        ready.write(&place)?;
        if built.compiled > 0 {
            store::sweep(&cache);
        }
        done(ready)
    }

    /// Adds the user's crates to what rust-analyzer is told; `None` when cargo cannot say.
    pub fn merge_metadata(&self, answer: &str, cargo: impl Fn() -> Command) -> Option<String> {
        let (place, lock_file) = self.package().ok()?;
        write_package(&place, self.section, &lock_file).ok()?;
        let real = self.metadata(&place, &cargo).ok()?;
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
}

/// evcxr's question whether a `:dep` line can be met, in a package that it has written to `place`.
pub(super) fn validate(
    folder: &Path,
    place: &Path,
    args: &[&str],
    cargo: impl Fn() -> Command,
) -> std::io::Result<Output> {
    net::ask(folder, place, args, &cargo)
}

/// Waits until no other session builds.
fn alone(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<fs::File, String> {
    let path = cache.join("lock");
    let lock = fs::File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if lock.try_lock().is_err() {
        say("waiting for another session that compiles crates\n");
        lock.lock().map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(lock)
}

/// How a run of `cargo build` went.
struct Built {
    ok: bool,
    /// How many crates it compiled.
    compiled: usize,
    /// cargo's JSON.
    artifacts: String,
    /// What it wrote for people.
    messages: String,
}

fn run(mut cargo: Command, expected: usize, say: &mut dyn FnMut(&str)) -> Result<Built, String> {
    let mut child = cargo
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
            say(&format!("{line} ({compiled} of {})\n", expected.max(compiled)));
        } else if line.starts_with("Download") || line.starts_with("Blocking") {
            say(&format!("{line}\n"));
        } else {
            messages.push_str(line);
            messages.push('\n');
        }
    }
    let ok = child.wait().map_err(|error| error.to_string())?.success();
    Ok(Built { ok, compiled, artifacts: artifacts.join().unwrap_or_default(), messages })
}

fn write_package(place: &Path, section: &str, lock_file: &Path) -> Result<(), String> {
    let manifest = format!(
        "[package]\nname = \"{ROOT}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n\
         [profile.dev]\nopt-level = 2\ndebug = false\ndebug-assertions = false\ncodegen-units = 8\nincremental = false\n\
         [dependencies]\n{section}\n"
    );
    let write = || {
        fs::create_dir_all(place)?;
        // Not again: cargo would take it for changed.
        if fs::read_to_string(place.join("Cargo.toml")).ok().as_ref() != Some(&manifest) {
            fs::write(place.join("lib.rs"), "")?;
            fs::write(place.join("Cargo.toml"), manifest)?;
        }
        let own = place.join("Cargo.lock");
        if !own.exists() && lock_file.exists() {
            fs::copy(lock_file, own)?;
        }
        Ok(())
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", place.display()))
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

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn only_the_dependencies_count() {
        let manifest = "[package]\nname = \"ctx\"\n\n[dependencies]\n\nb = \"1\"\na = { version = \"2\" }\n";
        assert_eq!(section(manifest), "a = { version = \"2\" }\nb = \"1\"");
        assert_eq!(section("[package]\n[dependencies]\n\n\n"), "");
    }
}
