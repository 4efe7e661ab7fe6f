use crate::prepared;
use crate::protocol::rustc_version;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a `lathe-kernel` program would use if it were started now (`lathe-kernel status --json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Version of Rust.
    pub rust: String,
    /// The clone.
    pub root: Option<PathBuf>,
    /// The prepared prelude of the sources as they are now; none: it is compiled when the kernel starts.
    pub prepared: Option<PathBuf>,
    /// Why the kernel would not start.
    pub problem: Option<String>,
}

impl Status {
    /// In a few words.
    pub fn words(&self) -> String {
        match (&self.problem, &self.prepared) {
            (Some(problem), _) => format!("does not start: {problem}"),
            (None, Some(_)) => "starts at once".to_owned(),
            (None, None) => "starts after compiling the prelude (`lathe-kernel prepare` does it now)".to_owned(),
        }
    }
}

/// Looks at the clone, the toolchain and the cache; builds nothing.
pub fn status() -> Status {
    let root = prepared::workspace_root();
    let found = prepared::locate();
    let problem = root.as_ref().err().or(found.as_ref().err()).map(ToString::to_string);
    let root = root.ok();
    let rust = rustc_version(root.as_deref().unwrap_or(std::path::Path::new(".")));
    let prepared = found.ok().flatten().map(|prepared| prepared.dir().to_owned());
    Status { version: env!("CARGO_PKG_VERSION").to_owned(), rust, root, prepared, problem }
}
