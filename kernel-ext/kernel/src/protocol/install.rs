//! The kernelspec: how Jupyter learns that this kernel exists.

use crate::notebook::write_atomically;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Why the kernelspec could not be written.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file cannot be written.
    #[error("cannot write {}: {source}; choose a folder that you may write to with --prefix", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A path that JSON cannot hold.
    #[error("{} is not UTF-8: move the clone to a folder with an ordinary name", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
}

const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-32x32.png", include_bytes!("logo/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("logo/logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("logo/logo-svg.svg")),
];

/// Writes `share/jupyter/kernels/lathe` below `prefix` and returns that folder. `kernel` is the absolute path of the
/// `lathe-kernel` program, `root` the clone whose prelude its cells use. Each file is replaced in one step, `kernel.json`
/// last, so that Jupyter never sees half a kernelspec.
///
/// # Errors
/// [`InstallError::Write`] when the folder cannot be written to, [`InstallError::Path`] for a path that is not UTF-8.
pub fn install(prefix: &Path, kernel: &Path, root: &Path) -> Result<PathBuf, InstallError> {
    let text =
        |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| InstallError::Path { path: path.to_owned() });
    let spec = json!({
        "argv": [text(kernel)?, "serve", "-f", "{connection_file}"],
        "display_name": "Rust (Lathe)",
        "language": "rust",
        "interrupt_mode": "message",
        "env": {"LATHE_ROOT": text(root)?},
        "metadata": {"debugger": false},
    });
    let folder = prefix.join("share/jupyter/kernels/lathe");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        write_atomically(&path, bytes).map_err(|source| InstallError::Write { path, source })
    };
    for (name, bytes) in LOGOS {
        write(name, bytes)?;
    }
    write("kernel.json", format!("{spec:#}\n").as_bytes())?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernelspec_names_the_program_and_has_logos() -> Result<(), Box<dyn std::error::Error>> {
        let prefix = tempfile::tempdir()?;
        for _ in 0..2 {
            let folder = install(prefix.path(), Path::new("/a/lathe-kernel"), Path::new("/clone"))?;
            let spec: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("kernel.json"))?)?;
            assert_eq!(spec["argv"], json!(["/a/lathe-kernel", "serve", "-f", "{connection_file}"]));
            assert_eq!(spec["env"]["LATHE_ROOT"], "/clone");
            assert_eq!(std::fs::read_dir(&folder)?.count(), 4);
            for size in [32_u32, 64] {
                let png = std::fs::read(folder.join(format!("logo-{size}x{size}.png")))?;
                assert_eq!((&png[1..4], &png[16..20]), (&b"PNG"[..], &size.to_be_bytes()[..]));
            }
        }
        Ok(())
    }

    #[test]
    fn a_prefix_that_is_a_file_is_refused_by_name() -> Result<(), Box<dyn std::error::Error>> {
        let file = tempfile::NamedTempFile::new()?;
        let error = install(file.path(), Path::new("/k"), Path::new("/c")).unwrap_err().to_string();
        assert!(error.contains("logo-32x32.png") && error.contains("--prefix"), "{error}");
        Ok(())
    }
}
