//! Linux on x86-64 or aarch64, really Linux (WSL2 is), and enough memory to compile in.

use super::distro;
use crate::trouble::{Trouble, gigabytes};
use std::path::Path;

/// Memory that one large crate takes while it is compiled.
const PER_JOB: u64 = 2_500_000_000;

/// The platform in words.
pub fn check() -> Result<String, Trouble> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let wsl = judge(std::env::consts::OS, std::env::consts::ARCH, &release)?;
    Ok(format!("{}, {}{}", distro::pretty_name(), std::env::consts::ARCH, if wsl { ", WSL2" } else { "" }))
}

/// Whether we are inside WSL2.
pub fn is_wsl() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|r| r.to_lowercase().contains("microsoft"))
}

fn judge(os: &str, arch: &str, release: &str) -> Result<bool, Trouble> {
    if os != "linux" || !["x86_64", "aarch64"].contains(&arch) {
        return Err(Trouble::Platform { found: format!("{os} on {arch}") });
    }
    let microsoft = release.to_lowercase().contains("microsoft");
    // WSL1 translates system calls and says 4.4.0-19041-Microsoft; WSL2 is a kernel of its own, 5.x-microsoft-standard-WSL2.
    if microsoft && release.starts_with("4.4.") {
        return Err(Trouble::Wsl1);
    }
    Ok(microsoft)
}

/// Under WSL2 a folder of Windows is many times slower than one of Linux.
pub fn slow_folder(root: &Path) -> Option<String> {
    let mut parts = root.components().skip(1).map(|c| c.as_os_str().to_string_lossy());
    let on_drive = parts.next()? == "mnt" && parts.next()?.len() == 1;
    (is_wsl() && on_drive).then(|| {
        "the clone lies on a Windows drive, where building takes several times as long: better clone into ~ of Linux".into()
    })
}

fn meminfo() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some((field("MemTotal:")?, field("SwapTotal:").unwrap_or(0)))
}

/// The memory in words.
pub fn memory_words() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    match meminfo() {
        Some((ram, swap)) => format!("{}, swap {}, {cpus} CPUs", gigabytes(ram), gigabytes(swap)),
        None => format!("{cpus} CPUs"),
    }
}

/// How many crates may be compiled at once, when memory allows fewer than there are CPUs.
pub fn fewer_jobs() -> Option<usize> {
    if std::env::var_os("CARGO_BUILD_JOBS").is_some() {
        return None;
    }
    let (ram, swap) = meminfo()?;
    let cpus = std::thread::available_parallelism().ok()?.get();
    let jobs = ((ram + swap) / PER_JOB).max(1) as usize;
    (jobs < cpus).then_some(jobs)
}

/// Says so when memory is short.
pub fn memory_warning() -> Option<String> {
    let jobs = fewer_jobs()?;
    Some(format!(
        "little memory for the number of CPUs: at most {jobs} crates are compiled at once, which takes longer"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_linux_on_two_architectures() {
        assert_eq!(judge("linux", "x86_64", "6.1.0-18-amd64\n"), Ok(false));
        assert_eq!(judge("linux", "aarch64", "6.8.0"), Ok(false));
        assert_eq!(judge("linux", "x86_64", "5.15.167.4-microsoft-standard-WSL2"), Ok(true));
        assert_eq!(judge("linux", "x86_64", "4.4.0-19041-Microsoft"), Err(Trouble::Wsl1));
        assert!(matches!(judge("macos", "aarch64", ""), Err(Trouble::Platform { .. })));
        assert!(matches!(judge("linux", "riscv64", ""), Err(Trouble::Platform { .. })));
    }
}
