//! Plain paths, folders that can be written, and enough space.

use crate::root::{Places, problem};
use crate::sys;
use crate::trouble::{Trouble, gigabytes};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a first set-up writes: compiled libraries and programs in the target folder.
const TARGET: u64 = 4_500_000_000;
/// Sources of the libraries in cargo's home.
const SOURCES: u64 = 1_000_000_000;
/// JupyterLab.
const ENVIRONMENT: u64 = 400_000_000;
/// The prepared prelude.
const CACHE: u64 = 400_000_000;
/// What any start needs: logs, notebooks, the kernel's temporary files.
const ALWAYS: u64 = 200_000_000;

/// Paths that compilers can work in, and that can be written.
pub fn paths(places: &Places) -> Result<String, Trouble> {
    let named = |path: &PathBuf, variable: Option<&'static str>| match problem(path) {
        Some(problem) => Err(Trouble::BadPath { path: path.clone(), problem, variable }),
        None => Ok(()),
    };
    named(&places.root, None)?;
    named(&places.target, Some("CARGO_TARGET_DIR"))?;
    named(&places.cache, Some("LATHE_CACHE"))?;
    for folder in [&places.state, &places.cache, &places.root.join("notebooks/my"), &places.jupyter] {
        writable(folder)?;
    }
    writable(&places.tmp)?;
    Ok(format!("{} (built in {})", places.root.display(), places.target.display()))
}

/// Makes `folder` if need be and writes a file into it.
fn writable(folder: &Path) -> Result<(), Trouble> {
    let probe = folder.join(format!(".lathe-probe-{}", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, b"x"))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|e| Trouble::io("writing a probe", folder, &e))
}

/// Free space against what is still to be made.
pub fn space(places: &Places) -> Result<String, Trouble> {
    let built = places.state.join("built").is_file();
    let env = places.state.join("env").exists();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut needs = vec![
        (places.target.clone(), if built { 0 } else { TARGET }),
        (places.state.clone(), ALWAYS + if env { 0 } else { ENVIRONMENT }),
        (places.cache.clone(), if built { 0 } else { CACHE }),
        (places.tmp.clone(), ALWAYS),
    ];
    if let Some(home) = home.filter(|_| !built) {
        needs.push((home, SOURCES));
    }
    // Folders on one device share its space.
    let mut devices: Vec<(u64, PathBuf, u64)> = Vec::new();
    for (path, need) in needs {
        let Some((existing, device)) = path.ancestors().find_map(|p| Some((p, p.metadata().ok()?.dev()))) else {
            continue;
        };
        match devices.iter_mut().find(|d| d.0 == device) {
            Some(entry) => entry.2 += need,
            None => devices.push((device, existing.to_path_buf(), need)),
        }
    }
    let mut words = Vec::new();
    for (_, path, mut need) in devices {
        let Some(free) = sys::free_bytes(&path) else { continue };
        if free < need && !built {
            // A half-done build has used some of it already; looking takes a moment, so only when it matters.
            need = need.saturating_sub(size(&places.target)).max(ALWAYS);
        }
        if free < need {
            return Err(Trouble::Disk { path, free, need });
        }
        words.push(format!("{} free at {}", gigabytes(free), path.display()));
    }
    Ok(words.join(", "))
}

/// Bytes that a folder takes on disk; a file with several names counts once, links are not followed below `path`.
pub fn size(path: &Path) -> u64 {
    let mut seen = std::collections::HashSet::new();
    let mut sum = 0;
    let mut todo = vec![path.to_path_buf()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                todo.push(entry.path());
            } else if meta.nlink() < 2 || seen.insert((meta.dev(), meta.ino())) {
                sum += meta.blocks() * 512;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_links_count_once() {
        let dir = std::env::temp_dir().join(format!("lathe-size-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a")).unwrap();
        std::fs::write(dir.join("a/one"), vec![1u8; 100_000]).unwrap();
        let once = size(&dir);
        std::fs::hard_link(dir.join("a/one"), dir.join("two")).unwrap();
        assert_eq!(size(&dir), once);
        assert!((100_000..200_000).contains(&once), "{once}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
