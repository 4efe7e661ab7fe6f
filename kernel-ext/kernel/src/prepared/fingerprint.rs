//! Which toolchain, which sources: the name of a prepared folder.

use super::{PrepareError, at};
use crate::engine::original_env;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Changes when the layout of a prepared folder or the way it is compiled changes.
const FORMAT: &str = "7";

/// What this kernel expects of a prepared folder: its layout, and what `engine/patch.rs` calls in it.
pub(super) fn expected() -> String {
    let calls = Sha256::digest(include_str!("../engine/patch.rs"));
    let start: String = calls.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{FORMAT}-{start}")
}

/// Our sources that end up in the prelude.
const SOURCES: [&str; 6] =
    ["lab", "data", "kernel-ext/display", "kernel-ext/prelude", "kernel-ext/cell", ".cargo/unify"];
/// Files that every build depends on.
const FILES: [&str; 3] = ["Cargo.lock", "Cargo.toml", ".cargo/config.toml"];
/// Variables that change what cargo builds.
const VARIABLES: [&str; 3] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];

/// Hash of our sources alone.
pub(super) fn sources_hash(root: &Path) -> Result<String, PrepareError> {
    let mut hasher = Sha256::new();
    for path in sources(root)? {
        add(
            &mut hasher,
            &path.strip_prefix(root).unwrap_or(&path).to_string_lossy(),
            &std::fs::read(&path).map_err(at(&path))?,
        );
    }
    Ok(hex(&hasher.finalize()))
}

/// Our sources, in a fixed order.
pub(super) fn sources(root: &Path) -> Result<Vec<PathBuf>, PrepareError> {
    let mut files = Vec::new();
    for name in SOURCES {
        sources_below(&root.join(name), false, &mut files)?;
    }
    files.sort();
    Ok(files)
}

/// Names and contents are told apart by their lengths.
fn add(hasher: &mut Sha256, name: &str, bytes: &[u8]) {
    for part in [name.as_bytes(), bytes] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The toolchain and the hash of what it would build.
#[derive(Debug)]
pub(super) struct Plan {
    pub hash: String,
    pub sources: String,
    pub rustc: PathBuf,
    pub cargo: PathBuf,
    pub sysroot: PathBuf,
    pub target: String,
}

impl Plan {
    pub fn of(root: &Path) -> Result<Self, PrepareError> {
        // In the workspace, so that rustup obeys its rust-toolchain.toml.
        let sysroot = PathBuf::from(ask(root, Path::new("rustc"), &["--print", "sysroot"])?.trim());
        let tool = |name: &str| {
            let path = sysroot.join("bin").join(name);
            if path.is_file() { path } else { PathBuf::from(name) }
        };
        let (rustc, cargo) = (tool("rustc"), tool("cargo"));
        let version = ask(root, &rustc, &["-vV"])?;
        let target = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or_else(|| PrepareError::Answer { what: "rustc -vV", reason: String::from("no `host:` line") })?
            .to_owned();

        let sources = sources_hash(root)?;
        let mut hasher = Sha256::new();
        add(&mut hasher, "format", FORMAT.as_bytes());
        add(&mut hasher, "rustc", version.as_bytes());
        // rust-analyzer and error messages name the sources by their place.
        add(&mut hasher, "root", root.as_os_str().as_encoded_bytes());
        for name in VARIABLES {
            add(&mut hasher, name, std::env::var_os(name).unwrap_or_default().as_encoded_bytes());
        }
        for name in FILES {
            let path = root.join(name);
            add(&mut hasher, name, &std::fs::read(&path).map_err(at(&path))?);
        }
        add(&mut hasher, "sources", sources.as_bytes());
        let hash = hex(&hasher.finalize());
        Ok(Self { hash, sources, rustc, cargo, sysroot, target })
    }
}

/// Files that the compiler may read: manifests, build scripts, and all below `src` or `assets`.
fn sources_below(dir: &Path, all: bool, found: &mut Vec<PathBuf>) -> Result<(), PrepareError> {
    for entry in std::fs::read_dir(dir).map_err(at(dir))? {
        let entry = entry.map_err(at(dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().map_err(at(&path))?.is_dir() {
            let skip = name == "target" || name.as_encoded_bytes().starts_with(b".");
            if !skip {
                sources_below(&path, all || name == "src" || name == "assets", found)?;
            }
        } else if all || name == "Cargo.toml" || name == "build.rs" {
            // Editors' backup and lock files come and go.
            let ignored = name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().ends_with(b"~");
            if !ignored {
                found.push(path);
            }
        }
    }
    Ok(())
}

/// What a tool prints.
pub(super) fn ask(dir: &Path, program: &Path, args: &[&str]) -> Result<String, PrepareError> {
    let fail = |reason: String| PrepareError::Toolchain { program: program.display().to_string(), reason };
    let output =
        original_env::command(program).args(args).current_dir(dir).output().map_err(|e| fail(e.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_compiler_reads_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        };
        for name in
            ["Cargo.toml", "src/a/b.rs", "assets/font.otf", "tests/t.rs", "README.md", "target/src/x.rs", "src/.#b.rs"]
        {
            write(name);
        }
        let mut found = Vec::new();
        sources_below(dir.path(), false, &mut found).unwrap();
        let mut names: Vec<_> =
            found.iter().map(|p| p.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["Cargo.toml", "assets/font.otf", "src/a/b.rs"]);
    }
}
