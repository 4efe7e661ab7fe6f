//! The folder `deps` of the cache: one target folder for the crates of all sessions, and one small package for each set of
//! crates, which says which files of the target folder belong to it. When it grows over [`bound`], the sets that were not
//! used for longest go, with the files that no other set names.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// In the cache folder.
const CACHE: &str = "deps";
/// All sessions compile into it.
const TARGET: &str = "target";
/// In a package: what was built.
const READY: &str = "ready.json";
/// In a package: when a cell last used it (the file's time).
const USED: &str = "used";
/// Names another bound, in MB.
const BOUND_ENV: &str = "LATHE_DEPS_MB";
const BOUND: u64 = 2_000;
/// A session that used its crates within this time may use them again at any moment.
const IN_USE: Duration = Duration::from_secs(3600);
/// How much is kept of the bound, so that not every build removes something.
const KEEP: f64 = 0.8;

/// Where the crates of `:dep` are.
pub(super) fn cache() -> Result<PathBuf, String> {
    Ok(crate::prepared::cache_root().map_err(|error| error.to_string())?.join(CACHE))
}

pub(super) fn target(cache: &Path) -> PathBuf {
    cache.join(TARGET)
}

/// Bytes that the folder may take before the oldest crates go.
fn bound() -> u64 {
    let own = std::env::var(BOUND_ENV).ok().and_then(|text| text.trim().parse().ok());
    own.unwrap_or(BOUND).saturating_mul(1_000_000)
}

/// `ready.json`: what was built last.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ready {
    /// The lines below `[dependencies]`.
    pub section: String,
    /// For rustc.
    pub args: Vec<String>,
    /// Everything in the target folder that belongs to it.
    pub files: BTreeSet<PathBuf>,
    /// What was compiled, each with its features and all below it (see [`super::cost::units`]).
    pub units: BTreeSet<String>,
}

impl Ready {
    /// From an earlier build; `None` unless all its files are still there.
    pub fn read(place: &Path) -> Option<Self> {
        Self::parse(place).filter(|ready| ready.files.iter().all(|file| file.exists()))
    }

    fn parse(place: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(place.join(READY)).ok()?).ok()
    }

    pub fn write(&self, place: &Path) -> Result<(), String> {
        let file = place.join(READY);
        let bytes = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        fs::write(&file, bytes).map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// A cell uses this package now.
pub(super) fn touch(place: &Path) {
    // When it cannot be written its crates may be removed, and are compiled again.
    let _ = fs::write(place.join(USED), "");
}

/// One set of crates.
struct Set {
    place: PathBuf,
    used: SystemTime,
    ready: Option<Ready>,
}

fn sets(cache: &Path) -> Vec<Set> {
    let folders = fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path());
    let sets = folders.filter(|place| place.is_dir() && !place.ends_with(TARGET)).map(|place| {
        let time = |file: &str| place.join(file).metadata().and_then(|meta| meta.modified()).ok();
        let used = time(USED).or_else(|| time("Cargo.toml")).unwrap_or(SystemTime::UNIX_EPOCH);
        Set { ready: Ready::read(&place), used, place }
    });
    let mut sets: Vec<Set> = sets.collect();
    sets.sort_by_key(|set| std::cmp::Reverse(set.used));
    sets
}

/// Everything that any session has compiled and that is still there.
pub(super) fn units(cache: &Path) -> BTreeSet<String> {
    sets(cache).into_iter().filter_map(|set| set.ready).flat_map(|ready| ready.units).collect()
}

/// Bytes below a folder or of a file.
fn size(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
        }
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}

/// For `doctor`: the folder, what it takes and what it may take.
pub(crate) fn usage() -> Option<(PathBuf, u64, u64)> {
    let cache = cache().ok()?;
    let bytes = size(&cache);
    Some((cache, bytes, bound()))
}

/// Removes what was not used for longest, if the folder takes more than its bound; only while no other session builds.
pub(super) fn sweep(cache: &Path) {
    sweep_to(cache, bound(), SystemTime::now());
}

