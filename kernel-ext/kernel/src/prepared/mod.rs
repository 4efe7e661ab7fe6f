//! The prepared folder: the prelude compiled once, in the form that cells link.
//!
//! It is named by a hash of everything that goes into it, built aside, renamed into place and never written again, so a
//! kernel that runs keeps its own while sources are edited or `git pull` changes them.

mod build;
mod fallback;
mod fingerprint;
mod garbage;
mod metadata;

mod root;
mod skeleton;
mod sources;

pub(crate) use metadata::{FOLDER, empty as empty_metadata, empty_library};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub use fallback::find_or_build_or_older;
pub use garbage::collect_garbage;
pub use root::{cache_root, workspace_root};

/// File name of the description inside a prepared folder.
const INFO: &str = "prepared.json";
/// File name of the pruned `cargo metadata` answer inside a prepared folder.
const METADATA: &str = "metadata.json";

/// File name of the standard library's `cargo metadata` answer.
const SYSROOT_METADATA: &str = "sysroot-metadata.json";
/// How many folders stay after a build, besides those in use.
const KEEP: usize = 3;

/// Why there is no prepared folder.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The sources of the workspace were not found.
    #[error("the Lathe sources were not found from {0}: set LATHE_ROOT to the folder of the clone")]
    NoWorkspace(PathBuf),
    /// Neither `LATHE_CACHE` nor `XDG_CACHE_HOME` nor `HOME` says where caches live.
    #[error("no cache folder is known: set HOME, XDG_CACHE_HOME or LATHE_CACHE")]
    NoCache,
    /// The Rust toolchain could not be asked.
    #[error("cannot run `{program}`: {reason}; install Rust from https://rustup.rs")]
    Toolchain {
        /// The program that was tried.
        program: String,
        /// What the system or the program said.
        reason: String,
    },
    /// A compiler run failed; its messages went to stderr.
    #[error("{what} failed ({status}){}", first_lines(.messages))]
    Build {
        /// What was compiled.
        what: &'static str,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The compiler's first errors, one in a line; empty when they are not known.
        messages: String,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}{}", disk_full_hint(.source))]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// cargo's answer was not understood.
    #[error("cannot understand what `{what}` printed: {reason}")]
    Answer {
        /// The command.
        what: &'static str,
        /// What was wrong.
        reason: String,
    },
}

fn first_lines(messages: &str) -> String {
    if messages.is_empty() { String::from("; the compiler's messages are above") } else { format!(":\n{messages}") }
}

fn disk_full_hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::StorageFull {
        " (the disk is full: free about 1 GB there, or set LATHE_CACHE to a folder on another disk)"
    } else {
        ""
    }
}

/// Gives an [`io::Error`] the path it happened at.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> PrepareError + '_ {
    move |source| PrepareError::Io { path: path.to_owned(), source }
}

/// What a prepared folder holds and which toolchain made it (`prepared.json`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Info {
    /// Name of the folder.
    pub hash: String,
    /// What the kernel that made it expects of a prepared folder.
    #[serde(default)]
    pub format: String,
    /// Hash of our own sources.
    #[serde(default)]
    pub sources: String,
    /// The compiler itself, not rustup's proxy.
    pub rustc: PathBuf,
    /// The cargo beside it.
    pub cargo: PathBuf,
    /// What `cargo --version` prints.
    pub cargo_version: String,
    /// The toolchain's folder.
    pub sysroot: PathBuf,
    /// Host triple.
    pub target: String,
    /// Where the sources were.
    pub workspace: PathBuf,
    /// Flags that any crate linking the prelude needs.
    pub flags: Vec<String>,
    /// Flags that make rustc call the linker itself and not through the C compiler; empty where that does not work.
    #[serde(default)]
    pub linker: Vec<String>,
}

/// A prepared folder in use; while this value lives it is not collected.
#[derive(Debug)]
pub struct Prepared {
    dir: PathBuf,
    info: Info,
    _in_use: File,
}

impl Prepared {
    /// Opens a folder made by [`find_or_build`]; `None` when it is not there or not complete.
    pub fn open(dir: &Path) -> Option<Self> {
        let info: Info = serde_json::from_slice(&std::fs::read(dir.join(INFO)).ok()?).ok()?;
        let lock = File::options().create(true).append(true).open(lock_path(dir)).ok()?;
        lock.lock_shared().ok()?;
        // Between the first look and the lock somebody may have collected it.
        dir.join(INFO).exists().then(|| Self { dir: dir.to_owned(), info, _in_use: lock })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its description.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Where what compiling the first cells of every session gave is kept; it may not exist.
    pub(crate) fn starts(&self) -> PathBuf {
        starts_path(&self.dir)
    }

    /// The dylib that cells link: `--extern lathe=<this>`.
    pub fn library(&self) -> PathBuf {
        self.dir.join(dylib_name())
    }

    /// Metadata of everything the prelude re-exports: `-L dependency=<this>`.
    pub fn deps(&self) -> PathBuf {
        self.dir.join("deps")
    }

    /// `LD_LIBRARY_PATH` of a program that links the prelude.
    pub fn library_path(&self) -> OsString {
        let mut path = OsString::from(&self.dir);
        path.push(":");
        path.push(self.info.sysroot.join("lib/rustlib").join(&self.info.target).join("lib"));
        path
    }

    /// Arguments that make rustc compile a file against the prelude, without the file and the output.
    ///
    /// `rustc <these> main.rs -o main`, then run it with [`Prepared::library_path`].
    pub fn rustc_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = self.info.flags.iter().map(OsString::from).collect();
        args.push("--extern".into());
        let mut lathe = OsString::from("lathe=");
        lathe.push(self.library());
        args.push(lathe);
        args.push("-L".into());
        let mut deps = OsString::from("dependency=");
        deps.push(self.deps());
        args.push(deps);
        args
    }

