//! `lathe-kernel`: the kernel, the child process of its cells and their `cargo`, by arguments and environment.

mod cli;
mod kernels;

use clap::Parser;
use cli::{Cli, Command, RunArgs};
use lathe_kernel::api::Engine;
use lathe_kernel::client::{Launch, RemoteEngine};
use lathe_kernel::engine::{self, EngineOptions, EvcxrEngine};
use lathe_kernel::notebook::Stop;
use lathe_kernel::notebook::command::{self, Console, RunRequest, Status, Summary};
use lathe_kernel::prepared::{self, Prepared};
use lathe_kernel::protocol::{self, ConnectionFile, Setup};
use std::error::Error;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

fn main() -> ExitCode {
    engine::enter_special_modes();
    find_rust();
    let result = match Cli::parse().command {
        Command::Serve { connection_file } => serve(&connection_file),
        Command::Run(args) => run(args),
        Command::Prepare { print } => prepare(print),
        Command::Install(args) => kernels::install(args),
        Command::List { place, json } => kernels::list(&place, json),
        Command::Remove(args) => kernels::remove(args),
        Command::Doctor { no_start, json } => kernels::doctor(!no_start, json),
        Command::Status { json } => kernels::status(json),
        Command::Version => {
            let folder = prepared::workspace_root().unwrap_or_default();
            let rust = protocol::rustc_version(&folder);
            writeln!(stdout(), "lathe-kernel {} (Rust {rust})", env!("CARGO_PKG_VERSION"))
                .map(|()| ExitCode::SUCCESS)
                .map_err(Into::into)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("lathe-kernel: {error}");
        ExitCode::FAILURE
    })
}

/// A Jupyter that was started from a desktop's menu, or by a service, often lacks rustup's folder in its `PATH`.
fn find_rust() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| dir.join("rustc").is_file()) {
        return;
    }
    let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let found = own.into_iter().chain(usual).map(|dir| dir.join("bin")).find(|dir| dir.join("rustc").is_file());
    if let Some(path) = found.and_then(|dir| std::env::join_paths(std::env::split_paths(&path).chain([dir])).ok()) {
        // SAFETY: no thread has been started yet.
        unsafe { std::env::set_var("PATH", path) };
    }
}

type Done = Result<ExitCode, Box<dyn Error>>;

fn start_engine(options: &EngineOptions, say: &mut dyn FnMut(&str)) -> Result<Box<dyn Engine>, String> {
    let (prepared, notice) = prepared::find_or_build_or_older(say).map_err(|error| error.to_string())?;
    let options = EngineOptions { notice, ..options.clone() };
    let engine = EvcxrEngine::start(prepared, &options).map_err(|error| error.to_string())?;
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
    engine::remove_private_folder();
    served?;
    // Threads of the compiler may still run; nothing of them is needed.
    std::process::exit(0);
}

/// How often Ctrl-C was pressed.
static PRESSED: AtomicU32 = AtomicU32::new(0);

fn count_interrupts() {
    extern "C" fn on_signal(_: libc::c_int) {
        PRESSED.fetch_add(1, Ordering::SeqCst);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler only adds to an atomic.
        unsafe { libc::signal(signal, on_signal as *const () as libc::sighandler_t) };
    }
}

/// Each notebook gets a kernel process of its own and is run as a front end would run it: what is stored is what Jupyter
/// stores, and kernels that run at once share nothing.
fn run(args: RunArgs) -> Done {
    let request = RunRequest {
        paths: args.paths,
        html: args.html,
        output: args.output,
        in_place: args.in_place,
        timeout: args.timeout,
        notebook_timeout: args.notebook_timeout,
        allow_errors: args.allow_errors,
        jobs: args.jobs,
        junit: args.junit,
        parameters: args.parameters,
        stop: Stop::watch(&PRESSED),
    };
    count_interrupts();
    // Made before the first kernel starts, and kept: all notebooks of a run see one and the same prelude.
    let prepared: Mutex<Option<Prepared>> = Mutex::new(None);
    let start = |folder: &Path, say: &mut dyn FnMut(&str)| -> Result<Box<dyn Engine>, String> {
        let dir = {
            let mut prepared = prepared.lock().unwrap_or_else(PoisonError::into_inner);
            let found = match prepared.take() {
                Some(found) => found,
                None => prepared::find_or_build(say).map_err(|error| error.to_string())?,
            };
            prepared.insert(found).dir().to_owned()
        };
        let mut launch = Launch::this_program();
        launch.working_dir = Some(std::path::absolute(folder).map_err(|error| error.to_string())?);
        launch.env.push((prepared::PREPARED_ENV.into(), dir.into()));
        if args.quick {
            launch.env.push(("LATHE_QUICK".into(), "1".into()));
        }
        Ok(Box::new(RemoteEngine::start(&launch).map_err(|error| error.to_string())?))
    };
    let (mut out, mut status) = (stdout(), stderr());
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let status = if status.is_terminal() { Status::Line(&mut status) } else { Status::Log(&mut status) };
    let summary = command::run(&request, &start, &mut Console { out: &mut out, colour, status })?;
    Ok(match summary {
        Summary { stopped: true, .. } => ExitCode::from(130),
        summary if summary.all_passed() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn prepare(print: bool) -> Done {
    let prepared = prepared::find_or_build(&mut |line| eprintln!("{line}"))?;
    let folder = prepared.dir().display();
    if print {
        writeln!(stdout(), "{folder}")?;
    } else {
        writeln!(stdout(), "the prelude is ready in {folder}")?;
    }
    Ok(ExitCode::SUCCESS)
}
