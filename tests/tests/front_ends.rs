//! Our kernel under the programs that speak to kernels; those that are not installed are named and skipped.

use std::process::Command;

#[test]
fn real_front_ends_work_with_the_kernel() {
    // A Python with more of them, see the head of the script.
    let python = std::env::var_os("LATHE_FRONT_ENDS").map(Into::into).or_else(lathe_tests::environment_python);
    let Some(python) = python else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    let script = lathe_tests::root().join("tests/e2e/front_ends.py");
    let output = Command::new(python).arg(script).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    // The environment of `cargo lathe lab` has at least nbclient, nbconvert and the server.
    assert!(
        output.status.success() && said.lines().filter(|line| line.starts_with("ok ")).count() >= 3,
        "some programs do not work:\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
