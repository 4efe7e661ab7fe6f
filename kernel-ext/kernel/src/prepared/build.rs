//! Builds a prepared folder aside and renames it into place.

use super::fingerprint::{Plan, ask};
use super::{INFO, Info, METADATA, PrepareError, SYSROOT_METADATA, at, dylib_name, metadata, sources};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Flags of every crate that links the dylib.
const FLAGS: [&str; 4] = ["--edition", "2024", "-C", "prefer-dynamic"];

pub(super) fn build(
    root: &Path,
    plan: &Plan,
    prepared: &Path,
    dir: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<(), PrepareError> {
    remove_leftovers(prepared);
    say("preparing the prelude: compiling what changed (the very first time this takes minutes)");
    let built = cargo_build(root, plan)?;

    let staging = tempfile::Builder::new().prefix("staging-").tempdir_in(prepared).map_err(at(prepared))?;
    let deps = staging.path().join("deps");
    std::fs::create_dir(&deps).map_err(at(&deps))?;
    say("preparing the prelude: linking the library for cells");
    link_dylib(root, plan, &built, staging.path())?;
    for file in &built.needed {
        keep(file, &deps, root, &built)?;
    }
    let answer = ask(
        root,
        &plan.cargo,
        &["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", &plan.target],
    )?;
    let pruned = metadata::prune(&answer).map_err(|reason| PrepareError::Answer { what: "cargo metadata", reason })?;
    say("preparing the prelude: shortening sources for questions about types");
    write(&staging.path().join(METADATA), &sources::write(&pruned, None, staging.path())?)?;
    let library = plan.sysroot.join("lib/rustlib/src/rust/library");
    if let Some(answer) = sysroot_metadata(plan, &library) {
        write(&staging.path().join(SYSROOT_METADATA), &sources::write(&answer, Some(&library), staging.path())?)?;
    } else {
        say(
            "preparing the prelude: the standard library's own crates are not reachable; some types will need annotations",
        );
    }
    let linker = direct_linker(plan, staging.path());
    let info = Info {
        hash: plan.hash.clone(),
        format: super::fingerprint::expected(),
        sources: plan.sources.clone(),
        rustc: plan.rustc.clone(),
        cargo: plan.cargo.clone(),
        cargo_version: ask(root, &plan.cargo, &["--version"])?,
        sysroot: plan.sysroot.clone(),
        target: plan.target.clone(),
        workspace: root.to_owned(),
        flags: FLAGS.iter().map(ToString::to_string).collect(),
        linker,
    };
    let json = serde_json::to_string_pretty(&info)
        .map_err(|error| PrepareError::Answer { what: "prepared.json", reason: error.to_string() })?;
    write(&staging.path().join(INFO), &json)?;

    // A folder without its description is a half-removed one.
    if dir.exists() && !dir.join(INFO).exists() {
        std::fs::remove_dir_all(dir).map_err(at(dir))?;
    }
    let staging = staging.keep();
    set_mode(&staging).map_err(at(&staging))?;
    std::fs::rename(&staging, dir).map_err(at(dir))?;
    say("preparing the prelude: done");
    Ok(())
}

/// What cargo says of the standard library's sources: rust-analyzer needs `hashbrown` to know what a `HashMap` gives.
fn sysroot_metadata(plan: &Plan, library: &Path) -> Option<String> {
    let output = crate::engine::original_env::command(&plan.cargo)
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform", &plan.target, "--manifest-path"])
        .arg(library.join("Cargo.toml"))
        .current_dir(library)
        // The manifest uses unstable keys; rust-analyzer does the same.
        .env("__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS", "nightly")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && answer.starts_with('{')).then_some(answer)
}

/// What one `cargo build` of the prelude left behind.
struct Built {
    /// The prelude itself.
    prelude: PathBuf,
    /// Metadata of its dependencies, and procedural macros.
    needed: BTreeSet<PathBuf>,
    /// Where rlibs lie.
    search: BTreeSet<PathBuf>,
    /// Files of our own crates, which cargo may write again.
    ours: BTreeSet<PathBuf>,
    /// Where native libraries lie.
    native: BTreeSet<String>,
}

/// Without `RUSTC` cargo calls rustup's `rustc` in the folder of each crate, and one (argminmax) asks for nightly there.
fn cargo_build(root: &Path, plan: &Plan) -> Result<Built, PrepareError> {
    let fail = |error: std::io::Error| PrepareError::Toolchain {
        program: plan.cargo.display().to_string(),
        reason: error.to_string(),
    };
    let mut child = crate::engine::original_env::command(&plan.cargo)
        .args(["build", "-p", "lathe-prelude", "--message-format=json-render-diagnostics"])
        .current_dir(root)
        .env("RUSTC", &plan.rustc)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    let mut built = Built {
        prelude: PathBuf::new(),
        needed: BTreeSet::new(),
        search: BTreeSet::new(),
        ours: BTreeSet::new(),
        native: BTreeSet::new(),
    };
    if let Some(stdout) = child.stdout.take() {
        for line in std::io::BufReader::new(stdout).lines() {
            if let Ok(message) = serde_json::from_str(&line.map_err(fail)?) {
                built.take(&message);
            }
        }
    }
    let status = child.wait().map_err(fail)?;
    if !status.success() {
        return Err(PrepareError::Build { what: "compiling the prelude", status, messages: first_errors(root, plan) });
    }
    if built.prelude.as_os_str().is_empty() {
        return Err(PrepareError::Answer { what: "cargo build", reason: String::from("no library lathe-prelude") });
    }
    Ok(built)
}

