//! Kernelspecs: written, listed, removed, examined; with the real program where it matters.

use lathe_kernel::installation::{InstallError, InstallRequest, Spec, install, removable, remove};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

type Failing = Result<(), Box<dyn std::error::Error>>;

/// A place with clones and Jupyter's folders.
struct World(tempfile::TempDir);

impl World {
    fn new() -> std::io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A clone with a program that can be executed.
    fn clone(&self, name: &str) -> std::io::Result<(PathBuf, PathBuf)> {
        let root = self.path(name);
        let program = root.join("target/debug/lathe-kernel");
        fs::create_dir_all(root.join("target/debug"))?;
        fs::write(root.join("Cargo.toml"), "")?;
        fs::write(&program, "#!/bin/sh\n")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok((root, program))
    }

    fn request(&self, clone: &str) -> std::io::Result<InstallRequest> {
        let (root, kernel) = self.clone(clone)?;
        Ok(InstallRequest { data: self.path("jupyter"), kernel, root, ..InstallRequest::default() })
    }

    /// The real program, in a home of its own.
    fn kernel(&self, arguments: &[&str]) -> std::io::Result<Output> {
        self.command(arguments).output()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lathe-kernel"));
        command.args(arguments).env("HOME", self.path("home")).env("LATHE_ENV", self.path("no-environment"));
        // The toolchain is found through these, whatever HOME is.
        for (name, below) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
            if let (None, Some(home)) = (std::env::var_os(name), std::env::var_os("HOME")) {
                command.env(name, Path::new(&home).join(below));
            }
        }
        for name in ["JUPYTER_PATH", "JUPYTER_DATA_DIR", "XDG_DATA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX"] {
            command.env_remove(name);
        }
        command
    }
}

fn json_of(output: &Output) -> Result<Value, Box<dyn std::error::Error>> {
    serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}{}", text(&output.stdout), text(&output.stderr)).into())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_kernelspec_names_the_program_and_has_logos() -> Failing {
    let world = World::new()?;
    let request = InstallRequest { env: vec![("MODE".into(), "a=b".into())], ..world.request("clone")? };
    for _ in 0..2 {
        let installed = install(&request)?;
        assert_eq!((installed.name.as_str(), installed.display_name.as_str()), ("lathe", "Rust (Lathe)"));
        let spec: Value = serde_json::from_slice(&fs::read(installed.folder.join("kernel.json"))?)?;
        assert_eq!(spec["argv"], json!([request.kernel, "serve", "-f", "{connection_file}"]));
        assert_eq!((&spec["env"]["LATHE_ROOT"], &spec["env"]["MODE"]), (&json!(request.root), &json!("a=b")));
        assert_eq!((&spec["interrupt_mode"], &spec["language"]), (&json!("message"), &json!("rust")));
        assert_eq!(spec["metadata"]["debugger"], false);
        assert_eq!(fs::read_dir(&installed.folder)?.count(), 4);
        for size in [32_u32, 64] {
            let png = fs::read(installed.folder.join(format!("logo-{size}x{size}.png")))?;
            assert_eq!((&png[1..4], &png[16..20]), (&b"PNG"[..], &size.to_be_bytes()[..]));
        }
        let read = Spec::read(&installed.folder).ok_or("a kernelspec")?;
        assert!(read.ours && read.is_alive() && read.belongs_to(&request.root));
    }
    Ok(())
}

#[test]
fn two_clones_stand_side_by_side() -> Failing {
    let world = World::new()?;
    let first = world.request("lathe")?;
    let second = world.request("My Course")?;
    assert_eq!(install(&first)?.name, "lathe");
    // Twice: what a clone installed before is its own and is replaced.
    for _ in 0..2 {
        let beside = install(&second)?;
        assert_eq!(
            (beside.name.as_str(), beside.display_name.as_str()),
            ("lathe-my-course", "Rust (Lathe, my-course)")
        );
        assert_eq!(beside.beside.as_deref(), Some(first.root.as_path()));
    }
    assert_eq!(fs::read_dir(world.path("jupyter/kernels"))?.count(), 2);
    let named = InstallRequest { name: Some("lathe".into()), ..second.clone() };
    let error = install(&named).unwrap_err();
    assert!(matches!(&error, InstallError::Taken { root, .. } if *root == first.root), "{error}");
    assert_eq!(install(&InstallRequest { replace: true, ..named })?.name, "lathe");
    // Now the first clone has lost its name; it gets one beside it.
    assert_eq!(install(&first)?.name, "lathe-lathe");
    // A clone that was deleted holds no name.
    fs::remove_dir_all(&second.root)?;
    assert_eq!(install(&world.request("third")?)?.name, "lathe");
    Ok(())
}

