//! Every missing prerequisite is named in plain words, with why and how, before anything is built.

mod common;
use common::World;

fn refused(world: &World, words: &[&str]) -> String {
    let ran = world.run(&["lab", "--setup-only"]).bad(1, words);
    assert!(ran.err.contains("  how: "), "no remedy:\n{}", ran.err);
    assert_eq!((world.count("build"), world.count("pip")), (0, 0), "something was built all the same");
    ran.err
}

#[test]
fn no_python() {
    let world = World::new("no-python");
    world.remove("bin/python3");
    refused(&world, &["There is no Python 3", "JupyterLab", "why: "]);
}

#[test]
fn python_too_old() {
    let world = World::new("old-python");
    world.write("python-says", "3.8.18 1 1 1");
    refused(&world, &["is Python 3.8.18; JupyterLab needs 3.9 or newer", "LATHE_PYTHON"]);
}

#[test]
fn python_too_new_for_the_pinned_packages() {
    let world = World::new("new-python");
    world.write("python-says", "3.15.0 1 1 1");
    refused(&world, &["is Python 3.15.0", "LATHE_PYTHON=python3.13"]);
}

#[test]
fn a_newer_python_under_another_name_is_found() {
    let world = World::new("other-python");
    world.program(
        "bin/python3.12",
        "case \"$*\" in *lathe-python*) echo \"lathe-python 3.12.1 1 1 1 $W/bin/python3\" ;; esac\n",
    );
    world.write("python-says", "3.8.18 1 1 1");
    let ran = world.run(&["doctor"]).good();
    assert!(ran.out.contains("3.12.1"), "{}", ran.out);
}

#[test]
fn no_venv_module() {
    let world = World::new("no-venv");
    world.write("python-says", "3.11.2 0 0 1");
    refused(&world, &["has no `venv` module", "never touches your other Python packages"]);
}

#[test]
fn without_ensurepip_pip_is_fetched() {
    let world = World::new("no-ensurepip");
    world.write("python-says", "3.11.2 1 0 1");
    world.run(&["lab", "--setup-only"]).good();
    let calls = world.calls();
    let at = |what: &str| calls.iter().position(|c| c.starts_with(what)).unwrap_or_else(|| panic!("{what}: {calls:?}"));
    assert!(at("fetch pip") < at("pip from its wheel"), "{calls:?}");
}

#[test]
fn no_compiler() {
    let world = World::new("no-cc");
    world.remove("bin/cc");
    refused(&world, &["There is no C compiler", "ZeroMQ"]);
    let world = World::new("no-cxx");
    world.remove("bin/c++");
    refused(&world, &["There is no C++ compiler"]);
}

#[test]
fn a_compiler_without_headers() {
    let world = World::new("bad-cxx");
    world.program("bin/c++", "echo \"try.cpp:1:10: fatal error: string: No such file or directory\" >&2; exit 1\n");
    refused(&world, &["does not make a program", "fatal error: string"]);
}

#[test]
fn rust_too_old() {
    let world = World::new("old-rust");
    world.write("rustc-says", "rustc 1.90.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.90.0\n");
    refused(&world, &["Rust 1.90.0 is too old; Lathe needs 1.95", "https://rustup.rs"]);
    world.program("bin/rustup", "exit 0\n");
    refused(&world, &["Run `rustup update stable`."]);
}

#[test]
fn rust_for_musl() {
    let world = World::new("musl");
    world.write("rustc-says", "rustc 1.95.0\nhost: x86_64-unknown-linux-musl\nrelease: 1.95.0\n");
    refused(&world, &["links statically", "glibc"]);
}

#[test]
fn rust_src_missing() {
    let source = "sysroot/lib/rustlib/src/rust/library/std/src/lib.rs";
    let world = World::new("no-src");
    world.remove(source);
    refused(&world, &["`rust-src`", "types of a cell's variables"]);
    world.program("bin/rustup", "[ \"$1\" = --version ] || { echo 'error: could not download file' >&2; exit 1; }\n");
    refused(&world, &["`rustup component add rust-src` did not work", "could not download file"]);
    world.program("bin/rustup", &format!("[ \"$1\" = --version ] || touch \"$W/{source}\"\n"));
    let ran = world.run(&["lab", "--setup-only"]).good();
    assert!(ran.err.contains("asking rustup"), "{}", ran.err);
}

#[test]
fn doctor_repairs_nothing() {
    let world = World::new("doctor-src");
    world.remove("sysroot/lib/rustlib/src/rust/library/std/src/lib.rs");
    world.program("bin/rustup", "[ \"$1\" = --version ] || touch \"$W/asked\"\n");
    let ran = world.run(&["doctor"]).bad(1, &["`rust-src`"]);
    assert!(ran.out.contains("MISSING  rust-src") && ran.out.contains("ok       Python"), "{}", ran.out);
    assert!(!world.exists("asked"));
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let world = World::new("all");
    world.remove("bin/python3");
    world.remove("bin/c++");
    refused(&world, &["There is no Python 3", "There is no C++ compiler", "In one go: "]);
}

#[test]
fn a_path_with_a_space() {
    let world = World::at(std::env::temp_dir().join(format!("lathe-cli-{}-my course", std::process::id())));
    refused(&world, &["contains a space", "Move the clone"]);
}

#[test]
fn a_temporary_folder_with_a_space_is_replaced() {
    let world = World::new("tmp");
    world.write("my tmp/x", "");
    world.program("kernel", "echo \"${0##*/} $* $TMPDIR\" >> \"$W/calls\"\n");
    let ran = world.lathe(&["setup"]).env("TMPDIR", world.dir.join("my tmp")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(world.calls().contains(&"lathe-kernel prepare /tmp".to_string()), "{:?}", world.calls());
}

#[test]
fn a_folder_that_cannot_be_written() {
    // A file where the folder should be: permissions do not stop root.
    let world = World::new("no-write");
    world.write("clone/target", "a file");
    world.run(&["lab", "--setup-only"]).bad(1, &["clone/target/lathe"]);
}

#[test]
fn outside_a_clone_the_one_it_was_built_in_is_used() {
    let world = World::new("outside");
    let ran = world.lathe(&["env"]).current_dir(world.dir.join("home")).output().unwrap();
    let env = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && env.trim_end().ends_with("lathe/env"), "{env}");
}
