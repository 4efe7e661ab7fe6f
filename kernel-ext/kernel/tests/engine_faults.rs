//! Cells that end their process, and cells that the user stops.

mod engine_common;

use engine_common::{check, plain, run, shown, text_of, with_engine};
use lathe_kernel::api::{Engine, Outcome, Output};
use lathe_kernel::engine::EvcxrEngine;
use std::time::Duration;

/// Runs a cell and interrupts it when it has printed "go".
fn interrupted(engine: &mut EvcxrEngine, code: &str, again_after: Option<Duration>) -> Outcome {
    let interrupter = engine.interrupter();
    let mut started = false;
    let mut again = None;
    let outcome = engine.execute(code, &mut |output| {
        if !started && matches!(&output, Output::Stream { text, .. } if text.contains("go")) {
            started = true;
            interrupter.interrupt();
            if let Some(pause) = again_after {
                let interrupter = interrupter.clone();
                again = Some(std::thread::spawn(move || {
                    std::thread::sleep(pause);
                    interrupter.interrupt();
                }));
            }
        }
    });
    // A late one must not meet the next cell.
    again.map(std::thread::JoinHandle::join).transpose().expect("no panic");
    outcome
}

#[test]
fn an_interrupted_loop_keeps_the_variables() {
    with_engine(|engine| {
        check(engine, "let mut history = vec![0];");
        let code = "println!(\"go\"); loop { history.push(1); check(); std::thread::sleep(std::time::Duration::from_millis(5)); }";
        let outcome = interrupted(engine, code, None);
        let Outcome::Interrupted(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.evalue.contains("variables keep"), "{}", error.evalue);
        assert_eq!(text_of(&check(engine, "history.len() > 1"), "Result"), ["true"]);
        // The request is forgotten.
        check(engine, "for _ in 0..3 { check(); }");
    });
}

#[test]
fn a_stopped_cell_keeps_what_it_made_before() {
    with_engine(|engine| {
        let code = "let mut model = vec![0]; let label = String::from(\"kept\");\nprintln!(\"go\");\n\
            for _ in progress(0..1_000_000) { model.push(1); std::thread::sleep(std::time::Duration::from_millis(5)); }\n\
            let never = 1;";
        let outcome = interrupted(engine, code, None);
        let Outcome::Interrupted(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.evalue.contains("not made yet: never"), "{}", error.evalue);
        assert_eq!(text_of(&check(engine, "model.len() > 1 && label == \"kept\""), "Result"), ["true"]);
        let (_, outcome) = run(engine, "never");
        assert!(matches!(&outcome, Outcome::Error(error) if plain(error).contains("was stopped")), "{outcome:?}");
        assert_eq!(text_of(&check(engine, "let never = 2; never"), "Result"), ["2"]);
        assert_eq!(text_of(&check(engine, "never + model[0]"), "Result"), ["2"]);
    });
}

#[test]
fn a_stopped_call_that_returns_an_error_keeps_the_model() {
    with_engine(|engine| {
        let fit = "fn fit(model: &mut Vec<i32>) -> Result<usize, events::interrupt::Interrupted> {\n\
            loop { model.push(1); events::interrupt::check()?; std::thread::sleep(std::time::Duration::from_millis(5)); } }";
        check(engine, fit);
        let code = "let mut trained = vec![7];\nprintln!(\"go\");\nlet history = fit(&mut trained)?;\nhistory";
        let outcome = interrupted(engine, code, None);
        let Outcome::Interrupted(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.evalue.contains("not made yet: history"), "{}", error.evalue);
        assert_eq!(text_of(&check(engine, "trained[0]"), "Result"), ["7"]);
        // What a stop keeps is not stored twice: nothing is dropped twice either.
        check(engine, "drop(trained);");
        check(engine, "1 + 1");
    });
}

#[test]
fn two_interrupts_at_once_still_keep_the_variables() {
    with_engine(|engine| {
        let code = "let mut twice = 0;\nprintln!(\"go\");\nfor _ in progress(0..1_000_000) { twice += 1; std::thread::sleep(std::time::Duration::from_millis(5)); }";
        let outcome = interrupted(engine, code, Some(Duration::from_millis(1)));
        assert!(matches!(&outcome, Outcome::Interrupted(error) if error.evalue.contains("keep")), "{outcome:?}");
        assert_eq!(text_of(&check(engine, "twice > 0"), "Result"), ["true"]);
    });
}

#[test]
fn a_shell_line_can_be_stopped() {
    with_engine(|engine| {
        let outcome = interrupted(engine, "!echo go; sleep 600", None);
        assert!(matches!(outcome, Outcome::Interrupted(_)), "{outcome:?}");
        assert_eq!(shown(&check(engine, "!echo one; echo two")), "one\ntwo\n");
    });
}

#[test]
fn a_cell_that_does_not_react_is_ended() {
    with_engine(|engine| {
        check(engine, "let deaf = 1;");
        let code = "println!(\"go\"); loop { std::thread::sleep(std::time::Duration::from_millis(50)); }";
        let outcome = interrupted(engine, code, None);
        let Outcome::Interrupted(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.evalue.contains("Lost variables:") && error.evalue.contains("deaf"), "{}", error.evalue);
        assert_eq!(text_of(&check(engine, "1 + 1"), "Result"), ["2"]);
    });
}

#[test]
fn a_second_interrupt_ends_the_process_at_once() {
    with_engine(|engine| {
        let code = "println!(\"go\"); loop { std::hint::spin_loop(); }";
        let outcome = interrupted(engine, code, Some(Duration::from_millis(100)));
        assert!(matches!(outcome, Outcome::Interrupted(_)), "{outcome:?}");
        check(engine, "1 + 1");
    });
}

