//! Sources of cells that ran: their code lives on in closures, threads and callbacks of widgets, and may fail much later.

use super::calls;
use std::collections::VecDeque;
use std::path::Path;

/// Cells that are remembered.
const CELLS: usize = 64;

/// A cell that ran.
#[derive(Debug)]
pub(super) struct Ran {
    /// The number in the name of its library.
    library: u64,
    /// Its number in the notebook.
    pub number: u64,
    /// What the user wrote.
    pub code: String,
    /// What was compiled.
    pub generated: String,
    /// How.
    pub command: Vec<u8>,
}

/// The newest cells that ran.
#[derive(Debug, Default)]
pub(super) struct Past {
    cells: VecDeque<Ran>,
    newest: u64,
}

/// Where a library comes from.
pub(super) enum Origin<'a> {
    /// The cell that runs.
    Running,
    /// An earlier one.
    Earlier(&'a Ran),
    /// A cell from too long ago.
    Forgotten,
}

impl Past {
    /// A cell ran; its library has this number.
    pub fn keep(&mut self, library: u64, number: u64, code: &str, folder: &Path) {
        let Ok(generated) = std::fs::read_to_string(folder.join("cell/lib.rs")) else { return };
        if self.cells.len() == CELLS {
            self.cells.pop_front();
        }
        let (code, command) = (code.to_owned(), calls::remembered(folder));
        self.cells.push_back(Ran { library, number, code, generated, command });
        self.newest = library;
    }

    /// Which cell was compiled to this library?
    pub fn origin(&self, library: u64) -> Origin<'_> {
        if library > self.newest {
            return Origin::Running;
        }
        self.cells.iter().find(|cell| cell.library == library).map_or(Origin::Forgotten, Origin::Earlier)
    }
}

/// The number of the newest library in the folder into which evcxr puts them.
pub(super) fn newest_library(folder: &Path) -> Option<u64> {
    let files = std::fs::read_dir(folder.join("out")).ok()?.flatten();
    let number =
        |name: std::ffi::OsString| name.to_str()?.strip_prefix("libcode_")?.strip_suffix(".so")?.parse::<u64>().ok();
    files.filter_map(|entry| number(entry.file_name())).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_have_their_cells() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("cell")).unwrap();
        std::fs::create_dir_all(dir.path().join("out")).unwrap();
        std::fs::write(dir.path().join("cell/lib.rs"), "source").unwrap();
        for name in ["libcode_9.so", "libcode_10.so", "libctx.so"] {
            std::fs::write(dir.path().join("out").join(name), "").unwrap();
        }
        assert_eq!(newest_library(dir.path()), Some(10));
        let mut past = Past::default();
        for library in 1..=70 {
            past.keep(library, 100 + library, "code", dir.path());
        }
        assert!(matches!(past.origin(71), Origin::Running) && matches!(past.origin(6), Origin::Forgotten));
        let Origin::Earlier(cell) = past.origin(7) else { panic!("it is remembered") };
        assert_eq!((cell.number, cell.generated.as_str()), (107, "source"));
    }
}
