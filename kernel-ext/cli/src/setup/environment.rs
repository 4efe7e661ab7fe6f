//! The Python environment: JupyterLab and everything it needs, pinned, in a folder of this clone.
//!
//! A venv cannot be moved, so it is built where it stays, under a name made from all that went into it, and a stamp says that
//! it is whole. Without the stamp it is half made and made again; pip's cache keeps what was downloaded.

use crate::checks::failure;
use crate::checks::python::{Python, isolate};
use crate::hash;
use crate::proc::{Event, Log, Tail, ending, stream};
use crate::progress::{Screen, words};
use crate::root::Places;
use crate::setup::write_atomically;
use crate::trouble::Trouble;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const STAMP: &str = "lathe-complete";
/// Where a Python has no `ensurepip`, this pip is fetched: the last one for Python 3.9.
const PIP_WHEEL: &str = "https://files.pythonhosted.org/packages/44/3c/d717024885424591d5376220b5e836c2d5293ce2011523c9de23ff7bf068/pip-25.3-py3-none-any.whl";
const PIP_SHA256: &str = "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd";
/// No pop-up about news, no calls to other machines.
const OVERRIDES: &str =
    "{\"@jupyterlab/apputils-extension:notification\": {\"fetchNews\": \"false\", \"checkForUpdates\": false}}\n";

/// How many packages are pinned.
fn pinned() -> usize {
    REQUIREMENTS.lines().filter(|l| l.contains("==")).count()
}

/// The folder for this Python and these requirements.
pub fn folder(places: &Places, python: &Python) -> PathBuf {
    let parts = [REQUIREMENTS, OVERRIDES, &python.program, &python.version, places.root.to_str().unwrap_or("")];
    places.state.join(format!("env-{}", &hash::of(&parts.map(str::as_bytes))[..12]))
}

/// Whether the environment at `dir` is whole and its Python still there (a distribution's upgrade may remove it).
pub fn is_whole(dir: &Path) -> bool {
    dir.join(STAMP).is_file() && dir.join("bin/python").exists()
}

/// Makes the environment if it is not there; gives its folder.
pub fn ensure(places: &Places, screen: &mut Screen, python: &Python) -> Result<PathBuf, Trouble> {
    let dir = folder(places, python);
    screen.stage("[2/5] JupyterLab", Duration::from_millis(800));
    if is_whole(&dir) {
        link(places, &dir)?;
        screen.done("there");
        return Ok(dir);
    }
    screen.stage("[2/5] JupyterLab", Duration::ZERO);
    if dir.exists() {
        screen.say("  A half-made environment of an earlier start is made again; downloads are kept.");
        std::fs::remove_dir_all(&dir).map_err(|e| Trouble::io("removing", &dir, &e))?;
    }
    std::fs::create_dir_all(&places.state).map_err(|e| Trouble::io("making", &places.state, &e))?;
    let mut log = Log::create(&places.log("environment"))?;
    let mut step = |screen: &mut Screen, doing: &str, command: Command| run(places, screen, &mut log, doing, command);

    let mut venv = places.command(&python.program);
    isolate(&mut venv);
    venv.args(["-m", "venv"]);
    if !python.ensurepip {
        venv.arg("--without-pip");
    }
    venv.arg(&dir);
    step(screen, "making a Python environment", venv)?;
    if !python.ensurepip {
        let wheel = places.state.join("pip-25.3-py3-none-any.whl");
        let mut fetch = interpreter(places, &dir);
        fetch.args(["-c", FETCH, PIP_WHEEL, PIP_SHA256]).arg(&wheel);
        step(screen, "downloading pip", fetch)?;
        let mut install = interpreter(places, &dir);
        // A wheel is a zip archive that Python can run from.
        install.arg(wheel.join("pip")).args(["install", "--no-index", "--no-deps"]).arg(&wheel);
        step(screen, "installing pip", install)?;
    }
    let list = places.state.join("requirements.txt");
    write_atomically(&list, REQUIREMENTS.as_bytes())?;
    let mut pip = interpreter(places, &dir);
    pip.args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--retries", "3"]).arg("-r").arg(&list);
    step(screen, "downloading and installing JupyterLab", pip)?;
    let mut look = interpreter(places, &dir);
    look.args(["-c", "import jupyterlab, jupyter_client, zmq, nbformat; print(jupyterlab.__version__)"]);
    step(screen, "starting JupyterLab's Python for the first time", look)?;
    write_atomically(&dir.join("share/jupyter/lab/settings/overrides.json"), OVERRIDES.as_bytes())?;
    write_atomically(&dir.join(STAMP), format!("{} {}\n", python.program, python.version).as_bytes())?;
    link(places, &dir)?;
    screen.done(&format!("{} packages installed ({})", pinned(), words(screen.elapsed())));
    Ok(dir)
}

