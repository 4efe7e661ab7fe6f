//! This program as `cargo` and `rustup`, for evcxr and rust-analyzer inside the kernel.
//!
//! A cell is compiled by one run of rustc against the prepared folder: no cargo, no fingerprints, no lock file. Questions
//! about the package are answered from what `prepare` stored. Whatever is not recognised goes to the real cargo.

use super::plan::Plan;
use super::record::{Kind, Writer};
use super::worker::Opt;
use super::{calls, deps, diagnostics, original_env, patch, starts, trim};
use crate::prepared::Prepared;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the folder of this kernel process: `bin/`, `shim.json` and one folder for each engine.
pub(crate) const RUN_ENV: &str = "LATHE_RUN_DIR";
/// In an engine's folder: the user has asked to stop.
pub(super) const INTERRUPTED: &str = "interrupted";
/// In an engine's folder: process group of the compiler that runs.
pub(super) const COMPILER: &str = "compiler.pid";
/// In an engine's folder: optimisation level of the next cell.
pub(super) const OPT_LEVEL: &str = "opt-level";
/// In an engine's folder: how many cells took the fast path.
pub(super) const FAST_COUNT: &str = "fast-path.count";
/// In an engine's folder: the FIFO to the kernel.
pub(super) const FIFO: &str = "output.fifo";
/// In an engine's folder: rust-analyzer is not to read any library yet.
pub(super) const UNREAD: &str = "unread";
/// In an engine's folder: rust-analyzer reads the libraries now.
pub(super) const READING: &str = "reading";
/// In the folder of a kernel process and of each engine: [`Config`].
pub(super) const CONFIG: &str = "shim.json";
/// Where evcxr wants to read the path of the library.
const SO_PATH_ENV: &str = "EVCXR_EXECUTION_SO_PATH";

/// `shim.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Config {
    /// The prepared folder.
    pub prepared: PathBuf,
    /// The environment before the kernel changed it.
    pub environment: Vec<(String, Option<String>)>,
}

/// Which tool this program was called as.
pub(super) fn tool_name() -> Option<&'static str> {
    std::env::var_os(RUN_ENV)?;
    let called = PathBuf::from(std::env::args_os().next()?);
    match called.file_name()?.to_str()? {
        "cargo" => Some("cargo"),
        "rustup" => Some("rustup"),
        _ => None,
    }
}

/// Answers as `rustup`.
pub(super) fn rustup() -> ! {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let shim = Shim::open(Path::new(""));
    match args.as_slice() {
        [which, tool] if which == "which" && tool == "cargo" => println!("{}", shim.run.join("bin/cargo").display()),
        [which, tool] if which == "which" && tool == "rustc" => println!("{}", shim.prepared.info().rustc.display()),
        _ => shim.exec(Command::new("rustup").args(args)),
    }
    std::process::exit(0)
}

/// Answers as `cargo`.
pub(super) fn cargo() -> ! {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let text: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let manifest =
        text.iter().position(|arg| *arg == "--manifest-path").and_then(|i| text.get(i + 1)).map(PathBuf::from);
    let here = std::env::current_dir().unwrap_or_default();
    let folder = manifest.as_deref().and_then(Path::parent).unwrap_or(&here).to_owned();
    let shim = Shim::open(&folder);
    let in_cell = folder.starts_with(&shim.run);
    // `-Z x` and options before the command do not matter here.
    let command = text.iter().find(|arg| !arg.starts_with('-') && **arg != "unstable-options").copied();
    match command {
        Some("--version") | None if text.contains(&"--version") => print!("{}", shim.prepared.info().cargo_version),
        Some("build") if in_cell => shim.build(&folder, false),
        Some("check") if in_cell => shim.build(&folder, true),
        Some("metadata") if in_cell => shim.metadata(&folder, &args),
        Some("locate-project") if in_cell => {
            println!("{}", serde_json::json!({ "root": folder.join("Cargo.toml") }));
        }
        // Nothing of ours is in cargo's configuration, and a cell's package has no other.
        Some("config") if in_cell => std::process::exit(1),
        Some("rustc") if in_cell && text.contains(&"--print") => shim.print_rustc(&text),
        Some("clean") if in_cell => {}
        Some("metadata")
            if [shim.prepared.info().sysroot.as_path(), shim.prepared.dir()]
                .iter()
                .any(|of| folder.starts_with(of)) =>
        {
            if shim.starts_empty() {
                println!("{}", crate::prepared::empty_library(&shim.run));
                std::process::exit(0)
            }
            match shim.prepared.sysroot_metadata() {
                Some(answer) => println!("{}", answer.trim_end()),
                // rust-analyzer then reads the standard library without the crates below it, and needs no network.
                None => std::process::exit(1),
            }
        }
        _ => shim.exec(Command::new(&shim.prepared.info().cargo).args(&args)),
    }
    std::process::exit(0)
}

