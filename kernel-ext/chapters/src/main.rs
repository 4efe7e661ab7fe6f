//! `lathe-chapters`: see the library.

use clap::{Parser, Subcommand};
use lathe_chapters::{Error, Layout, Told, chapter::Chapter};
use lathe_kernel::api::Engine;
use lathe_kernel::engine::{EngineOptions, EvcxrEngine, enter_special_modes};
use lathe_kernel::prepared;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// One chapter text, three forms: notebook, book page and test.
#[derive(Parser)]
#[command(name = "lathe-chapters", version)]
struct Arguments {
    /// The repository, if this is not run inside it.
    #[arg(long, global = true)]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring notebooks, ids and the table of contents up to date with the texts.
    Sync {
        /// Only say what is stale; exit with 1 if anything is.
        #[arg(long, conflicts_with = "execute")]
        check: bool,
        /// Then run these chapters in full and store their outputs: `01`, `01-name`, `all`, or `stale`.
        #[arg(long, value_name = "NN|all|stale", num_args = 1..)]
        execute: Vec<String>,
    },
    /// Run chapters in quick mode; writes nothing.
    Test {
        /// Which chapters (default: all).
        chapters: Vec<String>,
    },
    /// Build the book.
    Book {
        /// Show it in the browser.
        #[arg(long)]
        open: bool,
        /// Where to build it (default: book/build).
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// List the chapters.
    List,
    /// Start a chapter: a text that runs, and its entry in the table of contents.
    New {
        /// Such as `04-attention`.
        name: String,
    },
}

fn main() -> ExitCode {
    // This program is also the child of evcxr and the cargo that evcxr calls.
    enter_special_modes();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let text = format!("error: {error}");
            eprintln!("{}", if std::io::stderr().is_terminal() { text } else { plain(&text) });
            ExitCode::FAILURE
        }
    }
}

/// The compiler's messages without their colours, for logs.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| ('@'..='~').contains(&c)).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let layout = match arguments.root {
        Some(root) if root.join("book/book.toml").is_file() => Layout::new(std::path::absolute(&root).unwrap_or(root)),
        Some(root) => return Err(Error::NoRoot(root)),
        None => Layout::find(&std::env::current_dir().unwrap_or_default())?,
    };
    match arguments.command {
        Command::Sync { check: true, .. } => return check(&layout),
        Command::Sync { execute, .. } => {
            if !execute.is_empty() && lathe_chapters::quick_asked() {
                return Err(Error::QuickStore);
            }
            for file in lathe_chapters::sync(&layout)? {
                println!("wrote {}", file.display());
            }
            if !execute.is_empty() {
                let stems = wanted(&layout, &execute)?;
                lathe_chapters::execute(
                    &layout,
                    &stems,
                    &mut |quick| start(&layout, quick),
                    &mut Teller::new().tell(),
                )?;
            }
        }
        Command::Test { chapters } => {
            let all = [String::from("all")];
            let stems = wanted(&layout, if chapters.is_empty() { &all } else { &chapters })?;
            lathe_chapters::test(&layout, &stems, &mut |quick| start(&layout, quick), &mut Teller::new().tell())?;
        }
        Command::Book { open, out } => {
            let page = lathe_chapters::book(&layout, out.as_deref())?;
            println!("the book: {}", page.display());
            if open {
                open_in_browser(&page);
            }
        }
        Command::New { name } => {
            let file = lathe_chapters::new_chapter(&layout, &name)?;
            println!("wrote {}: book/README.md says how to go on", file.display());
        }
        Command::List => {
            for stem in layout.chapters()? {
                let chapter = Chapter::load(&layout, &stem)?;
                let minutes = chapter.front.minutes.map_or(String::new(), |minutes| format!("{minutes} min"));
                println!("{stem:24} {minutes:>7}  {:3} cells  {}", chapter.cells().count(), chapter.title);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(layout: &Layout) -> Result<ExitCode, Error> {
    let stale = lathe_chapters::check(layout)?;
    for stale in &stale {
        println!("{stale}");
    }
    if stale.is_empty() {
        println!("{} chapters: every form is up to date", layout.chapters()?.len());
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

fn wanted(layout: &Layout, names: &[String]) -> Result<Vec<String>, Error> {
    let mut stems = Vec::new();
    for name in names {
        if name == "stale" {
            let stale = lathe_chapters::check(layout)?;
            let is_stale = |stem: &String| {
                let notebook = PathBuf::from(format!("notebooks/{stem}.ipynb"));
                stale.iter().any(|stale| stale.form == notebook)
            };
            stems.extend(layout.chapters()?.into_iter().filter(is_stale));
        } else {
            stems.extend(layout.select(name)?);
        }
    }
    stems.sort();
    stems.dedup();
    Ok(stems)
}

/// Shows progress: a line that moves on a terminal, a line for each chapter everywhere.
struct Teller {
    terminal: bool,
}

impl Teller {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    fn tell(self) -> impl FnMut(Told) {
        move |told| match told {
            Told::Cell { chapter, id, number, of } if self.terminal => {
                eprint!("\r\u{1b}[2K{chapter}  cell {number} of {of}: {id}");
                let _ = std::io::stderr().flush();
            }
            Told::Done { chapter, cells, elapsed } => {
                self.clear();
                println!("{chapter}: {cells} cells, {:.1} s, ok", elapsed.as_secs_f64());
            }
            Told::Failed { chapter, elapsed } => {
                self.clear();
                println!("{chapter}: {:.1} s, FAILED", elapsed.as_secs_f64());
            }
            _ => {}
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\u{1b}[2K");
        }
    }
}

/// A fresh engine whose cells run where the notebook lies.
fn start(layout: &Layout, quick: bool) -> Result<Box<dyn Engine>, String> {
    let prepared = prepared::find_or_build(&mut |line| eprintln!("{line}")).map_err(|error| error.to_string())?;
    let options = EngineOptions { working_dir: Some(layout.notebooks()), quick, ..EngineOptions::default() };
    let engine = EvcxrEngine::start(prepared, &options).map_err(|error| error.to_string())?;
    Ok(Box::new(engine))
}

fn open_in_browser(page: &std::path::Path) {
    let opener = if std::env::var_os("WSL_DISTRO_NAME").is_some() { "wslview" } else { "xdg-open" };
    if std::process::Command::new(opener).arg(page).stdout(std::process::Stdio::null()).spawn().is_err() {
        println!("no {opener} here: open that file in a browser");
    }
}