    /// Were our sources changed since? `false` when they cannot be read.
    pub fn is_outdated(&self) -> bool {
        let made = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        let Some(built) = made(&self.dir.join(INFO)) else { return false };
        let root = &self.info.workspace;
        if std::env::var_os(PREPARED_ENV).is_some() {
            return false;
        }
        let Ok(files) = fingerprint::sources(root) else { return false };
        // Reading them all is only needed when one was written after the build.
        files.iter().any(|file| made(file) > Some(built))
            && fingerprint::sources_hash(root).is_ok_and(|hash| hash != self.info.sources)
    }

    /// The answer to `cargo metadata` for the standard library, if it was to be had.
    pub(crate) fn sysroot_metadata(&self) -> Option<String> {
        std::fs::read_to_string(self.dir.join(SYSROOT_METADATA)).ok().map(|answer| self.placed(&answer))
    }

    /// The sources of the standard library that rust-analyzer reads.
    pub(crate) fn library_sources(&self) -> Option<PathBuf> {
        let library = self.dir.join(sources::SOURCES).join(sources::LIBRARY);
        library.join("core").is_dir().then_some(library)
    }

    /// The pruned answer to `cargo metadata` for a package that depends on `lathe`; see the `metadata` module.
    pub(crate) fn metadata(&self) -> io::Result<String> {
        std::fs::read_to_string(self.dir.join(METADATA)).map(|answer| self.placed(&answer))
    }

    /// An answer that names this folder.
    fn placed(&self, answer: &str) -> String {
        answer.replace(sources::PREPARED, &self.dir.to_string_lossy())
    }
}

/// `liblathe.so` (or what this platform calls it).
pub(crate) fn dylib_name() -> String {
    format!("{}lathe{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Beside a prepared folder: what compiling the first cells of every session gave.
fn starts_path(dir: &Path) -> PathBuf {
    dir.with_extension("starts")
}

fn lock_path(dir: &Path) -> PathBuf {
    dir.with_extension("lock")
}

/// Names a prepared folder to use whatever the sources are now, for example one that was copied to another place.
pub const PREPARED_ENV: &str = "LATHE_PREPARED";

/// The folder that [`PREPARED_ENV`] names.
fn chosen() -> Option<Result<Prepared, PrepareError>> {
    let dir = PathBuf::from(std::env::var_os(PREPARED_ENV)?);
    let missing = || PrepareError::Io { path: dir.join(INFO), source: io::Error::from(io::ErrorKind::NotFound) };
    Some(Prepared::open(&dir).ok_or_else(missing))
}

/// The prepared folder of the sources as they are now, if it was built before.
///
/// # Errors
/// When the workspace, the toolchain or the cache folder cannot be found.
pub fn locate() -> Result<Option<Prepared>, PrepareError> {
    if let Some(chosen) = chosen() {
        return chosen.map(Some);
    }
    let plan = fingerprint::Plan::of(&workspace_root()?)?;
    Ok(Prepared::open(&cache_root()?.join("prepared").join(&plan.hash)))
}

/// The prepared folder of the sources as they are now, built when needed; `say` gets a line for each step.
///
/// Two calls at the same time build once: the second waits. A killed build leaves only a staging folder, which the next
/// build removes.
///
/// # Errors
/// [`PrepareError`] says which step failed and what to do.
pub fn find_or_build(say: &mut dyn FnMut(&str)) -> Result<Prepared, PrepareError> {
    if let Some(chosen) = chosen() {
        return chosen;
    }
    let root = workspace_root()?;
    let plan = fingerprint::Plan::of(&root)?;
    let prepared = cache_root()?.join("prepared");
    let dir = prepared.join(&plan.hash);
    if let Some(found) = Prepared::open(&dir) {
        return Ok(found);
    }
    std::fs::create_dir_all(&prepared).map_err(at(&prepared))?;
    let lock_file = prepared.join("build.lock");
    let lock = File::options().create(true).append(true).open(&lock_file).map_err(at(&lock_file))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say("waiting for another Lathe process that prepares the prelude");
            lock.lock().map_err(at(&lock_file))?;
        }
        Err(TryLockError::Error(error)) => return Err(at(&lock_file)(error)),
    }
    if let Some(found) = Prepared::open(&dir) {
        return Ok(found);
    }
    build::build(&root, &plan, &prepared, &dir, say)?;
    // Tidying is not what was asked for; `collect_garbage` reports troubles to those who ask.
    let _ = collect_garbage(KEEP);
    Prepared::open(&dir)
        .ok_or_else(|| PrepareError::Io { path: dir.join(INFO), source: io::Error::from(io::ErrorKind::NotFound) })
}
