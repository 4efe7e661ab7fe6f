//! Opens an address in the learner's browser, if there is one to open.

use crate::checks::compiler::which;
use crate::checks::platform::is_wsl;
use std::process::{Command, Stdio};

/// Opens `address`; the reason when that cannot work.
pub fn open(address: &str) -> Result<(), String> {
    let has = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let wsl = is_wsl();
    let candidates: &[&[&str]] = if wsl {
        // wslview comes with wslu; explorer.exe opens an address too.
        &[&["wslview"], &["explorer.exe"], &["xdg-open"]]
    } else {
        &[&["xdg-open"], &["gio", "open"], &["sensible-browser"]]
    };
    if !wsl && !has("DISPLAY") && !has("WAYLAND_DISPLAY") && !has("BROWSER") {
        return Err("this session has no display".into());
    }
    let Some(words) = candidates.iter().find(|c| which(c[0]).is_some()) else {
        return Err("no program that opens addresses was found".into());
    };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in this terminal must not close the browser.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|e| format!("{} cannot be started: {e}", words[0]))?;
    std::thread::spawn(move || child.wait());
    Ok(())
}
