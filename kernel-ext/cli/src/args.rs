//! The command line.

use crate::trouble::Trouble;
use lexopt::prelude::*;
use std::ffi::OsString;

/// What `cargo lathe help` prints.
pub const HELP: &str = "\
Lathe: generative models in Rust, on a factory floor.

cargo lathe lab              set everything up and open the notebooks in JupyterLab
    --no-browser             print the address, open nothing
    --port N                 listen on this port (else the first free one from 8888)
    --setup-only             stop before JupyterLab starts
    --user                   register the kernel for your other Jupyter programs too
cargo lathe setup            the same as `lab --setup-only`
cargo lathe run PATH...      execute notebooks or folders of them without a browser (`--jobs N`, `--html`, `--output DIR`,
                             `--parameter NAME=VALUE`, `--junit FILE`, `--quick`; `--help` lists all)
cargo lathe kernel ...       the kernel in your other Jupyter programs: `install`, `list`, `remove`, `doctor`
cargo lathe exercises ...    list, check, hint, watch, solution ... of the exercises
cargo lathe notebooks reset NN   take the course's version of notebook NN again; yours is kept under another name
cargo lathe book [--open]    build the book
cargo lathe sync ...         bring notebooks and book up to date with the chapters' text (for authors)
cargo lathe data ...         generate and look at data sets
cargo lathe doctor [--clean] show what is installed, missing and used, and try the kernel; remove what is out of date
cargo lathe env              print the folder of the Python environment
cargo lathe help, --version

