//! A small world for the launcher: a clone, a home and a PATH of stand-ins, so that no test needs the network, a compiler
//! or more than a moment.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The world; its folder goes away with it.
pub struct World {
    pub dir: PathBuf,
    pub clone: PathBuf,
}

/// What stands in for python3 and, copied, for the environment's python.
const PYTHON: &str = r#"
case "$*" in
  *lathe-python*) echo "lathe-python $(cat "$W/python-says") $W/bin/python3"; exit 0 ;;
  "-m venv"*)
    for last; do :; done
    mkdir -p "$last/bin"; cp "$W/bin/python3" "$last/bin/python"; exit 0 ;;
  *"-m pip install"*)
    echo pip >> "$W/calls"
    echo "Collecting jupyterlab==4"
    if [ -e "$W/pip-waits" ]; then touch "$W/pip-began"; while [ -e "$W/pip-waits" ]; do sleep 0.05; done; fi
    if [ -e "$W/pip-fails" ]; then cat "$W/pip-fails" >&2; exit 1; fi
    exit 0 ;;
  *TrustNotebookApp*) echo "trust $*" >> "$W/calls"; exit 0 ;;
  *"-m jupyterlab"*)
    echo "jupyterlab $*" >> "$W/calls"
    if [ -e "$W/jupyter-fails" ]; then cat "$W/jupyter-fails"; exit 1; fi
    for a; do case "$a" in --ServerApp.port=*) export LATHE_FAKE_PORT="${a#*port=}" ;; esac; done
    exec "$(cat "$W/server")" fake_server --exact --nocapture ;;
  *urllib.request*) echo "fetch pip" >> "$W/calls"; exit 0 ;;
  *pip-25.3*install*) echo "pip from its wheel" >> "$W/calls"; exit 0 ;;
  *) exit 0 ;;
esac
"#;

const CC: &str = r#"
if [ "$1" = --version ]; then echo "cc (stand-in) 1.0"; exit 0; fi
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done
printf '#!/bin/sh\necho ok\n' > "$out"; chmod +x "$out"
"#;

const RUSTC: &str = r#"
case "$1" in
  -vV) cat "$W/rustc-says" ;;
  --print) echo "$W/sysroot" ;;
esac
"#;

const CARGO: &str = r#"
case "$1" in
  --version) echo "cargo 1.95.0" ;;
  tree) echo "tree" >> "$W/calls"; printf 'libc v0.2.1\nlathe-kernel v0.1.0 (/x)\n' ;;
  build)
    echo "build" >> "$W/calls"
    echo "   Compiling libc v0.2.1" >&2
    if [ -e "$W/build-fails" ]; then cat "$W/build-fails" >&2; exit 101; fi
    echo '{"reason":"compiler-artifact","package_id":"registry+x#libc@0.2.1","target":{"kind":["lib"]},"fresh":false}'
    mkdir -p "$W/clone/target/debug"
    for name in lathe-kernel lathe-chapters lathe-grader lathe-data; do
      cp "$W/kernel" "$W/clone/target/debug/$name"
    done ;;
esac
"#;

const KERNEL: &str = r#"
echo "${0##*/} $*" >> "$W/calls"
case "$1" in
  prepare) if [ -e "$W/prepare-fails" ]; then cat "$W/prepare-fails" >&2; exit 1; fi ;;
  install) mkdir -p "$3/share/jupyter/kernels/lathe"; echo '{}' > "$3/share/jupyter/kernels/lathe/kernel.json" ;;
  run) echo "ran in $(pwd)"; exit 7 ;;
  doctor) if [ -e "$W/kernel-is-ill" ]; then echo "  PROBLEM  Rust"; exit 1; fi; echo "  ok       a kernel" ;;
esac
"#;

impl World {
    /// A world in which everything is there.
    pub fn new(name: &str) -> World {
        let unique = COUNT.fetch_add(1, Ordering::SeqCst);
        World::at(std::env::temp_dir().join(format!("lathe-cli-{}-{unique}-{name}", std::process::id())))
    }

