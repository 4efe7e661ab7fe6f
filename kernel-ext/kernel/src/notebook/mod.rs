//! Notebook files: reading, writing, running without Jupyter, and HTML.
//!
//! - [`Notebook`], [`Cell`], [`Output`]: an `.ipynb` file (nbformat 4); unknown fields survive, and what is written is what
//!   Jupyter itself would write (sorted keys, one space of indentation, text as lists of lines), so diffs stay small.
//! - [`run_notebook`]: executes the cells with an [`Engine`](crate::api::Engine) and stores their outputs as a front end would.
//! - [`inject`]: parameters as papermill sets them.
//! - [`html`]: a notebook as one page without scripts, or the outputs of one cell as a fragment for a book page.
//! - [`command`]: what `lathe-kernel run` does with all of that.

pub mod command;
mod files;
mod format;
mod highlight;
pub mod html;
mod json;
mod markdown;
mod parameters;
mod run;
mod stop;
mod store;
mod style;
mod terminal;

pub use files::write_atomically;
pub use format::{Cell, CellKind, Notebook, NotebookError, Output};
pub use parameters::{Parameter, inject};
pub use run::{CellTiming, Failure, Progress, RunOptions, RunReport, run_notebook};
pub use stop::Stop;
pub use store::OutputStore;
