//! Folders, disk, memory, ports.

use super::Check;
use crate::prepared;
use std::ffi::CString;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A cell's library takes some MB; a prelude that is made anew half a GB.
const SPACE: u64 = 1_000_000_000;
/// rust-analyzer in the kernel, and a cell with a model.
const MEMORY: u64 = 1_200_000_000;

/// What statvfs tells: bytes that are free, and whether programs may not be run there.
fn file_system(path: &Path) -> Option<(u64, bool)> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let name = CString::new(existing.as_os_str().as_bytes()).ok()?;
    // SAFETY: an all-zero statvfs is valid, and the call fills it.
    let stat = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(name.as_ptr(), &raw mut stat) == 0).then_some(stat)?
    };
    #[allow(clippy::unnecessary_cast, reason = "the fields are narrower on other platforms")]
    Some((stat.f_bavail as u64 * stat.f_frsize as u64, stat.f_flag as u64 & libc::ST_NOEXEC as u64 != 0))
}

/// Makes a file there and removes it.
pub(super) fn try_to_write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".lathe-").tempfile_in(folder)?.close()
}

/// Where cells are compiled and loaded from, and where compilers put their temporary files.
pub(super) fn folders() -> Vec<Check> {
    let cache = match prepared::cache_root() {
        Ok(cache) => cache,
        Err(error) => return vec![Check::problem("cells' folder", error.to_string(), "set LATHE_CACHE")],
    };
    let temporary = std::env::temp_dir();
    vec![folder("cells' folder", &cache.join("run"), true), folder("temporary files", &temporary, false)]
}

fn folder(name: &'static str, path: &Path, runs: bool) -> Check {
    let variable = if runs { "LATHE_CACHE" } else { "TMPDIR" };
    let shown = path.display();
    if let Err(error) = try_to_write(path) {
        let cure = format!("make it writable, or set {variable} to a folder that is");
        return Check::problem(name, format!("{shown} cannot be written: {error}"), cure);
    }
    match file_system(path) {
        Some((_, true)) if runs => {
            let what = format!("{shown} is on a file system mounted noexec: cells could not be loaded from it");
            Check::problem(name, what, format!("set {variable} to a folder on another file system"))
        }
        Some((_, true)) => {
            let what = format!("{shown} is mounted noexec");
            let cure = format!("a `:dep` with a build script may fail; then set {variable} to a folder elsewhere");
            Check::note(name, what, cure)
        }
        _ => Check::ok(name, format!("{shown} can be written")),
    }
}

pub(super) fn disk() -> Check {
    let Ok(cache) = prepared::cache_root() else { return Check::note("disk", "no cache folder", "set LATHE_CACHE") };
    let Some((free, _)) = file_system(&cache) else {
        return Check::note("disk", format!("{} cannot be looked at", cache.display()), "set LATHE_CACHE");
    };
    let found = format!("{:.1} GB free for {}", free as f64 / 1e9, cache.display());
    if free < SPACE / 10 {
        return Check::problem(
            "disk",
            found,
            "free some space there (`cargo lathe doctor --clean`), or set LATHE_CACHE",
        );
    }
    if free < SPACE {
        return Check::note("disk", found, "a change of the sources needs about 1 GB to compile the prelude");
    }
    Check::ok("disk", found)
}

/// The crates that notebooks added.
pub(super) fn added_crates() -> Option<Check> {
    let (folder, bytes, bound) = crate::engine::added_crates()?;
    let (now, most) = (bytes as f64 / 1e6, bound as f64 / 1e6);
    let found = format!("crates of `:dep`: {now:.0} MB of at most {most:.0} MB in {}", folder.display());
    // Sets that were used within the hour stay, and one that is larger than all.
    Some(if now > 1.5 * most {
        let cure = "the oldest go when the next one is compiled; or remove the folder while no kernel runs";
        Check::note("added crates", found, cure)
    } else {
        Check::ok("added crates", found)
    })
}

pub(super) fn memory() -> Check {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free =
        text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse().ok());
    match free {
        Some(kilobytes) if u64::saturating_mul(kilobytes, 1024) < MEMORY => {
            let found = format!("{:.1} GB free", kilobytes as f64 * 1024.0 / 1e9);
            Check::note("memory", found, "a kernel takes about 1 GB: shut down kernels that you do not need")
        }
        Some(kilobytes) => Check::ok("memory", format!("{:.1} GB free", kilobytes as f64 * 1024.0 / 1e9)),
        None => Check::note("memory", "unknown", "/proc/meminfo cannot be read"),
    }
}

/// Jupyter talks to a kernel over five ports of this machine.
pub(super) fn ports() -> Check {
    let listeners: std::io::Result<Vec<_>> = (0..5).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    match listeners {
        Ok(_) => Check::ok("ports", "five can be opened on 127.0.0.1"),
        Err(error) => {
            let cure = "bring the loopback interface up (`ip link set lo up`), or let Jupyter use ipc: \
                `--KernelManager.transport=ipc`";
            Check::problem("ports", format!("127.0.0.1 cannot be listened on: {error}"), cure)
        }
    }
}
