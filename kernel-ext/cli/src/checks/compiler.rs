//! A C and a C++ compiler that really make a program: a compiler without headers is common, and fails minutes later.

use crate::hash;
use crate::proc::ask;
use crate::root::Places;
use crate::trouble::Trouble;
use std::path::{Path, PathBuf};

const C: &str = "#include <stdio.h>\nint main(void) { printf(\"ok\\n\"); return 0; }\n";
const CXX: &str = "#include <string>\n#include <thread>\n#include <cstdio>\n\
                   int main() { std::string s(\"ok\"); std::thread([&] { std::puts(s.c_str()); }).join(); return 0; }\n";

/// Compiles, links and runs a small program in both languages. The answer is kept: it costs a second.
pub fn check(places: &Places) -> Result<String, Trouble> {
    let cc = program("CC", &["cc", "gcc", "clang"]);
    let cxx = program("CXX", &["c++", "g++", "clang++"]);
    let stamp = places.state.join("compiler.ok");
    let key = key(&[&cc, &cxx]);
    if let Some((old, words)) = std::fs::read_to_string(&stamp).ok().as_deref().and_then(|t| t.split_once('\n')) {
        if old == key {
            return Ok(words.trim_end().to_string());
        }
    }
    let scratch = Scratch::new(&places.tmp)?;
    try_language(places, "C", &cc, "c", C, &scratch.0)?;
    try_language(places, "C++", &cxx, "cpp", CXX, &scratch.0)?;
    let mut version = places.command(&cxx);
    version.arg("--version");
    let words = ask(version).and_then(|(_, out, _)| out.lines().next().map(str::to_string)).unwrap_or_default();
    // Without the stamp the next start looks again, no more.
    let _ = std::fs::create_dir_all(&places.state).and_then(|()| std::fs::write(&stamp, format!("{key}\n{words}\n")));
    Ok(words)
}

/// As the `cc` crate chooses: the variable, else the usual name.
fn program(variable: &str, names: &[&str]) -> String {
    match std::env::var(variable) {
        Ok(program) if !program.is_empty() => program,
        _ => names.iter().find(|n| which(n).is_some()).unwrap_or(&names[0]).to_string(),
    }
}

/// Where `name` is on PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |p: &PathBuf| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(runs);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(runs)
}

/// Changes when another compiler, or another version of it, is found.
fn key(programs: &[&str]) -> String {
    let mut parts = vec![env!("CARGO_PKG_VERSION").to_string()];
    for program in programs {
        let path = which(program).and_then(|p| p.canonicalize().ok());
        let stamp = path.as_ref().and_then(|p| p.metadata().ok()).and_then(|m| m.modified().ok());
        parts.push(format!("{program} {path:?} {stamp:?}"));
    }
    hash::of(&parts.iter().map(String::as_bytes).collect::<Vec<_>>())
}

fn try_language(
    places: &Places,
    language: &'static str,
    program: &str,
    extension: &str,
    source: &str,
    dir: &Path,
) -> Result<(), Trouble> {
    let file = dir.join(format!("try.{extension}"));
    let out = dir.join(format!("try-{extension}"));
    std::fs::write(&file, source).map_err(|e| Trouble::io("writing a test program", &file, &e))?;
    // CC may carry arguments, as in `ccache gcc`.
    let mut words = program.split_whitespace();
    let mut command = places.command(words.next().unwrap_or(program));
    command.args(words).arg(&file).arg("-o").arg(&out).arg("-pthread");
    let missing = || Trouble::NoCompiler { language, program: program.to_string() };
    let (ok, stdout, stderr) = ask(command).ok_or_else(missing)?;
    let broken = |output: String| Trouble::BrokenCompiler { language, program: program.to_string(), output };
    if !ok {
        let output = format!("{stdout}\n{stderr}");
        let first: Vec<&str> = output.trim().lines().take(6).collect();
        return Err(broken(first.join("\n")));
    }
    match ask(places.command(&out)) {
        Some((true, said, _)) if said == "ok" => Ok(()),
        Some((_, said, err)) => Err(broken(format!("the program it made says: {said}{err}"))),
        // A cross compiler or a folder mounted noexec; cargo will say what it is.
        None => Err(broken(format!("the program it made in {} cannot be started", dir.display()))),
    }
}

/// A folder that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(tmp: &Path) -> Result<Scratch, Trouble> {
        let dir = tmp.join(format!("lathe-check-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|e| Trouble::io("making a temporary folder", &dir, &e))?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
