//! The cell that runs, and how places in the generated source are shown in it.

use super::fate::Fates;
use super::memory::Shifts;
use super::{calls, compile, diagnostics, locate, message, render};
use std::path::Path;

/// Lines of a cell that are shown for one failure.
const CALLS_SHOWN: usize = 3;

/// The cell and the source that was made from it.
pub(super) struct Place<'a> {
    pub code: &'a str,
    /// The engine's folder.
    pub folder: &'a Path,
    /// What the kernel put into the cell.
    pub shifts: &'a Shifts,
    /// Earlier cells that define something.
    pub earlier: &'a [(u64, String)],
    pub fates: &'a Fates,
}

impl Place<'_> {
    fn generated(&self) -> std::path::PathBuf {
        self.folder.join("cell/lib.rs")
    }

    fn sources<'b>(&'b self, generated: &'b str) -> locate::Sources<'b> {
        locate::Sources { generated, cell: self.code, earlier: self.earlier }
    }

    /// The lines of a cell for a place in the generated source, marked.
    pub fn point(&self, line: u32, column: u32, label: &str) -> Option<Vec<String>> {
        let generated = std::fs::read_to_string(self.generated()).ok()?;
        let sources = self.sources(&generated);
        let spot = sources.spot(line as usize, column as usize)?;
        Some(render::point_at(&sources.name(spot), sources.text(spot), spot.line, Some(spot.column), label))
    }

    /// `cell:3:5` for a place in the generated source.
    pub fn name(&self, line: u32, column: u32) -> Option<String> {
        let generated = std::fs::read_to_string(self.generated()).ok()?;
        let sources = self.sources(&generated);
        let spot = sources.spot(line as usize, column as usize)?;
        Some(format!("{}:{}:{}", sources.name(spot), spot.line, spot.column))
    }

    pub fn is_generated(&self, file: &str) -> bool {
        file == "cell/lib.rs" || Path::new(file) == self.generated()
    }

    /// What the compiler warns of.
    pub fn warnings(&self) -> Vec<String> {
        let saved = diagnostics::warnings(self.folder).unwrap_or_default();
        compile::warnings(&self.sources(&saved.source), &message::Message::read_all(&saved.messages))
    }

    /// Why the cell does not compile.
    pub fn compile_failure(&self, errors: &[evcxr::CompilationError]) -> compile::Failure {
        let saved = diagnostics::errors(self.folder);
        let told = saved.and_then(|saved| {
            compile::failure(&self.sources(&saved.source), &message::Message::read_all(&saved.messages), self.fates)
        });
        told.unwrap_or_else(|| {
            let error = render::compile_error(self.code, errors, self.shifts);
            let whole = errors.iter().map(evcxr::CompilationError::rendered).collect::<String>();
            compile::Failure { error, details: None, whole: render::plain(&whole) }
        })
    }

    /// The calls in a cell that these addresses belong to, marked; the innermost first.
    pub fn point_calls(&self, addresses: &[u64], label: &str) -> Vec<String> {
        let places = if addresses.is_empty() { None } else { calls::lines(self.folder, addresses) };
        let Ok(generated) = std::fs::read_to_string(self.generated()) else { return Vec::new() };
        let sources = self.sources(&generated);
        let mut spots: Vec<locate::Spot> = Vec::new();
        for (line, column) in places.unwrap_or_default() {
            // A recursion comes by the same lines again and again.
            spots.extend(sources.spot(line as usize, column as usize).filter(|spot| !spots.contains(spot)));
        }
        let mut below = Vec::new();
        for (index, spot) in spots.into_iter().take(CALLS_SHOWN).enumerate() {
            let label = if index == 0 { label } else { "called from here" };
            let (name, text) = (sources.name(spot), sources.text(spot));
            below.extend(render::point_at(&name, text, spot.line, Some(spot.column), label));
        }
        below
    }
}
