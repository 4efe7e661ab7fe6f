//! Jupyter's own conformance suite against our kernel, and what the suite leaves out.

use std::process::Command;

#[test]
fn the_conformance_suite_passes_with_nothing_skipped() {
    let Some(python) = lathe_tests::environment_python() else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    let python = || {
        let mut command = Command::new(&python);
        // Packages that only tests need are not in the learner's environment.
        if let Some(folder) = std::env::var_os("LATHE_TEST_PACKAGES") {
            command.env("PYTHONPATH", folder);
        }
        command
    };
    let there = python().args(["-c", "import jupyter_kernel_test"]).output().expect("python starts");
    if !there.status.success() {
        return lathe_tests::skip(
            "no jupyter_kernel_test: `pip install --no-deps --target FOLDER jupyter_kernel_test==0.7.0` and set LATHE_TEST_PACKAGES=FOLDER",
        );
    }
    let output =
        python().arg(lathe_tests::root().join("tests/e2e/kernel_conformance.py")).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    let all = passed >= 27 && !said.contains("SKIPPED");
    assert!(
        output.status.success() && all,
        "{passed} tests passed:\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