fn sweep_to(cache: &Path, bound: u64, now: SystemTime) {
    if size(cache) <= bound {
        return;
    }
    let budget = (bound as f64 * KEEP) as u64;
    let (mut kept, mut bytes, mut full) = (BTreeSet::new(), 0_u64, false);
    for (number, set) in sets(cache).into_iter().enumerate() {
        let busy = number == 0 || now.duration_since(set.used).unwrap_or_default() < IN_USE;
        let files = set.ready.as_ref().map(|ready| &ready.files);
        let new: BTreeSet<&PathBuf> = files.into_iter().flatten().filter(|file| !kept.contains(*file)).collect();
        let more: u64 = new.iter().map(|file| size(file)).sum();
        // Not the next smaller one either: what goes is what is oldest.
        full |= bytes + more > budget || set.ready.is_none();
        if busy || !full {
            bytes += more;
            kept.extend(new.into_iter().cloned());
        } else {
            // Tried again at the next build.
            let _ = fs::remove_dir_all(&set.place);
        }
    }
    let hashes: BTreeSet<&str> =
        kept.iter().flat_map(|file| file.iter()).filter_map(|part| hash(part.to_str()?)).collect();
    for folder in ["deps", "build", ".fingerprint", "incremental", "examples"] {
        let entries = fs::read_dir(target(cache).join("debug").join(folder)).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if name.to_str().and_then(hash).is_some_and(|hash| !hashes.contains(hash)) {
                let path = entry.path();
                let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        }
    }
}

/// The 16 digits that cargo appends to the name of whatever it compiles.
fn hash(name: &str) -> Option<&str> {
    let stem = name.split('.').next()?;
    let (_, hash) = stem.rsplit_once('-')?;
    (hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three sets, the oldest first; `common` belongs to two of them. Each file has 100 000 bytes.
    fn three_sets(cache: &Path, now: SystemTime) {
        let deps = target(cache).join("debug/deps");
        fs::create_dir_all(&deps).unwrap();
        let file = |name: &str| {
            let number = name.bytes().fold(0, |sum: u32, byte| sum * 31 + u32::from(byte));
            let path = deps.join(format!("lib{name}-{number:016x}.rlib"));
            fs::write(&path, vec![0; 100_000]).unwrap();
            path
        };
        for (name, hours, files) in
            [("old", 9, vec!["a", "common"]), ("middle", 8, vec!["b", "common"]), ("new", 3, vec!["c"])]
        {
            let place = cache.join(name);
            fs::create_dir(&place).unwrap();
            let files = files.into_iter().map(file).collect();
            Ready { files, ..Ready::default() }.write(&place).unwrap();
            touch(&place);
            let used = fs::File::options().write(true).open(place.join(USED)).unwrap();
            used.set_modified(now - Duration::from_secs(3600 * hours)).unwrap();
        }
        // Compiled for a build that was stopped: no set names it.
        fs::write(deps.join("libstray-00112233445566ff.rlib"), vec![0; 1000]).unwrap();
    }

    fn left(cache: &Path) -> Vec<String> {
        let names = fs::read_dir(target(cache).join("debug/deps")).unwrap().flatten();
        let mut names: Vec<_> = names
            .map(|entry| entry.file_name().to_string_lossy().split('-').next().unwrap_or_default().to_owned())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_oldest_crates_go_and_what_others_share_stays() {
        let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        let cache = dir.path();
        three_sets(cache, now);
        sweep_to(cache, 500_000, now);
        assert_eq!(
            left(cache),
            ["liba", "libb", "libc", "libcommon", "libstray"],
            "within the bound nothing is removed"
        );
        sweep_to(cache, 390_000, now);
        assert_eq!(left(cache), ["libb", "libc", "libcommon"]);
        assert!(!cache.join("old").exists() && Ready::read(&cache.join("middle")).is_some());
        // What was used within the hour stays whatever it takes, and so does the newest.
        touch(&cache.join("middle"));
        sweep_to(cache, 1000, now);
        assert_eq!(left(cache), ["libb", "libcommon"]);
        sweep_to(cache, 1000, now + Duration::from_secs(7200));
        assert_eq!(left(cache), ["libb", "libcommon"]);
        assert!(size(cache) > 200_000 && size(cache) < 210_000);
    }

    #[test]
    fn a_set_whose_files_are_gone_is_not_ready() {
        let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        three_sets(dir.path(), now);
        let place = dir.path().join("new");
        let ready = Ready::read(&place).unwrap();
        fs::remove_file(ready.files.first().unwrap()).unwrap();
        assert_eq!(Ready::read(&place), None);
    }

    #[test]
    fn cargos_hashes_are_found() {
        assert_eq!(hash("libmemchr-0a532fa003ceef15.rlib"), Some("0a532fa003ceef15"));
        assert_eq!(hash("regex-automata-8ab2f2256e2557ef"), Some("8ab2f2256e2557ef"));
        assert_eq!(hash("build-script-build"), None);
        assert_eq!(hash("lib.rs"), None);
    }
}
