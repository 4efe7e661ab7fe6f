//! The steps from a fresh clone to a lab that can be opened. Each finds out by itself whether there is anything to do.

pub mod build;
pub mod copies;
pub mod environment;
pub mod eta;
pub mod kernel;
pub mod lock;

use crate::checks;
use crate::progress::{Screen, words};
use crate::root::Places;
use crate::trouble::Trouble;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a finished set-up hands to the start of JupyterLab.
pub struct Ready {
    /// The Python environment.
    pub env: PathBuf,
    /// Notebooks that were new in `notebooks/my`.
    pub first_time: bool,
}

/// Runs every step. `user` registers the kernel for the learner's other Jupyter programs too.
pub fn everything(places: &Places, screen: &mut Screen, user: bool) -> Result<Ready, Trouble> {
    let begun = Instant::now();
    screen.stage("[1/5] Checking this machine", Duration::from_millis(500));
    let report = checks::all(places, &mut |line| screen.say(line), true);
    for warning in report.items.iter().filter_map(|i| i.warning.as_ref()) {
        screen.say(&format!("  note: {warning}"));
    }
    if let Some(trouble) = report.trouble() {
        return Err(match report.remedy() {
            Some(line) => Trouble::AllOf { what: Box::new(trouble), remedy: line },
            None => trouble,
        });
    }
    let Some(python) = report.python else { return Err(Trouble::NoPython { tried: "python3".into() }) };
    let version = |name: &str| {
        let item = report.items.iter().find(|i| i.name == name).and_then(|i| i.found.as_ref().ok());
        item.and_then(|f| f.split([',', ' ']).next().map(str::to_string)).unwrap_or_default()
    };
    screen.done(&format!("Rust {}, Python {}, a C++ compiler, space enough", version("Rust"), python.version));

    let lock = lock::take(places, screen)?;
    let env = environment::ensure(places, screen, &python)?;
    build::ensure(places, screen, "[3/5] ")?;
    kernel::prepare(places, screen, &env, user)?;
    let copied = copies::ensure(places, screen, &env)?;
    drop(lock);
    screen.say(&format!("The lab is set up ({}).", words(begun.elapsed())));
    Ok(Ready { env, first_time: copied })
}

/// Writes a small file so that a reader sees the old or the new text, never half of it.
pub fn write_atomically(path: &Path, text: &[u8]) -> Result<(), Trouble> {
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&aside, text))
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(|e| {
            let _ = std::fs::remove_file(&aside);
            Trouble::io("writing", path, &e)
        })
}
