//! A chapter's text, taken apart: front matter, prose blocks and cells.

mod attrs;
mod front;
mod parse;

pub(crate) use parse::{masked, options as parse_options};

pub use front::Front;

use crate::error::{Error, Result};
use crate::layout::Layout;
use std::ops::Range;
use std::path::Path;

/// One chapter as it is written in `book/src/NN-name.md`.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// File name without `.md`.
    pub stem: String,
    /// The whole text.
    pub text: String,
    /// What stands in the comment at the top.
    pub front: Front,
    /// The first heading.
    pub title: String,
    /// Everything else, in order.
    pub blocks: Vec<Block>,
}

/// A top-level piece of a chapter.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its bytes in [`Chapter::text`], without the newline at the end.
    pub range: Range<usize>,
    /// 1-based line where it starts.
    pub line: usize,
    /// The stable id; `None` until [`crate::sync`] has given one.
    pub id: Option<String>,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A heading of that level; its `{#id}` is the block's id.
    Heading(u8),
    /// A paragraph, list, table, quotation, formula, listing that is not run, or HTML.
    Prose,
    /// Code that is run.
    Cell(Cell),
    /// An HTML comment: front matter, an id for the next block, or a note among authors. It is in no form.
    Comment,
}

/// A fenced block ` ```rust cell ... `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The code, with a newline at its end unless it is empty.
    pub code: String,
    /// Folded away in the book and in the notebook; its outputs show.
    pub hide: bool,
    /// The cell has to end in an error.
    pub should_fail: bool,
    /// In a quick run `let NAME = ..;` gets this value instead.
    pub quick: Vec<(String, String)>,
    /// Where in the text ` id=...` has to be inserted when it is missing.
    pub info_end: usize,
}

impl Cell {
    /// The code as a quick run executes it: the values of `quick=` in the place of those that the reader sees.
    pub fn quick_code(&self) -> String {
        self.quick
            .iter()
            .fold(self.code.clone(), |code, (name, value)| attrs::rebind(&code, name, value).unwrap_or(code))
    }
}

impl Chapter {
    /// Takes a text apart; `file` is named in errors.
    ///
    /// # Errors
    /// [`Error::Source`], or [`Error::Many`] of them: an unclosed fence, an unknown attribute, a duplicate id, a cell inside a
    /// list, a damaged front matter, a missing title.
    ///
    /// ```
    /// use lathe_chapters::chapter::{Chapter, Kind};
    /// let chapter = Chapter::parse("01-first", "# First\n\nText.\n\n```rust cell id=sum\n1 + 1\n```\n", "01-first.md".as_ref()).unwrap();
    /// assert_eq!(chapter.title, "First");
    /// assert_eq!(chapter.cells().count(), 1);
    /// assert_eq!(chapter.blocks[2].id.as_deref(), Some("sum"));
    /// assert!(matches!(chapter.blocks[1].kind, Kind::Prose));
    /// ```
    pub fn parse(stem: &str, text: &str, file: &Path) -> Result<Self> {
        parse::parse(stem, text, file)
    }

    /// Reads and parses `book/src/STEM.md`.
    ///
    /// # Errors
    /// As [`Chapter::parse`], or [`Error::Io`].
    pub fn load(layout: &Layout, stem: &str) -> Result<Self> {
        let path = layout.chapter(stem);
        let text = crate::layout::read(&path)?;
        Self::parse(stem, &text, &layout.show(&path))
    }

    /// The Markdown of a block.
    pub fn source(&self, block: &Block) -> &str {
        &self.text[block.range.clone()]
    }

    /// The cells with their blocks, in order.
    pub fn cells(&self) -> impl Iterator<Item = (&Block, &Cell)> {
        self.blocks.iter().filter_map(|block| match &block.kind {
            Kind::Cell(cell) => Some((block, cell)),
            _ => None,
        })
    }

    /// The prose blocks, headings included.
    pub fn prose(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| matches!(block.kind, Kind::Heading(_) | Kind::Prose))
    }

    /// An [`Error::Source`] about a line of this chapter.
    pub(crate) fn error(&self, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Source {
            file: Path::new("book/src").join(format!("{}.md", self.stem)),
            line,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// May this be an id? Lower-case letters, digits and dashes, at most 64 of them, as notebooks demand.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !id.starts_with('-')
}
