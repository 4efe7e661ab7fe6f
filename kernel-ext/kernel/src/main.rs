//! `lathe-kernel`: the kernel, the child process of its cells and their `cargo`, by arguments and environment.

mod cli;

use clap::Parser;
use cli::{Cli, Command, RunArgs};
use lathe_kernel::api::Engine;
use lathe_kernel::engine::{self, EngineOptions, EvcxrEngine};
use lathe_kernel::notebook::command::{self, Console, RunRequest};
use lathe_kernel::prepared;
use lathe_kernel::protocol::{self, ConnectionFile, Setup, install};
use std::error::Error;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    engine::enter_special_modes();
    let result = match Cli::parse().command {
        Command::Serve { connection_file } => serve(&connection_file),
        Command::Run(args) => run(args),
        Command::Prepare { print } => prepare(print),
        Command::Install { prefix, user: _ } => install_kernelspec(prefix),
        Command::Version => {
            let folder = prepared::workspace_root().unwrap_or_default();
            let rust = protocol::rustc_version(&folder);
            writeln!(stdout(), "lathe-kernel {} (Rust {rust})", env!("CARGO_PKG_VERSION"))
                .map(|()| true)
                .map_err(Into::into)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lathe-kernel: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `Ok(false)` is a failure that was already explained.
type Done = Result<bool, Box<dyn Error>>;

fn start_engine(options: &EngineOptions, say: &mut dyn FnMut(&str)) -> Result<Box<dyn Engine>, String> {
    let prepared = prepared::find_or_build(say).map_err(|error| error.to_string())?;
    let engine = EvcxrEngine::start(prepared, options).map_err(|error| error.to_string())?;
    Ok(Box::new(engine))
}

fn serve(connection_file: &Path) -> Done {
    let connection = ConnectionFile::read(connection_file)?;
    protocol::handle_signals();
    // Asked before the engine changes the environment.
    let rust_version = protocol::rustc_version(&prepared::workspace_root().unwrap_or_default());
    let setup = Setup {
        start: Box::new(|note| start_engine(&EngineOptions::default(), &mut |line| note(line.to_owned()))),
        is_complete: engine::is_complete,
        rust_version,
        history: protocol::history_path(),
    };
    let served = protocol::serve(&connection, setup);
    protocol::kill_descendants();
    served?;
    // Threads of the compiler may still run; nothing of them is needed.
    std::process::exit(0);
}

fn run(args: RunArgs) -> Done {
    let RunArgs { paths, html, output, in_place, quick, timeout, allow_errors } = args;
    let request = RunRequest { paths, html, output, in_place, quick, timeout, allow_errors };
    let (mut out, mut status) = (stdout(), stderr());
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let live = status.is_terminal();
    let mut console = Console { out: &mut out, colour, status: live.then_some(&mut status as &mut dyn Write) };
    let mut start = |folder: &Path, say: &mut dyn FnMut(&str)| {
        let working_dir = std::path::absolute(folder).map_err(|error| error.to_string())?;
        start_engine(&EngineOptions { working_dir: Some(working_dir), quick, ..EngineOptions::default() }, say)
    };
    let passed = command::run(&request, &mut start, &mut console);
    protocol::kill_descendants();
    Ok(passed?)
}

fn prepare(print: bool) -> Done {
    let prepared = prepared::find_or_build(&mut |line| eprintln!("{line}"))?;
    let folder = prepared.dir().display();
    if print {
        writeln!(stdout(), "{folder}")?;
    } else {
        writeln!(stdout(), "the prelude is ready in {folder}")?;
    }
    Ok(true)
}

fn install_kernelspec(prefix: Option<PathBuf>) -> Done {
    let prefix = match prefix {
        Some(prefix) => prefix,
        None => PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set: use --prefix DIR")?).join(".local"),
    };
    let folder = install::install(&prefix, &std::env::current_exe()?, &prepared::workspace_root()?)?;
    writeln!(stdout(), "registered \"Rust (Lathe)\" in {}", folder.display())?;
    Ok(true)
}