/// The first errors, each in one line; only what failed is compiled again.
fn first_errors(root: &Path, plan: &Plan) -> String {
    let output = crate::engine::original_env::command(&plan.cargo)
        .args(["build", "-q", "-p", "lathe-prelude", "--message-format=short"])
        .current_dir(root)
        .env("RUSTC", &plan.rustc)
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    let errors = text.lines().filter(|line| line.contains("error") && !line.contains("could not compile"));
    errors.take(5).collect::<Vec<_>>().join("\n")
}

impl Built {
    fn take(&mut self, message: &Value) {
        if let Some(paths) = message["linked_paths"].as_array() {
            self.native.extend(paths.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        if message["reason"] != "compiler-artifact" {
            return;
        }
        let is = |kind: &str| message["target"]["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind));
        if !(is("lib") || is("rlib") || is("proc-macro")) {
            return;
        }
        let files: Vec<PathBuf> = message["filenames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .collect();
        let with = |extension: &str| files.iter().find(|file| file.extension().is_some_and(|e| e == extension));
        let rlib = with("rlib");
        if message["target"]["name"] == "lathe_prelude"
            && let Some(rlib) = rlib
        {
            self.prelude.clone_from(rlib);
        }
        let wanted = with("rmeta").or(rlib).or_else(|| with("so"));
        if let Some(file) = wanted {
            if let Some(parent) = file.parent() {
                self.search.insert(parent.to_owned());
            }
            if message["package_id"].as_str().is_some_and(|id| id.starts_with("path+")) {
                self.ours.insert(file.clone());
            }
            self.needed.insert(file.clone());
        }
    }
}

fn link_dylib(root: &Path, plan: &Plan, built: &Built, staging: &Path) -> Result<(), PrepareError> {
    let source = root.join("kernel-ext/cell/src/lib.rs");
    let mut command = Command::new(&plan.rustc);
    command.args(FLAGS).args(["--crate-name", "lathe", "--crate-type", "dylib"]);
    // Above level 1 rustc does not export the instances that cells are to use again; they check what a cell's own code does.
    command.args(["-C", "debug-assertions=on", "-C", "overflow-checks=on"]);
    command.args(["-C", "opt-level=1", "-C", "strip=symbols", "-C", &format!("metadata=lathe-{}", plan.hash)]);
    command.arg("--extern").arg(format!("lathe_prelude={}", built.prelude.display()));
    for dir in &built.search {
        command.arg("-L").arg(format!("dependency={}", dir.display()));
    }
    for path in &built.native {
        command.args(["-L", path]);
    }
    let status = command.arg("-o").arg(staging.join(dylib_name())).arg(source).status().map_err(|error| {
        PrepareError::Toolchain { program: plan.rustc.display().to_string(), reason: error.to_string() }
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(PrepareError::Build { what: "linking the library for cells", status, messages: String::new() })
    }
}

/// Rust's own linker without the C compiler and its two helpers in front, which take longer than the linking of a cell.
///
/// Only where it links: the C compiler's answers say where the system's libraries lie.
fn direct_linker(plan: &Plan, staging: &Path) -> Vec<String> {
    let program = plan.sysroot.join("lib/rustlib").join(&plan.target).join("bin/rust-lld");
    if !plan.target.contains("linux-gnu") || !program.exists() {
        return Vec::new();
    }
    let mut flags = vec![String::from("-C"), format!("linker={}", program.display())];
    flags.extend(["-C", "linker-flavor=ld.lld"].map(String::from));
    for library in ["libc.so", "libgcc_s.so", "libgcc.a"] {
        let answer = Command::new("cc").arg(format!("-print-file-name={library}")).stdin(Stdio::null()).output();
        let answer = answer.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        // A name without a folder means that it does not know.
        if let Some(folder) = Path::new(&answer).canonicalize().ok().as_deref().and_then(Path::parent) {
            let flag = format!("native={}", folder.display());
            if !flags.contains(&flag) {
                flags.extend([String::from("-L"), flag]);
            }
        }
    }
    let (source, library) = (staging.join("trial.rs"), staging.join("trial.so"));
    let trial = "#[unsafe(no_mangle)] pub extern \"C\" fn trial(x: f64) { println!(\"{}\", x.sin()); }";
    let linked = std::fs::write(&source, trial).is_ok()
        && Command::new(&plan.rustc)
            .args(FLAGS)
            .args(["--crate-name", "trial", "--crate-type", "cdylib"])
            .args(&flags)
            .arg("-o")
            .args([&library, &source])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
        && library.exists();
    for file in [source, library] {
        // The folder is to hold only what cells need; what is left does no harm.
        let _ = std::fs::remove_file(file);
    }
    if linked { flags } else { Vec::new() }
}

/// Hard links what cargo never writes again (dependencies), copies our own crates.
fn keep(file: &Path, deps: &Path, root: &Path, built: &Built) -> Result<(), PrepareError> {
    let Some(name) = file.file_name() else { return Ok(()) };
    let to = deps.join(name);
    let ours = built.ours.contains(file) || file.starts_with(root.join("kernel-ext"));
    if !ours && std::fs::hard_link(file, &to).is_ok() {
        return Ok(());
    }
    std::fs::copy(file, &to).map_err(at(&to))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), PrepareError> {
    std::fs::write(path, text).map_err(at(path))
}

/// A temporary folder is private; this one may be read by all.
fn set_mode(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))
}

/// Staging folders of builds that were killed; the caller holds the build lock, so nobody works in them.
fn remove_leftovers(prepared: &Path) {
    for entry in std::fs::read_dir(prepared).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"staging-") {
            // Tried again next time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