#[test]
fn what_is_not_ours_is_left_alone() -> Failing {
    let world = World::new()?;
    let python = world.path("jupyter/kernels/python3");
    fs::create_dir_all(&python)?;
    fs::write(
        python.join("kernel.json"),
        "{\"argv\": [\"python\"], \"display_name\": \"P\", \"language\": \"python\"}",
    )?;
    let request = world.request("clone")?;
    for replace in [false, true] {
        let foreign = InstallRequest { name: Some("python3".into()), replace, ..request.clone() };
        assert!(matches!(install(&foreign), Err(InstallError::Foreign { .. })));
    }
    for name in ["", "a b", "../x", ".hidden", "ä"] {
        let error = install(&InstallRequest { name: Some(name.into()), ..request.clone() }).unwrap_err();
        assert!(matches!(error, InstallError::Name { .. }), "{name}");
    }
    let folder = install(&request)?.folder;
    fs::write(folder.join("mine.txt"), "")?;
    let data = [world.path("jupyter")];
    assert!(removable(&data, &["python3".into()], &request.root).is_err(), "only ours can be named");
    let found = removable(&data, &[], &request.root)?;
    assert_eq!(found.iter().map(Spec::name).collect::<Vec<_>>(), ["lathe"]);
    assert!(!remove(&found[0])?, "a file of somebody else keeps the folder");
    assert_eq!(fs::read_dir(&folder)?.count(), 1);
    assert!(python.join("kernel.json").is_file());
    let blocked = InstallRequest { data: request.kernel.clone(), ..request };
    let error = install(&blocked).unwrap_err().to_string();
    assert!(error.contains("logo-32x32.png") && error.contains("--prefix"), "{error}");
    Ok(())
}

