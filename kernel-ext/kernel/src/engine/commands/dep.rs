//! `:dep`: what is said about a crate before and after cargo has its word.

use crate::prepared::Prepared;
use serde_json::Value;

/// Crates that every cell can use without `:dep`.
const PRELUDE: [&str; 10] =
    ["dfdx", "image", "plotters", "polars", "rand", "rand_chacha", "rand_distr", "serde", "serde_json", "lab"];

/// What to say when the prelude has this crate; `true` when it need not be added.
pub(super) fn known(prepared: &Prepared, args: &str) -> Option<(String, bool)> {
    let (name, wanted) = read(args);
    let known = name.replace('-', "_");
    if !PRELUDE.contains(&known.as_str()) {
        return None;
    }
    let metadata: Value = serde_json::from_str(&prepared.metadata().ok()?).ok()?;
    let package = metadata["packages"].as_array()?.iter().find(|package| {
        package["name"].as_str().is_some_and(|found| found.replace('-', "_") == known)
            && package["source"].as_str().is_some()
    })?;
    Some(advice(&known, package["version"].as_str()?, wanted, args))
}

/// Name and version requirement of `name = "1.2"` or `name = { version = "1.2", .. }`.
fn read(args: &str) -> (&str, Option<&str>) {
    let (name, rest) = args.split_once('=').map_or((args, ""), |(name, rest)| (name, rest.trim()));
    let version = if rest.starts_with('{') {
        rest.split_once("version").and_then(|(_, rest)| rest.split('"').nth(1))
    } else {
        rest.split('"').nth(1)
    };
    (name.trim(), version.filter(|version| *version != "*"))
}

fn advice(name: &str, version: &str, wanted: Option<&str>, args: &str) -> (String, bool) {
    let matches = wanted.is_none_or(|wanted| {
        let wanted = wanted.trim_start_matches(['^', '=', '~', ' ']);
        version == wanted || version.starts_with(&format!("{wanted}."))
    });
    let plain = !args.contains("features") && !args.contains("path") && !args.contains("git");
    if matches && plain && name != "serde" {
        let text =
            format!("{name} {version} is in the prelude already: `use {name}::..` works, `:dep` is not needed\n");
        return (text, true);
    }
    let text = format!(
        "the prelude has {name} {version} already; what `:dep` adds is a second copy whose types do not mix with those of \
         the prelude (`lathe::{name}::..`)\n"
    );
    (text, false)
}

/// What cargo says only about a package and its dependencies.
const CARGOS: [&str; 17] = [
    "no matching package",
    "failed to select a version",
    "failed to get",
    "failed to load source",
    "failed to download",
    "failed to fetch",
    "failed to parse",
    "failed to read",
    "could not find",
    "unable to update",
    "missing a lib target",
    "Invalid :dep command",
    "does not have these features",
    "does not have that feature",
    "does not have feature",
    "No such file or directory (os error 2)",
    "Not a directory (os error 20)",
];

/// Its progress, which it writes above what went wrong.
const PROGRESS: [&str; 7] =
    ["Updating", "Downloading", "Downloaded", "Blocking", "Locking", "Adding", "warning: spurious"];

/// Was it cargo that did not like a `:dep` line? Then its words, with what helps.
pub(in crate::engine) fn refused(code: &str, message: &str) -> Option<String> {
    let added: Vec<&str> =
        code.lines().filter_map(|line| line.trim_start().strip_prefix(":dep ")).map(str::trim).collect();
    if added.is_empty() || !CARGOS.iter().any(|phrase| message.contains(phrase)) {
        return None;
    }
    let folder = |line: &&&str| line.starts_with(['.', '/']) || line.contains("path");
    if let Some(line) = added.iter().find(folder).filter(|_| message.contains("os error 2")) {
        return Some(format!(
            "`:dep {line}`: there is no crate in this folder: {message}\ngive the folder that holds the crate's Cargo.toml; a \
             relative one begins at the notebook's folder"
        ));
    }
    let text = message.replace("error: ", "").replace("evcxr_dummy_validate_dep", "this notebook");
    let noise = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.contains("Tip:") || PROGRESS.iter().any(|word| line.starts_with(word))
    };
    let lines: Vec<&str> = text.lines().filter(|line| !noise(line)).collect();
    let offline = ["offline", "resolve host", "dns error", "failed to download", "network", "Could not connect"];
    if !offline.iter().any(|word| message.contains(word)) {
        return Some(lines.join("\n"));
    }
    let why = match std::env::var("CARGO_NET_OFFLINE").is_ok_and(|value| value == "true" || value == "1") {
        true => "CARGO_NET_OFFLINE is set, so nothing is downloaded",
        false => "there is no network",
    };
    // Without the network cargo offers to switch off what is off already.
    let lines: Vec<&str> =
        lines.into_iter().filter(|line| !line.contains("--offline") && !line.contains("offline mode")).collect();
    Some(format!(
        "`:dep {}` needs something that is not on this machine, and {why}.\nConnect and run the cell again; crates that were \
         downloaded once, and those in a folder (`:dep NAME = {{ path = \"FOLDER\" }}`), work without. cargo says:\n{}",
        added.join("`, `:dep "),
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_the_prelude_is_not_added_twice() {
        assert_eq!(read("rand"), ("rand", None));
        assert_eq!(read("rand = \"0.8\""), ("rand", Some("0.8")));
        assert_eq!(read("rand = { version = \"0.9\", features = [\"x\"] }"), ("rand", Some("0.9")));
        let skipped = |args: &str| advice("rand", "0.8.5", read(args).1, args).1;
        assert!(skipped("rand") && skipped("rand = \"0.8\"") && skipped("rand = \"^0.8.5\""));
        assert!(!skipped("rand = \"0.9\"") && !skipped("rand = \"0.80\""));
        assert!(!skipped("rand = { version = \"0.8\", features = [\"small_rng\"] }"));
    }

    #[test]
    fn cargos_words_are_kept_and_the_dummy_is_not_named() {
        let message = "no matching package named `itertolls` found\nlocation searched: crates.io index\n\n";
        let text = refused(":dep itertolls", message).expect("it is about the line");
        assert_eq!(text, "no matching package named `itertolls` found\nlocation searched: crates.io index");
        assert_eq!(refused("let a = 1;", message), None);
        let said = "no matching package named `a` found\nlocation searched: crates.io index\nAs a reminder, you're using offline mode";
        let offline = refused(":dep a = \"1\"", said).expect("it is about the line");
        assert!(offline.starts_with("`:dep a = \"1\"` needs something that is not on this machine"), "{offline}");
        assert!(offline.contains("Connect and run the cell again") && !offline.contains("reminder"), "{offline}");
    }

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let text =
            refused(":dep ./nowhere\n1", "No such file or directory (os error 2)").expect("it is about the line");
        assert!(text.starts_with("`:dep ./nowhere`: there is no crate in this folder"), "{text}");
        assert_eq!(refused("std::fs::read(\"x\")?;", "No such file or directory (os error 2)"), None);
    }
}
