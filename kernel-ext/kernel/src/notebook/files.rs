use super::NotebookError;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file in one step (beside it, then renamed), making its folder; an existing file keeps its permissions.
///
/// # Errors
/// What the system says, for example a full disk; the old file is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A link is followed, so that the file it points to is replaced and not the link.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".lathe-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    let permissions = match std::fs::metadata(path) {
        Ok(old) => old.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    file.as_file().set_permissions(permissions)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The notebooks that the arguments name: a file stands for itself, a folder for the `.ipynb` files in it, sorted, without
/// check points and executed copies.
pub(super) fn expand(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, NotebookError> {
    let mut found = Vec::new();
    for argument in arguments {
        let failed = |source| NotebookError::Read { path: argument.clone(), source };
        if !std::fs::metadata(argument).map_err(failed)?.is_dir() {
            found.push(argument.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(argument).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if name.ends_with(".ipynb")
                && !name.starts_with('.')
                && !name.ends_with(".executed.ipynb")
                && path.is_file()
            {
                inside.push(path);
            }
        }
        if inside.is_empty() {
            return Err(NotebookError::Empty { path: argument.clone() });
        }
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}