#[test]
fn list_says_what_would_start_and_remove_asks() -> Failing {
    let world = World::new()?;
    let gone = InstallRequest { data: world.path("home/.local/share/jupyter"), ..world.request("gone")? };
    install(&InstallRequest { name: Some("lathe-gone".into()), ..gone.clone() })?;
    fs::remove_file(&gone.kernel)?;
    let installed = world.kernel(&["install", "--user", "--display-name", "Rust here"])?;
    assert!(installed.status.success(), "{}", text(&installed.stderr));
    let list = json_of(&world.kernel(&["list", "--json"])?)?;
    let by_name = |name: &str| {
        let mut all = list.as_array().into_iter().flatten();
        all.find(|entry| entry["name"] == name).cloned().ok_or(format!("{name} is not in {list}"))
    };
    let (own, other) = (by_name("lathe")?, by_name("lathe-gone")?);
    assert_eq!((&own["starts"], &own["display_name"]), (&json!(true), &json!("Rust here")));
    assert_eq!(own["status"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(other["starts"], false);
    assert!(other["state"].as_str().is_some_and(|state| state.contains("is not there")), "{other}");
    let asked = world.command(&["remove"]).stdin(std::process::Stdio::null()).output()?;
    assert_eq!(asked.status.code(), Some(2), "nobody can answer");
    assert!(text(&asked.stderr).contains("--yes") && text(&asked.stdout).contains("Rust here"));
    assert!(world.kernel(&["remove", "--yes", "lathe"])?.status.success());
    let list = json_of(&world.kernel(&["list", "--json", "--user"])?)?;
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert!(world.kernel(&["remove", "--yes"])?.status.success(), "one whose program is gone goes without a name");
    assert_eq!(fs::read_dir(world.path("home/.local/share/jupyter/kernels"))?.count(), 0);
    assert_eq!(world.kernel(&["remove", "--yes", "lathe"])?.status.code(), Some(1), "there is none any more");
    Ok(())
}

fn grade<'a>(report: &'a Value, name: &str, words: &str) -> Option<(&'a str, &'a str)> {
    let mut checks = report["checks"].as_array().into_iter().flatten();
    let check = checks.find(|c| c["name"] == name && c["found"].as_str().is_some_and(|found| found.contains(words)))?;
    Some((check["grade"].as_str()?, check["cure"].as_str().unwrap_or_default()))
}

#[test]
fn doctor_names_each_trouble_and_its_cure() -> Failing {
    let world = World::new()?;
    let open = world.path("runtime");
    fs::create_dir(&open)?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777))?;
    let gone = InstallRequest { data: world.path("data"), ..world.request("gone")? };
    install(&gone)?;
    fs::remove_file(&gone.kernel)?;
    let sick = world
        .command(&["doctor", "--no-start", "--json"])
        .env("LATHE_ROOT", world.path("nowhere"))
        .env("LATHE_CACHE", "/dev/null/cache")
        .env("JUPYTER_RUNTIME_DIR", &open)
        .env("JUPYTER_PATH", world.path("data"))
        .env("PATH", world.path("empty"))
        .env("CARGO_HOME", world.path("empty"))
        .output()?;
    assert_eq!(sick.status.code(), Some(1));
    let report = json_of(&sick)?;
    assert_eq!(report["ok"], false);
    for (name, words, expected, cure) in [
        ("kernel", "nowhere", "problem", "cargo lathe setup"),
        ("Rust", "cannot be started", "problem", "rustup.rs"),
        ("cells' folder", "/dev/null/cache", "problem", "LATHE_CACHE"),
        ("connection files", "other users", "problem", "chmod 700"),
        ("registered", "no kernelspec of this clone", "problem", "kernel install"),
        ("registered", "is not there", "note", "kernel remove lathe"),
    ] {
        let (grade, said) = grade(&report, name, words).ok_or(format!("{name}, {words}: not in {report:#}"))?;
        assert_eq!(grade, expected, "{name}: {words}");
        assert!(said.contains(cure), "{name}: {said}");
    }
    let mut command = world.command(&["doctor", "--no-start"]);
    let lines = text(&command.env("PATH", world.path("empty")).env("CARGO_HOME", "/dev/null").output()?.stdout);
    assert!(lines.contains("  PROBLEM  Rust ") && lines.contains("cure: ") && lines.contains("problem"), "{lines}");
    Ok(())
}

#[test]
fn rustup_is_found_where_it_installs_itself() -> Failing {
    let world = World::new()?;
    let bin = world.path("home/.cargo/bin");
    fs::create_dir_all(&bin)?;
    fs::write(bin.join("rustc"), "#!/bin/sh\necho 'rustc 9.8.7 (here)'\n")?;
    fs::set_permissions(bin.join("rustc"), fs::Permissions::from_mode(0o755))?;
    let mut command = world.command(&["version"]);
    let output = command.env("PATH", world.path("empty")).env_remove("CARGO_HOME").output()?;
    assert!(text(&output.stdout).contains("(Rust 9.8.7)"), "{}", text(&output.stdout));
    Ok(())
}

#[test]
fn doctor_starts_a_kernel_that_calculates() -> Failing {
    // The engine's tests need it too; whoever comes first makes it.
    lathe_kernel::prepared::find_or_build(&mut |_| {})?;
    let world = World::new()?;
    let cache = lathe_kernel::prepared::cache_root()?;
    let kernel = |arguments: &[&str]| world.command(arguments).env("LATHE_CACHE", &cache).output();
    assert!(kernel(&["install", "--user"])?.status.success());
    let output = kernel(&["doctor", "--json"])?;
    let report = json_of(&output)?;
    let (grade, _) = grade(&report, "a kernel", "shows 1 + 1 = 2").ok_or(format!("not started: {report:#}"))?;
    assert_eq!(grade, "ok");
    // Whatever else this machine lacks.
    assert_eq!(output.status.success(), report["ok"] == true, "{report:#}");
    Ok(())
}
