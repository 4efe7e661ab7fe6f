//! A small set of exercises in a temporary folder, and the grader run on it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The checks ask that `double` doubles and that `next` adds one.
const CHECKS: &str = r#"
use super::answer::{double, next};
use crate::harness::{Checks, close};
pub fn checks(c: &mut Checks) {
    c.part("double", |p| {
        p.property("twice the number", || close("x = 3", double(3.0), 6.0, 1e-9));
        p.probe("values", || vec![double(3.0), double(-1.5), double(0.0)]);
    });
    c.part("next", |p| {
        p.property("one more", || close("x = 3", next(3.0), 4.0, 1e-9));
        p.probe("values", || vec![next(3.0), next(-1.5)]);
    });
}
"#;

/// A right answer.
pub const RIGHT: &str = "pub fn double(x: f64) -> f64 { 2.0 * x }\npub fn next(x: f64) -> f64 { x + 1.0 }\n";

/// A folder with two exercises that have the same checks.
pub struct Fixture {
    _folder: tempfile::TempDir,
    /// `exercises/` inside it.
    pub dir: PathBuf,
    cache: PathBuf,
}

impl Fixture {
    pub fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        // As the grader sees it: the temporary folder can be a link.
        let root = folder.path().canonicalize().unwrap().join("it's my course");
        let dir = root.join("exercises");
        for name in ["ex01_small", "ex02_again"] {
            let put = |path: String, text: &str| {
                let path = dir.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            let stub = "//! # Exercise 1: two small functions\n\
                 pub fn double(x: f64) -> f64 { todo!() }\npub fn next(x: f64) -> f64 { todo!() }\n";
            put(format!("stubs/{name}.rs"), stub);
            put(format!("solutions/{name}.rs"), RIGHT);
            put(format!("tests/{name}.rs"), CHECKS);
            put(format!("hints/{name}.md"), "# Hints\n\n## A\nthe mild hint\n\n## B\nthe strong hint\n");
            put(
                format!("mutants/{name}/squared.rs"),
                "//! title: it squares\n//! source: 001-5\n//! why: x * x is not\n//! 2 x\n//! hint: try x = 3\n\
                 pub fn double(x: f64) -> f64 { x * x }\npub fn next(x: f64) -> f64 { x + 1.0 }\n",
            );
        }
        Fixture { dir, cache: root.join("cache"), _folder: folder }
    }

    /// The grader as a command on this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_lathe-grader").as_ref(), arguments)
    }

    /// Another copy of the grader as a command on this folder.
    pub fn command_of(&self, grader: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(grader);
        command.args(arguments).arg("--dir").arg(&self.dir).env("LATHE_CACHE", &self.cache).env_remove("NO_COLOR");
        command
    }

    /// Runs the grader; its exit code and standard output.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = String::from_utf8(stdout).unwrap();
        (status.code().unwrap(), text + &String::from_utf8(stderr).unwrap())
    }

    /// The learner's file of the first exercise.
    pub fn answer(&self) -> PathBuf {
        self.dir.join("my/ex01_small.rs")
    }

    /// Writes the learner's file of the first exercise and grades it.
    #[allow(dead_code)]
    pub fn grade(&self, answer: &str) -> Value {
        fs::create_dir_all(self.dir.join("my")).unwrap();
        fs::write(self.answer(), answer).unwrap();
        let (_, text) = self.run(&["check", "1", "--json"]);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// The message of the first violation of the part `name`.
#[allow(dead_code)]
pub fn violation(verdict: &Value, name: &str) -> String {
    let part = verdict["parts"].as_array().unwrap().iter().find(|p| p["name"] == name);
    let part = part.unwrap_or_else(|| panic!("no part {name} in {verdict}"));
    part["violations"][0]["message"].as_str().unwrap_or_else(|| panic!("nothing violated in {part}")).to_string()
}

/// What a folder holds, byte for byte.
#[allow(dead_code)]
pub fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    files.sort();
    files.into_iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect()
}