struct Shim {
    run: PathBuf,
    config: Config,
    prepared: Prepared,
}

fn fail(message: &str) -> ! {
    eprintln!("error: lathe: {message}");
    std::process::exit(1)
}

impl Shim {
    /// For a question about `folder`, which may be that of an engine.
    fn open(folder: &Path) -> Self {
        let run = PathBuf::from(std::env::var_os(RUN_ENV).unwrap_or_default());
        let own = folder.join(CONFIG);
        let place = if folder.starts_with(&run) && own.exists() { own } else { run.join(CONFIG) };
        let read = |path: PathBuf| fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
        let config: Result<Config, String> =
            read(place).and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
        let config = config.unwrap_or_else(|error| fail(&error));
        let Some(prepared) = Prepared::open(&config.prepared) else {
            fail(&format!("{} is gone; restart the kernel", config.prepared.display()))
        };
        Self { run, config, prepared }
    }

    /// Is the question about the standard library that of an engine that starts, which wants nothing of it yet? All
    /// engines of the process ask it in the same place; while one of them reads the libraries the answer is for that one.
    fn starts_empty(&self) -> bool {
        let engines = || fs::read_dir(&self.run).into_iter().flatten().flatten();
        self.run.join(UNREAD).exists() && !engines().any(|engine| engine.path().join(READING).exists())
    }

    /// Becomes another program, in the environment from before the kernel changed it.
    fn exec(&self, command: &mut Command) -> ! {
        self.restore(command);
        let error = command.exec();
        fail(&format!("cannot run {}: {error}", command.get_program().display()))
    }

    fn restore(&self, command: &mut Command) {
        for (name, value) in &self.config.environment {
            original_env::set(command, name, value.as_deref().map(AsRef::as_ref));
        }
    }

