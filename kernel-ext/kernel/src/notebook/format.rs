use super::{files, json};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Why a notebook cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NotebookError {
    /// The file or folder is not there or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}; is the disk full or the folder read-only?", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is not JSON.
    #[error(
        "{name} is not JSON (line {line}, column {column}: {message}); it may be cut off or hold merge markers: restore it from git or make it again"
    )]
    Json {
        /// The file's name.
        name: String,
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// JSON, but not a notebook.
    #[error("{name} is not a notebook: {reason}")]
    NotANotebook {
        /// The file's name.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// A notebook of an older or newer format.
    #[error("{name} has notebook format {major}; this program reads format 4: open it in JupyterLab and save it")]
    Version {
        /// The file's name.
        name: String,
        /// Its major version.
        major: u64,
    },
    /// The notebook is for another language.
    #[error(
        "{name} is written for the kernel \"{kernel}\" ({language}), not for Rust: run it with `jupyter nbconvert --execute`"
    )]
    NotRust {
        /// The file's name.
        name: String,
        /// The kernel's name.
        kernel: String,
        /// The kernel's language.
        language: String,
    },
    /// A parameter that does not fit the cell that declares it.
    #[error("{name}: --parameter {parameter}: {reason}")]
    Parameter {
        /// The notebook's name.
        name: String,
        /// The parameter.
        parameter: String,
        /// Why it cannot be set.
        reason: String,
    },
    /// A folder without notebooks.
    #[error("{} holds no .ipynb file", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// What a cell is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellKind {
    /// Source code with outputs.
    Code,
    /// Prose.
    Markdown,
    /// Text that nobody interprets.
    Raw,
    /// A kind that this version does not know; it is kept as it is.
    Other(String),
}

impl CellKind {
    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "code" => Self::Code,
            "markdown" => Self::Markdown,
            "raw" => Self::Raw,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(super) fn as_name(&self) -> &str {
        match self {
            Self::Code => "code",
            Self::Markdown => "markdown",
            Self::Raw => "raw",
            Self::Other(name) => name,
        }
    }
}

/// A stored output of a code cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Printed text.
    Stream {
        /// `stdout` or `stderr`.
        name: String,
        /// The text.
        text: String,
    },
    /// A picture, table or other rich content.
    Display {
        /// MIME type to content: text as a string, binary as base64, JSON as a value.
        data: Map<String, Value>,
        /// Display metadata.
        metadata: Map<String, Value>,
    },
    /// The value of the cell's last expression.
    Result {
        /// MIME type to content.
        data: Map<String, Value>,
        /// Display metadata.
        metadata: Map<String, Value>,
        /// The cell's number.
        execution_count: Option<u64>,
    },
    /// Why the cell failed.
    Error {
        /// Kind of error.
        ename: String,
        /// One line.
        evalue: String,
        /// Lines with ANSI colours.
        traceback: Vec<String>,
    },
    /// A kind that this version does not know; it is kept as it is.
    Other(Value),
}

/// A cell of a notebook.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Code, prose or raw text.
    pub kind: CellKind,
    /// Stable name of the cell in its notebook (1 to 64 of `A-Za-z0-9-_`).
    pub id: String,
    /// The text, with `\n` between lines.
    pub source: String,
    /// Tags and whatever tools keep here.
    pub metadata: Map<String, Value>,
    /// What the cell showed (code cells only).
    pub outputs: Vec<Output>,
    /// The cell's number in the run that made the outputs (code cells only).
    pub execution_count: Option<u64>,
    /// Further fields, for example `attachments`.
    pub extra: Map<String, Value>,
}

