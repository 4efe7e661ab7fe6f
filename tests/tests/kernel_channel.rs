//! Questions to the user, standard input, widgets and late output, driven by Jupyter's own client.

use std::process::Command;

#[test]
fn cells_can_ask_and_widgets_work() {
    let Some(python) = lathe_tests::environment_python() else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    let script = lathe_tests::root().join("tests/e2e/drive_channel.py");
    let output = Command::new(python).arg(script).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success() && said.lines().filter(|line| line.starts_with("ok ")).count() >= 15,
        "some checks do not hold:\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