    /// Compiles the cell in `folder`, or with `check` only looks for errors.
    fn build(&self, folder: &Path, check: bool) -> ! {
        register(folder);
        let stop_if_interrupted = || stop_if_interrupted(folder);
        let user_deps = self.user_deps(folder, stop_if_interrupted);

        let source = fs::read_to_string(folder.join("src/lib.rs")).unwrap_or_else(|error| fail(&error.to_string()));
        let out = folder.join("out");
        let plan = Plan::read(folder);
        let written = fs::create_dir_all(folder.join("cell")).and_then(|()| fs::create_dir_all(&out));
        if let Err(error) = written {
            fail(&format!("{}: {error}", folder.display()));
        }
        let library = out.join(format!("{}ctx{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX));
        let mut rustc = Command::new(&self.prepared.info().rustc);
        rustc.args(["--crate-name", "ctx", "cell/lib.rs", "--crate-type", "cdylib"]);
        rustc.args(["--error-format=json", "--json=diagnostic-rendered-ansi"]);
        // evcxr takes whatever a check says for an error.
        rustc.args(["--cap-lints", if check { "allow" } else { "warn" }]);
        // Types are written out, not shortened with the rest in a file.
        rustc.arg("--verbose");
        rustc.args(self.prepared.rustc_args());
        if user_deps.is_empty() {
            // A crate of the user's may bring native libraries, which only the C compiler knows how to find.
            rustc.args(&self.prepared.info().linker);
        }
        rustc.args(user_deps);
        // One name for ever: types of an earlier cell keep their identity.
        rustc.args(["-C", "metadata=lathe-cell", "-C", "debuginfo=0", "-C", "lto=off"]);
        let opt = Opt::from_text(&fs::read_to_string(folder.join(OPT_LEVEL)).unwrap_or_default());
        rustc.args(["-C", &format!("opt-level={}", opt.level)]);
        let checks = if opt.release { "off" } else { "on" };
        rustc.args(["-C", &format!("debug-assertions={checks}"), "-C", &format!("overflow-checks={checks}")]);
        // Functions in different units are not inlined into each other: a loop that calls `vec[i]` runs a third as fast.
        rustc.args(["-C", if opt.level >= 2 { "codegen-units=1" } else { "codegen-units=16" }]);
        if check {
            rustc.args(["--emit", "metadata", "--out-dir"]).arg(folder.join("check"));
        } else {
            rustc.args(["--emit", "link", "-o"]).arg(&library);
            count(&folder.join(FAST_COUNT));
            calls::remember(folder, &rustc);
            if let Some(file) = std::env::var_os(SO_PATH_ENV)
                && let Err(error) = fs::write(file, library.as_os_str().as_encoded_bytes())
            {
                fail(&error.to_string());
            }
        }
        self.restore(&mut rustc);
        rustc.current_dir(folder).stdin(Stdio::null());
        let start = starts::Start::of(folder, check, &rustc);
        let mut compile = |source: &str| {
            stop_if_interrupted();
            if let Some(known) = start.as_ref().and_then(|start| start.find(source, &library)) {
                return known;
            }
            if let Err(error) = fs::write(folder.join("cell/lib.rs"), source) {
                fail(&format!("{}: {error}", folder.display()));
            }
            let output = rustc.output().unwrap_or_else(|error| fail(&format!("cannot run rustc: {error}")));
            let code = output.status.code().unwrap_or(1);
            let messages = String::from_utf8_lossy(&output.stderr).into_owned();
            if let Some(start) = &start {
                start.keep(source, code, &messages, &library);
            }
            (code, messages)
        };
        // The first that compiles. What the compiler says is about the last: no closures of ours, and of a type that cannot be
        // shown evcxr's own form gives the clearer message.
        let mut form = |patched: &str| {
            let shown = patch::show_value(patched);
            let best = shown.as_deref().unwrap_or(patched);
            let rescued = if check { None } else { plan.with_rescue(best, folder) };
            let mut first = [rescued.as_deref(), shown.as_deref()].into_iter().flatten().map(&mut compile);
            first.find(|(code, _)| *code == 0).unwrap_or_else(|| compile(patched))
        };
        let mut attempt = |source: &str| {
            let mut last = (1, String::new());
            for patched in patch::conversions(&plan.without_dropped(&patch::patch(source))) {
                last = form(&patched);
                if last.0 == 0 || !patch::is_about_conversion(&last.1) {
                    break;
                }
            }
            last
        };
        let lean = trim::trim(&source, &plan.drop);
        let (mut code, mut messages) = attempt(&lean.text);
        if code != 0 && lean.misses(&messages) {
            (code, messages) = attempt(&source);
        }
        stop_if_interrupted();
        let messages = diagnostics::rewrite(&messages);
        diagnostics::save(folder, code != 0, &messages);
        eprint!("{messages}");
        std::process::exit(code)
    }

    /// `--extern` arguments of the crates that the user added by `:dep`.
    fn user_deps(&self, folder: &Path, stop_if_interrupted: impl Fn()) -> Vec<OsString> {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { return Vec::new() };
        let section = deps::section(&manifest);
        if section.is_empty() {
            return Vec::new();
        }
        let cargo = || self.real_cargo();
        let mut kernel = Writer::open(&folder.join(FIFO)).ok();
        let mut say = |text: &str| {
            if let Some(kernel) = &mut kernel {
                // Only progress.
                let _ = kernel.send(Kind::Stderr, text.as_bytes());
            }
        };
        match self.request(folder, &section).build(cargo, &mut say) {
            Ok(args) => {
                stop_if_interrupted();
                args
            }
            Err(error) => {
                // evcxr passes this line to the user.
                eprintln!("error: no matching package named: {error}");
                std::process::exit(1)
            }
        }
    }

    /// cargo itself, in the environment from before the kernel changed it.
    fn real_cargo(&self) -> Command {
        let mut command = Command::new(&self.prepared.info().cargo);
        self.restore(&mut command);
        command.env("RUSTC", &self.prepared.info().rustc);
        command
    }

    fn request<'a>(&'a self, folder: &'a Path, section: &'a str) -> deps::Request<'a> {
        let info = self.prepared.info();
        deps::Request { folder, section, toolchain: &info.sysroot, target: &info.target }
    }

