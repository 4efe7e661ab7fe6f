//! Everything that can go wrong, each with what happened, why it matters and how to get on.

use crate::checks::distro::{self, Need};
use std::fmt::Write as _;
use std::path::PathBuf;

/// A reason to stop. `what`, `why` and `how` are whole sentences for a learner, not for us.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Not Linux on x86-64 or aarch64.
    Platform { found: String },
    /// The first Windows Subsystem for Linux.
    Wsl1,
    /// A toolchain without glibc.
    Musl { host: String },
    /// No `rustc` or `cargo` can be started.
    NoRust { program: &'static str },
    /// A Rust older than the workspace needs.
    OldRust { found: String, rustup: bool },
    /// The standard library's sources are missing; `tried` is what rustup said when we asked for them.
    NoRustSrc { sysroot: String, tried: Option<String> },
    /// No C or C++ compiler.
    NoCompiler { language: &'static str, program: String },
    /// There is a compiler, but it does not make a program.
    BrokenCompiler { language: &'static str, program: String, output: String },
    /// No Python at all.
    NoPython { tried: String },
    /// Only a Python that is too old.
    OldPython { found: String, program: String },
    /// Only a Python for which the pinned packages have no wheels yet.
    NewPython { found: String, program: String },
    /// Python without the `venv` or the `ssl` module.
    NoVenv { program: String, module: &'static str },
    /// Too little space.
    Disk { path: PathBuf, free: u64, need: u64 },
    /// A folder that we have to write to and cannot.
    NotWritable { path: PathBuf, error: String },
    /// A path that the compiler or the kernel cannot work in.
    BadPath { path: PathBuf, problem: &'static str, variable: Option<&'static str> },
    /// `--port` names a port that is in use, or one that we may not open.
    Port { port: u16, error: String, privileged: bool },
    /// Something had to be downloaded and could not be.
    Network { doing: String, output: String },
    /// rustc was killed, most likely for want of memory.
    Memory { krate: String },
    /// The workspace does not compile.
    Build { output: String, log: PathBuf },
    /// A program that we started failed.
    Step { doing: String, code: String, output: String, log: PathBuf },
    /// A program of ours is not where the build should have put it.
    NoBinary { path: PathBuf },
    /// `lathe-kernel doctor` found something and has said what.
    Kernel,
    /// Not inside a clone.
    NoRoot,
    /// `notebooks reset NN` names no notebook.
    NoNotebook { asked: String, have: Vec<String> },
    /// A file operation failed.
    Io { doing: String, path: PathBuf, error: String },
    /// Wrong arguments.
    Usage { message: String },
    /// Ctrl-C.
    Interrupted,
    /// Several at once, so that all can be mended in one go.
    Several(Vec<Trouble>),
    /// Several, and one command that mends those that a package manager can mend.
    AllOf { what: Box<Trouble>, remedy: String },
}

impl Trouble {
    /// Wraps an I/O error; a full disk and a missing permission get their own words.
    pub fn io(doing: &str, path: impl Into<PathBuf>, error: &std::io::Error) -> Trouble {
        let path = path.into();
        match error.raw_os_error() {
            Some(libc::ENOSPC) | Some(libc::EDQUOT) => {
                Trouble::Disk { free: crate::sys::free_bytes(&path).unwrap_or(0), path, need: 0 }
            }
            Some(libc::EACCES) | Some(libc::EROFS) | Some(libc::EPERM) => {
                Trouble::NotWritable { path, error: error.to_string() }
            }
            _ => Trouble::Io { doing: doing.to_string(), path, error: error.to_string() },
        }
    }

    /// The exit status that goes with it.
    pub fn code(&self) -> i32 {
        match self {
            Trouble::Usage { .. } => 2,
            Trouble::Interrupted => 130,
            _ => 1,
        }
    }

    /// The packages that would mend it.
    pub fn needs(&self) -> Vec<Need> {
        match self {
            Trouble::NoCompiler { .. } | Trouble::BrokenCompiler { .. } => vec![Need::Cxx],
            Trouble::NoPython { .. } | Trouble::OldPython { .. } => vec![Need::Python, Need::Venv],
            Trouble::NoVenv { .. } => vec![Need::Venv],
            Trouble::NoRustSrc { tried: None, .. } => vec![Need::RustSrc],
            _ => Vec::new(),
        }
    }

    /// (what, why, how); empty parts are left out.
    pub fn parts(&self) -> (String, String, String) {
        let install = |needs: &[Need]| distro::here().install_line(needs);
        let s = str::to_string;
        match self {
            Trouble::Platform { found } => (
                format!("Lathe does not run on {found}."),
                s("Its kernel and its compiled parts exist for Linux on x86-64 and aarch64 only."),
                s("Use a Linux machine, or on Windows WSL2 (`wsl --install`, then clone and start Lathe inside it)."),
            ),
            Trouble::Wsl1 => (
                s("This is version 1 of the Windows Subsystem for Linux."),
                s("Compiling and the notebook kernel need a real Linux kernel, which version 2 has."),
                s("In PowerShell: `wsl --set-version <distribution> 2`, then start again."),
            ),
            Trouble::Musl { host } => (
                format!("The Rust toolchain builds for {host}, which links statically."),
                s("Notebook cells are loaded as dynamic libraries while the kernel runs; that needs glibc."),
                s(
                    "Use a distribution with glibc (Debian, Ubuntu, Fedora, Arch, openSUSE ...), in a container if need be.",
                ),
            ),
            Trouble::NoRust { program } => (
                format!("`{program}` cannot be started."),
                s("Lathe and every notebook cell are compiled on this machine."),
                s("Install Rust with rustup, https://rustup.rs, then open a new terminal."),
            ),
            Trouble::OldRust { found, rustup } => (
                format!("Rust {found} is too old; Lathe needs 1.95 or newer."),
                s("The course uses recent parts of the language, and its dependencies ask for them."),
                s(if *rustup {
                    "Run `rustup update stable`."
                } else {
                    "This Rust is not managed by rustup. Install rustup, https://rustup.rs, and put ~/.cargo/bin first in PATH."
                }),
            ),
            Trouble::NoRustSrc { sysroot, tried } => (
                format!("The sources of Rust's standard library (`rust-src`) are missing in {sysroot}."),
                s("The kernel reads them to find the types of a cell's variables."),
                match tried {
                    Some(output) => format!("`rustup component add rust-src` did not work:\n{}", indent(output)),
                    None => format!("{}, or use rustup, https://rustup.rs.", install(&[Need::RustSrc])),
                },
            ),
            Trouble::NoCompiler { language, program } => (
                format!("There is no {language} compiler (`{program}` cannot be started)."),
                s("Some of the libraries that Lathe builds (ZeroMQ, compression) are written in C and C++."),
                install(&[Need::Cxx]),
            ),
            Trouble::BrokenCompiler { language, program, output } => (
                format!("The {language} compiler `{program}` does not make a program:\n{}", indent(output)),
                s("Some of the libraries that Lathe builds (ZeroMQ, compression) are written in C and C++."),
                format!("{} (headers or the standard library seem to be missing).", install(&[Need::Cxx])),
            ),
            Trouble::NoPython { tried } => (
                format!("There is no Python 3 (tried {tried})."),
                s("JupyterLab, the page that shows the notebooks, is a Python program."),
                install(&[Need::Python, Need::Venv]),
            ),
            Trouble::OldPython { found, program } => (
                format!("`{program}` is Python {found}; JupyterLab needs 3.9 or newer."),
                s("JupyterLab, the page that shows the notebooks, is a Python program."),
                format!(
                    "{}, or set LATHE_PYTHON to a newer one that you already have.",
                    install(&[Need::Python, Need::Venv])
                ),
            ),
            Trouble::NewPython { found, program } => (
                format!("`{program}` is Python {found}; the pinned JupyterLab is made for 3.9 to 3.14."),
                s("For newer versions there are no ready-made packages yet."),
                s("Install one of those beside it and set LATHE_PYTHON to it, say LATHE_PYTHON=python3.13."),
            ),
            Trouble::NoVenv { program, module } => (
                format!("Python (`{program}`) has no `{module}` module."),
                s(
                    "Lathe puts JupyterLab into an environment of its own, so that it never touches your other Python packages.",
                ),
                install(&[Need::Venv]),
            ),
            Trouble::Disk { path, free, need } => (
                match need {
                    0 => format!("The disk that holds {} is full.", path.display()),
                    _ => format!(
                        "Only {} are free where {} is; setting up needs about {}.",
                        gigabytes(*free),
                        path.display(),
                        gigabytes(*need)
                    ),
                },
                s("Compiled libraries, JupyterLab and downloads are kept, so that the next start takes seconds."),
                s(
                    "Free some space (`cargo lathe doctor` shows what Lathe uses, `cargo lathe doctor --clean` removes old parts), \
                   or set CARGO_TARGET_DIR to a folder on a larger disk. What is done is kept.",
                ),
            ),
            Trouble::NotWritable { path, error } => (
                format!("{} cannot be written to: {error}.", path.display()),
                s("Lathe keeps what it builds there."),
                s("Clone into a folder of your own, or give yourself the right to write (was it made with sudo?)."),
            ),
            Trouble::BadPath { path, problem, variable } => (
                format!("The path {:?} {problem}.", path),
                s("The compiler and the loader of the notebook cells cannot work with it."),
                match variable {
                    Some(name) => format!("Set {name} to a folder with a plain path."),
                    None => s("Move the clone to a folder with a plain path, say ~/lathe."),
                },
            ),
            Trouble::Port { port, privileged: true, .. } => (
                format!("Port {port} may be opened by root only."),
                s("JupyterLab listens on it, on this machine only."),
                s("Choose a port above 1023, or leave --port out: Lathe finds a free one."),
            ),
            Trouble::Port { port, error, .. } => (
                format!("Port {port} cannot be used: {error}."),
                s("JupyterLab listens on it, on this machine only."),
                s("Choose another one, or leave --port out: Lathe finds a free one."),
            ),
            Trouble::Network { doing, output } => (
                format!("There is no way through the network: {doing}.\n{}", indent(output)),
                s("The first start downloads the libraries and JupyterLab; later starts need no network."),
                s(
                    "Check the connection and run the same command again, what is done is kept. Behind a proxy set https_proxy; \
                   mirrors are set in ~/.cargo/config.toml for crates and in pip.conf for Python.",
                ),
            ),
            Trouble::Memory { krate } => (
                format!("The compiler was killed while it built {krate}, most likely for want of memory."),
                s("The largest libraries take 2 to 3 GB each while they are compiled."),
                s(
                    "Close other programs, or build one at a time: `CARGO_BUILD_JOBS=1 cargo lathe lab`. What is done is kept.",
                ),
            ),
            Trouble::Build { output, log } => (
                format!("The workspace does not compile:\n{output}"),
                s(""),
                format!(
                    "Mend the error above and run the same command again; what is built is kept. `git status` shows which files \
                     differ from the course's. All messages: {}",
                    log.display()
                ),
            ),
            Trouble::Step { doing, code, output, log } => (
                format!("{doing} failed ({code}):\n{}", indent(output)),
                s(""),
                format!("Run the same command again; what is done is kept. All messages: {}", log.display()),
            ),
            Trouble::NoBinary { path } => (
                format!("{} is missing although the build succeeded.", path.display()),
                s(""),
                s(
                    "Is CARGO_TARGET_DIR or `build.target` set for one of the two cargo runs only? Use the same for both.",
                ),
            ),
            Trouble::Kernel => (
                s("The kernel, or its registration with Jupyter, has a problem."),
                s("Notebooks may not find it, or their cells may not run."),
                s("Each line above says its cure; afterwards `cargo lathe kernel doctor` looks again."),
            ),
            Trouble::NoRoot => (
                s("This is not inside a clone of Lathe."),
                s("Lathe builds and reads the files of its clone."),
                s("Change into the folder that `git clone` made and run the same command there."),
            ),
            Trouble::NoNotebook { asked, have } => (
                format!("There is no notebook {asked:?}."),
                s(""),
                match have.is_empty() {
                    true => s("The folder `notebooks` holds none; `cargo lathe sync` makes them."),
                    false => format!("There are: {}.", have.join(", ")),
                },
            ),
            Trouble::Io { doing, path, error } => {
                (format!("{doing} failed at {}: {error}.", path.display()), s(""), s(""))
            }
            Trouble::Usage { message } => (message.clone(), s(""), s("`cargo lathe help` lists what there is.")),
            Trouble::Interrupted => {
                (s("Stopped."), s(""), s("Run the same command again: it goes on where it stopped."))
            }
            Trouble::AllOf { what, remedy } => (format!("{what}\n\nIn one go: {remedy}"), s(""), s("")),
            Trouble::Several(all) => (all.iter().map(|t| t.to_string()).collect::<Vec<_>>().join("\n\n"), s(""), s("")),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, why, how) = self.parts();
        let mut text = what;
        for (label, part) in [("why", why), ("how", how)] {
            if !part.is_empty() {
                let _ = write!(text, "\n  {label}: {}", part.replace('\n', "\n       "));
            }
        }
        f.write_str(&text)
    }
}

/// Bytes in words: `3.2 GB`, `40 MB`.
pub fn gigabytes(bytes: u64) -> String {
    match bytes {
        1_000_000_000.. => format!("{:.1} GB", bytes as f64 / 1e9),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn indent(text: &str) -> String {
    text.trim_end().lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_how() {
        let text = Trouble::OldRust { found: "1.80.0".into(), rustup: true }.to_string();
        assert!(text.starts_with("Rust 1.80.0 is too old"), "{text}");
        assert!(text.contains("\n  why: ") && text.contains("\n  how: Run `rustup update stable`."), "{text}");
    }

    #[test]
    fn a_full_disk_is_named_as_such() {
        let full = std::io::Error::from_raw_os_error(libc::ENOSPC);
        let text = Trouble::io("writing", "/", &full).to_string();
        assert!(text.starts_with("The disk that holds / is full."), "{text}");
        let denied = std::io::Error::from_raw_os_error(libc::EACCES);
        assert!(matches!(Trouble::io("writing", "/x", &denied), Trouble::NotWritable { .. }));
    }

    #[test]
    fn exit_codes() {
        assert_eq!(Trouble::Usage { message: "x".into() }.code(), 2);
        assert_eq!(Trouble::Interrupted.code(), 130);
        assert_eq!(Trouble::NoRoot.code(), 1);
    }
}
