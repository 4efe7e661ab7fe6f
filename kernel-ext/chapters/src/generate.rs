//! The notebook of a chapter.

use crate::chapter::{Block, Chapter, Kind};
use crate::error::Result;
use crate::ids::digest;
use crate::prose::{self, Prose};
use lathe_kernel::notebook::{Cell, CellKind, Notebook};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Hash of what the outputs of a chapter depend on within the chapter: its cells, in order, and which of them have to fail.
///
/// Prose is left out on purpose: a mended typo must not cost a training run. That the prose of a notebook is the chapter's is
/// seen by comparing the texts themselves.
pub fn chapter_hash(chapter: &Chapter) -> String {
    let parts: Vec<&str> = chapter
        .cells()
        .flat_map(|(_, cell)| [cell.code.trim_end(), if cell.should_fail { "fails" } else { "" }])
        .collect();
    digest(&parts)
}

/// Builds the notebook of `chapter`, whose blocks all have ids ([`crate::ids::assign`]). Outputs and recorded hashes are taken over
/// from `old` for each cell whose source did not change. `sources` is `book/src`, where images are.
///
/// # Errors
/// [`crate::Error::Source`] for an image that cannot be read.
pub fn notebook(chapter: &Chapter, old: Option<&Notebook>, sources: &Path) -> Result<Notebook> {
    let mut new = Notebook::new();
    let prose = Prose::new(chapter, sources)?;
    let mut run: Vec<&Block> = Vec::new();
    for block in &chapter.blocks {
        match &block.kind {
            Kind::Comment => {}
            Kind::Cell(cell) => {
                flush(&prose, chapter, &mut run, &mut new);
                new.cells.push(code(block, cell, old));
            }
            Kind::Heading(_) => {
                flush(&prose, chapter, &mut run, &mut new);
                run.push(block);
            }
            Kind::Prose => run.push(block),
        }
    }
    flush(&prose, chapter, &mut run, &mut new);
    let mut lathe = old.and_then(recorded).cloned().unwrap_or_default();
    lathe.insert("chapter".into(), json!(chapter.stem));
    new.metadata.insert("lathe".into(), Value::Object(lathe));
    Ok(new)
}

/// What the notebook says about its origin: `chapter`, and after a full run `chapter_hash` and `sources_hash`.
pub fn recorded(notebook: &Notebook) -> Option<&Map<String, Value>> {
    notebook.metadata.get("lathe")?.as_object()
}

/// The prose between two headings or cells becomes one notebook cell, named by its first block.
fn flush(prose: &Prose<'_>, chapter: &Chapter, blocks: &mut Vec<&Block>, new: &mut Notebook) {
    let Some(first) = blocks.first() else { return };
    let mut attachments = Map::new();
    let mut parts = Vec::new();
    for block in blocks.iter() {
        parts.push(prose.block(block, &mut attachments));
        if block.kind == Kind::Heading(1) && !new.cells.iter().any(|cell| cell.kind == CellKind::Markdown) {
            parts.extend(prose::about(chapter));
        }
    }
    let mut cell = Cell::markdown(first.id.clone().unwrap_or_default(), parts.join("\n\n"));
    if !attachments.is_empty() {
        cell.extra.insert("attachments".into(), Value::Object(attachments));
    }
    new.cells.push(cell);
    blocks.clear();
}

fn code(block: &Block, cell: &crate::chapter::Cell, old: Option<&Notebook>) -> Cell {
    let mut new = Cell::code(block.id.clone().unwrap_or_default(), cell.code.trim_end());
    if cell.should_fail {
        new.add_tag("raises-exception");
    }
    if cell.hide {
        new.add_tag("hide-input");
        new.metadata.insert("jupyter".into(), json!({"source_hidden": true}));
    }
    let same = |kept: &&Cell| kept.kind == CellKind::Code && kept.source == new.source;
    let kept = old.and_then(|old| {
        let mut candidates = old.cells.iter().filter(same);
        candidates.clone().find(|kept| kept.id == new.id).or_else(|| candidates.next())
    });
    if let Some(kept) = kept {
        new.outputs.clone_from(&kept.outputs);
        new.execution_count = kept.execution_count;
    }
    new
}
