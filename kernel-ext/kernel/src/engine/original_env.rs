//! The kernel changes its own environment so that evcxr and rust-analyzer find our cargo; this is what it was before.

use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::sync::OnceLock;

/// Every variable that the engine sets in its own process.
pub(crate) const CHANGED: [&str; 9] = [
    "PATH",
    "CARGO_HOME",
    "CARGO",
    "RUSTC",
    "RUSTUP_TOOLCHAIN",
    "EVCXR_TMPDIR",
    "EVCXR_CONFIG_DIR",
    "RUST_SRC_PATH",
    super::shim::RUN_ENV,
];

static SAVED: OnceLock<Vec<(String, Option<OsString>)>> = OnceLock::new();

/// Remembers the environment as it is; only the first call counts.
pub(super) fn save() -> &'static [(String, Option<OsString>)] {
    SAVED.get_or_init(|| CHANGED.iter().map(|name| ((*name).to_owned(), std::env::var_os(name))).collect())
}

/// Gives a command the environment from before.
pub(super) fn restore(command: &mut Command) {
    for (name, value) in SAVED.get().map(Vec::as_slice).unwrap_or_default() {
        set(command, name, value.as_deref());
    }
}

pub(super) fn set(command: &mut Command, name: &str, value: Option<&OsStr>) {
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
}

/// A command that runs in the environment from before, as if it was started from a shell.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    restore(&mut command);
    without_cargo(&mut command);
    command
}

/// Removes what `cargo run` and `cargo test` give to programs: the build script of `ring` (below polars) watches some of
/// these variables, so that a cargo inside a cargo would compile polars again, and the next one outside once more.
fn without_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let is_cargos = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
            || ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"].contains(&text);
        if is_cargos {
            command.env_remove(name);
        }
    }
}
