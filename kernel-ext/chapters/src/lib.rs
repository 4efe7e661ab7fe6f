//! One chapter text, three forms: notebook, book page and test.
//!
//! A chapter is written once, as Markdown in `book/src/NN-name.md`. [`sync()`] makes the notebook from it, [`execute()`] runs the
//! notebook and stores its outputs, [`book()`] builds the page with those outputs, [`test()`] runs the cells in quick mode. Nothing
//! is typed twice, and [`check()`] says when a form is not what the text says.
//!
//! # Writing a chapter
//!
//! ````markdown
//! <!--
//! minutes: 40
//! goals:
//! - Say what a VAE learns from healthy machines.
//! -->
//! # What does normal look like?
//!
//! A paragraph with a formula $x \sim \mathcal{N}(0, 1)$, and one that stands alone:
//!
//! $$ \mathcal{L}(x) = \mathbb{E}_q[\log p(x \mid z)] - \mathrm{KL}(q \,\|\, p) $$
//!
//! ```rust cell id=read-plant
//! let frame = plant.frame("press")?;
//! frame.head(Some(5))
//! ```
//! ````
//!
//! - The first heading is the title. The comment above it is optional: `minutes`, `goals`.
//! - ` ```rust cell ` is run. Its last expression is shown, `?` is allowed, variables live on in later cells.
//! - Every other fence is only shown: ` ```rust `, ` ```text `, ` ```console `.
//! - Attributes of a cell, in any order after `cell`:
//!
//! | attribute | meaning |
//! |---|---|
//! | `id=train-vae` | the stable name; lower-case letters, digits, dashes. `sync` writes one (`c-3fa9d2`) where it is missing |
//! | `hide` | folded away in book and notebook, outputs show; a comment in its first line is the fold's label |
//! | `quick=epochs:2,rows:500` | in a quick run `let epochs = ...;` of this cell is 2 and `rows` is 500; the reader sees the full values |
//! | `should_fail` | the cell has to end in an error (a shape that does not compile); one that runs through fails the chapter |
//!
//! - Formulas are LaTeX between `$` or `$$`, as in Jupyter; in the book they are MathML and show without a network. A dollar sign
//!   is `\$`.
//! - Links between chapters are `[text](02-name.md)`; images lie in `book/src` and travel inside the notebook. `> [!NOTE]`, `TIP`,
//!   `WARNING` are boxes. Reference links and footnotes work in all forms.
//! - Numbers that the text states are asserted in a cell, with a tolerance: `assert!((auroc - 0.97).abs() < 0.02)`.
//! - A figure carries a `text/plain` description: it becomes the alternative text of the picture in the book.
//! - What belongs in a cell and what in prose: one idea a cell, a sentence before it that says what to look for, one after it that
//!   says what was seen.
//!
//! Then: `cargo lathe sync` (ids, notebook, table of contents), `cargo lathe sync --execute 01` (full run, outputs stored),
//! `cargo lathe book --open`. `lathe-chapters test 01` is the quick run that CI makes. Commit the text, `book/ids/01-*.json` and the
//! notebook together.
//!
//! # What is stale
//!
//! The notebook's cells differ from the text; or the hash of the chapter's cells ([`chapter_hash`]) or of the code behind them
//! ([`sources_hash`]: lab, data, case, display, prelude; tokens only, no comments, no unit tests) differs from the one that the full run
//! recorded in the notebook's metadata under `lathe`; or outputs are missing. Numbers are never compared.
//!
//! # A second language
//!
//! Cells and ids are shared, prose is translated. `book/src/zh/01-name.md` will hold, for each block, `<!-- id: p-3fa9d2 -->` and the
//! translated paragraph, and for each cell only `<!-- cell: train-vae -->`: the code and its outputs come from the English chapter. A
//! block without translation is shown in English; one whose original's `hash` in `book/ids/01-name.json` is no longer the one that was
//! translated (`<!-- id: p-3fa9d2 of 81c2aa55 -->`) is marked as outdated. Pages of both languages have the same anchors, so a switch
//! stays at the paragraph. See [`ids`] for how ids survive edits.

mod book;
pub mod chapter;
mod error;
mod execute;
mod generate;
mod hash;
mod html;
pub mod ids;
mod layout;
mod math;
mod page;
mod plan;
mod prose;
mod strip;
mod summary;
mod sync;

pub use book::build as book;
pub use error::{Error, Result};
pub use execute::{LIMIT, Start, Told, execute, quick_asked, test};
pub use generate::{chapter_hash, notebook, recorded};
pub use hash::{SOURCES, sources_hash};
pub use layout::Layout;
pub use sync::{Stale, check, new_chapter, sync};
