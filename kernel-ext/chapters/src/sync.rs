//! `sync` and `sync --check`.

use crate::error::{Error, Result};
use crate::generate::{chapter_hash, recorded};
use crate::hash::sources_hash;
use crate::layout::{self, Layout};
use crate::plan::Plan;
use crate::summary;
use lathe_kernel::notebook::{CellKind, Notebook};
use std::path::PathBuf;

/// Brings ids, notebooks and the table of contents up to date with the texts. Returns the files that changed.
///
/// Stored outputs stay with every cell whose source did not change. A chapter with an error is left alone, the others are done.
///
/// # Errors
/// Everything that is wrong in any chapter ([`Error::Many`]), after the others were written.
pub fn sync(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut errors = Vec::new();
    let mut chapters = Vec::new();
    for stem in layout.chapters()? {
        match Plan::new(layout, &stem).and_then(|plan| Ok((plan.write(layout)?, plan))) {
            Ok((files, plan)) => {
                written.extend(files);
                chapters.push(plan.chapter);
            }
            Err(error) => errors.push(error),
        }
    }
    let path = layout.sources().join("SUMMARY.md");
    let old = layout::read_if_there(&path)?.unwrap_or_else(|| String::from("# Summary\n"));
    if layout::write(&path, summary::complete(&old, &chapters).as_bytes())? {
        written.push(layout.show(&path));
    }
    Error::all(errors).map(|()| written)
}

/// Writes the first lines of a chapter, and syncs. Returns the text's file.
///
/// # Errors
/// When `name` is not like `04-attention`, or taken.
pub fn new_chapter(layout: &Layout, name: &str) -> Result<PathBuf> {
    let path = layout.chapter(name);
    let refused = |what: &str| Error::Source {
        file: layout.show(&path),
        line: 1,
        what: what.to_owned(),
        remedy: String::from("choose a name of two digits, a dash and a few words: 04-attention"),
    };
    if !layout::is_chapter(name) || !crate::chapter::is_id(name) {
        return Err(refused("this is no name for a chapter"));
    }
    if layout.chapters()?.iter().any(|stem| stem.split('-').next() == name.split('-').next()) {
        return Err(refused("there is a chapter with this number"));
    }
    let words = name.split('-').skip(1).collect::<Vec<_>>().join(" ");
    let title = words[..1].to_uppercase() + &words[1..];
    let text = format!(
        "<!--\nminutes: 30\ngoals:\n- Say what this chapter is good for.\n-->\n# {title}\n\nWhat is the question?\n\n\
         ```rust cell id=first\n1 + 1\n```\n"
    );
    layout::write(&path, text.as_bytes())?;
    sync(layout)?;
    Ok(layout.show(&path))
}

/// A form that is not up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The file.
    pub form: PathBuf,
    /// Why.
    pub why: String,
    /// The command that mends it.
    pub mend: String,
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}\n    mend it: {}", self.form.display(), self.why, self.mend)
    }
}

const SYNC: &str = "cargo lathe sync";

/// Compares every stored form with what it should be. Reads sources and hashes only: no kernel, no numbers.
///
/// # Errors
/// When a text cannot be understood at all (`sync` would refuse it too).
pub fn check(layout: &Layout) -> Result<Vec<Stale>> {
    let sources = sources_hash(layout.root())?;
    let stems = layout.chapters()?;
    let mut stale = Vec::new();
    let mut errors = Vec::new();
    for stem in &stems {
        match Plan::new(layout, stem) {
            Ok(plan) => check_chapter(layout, &plan, &sources, &mut stale)?,
            Err(error) => errors.push(error),
        }
    }
    Error::all(errors)?;
    for stem in layout.existing_notebooks()?.into_iter().filter(|stem| !stems.contains(stem)) {
        let form = layout.show(&layout.notebook(&stem));
        let mend = format!("git rm {}", form.display());
        stale.push(Stale { form, why: format!("no chapter book/src/{stem}.md belongs to it"), mend });
    }
    let path = layout.sources().join("SUMMARY.md");
    let listed = summary::listed(&layout::read_if_there(&path)?.unwrap_or_default());
    for stem in stems.iter().filter(|stem| !listed.iter().any(|(listed, _)| listed == *stem)) {
        stale.push(Stale { form: layout.show(&path), why: format!("it does not list {stem}.md"), mend: SYNC.into() });
    }
    for (stem, line) in listed.iter().filter(|(stem, _)| !stems.contains(stem)) {
        let why = format!("line {line} lists {stem}.md, which does not exist");
        stale.push(Stale {
            form: layout.show(&path),
            why,
            mend: String::from("delete that line or write the chapter"),
        });
    }
    Ok(stale)
}

fn check_chapter(layout: &Layout, plan: &Plan, sources: &str, stale: &mut Vec<Stale>) -> Result<()> {
    let stem = &plan.chapter.stem;
    let execute = format!("cargo lathe sync --execute {}", stem.split('-').next().unwrap_or(stem));
    let mut add = |form: PathBuf, why: String, mend: &str| {
        stale.push(Stale { form: layout.show(&form), why, mend: mend.to_owned() });
    };
    for line in &plan.new_cells {
        add(layout.chapter(stem), format!("the cell in line {line} has no id"), SYNC);
    }
    if layout::read_if_there(&layout.ids(stem))?.unwrap_or_default() != crate::ids::to_json(&plan.ids) {
        add(layout.ids(stem), String::from("the ids of the paragraphs are not those of the text"), SYNC);
    }
    let notebook = layout.notebook(stem);
    let Some(old) = &plan.old else {
        add(notebook, String::from("it does not exist"), &execute);
        return Ok(());
    };
    if layout::read(&notebook)? != plan.notebook.to_json() {
        add(notebook.clone(), difference(old, &plan.notebook), SYNC);
    }
    let hash = |name: &str| recorded(old).and_then(|lathe| lathe.get(name)?.as_str());
    match (hash("chapter_hash"), hash("sources_hash")) {
        (Some(chapter), _) if chapter != chapter_hash(&plan.chapter) => {
            add(
                notebook,
                String::from("its outputs are of other cells: the code of the chapter changed since they were stored"),
                &execute,
            );
        }
        (Some(_), Some(stored)) if stored != sources => {
            add(
                notebook,
                String::from(
                    "its outputs are of other code: lab, data, case, display or prelude changed since they were stored",
                ),
                &execute,
            );
        }
        (Some(_), Some(_)) => {
            if let Some(cell) =
                plan.notebook.cells.iter().find(|cell| cell.kind == CellKind::Code && cell.execution_count.is_none())
            {
                add(notebook, format!("the outputs of cell '{}' are missing", cell.id), &execute);
            }
        }
        _ if plan.chapter.cells().next().is_none() => {}
        _ => add(notebook, String::from("its outputs are missing: it was never executed in full"), &execute),
    }
    Ok(())
}

/// Says which cell is the first to differ.
fn difference(old: &Notebook, new: &Notebook) -> String {
    for (old, new) in old.cells.iter().zip(&new.cells) {
        if old.id != new.id {
            return format!("cell '{}' stands where the text has '{}'", old.id, new.id);
        }
        if old.source != new.source {
            return format!("the source of cell '{}' differs from the text", new.id);
        }
        if old != new {
            return format!("the tags of cell '{}' differ from the text", new.id);
        }
    }
    match old.cells.len() as i64 - new.cells.len() as i64 {
        0 => String::from("its metadata or layout is not what sync writes"),
        more if more > 0 => format!("it has {more} more cells than the text"),
        less => format!("it lacks {} cells of the text", -less),
    }
}
