use super::PrepareError;
use std::path::{Path, PathBuf};

/// The folder of the clone: `LATHE_ROOT`, else the first folder above this program, else where this program was compiled.
///
/// # Errors
/// [`PrepareError::NoWorkspace`] when none of them holds the sources of the prelude.
pub fn workspace_root() -> Result<PathBuf, PrepareError> {
    if let Some(root) = std::env::var_os("LATHE_ROOT") {
        let root = PathBuf::from(root);
        return if is_root(&root) { Ok(root) } else { Err(PrepareError::NoWorkspace(root)) };
    }
    let exe = std::env::current_exe().unwrap_or_default();
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR"));
    // `target` may be a link to another disk, so the place of compilation is tried first.
    compiled
        .ancestors()
        .chain(exe.ancestors())
        .find(|dir| is_root(dir))
        .map(Path::to_owned)
        .ok_or(PrepareError::NoWorkspace(exe))
}

fn is_root(dir: &Path) -> bool {
    dir.join("Cargo.lock").is_file() && dir.join("kernel-ext/prelude/Cargo.toml").is_file()
}

/// Where everything that can be made again is kept: `LATHE_CACHE`, else `lathe` in the user's cache folder.
///
/// # Errors
/// [`PrepareError::NoCache`] when no variable says where that is.
pub fn cache_root() -> Result<PathBuf, PrepareError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("LATHE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("lathe")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/lathe")))
        .ok_or(PrepareError::NoCache)
}
