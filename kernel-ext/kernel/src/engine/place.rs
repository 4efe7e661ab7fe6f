//! The cell that runs, and how places in the generated source are shown in it.

use super::fate::Fates;
use super::memory::Shifts;
use super::past::{Origin, Past, Ran};
use super::{calls, compile, diagnostics, locate, message, render};
use std::borrow::Cow;
use std::path::Path;

/// Lines of a cell that are shown for one failure.
const CALLS_SHOWN: usize = 3;

/// Libraries whose lines are looked up for one failure; each is compiled once more.
const LOOKED_UP: usize = 2;

/// A call in a generated source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub library: u64,
    pub line: u32,
    pub column: u32,
}

/// The cell and the source that was made from it.
pub(super) struct Place<'a> {
    pub code: &'a str,
    /// The cell's number; `None` while none runs.
    pub number: Option<u64>,
    /// Cells that ran, for what their code does later.
    pub past: &'a Past,
    /// The engine's folder.
    pub folder: &'a Path,
    /// What the kernel put into the cell.
    pub shifts: &'a Shifts,
    /// Earlier cells that define something.
    pub earlier: &'a [(u64, String)],
    pub fates: &'a Fates,
}

/// One generated source, and the cell it was made from.
struct Source<'a> {
    generated: Cow<'a, str>,
    code: &'a str,
    number: Option<u64>,
    command: Cow<'a, [u8]>,
    earlier: &'a [(u64, String)],
}

impl Source<'_> {
    fn sources(&self) -> locate::Sources<'_> {
        locate::Sources { generated: &self.generated, cell: self.code, number: self.number, earlier: self.earlier }
    }
}

impl Place<'_> {
    fn generated(&self) -> std::path::PathBuf {
        self.folder.join("cell/lib.rs")
    }

    /// The source of a library; without a number that of the cell that runs.
    fn source(&self, library: Option<u64>) -> Option<Source<'_>> {
        let origin = library.map_or(Origin::Running, |library| self.past.origin(library));
        let earlier = self.earlier;
        Some(match origin {
            Origin::Forgotten => return None,
            Origin::Earlier(ran) => Source {
                generated: Cow::Borrowed(&ran.generated),
                code: &ran.code,
                number: (!self.is_this(ran)).then_some(ran.number),
                command: Cow::Borrowed(&ran.command),
                earlier,
            },
            Origin::Running => Source {
                generated: Cow::Owned(std::fs::read_to_string(self.generated()).ok()?),
                code: self.code,
                number: None,
                command: Cow::Owned(calls::remembered(self.folder)),
                earlier,
            },
        })
    }

    fn is_this(&self, ran: &Ran) -> bool {
        self.number == Some(ran.number) && self.code == ran.code
    }

    /// The lines of a cell for a place in a generated source, marked.
    pub fn point(&self, library: Option<u64>, line: u32, column: u32, label: &str) -> Option<Vec<String>> {
        let source = self.source(library)?;
        let sources = source.sources();
        let spot = sources.spot(line as usize, column as usize)?;
        Some(render::point_at(&sources.name(spot), sources.text(spot), spot.line, Some(spot.column), label))
    }

    /// `cell:3:5` for a place in a generated source.
    pub fn name(&self, library: Option<u64>, line: u32, column: u32) -> Option<String> {
        let source = self.source(library)?;
        let sources = source.sources();
        let spot = sources.spot(line as usize, column as usize)?;
        Some(format!("{}:{}:{}", sources.name(spot), spot.line, spot.column))
    }

    pub fn is_generated(&self, file: &str) -> bool {
        file == "cell/lib.rs" || Path::new(file) == self.generated()
    }

    fn compiled<'b>(&'b self, generated: &'b str) -> locate::Sources<'b> {
        locate::Sources { generated, cell: self.code, number: None, earlier: self.earlier }
    }

    /// What the compiler warns of.
    pub fn warnings(&self) -> Vec<String> {
        let saved = diagnostics::warnings(self.folder).unwrap_or_default();
        compile::warnings(&self.compiled(&saved.source), &message::Message::read_all(&saved.messages))
    }

    /// Why the cell does not compile.
    pub fn compile_failure(&self, errors: &[evcxr::CompilationError]) -> compile::Failure {
        let saved = diagnostics::errors(self.folder);
        let told = saved.and_then(|saved| {
            compile::failure(&self.compiled(&saved.source), &message::Message::read_all(&saved.messages), self.fates)
        });
        told.unwrap_or_else(|| {
            let error = render::compile_error(self.code, errors, self.shifts);
            let whole = errors.iter().map(evcxr::CompilationError::rendered).collect::<String>();
            compile::Failure { error, details: None, whole: render::plain(&whole) }
        })
    }

    /// Places in generated sources that these addresses belong to, with their libraries; the innermost first.
    pub fn look_up(&self, calls: &[(u64, u64)]) -> Vec<Call> {
        let mut libraries: Vec<u64> = Vec::new();
        for (library, _) in calls {
            if !libraries.contains(library) {
                libraries.push(*library);
            }
        }
        let mut found = Vec::new();
        for library in libraries.into_iter().take(LOOKED_UP) {
            let Some(source) = self.source(Some(library)) else { continue };
            let addresses: Vec<u64> = calls.iter().filter(|(home, _)| *home == library).map(|(_, at)| *at).collect();
            let lines = calls::lines(self.folder, &source.generated, &source.command, &addresses);
            found.extend(lines.unwrap_or_default().into_iter().map(|(line, column)| Call { library, line, column }));
        }
        found
    }

    /// The name of the innermost call that a user wrote.
    pub fn name_call(&self, calls: &[Call]) -> Option<String> {
        calls.iter().find_map(|call| self.name(Some(call.library), call.line, call.column))
    }

    /// Calls in cells, marked; the innermost first.
    pub fn point_calls(&self, calls: &[Call], label: &str) -> Vec<String> {
        // A recursion comes by the same lines again and again.
        let mut names: Vec<String> = Vec::new();
        let mut below = Vec::new();
        for call in calls {
            let place = (Some(call.library), call.line, call.column);
            let Some(name) = self.name(place.0, place.1, place.2).filter(|name| !names.contains(name)) else {
                continue;
            };
            if names.len() == CALLS_SHOWN {
                break;
            }
            let label = if names.is_empty() { label } else { "called from here" };
            below.extend(self.point(place.0, place.1, place.2, label).unwrap_or_default());
            names.push(name);
        }
        below
    }
}
