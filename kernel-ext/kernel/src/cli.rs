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
    /// Register the kernel with Jupyter
    Install(InstallArgs),
    /// Show the kernels of Lathe that Jupyter can find on this machine, and whether they would start
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove kernelspecs that `install` wrote
    Remove(RemoveArgs),
    /// Find out what is wrong with the installation; starts a kernel to prove that it works
    #[command(after_help = "Exit status: 0 nothing is wrong (notes do not count), 1 something is.")]
    Doctor {
        /// Do not start a kernel
        #[arg(long)]
        no_start: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what this program would use if it were started now
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the version of the kernel and of Rust
    Version,
}

/// One of Jupyter's folders.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Place {
    /// A Python environment, or any folder with share/jupyter below it
    #[arg(long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
    /// For every Jupyter of this user
    #[arg(long)]
    pub user: bool,
    /// The Python environment that is active in this shell
    #[arg(long)]
    pub sys_prefix: bool,
}

/// Arguments of `install`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("place").required(true).args(["prefix", "user", "sys_prefix"]),
    after_help = "The kernel is called `lathe` and shown as \"Rust (Lathe)\". When another clone that works has this name, it \
    becomes `lathe-FOLDER`, \"Rust (Lathe, FOLDER)\", so that both can be used. Installing again replaces what this clone \
    installed before."
)]
pub struct InstallArgs {
    #[command(flatten)]
    pub place: Place,
    /// The kernel's name, for several on one machine
    #[arg(long)]
    pub name: Option<String>,
    /// What front ends show
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// A variable that the kernel and its cells get; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// Take the name from another clone
    #[arg(long)]
    pub replace: bool,
}

/// Arguments of `remove`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without a name: those of this clone, and those whose clone or program is gone. Only files that \
    `install` wrote are removed."
)]
pub struct RemoveArgs {
    /// Names of kernels, as `list` shows them
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub place: Place,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `NAME=VALUE`.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
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
