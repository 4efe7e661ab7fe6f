//! The book: mdBook as a library, with our pages in the place of the chapters' texts.

use crate::error::{Error, Result};
use crate::html::Figures;
use crate::layout::{self, Layout};
use crate::page;
use crate::plan::Plan;
use mdbook_driver::MDBook;
use std::path::{Path, PathBuf};

/// Builds the book into `out` (by default what `book.toml` says) and returns its first page.
///
/// Nothing in the repository changes: what is not synced yet is rendered as it would be.
///
/// # Errors
/// What is wrong with a chapter, or [`Error::Book`].
pub fn build(layout: &Layout, out: Option<&Path>) -> Result<PathBuf> {
    let mut book = MDBook::load(layout.book()).map_err(mdbook)?;
    if let Some(out) = out {
        book.config.build.build_dir = std::path::absolute(out).map_err(Error::io(out))?;
    }
    let folder = book.build_dir_for("html");
    if out.is_some() && !may_be_emptied(&folder) {
        return Err(Error::Book(format!(
            "{} holds other files, which building would delete: name an empty folder",
            folder.display()
        )));
    }
    let mut figures = Figures::default();
    let mut errors = Vec::new();
    let chapters = layout.chapters()?;
    book.book.for_each_chapter_mut(|chapter| {
        let stem =
            chapter.source_path.as_deref().and_then(|path| path.to_str()?.strip_suffix(".md").map(str::to_owned));
        let Some(stem) = stem.filter(|stem| chapters.contains(stem)) else {
            chapter.content = page::with_formulas(&chapter.content);
            return;
        };
        let content =
            Plan::new(layout, &stem).and_then(|plan| page::markdown(&plan.chapter, Some(&plan.notebook), &mut figures));
        match content {
            Ok(content) => chapter.content = content,
            Err(error) => errors.push(error),
        }
    });
    Error::all(errors)?;
    book.build().map_err(mdbook)?;
    for (path, content) in &figures.files {
        layout::write(&folder.join(path), content)?;
    }
    for stem in &chapters {
        let path = layout.notebook(stem);
        if let Some(text) = layout::read_if_there(&path)? {
            layout::write(&folder.join(format!("notebooks/{stem}.ipynb")), text.as_bytes())?;
        }
    }
    Ok(folder.join("index.html"))
}

/// mdBook empties the folder that it writes to: let it be a new one, an empty one, or an earlier book.
fn may_be_emptied(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none()) || folder.join("toc.html").is_file()
}

/// All causes in one line.
fn mdbook(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    Error::Book(text)
}
