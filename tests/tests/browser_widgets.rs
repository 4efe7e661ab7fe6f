//! Sliders and questions in a real JupyterLab in a real browser.

use std::process::Command;

#[test]
fn a_slider_redraws_a_picture_by_keyboard_and_mouse() {
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
    let has_widgets =
        Command::new(&python).args(["-c", "import jupyterlab_widgets"]).output().is_ok_and(|o| o.status.success());
    if !has_widgets {
        return lathe_tests::skip(
            "jupyterlab_widgets is not in the Python environment: `cargo lathe lab --setup-only` adds it",
        );
    }
    let shots = lathe_tests::program("lathe-kernel").with_file_name("widget-shots");
    let script = lathe_tests::root().join("tests/e2e/browser_widgets.py");
    let output = Command::new(python).arg(script).arg(&shots).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}screenshots: {}", shots.display());
    assert!(
        output.status.success() && said.lines().filter(|line| line.starts_with("ok ")).count() >= 5,
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
