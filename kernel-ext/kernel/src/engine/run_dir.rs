//! The folder of this kernel process: our `cargo` and `rustup`, and one folder for each engine.

use super::shim::{self, Config};
use super::{EngineError, original_env};
use crate::prepared::{Prepared, cache_root};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Held while this process lives, so that others do not remove the folder.
struct RunDir {
    path: PathBuf,
    engines: u32,
    _lock: File,
}

static RUN: Mutex<Option<RunDir>> = Mutex::new(None);
/// Its folder, also while an engine starts and holds [`RUN`].
static PATH: OnceLock<PathBuf> = OnceLock::new();

/// Removes the private folder of this process, if it has one; the process must end after that. Kill the processes below
/// it first, for they write there.
pub fn remove_private_folder() {
    let Some(path) = PATH.get() else { return };
    // A killed compiler may still be finishing its last write.
    for _ in 0..10 {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            _ => return,
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> EngineError + '_ {
    move |source| EngineError::Io { path: path.to_owned(), source }
}

/// Makes a folder for one engine, sets the environment that evcxr reads, and calls `start` while nobody else changes it.
pub(super) fn with_engine_folder<T>(
    prepared: &Prepared,
    exe: &Path,
    start: impl FnOnce(&Path) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    let saved = original_env::save();
    if run.is_none() {
        *run = Some(make_run_dir(exe)?);
    }
    let Some(run) = run.as_mut() else { return Err(EngineError::Start(String::from("no folder"))) };
    run.engines += 1;
    let folder = run.path.join(format!("e{}", run.engines));
    std::fs::create_dir_all(folder.join("src")).map_err(at(&folder))?;
    let config = Config {
        prepared: prepared.dir().to_owned(),
        environment: saved
            .iter()
            .map(|(n, v)| (n.clone(), v.as_ref().map(|v| v.to_string_lossy().into_owned())))
            .collect(),
    };
    let json = serde_json::to_vec(&config).map_err(|error| EngineError::Start(error.to_string()))?;
    // Each engine has its own prepared folder; what is asked outside of its folder is the same for all.
    for file in [folder.join(shim::CONFIG), run.path.join(shim::CONFIG)] {
        std::fs::write(&file, &json).map_err(at(&file))?;
    }

    let mut path = run.path.join("bin").into_os_string();
    if let Some(old) = saved.iter().find(|(name, _)| name == "PATH").and_then(|(_, value)| value.as_ref()) {
        path.push(":");
        path.push(old);
    }
    let mut set = vec![
        ("PATH", path),
        // rust-analyzer looks here before PATH.
        ("CARGO_HOME", run.path.clone().into_os_string()),
        ("RUSTC", prepared.info().rustc.clone().into_os_string()),
        ("EVCXR_TMPDIR", folder.clone().into_os_string()),
        ("EVCXR_CONFIG_DIR", run.path.clone().into_os_string()),
        (shim::RUN_ENV, run.path.clone().into_os_string()),
    ];
    if let Some(library) = prepared.library_sources() {
        set.push(("RUST_SRC_PATH", library.into_os_string()));
    }
    for (name, value) in set {
        // SAFETY: Rust's own readers are serialised by std's lock, as is our writing by `RUN`; no C code in this process
        // reads the environment after start.
        unsafe { std::env::set_var(name, value) };
    }
    let unread = run.path.join(shim::UNREAD);
    // Without it the start takes longer.
    let _ = std::fs::write(&unread, "");
    let started = start(&folder);
    let _ = std::fs::remove_file(&unread);
    started
}

fn make_run_dir(exe: &Path) -> Result<RunDir, EngineError> {
    let wanted = cache_root()?.join("run");
    // evcxr separates words of its commands by spaces.
    let all = if wanted.as_os_str().as_encoded_bytes().contains(&b' ') {
        // SAFETY: asks for a number.
        PathBuf::from(format!("/tmp/lathe-run-{}", unsafe { libc::getuid() }))
    } else {
        wanted
    };
    std::fs::create_dir_all(&all).map_err(at(&all))?;
    remove_stale(&all);
    let path = tempfile::Builder::new().prefix("k").tempdir_in(&all).map_err(at(&all))?.keep();
    // The first one of this process is the only one.
    let _ = PATH.set(path.clone());
    let lock_path = path.join("lock");
    let lock = File::create(&lock_path).map_err(at(&lock_path))?;
    lock.lock().map_err(at(&lock_path))?;
    let bin = path.join("bin");
    std::fs::create_dir(&bin).map_err(at(&bin))?;
    for name in ["cargo", "rustup"] {
        let link = bin.join(name);
        std::os::unix::fs::symlink(exe, &link).map_err(at(&link))?;
    }
    Ok(RunDir { path, engines: 0, _lock: lock })
}

/// Folders of kernels that are gone.
fn remove_stale(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        // One that is just being made has no lock file yet.
        let Ok(lock) = File::open(entry.path().join("lock")) else { continue };
        if lock.try_lock().is_ok() {
            // Tried again by the next kernel.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
