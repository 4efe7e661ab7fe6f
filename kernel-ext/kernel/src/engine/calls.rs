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

/// How the cell that runs, or ran last, was compiled.
pub(super) fn remembered(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join(COMMAND)).unwrap_or_default()
}

/// Lines and columns of a generated source that the addresses in its library belong to, the innermost call first; `command`
/// says how it was compiled.
pub(super) fn lines(folder: &Path, generated: &str, command: &[u8], addresses: &[u64]) -> Option<Vec<(u32, u32)>> {
    let library = with_lines(folder, generated, command)?;
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

/// Compiles a cell again, with its lines, in a folder of its own: the next one may be compiled meanwhile.
fn with_lines(folder: &Path, generated: &str, command: &[u8]) -> Option<PathBuf> {
    let Compilation { rustc, mut args } = serde_json::from_slice(command).ok()?;
    let place = folder.join("again");
    std::fs::create_dir_all(place.join("cell")).ok()?;
    std::fs::write(place.join("cell/lib.rs"), generated).ok()?;
    let library = place.join("lines.so");
    let output = args.iter().position(|arg| arg == "-o")?;
    *args.get_mut(output + 1)? = library.to_str()?.to_owned();
    for arg in &mut args {
        if arg == "debuginfo=0" {
            *arg = String::from("debuginfo=line-tables-only");
        }
    }
    let mut command = original_env::command(&rustc);
    command.args(args).current_dir(place).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok()?.success().then_some(library)
}
