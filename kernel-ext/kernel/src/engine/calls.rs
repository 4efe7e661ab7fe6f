//! From addresses in a cell's library to lines of the cell.
//!
//! Cells have no debug information: it would make the larger ones a third slower to compile. The code is the same with and
//! without it, byte for byte, so when a cell has failed it is compiled once more with it, and only to be looked up.

use super::original_env;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian};
use object::{Object, ObjectSection};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// In an engine's folder: how the cell that runs was compiled.
const COMMAND: &str = "rustc.json";
/// The calls that are looked up; an endless recursion has many more.
const CALLS: usize = 200;

#[derive(Debug, Serialize, Deserialize)]
struct Compilation {
    rustc: PathBuf,
    args: Vec<String>,
}

/// Remembers how a cell is compiled.
pub(super) fn remember(folder: &Path, command: &std::process::Command) {
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let compilation = Compilation { rustc: command.get_program().into(), args };
    // Without it a failure deep in a library does not name the cell's line.
    let _ = serde_json::to_vec(&compilation).map(|bytes| std::fs::write(folder.join(COMMAND), bytes));
}

/// Lines and columns of the generated source that the addresses belong to, the innermost call first.
pub(super) fn lines(folder: &Path, addresses: &[u64]) -> Option<Vec<(u32, u32)>> {
    let library = with_lines(folder)?;
    let bytes = std::fs::read(&library).ok()?;
    // It is as large as the cell's own library.
    let _ = std::fs::remove_file(&library);
    let file = object::File::parse(&*bytes).ok()?;
    let section = |id: addr2line::gimli::SectionId| -> Result<_, addr2line::gimli::Error> {
        let data = file.section_by_name(id.name()).and_then(|section| section.data().ok());
        Ok(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let context = addr2line::Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
    let mut found = Vec::new();
    for address in addresses.iter().take(CALLS) {
        let Ok(mut frames) = context.find_frames(*address).skip_all_loads() else { continue };
        while let Ok(Some(frame)) = frames.next() {
            let Some(at) = frame.location else { continue };
            if let (Some(file), Some(line)) = (at.file, at.line)
                && file.ends_with("cell/lib.rs")
            {
                found.push((line, at.column.unwrap_or(1).max(1)));
            }
        }
    }
    Some(found)
}

/// Compiles the cell again, with its lines.
fn with_lines(folder: &Path) -> Option<PathBuf> {
    let bytes = std::fs::read(folder.join(COMMAND)).ok()?;
    let Compilation { rustc, mut args } = serde_json::from_slice(&bytes).ok()?;
    let library = folder.join("lines.so");
    let output = args.iter().position(|arg| arg == "-o")?;
    *args.get_mut(output + 1)? = library.to_str()?.to_owned();
    for arg in &mut args {
        if arg == "debuginfo=0" {
            *arg = String::from("debuginfo=line-tables-only");
        }
    }
    let mut command = original_env::command(&rustc);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok()?.success().then_some(library)
}
