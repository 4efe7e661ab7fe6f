//! The first cells of every session are the same: evcxr's own and the prelude. They are compiled once for a prepared
//! folder, and what rustc gave, library and messages, is used again.

use super::shim;
use crate::prepared::Prepared;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// In an engine's folder while it starts: where results are kept.
const STARTING: &str = "starting";
/// More results than these are not kept: the start changed often, while somebody works on the kernel.
const MOST: usize = 30;

/// The engine in this folder starts.
pub(super) fn begin(folder: &Path, prepared: &Prepared) {
    // Without these files the start takes longer.
    let _ = fs::write(folder.join(STARTING), prepared.starts().as_os_str().as_encoded_bytes());
    let _ = fs::write(folder.join(shim::UNREAD), "");
}

/// The engine has started: what is compiled now are the user's cells.
pub(super) fn end(folder: &Path) {
    let _ = fs::remove_file(folder.join(STARTING));
}

/// A compilation of the start.
pub(super) struct Start {
    folder: PathBuf,
    command: String,
}

impl Start {
    /// `None` when an ordinary cell is compiled.
    pub fn of(folder: &Path, check: bool, command: &Command) -> Option<Self> {
        let kept = fs::read_to_string(folder.join(STARTING)).ok().filter(|_| !check)?;
        // The engine's folder has another name each time.
        let command = format!("{command:?}").replace(&*folder.to_string_lossy(), "");
        Some(Self { folder: PathBuf::from(kept), command })
    }

    fn path(&self, source: &str, extension: &str) -> PathBuf {
        let mut hasher = Sha256::new();
        for part in [&self.command, source] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let name: String = hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name).with_extension(extension)
    }

    /// What the compiler answered the last time; its library is put into place.
    pub fn find(&self, source: &str, library: &Path) -> Option<(i32, String)> {
        let text = fs::read_to_string(self.path(source, "txt")).ok()?;
        let (code, messages) = text.split_once('\n')?;
        let code = code.parse().ok()?;
        if code == 0 {
            fs::copy(self.path(source, "so"), library).ok()?;
        }
        Some((code, messages.to_owned()))
    }

    /// Remembers an answer; where nothing can be written the next start compiles again.
    pub fn keep(&self, source: &str, code: i32, messages: &str, library: &Path) {
        let full = || fs::read_dir(&self.folder).is_ok_and(|files| files.count() >= MOST);
        // A compiler that was killed says nothing about the source.
        if !matches!(code, 0 | 1) || fs::create_dir_all(&self.folder).is_err() || full() {
            return;
        }
        let put = |extension: &str, write: &dyn Fn(&Path) -> std::io::Result<()>| {
            // Another kernel may be reading: files come into place whole.
            let aside = self.folder.join(format!("{}.{extension}", std::process::id()));
            write(&aside).and_then(|()| fs::rename(&aside, self.path(source, extension)))
        };
        if code != 0 || put("so", &|to| fs::copy(library, to).map(drop)).is_ok() {
            let _ = put("txt", &|to| fs::write(to, format!("{code}\n{messages}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_again_for_the_same_source_only() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, engine) = (dir.path().join("kept"), dir.path().join("e1"));
        fs::create_dir(&engine).unwrap();
        let start = |engine: &Path| {
            let mut command = Command::new("rustc");
            command.arg("-o").arg(engine.join("libctx.so"));
            Start::of(engine, false, &command)
        };
        assert!(start(&engine).is_none(), "an ordinary cell");
        fs::write(engine.join(STARTING), kept.to_str().unwrap()).unwrap();
        let first = start(&engine).unwrap();
        let library = engine.join("libctx.so");
        fs::write(&library, "code").unwrap();
        first.keep("1", 0, "warning\nmore", &library);
        first.keep("2", 1, "error", &library);
        first.keep("3", 101, "the compiler broke", &library);

        let other = dir.path().join("e2");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(STARTING), kept.to_str().unwrap()).unwrap();
        let (second, library) = (start(&other).unwrap(), other.join("libctx.so"));
        assert_eq!(second.find("2", &library), Some((1, String::from("error"))));
        assert!(!library.exists());
        assert_eq!(second.find("1", &library), Some((0, String::from("warning\nmore"))));
        assert_eq!(fs::read_to_string(&library).unwrap(), "code");
        assert_eq!((second.find("3", &library), second.find("4", &library)), (None, None));
        end(&other);
        assert!(start(&other).is_none());
    }
}
