//! Whatever packages a cargo command selects, every dependency is compiled the same way, so polars and evcxr compile once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// One dependency as cargo would compile it: package, target, mode, features, profile and, recursively, what it depends on.
fn units(selection: &[&str]) -> BTreeMap<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--unit-graph", "-Z", "unstable-options"]).args(selection);
    // The unit graph is cargo's own plan, which stable cargo only prints with this variable; nothing is compiled with it.
    cargo.env("RUSTC_BOOTSTRAP", "1").current_dir(lathe_tests::root());
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "cargo {selection:?}: {}", String::from_utf8_lossy(&output.stderr));
    let graph: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let units = graph["units"].as_array().expect("a list of units");
    let mut keys: Vec<Option<String>> = vec![None; units.len()];
    for index in 0..units.len() {
        key(index, units, &mut keys);
    }
    let third_party = units.iter().zip(keys).filter(|(unit, _)| !package(unit).starts_with("path+"));
    third_party.map(|(unit, key)| (key.unwrap_or_default(), describe(unit))).collect()
}

fn package(unit: &Value) -> &str {
    unit["pkg_id"].as_str().unwrap_or_default()
}

fn describe(unit: &Value) -> String {
    let name = package(unit).rsplit('#').next().unwrap_or_default();
    format!("{name} features {} opt-level {}", unit["features"], unit["profile"]["opt_level"])
}

fn key(index: usize, units: &[Value], keys: &mut Vec<Option<String>>) -> String {
    if let Some(key) = &keys[index] {
        return key.clone();
    }
    let unit = &units[index];
    let mut dependencies: Vec<String> = unit["dependencies"].as_array().map_or_else(Vec::new, |all| {
        all.iter().filter_map(|dependency| dependency["index"].as_u64()).map(|i| key(i as usize, units, keys)).collect()
    });
    dependencies.sort();
    let own = format!(
        "{} {} {} {} {} {dependencies:?}",
        unit["pkg_id"], unit["target"]["kind"], unit["mode"], unit["features"], unit["profile"]
    );
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&own, &mut hasher);
    let key = format!("{:016x}", std::hash::Hasher::finish(&hasher));
    keys[index] = Some(key.clone());
    key
}

#[test]
fn every_selection_shares_one_build_of_each_dependency() {
    let whole = units(&[]);
    assert!(whole.values().any(|unit| unit.starts_with("polars-core@")), "the workspace depends on polars");
    for package in lathe_tests::packages() {
        for tests in [false, true] {
            let mut selection = vec!["-p", package.as_str()];
            if tests {
                selection.push("--all-targets");
            }
            let other: BTreeSet<String> = units(&selection)
                .into_iter()
                .filter(|(key, _)| !whole.contains_key(key))
                .map(|(_, unit)| unit)
                .collect();
            assert!(
                other.is_empty(),
                "`cargo build {}` compiles these again, with other features or on top of such: {other:#?}\n\
                 State their features of the whole workspace in .cargo/unify/Cargo.toml",
                selection.join(" ")
            );
        }
    }
}
