//! The exercises themselves, proved on the tracked files: every stub is "not started", every solution and alternative is right, every
//! mutant is wrong and gets its own explanation, and a file that does not compile blocks nothing. Whatever lies in
//! `exercises/my/` is neither read nor touched: the grader works on a copy.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A pristine copy of the tracked part of `exercises/`.
struct Copy {
    folder: tempfile::TempDir,
}

fn tracked() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../exercises")
}

impl Copy {
    fn new() -> Copy {
        let folder = tempfile::tempdir().unwrap();
        for part in ["stubs", "solutions", "alternatives", "mutants", "tests", "hints"] {
            copy(&tracked().join(part), &folder.path().join("exercises").join(part));
        }
        // So that rustup takes the toolchain of the clone.
        copy(&tracked().join("../rust-toolchain.toml"), &folder.path().join("rust-toolchain.toml"));
        Copy { folder }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("exercises")
    }

    fn grader(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(grader()).args(arguments).arg("--dir").arg(self.dir()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// The verdict on `file` as an answer to `exercise`.
    fn verdict(&self, exercise: &str, file: &Path) -> Value {
        let (_, out, err) = self.grader(&["check", exercise, "--file", file.to_str().unwrap(), "--json"]);
        serde_json::from_str(&out)
            .unwrap_or_else(|_| panic!("{} as an answer to {exercise}: {out}{err}", file.display()))
    }

    fn exercises(&self) -> Vec<String> {
        let names: Vec<String> = files(&self.dir().join("stubs")).iter().map(|p| stem(p)).collect();
        assert!(!names.is_empty(), "there are no exercises");
        names
    }
}

/// The grader beside the folder of this test: `target/debug/lathe-grader`.
fn grader() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let grader = here.ancestors().nth(2).unwrap().join("lathe-grader");
    assert!(grader.is_file(), "{} is missing: run `cargo build -p lathe-grader` first", grader.display());
    grader
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            copy(&path, &to.join(path.file_name().unwrap()));
        }
    } else {
        fs::copy(from, to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "rs"));
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_string()
}

/// The ids of the mistakes that a verdict explains, and the words of the properties that do not hold.
fn explained(verdict: &Value) -> (Vec<&str>, Vec<&str>) {
    let parts = verdict["parts"].as_array().unwrap();
    let ids = parts.iter().filter_map(|p| p["mistake"]["id"].as_str()).collect();
    let violations = parts.iter().flat_map(|p| p["violations"].as_array().unwrap());
    (ids, violations.filter_map(|v| v["property"].as_str()).collect())
}

#[test]
fn every_stub_is_not_started_and_compiles() {
    let copy = Copy::new();
    for name in copy.exercises() {
        let stub = copy.dir().join(format!("stubs/{name}.rs"));
        let text = fs::read_to_string(&stub).unwrap();
        assert!(text.contains("todo!(") && text.contains("TODO"), "{name}: the stub needs todo!() and a TODO list");
        assert_eq!(copy.verdict(&name, &stub)["state"], "not_started", "{name}");
        // One comment more, and the grader has to compile it: every function still says todo!().
        let touched = copy.dir().join("touched.rs");
        fs::write(&touched, text + "// read\n").unwrap();
        let verdict = copy.verdict(&name, &touched);
        let parts = verdict["parts"].as_array().unwrap();
        assert!(!parts.is_empty() && parts.iter().all(|p| p["state"] == "not_started"), "{name}: {verdict}");
        assert_eq!(verdict["state"], "not_started", "{name}");
        let (code, _, _) = copy.grader(&["check", &name]);
        assert_eq!(code, 1, "{name}: an exercise that is not started must not count as done");
    }
}

#[test]
fn every_solution_and_alternative_is_right() {
    let copy = Copy::new();
    for name in copy.exercises() {
        let mut answers = files(&copy.dir().join("alternatives").join(&name));
        assert!(!answers.is_empty(), "{name}: an exercise needs another right answer, lest only ours passes");
        answers.push(copy.dir().join(format!("solutions/{name}.rs")));
        for answer in answers {
            let verdict = copy.verdict(&name, &answer);
            assert_eq!(verdict["state"], "right", "{}: {verdict:#}", answer.display());
        }
        // A learner who writes the solution gets exit code 0.
        fs::copy(copy.dir().join(format!("solutions/{name}.rs")), copy.dir().join("my.rs")).unwrap();
        let (code, out, err) = copy.grader(&["check", &name, "--file", copy.dir().join("my.rs").to_str().unwrap()]);
        assert_eq!(code, 0, "{name}: {out}{err}");
    }
}

