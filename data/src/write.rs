//! Frames to files. A file appears whole or not at all: it is written beside its place and then renamed.

use polars::prelude::*;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Why a frame could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file system refused.
    #[error("could not write {path}: {source}; check that the folder exists, is writable and has space")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// polars refused.
    #[error("could not encode {path}: {source}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// What polars said.
        source: PolarsError,
    },
}

/// Writes a frame as CSV with a header line; missing values are empty.
///
/// # Errors
/// [`WriteError`] names the file.
pub fn csv(frame: &DataFrame, path: &Path) -> Result<(), WriteError> {
    let mut frame = frame.clone();
    atomically(path, |file| {
        CsvWriter::new(file).with_datetime_format(Some("%Y-%m-%dT%H:%M:%S".into())).finish(&mut frame)
    })
}

/// Writes a frame as Parquet.
///
/// # Errors
/// [`WriteError`] names the file.
pub fn parquet(frame: &DataFrame, path: &Path) -> Result<(), WriteError> {
    let mut frame = frame.clone();
    atomically(path, |file| ParquetWriter::new(file).finish(&mut frame).map(|_| ()))
}

fn atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&std::fs::File>) -> PolarsResult<()>,
) -> Result<(), WriteError> {
    let io = |source| WriteError::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".lathe-").tempfile_in(folder).map_err(io)?;
    let mut writer = BufWriter::new(temporary.as_file());
    write(&mut writer).map_err(|source| WriteError::Encode { path: path.to_owned(), source })?;
    writer.flush().map_err(io)?;
    drop(writer);
    readable(temporary.as_file()).map_err(io)?;
    temporary.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Temporary files are private; the finished one is an ordinary file.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
