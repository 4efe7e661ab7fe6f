//! Notebook 01 in a real JupyterLab in a real browser: run all cells, see table, plot, live figure and image grid.

use std::process::Command;

#[test]
fn a_learner_runs_all_cells_of_notebook_01() {
    let Some(python) = lathe_tests::environment_python() else {
        return lathe_tests::skip("no Python environment: `cargo lathe lab --setup-only` makes it");
    };
    for tool in ["chromium", "chromedriver"] {
        if !lathe_tests::on_path(tool) {
            return lathe_tests::skip(&format!(
                "{tool} is not installed (Debian: apt install chromium chromium-driver)"
            ));
        }
    }
    let notebook = lathe_tests::notebook("01");
    let shots = lathe_tests::program("lathe-kernel").with_file_name("browser-shots");
    let script = lathe_tests::root().join("tests/e2e/browser.py");
    let output = Command::new(python).arg(script).args([&notebook, &shots]).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}screenshots: {}", shots.display());
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
