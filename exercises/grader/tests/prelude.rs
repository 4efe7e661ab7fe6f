//! An answer that names `lathe` is linked against what `lathe-kernel prepare --print` says. The kernel is played by a script and
//! the prelude by a tiny dylib, so that this needs no minutes of preparation.

mod common;

use common::{Fixture, RIGHT};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

/// One test at a time: a program that is being copied in one thread while another thread forks cannot be started
/// ("text file busy").
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A folder with a copy of the grader, and beside it a kernel that runs `script` (none if empty).
fn beside(folder: &Path, script: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let grader = folder.join("lathe-grader");
    fs::copy(env!("CARGO_BIN_EXE_lathe-grader"), &grader).unwrap();
    if !script.is_empty() {
        let kernel = folder.join("lathe-kernel");
        fs::write(&kernel, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&kernel, fs::Permissions::from_mode(0o755)).unwrap();
    }
    grader
}

/// A prepared folder whose `lathe` has one function.
fn prepared(folder: &Path) {
    fs::create_dir_all(folder.join("deps")).unwrap();
    fs::write(folder.join("lathe.rs"), "pub fn twice(x: f64) -> f64 { 2.0 * x }\n").unwrap();
    let says = |arguments: &[&str]| {
        let output = Command::new("rustc").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    says(&["--edition=2024", "--crate-type=dylib", "-Cprefer-dynamic", "lathe.rs", "-o", "liblathe.so"]);
    let version = says(&["-vV"]);
    let info = serde_json::json!({
        "rustc": "rustc",
        "sysroot": says(&["--print", "sysroot"]).trim(),
        "target": version.lines().find_map(|l| l.strip_prefix("host: ")).unwrap(),
        "flags": ["--edition", "2024", "-C", "prefer-dynamic"],
    });
    fs::write(folder.join("prepared.json"), info.to_string()).unwrap();
}

const LINKED: &str = "pub fn double(x: f64) -> f64 { lathe::twice(x) }\npub fn next(x: f64) -> f64 { x + 1.0 }\n";

fn check(fixture: &Fixture, grader: &Path, arguments: &[&str]) -> (i32, String) {
    let output = fixture.command_of(grader, arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text.into_owned())
}

#[test]
fn an_answer_can_use_the_prelude() {
    let _alone = alone();
    let fixture = Fixture::new();
    let folder = fixture.dir.join("../prepared folder");
    prepared(&folder);
    // Whether this test runs under cargo is none of the kernel's business.
    let script = format!("[ -z \"$CARGO_MANIFEST_DIR$CARGO_PKG_NAME\" ] || exit 9\necho \"{}\"", folder.display());
    let grader = beside(&fixture.dir.join("../bin"), &script);
    fixture.run(&["list"]);
    fs::write(fixture.answer(), LINKED).unwrap();
    let (code, text) = check(&fixture, &grader, &["check", "1"]);
    assert!(code == 0 && text.contains("right"), "{text}");
    // The mutants, which do not use it, are compared all the same.
    fs::write(fixture.answer(), LINKED.replace("twice(x)", "twice(x) * x / 2.0")).unwrap();
    let (_, text) = check(&fixture, &grader, &["check", "1"]);
    assert!(text.contains("A known mistake: it squares"), "{text}");
}

#[test]
fn a_prelude_that_is_missing_or_broken_blocks_only_who_needs_it() {
    let _alone = alone();
    let fixture = Fixture::new();
    fixture.run(&["list"]);
    fs::write(fixture.answer(), LINKED).unwrap();
    fs::write(fixture.dir.join("my/ex02_again.rs"), RIGHT).unwrap();
    for (name, script, expected) in [
        ("none", "", "run `cargo build -p lathe-kernel`"),
        ("fails", "echo no space; exit 3", "no space"),
        ("lies", "echo /no/such/folder", "prepared.json"),
    ] {
        let grader = beside(&fixture.dir.join("..").join(name), script);
        let (code, text) = check(&fixture, &grader, &["check", "1"]);
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 2 && flat.contains(expected), "{name}: {text}");
        let (code, text) = check(&fixture, &grader, &["grade"]);
        assert_eq!(code, 1, "{name}: {text}");
        assert!(text.contains("test ex01_small ... FAILED (not graded)"), "{name}: {text}");
        assert!(text.contains("test ex02_again ... ok"), "{name}: {text}");
    }
}