#[test]
fn every_mutant_is_wrong_and_gets_its_own_explanation() {
    let copy = Copy::new();
    for name in copy.exercises() {
        let mutants = files(&copy.dir().join("mutants").join(&name));
        assert!(mutants.len() >= 2, "{name}: at least two mutants");
        let mut whys: BTreeMap<String, String> = BTreeMap::new();
        for mutant in mutants {
            let verdict = copy.verdict(&name, &mutant);
            assert_eq!(verdict["state"], "wrong", "{}: {verdict:#}", mutant.display());
            let (ids, properties) = explained(&verdict);
            assert!(!properties.is_empty(), "{}: no property names what is wrong", mutant.display());
            assert!(!ids.is_empty() && ids.iter().all(|id| *id == stem(&mutant)), "{}: {ids:?}", mutant.display());
            let mistakes = verdict["parts"].as_array().unwrap().iter().filter_map(|p| p["mistake"]["why"].as_str());
            for why in mistakes {
                let other = whys.insert(why.to_string(), stem(&mutant)).filter(|other| *other != stem(&mutant));
                assert_eq!(other, None, "{}: the explanation is another mutant's", mutant.display());
            }
        }
    }
}

#[test]
fn a_file_that_does_not_compile_is_reported_and_blocks_no_other() {
    let copy = Copy::new();
    for name in copy.exercises() {
        let broken = copy.dir().join("broken.rs");
        let solution = fs::read_to_string(copy.dir().join(format!("solutions/{name}.rs"))).unwrap();
        let lines = solution.lines().count();
        fs::write(&broken, solution + "pub fn broken() -> u8 { \"text\" }\n").unwrap();
        let verdict = copy.verdict(&name, &broken);
        assert_eq!(verdict["state"], "does_not_compile", "{name}");
        let error = verdict["compiler"][0].as_str().unwrap();
        assert!(error.contains(&format!("broken.rs:{}:", lines + 1)), "{name}: {error}");
    }
    // All broken but the last: it is graded all the same.
    let names = copy.exercises();
    let my = copy.dir().join("my");
    fs::create_dir_all(&my).unwrap();
    for name in &names {
        fs::write(my.join(format!("{name}.rs")), "fn {").unwrap();
    }
    // With one exercise a second one is made of it, so that there is something to block.
    let last = if names.len() > 1 { names[names.len() - 1].clone() } else { second(&copy, &names[0]) };
    fs::copy(copy.dir().join(format!("solutions/{last}.rs")), my.join(format!("{last}.rs"))).unwrap();
    let (code, out, err) = copy.grader(&["grade"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains(&format!("test {} ... FAILED (does not compile)", names[0])), "{out}{err}");
    assert!(out.contains(&format!("test {last} ... ok")), "{out}{err}");
    assert!(out.contains("test result: FAILED. 1 passed;"), "{out}");
}

/// A copy of an exercise under another number.
fn second(copy: &Copy, name: &str) -> String {
    let other = "ex99_second".to_string();
    for folder in ["stubs", "solutions", "tests"] {
        let file = |n: &str| copy.dir().join(folder).join(format!("{n}.rs"));
        fs::copy(file(name), file(&other)).unwrap();
    }
    other
}

#[test]
fn every_exercise_has_hints_in_steps() {
    let copy = Copy::new();
    for name in copy.exercises() {
        let (_, first, _) = copy.grader(&["hint", &name]);
        let (_, second, _) = copy.grader(&["hint", &name]);
        assert!(first.contains("Hint 1 of ") && !first.contains("Hint 2 of "), "{name}: {first}");
        assert!(second.contains("Hint 2 of "), "{name}: {second}");
        let (_, text, _) = copy.grader(&["hint", &name, "--all"]);
        assert!(text.len() > second.len(), "{name}: a third hint is missing");
    }
}

#[test]
fn the_sources_are_formatted() {
    let config = tracked().join("../rustfmt.toml");
    let mut all: Vec<PathBuf> =
        ["stubs", "solutions", "tests"].iter().flat_map(|f| files(&tracked().join(f))).collect();
    for folder in ["alternatives", "mutants"] {
        for entry in fs::read_dir(tracked().join(folder)).unwrap() {
            all.extend(files(&entry.unwrap().path()));
        }
    }
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--check", "--config-path"]).arg(&config).args(&all);
    match rustfmt.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => println!("skipped: rustfmt cannot be started ({error}); `rustup component add rustfmt`"),
    }
}
