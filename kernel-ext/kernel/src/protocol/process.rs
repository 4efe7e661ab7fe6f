use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Kills every process that descends from this one (cells, cargo, rustc), so that nothing outlives the kernel.
///
/// Best effort, by `/proc`: twice, since a process may be starting another one at that moment.
pub fn kill_descendants() {
    kill_below(std::process::id());
}

fn kill_below(root: u32) {
    for _ in 0..2 {
        for pid in descendants(root) {
            if let Ok(pid) = libc::pid_t::try_from(pid) {
                // SAFETY: sends a signal; the pid was one of our descendants a moment ago.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
    }
}

fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid
            && let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
            // The name in parentheses may hold anything; the parent is the second field behind it.
            && let Some(parent) = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok())
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found: Vec<u32> = Vec::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        let direct = children.remove(&pid).unwrap_or_default();
        found.extend(&direct);
        open.extend(direct);
    }
    found
}

/// The version of the `rustc` on the path, seen from `folder` (`rust-toolchain.toml` counts); our minimum when it does not answer.
pub fn rustc_version(folder: &Path) -> String {
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    let folder = if folder.is_dir() { folder } else { Path::new(".") };
    let output =
        Command::new("rustc").arg("--version").current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().nth(1).unwrap_or(minimum).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_are_found_and_killed() -> std::io::Result<()> {
        let mut shell =
            Command::new("sh").args(["-c", "sleep 60 & echo started; wait"]).stdout(Stdio::piped()).spawn()?;
        let mut line = [0; 8];
        std::io::Read::read_exact(shell.stdout.as_mut().ok_or(std::io::ErrorKind::Other)?, &mut line)?;
        assert_eq!(descendants(shell.id()).len(), 1);
        kill_below(shell.id());
        // The shell was waiting for the killed process only.
        shell.wait()?;
        Ok(())
    }

    #[test]
    fn the_version_is_a_version() {
        let version = rustc_version(Path::new("/no/such/folder"));
        assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
    }
}
