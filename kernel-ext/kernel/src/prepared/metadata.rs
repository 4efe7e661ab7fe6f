//! `cargo metadata` of a cell's package, made from the workspace's answer: only what cells can name.
//!
//! rust-analyzer loads the sources of every package it is told about; the crates behind the prelude's public API are a
//! small part of them, and memory and start-up time are proportional.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Stands for the cell package's folder in the stored answer.
pub(crate) const FOLDER: &str = "@CELL-FOLDER@";
/// Id of the cell package in the stored answer.
const CELL: &str = "path+file://@CELL-FOLDER@#ctx@1.0.0";

/// Crates whose types or traits appear in the public API of the prelude's own dependencies.
const PUBLIC: &[&str] = &[
    "polars-arrow",
    "polars-buffer",
    "polars-core",
    "polars-dtype",
    "polars-error",
    "polars-io",
    "polars-lazy",
    "polars-ops",
    "polars-plan",
    "polars-schema",
    "polars-time",
    "polars-utils",
    "polars-config",
    "plotters-backend",
    "plotters-svg",
    "plotters-bitmap",
    "rand_core",
    "num-traits",
    "num-complex",
    "safetensors",
    "chrono",
    "indexmap",
    "either",
    "bytemuck",
    "serde_core",
    "smartstring",
    "compact_str",
];

/// The answer for a package `ctx` in [`FOLDER`] whose only dependency is `lathe`.
pub(super) fn prune(answer: &str) -> Result<String, String> {
    let metadata: Value = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("no `packages`")?;
    let nodes = metadata["resolve"]["nodes"].as_array().ok_or("no `resolve.nodes`")?;
    let package: BTreeMap<&str, &Value> = packages.iter().filter_map(|p| Some((p["id"].as_str()?, p))).collect();
    let node: BTreeMap<&str, &Value> = nodes.iter().filter_map(|n| Some((n["id"].as_str()?, n))).collect();
    let lathe = packages
        .iter()
        .find(|p| p["name"] == "lathe" && p["source"].is_null())
        .and_then(|p| p["id"].as_str())
        .ok_or("no package `lathe`")?;
    let prelude = packages.iter().find(|p| p["name"] == "lathe-prelude").and_then(|p| p["id"].as_str());
    let direct: BTreeSet<&str> =
        prelude.and_then(|id| node.get(id)).map(|n| normal_deps(n)).unwrap_or_default().into_iter().collect();

    let keep = |id: &str| {
        package.get(id).is_some_and(|p| {
            p["source"].is_null()
                || direct.contains(id)
                || p["name"].as_str().is_some_and(|name| PUBLIC.contains(&name))
        })
    };
    let mut kept = BTreeSet::new();
    let mut open = vec![lathe];
    while let Some(id) = open.pop() {
        if keep(id)
            && kept.insert(id)
            && let Some(node) = node.get(id)
        {
            open.extend(normal_deps(node));
        }
    }

    let packages: Vec<Value> = kept.iter().map(|id| slim_package(package[id])).chain([cell_package()]).collect();
    let nodes: Vec<Value> =
        kept.iter().filter_map(|id| node.get(id)).map(|n| slim_node(n, &kept)).chain([cell_node(lathe)]).collect();
    let pruned = answer_of(&packages, &nodes);
    serde_json::to_string(&pruned).map_err(|error| error.to_string())
}

/// The answer while nothing is to be read: the cell's package alone.
pub(crate) fn empty() -> String {
    let node = json!({ "id": CELL, "dependencies": [], "features": [], "deps": [] });
    answer_of(&[cell_package()], &[node]).to_string()
}

