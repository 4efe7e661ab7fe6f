//! `lathe-kernel prepare` in an empty cache: twice at once, after a killed build, and used by a plain program.

use lathe_kernel::prepared::Prepared;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn prepare(cache: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lathe-kernel"))
        .args(["prepare", "--print"])
        .env("LATHE_CACHE", cache)
        .env_remove("LATHE_PREPARED")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the kernel's program starts")
}

fn printed(child: Child) -> PathBuf {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8(output.stdout).expect("text").trim_end())
}

#[test]
fn a_folder_is_made_once_and_whole() {
    let cache = tempfile::tempdir().expect("a folder");
    let all = cache.path().join("prepared");
    // What a killed build leaves.
    std::fs::create_dir_all(all.join("staging-dead/deps")).expect("a folder");

    let (one, two) = (prepare(cache.path()), prepare(cache.path()));
    let dir = printed(one);
    assert_eq!(printed(two), dir);
    let folders = || std::fs::read_dir(&all).expect("it is there").flatten().filter(|e| e.path().is_dir()).count();
    assert_eq!(folders(), 1);
    let prepared = Prepared::open(&dir).expect("it is whole");
    assert!(!prepared.is_outdated());

    // A program of any kind can be linked to it.
    let source = cache.path().join("main.rs");
    let code = "use lathe::prelude::*; fn main() { println!(\"{} rows\", df![\"a\" => [1, 2]].unwrap().height()); }";
    std::fs::write(&source, code).expect("a file");
    let program = cache.path().join("main");
    let rustc =
        Command::new(&prepared.info().rustc).args(prepared.rustc_args()).arg(&source).arg("-o").arg(&program).status();
    assert!(rustc.expect("rustc starts").success());
    let output = Command::new(program).env("LD_LIBRARY_PATH", prepared.library_path()).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 rows\n", "{output:?}");

    // A folder that was half removed is not taken for a whole one.
    drop(prepared);
    std::fs::remove_file(dir.join("prepared.json")).expect("it is there");
    assert!(Prepared::open(&dir).is_none());
    assert!(Prepared::open(&printed(prepare(cache.path()))).is_some());
}

#[test]
fn a_wrong_root_is_named() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_lathe-kernel"))
        .args(["prepare", "--print"])
        .env("LATHE_ROOT", nowhere.path())
        .env_remove("LATHE_PREPARED")
        .output()
        .expect("the kernel's program starts");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("LATHE_ROOT"), "{message}");
}
