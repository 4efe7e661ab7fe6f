//! A Python that JupyterLab's pinned packages have wheels for, with `venv`; `ensurepip` may be missing.

use crate::proc::ask;
use crate::root::Places;
use crate::trouble::Trouble;

/// Versions for which the pinned packages have wheels.
const OLDEST: (u32, u32) = (3, 9);
const NEWEST: (u32, u32) = (3, 14);
const NAMES: [&str; 8] =
    ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python3.14", "python3.9", "python"];

// Runs under Python 2 as well, so that an old one is told apart from a broken one.
const PROBE: &str = "
import sys
def has(name):
    try:
        __import__(name)
        return '1'
    except Exception:
        return '0'
sys.stdout.write('lathe-python %d.%d.%d %s %s %s %s' % (tuple(sys.version_info[:3]) + (has('venv'), has('ensurepip'), has('ssl'), sys.executable)))
";

/// A Python that will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Python {
    /// Its executable.
    pub program: String,
    /// Such as `3.11.7`.
    pub version: String,
    /// Whether it brings pip along (Debian splits it off).
    pub ensurepip: bool,
}

impl Python {
    /// In words.
    pub fn words(&self) -> String {
        let note = if self.ensurepip { "" } else { ", without ensurepip (pip will be downloaded)" };
        format!("{} ({}){note}", self.version, self.program)
    }
}

/// The first Python that will do; LATHE_PYTHON names one.
pub fn find(places: &Places) -> Result<Python, Trouble> {
    let asked = std::env::var("LATHE_PYTHON").ok().filter(|p| !p.is_empty());
    let names: Vec<String> = match asked {
        Some(program) => vec![program],
        None => NAMES.iter().map(|n| n.to_string()).collect(),
    };
    let mut second: Option<Python> = None;
    let mut trouble: Option<Trouble> = None;
    for name in &names {
        let mut command = places.command(name);
        isolate(&mut command);
        command.args(["-c", PROBE]);
        let Some((true, said, _)) = ask(command) else { continue };
        match judge(name, &said) {
            Some(Ok(python)) if python.ensurepip => return Ok(python),
            Some(Ok(python)) => second = second.or(Some(python)),
            Some(Err(t)) => trouble = trouble.or(Some(t)),
            None => {}
        }
    }
    second.ok_or_else(|| {
        let tried = if names.len() == 1 { names[0].clone() } else { "python3, python3.9 to python3.14, python".into() };
        trouble.unwrap_or(Trouble::NoPython { tried })
    })
}

/// Keeps the learner's other Python settings out of ours.
pub fn isolate(command: &mut std::process::Command) {
    for name in ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE"] {
        command.env_remove(name);
    }
    command.env("PYTHONNOUSERSITE", "1");
}

fn judge(name: &str, said: &str) -> Option<Result<Python, Trouble>> {
    let mut words = said.strip_prefix("lathe-python ")?.splitn(5, ' ');
    let version = words.next()?.to_string();
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let found = (numbers.next()?, numbers.next()?);
    let [venv, ensurepip, ssl] = [words.next()?, words.next()?, words.next()?].map(|flag| flag == "1");
    let program = match words.next()? {
        "" => name.to_string(),
        path => path.to_string(),
    };
    Some(if found < OLDEST {
        Err(Trouble::OldPython { found: version, program: name.into() })
    } else if found > NEWEST {
        Err(Trouble::NewPython { found: version, program: name.into() })
    } else if !venv {
        Err(Trouble::NoVenv { program, module: "venv" })
    } else if !ssl {
        Err(Trouble::NoVenv { program, module: "ssl" })
    } else {
        Ok(Python { program, version, ensurepip })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_modules_are_judged() {
        let good = judge("python3", "lathe-python 3.11.2 1 1 1 /usr/bin/python3").unwrap().unwrap();
        assert_eq!((good.program.as_str(), good.ensurepip), ("/usr/bin/python3", true));
        assert!(!judge("python3", "lathe-python 3.9.0 1 0 1 /p").unwrap().unwrap().ensurepip);
        let bad = |said: &str| judge("python3", said).unwrap().unwrap_err();
        assert!(matches!(bad("lathe-python 3.8.18 1 1 1 /p"), Trouble::OldPython { .. }));
        assert!(matches!(bad("lathe-python 2.7.18 0 0 1 /p"), Trouble::OldPython { .. }));
        assert!(matches!(bad("lathe-python 3.15.0 1 1 1 /p"), Trouble::NewPython { .. }));
        assert!(matches!(bad("lathe-python 3.12.0 0 0 1 /p"), Trouble::NoVenv { module: "venv", .. }));
        assert!(matches!(bad("lathe-python 3.12.0 1 1 0 /p"), Trouble::NoVenv { module: "ssl", .. }));
        assert_eq!(judge("python3", "pyenv: python3: command not found"), None);
    }

    #[test]
    fn a_path_with_spaces_is_read_whole() {
        let python = judge("python3", "lathe-python 3.10.1 1 1 1 /opt/my python/bin/python3").unwrap().unwrap();
        assert_eq!(python.program, "/opt/my python/bin/python3");
    }
}
