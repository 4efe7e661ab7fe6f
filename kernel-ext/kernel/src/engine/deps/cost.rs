//! What the crates of a `:dep` will cost, said before they are compiled.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// `pace.json`: what was compiled so far on this machine, all together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Pace {
    /// Megabytes of Rust source.
    source: f64,
    seconds: f64,
    /// Megabytes of compiled files.
    compiled: f64,
}

impl Default for Pace {
    /// As if some had been compiled: 25 s for the five crates of `regex`, measured on 2 cores that others used too.
    fn default() -> Self {
        Self { source: 6.0, seconds: 25.0, compiled: 31.0 }
    }
}

impl Pace {
    pub fn read(cache: &Path) -> Self {
        let bytes = fs::read(cache.join("pace.json")).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Only estimates depend on it.
    pub fn write(&self, cache: &Path) {
        let _ = fs::write(cache.join("pace.json"), serde_json::to_vec(self).unwrap_or_default());
    }

    pub fn learn(&mut self, source: u64, seconds: f64, compiled: u64) {
        self.source += source as f64 / 1e6;
        self.seconds += seconds;
        self.compiled += compiled as f64 / 1e6;
    }

    /// Seconds and megabytes.
    fn estimate(&self, source: u64) -> (f64, f64) {
        let part = source as f64 / 1e6 / self.source.max(0.1);
        ((part * self.seconds).max(1.0), (part * self.compiled).max(1.0))
    }
}

/// A package that has to be compiled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Id, features and those of everything below it: when this is the same cargo need not compile it again.
    pub key: String,
    pub name: String,
    /// Bytes of its sources.
    pub source: u64,
}

/// All packages below the package `root` of `cargo metadata`'s answer.
pub(super) fn units(metadata: &Value, root: &str) -> Vec<Unit> {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| {
            let (id, name) = (package["id"].as_str()?, package["name"].as_str()?);
            let source = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent();
            let unit = |folder: &Path| Unit {
                key: key(id, &nodes),
                name: name.to_owned(),
                source: rust_bytes(&folder.join("src"), 0),
            };
            (name != root).then(|| unit(source.unwrap_or(Path::new(""))))
        })
        .collect()
}

fn key(id: &str, nodes: &BTreeMap<&str, &Value>) -> String {
    let (mut below, mut todo) = (BTreeSet::new(), vec![id]);
    while let Some(id) = todo.pop() {
        if !below.insert(id) {
            continue;
        }
        let deps = nodes.get(id).and_then(|node| node["dependencies"].as_array()).into_iter().flatten();
        todo.extend(deps.filter_map(Value::as_str));
    }
    let features = |id: &str| nodes.get(id).map_or_else(String::new, |node| node["features"].to_string());
    let parts = below.iter().map(|id| format!("{id} {}", features(id)));
    super::short_hash(std::iter::once(id.to_owned()).chain(parts))
}

/// Bytes of the `.rs` files below a folder.
fn rust_bytes(folder: &Path, depth: u32) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth < 10 => rust_bytes(&entry.path(), depth + 1),
        Ok(kind) if kind.is_file() && entry.path().extension().is_some_and(|ext| ext == "rs") => {
            entry.metadata().map_or(0, |meta| meta.len())
        }
        _ => 0,
    });
    sizes.sum()
}

/// What is said before the build begins; `None` when there is nothing to compile.
pub(super) fn announcement(names: &[&str], new: &[Unit], pace: &Pace, cache: &Path) -> Option<String> {
    if new.is_empty() {
        return None;
    }
    let mut list: Vec<&str> = new.iter().take(6).map(|unit| unit.name.as_str()).collect();
    if new.len() > list.len() {
        list.push("...");
    }
    let (seconds, megabytes) = pace.estimate(new.iter().map(|unit| unit.source).sum());
    let time = if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) };
    let crates = if new.len() == 1 { "crate" } else { "crates" };
    Some(format!(
        "{}: {} {crates} to compile ({}), about {time} and {megabytes:.0} MB in {}. Interrupt to stop.\n",
        names.join(", "),
        new.len(),
        list.join(", "),
        cache.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unit(name: &str, source: u64) -> Unit {
        Unit { key: name.to_owned(), name: name.to_owned(), source }
    }

    #[test]
    fn the_cost_is_said_before() {
        let pace = Pace { source: 2.0, seconds: 10.0, compiled: 8.0 };
        let text = announcement(&["a"], &[unit("a", 1_000_000), unit("b", 3_000_000)], &pace, Path::new("/c"));
        let text = text.expect("two are new");
        assert!(text.starts_with("a: 2 crates to compile (a, b), about 20 s and 16 MB in /c."), "{text}");
        let text = announcement(&["a"], &[unit("a", 30_000_000)], &pace, Path::new("/c")).expect("one is new");
        assert!(text.starts_with("a: 1 crate to compile (a), about 2 min and 120 MB"), "{text}");
        assert_eq!(announcement(&["a"], &[], &pace, Path::new("/c")), None);
    }

    #[test]
    fn what_was_compiled_changes_the_estimate() {
        let mut pace = Pace::default();
        let before = pace.estimate(6_000_000).0;
        pace.learn(6_000_000, 75.0, 31_000_000);
        assert!((pace.estimate(6_000_000).0 - 2.0 * before).abs() < 1e-6);
    }

    #[test]
    fn other_features_below_are_another_compilation() {
        let answer = |features: Value| {
            json!({
                "packages": [
                    { "id": "a#1", "name": "a", "manifest_path": "/none/a/Cargo.toml" },
                    { "id": "b#1", "name": "b", "manifest_path": "/none/b/Cargo.toml" },
                    { "id": "r", "name": "root", "manifest_path": "/none/r/Cargo.toml" },
                ],
                "resolve": { "nodes": [
                    { "id": "r", "features": [], "dependencies": ["a#1"] },
                    { "id": "a#1", "features": [], "dependencies": ["b#1"] },
                    { "id": "b#1", "features": features, "dependencies": [] },
                ] },
            })
        };
        let (plain, again, more) = (
            units(&answer(json!([])), "root"),
            units(&answer(json!([])), "root"),
            units(&answer(json!(["std"])), "root"),
        );
        assert_eq!(plain.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(plain, again);
        assert!(plain[0].key != more[0].key && plain[1].key != more[1].key);
    }
}
