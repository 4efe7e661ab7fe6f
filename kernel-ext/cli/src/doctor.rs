//! `cargo lathe doctor`: everything that was checked, what is used where, and what can go.

use crate::checks::{self, folders::size};
use crate::json::Json;
use crate::proc::ask;
use crate::root::Places;
use crate::trouble::{Trouble, gigabytes};
use std::path::{Path, PathBuf};

/// Prints the table on stdout; fails when a check does.
pub fn run(places: &Places, clean: bool) -> Result<(), Trouble> {
    println!("Lathe {} in {}\n", env!("CARGO_PKG_VERSION"), places.root.display());
    let report = checks::all(places, &mut |_| {}, false);
    for item in &report.items {
        match &item.found {
            Ok(found) => println!("  ok       {:<10} {found}", item.name),
            Err(trouble) => {
                println!("  MISSING  {:<10} {}", item.name, trouble.parts().0.lines().next().unwrap_or_default())
            }
        }
        if let Some(warning) = &item.warning {
            println!("  note     {:<10} {warning}", "");
        }
    }
    println!();
    let env = places.state.join("env").canonicalize().ok();
    let prepared = current_prepared(places);
    used("build", &places.target, "");
    used("JupyterLab", env.as_deref().unwrap_or(&places.state.join("env")), "(part of the build folder)");
    used("prepared", &places.cache.join("prepared"), "");
    if let Some(prepared) = &prepared {
        println!("           {:<10} in use: {}", "", prepared.display());
    }
    let old = outdated(places, env.as_deref(), prepared.as_deref());
    if !old.is_empty() {
        println!("\nOut of date:");
        let mut freed = 0;
        for path in &old {
            let bytes = size(path);
            let state = if in_use(path) {
                "kept, a running program uses it"
            } else if !clean {
                freed += bytes;
                "can go"
            } else {
                std::fs::remove_dir_all(path).map_err(|e| Trouble::io("removing", path, &e))?;
                freed += bytes;
                "removed"
            };
            println!("  {:>8}  {} ({state})", gigabytes(bytes), path.display());
        }
        match clean {
            true => println!("{} freed.", gigabytes(freed)),
            false if freed > 0 => println!("`cargo lathe doctor --clean` frees {}.", gigabytes(freed)),
            false => {}
        }
    } else if clean {
        println!("\nNothing is out of date.");
    }
    let kernel = kernel(places);
    match report.trouble().or_else(|| kernel.err()) {
        None => Ok(()),
        Some(trouble) => {
            println!();
            Err(trouble)
        }
    }
}

/// What the kernel finds out about itself, if it is built; it starts one to prove that it works.
fn kernel(places: &Places) -> Result<(), Trouble> {
    let program = places.binary("lathe-kernel");
    if !places.state.join("built").is_file() || !program.is_file() {
        return Ok(());
    }
    println!("\nThe kernel:");
    let mut command = places.command(&program);
    let status = command.arg("doctor").status().map_err(|e| Trouble::io("starting", &program, &e))?;
    if status.success() { Ok(()) } else { Err(Trouble::Kernel) }
}

fn used(name: &str, path: &Path, note: &str) {
    match path.exists() {
        true => println!("  {:>8} {name:<10} {} {note}", gigabytes(size(path)), path.display()),
        false => println!("  {:>8} {name:<10} {} (not made yet)", "-", path.display()),
    }
}

/// The prepared folder of this clone: the kernel knows, if it is built; it only looks, as long as the folder is there.
fn current_prepared(places: &Places) -> Option<PathBuf> {
    let kernel = places.binary("lathe-kernel");
    places.state.join("built").is_file().then_some(())?;
    let mut command = places.command(kernel);
    command.args(["prepare", "--print"]);
    let (ok, out, _) = ask(command)?;
    let path = PathBuf::from(out.lines().last()?.trim());
    (ok && path.is_dir()).then_some(path)
}

/// Environments and prepared folders that nothing current refers to. Without knowing the current one, the newest stays.
fn outdated(places: &Places, env: Option<&Path>, prepared: Option<&Path>) -> Vec<PathBuf> {
    let folders = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let is_dir = |e: &std::fs::DirEntry| e.file_type().is_ok_and(|t| t.is_dir());
        let mut all: Vec<PathBuf> = entries.filter(is_dir).map(|e| e.path()).collect();
        all.sort();
        all
    };
    let is_env = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("env-"));
    let mut old: Vec<PathBuf> = Vec::new();
    if env.is_some() {
        old.extend(folders(&places.state).into_iter().filter(|p| is_env(p) && p.canonicalize().ok().as_deref() != env));
    }
    let all = folders(&places.cache.join("prepared"));
    let modified = |p: &PathBuf| p.metadata().and_then(|m| m.modified()).ok();
    let newest = all.iter().max_by_key(|p| modified(p)).cloned();
    let keep = prepared.map(Path::to_path_buf).or(newest);
    old.extend(all.into_iter().filter(|p| Some(p) != keep.as_ref() && ours(places, p)));
    old
}

/// Whether a prepared folder was made by this clone, or by one that is gone. Folders that are being made have no description.
fn ours(places: &Places, prepared: &Path) -> bool {
    let text = std::fs::read_to_string(prepared.join("prepared.json")).unwrap_or_default();
    match Json::parse(&text).as_ref().and_then(|j| j.get("workspace")).and_then(Json::text) {
        Some(workspace) => Path::new(workspace) == places.root || !Path::new(workspace).exists(),
        None => false,
    }
}

/// Whether a running process has a file of `folder` mapped, or runs a program from it.
fn in_use(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let below = format!("{}/", folder.display());
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_number = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
    processes.filter(is_number).any(|process| {
        let dir = process.path();
        let read = |name: &str| std::fs::read(dir.join(name)).unwrap_or_default();
        [read("maps"), read("cmdline"), read("environ")].iter().any(|t| String::from_utf8_lossy(t).contains(&below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_folders_go_and_the_current_ones_stay() {
        let base = std::env::temp_dir().join(format!("lathe-doctor-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        let mut places = Places::find().unwrap();
        places.state = base.join("state");
        places.cache = base.join("cache");
        let other = base.to_str().unwrap().to_string();
        for (dir, workspace) in [
            ("state/env-old", ""),
            ("state/env-new", ""),
            ("state/log", ""),
            ("cache/prepared/aaa", places.root.to_str().unwrap()),
            ("cache/prepared/bbb", places.root.to_str().unwrap()),
            ("cache/prepared/ccc", other.as_str()),
            ("cache/prepared/ddd", "/a/clone/that/is/gone"),
            ("cache/prepared/staging-x", ""),
        ] {
            std::fs::create_dir_all(base.join(dir)).unwrap();
            if !workspace.is_empty() {
                std::fs::write(base.join(dir).join("prepared.json"), format!("{{\"workspace\": {workspace:?}}}"))
                    .unwrap();
            }
        }
        let env = base.join("state/env-new").canonicalize().unwrap();
        let old = outdated(&places, Some(&env), Some(&base.join("cache/prepared/bbb")));
        assert_eq!(old, ["state/env-old", "cache/prepared/aaa", "cache/prepared/ddd"].map(|p| base.join(p)));
        // Not knowing which environment is current, none is called old.
        assert!(outdated(&places, None, None).iter().all(|p| p.starts_with(base.join("cache"))));
        assert!(!in_use(&base));
        let mut child = std::process::Command::new("sleep").arg("30").env("X", base.join("cache/f")).spawn().unwrap();
        let used = in_use(&base);
        let _ = child.kill();
        let _ = child.wait();
        assert!(used);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
