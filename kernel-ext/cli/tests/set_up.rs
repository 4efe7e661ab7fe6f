//! Set-up is done once, goes on after an interruption, and never touches what is the learner's.

mod common;
use common::{World, env_dir, interrupt, until};
use std::fs;

#[test]
fn the_second_start_has_nothing_to_do() {
    let world = World::new("twice");
    let before = world.tracked();
    let ran = world.run(&["lab", "--setup-only"]).good();
    assert!(ran.err.contains("Libraries and programs: built"), "{}", ran.err);
    assert_eq!(ran.out, "", "stdout belongs to addresses");
    assert_eq!((world.count("pip"), world.count("tree"), world.count("trust")), (1, 1, 1));
    assert!(env_dir(&world).join("share/jupyter/kernels/lathe/kernel.json").is_file());
    let overrides = fs::read_to_string(env_dir(&world).join("share/jupyter/lab/settings/overrides.json")).unwrap();
    assert!(overrides.contains("\"fetchNews\": \"false\""));

    let ran = world.run(&["setup"]).good();
    assert_eq!((world.count("pip"), world.count("tree"), world.count("trust")), (1, 1, 1), "{:?}", world.calls());
    assert_eq!(
        (world.count("build"), world.count("lathe-kernel prepare")),
        (2, 2),
        "these look for changes every time"
    );
    assert!(ran.err.contains("JupyterLab: there"), "{}", ran.err);
    assert_eq!(world.tracked(), before, "a tracked file was touched");
}

#[test]
fn a_changed_lockfile_is_looked_at_again() {
    let world = World::new("lock");
    world.run(&["setup"]).good();
    world.write("clone/Cargo.lock", "version = 4 # more\n");
    world.run(&["setup"]).good();
    assert_eq!(world.count("tree"), 2);
}

#[test]
fn a_half_made_environment_is_made_again() {
    let world = World::new("half");
    world.run(&["setup"]).good();
    fs::remove_file(env_dir(&world).join("lathe-complete")).unwrap();
    fs::write(env_dir(&world).join("rubbish"), "").unwrap();
    let ran = world.run(&["setup"]).good();
    assert!(ran.err.contains("half-made environment"), "{}", ran.err);
    assert!(!env_dir(&world).join("rubbish").exists());
    assert_eq!(world.count("pip"), 2);
}

#[test]
fn an_environment_whose_python_is_gone_is_made_again() {
    let world = World::new("gone");
    world.run(&["setup"]).good();
    fs::remove_file(env_dir(&world).join("bin/python")).unwrap();
    world.run(&["setup"]).good();
    assert_eq!(world.count("pip"), 2);
}

#[test]
fn ctrl_c_stops_everything_and_the_next_start_goes_on() {
    let world = World::new("ctrl-c");
    world.write("pip-waits", "");
    let child = world.spawn(&["lab", "--setup-only"]);
    until("pip", || world.exists("pip-began"));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Stopped.") && said.contains("goes on where it stopped"), "{said}");
    world.remove("pip-waits");
    world.run(&["setup"]).good();
    assert_eq!(world.count("pip"), 2, "the half-made environment was taken for a whole one");
}

#[test]
fn a_second_start_at_the_same_time_waits() {
    let world = World::new("same-time");
    world.write("pip-waits", "");
    let first = world.spawn(&["setup"]);
    until("pip", || world.exists("pip-began"));
    let mut second = world.spawn(&["setup"]);
    let err = second.stderr.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(err).unwrap());
    // It cannot have finished: the first one holds the lock until pip ends.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(second.try_wait().unwrap().is_none());
    world.remove("pip-waits");
    assert!(first.wait_with_output().unwrap().status.success());
    assert!(second.wait().unwrap().success());
    let said = reader.join().unwrap();
    assert!(said.contains("Another `cargo lathe` (process ") && said.contains("waiting"), "{said}");
    assert_eq!(world.count("pip"), 1);
}

#[test]
fn no_network() {
    let world = World::new("network");
    world.write("pip-fails", "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution\n");
    world.run(&["setup"]).bad(1, &["no way through the network", "name resolution", "later starts need no network"]);
    world.remove("pip-fails");
    world.write(
        "build-fails",
        "error: failed to download from `https://x/libc`\nCaused by:\n  [6] Could not resolve host\n",
    );
    world.run(&["setup"]).bad(1, &["no way through the network", "Could not resolve host"]);
}

#[test]
fn a_full_disk() {
    let world = World::new("disk");
    world.write(
        "pip-fails",
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
    );
    world.run(&["setup"]).bad(1, &["The disk that holds", "is full", "doctor --clean"]);
}