impl Cell {
    fn new(kind: CellKind, id: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            source: source.into(),
            metadata: Map::new(),
            outputs: Vec::new(),
            execution_count: None,
            extra: Map::new(),
        }
    }

    /// A code cell without outputs.
    pub fn code(id: impl Into<String>, source: impl Into<String>) -> Self {
        Self::new(CellKind::Code, id, source)
    }

    /// A cell of prose.
    pub fn markdown(id: impl Into<String>, source: impl Into<String>) -> Self {
        Self::new(CellKind::Markdown, id, source)
    }

    /// Does the cell carry this tag (`metadata.tags`)?
    pub fn has_tag(&self, tag: &str) -> bool {
        self.metadata.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.iter().any(|t| t == tag))
    }

    /// Is it run: a code cell that is not empty and not tagged `skip-execution`?
    pub fn runs(&self) -> bool {
        self.kind == CellKind::Code && !self.source.trim().is_empty() && !self.has_tag("skip-execution")
    }

    /// Adds a tag once.
    pub fn add_tag(&mut self, tag: &str) {
        if !self.has_tag(tag) {
            let tags = self.metadata.entry("tags").or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(tags) = tags {
                tags.push(Value::from(tag));
            }
        }
    }
}

/// A notebook file.
///
/// ```
/// use lathe_kernel::notebook::{Cell, Notebook};
/// let mut notebook = Notebook::new();
/// notebook.cells.push(Cell::code("first", "1 + 1"));
/// let text = notebook.to_json();
/// assert!(text.ends_with("}\n"));
/// assert_eq!(Notebook::parse(&text, "demo.ipynb")?, notebook);
/// # Ok::<(), lathe_kernel::notebook::NotebookError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Notebook {
    /// The cells, in order.
    pub cells: Vec<Cell>,
    /// Kernel, language and whatever tools keep here.
    pub metadata: Map<String, Value>,
    /// Further top-level fields.
    pub extra: Map<String, Value>,
}

impl Default for Notebook {
    fn default() -> Self {
        Self::new()
    }
}

impl Notebook {
    /// An empty notebook for our kernel.
    pub fn new() -> Self {
        let mut notebook = Self { cells: Vec::new(), metadata: Map::new(), extra: Map::new() };
        notebook.metadata.insert("kernelspec".into(), json::kernelspec());
        notebook.metadata.insert("language_info".into(), json::language_info(None));
        notebook
    }

    /// Reads a notebook from its text; `name` is only for messages. Format 4.0 to 4.4 is read too and gets cell ids.
    ///
    /// # Errors
    /// [`NotebookError::Json`], [`NotebookError::NotANotebook`] or [`NotebookError::Version`].
    pub fn parse(text: &str, name: &str) -> Result<Self, NotebookError> {
        json::parse(text, name)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`NotebookError::Read`] and those of [`Notebook::parse`].
    pub fn read(path: &Path) -> Result<Self, NotebookError> {
        let bytes = std::fs::read(path).map_err(|source| NotebookError::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8_lossy(&bytes);
        Self::parse(text.trim_start_matches('\u{feff}'), &path.display().to_string())
    }

    /// The text of the file, as Jupyter writes it (format 4.5).
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Writes the file in one step: readers see the old or the new text, never half of it.
    ///
    /// # Errors
    /// [`NotebookError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), NotebookError> {
        files::write_atomically(path, self.to_json().as_bytes())
            .map_err(|source| NotebookError::Write { path: path.to_owned(), source })
    }

    /// Refuses a notebook whose metadata names another language; one that names none is taken for Rust.
    ///
    /// # Errors
    /// [`NotebookError::NotRust`].
    pub fn check_language(&self, name: &str) -> Result<(), NotebookError> {
        let field = |table: &str, key: &str| {
            self.metadata.get(table).and_then(|t| t.get(key)).and_then(Value::as_str).filter(|s| !s.is_empty())
        };
        let language = field("language_info", "name").or_else(|| field("kernelspec", "language"));
        match language {
            Some(language) if !language.eq_ignore_ascii_case("rust") => Err(NotebookError::NotRust {
                name: name.to_owned(),
                kernel: field("kernelspec", "name").unwrap_or("unknown").to_owned(),
                language: language.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// How many code cells there are.
    pub fn code_cells(&self) -> usize {
        self.cells.iter().filter(|cell| cell.kind == CellKind::Code).count()
    }
}
