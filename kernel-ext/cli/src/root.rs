//! Where things are: the clone, the target folder, caches; and the environment of the programs we start.

use crate::trouble::Trouble;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The places that Lathe reads and writes.
#[derive(Debug, Clone)]
pub struct Places {
    /// The clone.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Our own part of it: environment, logs, stamps. Git-ignored with `target`, gone with `cargo clean`.
    pub state: PathBuf,
    /// Prepared preludes (`lathe-kernel prepare`).
    pub cache: PathBuf,
    /// JupyterLab's settings and trust marks, shared by all clones of this user.
    pub jupyter: PathBuf,
    /// Where programs put temporary files.
    pub tmp: PathBuf,
}

impl Places {
    /// Finds the clone: upwards from the working directory, else the one this binary was compiled in.
    pub fn find() -> Result<Places, Trouble> {
        let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"));
        let cwd = std::env::current_dir().unwrap_or_default();
        let is_root = |dir: &&Path| dir.join("kernel-ext/cli/Cargo.toml").is_file() && dir.join("Cargo.toml").is_file();
        let root = cwd.ancestors().find(is_root).or_else(|| Some(compiled).filter(is_root)).ok_or(Trouble::NoRoot)?;
        let target = match absolute_var("CARGO_TARGET_DIR", &cwd) {
            Some(dir) => dir,
            None => own_target().filter(|_| root == compiled).unwrap_or_else(|| root.join("target")),
        };
        let home = absolute_var("HOME", &cwd);
        let state = target.join("lathe");
        let base = |var: &str, under: &str| {
            let dir = absolute_var(var, &cwd).or_else(|| Some(home.as_ref()?.join(under)));
            dir.filter(|d| problem(d).is_none()).unwrap_or_else(|| state.join(under.trim_start_matches('.')))
        };
        let cache = match absolute_var("LATHE_CACHE", &cwd) {
            Some(dir) => dir,
            None => base("XDG_CACHE_HOME", ".cache").join("lathe"),
        };
        let tmp = absolute_var("TMPDIR", &cwd).filter(|d| problem(d).is_none() && d.is_dir());
        Ok(Places {
            jupyter: base("XDG_DATA_HOME", ".local/share").join("lathe/jupyter"),
            tmp: tmp.unwrap_or_else(|| PathBuf::from("/tmp")),
            root: root.to_path_buf(),
            target,
            state,
            cache,
        })
    }

    /// A program of ours, as the build of the default members leaves it.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// The log file of a stage.
    pub fn log(&self, stage: &str) -> PathBuf {
        self.state.join("log").join(format!("{stage}.log"))
    }

    /// A command that runs in the clone with a clean environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        self.clean(&mut command);
        command
    }

    /// Removes what `cargo run` set for us and only us: build scripts and rustc must see what a plain `cargo build` would
    /// show them, or cargo would build things again.
    pub fn clean(&self, command: &mut Command) {
        for (name, value) in std::env::vars_os() {
            let Some(text) = name.to_str() else { continue };
            let ours = text.starts_with("CARGO_PKG_")
                || ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "OUT_DIR"]
                    .contains(&text);
            if ours {
                command.env_remove(&name);
            } else if text == "LD_LIBRARY_PATH" {
                match self.without_cargo(&value) {
                    Some(rest) => command.env(&name, rest),
                    None => command.env_remove(&name),
                };
            }
        }
        if std::env::var_os("CARGO_TARGET_DIR").is_some() {
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        if std::env::var_os("TMPDIR").is_some() {
            command.env("TMPDIR", &self.tmp);
        }
        command.env("LATHE_CACHE", &self.cache);
    }

    fn without_cargo(&self, value: &OsStr) -> Option<OsString> {
        let is_cargos = |p: &PathBuf| p.starts_with(&self.target) || p.ends_with("lib") && p.join("rustlib").is_dir();
        let rest: Vec<_> = std::env::split_paths(value).filter(|p| !is_cargos(p)).collect();
        (!rest.is_empty()).then(|| std::env::join_paths(rest).ok()).flatten()
    }
}

/// The cargo that started us, so that both use the same toolchain.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").filter(|c| !c.is_empty()).unwrap_or_else(|| "cargo".into())
}

fn absolute_var(name: &str, cwd: &Path) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(|v| cwd.join(v))
}

/// `X` when this program is `X/debug/lathe`.
fn own_target() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let debug = exe.parent()?;
    (debug.file_name()? == "debug").then(|| debug.parent().map(Path::to_path_buf))?
}

/// What makes a path unusable for compilers, loaders and evcxr, in words.
pub fn problem(path: &Path) -> Option<&'static str> {
    match path.to_str() {
        None => Some("is not valid UTF-8"),
        Some(p) if p.contains(':') => Some("contains a colon, which separates folders in search paths"),
        Some(p) if p.contains(char::is_whitespace) => Some("contains a space"),
        Some(p) if p.contains(['"', '\'', '\\', '$', '`', '%']) => Some("contains a quote, `\\`, `$` or `%`"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn paths_that_cannot_work_are_told_apart() {
        assert_eq!(problem(Path::new("/home/ada/lathe-1.0_x+y")), None);
        assert_eq!(problem(Path::new("/home/\u{e4}/\u{6771}")), None);
        assert_eq!(problem(Path::new("/home/my course")), Some("contains a space"));
        assert!(problem(Path::new("/a:b")).is_some());
        assert_eq!(problem(Path::new(OsStr::from_bytes(b"/a\xff"))), Some("is not valid UTF-8"));
    }

    #[test]
    fn the_clone_is_found_from_below() {
        let places = Places::find().expect("tests run in the clone");
        assert!(places.root.join("kernel-ext/cli/src/root.rs").is_file());
    }
}