const FETCH: &str = "
import hashlib, sys, urllib.request
url, want, path = sys.argv[1:]
data = urllib.request.urlopen(url, timeout=60).read()
got = hashlib.sha256(data).hexdigest()
if got != want:
    sys.exit('the downloaded pip has the wrong checksum %s' % got)
open(path, 'wb').write(data)
";

/// The environment's Python, undisturbed by the learner's settings; index and mirror settings still hold.
fn interpreter(places: &Places, dir: &Path) -> Command {
    let mut command = places.command(dir.join("bin/python"));
    isolate(&mut command);
    for name in ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_HASHES", "PIP_NO_BINARY", "PIP_CONSTRAINT"] {
        command.env_remove(name);
    }
    command.env("PIP_USER", "0").env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_NO_INPUT", "1");
    command.env("PIP_PROGRESS_BAR", "off").env("PYTHONUNBUFFERED", "1");
    command
}

fn run(places: &Places, screen: &mut Screen, log: &mut Log, doing: &str, command: Command) -> Result<(), Trouble> {
    let (mut tail, mut at, mut seen) = (Tail::new(15), doing.to_string(), 0usize);
    let status = stream(command, log, &mut |event| {
        match event {
            Event::Out(line) | Event::Err(line) => {
                tail.push(line);
                let mut words = line.split_whitespace();
                match (words.next(), words.next()) {
                    (Some("Collecting"), Some(name)) | (Some("Requirement"), Some(name)) => {
                        seen += 1;
                        let name = name.split(['=', '>', '<']).next().unwrap_or(name);
                        at = format!("{name}, {seen} of {}", pinned());
                    }
                    (Some("Installing"), Some("collected")) => at = "installing, about half a minute".into(),
                    (Some("WARNING:"), Some("Retrying")) => at = "the network does not answer, trying again".into(),
                    _ => {}
                }
            }
            Event::Tick => {}
        }
        let done = (seen > 0).then(|| 0.8 * seen as f64 / pinned() as f64);
        screen.tick(done, &at, None);
    })?;
    match status.success() {
        true => Ok(()),
        false => {
            screen.wipe();
            Err(failure::explain(doing, &ending(status), &tail.text(), log.path(), &places.state))
        }
    }
}

/// `target/lathe/env` always names the environment in use.
fn link(places: &Places, dir: &Path) -> Result<(), Trouble> {
    let link = places.state.join("env");
    let name = Path::new(dir.file_name().unwrap_or_default());
    if std::fs::read_link(&link).is_ok_and(|l| l == name) {
        return Ok(());
    }
    let aside = places.state.join(format!("env-link-{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    std::os::unix::fs::symlink(name, &aside)
        .and_then(|()| std::fs::rename(&aside, &link))
        .map_err(|e| Trouble::io("linking", &link, &e))
}

/// Lets a program of the environment see this environment, and settings of Lathe's own: nothing of the learner's other
/// Jupyter installations can break it, and nothing of ours shows up there.
pub fn activate(places: &Places, dir: &Path, command: &mut Command) {
    isolate(command);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(dir.join("bin")).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(path) {
        command.env("PATH", path);
    }
    for name in ["JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "JUPYTERLAB_DIR", "JUPYTERLAB_SETTINGS_DIR"] {
        command.env_remove(name);
    }
    command.env("VIRTUAL_ENV", dir).env("JUPYTER_PREFER_ENV_PATH", "1");
    for (name, folder) in
        [("JUPYTER_CONFIG_DIR", "config"), ("JUPYTER_DATA_DIR", "data"), ("JUPYTER_RUNTIME_DIR", "runtime")]
    {
        command.env(name, places.jupyter.join(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_pinned_exactly() {
        assert!(pinned() > 80);
        for line in REQUIREMENTS.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
            let (name, rest) = line.split_once("==").unwrap_or_else(|| panic!("not pinned: {line}"));
            assert!(!name.is_empty() && rest.starts_with(|c: char| c.is_ascii_digit()), "{line}");
        }
        for name in ["jupyterlab==", "jupyter-client==", "nbformat==", "pyzmq==", "ipywidgets=="] {
            assert!(REQUIREMENTS.lines().any(|l| l.starts_with(name)), "{name} is missing");
        }
    }

    #[test]
    fn another_python_gets_another_folder() {
        let places = Places::find().unwrap();
        let python = |version: &str| Python { program: "/p".into(), version: version.into(), ensurepip: true };
        assert_ne!(folder(&places, &python("3.11.1")), folder(&places, &python("3.11.2")));
        assert_eq!(folder(&places, &python("3.11.1")), folder(&places, &python("3.11.1")));
    }
}
