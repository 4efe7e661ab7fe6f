//! Cells on the real engine, the real prelude and the real child process: what is shown, and what an error says.

mod engine_common;

use engine_common::{check, plain, run, shown, text_of, with_engine};
use lathe_kernel::api::{Engine, Outcome, Output, Stream};
use std::time::{Duration, Instant};

#[test]
fn values_are_results() {
    with_engine(|engine| {
        let cell = check(engine, "1 + 1");
        assert_eq!(text_of(&cell, "Result"), ["2"]);
        assert!(check(engine, "let quiet = 3; let _ = quiet;").is_empty());
        assert!(check(engine, "()").is_empty());
    });
}

#[test]
fn every_compilation_takes_the_fast_path() {
    with_engine(|engine| {
        let before = engine.fast_path_count();
        check(engine, "2 + 2");
        // One run of rustc, and none of cargo.
        assert_eq!(engine.fast_path_count(), before + 1);
    });
}

#[test]
fn text_without_a_newline_is_shown() {
    with_engine(|engine| {
        assert_eq!(shown(&check(engine, "print!(\"no newline\")")), "no newline");
        let cell = check(engine, "print!(\"loss: \"); 42");
        assert_eq!((shown(&cell).as_str(), text_of(&cell, "Result")), ("loss: ", vec![String::from("42")]));
        let flushed = "use std::io::Write; print!(\"x\"); std::io::stdout().flush()?;";
        assert_eq!(shown(&check(engine, flushed)), "x");
    });
}

#[test]
fn text_that_looks_like_control_bytes_is_shown() {
    with_engine(|engine| {
        let cell = check(engine, "println!(\"EVCXR_\\u{1e}LATHE nonce {{}}\"); print!(\"E\");");
        assert_eq!(shown(&cell), "EVCXR_\u{1e}LATHE nonce {}\nE");
        let cell = check(engine, "use std::io::Write; std::io::stdout().write_all(b\"a\\xffb\\xe2\\x82\")?;");
        assert_eq!(shown(&cell), "a\u{fffd}b\u{fffd}");
    });
}

#[test]
fn partial_lines_appear_while_the_cell_runs() {
    with_engine(|engine| {
        let code =
            "for i in 0..3 { print!(\"\\rstep {i}\"); std::thread::sleep(std::time::Duration::from_millis(400)); }";
        let mut seen = Vec::new();
        let outcome = engine.execute(code, &mut |output| {
            if let Output::Stream { text, .. } = output {
                seen.push(text);
            }
        });
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(seen, ["\rstep 0", "\rstep 1", "\rstep 2"]);
    });
}