/// The same for the standard library: a `core` without a source.
pub(crate) fn empty_library(folder: &std::path::Path) -> String {
    let folder = folder.join("nothing");
    let mut package = cell_package();
    let id = "path+file:///nothing#core@0.0.0";
    for (key, value) in [("name", json!("core")), ("version", json!("0.0.0")), ("id", json!(id))] {
        package[key] = value;
    }
    package["manifest_path"] = json!(folder.join("Cargo.toml"));
    package["targets"][0]["name"] = json!("core");
    package["targets"][0]["kind"] = json!(["lib"]);
    package["targets"][0]["crate_types"] = json!(["lib"]);
    package["targets"][0]["src_path"] = json!(folder.join("lib.rs"));
    let node = json!({ "id": id, "dependencies": [], "features": [], "deps": [] });
    let mut answer = answer_of(&[package], &[node]);
    for list in ["workspace_members", "workspace_default_members"] {
        answer[list] = json!([id]);
    }
    answer["resolve"]["root"] = json!(id);
    for path in ["workspace_root", "target_directory", "build_directory"] {
        answer[path] = json!(folder);
    }
    answer.to_string()
}

fn answer_of(packages: &[Value], nodes: &[Value]) -> Value {
    json!({
        "packages": packages,
        "workspace_members": [CELL],
        "workspace_default_members": [CELL],
        "resolve": { "nodes": nodes, "root": CELL },
        "target_directory": format!("{FOLDER}/target"),
        "build_directory": format!("{FOLDER}/target"),
        "version": 1,
        "workspace_root": FOLDER,
        "metadata": null,
    })
}

fn normal_deps(node: &Value) -> Vec<&str> {
    let is_normal = |dep: &Value| {
        dep["dep_kinds"]
            .as_array()
            .is_none_or(|kinds| kinds.is_empty() || kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    node["deps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dep| is_normal(dep))
        .filter_map(|dep| dep["pkg"].as_str())
        .collect()
}

fn slim_package(package: &Value) -> Value {
    let mut package = package.clone();
    only_library(&mut package);
    package
}

/// Only the library: build scripts, tests and examples would be loaded too.
pub(super) fn only_library(package: &mut Value) {
    let is_library = |target: &Value| {
        target["kind"].as_array().is_some_and(|kinds| {
            kinds.iter().any(|kind| {
                kind != "custom-build" && kind.as_str().is_some_and(|k| k.ends_with("lib") || k == "proc-macro")
            })
        })
    };
    if let Some(targets) = package["targets"].as_array_mut() {
        targets.retain(|target| is_library(target));
    }
    // The resolved graph says what is needed; these lists are long.
    package["dependencies"] = json!([]);
}

fn slim_node(node: &Value, kept: &BTreeSet<&str>) -> Value {
    let mut node = node.clone();
    only_known(&mut node, &|id| id.as_str().is_some_and(|id| kept.contains(id)));
    node
}

/// Forgets dependencies on packages that are not there.
pub(super) fn only_known(node: &mut Value, known: &dyn Fn(&Value) -> bool) {
    if let Some(deps) = node["deps"].as_array_mut() {
        deps.retain(|dep| known(&dep["pkg"]));
    }
    if let Some(dependencies) = node["dependencies"].as_array_mut() {
        dependencies.retain(known);
    }
}

fn cell_package() -> Value {
    json!({
        "name": "ctx", "version": "1.0.0", "id": CELL, "license": null, "license_file": null, "description": null,
        "source": null, "dependencies": [], "features": {}, "manifest_path": format!("{FOLDER}/Cargo.toml"),
        "metadata": null, "publish": null, "authors": [], "categories": [], "keywords": [], "readme": null,
        "repository": null, "homepage": null, "documentation": null, "edition": "2024", "links": null,
        "default_run": null, "rust_version": null,
        "targets": [{
            "kind": ["cdylib"], "crate_types": ["cdylib"], "name": "ctx", "src_path": format!("{FOLDER}/src/lib.rs"),
            "edition": "2024", "doc": true, "doctest": false, "test": true,
        }],
    })
}

fn cell_node(lathe: &str) -> Value {
    json!({
        "id": CELL, "dependencies": [lathe], "features": [],
        "deps": [{ "name": "lathe", "pkg": lathe, "dep_kinds": [{ "kind": null, "target": null }] }],
    })
}
