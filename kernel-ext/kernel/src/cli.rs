//! The command line of `lathe-kernel`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The Lathe kernel: Rust cells for Jupyter, and notebooks from the command line.
#[derive(Debug, Parser)]
#[command(name = "lathe-kernel", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a Jupyter front end (Jupyter itself calls this)
    Serve {
        /// The connection file that Jupyter wrote
        #[arg(short = 'f', long, value_name = "FILE")]
        connection_file: PathBuf,
    },
    /// Run notebooks without Jupyter and without Python, and store their outputs
    Run(RunArgs),
    /// Compile the prelude that cells link (once for each version of the sources); later starts are fast
    Prepare {
        /// Print only the folder's path on stdout
        #[arg(long)]
        print: bool,
    },
    /// Register the kernel with Jupyter as "Rust (Lathe)"
    #[command(group = clap::ArgGroup::new("place").required(true))]
    Install {
        /// The Python environment, or any folder with share/jupyter below it
        #[arg(long, value_name = "DIR", group = "place")]
        prefix: Option<PathBuf>,
        /// For every Jupyter of this user (below ~/.local)
        #[arg(long, group = "place")]
        user: bool,
    },
    /// Print the version of the kernel and of Rust
    Version,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each notebook runs in a fresh engine, in its own folder, and stops at the first failing cell. A cell tagged \
    `raises-exception` may fail; one tagged `skip-execution` is left out. The executed notebook is written as \
    NAME.executed.ipynb beside the notebook, or with --output DIR under its own name there, or with --in-place over itself \
    (only if every cell passed).\n\nExit status: 0 all notebooks passed, 1 some did not, 2 the command line is wrong."
)]
pub struct RunArgs {
    /// Notebooks, or folders of notebooks
    #[arg(required = true, value_name = "NOTEBOOK|FOLDER")]
    pub paths: Vec<PathBuf>,
    /// Also write NAME.html: one page without scripts, to read or to send
    #[arg(long)]
    pub html: bool,
    /// Write results to this folder
    #[arg(long, value_name = "DIR", conflicts_with = "in_place")]
    pub output: Option<PathBuf>,
    /// Store the outputs in the notebook itself
    #[arg(long)]
    pub in_place: bool,
    /// Fewer epochs and less data (LATHE_QUICK=1), to see whether everything runs
    #[arg(long)]
    pub quick: bool,
    /// Stop a cell that takes longer than this [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<std::time::Duration>,
    /// Go on after a failing cell
    #[arg(long)]
    pub allow_errors: bool,
}

/// A time limit: more than 0 s and at most a year.
fn seconds(text: &str) -> Result<std::time::Duration, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 3.2e7 => Ok(std::time::Duration::from_secs_f64(value)),
        _ => Err("a number of seconds above 0, for example 600".to_owned()),
    }
}
