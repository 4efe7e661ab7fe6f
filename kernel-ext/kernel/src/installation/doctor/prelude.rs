//! The clone, the toolchain, and the library that cells link.

use super::{Check, Patient, set_up};
use crate::prepared::{self, Info};
use crate::protocol::rustc_version;
use std::path::{Path, PathBuf};

pub(super) fn clone(patient: &Patient) -> Check {
    let program = patient.program.display();
    match (&patient.root, prepared::workspace_root()) {
        (Some(root), _) => {
            Check::ok("kernel", format!("{} of {}, {program}", env!("CARGO_PKG_VERSION"), root.display()))
        }
        (None, Err(error)) => Check::problem(
            "kernel",
            error.to_string(),
            "if the clone was moved, run `cargo lathe setup` at its new place; it builds there and registers that kernel",
        ),
        (None, Ok(root)) => Check::ok("kernel", format!("{program} of {}", root.display())),
    }
}

pub(super) fn toolchain(patient: &Patient) -> Check {
    let folder = patient.root.clone().unwrap_or_else(|| PathBuf::from("."));
    let asked = std::process::Command::new("rustc").args(["--print", "sysroot"]).current_dir(&folder).output();
    let sysroot = match asked {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Check::problem("Rust", words, "install the toolchain that rustup asks for, or `rustup update`");
        }
        Err(error) => {
            let cure = "install Rust from https://rustup.rs, or put ~/.cargo/bin in the PATH of the program that starts Jupyter";
            return Check::problem("Rust", format!("`rustc` cannot be started: {error}"), cure);
        }
    };
    let version = rustc_version(&folder);
    if !Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/src/lib.rs").is_file() {
        let cure = "run `rustup component add rust-src`; without it there is no completion and no `?`";
        return Check::problem("Rust", format!("{version}, without the standard library's sources (rust-src)"), cure);
    }
    Check::ok("Rust", format!("{version} with rust-src, {sysroot}"))
}

/// The prepared folder; with it, whether a kernel could start at once.
pub(super) fn prepared(patient: &Patient) -> (bool, Vec<Check>) {
    const NAME: &str = "prelude";
    let cure = format!("{}, or `lathe-kernel prepare`", set_up(patient.root.as_deref()));
    let found = match prepared::locate() {
        Ok(Some(found)) => found,
        Ok(None) => {
            let why = patient.root.as_deref().and_then(newest).map_or_else(
                || "not compiled yet".to_owned(),
                |info| match changed(&info) {
                    true => "the Rust toolchain changed since it was compiled".to_owned(),
                    false => "the sources, the lockfile or the flags changed since it was compiled".to_owned(),
                },
            );
            let check = Check::note(NAME, format!("{why}: the first cell of a new kernel would wait for it"), cure);
            return (false, vec![check]);
        }
        Err(error) => return (false, vec![Check::problem(NAME, error.to_string(), cure)]),
    };
    let dir = found.dir().display();
    let again = |what: String| {
        let cure = format!("remove {dir} and {}", set_up(patient.root.as_deref()));
        (false, vec![Check::problem(NAME, what, cure)])
    };
    let size = found.library().metadata().map(|meta| meta.len()).unwrap_or(0);
    if size == 0 {
        return again(format!("{} is missing or empty", found.library().display()));
    }
    if std::fs::read_dir(found.deps()).map_or(0, Iterator::count) < 10 {
        return again(format!("{} is incomplete", found.deps().display()));
    }
    let std_folder = found.info().sysroot.join("lib/rustlib").join(&found.info().target).join("lib");
    let is_std = |name: String| name.starts_with("libstd-") && name.ends_with(".so");
    let files = std::fs::read_dir(&std_folder).into_iter().flatten().flatten();
    if !files.into_iter().any(|file| is_std(file.file_name().to_string_lossy().into_owned())) {
        let what = format!("no libstd-*.so in {}, which every cell links", std_folder.display());
        return (false, vec![Check::problem(NAME, what, "run `rustup toolchain install` again, or reinstall Rust")]);
    }
    (true, vec![Check::ok(NAME, format!("{dir}, library of {} MB", size / 1_000_000))])
}

/// The description of the folder that was prepared last for this clone.
fn newest(root: &Path) -> Option<Info> {
    let folders = std::fs::read_dir(prepared::cache_root().ok()?.join("prepared")).ok()?;
    let infos = folders.flatten().filter_map(|folder| {
        let file = folder.path().join("prepared.json");
        let info: Info = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        (info.workspace == root).then_some((file.metadata().ok()?.modified().ok()?, info))
    });
    infos.max_by_key(|(made, _)| *made).map(|(_, info)| info)
}

/// Is the toolchain of that folder another one than today's?
fn changed(info: &Info) -> bool {
    let output = std::process::Command::new("cargo").arg("--version").current_dir(&info.workspace).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() != info.cargo_version.trim())
}
