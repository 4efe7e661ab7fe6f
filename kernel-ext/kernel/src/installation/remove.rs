use super::install::FILES;
use super::{Spec, list};
use std::path::{Path, PathBuf};

/// Why a kernelspec was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is nothing of ours by that name.
    #[error("no kernelspec of Lathe named {name:?} was found; `cargo lathe kernel list` shows what there is")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A file cannot be removed.
    #[error("cannot remove {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The kernelspecs that `remove` would take: those of ours with one of these names, or without names those of this clone.
///
/// # Errors
/// [`RemoveError::Unknown`] for a name that is not there or not ours.
pub fn removable(data: &[PathBuf], names: &[String], root: &Path) -> Result<Vec<Spec>, RemoveError> {
    let specs = list::specs(data);
    if names.is_empty() {
        return Ok(specs.into_iter().filter(|spec| spec.belongs_to(root) || !spec.is_alive()).collect());
    }
    if let Some(name) = names.iter().find(|name| !specs.iter().any(|spec| spec.name() == **name)) {
        return Err(RemoveError::Unknown { name: name.clone() });
    }
    Ok(specs.into_iter().filter(|spec| names.contains(&spec.name())).collect())
}

/// Removes the files that we wrote, `kernel.json` first, then the folder. `false`: the folder stays, because it holds files
/// that are not ours.
///
/// # Errors
/// [`RemoveError::Io`].
pub fn remove(spec: &Spec) -> Result<bool, RemoveError> {
    for file in FILES.iter().rev() {
        let path = spec.folder.join(file);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(RemoveError::Io { path, source });
            }
            _ => {}
        }
    }
    match std::fs::remove_dir(&spec.folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(source) => Err(RemoveError::Io { path: spec.folder.clone(), source }),
    }
}