LATHE_PYTHON names the Python to use, LATHE_CACHE the folder of the prepared prelude, CARGO_TARGET_DIR that of the build.
";

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Task {
    /// Set up and, unless told otherwise, open JupyterLab.
    Lab { browser: bool, port: Option<u16>, setup_only: bool, user: bool },
    /// Start another program of ours with these arguments.
    Forward { program: &'static str, args: Vec<OsString> },
    /// `notebooks reset NN`.
    Reset { notebook: String },
    /// The table of checks and sizes.
    Doctor { clean: bool },
    /// Print the environment's folder.
    Env,
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

const COMMANDS: [(&str, Option<&str>); 13] = [
    ("lab", None),
    ("setup", None),
    ("run", Some("lathe-kernel run")),
    ("kernel", Some("lathe-kernel")),
    ("sync", Some("lathe-chapters sync")),
    ("book", Some("lathe-chapters book")),
    ("exercises", Some("lathe-grader")),
    ("data", Some("lathe-data")),
    ("notebooks", None),
    ("doctor", None),
    ("env", None),
    ("help", None),
    ("version", None),
];

/// Reads the arguments (without the program's name).
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Task, Trouble> {
    let mut parser = lexopt::Parser::from_args(args);
    let command = match parser.next().map_err(usage)? {
        None | Some(Short('h') | Long("help")) => return Ok(Task::Help),
        Some(Short('V') | Long("version")) => return Ok(Task::Version),
        Some(Value(command)) => command.to_string_lossy().into_owned(),
        Some(other) => return Err(usage(other.unexpected())),
    };
    let Some((name, forward)) = COMMANDS.iter().find(|c| c.0 == command) else {
        return Err(unknown(&command));
    };
    if let Some(target) = forward {
        let mut words = target.split(' ');
        let program = words.next().unwrap_or_default();
        let rest = parser.raw_args().map_err(usage)?;
        return Ok(Task::Forward { program, args: words.map(OsString::from).chain(rest).collect() });
    }
    let task = match *name {
        "lab" | "setup" => return lab(parser, *name == "setup"),
        "notebooks" => {
            let mut words = Vec::new();
            while let Some(arg) = parser.next().map_err(usage)? {
                match arg {
                    Value(word) => words.push(word.to_string_lossy().into_owned()),
                    Short('h') | Long("help") => return Ok(Task::Help),
                    other => return Err(usage(other.unexpected())),
                }
            }
            return match <[String; 2]>::try_from(words) {
                Ok([verb, notebook]) if verb == "reset" => Ok(Task::Reset { notebook }),
                _ => Err(Trouble::Usage {
                    message: "Use it as `cargo lathe notebooks reset NN`, say `reset 01`.".into(),
                }),
            };
        }
        "doctor" => {
            let mut clean = false;
            while let Some(arg) = parser.next().map_err(usage)? {
                match arg {
                    Long("clean") => clean = true,
                    Short('h') | Long("help") => return Ok(Task::Help),
                    other => return Err(usage(other.unexpected())),
                }
            }
            return Ok(Task::Doctor { clean });
        }
        "env" => Task::Env,
        "version" => Task::Version,
        _ => return Ok(Task::Help),
    };
    match parser.next().map_err(usage)? {
        None => Ok(task),
        Some(other) => Err(usage(other.unexpected())),
    }
}

fn lab(mut parser: lexopt::Parser, mut setup_only: bool) -> Result<Task, Trouble> {
    let (mut browser, mut port, mut user) = (true, None, false);
    while let Some(arg) = parser.next().map_err(usage)? {
        match arg {
            Long("no-browser") => browser = false,
            Long("setup-only") => setup_only = true,
            Long("user") => user = true,
            Long("port") | Short('p') => {
                let value = parser.value().map_err(usage)?.to_string_lossy().into_owned();
                let number = value.parse::<u16>().ok().filter(|n| *n > 0);
                port = Some(number.ok_or_else(|| Trouble::Usage {
                    message: format!("--port takes a number from 1 to 65535, not {value:?}."),
                })?);
            }
            Short('h') | Long("help") => return Ok(Task::Help),
            other => return Err(usage(other.unexpected())),
        }
    }
    Ok(Task::Lab { browser, port, setup_only, user })
}

fn usage(error: lexopt::Error) -> Trouble {
    Trouble::Usage { message: format!("{error}.") }
}

fn unknown(command: &str) -> Trouble {
    let begun = COMMANDS.iter().map(|c| c.0).find(|name| name.starts_with(command) && !command.is_empty());
    let near = COMMANDS.iter().map(|c| (distance(command, c.0), c.0)).min().filter(|n| n.0 <= 2).map(|n| n.1);
    let hint = begun.or(near).map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default();
    Trouble::Usage { message: format!("There is no command `{command}`.{hint}") }
}

/// Letters to insert, delete or change to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Task, Trouble> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_lab_and_its_options() {
        let lab = |browser, port, setup_only, user| Ok(Task::Lab { browser, port, setup_only, user });
        assert_eq!(of("lab"), lab(true, None, false, false));
        assert_eq!(of("lab --no-browser --port 9000 --user"), lab(false, Some(9000), false, true));
        assert_eq!(of("lab --port=9000 --setup-only"), lab(true, Some(9000), true, false));
        assert_eq!(of("setup"), lab(true, None, true, false));
        for bad in ["lab --port 0", "lab --port 70000", "lab --port x", "lab --port", "lab --fast", "lab x"] {
            assert_eq!(of(bad).unwrap_err().code(), 2, "{bad}");
        }
    }

    #[test]
    fn others_get_their_arguments_untouched() {
        let forward =
            |program, args: &[&str]| Ok(Task::Forward { program, args: args.iter().map(OsString::from).collect() });
        assert_eq!(
            of("run notebooks --html --help"),
            forward("lathe-kernel", &["run", "notebooks", "--html", "--help"])
        );
        assert_eq!(of("kernel install --user"), forward("lathe-kernel", &["install", "--user"]));
        assert_eq!(of("sync --check"), forward("lathe-chapters", &["sync", "--check"]));
        assert_eq!(of("book --open"), forward("lathe-chapters", &["book", "--open"]));
        assert_eq!(of("exercises hint 01"), forward("lathe-grader", &["hint", "01"]));
        assert_eq!(of("data"), forward("lathe-data", &[]));
    }

    #[test]
    fn help_version_and_the_rest() {
        assert_eq!(of(""), Ok(Task::Help));
        assert_eq!(of("help"), Ok(Task::Help));
        assert_eq!(of("lab --help"), Ok(Task::Help));
        assert_eq!(of("-V"), Ok(Task::Version));
        assert_eq!(of("doctor --clean"), Ok(Task::Doctor { clean: true }));
        assert_eq!(of("notebooks reset 01"), Ok(Task::Reset { notebook: "01".into() }));
        assert_eq!(of("notebooks").unwrap_err().code(), 2);
        assert_eq!(of("env x").unwrap_err().code(), 2);
    }

    #[test]
    fn a_slip_of_the_finger_gets_a_hint() {
        let hint = |line: &str| of(line).unwrap_err().to_string();
        assert!(hint("lba").contains("Did you mean `lab`?"));
        assert!(hint("exercise").contains("`exercises`"));
        assert!(hint("doc").contains("`doctor`"));
        assert!(!hint("xyzzy-plugh").contains("Did you mean"));
        assert_eq!(of("--frobnicate").unwrap_err().code(), 2);
    }
}
