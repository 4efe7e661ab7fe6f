use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A kernelspec: a folder with `kernel.json`, below `kernels` of one of Jupyter's data folders.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its folder; the folder's name is the kernel's name.
    pub folder: PathBuf,
    /// What front ends show.
    pub display_name: String,
    /// How the kernel is started.
    pub argv: Vec<String>,
    /// Variables that it gets.
    pub env: Vec<(String, String)>,
    /// We wrote it.
    pub ours: bool,
}

impl Spec {
    /// Reads a folder; `None` when it holds no readable `kernel.json`.
    pub fn read(folder: &Path) -> Option<Self> {
        let json: Value = serde_json::from_slice(&std::fs::read(folder.join("kernel.json")).ok()?).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let argv: Vec<String> = json["argv"].as_array().into_iter().flatten().filter_map(text).collect();
        let env = json["env"].as_object().into_iter().flatten();
        // Older ones carry no mark.
        let named = argv.first().is_some_and(|program| Path::new(program).file_name() == Some("lathe-kernel".as_ref()));
        Some(Self {
            folder: folder.to_owned(),
            display_name: text(&json["display_name"]).unwrap_or_default(),
            env: env.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
            ours: named || json["metadata"]["lathe"].is_object(),
            argv,
        })
    }

    /// The name by which notebooks ask for it.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The program that it starts.
    pub fn program(&self) -> PathBuf {
        self.argv.first().map(PathBuf::from).unwrap_or_default()
    }

    /// The clone whose prelude its cells use.
    pub fn root(&self) -> Option<PathBuf> {
        self.env.iter().find(|(name, _)| name == "LATHE_ROOT").map(|(_, value)| PathBuf::from(value))
    }

    /// Can it be started, and are its sources there?
    pub fn is_alive(&self) -> bool {
        is_program(&self.program()) && self.root().is_none_or(|root| root.join("Cargo.toml").is_file())
    }

    /// Does it belong to this clone?
    pub fn belongs_to(&self, root: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.ours && self.root().is_some_and(|own| real(&own) == real(root))
    }

    /// Its words and variables, to start it as Jupyter would.
    pub fn launch(&self) -> crate::client::Launch {
        let env = self.env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        crate::client::Launch {
            argv: self.argv.iter().map(OsString::from).collect(),
            env: env.collect(),
            ..Default::default()
        }
    }
}

/// Is it a file that may be executed?
pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
