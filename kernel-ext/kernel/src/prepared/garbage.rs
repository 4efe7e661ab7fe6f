//! Old prepared folders.

use super::{INFO, PrepareError, at, cache_root, lock_path, starts_path};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Removes old prepared folders: the newest `keep` stay, and every one that a running kernel uses. Returns what was removed.
///
/// # Errors
/// When the cache folder cannot be found or read; a folder that cannot be removed is left for the next time.
pub fn collect_garbage(keep: usize) -> Result<Vec<PathBuf>, PrepareError> {
    collect_in(&cache_root()?.join("prepared"), keep)
}

fn collect_in(prepared: &Path, keep: usize) -> Result<Vec<PathBuf>, PrepareError> {
    if !prepared.exists() {
        return Ok(Vec::new());
    }
    let mut folders: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(prepared)
        .map_err(at(prepared))?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let made = path.join(INFO).metadata().ok()?.modified().ok()?;
            Some((made, path))
        })
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    let mut removed = Vec::new();
    for (_, dir) in folders.into_iter().skip(keep) {
        let Ok(lock) = File::options().create(true).append(true).open(lock_path(&dir)) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        // The description goes first: a half-removed folder is then not taken for a whole one.
        if std::fs::remove_file(dir.join(INFO)).is_ok() && std::fs::remove_dir_all(&dir).is_ok() {
            // A failure only leaves an empty file behind.
            let _ = std::fs::remove_file(lock_path(&dir));
            let _ = std::fs::remove_dir_all(starts_path(&dir));
            removed.push(dir);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::super::{Info, Prepared};
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_newest_and_those_in_use_stay() {
        let cache = tempfile::tempdir().unwrap();
        let make = |name: &str, age: u64| {
            let dir = cache.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            let info = Info {
                hash: name.to_owned(),
                format: String::new(),
                sources: String::new(),
                rustc: PathBuf::new(),
                cargo: PathBuf::new(),
                cargo_version: String::new(),
                sysroot: PathBuf::new(),
                target: String::new(),
                workspace: PathBuf::new(),
                flags: Vec::new(),
                linker: Vec::new(),
            };
            std::fs::write(dir.join(INFO), serde_json::to_vec(&info).unwrap()).unwrap();
            let file = File::options().write(true).open(dir.join(INFO)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            dir
        };
        let (new, old, used, half) = (make("new", 1), make("old", 10), make("used", 20), make("half", 30));
        std::fs::remove_file(half.join(INFO)).unwrap();
        let in_use = Prepared::open(&used).expect("it is whole");
        assert!(Prepared::open(&half).is_none());

        assert_eq!(collect_in(cache.path(), 1).unwrap(), std::slice::from_ref(&old));
        assert!(new.exists() && used.exists() && !old.exists());
        drop(in_use);
        assert_eq!(collect_in(cache.path(), 1).unwrap(), [used]);
        assert_eq!(collect_in(&cache.path().join("none"), 1).unwrap(), [] as [PathBuf; 0]);
    }
}
