//! What can be wrong with a chapter, its notebook or the book: where it is and how to mend it.

use std::path::{Path, PathBuf};

/// Everything that this crate reports. Each message names the place and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text of a chapter is not as it should be.
    #[error("{}:{line}: {what}\n    mend it: {remedy}", file.display())]
    Source {
        /// The Markdown file, relative to the repository.
        file: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A generated file (notebook, ids) that somebody damaged.
    #[error("{}: {what}\n    mend it: {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// No such chapter.
    #[error(
        "no chapter '{wanted}' in book/src (there are: {known}); name it by its number or its file name, such as '01'"
    )]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// A cell failed, or did not fail although it should.
    #[error("{chapter}: cell '{cell}' (book/src/{chapter}.md:{line}): {what}")]
    Cell {
        /// Chapter, by its file name without `.md`.
        chapter: String,
        /// The cell's id.
        cell: String,
        /// Line of the fence in the chapter.
        line: usize,
        /// The error, with its traceback.
        what: String,
    },
    /// The kernel could not be started.
    #[error("{chapter}: the kernel did not start: {what}")]
    Kernel {
        /// The chapter that was to run.
        chapter: String,
        /// Why.
        what: String,
    },
    /// A notebook would be too large to be stored.
    #[error(
        "notebooks/{chapter}.ipynb would have {bytes} bytes, the limit is {limit}: the biggest output is {mime} of cell '{cell}' \
         with {biggest} bytes\n    mend it: show less in that cell (a smaller figure, fewer rows), then run `cargo lathe sync --execute {chapter}` again"
    )]
    TooBig {
        /// The chapter.
        chapter: String,
        /// Size that it would have.
        bytes: usize,
        /// The limit.
        limit: usize,
        /// The cell with the biggest output.
        cell: String,
        /// MIME type (or kind) of that output.
        mime: String,
        /// Its size in bytes.
        biggest: usize,
    },
    /// Stored outputs come from full runs only.
    #[error(
        "LATHE_QUICK is set: a quick run never overwrites stored outputs\n    mend it: unset LATHE_QUICK, or use `lathe-chapters test` for a quick run"
    )]
    QuickStore,
    /// mdBook refused.
    #[error("the book cannot be built: {0}")]
    Book(String),
    /// Not inside a checkout of the repository.
    #[error("no book/book.toml here or above ({}): run this inside the repository, or name its folder with --root", .0.display())]
    NoRoot(PathBuf),
    /// Several of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Many(Vec<Error>),
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with the file that it concerns.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// `Ok` when nothing is wrong, the error itself when one thing is, [`Error::Many`] otherwise.
    pub(crate) fn all(mut errors: Vec<Error>) -> Result<()> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Many(errors)),
        }
    }
}
