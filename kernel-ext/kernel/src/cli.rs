//! The command line of `lathe-kernel`.

use clap::{Args, Parser, Subcommand};
use lathe_kernel::notebook::Parameter;
use std::path::PathBuf;
use std::time::Duration;

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
    after_help = "Each notebook runs in a fresh kernel, in its own folder, and stops at the first failing cell. A cell tagged \
    `raises-exception` may fail; one tagged `skip-execution` is left out. The executed notebook is written as \
    NAME.executed.ipynb beside the notebook, or with --output DIR under its own name there, or with --in-place over itself \
    (only if every cell passed).\n\nParameters work as in papermill: the cell tagged `parameters` holds the defaults, and a \
    cell behind it, tagged `injected-parameters`, the values of this run, with the types of the defaults.\n\nCtrl-C stops \
    the running cells and keeps what was run; once more ends their processes.\n\nExit status: 0 all notebooks passed, 1 some \
    did not, 2 the command line is wrong, 130 stopped with Ctrl-C."
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
    /// Run so many notebooks at once [default: one for each core and each 1.5 GB of free memory]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Set a variable that the notebook declares in its cell tagged `parameters`; repeat for more
    #[arg(long = "parameter", short, value_name = "NAME=VALUE")]
    pub parameters: Vec<Parameter>,
    /// Fewer epochs and less data (LATHE_QUICK=1), to see whether everything runs
    #[arg(long)]
    pub quick: bool,
    /// Stop a cell that takes longer than this [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Stop a notebook whose cells take longer than this together [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub notebook_timeout: Option<Duration>,
    /// Go on after a failing cell
    #[arg(long)]
    pub allow_errors: bool,
    /// Write a summary in the JUnit format, one case for each cell, for CI
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// A time limit: more than 0 s and at most a year.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 3.2e7 => Ok(Duration::from_secs_f64(value)),
        _ => Err("a number of seconds above 0, for example 600".to_owned()),
    }
}

/// At least one.
fn jobs(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|jobs| (1..=256).contains(jobs)).ok_or_else(|| "a number from 1 to 256".to_owned())
}