#[test]
fn streams_are_told_apart() {
    with_engine(|engine| {
        let cell = check(engine, "eprintln!(\"to stderr\"); println!(\"to stdout\");");
        let of = |wanted: Stream| -> String {
            cell.iter()
                .filter_map(|output| match output {
                    Output::Stream { stream, text } if *stream == wanted => Some(text.as_str()),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(
            (of(Stream::Stdout), of(Stream::Stderr)),
            (String::from("to stdout\n"), String::from("to stderr\n"))
        );
    });
}

#[test]
fn ten_megabytes_arrive_whole_and_in_small_pieces() {
    with_engine(|engine| {
        let code = "for i in 0..200_000 { println!(\"{i:>50}\"); }";
        let (mut bytes, mut largest, mut last) = (0, 0, String::new());
        let outcome = engine.execute(code, &mut |output| {
            if let Output::Stream { text, .. } = output {
                bytes += text.len();
                largest = largest.max(text.len());
                last = text;
            }
        });
        assert_eq!((outcome, bytes), (Outcome::Ok, 200_000 * 51));
        assert!(largest <= 1 << 17, "{largest} bytes at once");
        assert!(last.ends_with(" 199999\n"));
    });
}

#[test]
fn several_displays_of_a_cell_come_in_order_and_live() {
    with_engine(|engine| {
        let code = "for i in 0..3 { show(html(format!(\"<b>{i}</b>\"))); println!(\"after {i}\"); \
                    std::thread::sleep(std::time::Duration::from_millis(300)); }";
        let start = Instant::now();
        let mut seen = Vec::new();
        let outcome = engine.execute(code, &mut |output| {
            let what = match output {
                Output::Display { bundle, .. } => bundle.data["text/html"].as_str().unwrap_or_default().to_owned(),
                Output::Stream { text, .. } => text,
                other => format!("{other:?}"),
            };
            seen.push((what, start.elapsed()));
        });
        assert_eq!(outcome, Outcome::Ok);
        let order: Vec<&str> = seen.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(order, ["<b>0</b>", "after 0\n", "<b>1</b>", "after 1\n", "<b>2</b>", "after 2\n"]);
        // Not all at the end.
        assert!(seen[4].1 - seen[0].1 > Duration::from_millis(300));
    });
}

#[test]
fn frames_and_figures_have_rich_results() {
    with_engine(|engine| {
        let cell = check(engine, "let table = df![\"a\" => [1, 2], \"b\" => [0.5, 0.25]]?; table");
        let [Output::Result { bundle }] = cell.as_slice() else { panic!("{cell:?}") };
        assert!(bundle.data["text/html"].as_str().is_some_and(|html| html.contains("<table")));
        assert!(bundle.data.contains_key("text/plain"));
        let cell = check(engine, "lines(&table, \"a\", [\"b\"])?");
        let [Output::Result { bundle } | Output::Display { bundle, .. }] = cell.as_slice() else { panic!("{cell:?}") };
        assert!(bundle.data.contains_key("image/png"), "{:?}", bundle.data.keys());
    });
}

#[test]
fn a_panic_is_an_error_at_its_line() {
    with_engine(|engine| {
        check(engine, "let kept = vec![1, 2];");
        let (_, outcome) = run(engine, "// why\nlet a = 1;\n    println!(\"before\"); panic!(\"boom {a}\");");
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("Panic", "boom 1"));
        assert!(plain(&error).contains("cell:3:25"), "{}", plain(&error));
        assert_eq!(text_of(&check(engine, "kept.len()"), "Result"), ["2"]);
    });
}

#[test]
fn a_panic_after_an_unfinished_line_is_noticed() {
    with_engine(|engine| {
        let (cell, outcome) = run(engine, "print!(\"half a line\"); Option::<i32>::None.unwrap();");
        assert_eq!(shown(&cell), "half a line");
        assert!(matches!(outcome, Outcome::Error(error) if error.ename == "Panic" && error.evalue.contains("unwrap")));
    });
}

#[test]
fn a_panic_of_a_thread_is_shown_and_is_not_the_cells() {
    with_engine(|engine| {
        let cell = check(engine, "std::thread::spawn(|| panic!(\"in a thread\")).join().is_err()");
        assert!(shown(&cell).contains("in a thread"), "{cell:?}");
        assert_eq!(text_of(&cell, "Result"), ["true"]);
    });
}

#[test]
fn an_early_return_is_an_error_with_its_text() {
    with_engine(|engine| {
        let (_, outcome) =
            run(engine, "let fine = 1;\nlet number: i32 = \"12x\".parse::<i32>()?;\nprintln!(\"not here\");");
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("Error", "invalid digit found in string"));
        assert!(plain(&error).contains("cell:2:"), "{}", plain(&error));
    });
}

#[test]
fn a_compile_error_has_its_code_and_its_place() {
    with_engine(|engine| {
        let (_, outcome) = run(engine, "// π\nlet a = 1;\nlet 温度: i32 = \"é\";");
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("E0308", "mismatched types"));
        let text = plain(&error);
        assert!(text.contains("cell:3:15") && text.contains("expected `i32`, found `&str`"), "{text}");
        // The last expression is compiled in another way.
        let (_, outcome) = run(engine, "let b = 2;\nb + \"x\"");
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.ename == "E0277" && plain(&error).contains("cell:2:3"), "{}", plain(&error));
    });
}

#[test]
fn a_shape_that_does_not_fit_is_explained_at_the_call() {
    with_engine(|engine| {
        let code = "let narrow = lab_windows();\nlet wrong: Tensor<(usize, Const<100>), f32, Cpu> = narrow.flat(&Cpu::default())?;";
        let setup = "fn lab_windows() -> SensorWindows<24, 4> { let plant = Plant::simulate(&PlantConfig::default()).unwrap(); \
                     SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default()).unwrap() }";
        check(engine, setup);
        let (_, outcome) = run(engine, code);
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.ename == "E0080" && !error.evalue.contains("above error"), "{}", plain(&error));
        assert!(plain(&error).contains("cell:2:52"), "{}", plain(&error));
    });
}

