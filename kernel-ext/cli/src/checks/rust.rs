//! rustc and cargo of the right age, and the sources of std.

use crate::proc::ask;
use crate::root::{Places, cargo};
use crate::trouble::Trouble;
use std::path::Path;
use std::process::Command;

/// The oldest Rust that the workspace builds with.
const OLDEST: (u32, u32) = (1, 95);

fn rustc(places: &Places) -> Command {
    places.command(std::env::var_os("RUSTC").filter(|r| !r.is_empty()).unwrap_or_else(|| "rustc".into()))
}

fn has_rustup(places: &Places) -> bool {
    let mut command = places.command("rustup");
    command.arg("--version");
    ask(command).is_some_and(|(ok, ..)| ok)
}

/// Version and host of rustc.
pub fn toolchain(places: &Places) -> Result<String, Trouble> {
    let mut command = rustc(places);
    command.arg("-vV");
    let (ok, version, _) = ask(command).ok_or(Trouble::NoRust { program: "rustc" })?;
    let mut cargo = places.command(cargo());
    cargo.arg("--version");
    match ask(cargo) {
        Some((true, ..)) if ok => judge(&version, || has_rustup(places)),
        Some(_) if !ok => Err(Trouble::NoRust { program: "rustc" }),
        _ => Err(Trouble::NoRust { program: "cargo" }),
    }
}

fn judge(version: &str, has_rustup: impl Fn() -> bool) -> Result<String, Trouble> {
    let field = |name: &str| version.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    let release = field("release:").unwrap_or("of unknown version");
    let host = field("host:").unwrap_or("unknown");
    let mut numbers = release.split(['.', '-']).map(|n| n.parse::<u32>().ok());
    let found = (numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0));
    if found < OLDEST {
        return Err(Trouble::OldRust { found: release.into(), rustup: has_rustup() });
    }
    if host.contains("musl") {
        return Err(Trouble::Musl { host: host.into() });
    }
    Ok(format!("{release}, {host}"))
}

/// The sysroot that has std's sources; with `mend` rustup is asked to add them.
pub fn sources(places: &Places, say: &mut dyn FnMut(&str), mend: bool) -> Result<String, Trouble> {
    let mut command = rustc(places);
    command.args(["--print", "sysroot"]);
    let Some((true, sysroot, _)) = ask(command) else {
        // The check before this one says it better.
        return Ok("not looked for".into());
    };
    let present = || Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/src/lib.rs").is_file();
    if present() {
        return Ok("present".into());
    }
    let mut tried = None;
    if has_rustup(places) {
        if mend {
            say("The sources of std are missing; asking rustup for them: `rustup component add rust-src`");
        }
        let mut command = places.command("rustup");
        command.args(["component", "add", "rust-src"]);
        tried = match mend.then(|| ask(command)).flatten() {
            Some((_, out, err)) => Some(format!("{out}\n{err}").trim().to_string()),
            None => Some("not tried".into()),
        };
        if present() {
            return Ok("added".into());
        }
    }
    Err(Trouble::NoRustSrc { sysroot, tried })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_rust_and_musl_are_refused() {
        let version = |release: &str, host: &str| format!("rustc x\nhost: {host}\nrelease: {release}\n");
        let gnu = "x86_64-unknown-linux-gnu";
        assert_eq!(judge(&version("1.95.0", gnu), || true), Ok(format!("1.95.0, {gnu}")));
        assert!(judge(&version("1.100.0-nightly", gnu), || true).is_ok());
        assert!(judge(&version("2.0.0", gnu), || true).is_ok());
        assert_eq!(
            judge(&version("1.94.1", gnu), || false),
            Err(Trouble::OldRust { found: "1.94.1".into(), rustup: false })
        );
        assert!(matches!(judge("garbage", || true), Err(Trouble::OldRust { .. })));
        assert!(matches!(judge(&version("1.96.0", "x86_64-unknown-linux-musl"), || true), Err(Trouble::Musl { .. })));
    }
}
