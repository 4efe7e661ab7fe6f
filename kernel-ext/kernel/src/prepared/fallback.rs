//! An older prelude, when the sources as they are now do not compile.

use super::fingerprint::{Plan, expected};
use super::{INFO, PrepareError, Prepared, cache_root, find_or_build, workspace_root};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// As [`find_or_build`]; when our sources do not compile, the newest older folder of the same clone and compiler is taken that
/// this kernel can use.
/// The second value then says so, for the user.
///
/// # Errors
/// [`PrepareError`] as for [`find_or_build`], when there is no older folder either.
pub fn find_or_build_or_older(say: &mut dyn FnMut(&str)) -> Result<(Prepared, Option<String>), PrepareError> {
    let error = match find_or_build(say) {
        Ok(found) => return Ok((found, None)),
        Err(error) => error,
    };
    let PrepareError::Build { messages, .. } = &error else { return Err(error) };
    let root = workspace_root()?;
    let plan = Plan::of(&root)?;
    let Some((older, age)) = newest(&cache_root()?.join("prepared"), &root, &plan.rustc) else { return Err(error) };
    Ok((older, Some(notice(messages, age))))
}

fn notice(messages: &str, age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    let age = match minutes {
        0..=119 => format!("{minutes} min"),
        120..=2879 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    };
    format!(
        "WARNING: the sources of the prelude (lab, data, ...) do not compile:\n{messages}\n\
         Cells use the lab as it was built {age} ago. Correct the error and restart the kernel.\n"
    )
}

/// The newest whole folder of this clone and compiler that this kernel can use, with its age.
fn newest(prepared: &Path, root: &Path, rustc: &Path) -> Option<(Prepared, Duration)> {
    let mut found: Vec<_> = std::fs::read_dir(prepared)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let made = path.join(INFO).metadata().ok()?.modified().ok()?;
            Some((made, path))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().find_map(|(made, path)| {
        let prepared = Prepared::open(&path)?;
        let info = prepared.info();
        let same = info.workspace == root && info.rustc == rustc && info.format == expected();
        same.then(|| (prepared, SystemTime::now().duration_since(made).unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Info;
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_newest_of_this_clone_and_compiler_is_taken() {
        let cache = tempfile::tempdir().unwrap();
        let make = |name: &str, workspace: &str, rustc: &str, age: u64, format: &str| {
            let dir = cache.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            let info = Info {
                hash: name.to_owned(),
                format: format.to_owned(),
                sources: String::new(),
                rustc: PathBuf::from(rustc),
                cargo: PathBuf::new(),
                cargo_version: String::new(),
                sysroot: PathBuf::new(),
                target: String::new(),
                workspace: PathBuf::from(workspace),
                flags: Vec::new(),
                linker: Vec::new(),
            };
            std::fs::write(dir.join(INFO), serde_json::to_vec(&info).unwrap()).unwrap();
            let file = std::fs::File::options().write(true).open(dir.join(INFO)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        let now = expected();
        make("other-clone", "/b", "/rustc", 1, &now);
        make("other-compiler", "/a", "/old-rustc", 2, &now);
        make("for-another-kernel", "/a", "/rustc", 3, "6-0123456789abcdef");
        make("older", "/a", "/rustc", 7200, &now);
        make("newer", "/a", "/rustc", 3600, &now);
        let (found, age) = newest(cache.path(), Path::new("/a"), Path::new("/rustc")).expect("two fit");
        assert_eq!(found.info().hash, "newer");
        assert!(age >= Duration::from_secs(3600));
        assert!(newest(cache.path(), Path::new("/c"), Path::new("/rustc")).is_none());
    }

    #[test]
    fn the_warning_names_the_error_and_the_age() {
        let text = notice("lab/src/vae.rs:3:5: error[E0308]: mismatched types", Duration::from_secs(4000));
        assert!(text.contains("lab/src/vae.rs:3:5") && text.contains("built 66 min ago"), "{text}");
    }
}
