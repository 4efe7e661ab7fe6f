//! What all forms of a chapter should be, computed from its text and from what is stored; nothing is written yet.

use crate::chapter::{Chapter, Kind};
use crate::error::{Error, Result};
use crate::ids::{self, Ids};
use crate::layout::{self, Layout};
use crate::{generate, math};
use lathe_kernel::notebook::Notebook;
use std::collections::HashSet;
use std::path::PathBuf;

/// The forms of one chapter.
pub(crate) struct Plan {
    /// The chapter, every block with its id.
    pub chapter: Chapter,
    /// Lines of cells to which an id was given just now: their text changes.
    pub new_cells: Vec<usize>,
    /// What is to be remembered of its paragraphs.
    pub ids: Ids,
    /// The notebook that is stored now.
    pub old: Option<Notebook>,
    /// The notebook as it should be.
    pub notebook: Notebook,
}

impl Plan {
    /// Reads a chapter and its stored forms.
    pub fn new(layout: &Layout, stem: &str) -> Result<Self> {
        let mut chapter = Chapter::load(layout, stem)?;
        let known = ids::read(&layout.ids(stem))?;
        let new_cells: Vec<usize> =
            chapter.cells().filter(|(block, _)| block.id.is_none()).map(|(block, _)| block.line).collect();
        if !new_cells.is_empty() {
            let text = with_cell_ids(&chapter, &known);
            chapter = Chapter::parse(stem, &text, &layout.show(&layout.chapter(stem)))?;
        }
        let ids = ids::assign(&mut chapter, &known);
        math::check(&chapter)?;
        let old = stored(layout, stem)?;
        let notebook = generate::notebook(&chapter, old.as_ref(), &layout.sources())?;
        Ok(Self { chapter, new_cells, ids, old, notebook })
    }

    /// Writes what changed and says which files those were.
    pub fn write(&self, layout: &Layout) -> Result<Vec<PathBuf>> {
        let stem = &self.chapter.stem;
        let mut written = Vec::new();
        let mut put = |path: PathBuf, content: &str| {
            layout::write(&path, content.as_bytes()).map(|changed| written.extend(changed.then(|| layout.show(&path))))
        };
        if !self.new_cells.is_empty() {
            put(layout.chapter(stem), &self.chapter.text)?;
        }
        put(layout.ids(stem), &ids::to_json(&self.ids))?;
        put(layout.notebook(stem), &self.notebook.to_json())?;
        Ok(written)
    }
}

/// The stored notebook of a chapter, if there is one.
pub(crate) fn stored(layout: &Layout, stem: &str) -> Result<Option<Notebook>> {
    let path = layout.notebook(stem);
    let Some(text) = layout::read_if_there(&path)? else { return Ok(None) };
    Notebook::parse(&text, &layout.show(&path).display().to_string()).map(Some).map_err(|error| Error::Damaged {
        path: layout.show(&path),
        what: error.to_string(),
        remedy: format!("restore it from git, or delete it and run `cargo lathe sync --execute {stem}`"),
    })
}

/// The text with an id for every cell.
fn with_cell_ids(chapter: &Chapter, known: &Ids) -> String {
    let mut taken: HashSet<String> = chapter.blocks.iter().filter_map(|block| block.id.clone()).collect();
    taken.extend(known.iter().map(|known| known.id.clone()));
    let mut text = chapter.text.clone();
    let mut inserts = Vec::new();
    for block in &chapter.blocks {
        if let (None, Kind::Cell(cell)) = (&block.id, &block.kind) {
            inserts.push((cell.info_end, ids::fresh("c", &[&chapter.stem, &cell.code], &mut taken)));
        }
    }
    for (at, id) in inserts.into_iter().rev() {
        text.insert_str(at, &format!(" id={id}"));
    }
    text
}
