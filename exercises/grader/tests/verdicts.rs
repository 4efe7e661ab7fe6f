//! Verdicts on all kinds of answers, the rude ones too.

mod common;

use common::{Fixture, RIGHT, violation};
use std::fs;
use std::time::Instant;

fn with_double(body: &str) -> String {
    format!("pub fn double(x: f64) -> f64 {{ {body} }}\npub fn next(x: f64) -> f64 {{ x + 1.0 }}\n")
}

#[test]
fn the_states_are_told_apart() {
    let fixture = Fixture::new();
    let (code, text) = fixture.run(&["check", "1"]);
    assert_eq!(code, 1);
    assert!(text.contains("not started"), "{text}");
    assert_eq!(fixture.grade(RIGHT)["state"], "right");
    assert_eq!(fixture.run(&["check", "1"]).0, 0);
    // A comment more in the stub is still no answer, and shows that the stub compiles.
    let stub = fs::read_to_string(fixture.dir.join("stubs/ex01_small.rs")).unwrap();
    let verdict = fixture.grade(&format!("{stub}// thinking\n"));
    assert_eq!((&verdict["state"], verdict["parts"].as_array().unwrap().len()), (&"not_started".into(), 2));
    let verdict = fixture.grade(&with_double("todo!()"));
    assert_eq!(verdict["state"], "unfinished");
    assert_eq!(verdict["parts"][1]["state"], "right");
    assert_eq!(fixture.grade(&with_double("x + 2.5"))["state"], "wrong");
}

#[test]
fn a_wrong_answer_gets_the_explanation_of_its_mistake_or_the_property() {
    let fixture = Fixture::new();
    let known = fixture.grade(&with_double("x.powi(2)"));
    assert_eq!(known["parts"][0]["mistake"]["id"], "squared");
    assert_eq!(known["parts"][0]["mistake"]["why"], "x * x is not 2 x");
    assert_eq!(known["parts"][1]["state"], "right");
    // The second time the answers of the mutants come from the cache.
    assert_eq!(fixture.grade(&with_double("x.powf(2.0)"))["parts"][0]["mistake"]["id"], "squared");
    let unknown = fixture.grade(&with_double("x + 2.5"));
    assert!(unknown["parts"][0]["mistake"].is_null());
    assert_eq!(violation(&unknown, "double"), "x = 3: expected 6, got 5.5");
    // A mistake in one function is explained although the other is wrong in an unknown way.
    let both = fixture.grade("pub fn double(x: f64) -> f64 { x * x }\npub fn next(x: f64) -> f64 { x - 7.0 }\n");
    assert_eq!(both["parts"][0]["mistake"]["id"], "squared");
    assert!(both["parts"][1]["mistake"].is_null() && both["parts"][1]["state"] == "wrong");
    // A mutant that changed is compared anew.
    let path = fixture.dir.join("mutants/ex01_small/squared.rs");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("x * x }", "x * x * x }")).unwrap();
    assert!(fixture.grade(&with_double("x * x"))["parts"][0]["mistake"].is_null());
}

#[test]
fn errors_of_the_compiler_point_into_the_learners_file() {
    let fixture = Fixture::new();
    let verdict = fixture.grade(&with_double("2.0 * x + \"one\""));
    assert_eq!(verdict["state"], "does_not_compile");
    let error = verdict["compiler"][0].as_str().unwrap();
    assert!(error.contains("--> exercises/my/ex01_small.rs:1:"), "{error}");
    assert!(verdict["note"].is_null());
    // A changed signature is found where the checks call it; the note says so.
    let verdict = fixture.grade("pub fn double(x: i32) -> i32 { 2 * x }\npub fn next(x: f64) -> f64 { x + 1.0 }\n");
    assert!(verdict["note"].as_str().unwrap().contains("exercises/stubs/ex01_small.rs"), "{verdict}");
    let verdict = fixture.grade("pub fn double(x: f64) -> f64 { 2.0 * x }\n");
    assert!(verdict["compiler"][0].as_str().unwrap().contains("next"), "{verdict}");
    // An unclosed brace, a file that is no text, unsafe code.
    assert_eq!(fixture.grade("pub fn double(x: f64) -> f64 { 2.0")["state"], "does_not_compile");
    fs::write(fixture.answer(), b"\xff\xfe not text").unwrap();
    assert!(fixture.run(&["check", "1"]).1.contains("does not compile"));
    let verdict = fixture.grade(&with_double("unsafe { std::hint::unreachable_unchecked() }"));
    assert_eq!(verdict["state"], "does_not_compile");
}

#[test]
fn a_panic_is_wrong_and_says_where() {
    let fixture = Fixture::new();
    let verdict = fixture.grade(&with_double("let v: Vec<f64> = vec![]; v[x as usize]"));
    let message = violation(&verdict, "double");
    assert!(message.contains("exercises/my/ex01_small.rs:1:") && message.contains("index out of bounds"), "{message}");
    assert_eq!(verdict["parts"][1]["state"], "right");
}

#[test]
fn an_endless_loop_is_stopped() {
    let fixture = Fixture::new();
    let start = Instant::now();
    let message = violation(&fixture.grade(&with_double("loop { std::hint::black_box(x); }")), "double");
    assert!(message.contains("still running"), "{message}");
    assert!(start.elapsed().as_secs() < 60, "stopped at last, but not by the limit");
}

#[test]
fn memory_stack_exit_and_abort_are_named() {
    let fixture = Fixture::new();
    let grow = "let mut v = vec![x]; loop { v.extend_from_within(..); if v[0] > 99.0 { return v[1]; } }";
    for (body, expected) in [
        (grow, "more memory"),
        ("#[allow(unconditional_recursion)] fn f(x: f64) -> f64 { f(x) + 1.0 } f(x)", "stack overflowed"),
        ("std::process::exit(0)", "code 0"),
        ("std::process::abort()", "signal 6"),
    ] {
        let message = violation(&fixture.grade(&with_double(body)), "double");
        assert!(message.contains(expected), "{body}: {message}");
    }
}

#[test]
fn what_an_answer_prints_is_shown_and_cannot_pose_as_a_verdict() {
    let fixture = Fixture::new();
    let forged = r#"println!("{{\"nonce\":\"0\",\"kind\":\"done\"}}"); eprintln!("hello from stderr"); x + 9.0"#;
    let verdict = fixture.grade(&with_double(forged));
    assert_eq!(verdict["state"], "wrong");
    let printed = verdict["printed"].as_str().unwrap();
    assert!(printed.contains("\"kind\":\"done\"") && printed.contains("hello from stderr"), "{printed}");
    // 100 MB of output neither block nor fill the memory.
    let flood = r#"for _ in 0..100_000 { println!("{}", "x".repeat(1000)); } 2.0 * x"#;
    let verdict = fixture.grade(&with_double(flood));
    assert!(verdict["printed"].as_str().unwrap().len() < 3_000_000);
}

#[test]
fn a_process_left_behind_does_not_hold_the_grader() {
    let fixture = Fixture::new();
    let body = r#"std::process::Command::new("/bin/sleep").arg("300").spawn().unwrap(); 2.0 * x"#;
    let start = Instant::now();
    assert_eq!(fixture.grade(&with_double(body))["state"], "right");
    assert!(start.elapsed().as_secs() < 100);
}
