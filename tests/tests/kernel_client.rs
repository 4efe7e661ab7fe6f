//! Our kernel, driven by Jupyter's own client from the environment that `cargo lathe lab` makes.

use std::process::Command;

#[test]
fn jupyter_client_drives_the_kernel() {
    let Some(python) = lathe_tests::environment_python() else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    let script = lathe_tests::root().join("tests/e2e/drive_kernel.py");
    let output = Command::new(python).arg(script).env("LATHE_HISTORY", "off").output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success() && said.lines().filter(|line| line.starts_with("ok ")).count() >= 37,
        "some checks do not hold:\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