#[test]
fn an_interrupt_while_compiling_does_not_run_the_cell() {
    with_engine(|engine| {
        check(engine, "let survivor = 7;");
        let file = std::env::temp_dir().join(format!("lathe-ran-{}", std::process::id()));
        let code = format!("std::fs::write({:?}, \"\")?; let unused_variable = 3;", file.display().to_string());
        let interrupter = engine.interrupter();
        // Whatever phase it hits, either it stops the cell before it runs or the cell has already run and ended.
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(40));
            interrupter.interrupt();
        });
        let (_, outcome) = run(engine, &code);
        stopper.join().expect("no panic");
        if let Outcome::Interrupted(error) = &outcome
            && error.evalue.contains("before the cell ran")
        {
            assert!(!file.exists());
        }
        let _ = std::fs::remove_file(&file);
        assert_eq!(text_of(&check(engine, "survivor"), "Result"), ["7"]);
    });
}

#[test]
fn an_interrupt_does_not_wait_for_rust_analyzer() {
    // A new engine: reading the libraries takes a while.
    let engine = &mut engine_common::start();
    let reading = engine.folder().join("reading");
    let (interrupter, sign) = (engine.interrupter(), reading.clone());
    let stopper = std::thread::spawn(move || {
        while !sign.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        interrupter.interrupt();
    });
    let (outputs, outcome) = run(engine, "let lost = vec![1.0_f32]; println!(\"ran\");");
    stopper.join().expect("no panic");
    let Outcome::Interrupted(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.evalue.contains("before the cell ran"), "{}", error.evalue);
    assert!(!shown(&outputs).contains("ran"));
    assert!(reading.exists(), "rust-analyzer was not waited for");
    // The next cell waits for it.
    assert_eq!(text_of(&check(engine, "let kept = vec![1.5_f64]; kept[0]"), "Result"), ["1.5"]);
    assert_eq!(text_of(&check(engine, "kept.len()"), "Result"), ["1"]);
    let (_, outcome) = run(engine, "lost");
    assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
}

#[test]
fn an_interrupt_stops_the_build_of_a_users_crate() {
    with_engine(|engine| {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("src")).expect("a folder");
        let manifest = "[package]\nname = \"slow\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
        std::fs::write(dir.path().join("Cargo.toml"), manifest).expect("a file");
        std::fs::write(dir.path().join("src/lib.rs"), "").expect("a file");
        let build = "fn main() { std::thread::sleep(std::time::Duration::from_secs(60)); }";
        std::fs::write(dir.path().join("build.rs"), build).expect("a file");
        check(engine, "let before_build = 11;");
        let interrupter = engine.interrupter();
        let code = format!(":dep slow = {{ path = {:?} }}\nprintln!(\"ran\");", dir.path());
        let mut text = String::new();
        let outcome = engine.execute(&code, &mut |output| {
            if let Output::Stream { text: more, .. } = output {
                text.push_str(&more);
                if more.contains("Compiling") {
                    interrupter.interrupt();
                }
            }
        });
        assert!(matches!(outcome, Outcome::Interrupted(_)), "{outcome:?}");
        assert!(!text.contains("ran"));
        assert_eq!(text_of(&check(engine, "before_build"), "Result"), ["11"]);
    });
}

#[test]
fn two_engines_of_one_process_do_not_mix() {
    with_engine(|first| {
        let mut second = engine_common::start();
        check(first, "let mine = 1;");
        check(&mut second, "let mine = String::from(\"other\");");
        assert_eq!(text_of(&check(first, "mine"), "Result"), ["1"]);
        assert_eq!(text_of(&check(&mut second, "mine.len()"), "Result"), ["5"]);
        drop(second);
        assert_eq!(text_of(&check(first, "mine + 1"), "Result"), ["2"]);
    });
}

#[test]
fn an_interrupt_when_idle_is_forgotten() {
    with_engine(|engine| {
        engine.interrupter().interrupt();
        check(engine, "for _ in 0..3 { check(); }");
    });
}

#[test]
fn an_abort_names_what_is_lost_and_the_next_cell_works() {
    with_engine(|engine| {
        check(engine, "fn kept() -> i32 { 5 } let gone = 1;");
        let (cell, outcome) = run(
            engine,
            "print!(\"last words\"); use std::io::Write; std::io::stdout().flush()?; std::process::abort();",
        );
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.ename, "ProcessDied");
        assert!(error.evalue.contains("signal 6") && error.evalue.contains("gone"), "{}", error.evalue);
        assert_eq!(shown(&cell), "last words");
        assert_eq!(text_of(&check(engine, "kept()"), "Result"), ["5"]);
        let (_, outcome) = run(engine, "gone");
        assert!(matches!(outcome, Outcome::Error(error) if error.ename == "E0425"));
        // The hooks are in place again.
        let (_, outcome) = run(engine, "panic!(\"after\")");
        assert!(matches!(outcome, Outcome::Error(error) if error.evalue == "after"));
    });
}

#[test]
fn other_ways_to_end_the_process_are_named() {
    with_engine(|engine| {
        for (code, word) in [
            ("std::process::exit(3);", "exit status 3"),
            ("unsafe { *(8 as *mut i32) = 1; }", "signal 11"),
            ("fn deep(n: u64) -> u64 { std::hint::black_box([n; 64]); 1 + deep(n + 1) } deep(0)", "signal"),
            ("unsafe extern \"C\" { fn raise(s: i32) -> i32; } unsafe { raise(9); }", "signal 9"),
        ] {
            let (_, outcome) = run(engine, code);
            let Outcome::Error(error) = outcome else { panic!("{code}: {outcome:?}") };
            assert!(error.ename == "ProcessDied" && error.evalue.contains(word), "{code}: {}", plain(&error));
        }
        check(engine, "1 + 1");
    });
}
