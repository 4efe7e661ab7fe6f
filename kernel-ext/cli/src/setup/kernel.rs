//! The prelude prepared for cells, and the kernel registered in the environment.

use crate::checks::failure;
use crate::proc::{Event, Log, Tail, ending, stream};
use crate::progress::{Screen, words};
use crate::root::Places;
use crate::trouble::Trouble;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Runs `lathe-kernel prepare` and `lathe-kernel install`.
pub fn prepare(places: &Places, screen: &mut Screen, env: &Path, user: bool) -> Result<(), Trouble> {
    screen.stage("[4/5] Rust kernel", Duration::from_millis(800));
    let kernel = places.binary("lathe-kernel");
    if !kernel.is_file() {
        return Err(Trouble::NoBinary { path: kernel });
    }
    let mut log = Log::create(&places.log("kernel"))?;
    let mut prepare = places.command(&kernel);
    prepare.arg("prepare");
    step(places, screen, &mut log, "preparing the prelude, so that the first cell does not compile it", prepare)?;
    for prefix in std::iter::once(env.to_path_buf()).chain(user.then(user_prefix).flatten()) {
        let mut install = places.command(&kernel);
        install.arg("install").arg("--prefix").arg(prefix);
        step(places, screen, &mut log, "registering the kernel", install)?;
    }
    let also = if user { ", also for your other Jupyter programs" } else { "" };
    screen.done(&format!("\"Rust (Lathe)\" is registered{also} ({})", words(screen.elapsed())));
    Ok(())
}

/// Jupyter looks for a user's kernels below `~/.local/share`.
fn user_prefix() -> Option<PathBuf> {
    let share = std::env::var_os("XDG_DATA_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    match share {
        Some(share) if share.ends_with("share") => share.parent().map(Path::to_path_buf),
        _ => Some(PathBuf::from(std::env::var_os("HOME")?).join(".local")),
    }
}

fn step(places: &Places, screen: &mut Screen, log: &mut Log, doing: &str, command: Command) -> Result<(), Trouble> {
    let (mut tail, mut at) = (Tail::new(20), doing.to_string());
    let status = stream(command, log, &mut |event| {
        if let Event::Out(line) | Event::Err(line) = event {
            tail.push(line);
            if let Event::Err(line) = event {
                at = match line.trim() {
                    l if l.starts_with("Blocking") => "another cargo is building here, waiting for it".into(),
                    l => l.to_string(),
                };
            }
        }
        screen.tick(None, &at, None);
    })?;
    match status.success() {
        true => Ok(()),
        false => {
            screen.wipe();
            Err(failure::explain(doing, &ending(status), &tail.text(), log.path(), &places.cache))
        }
    }
}
