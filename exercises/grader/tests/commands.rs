//! The commands as a learner uses them.

mod common;

use common::{Fixture, RIGHT, snapshot};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

#[test]
fn one_broken_file_does_not_block_the_others() {
    let fixture = Fixture::new();
    let (code, text) = fixture.run(&["grade"]);
    assert_eq!(code, 1);
    assert!(text.contains("test result: FAILED. 0 passed; 2 failed;"), "{text}");
    fs::write(fixture.answer(), "pub fn double(").unwrap();
    fs::write(fixture.dir.join("my/ex02_again.rs"), RIGHT).unwrap();
    let (code, text) = fixture.run(&["grade"]);
    assert_eq!(code, 1);
    assert!(text.contains("test ex01_small ... FAILED (does not compile)"), "{text}");
    assert!(text.contains("test ex02_again ... ok"), "{text}");
    assert!(text.contains("test result: FAILED. 1 passed; 1 failed;"), "{text}");
    assert!(!text.contains('\x1b'), "colour, although nobody looks at a terminal");
    fs::write(fixture.answer(), RIGHT).unwrap();
    let (code, text) = fixture.run(&["grade"]);
    assert_eq!(code, 0);
    assert!(text.contains("test result: ok. 2 passed; 0 failed;"), "{text}");
    assert!(fixture.run(&["list"]).1.contains("2 of 2 right"));
}

#[test]
fn hints_come_in_steps_and_start_again_after_a_reset() {
    let fixture = Fixture::new();
    let first = fixture.run(&["hint", "1"]).1;
    assert!(first.contains("the mild hint") && !first.contains("the strong hint"), "{first}");
    assert!(fixture.run(&["hint", "ex01"]).1.contains("the strong hint"));
    assert!(fixture.run(&["hint", "1"]).1.contains("the strong hint"));
    assert!(fixture.run(&["hint", "2", "--all"]).1.contains("the strong hint"));
    fixture.run(&["reset", "1"]);
    assert!(!fixture.run(&["hint", "1"]).1.contains("the strong hint"));
}

#[test]
fn reset_keeps_the_answer() {
    let fixture = Fixture::new();
    fixture.run(&["list"]);
    for text in ["// first try", "// second try"] {
        fs::write(fixture.answer(), text).unwrap();
        let (code, said) = fixture.run(&["reset", "small"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(fs::read(fixture.answer()).unwrap(), fs::read(fixture.dir.join("stubs/ex01_small.rs")).unwrap());
    }
    assert_eq!(fs::read_to_string(fixture.dir.join("my/ex01_small.1.old")).unwrap(), "// first try");
    assert_eq!(fs::read_to_string(fixture.dir.join("my/ex01_small.2.old")).unwrap(), "// second try");
}

#[test]
fn the_solution_is_shown_after_passing() {
    let fixture = Fixture::new();
    let (code, text) = fixture.run(&["solution", "1"]);
    assert_eq!(code, 1);
    assert!(!text.contains("2.0 * x"), "{text}");
    assert!(fixture.run(&["solution", "1", "--force"]).1.contains("2.0 * x"));
    fs::write(fixture.answer(), RIGHT).unwrap();
    assert!(fixture.run(&["solution", "1"]).1.contains("2.0 * x"));
}

#[test]
fn an_untouched_answer_follows_its_stub_and_another_does_not() {
    let fixture = Fixture::new();
    fixture.run(&["list"]);
    fs::write(fixture.answer(), "// mine").unwrap();
    for name in ["ex01_small", "ex02_again"] {
        fs::write(fixture.dir.join(format!("stubs/{name}.rs")), "//! # Exercise 1: changed\n").unwrap();
    }
    fixture.run(&["list"]);
    assert_eq!(fs::read_to_string(fixture.answer()).unwrap(), "// mine");
    assert!(fs::read_to_string(fixture.dir.join("my/ex02_again.rs")).unwrap().contains("changed"));
}

#[test]
fn wrong_words_and_folders_are_answered_plainly() {
    let fixture = Fixture::new();
    let (code, text) = fixture.run(&["check", "7"]);
    assert_eq!(code, 2);
    assert!(text.contains("`7` names no exercise; there are: ex01_small, ex02_again"), "{text}");
    let (code, text) = fixture.run(&["check", "ex0"]);
    assert!(code == 2 && text.contains("several"), "{text}");
    let (code, text) = fixture.run(&["check", "1", "--file", "no/such/file.rs"]);
    assert!(code == 2 && text.contains("no/such/file.rs"), "{text}");
    fs::remove_dir_all(fixture.dir.join("stubs")).unwrap();
    let (code, text) = fixture.run(&["list"]);
    assert!(code == 2 && text.contains("--dir"), "{text}");
}

#[test]
fn a_check_of_another_file_leaves_the_learners_folder_alone() {
    let fixture = Fixture::new();
    fixture.run(&["list"]);
    let before = snapshot(&fixture.dir.join("my"));
    let solution = fixture.dir.join("solutions/ex01_small.rs");
    assert_eq!(fixture.run(&["check", "1", "--file", solution.to_str().unwrap()]).0, 0);
    assert_eq!(snapshot(&fixture.dir.join("my")), before);
}

#[test]
fn a_damaged_memory_is_no_obstacle() {
    let fixture = Fixture::new();
    fixture.run(&["list"]);
    fs::write(fixture.dir.join("my/.memory.json"), "{\"ex01").unwrap();
    let (code, text) = fixture.run(&["list"]);
    assert!(code == 0 && text.contains("0 of 2 right"), "{text}");
}

#[test]
fn watching_grades_at_every_save_and_obeys_letters() {
    let fixture = Fixture::new();
    fixture.run(&["list"]);
    let mut watch = fixture.command(&["watch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = watch.stdin.take().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut until = |words: &str| {
        let mut seen = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            seen.push_str(&line);
            seen.push('\n');
            if line.contains(words) {
                return;
            }
        }
        panic!("`{words}` did not come; seen:\n{seen}");
    };
    until("ex01_small  not started");
    until("q quit");
    fs::write(fixture.answer(), "pub fn double(x: f64) -> f64 { x * x }\npub fn next(x: f64) -> f64 { x + 1.0 }\n")
        .unwrap();
    until("A known mistake: it squares");
    writeln!(keys, "h").unwrap();
    until("the mild hint");
    fs::write(fixture.answer(), RIGHT).unwrap();
    until("ex01_small  right");
    writeln!(keys, "n").unwrap();
    until("ex02_again  not started");
    writeln!(keys, "l").unwrap();
    until("1 of 2 right");
    writeln!(keys, "q").unwrap();
    assert!(watch.wait().unwrap().success());
}
