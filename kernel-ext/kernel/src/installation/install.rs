use super::Spec;
use crate::notebook::write_atomically;
use serde_json::{Map, json};
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
    /// A name that Jupyter does not accept.
    #[error("{name:?} cannot be a kernel's name: use letters, digits, `-`, `_` and `.` only")]
    Name {
        /// The name.
        name: String,
    },
    /// The name stands for another clone that works.
    #[error("{} starts the kernel of {}: choose another --name, or --replace it", folder.display(), root.display())]
    Taken {
        /// The kernelspec.
        folder: PathBuf,
        /// The other clone.
        root: PathBuf,
    },
    /// The name stands for a kernel that is not Lathe's.
    #[error("{} belongs to another kernel: choose another --name", folder.display())]
    Foreign {
        /// The kernelspec.
        folder: PathBuf,
    },
}

/// What to register, and where.
#[derive(Debug, Clone, Default)]
pub struct InstallRequest {
    /// Jupyter's data folder, for example `~/.local/share/jupyter`.
    pub data: PathBuf,
    /// Absolute path of the `lathe-kernel` program.
    pub kernel: PathBuf,
    /// The clone whose prelude its cells use.
    pub root: PathBuf,
    /// The kernel's name; by default `lathe`, or `lathe-FOLDER` when another clone has that.
    pub name: Option<String>,
    /// What front ends show; by default "Rust (Lathe)", with the folder when another clone has that.
    pub display_name: Option<String>,
    /// Further variables for the kernel.
    pub env: Vec<(String, String)>,
    /// Take the name even from another clone that works.
    pub replace: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The kernelspec's folder.
    pub folder: PathBuf,
    /// The kernel's name.
    pub name: String,
    /// What front ends show.
    pub display_name: String,
    /// The clone that has the name `lathe`, when that is why another name was taken.
    pub beside: Option<PathBuf>,
}

const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-32x32.png", include_bytes!("logo/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("logo/logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("logo/logo-svg.svg")),
];

/// The files of a kernelspec of ours, `kernel.json` last.
pub(super) const FILES: [&str; 4] = ["logo-32x32.png", "logo-64x64.png", "logo-svg.svg", "kernel.json"];

/// Writes the kernelspec. Each file is replaced in one step, `kernel.json` last, so that Jupyter never sees half of it.
///
/// The kernel is interrupted by message: a signal would also hit the compiler and the cell's process, and it does not reach
/// a kernel on another machine.
///
/// # Errors
/// [`InstallError`], when the folder cannot be written to, or the name is not to be had.
pub fn install(request: &InstallRequest) -> Result<Installed, InstallError> {
    let text =
        |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| InstallError::Path { path: path.to_owned() });
    let (kernel, root) = (text(&request.kernel)?, text(&request.root)?);
    let kernels = request.data.join("kernels");
    let (name, beside) = choose(request, &kernels)?;
    let shown = match (&request.display_name, name.strip_prefix("lathe-")) {
        (Some(given), _) => given.clone(),
        (None, Some(clone)) => format!("Rust (Lathe, {clone})"),
        (None, None) if name == "lathe" => "Rust (Lathe)".to_owned(),
        (None, None) => format!("Rust (Lathe, {name})"),
    };
    let mut env = Map::from_iter([("LATHE_ROOT".to_owned(), root.clone().into())]);
    // A cache that only this shell's variable names would not be found by a Jupyter that was started elsewhere.
    if let Some(cache) = unusual_cache() {
        env.insert("LATHE_CACHE".to_owned(), text(&cache)?.into());
    }
    env.extend(request.env.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    let encryption: &[&str] = if crate::protocol::has_curve() { &["curve"] } else { &[] };
    let spec = json!({
        "argv": [kernel, "serve", "-f", "{connection_file}"],
        "display_name": shown,
        "language": "rust",
        "interrupt_mode": "message",
        "env": env,
        // Jupyter gives keys for encryption only to kernels that say so.
        "metadata": {
            "debugger": false,
            "supported_encryption": encryption,
            "lathe": {"version": env!("CARGO_PKG_VERSION"), "root": root},
        },
    });
    let folder = kernels.join(&name);
    let write = |file: &str, bytes: &[u8]| {
        let path = folder.join(file);
        write_atomically(&path, bytes).map_err(|source| InstallError::Write { path, source })
    };
    for (file, bytes) in LOGOS {
        write(file, bytes)?;
    }
    write("kernel.json", format!("{spec:#}\n").as_bytes())?;
    Ok(Installed { folder, name, display_name: shown, beside })
}

/// `LATHE_CACHE`, when it is not where caches are anyway.
fn unusual_cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = set("XDG_CACHE_HOME").map(|dir| dir.join("lathe")).or_else(|| Some(set("HOME")?.join(".cache/lathe")));
    set("LATHE_CACHE").and_then(|cache| std::path::absolute(cache).ok()).filter(|cache| Some(cache) != usual.as_ref())
}

/// What stands at a name.
enum Found {
    Free,
    Own,
    Other(PathBuf),
    Foreign,
}

fn look(folder: &Path, root: &Path) -> Found {
    match Spec::read(folder) {
        None if folder.join("kernel.json").exists() => Found::Foreign,
        None => Found::Free,
        Some(spec) if !spec.ours => Found::Foreign,
        Some(spec) if spec.belongs_to(root) => Found::Own,
        Some(spec) if spec.is_alive() => Found::Other(spec.root().unwrap_or_default()),
        Some(_) => Found::Free,
    }
}

/// The name, and the clone that has `lathe` if that is why it is another.
fn choose(request: &InstallRequest, kernels: &Path) -> Result<(String, Option<PathBuf>), InstallError> {
    if let Some(name) = &request.name {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(legal) {
            return Err(InstallError::Name { name: name.clone() });
        }
        let folder = kernels.join(name);
        return match look(&folder, &request.root) {
            Found::Foreign => Err(InstallError::Foreign { folder }),
            Found::Other(root) if !request.replace => Err(InstallError::Taken { folder, root }),
            _ => Ok((name.clone(), None)),
        };
    }
    let first = look(&kernels.join("lathe"), &request.root);
    let Found::Other(owner) = first else {
        return match first {
            Found::Foreign => Err(InstallError::Foreign { folder: kernels.join("lathe") }),
            _ => Ok(("lathe".to_owned(), None)),
        };
    };
    if request.replace {
        return Ok(("lathe".to_owned(), None));
    }
    let clone: String = request.root.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let slug: String = clone.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let names = std::iter::once(format!("lathe-{slug}")).chain((2..100).map(|n| format!("lathe-{slug}-{n}")));
    for name in names {
        if matches!(look(&kernels.join(&name), &request.root), Found::Free | Found::Own) {
            return Ok((name, Some(owner)));
        }
    }
    Err(InstallError::Taken { folder: kernels.join("lathe"), root: owner })
}
