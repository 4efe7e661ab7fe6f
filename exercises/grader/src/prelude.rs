//! Where the prepared prelude is: the folder that `lathe-kernel prepare` makes, which an answer that names `lathe` links.

use crate::error::GradeError;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A prepared prelude.
#[derive(Debug, Clone)]
pub struct Prelude {
    /// The folder, named by the hash of all that went into it.
    pub dir: PathBuf,
    /// The compiler that made it, which has to compile the answers too.
    pub rustc: PathBuf,
    /// What to pass to rustc.
    pub arguments: Vec<String>,
    /// Where the dynamic linker finds the dylibs.
    pub libraries: Vec<PathBuf>,
}

impl Prelude {
    /// Asks the kernel for the prepared folder; where it is missing the kernel makes it, which takes a while.
    ///
    /// # Errors
    /// When there is no kernel binary, when it fails, or when the folder is not as expected.
    pub fn prepare() -> Result<Prelude, GradeError> {
        let kernel = find_kernel()?;
        let mut command = Command::new(&kernel);
        command.args(["prepare", "--print"]).stdin(Stdio::null()).stderr(Stdio::inherit());
        // Under `cargo test` there are variables that build scripts watch: with them the kernel's own cargo would compile
        // polars anew, and the next cargo from a shell once more.
        for (name, _) in std::env::vars_os().filter(|(name, _)| set_by_cargo(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let shown = format!("{} prepare --print", kernel.display());
        let output = command.output().map_err(|source| GradeError::Start {
            program: shown.clone(),
            source,
            remedy: "rebuild it with `cargo build -p lathe-kernel`",
        })?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match said.lines().rev().find(|l| !l.trim().is_empty()) {
            Some(dir) if output.status.success() => Prelude::read(Path::new(dir.trim())),
            _ => Err(GradeError::Prepare { command: shown, status: output.status.to_string(), said }),
        }
    }

    /// Reads `prepared.json` of a prepared folder.
    ///
    /// # Errors
    /// When the file is missing or not understood.
    pub fn read(dir: &Path) -> Result<Prelude, GradeError> {
        #[derive(Deserialize)]
        struct Info {
            rustc: PathBuf,
            sysroot: PathBuf,
            target: String,
            flags: Vec<String>,
        }
        let path = dir.join("prepared.json");
        let bytes = std::fs::read(&path).map_err(GradeError::io("read", &path))?;
        let info: Info = serde_json::from_slice(&bytes)
            .map_err(|e| GradeError::Prepared { path: path.clone(), problem: e.to_string() })?;
        let mut arguments = info.flags;
        arguments.push("--extern".into());
        arguments.push(format!("lathe={}", dir.join("liblathe.so").display()));
        arguments.push("-L".into());
        arguments.push(format!("dependency={}", dir.join("deps").display()));
        // Some toolchains keep the dynamic std only in the target's folder.
        let std = info.sysroot.join("lib/rustlib").join(&info.target).join("lib");
        let libraries = vec![dir.to_path_buf(), std, info.sysroot.join("lib")];
        Ok(Prelude { dir: dir.to_path_buf(), rustc: info.rustc, arguments, libraries })
    }
}

/// Does cargo set this variable for the programs that it runs? (The user's settings such as `CARGO_HOME` stay.)
fn set_by_cargo(name: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "DEP_"];
    let names = ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"];
    names.contains(&name) || prefixes.iter().any(|p| name.starts_with(p))
}

/// The kernel lies beside the grader (`target/debug`), or a folder up when we are a test (`target/debug/deps`).
fn find_kernel() -> Result<PathBuf, GradeError> {
    let here = std::env::current_exe().unwrap_or_default();
    let folders: Vec<&Path> = here.ancestors().skip(1).take(2).collect();
    let found = folders.iter().map(|f| f.join("lathe-kernel")).find(|p| p.is_file());
    found.ok_or_else(|| GradeError::NoKernel {
        looked: folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(" or "),
    })
}

/// Does this source name the crate `lathe`? A comment does not count.
pub fn names_lathe(source: &str) -> bool {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|code| {
        code.match_indices("lathe").any(|(at, word)| {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].trim_start();
            let alone = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            alone && (after.starts_with("::") || code[..at].trim_end().ends_with("use") || after.starts_with("as "))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{names_lathe, set_by_cargo};

    #[test]
    fn the_kernel_gets_the_users_variables_but_not_those_of_a_running_cargo() {
        // This test runs under cargo, so the variables are there.
        let ours = |name: &str| std::env::var_os(name).is_some() && set_by_cargo(name);
        assert!(ours("CARGO") && ours("CARGO_PKG_NAME") && ours("CARGO_MANIFEST_DIR"));
        for kept in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "CARGO_NET_OFFLINE", "PATH", "LATHE_CACHE"] {
            assert!(!set_by_cargo(kept), "{kept}");
        }
    }

    #[test]
    fn only_code_that_names_the_crate_asks_for_the_prelude() {
        for code in ["use lathe::prelude::*;", "use lathe;", "    lathe::rand::random()", "use ::lathe :: dfdx;"] {
            assert!(names_lathe(code), "{code}");
        }
        for code in
            ["// use lathe::prelude::*;", "let lathe_speed = 3;", "translathe::f()", "//! run `cargo lathe exercises`"]
        {
            assert!(!names_lathe(code), "{code}");
        }
    }
}
