//! The program's command line, as far as it needs no engine.

use serde_json::Value;
use std::process::{Command, Output};

fn kernel(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_lathe-kernel")).args(arguments).output()
}

fn complaint(arguments: &[&str]) -> Result<(Option<i32>, String), Box<dyn std::error::Error>> {
    let output = kernel(arguments)?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn install_registers_this_program() -> Result<(), Box<dyn std::error::Error>> {
    let prefix = tempfile::tempdir()?;
    let place = prefix.path().to_str().ok_or("an ordinary name")?;
    let output = kernel(&["install", "--prefix", place])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = prefix.path().join("share/jupyter/kernels/lathe");
    let spec: Value = serde_json::from_slice(&std::fs::read(folder.join("kernel.json"))?)?;
    let program = spec["argv"][0].as_str().ok_or("a program")?;
    assert!(std::path::Path::new(program).is_absolute());
    assert!(Command::new(program).arg("version").output()?.status.success());
    let root = spec["env"]["LATHE_ROOT"].as_str().ok_or("a root")?;
    assert!(std::path::Path::new(root).join("kernel-ext/prelude").is_dir());
    assert_eq!((&spec["display_name"], &spec["language"]), (&"Rust (Lathe)".into(), &"rust".into()));
    Ok(())
}

#[test]
fn what_is_missing_is_named_without_a_panic() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let empty = folder.path().to_str().ok_or("an ordinary name")?;
    for (arguments, words) in [
        (vec!["serve", "-f", "/no/such.json"], "cannot read the connection file /no/such.json"),
        (vec!["run", "/no/such.ipynb"], "cannot read /no/such.ipynb"),
        (vec!["run", empty], "holds no .ipynb file"),
        (vec!["install", "--prefix", "/dev/null"], "--prefix"),
    ] {
        let (code, text) = complaint(&arguments)?;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(words) && !text.contains("panicked"), "{text}");
    }
    for arguments in
        [&["run"][..], &["install"], &["run", "x", "--in-place", "--output", "y"], &["run", "x", "--timeout", "-1"]]
    {
        assert_eq!(complaint(arguments)?.0, Some(2));
    }
    Ok(())
}