#[test]
fn a_compile_error_is_shown_from_its_first_line() {
    let world = World::new("compile");
    world.write("build-fails", "warning: old\nerror[E0308]: mismatched types\n --> lab/src/lib.rs:1:1\n");
    let ran = world.run(&["setup"]).bad(1, &["does not compile:\nerror[E0308]", "lab/src/lib.rs", "build.log"]);
    assert!(!ran.err.contains("warning: old"), "{}", ran.err);
}

#[test]
fn a_failing_kernel_is_shown_with_its_words() {
    let world = World::new("prepare");
    world.write("prepare-fails", "the prelude cannot be linked\n");
    world.run(&["setup"]).bad(1, &["preparing the prelude", "the prelude cannot be linked", "kernel.log"]);
}

#[test]
fn copies_are_the_learners() {
    let world = World::new("copies");
    world.run(&["setup"]).good();
    world.write("clone/notebooks/my/01-normal.ipynb", "mine");
    world.write("clone/notebooks/01-normal.ipynb", "course v2");
    world.write("clone/notebooks/02-defects.ipynb", "course v2");
    let ran = world.run(&["setup"]).good();
    assert_eq!(world.read("clone/notebooks/my/01-normal.ipynb"), "mine");
    assert_eq!(world.read("clone/notebooks/my/02-defects.ipynb"), "course v2");
    assert!(ran.err.contains("01-normal.ipynb has a newer version") && ran.err.contains("reset 01"), "{}", ran.err);
    let ran = world.run(&["setup"]).good();
    assert!(!ran.err.contains("newer version"), "told twice:\n{}", ran.err);

    let before = world.tracked();
    world.run(&["notebooks", "reset", "1"]).good();
    assert_eq!(world.read("clone/notebooks/my/01-normal.ipynb"), "course v2");
    assert_eq!(world.read("clone/notebooks/my/01-normal.mine-1.ipynb"), "mine");
    assert_eq!(world.tracked(), before);
    world.run(&["notebooks", "reset", "09"]).bad(1, &["There is no notebook \"09\"", "01-normal.ipynb"]);
}

#[test]
fn doctor_asks_the_kernel_too() {
    let world = World::new("kernel-doctor");
    world.run(&["doctor"]).good();
    assert_eq!(world.count("lathe-kernel doctor"), 0, "it is not built yet");
    world.run(&["setup"]).good();
    let ran = world.run(&["doctor"]).good();
    assert!(ran.out.contains("  ok       a kernel"), "{}", ran.out);
    world.write("kernel-is-ill", "");
    let ran = world.run(&["doctor"]).bad(1, &["The kernel, or its registration", "cargo lathe kernel doctor"]);
    assert!(ran.out.contains("PROBLEM  Rust"), "{}", ran.out);
}

#[test]
fn for_the_learners_other_jupyter_programs() {
    let world = World::new("user");
    world.run(&["setup", "--user"]).good();
    assert!(world.exists("home/.local/share/jupyter/kernels/lathe/kernel.json"));
}

#[test]
fn what_cargo_set_for_us_is_not_handed_on() {
    let world = World::new("clean");
    world.program("kernel", "env > \"$W/seen\"\n");
    let mut command = world.lathe(&["setup"]);
    command.env("CARGO_PKG_NAME", "lathe-cli").env("CARGO_MANIFEST_DIR", "/x").env("KEEP", "me");
    command.env("LD_LIBRARY_PATH", format!("{}:/keep", world.clone.join("target/debug/deps").display()));
    assert!(command.output().unwrap().status.success());
    let seen = world.read("seen");
    assert!(!seen.contains("CARGO_PKG_NAME") && !seen.contains("CARGO_MANIFEST_DIR"), "{seen}");
    assert!(seen.contains("KEEP=me") && seen.contains("LD_LIBRARY_PATH=/keep\n"), "{seen}");
}

#[test]
fn doctor_shows_and_removes_old_environments() {
    let world = World::new("old-env");
    world.run(&["setup"]).good();
    world.write("python-says", "3.12.1 1 1 1");
    world.run(&["setup"]).good();
    let ran = world.run(&["doctor"]).good();
    assert!(ran.out.contains("can go") && ran.out.contains("doctor --clean"), "{}", ran.out);
    let ran = world.run(&["doctor", "--clean"]).good();
    assert!(ran.out.contains("removed"), "{}", ran.out);
    let envs = fs::read_dir(world.clone.join("target/lathe")).unwrap().flatten();
    assert_eq!(envs.filter(|e| e.file_name().to_string_lossy().starts_with("env-")).count(), 1);
    assert!(env_dir(&world).join("lathe-complete").is_file());
    world.run(&["setup"]).good();
    assert_eq!(world.count("pip"), 2, "the environment in use was removed");
}