    /// The same at a given place.
    pub fn at(dir: PathBuf) -> World {
        let _ = fs::remove_dir_all(&dir);
        let world = World { clone: dir.join("clone"), dir };
        for folder in
            ["bin", "home", "clone/kernel-ext/cli", "clone/notebooks", "sysroot/lib/rustlib/src/rust/library/std/src"]
        {
            fs::create_dir_all(world.dir.join(folder)).unwrap();
        }
        world.write("clone/Cargo.toml", "[workspace]\n");
        world.write("clone/Cargo.lock", "version = 4\n");
        world.write("clone/kernel-ext/cli/Cargo.toml", "");
        world.write("clone/notebooks/01-normal.ipynb", "{\"cells\": []}");
        world.write("clone/notebooks/02-defects.ipynb", "{\"cells\": [2]}");
        world.write("sysroot/lib/rustlib/src/rust/library/std/src/lib.rs", "");
        world.write("python-says", "3.11.2 1 1 1");
        world.write("rustc-says", "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n");
        world.write("server", std::env::current_exe().unwrap().to_str().unwrap());
        for (name, script) in [("python3", PYTHON), ("cc", CC), ("c++", CC), ("rustc", RUSTC), ("cargo", CARGO)] {
            world.program(&format!("bin/{name}"), script);
        }
        world.program("kernel", KERNEL);
        world
    }

    /// Writes a file below the world's folder.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads one.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Removes one.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    pub fn exists(&self, name: &str) -> bool {
        self.dir.join(name).exists()
    }

    /// Writes a shell script that knows the world as `$W`.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.dir.join(name);
        let text = format!("#!/bin/sh\nW='{}'\nPATH=/usr/bin:/bin\nexport PATH\n{script}", self.dir.display());
        // Written elsewhere and renamed: a program that another thread's fork holds open for writing cannot be started.
        let aside = path.with_extension("aside");
        fs::write(&aside, text).unwrap();
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&aside, &path).unwrap();
    }

    /// The stand-ins' calls so far.
    pub fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.dir.join("calls")).unwrap_or_default().lines().map(str::to_string).collect()
    }

    /// How many calls begin with `what`.
    pub fn count(&self, what: &str) -> usize {
        self.calls().iter().filter(|c| c.starts_with(what)).count()
    }

    /// The launcher in the clone, seeing only this world.
    pub fn lathe(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
        command.args(args).current_dir(&self.clone).env_clear();
        command.env("PATH", self.dir.join("bin")).env("HOME", self.dir.join("home"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.lathe(args).output().unwrap())
    }

    /// Starts it.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.lathe(args).spawn().unwrap()
    }

    /// Every file of the clone outside the folders that git ignores, with its text.
    pub fn tracked(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut todo = vec![self.clone.clone()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if path == self.clone.join("target") || path == self.clone.join("notebooks/my") {
                    continue;
                }
                if path.is_dir() { todo.push(path) } else { files.push((path.clone(), fs::read(&path).unwrap())) }
            }
        }
        files.sort();
        files
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// What a run gave.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Fails the test, with everything that was said, unless the run ended well.
    pub fn good(self) -> Ran {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// Fails the test unless the run failed with `code` and said all of `words` on stderr.
    pub fn bad(self, code: i32, words: &[&str]) -> Ran {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing in:\n{}", self.err);
        }
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Waits until `what` holds; fails the test after half a minute.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ctrl-C for one process.
pub fn interrupt(child: &Child) {
    // SAFETY: kill takes plain numbers.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) }, 0);
}

/// Reads the first line of a running child's stdout.
pub fn first_line(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line
}

/// A free port of this moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The folder of the environment.
pub fn env_dir(world: &World) -> PathBuf {
    let state = world.clone.join("target/lathe");
    state.join(fs::read_link(state.join("env")).unwrap_or_else(|_| Path::new("none").into()))
}
