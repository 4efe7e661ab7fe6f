//! What the end-to-end tests share: where things are, and when to skip.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the clone.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A program of ours, built beside the running test.
///
/// # Panics
/// When it is not there: `cargo test` builds it, a hand-picked `cargo test -p lathe-tests` needs `cargo build` before.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let path = test.ancestors().nth(2).unwrap_or(Path::new("")).join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build` once", path.display());
    path
}

/// The names of all packages of the workspace.
///
/// # Panics
/// When cargo cannot read the workspace.
pub fn packages() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages.iter().filter_map(|package| package["name"].as_str().map(str::to_owned)).collect()
}

/// Says why a test cannot run here and passes, or fails where everything has to be there (`LATHE_E2E=require`, as in CI).
///
/// # Panics
/// When `LATHE_E2E` is `require`.
pub fn skip(reason: &str) {
    assert!(std::env::var("LATHE_E2E").as_deref() != Ok("require"), "cannot run: {reason}");
    eprintln!("skipped: {reason}");
}

/// Is there such a program on `PATH`?
pub fn on_path(tool: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

/// The tracked notebook whose name starts with `number`.
///
/// # Panics
/// When there is none.
pub fn notebook(number: &str) -> PathBuf {
    let folder = root().join("notebooks");
    let entries = std::fs::read_dir(&folder).expect("notebooks/ can be read").flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "ipynb"))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(number)))
        .unwrap_or_else(|| panic!("no notebook {number}-*.ipynb in {}", folder.display()))
}

/// The Python of the environment that `cargo lathe lab` makes; `None` where it has not been made.
pub fn environment_python() -> Option<PathBuf> {
    let output = Command::new(program("lathe")).arg("env").current_dir(root()).output().ok()?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let python = folder.join("bin/python");
    (output.status.success() && python.is_file()).then_some(python)
}
