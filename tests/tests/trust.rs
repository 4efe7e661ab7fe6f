//! The short versions of the scripts in `tests/trust`; by hand they take more cells (`--help`).

use std::process::Command;

fn run(script: &str, arguments: &[&str]) {
    let Some(python) = lathe_tests::environment_python() else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    let path = lathe_tests::root().join("tests/trust").join(script);
    let output = Command::new(python).arg(path).args(arguments).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let held = said.lines().any(|line| line.starts_with("ok"));
    assert!(output.status.success() && held, "{script}:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn many_cells_leave_nothing_behind() {
    run("soak.py", &["--cells", "48"]);
}

#[test]
fn a_killed_process_is_recovered_from() {
    run("kill.py", &["--cells", "12", "--seed", "1"]);
}

#[test]
fn unfriendly_places_are_survived() {
    run("places.py", &[]);
}

#[test]
fn crates_of_the_user_are_added() {
    run("dep.py", &["folders", "offline"]);
}

#[test]
fn nothing_outlives_the_one_who_started_it() {
    run("lives.py", &["killed_parent", "restart_and_clear"]);
}

#[test]
fn wrong_messages_to_the_real_kernel_are_survived() {
    run("fuzz.py", &["--messages", "4000", "--raw", "60"]);
}