#[test]
fn cells_with_only_an_impl_can_run_again() {
    with_engine(|engine| {
        check(engine, "struct Again; ");
        check(engine, "impl Again { fn answer(&self) -> i32 { 1 } }");
        check(engine, "impl Again { fn answer(&self) -> i32 { 2 } }");
        assert_eq!(text_of(&check(engine, "Again.answer()"), "Result"), ["2"]);
        let (_, outcome) = run(engine, "impl Again { fn wrong(&self) -> i32 { \"\" } }");
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert!(plain(&error).contains("cell:1:39"), "{}", plain(&error));
    });
}

#[test]
fn a_type_can_be_defined_anew() {
    with_engine(|engine| {
        check(engine, "struct Part { w: f32 } let part = Part { w: 1.0 }; let parts = vec![Part { w: 2.0 }];");
        let cell = check(engine, "struct Part { w: f64 } let part = Part { w: 3.0 }; part.w");
        assert_eq!(text_of(&cell, "Result"), ["3.0"]);
        assert!(
            shown(&cell).contains("dropped part, parts") || shown(&cell).contains("dropped parts, part"),
            "{cell:?}"
        );
    });
}

#[test]
fn completion_and_inspection_know_the_session() {
    with_engine(|engine| {
        check(engine, "let known_name = String::from(\"x\");");
        let found = engine.complete("known_n", 7);
        assert!(
            found.matches.iter().any(|m| m.text == "known_name" && m.signature == ": String")
                && (found.start, found.end) == (0, 7),
            "{found:?}"
        );
        let code = "let é = 1; known_name.le";
        let found = engine.complete(code, code.len());
        assert!(found.matches.iter().any(|m| m.text == "len" && m.kind == "function"), "{found:?}");
        assert_eq!(&code[found.start..found.end], "le");
        let text = engine.inspect("known_name", 3).expect("a known variable").data["text/plain"].to_string();
        assert!(text.contains("String"), "{text}");
        // Places outside the text and inside a character do no harm.
        engine.complete("é", 1);
        engine.inspect("é", 99);
    });
}

#[test]
fn a_crate_of_the_user_is_added_without_rebuilding_the_prelude() {
    with_engine(|engine| {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join("helper");
        std::fs::create_dir_all(place.join("src")).expect("a folder");
        let manifest = "[package]\nname = \"course-helper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
        std::fs::write(place.join("Cargo.toml"), manifest).expect("a file");
        std::fs::write(
            place.join("src/lib.rs"),
            "pub struct Twice(pub i32); impl Twice { pub fn value(&self) -> i32 { 2 * self.0 } }",
        )
        .expect("a file");
        check(engine, "let before_dep = vec![1, 2, 3];");
        let cell = check(
            engine,
            &format!(":dep course-helper = {{ path = {:?} }}\nlet twice = course_helper::Twice(21);", place),
        );
        assert!(shown(&cell).contains("Compiling course-helper"), "{cell:?}");
        let cell = check(engine, "twice.value() + before_dep[0]");
        assert_eq!(text_of(&cell, "Result"), ["43"]);
        assert!(!shown(&cell).contains("Compiling"));
        // One that does not compile is explained, and the next cell works.
        std::fs::create_dir_all(dir.path().join("broken/src")).expect("a folder");
        std::fs::write(dir.path().join("broken/Cargo.toml"), manifest.replace("course-helper", "broken"))
            .expect("a file");
        std::fs::write(dir.path().join("broken/src/lib.rs"), "pub fn f() -> i32 { \"\" }").expect("a file");
        let (_, outcome) =
            run(engine, &format!(":dep broken = {{ path = {:?} }}\nbroken::f()", dir.path().join("broken")));
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        assert!(error.ename == "DependencyError" && plain(&error).contains("E0308"), "{}", plain(&error));
        assert_eq!(text_of(&check(engine, "twice.value()"), "Result"), ["42"]);
    });
}

#[test]
fn commands_and_empty_cells_do_no_harm() {
    with_engine(|engine| {
        for code in ["", "\n\n", "// only a comment", ";"] {
            assert_eq!(run(engine, code).1, Outcome::Ok, "{code:?}");
        }
        let (_, outcome) = run(engine, ":no_such_command");
        assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
        check(engine, "//! opt = 3\nlet fast = (0..1000_u64).sum::<u64>();");
        assert_eq!(text_of(&check(engine, "fast"), "Result"), ["499500"]);
    });
}