    fn metadata(&self, folder: &Path, args: &[OsString]) -> ! {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("evcxr_dummy_validate_dep") {
            register(folder);
            // A question about the registry: only the real cargo knows.
            let place = folder.join("validate");
            let written = fs::create_dir_all(&place)
                .and_then(|()| fs::write(place.join("Cargo.toml"), &manifest))
                .and_then(|()| fs::write(place.join("lib.rs"), ""));
            if let Err(error) = written {
                fail(&error.to_string());
            }
            let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
            let output = deps::validate(folder, &place, &args, || self.real_cargo());
            let output = output.unwrap_or_else(|error| fail(&format!("cannot run cargo: {error}")));
            print!("{}", String::from_utf8_lossy(&output.stdout));
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            std::process::exit(output.status.code().unwrap_or(1))
        }
        if folder.join(UNREAD).exists() {
            println!(
                "{}",
                crate::prepared::empty_metadata().replace(crate::prepared::FOLDER, &folder.to_string_lossy())
            );
            std::process::exit(0)
        }
        let answer = self.prepared.metadata().unwrap_or_else(|error| fail(&error.to_string()));
        let answer = answer.replace(crate::prepared::FOLDER, &folder.to_string_lossy());
        let section = deps::section(&manifest);
        if section.is_empty() || args.iter().any(|arg| arg == "--no-deps") {
            println!("{answer}");
        } else {
            register(folder);
            let merged = self.request(folder, &section).merge_metadata(&answer, || self.real_cargo());
            println!("{}", merged.unwrap_or(answer));
        }
        std::process::exit(0)
    }

    fn print_rustc(&self, text: &[&str]) -> ! {
        let mut rustc = Command::new(&self.prepared.info().rustc);
        // rust-analyzer asks for the target's description, which only nightly prints otherwise.
        rustc.env("RUSTC_BOOTSTRAP", "1");
        let mut rest = text.iter().skip_while(|arg| **arg != "rustc").skip(1);
        while let Some(arg) = rest.next() {
            match *arg {
                "--" => {}
                "-Z" => drop(rest.next()),
                _ => drop(rustc.arg(arg)),
            }
        }
        rustc.args(["-Z", "unstable-options"]);
        self.exec(&mut rustc)
    }
}

/// Says that this process may take long, so that an interrupt finds it.
fn register(folder: &Path) {
    own_group();
    // The order matters: whoever interrupts writes the flag first and then looks for the compiler.
    if let Err(error) = fs::write(folder.join(COMPILER), std::process::id().to_string()) {
        fail(&format!("{}: {error}", folder.display()));
    }
    stop_if_interrupted(folder);
}

fn stop_if_interrupted(folder: &Path) {
    if folder.join(INTERRUPTED).exists() {
        fail("interrupted");
    }
}

/// An interrupt then reaches cargo and every rustc at once. When the kernel is killed the compiler goes too.
fn own_group() {
    extern "C" fn end_group(_: libc::c_int) {
        // cargo would leave its compilers behind.
        // SAFETY: `kill` is async-signal-safe; the group is this process and what it started.
        unsafe { libc::kill(0, libc::SIGKILL) };
    }
    // SAFETY: all calls only change this process; the handler is installed when it leads a group of its own.
    unsafe {
        if libc::setpgid(0, 0) == 0 {
            libc::signal(libc::SIGTERM, end_group as *const () as libc::sighandler_t);
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
    }
}

fn count(file: &Path) {
    let seen: u64 = fs::read_to_string(file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // Only tests read it.
    let _ = fs::write(file, (seen + 1).to_string());
}
