//! Where things lie in the repository, and how they are read and written.

use crate::error::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folders of one checkout.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The repository at `root` (the folder that holds `book/` and `notebooks/`).
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The repository that `start` lies in.
    ///
    /// # Errors
    /// [`Error::NoRoot`] when neither `start` nor a folder above it has `book/book.toml`.
    pub fn find(start: &Path) -> Result<Self> {
        start
            .ancestors()
            .find(|folder| folder.join("book/book.toml").is_file())
            .map(Self::new)
            .ok_or_else(|| Error::NoRoot(start.to_owned()))
    }

    /// The repository's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `book/`
    pub fn book(&self) -> PathBuf {
        self.root.join("book")
    }

    /// `book/src/`, where the texts are written.
    pub fn sources(&self) -> PathBuf {
        self.root.join("book/src")
    }

    /// The text of a chapter.
    pub fn chapter(&self, stem: &str) -> PathBuf {
        self.sources().join(format!("{stem}.md"))
    }

    /// The ids of a chapter's paragraphs.
    pub fn ids(&self, stem: &str) -> PathBuf {
        self.root.join(format!("book/ids/{stem}.json"))
    }

    /// `notebooks/`
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// The notebook of a chapter.
    pub fn notebook(&self, stem: &str) -> PathBuf {
        self.notebooks().join(format!("{stem}.ipynb"))
    }

    /// A path as it is shown to people: relative to the repository where it lies inside.
    pub fn show(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// The file names without `.md` of all chapters, in order. A chapter is called `NN-name.md`.
    ///
    /// # Errors
    /// When `book/src` cannot be read.
    pub fn chapters(&self) -> Result<Vec<String>> {
        self.stems(&self.sources(), "md")
    }

    /// The file names without `.ipynb` of the generated notebooks that exist, in order.
    ///
    /// # Errors
    /// When `notebooks` cannot be read.
    pub fn existing_notebooks(&self) -> Result<Vec<String>> {
        let folder = self.notebooks();
        if folder.is_dir() { self.stems(&folder, "ipynb") } else { Ok(Vec::new()) }
    }

    fn stems(&self, folder: &Path, extension: &str) -> Result<Vec<String>> {
        let mut stems = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let path = entry.map_err(Error::io(folder))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|ext| ext == extension) && is_chapter(stem) && path.is_file() {
                stems.push(stem.to_owned());
            }
        }
        stems.sort();
        Ok(stems)
    }

    /// The chapters that `wanted` means: `all`, a number (`1`, `01`), or a name with or without extension.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such chapter.
    pub fn select(&self, wanted: &str) -> Result<Vec<String>> {
        let all = self.chapters()?;
        if wanted == "all" {
            return Ok(all);
        }
        let name = Path::new(wanted).file_name().and_then(|name| name.to_str()).unwrap_or(wanted);
        let name = name.trim_end_matches(".md").trim_end_matches(".ipynb");
        let found: Vec<String> = all
            .iter()
            .filter(|stem| {
                let number = stem.split('-').next().unwrap_or_default();
                *stem == name
                    || number == name
                    || name
                        .parse::<u32>()
                        .is_ok_and(|wanted| number.parse::<u32>().is_ok_and(|number| number == wanted))
            })
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(Error::Unknown { wanted: wanted.to_owned(), known: all.join(", ") });
        }
        Ok(found)
    }
}

/// `01-name`: two or three digits, a dash, a name.
pub(crate) fn is_chapter(stem: &str) -> bool {
    let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
    (2..=3).contains(&digits) && stem.as_bytes().get(digits) == Some(&b'-') && stem.len() > digits + 1
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::io(path))
}

/// Reads a text file that may be absent.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// Writes a file whole or not at all; says whether that changed anything.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let mut file = tempfile::Builder::new().prefix(".lathe-").tempfile_in(folder).map_err(Error::io(folder))?;
    file.write_all(content).map_err(Error::io(path))?;
    // A temporary file is private to its owner; what is tracked is readable as any other file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0o644, |meta| meta.permissions().mode() & 0o777);
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(Error::io(path))?;
    }
    file.persist(path).map_err(|error| Error::io(path)(error.error))?;
    Ok(true)
}
