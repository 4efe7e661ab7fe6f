//! What a user is told about cells that do not compile, from the real compiler.

mod engine_common;

use engine_common::{check, plain, run, text_of, with_engine};
use lathe_kernel::api::{CellError, Engine, Outcome, Output};
use lathe_kernel::engine::EvcxrEngine;

fn error_of(engine: &mut EvcxrEngine, code: &str) -> (Vec<Output>, CellError) {
    let (outputs, outcome) = run(engine, code);
    let Outcome::Error(error) = outcome else { panic!("{code}\n{outcome:?}") };
    (outputs, error)
}

/// The lines that say something: titles, places, notes and helps.
fn telling(error: &CellError) -> Vec<String> {
    let told =
        |line: &&str| line.starts_with("error") || line.starts_with("  = ") || line.trim_start().starts_with("--> ");
    plain(error).lines().filter(told).map(str::to_owned).collect()
}

#[test]
fn errors_about_shapes_are_in_plain_words() {
    with_engine(|engine| {
        let mut wrong = Vec::new();
        let mut seen = 0;
        for case in include_str!("shape_errors.txt").split("=== ").skip(1) {
            let (name, rest) = case.split_once('\n').expect("a name");
            let (cell, rest) = rest.split_once("\n---\n").unwrap_or((rest, ""));
            let (expected, mended) = rest.split_once("+++\n").unwrap_or((rest, ""));
            if expected.is_empty() {
                check(engine, cell.trim_end());
                continue;
            }
            seen += 1;
            let (outputs, error) = error_of(engine, cell);
            if telling(&error) != expected.trim_end().lines().collect::<Vec<_>>() {
                wrong.push(format!("{name}\n{}", plain(&error)));
            }
            // The compiler's own words are one click away.
            let [Output::Display { bundle, .. }] = outputs.as_slice() else { panic!("{name}: {outputs:?}") };
            let html = bundle.data["text/html"].as_str().expect("HTML");
            assert!(html.starts_with("<details>") && html.contains(&error.ename), "{name}: {html}");
            if !mended.is_empty() {
                // The advice helps.
                check(engine, mended.trim_end());
            }
        }
        assert!(seen > 30 && wrong.is_empty(), "{seen} cells, wrong:\n{}", wrong.join("\n\n"));
    });
}

#[test]
fn a_variable_that_is_gone_names_the_cell_that_took_it() {
    with_engine(|engine| {
        let mut cell = |number, code: &str| {
            engine.set_cell_number(number);
            run(engine, code).1
        };
        assert_eq!(cell(101, "let taken = vec![1]; let kept = 5;"), Outcome::Ok);
        assert_eq!(cell(107, "drop(taken);"), Outcome::Ok);
        let Outcome::Error(error) = cell(108, "taken.len()") else { panic!("it is gone") };
        assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("E0425", "`taken` was moved by cell [107]"));
        assert!(plain(&error).contains("run cell [101] again"), "{}", plain(&error));
        // A cell that did not compile, and what it would have defined.
        cell(109, "let first: i32 = \"\"; let second = 2;");
        let Outcome::Error(error) = cell(110, "let sum = first + second + first;") else { panic!("not defined") };
        assert!(error.evalue.contains("cell [109], which defines it, did not compile"), "{}", plain(&error));
        assert!(plain(&error).contains("2 errors that follow"), "{}", plain(&error));
        // By a panic, by a `?`, by the end of the process.
        cell(111, "let after = 1; panic!(\"no\");");
        let Outcome::Error(error) = cell(112, "after") else { panic!("not defined") };
        assert!(error.evalue.contains("cell [111], which defines it, panicked"), "{}", plain(&error));
        cell(113, "let parsed: i32 = \"x\".parse()?;");
        let Outcome::Error(error) = cell(114, "parsed") else { panic!("not defined") };
        assert!(error.evalue.contains("ended early by a `?`"), "{}", plain(&error));
        cell(115, "std::process::abort();");
        let Outcome::Error(error) = cell(116, "kept") else { panic!("it is gone") };
        assert!(error.evalue.contains("process ended in cell [115]"), "{}", plain(&error));
        assert_eq!(cell(117, "let kept = 6; kept;"), Outcome::Ok);
    });
}

#[test]
fn errors_in_an_earlier_cells_function_are_located_there() {
    with_engine(|engine| {
        engine.set_cell_number(203);
        check(
            engine,
            "// the model's size\nstruct Size { rows: usize }\n\nfn area(size: &Size) -> usize {\n    size.rows * 2\n}",
        );
        engine.set_cell_number(204);
        let (_, error) = error_of(engine, "let before = 1;\nstruct Size { lines: usize }");
        let text = plain(&error);
        assert!(error.ename == "E0609" && text.contains("--> cell [203]:5:10"), "{text}");
        assert!(text.contains("5 |     size.rows * 2"), "{text}");
        // A panic in it too.
        check(engine, "fn deep(x: Option<i32>) -> i32 {\n    let y = 1;\n    x.unwrap() + y\n}");
        let (_, error) = error_of(engine, "let nothing = None;\ndeep(nothing)");
        assert!(error.ename == "Panic" && plain(&error).contains("]:3:7"), "{}", plain(&error));
    });
}

#[test]
fn suggestions_are_changes_of_the_cell() {
    with_engine(|engine| {
        let (_, error) = error_of(engine, "let 温度 = 1;\nlet s: String = \"größe\";");
        let text = plain(&error);
        assert!(text.contains("- let s: String = \"größe\";"), "{text}");
        assert!(text.contains("+ let s: String = \"größe\".to_string();\n"), "{text}");
        assert!(text.contains(&format!("\n        {}~~~~~~~~~~~~\n", " ".repeat(23))), "{text}");
        let (_, error) = error_of(engine, "fn sum(v: &Vec<i32>) -> i32 { v.iter().sum() }\nlet v = vec![1];\nsum(v)");
        let text = plain(&error);
        assert!(text.contains("(can be applied as it is)") || text.contains("+ sum(&v)"), "{text}");
    });
}

#[test]
fn what_follows_from_an_error_is_folded() {
    with_engine(|engine| {
        let (_, error) = error_of(engine, "let a = nowhere + 1;\nlet b = nowhere * 2;\nprintln!(\"{}\", nowhere);");
        let text = plain(&error);
        assert_eq!(text.matches("error[E0425]").count(), 1, "{text}");
        assert!(text.contains("... and 2 errors that follow from the above"), "{text}");
        // Both mistakes are shown, in the order of the cell.
        let (_, error) = error_of(engine, "let n: i32 = \"one\";\nlet m = Vec::<u8>::nothing();");
        let text = plain(&error);
        assert!(text.find("E0308") < text.find("E0599") && text.contains("E0599"), "{text}");
    });
}

#[test]
fn noise_is_kept_away_and_real_warnings_are_not() {
    with_engine(|engine| {
        let outputs = check(engine, "let unused_variable = 1; fn never_called() {}");
        assert!(outputs.is_empty(), "{outputs:?}");
        let outputs = check(engine, "let line = 1;\nstd::fs::remove_file(\"/nowhere/at/all\");");
        let text = engine_common::shown(&outputs);
        assert!(text.contains("warning: unused `Result` that must be used (cell:2:1)"), "{outputs:?}");
    });
}

#[test]
fn explain_shows_the_entry_and_the_last_error() {
    with_engine(|engine| {
        error_of(engine, "let wrong: i32 = \"text\";");
        let outputs = check(engine, ":explain");
        assert!(text_of(&outputs, "Result")[0].contains("mismatched types"), "{outputs:?}");
        let outputs = check(engine, ":explain e0382");
        let text = &text_of(&outputs, "Result")[0];
        assert!(text.starts_with("## E0382") && text.contains("rustc about E0382"), "{text}");
        let (_, error) = error_of(engine, ":explain nonsense");
        assert_eq!(error.ename, "UnknownCode");
    });
}

#[test]
fn the_glossarys_cells_fail_and_work_as_it_says() {
    let page = include_str!("../../../book/src/errors.md");
    with_engine(|engine| {
        let (mut entries, mut wrong) = (0, Vec::new());
        for entry in page.split("\n## ").skip(1) {
            let name = entry.split(':').next().expect("a title");
            assert!(entry.lines().next().is_some_and(|title| title.ends_with(&format!("{{#{name}}}"))), "{name}");
            entries += 1;
            for block in entry.split("```rust,").skip(1) {
                let (kind, cell) = block.split_once('\n').expect("a cell");
                let cell = cell.split("```").next().expect("an end").trim_end();
                let (_, outcome) = run(engine, cell);
                match (kind, outcome) {
                    ("first" | "works", Outcome::Ok) => {}
                    ("fails", Outcome::Error(error)) if error.ename == name => {}
                    (_, Outcome::Ok) => wrong.push(format!("{name}, {kind}: runs\n{cell}")),
                    (_, Outcome::Error(error) | Outcome::Interrupted(error)) => {
                        wrong.push(format!("{name}, {kind}: {}\n{cell}", plain(&error)));
                    }
                }
            }
        }
        assert!(entries > 30 && wrong.is_empty(), "{entries} entries\n{}", wrong.join("\n\n"));
    });
}

#[test]
fn a_panic_in_a_library_names_the_line_of_the_cell() {
    with_engine(|engine| {
        for (code, words, place) in [
            ("let a = 1;\nlet v = Vec::<u8>::with_capacity(usize::MAX);", "capacity overflow", "cell:2:9"),
            (
                "let v = [1, 2];\nlet s: usize = v.iter()\n    .map(|i| v[i + 1]).sum();",
                "but the index is 2",
                "cell:3:14",
            ),
            (
                "{ let c = std::cell::RefCell::new(5);\nlet b = c.borrow_mut();\nlet d = c.borrow(); }",
                "RefCell",
                "cell:3:",
            ),
            (
                "let mut v = vec![1.0, f64::NAN];\nv.sort_by(|a, b|\n    a.partial_cmp(b).unwrap());",
                "`None`",
                "cell:3:22",
            ),
            ("let a = 1;\nstd::panic::panic_any(5);", "panicked with the value 5 (i32)", "cell:2:1"),
        ] {
            let (_, error) = error_of(engine, code);
            let text = plain(&error);
            assert!(error.ename == "Panic" && error.evalue.contains(words) && text.contains(place), "{code}\n{text}");
        }
    });
}

#[test]
fn a_panic_of_a_thread_names_the_line_of_its_cell() {
    with_engine(|engine| {
        let cell = "let thread = std::thread::spawn(|| {\n    let none: Vec<i32> = Vec::new();\n    none[3]\n});\n\
                    thread.join().unwrap()";
        let (outputs, error) = error_of(engine, cell);
        let text = engine_common::shown(&outputs);
        assert!(text.contains("a thread panicked at cell:3:") && text.contains("but the index is 3"), "{text}");
        assert!(plain(&error).contains("its own message stands above"), "{}", plain(&error));
        // Inside the standard library.
        let cell = "let thread = std::thread::spawn(|| {\n    Vec::<u8>::with_capacity(usize::MAX).len()\n});\n\
                    thread.join().is_err()";
        let text = engine_common::shown(&check(engine, cell));
        assert!(text.contains("a thread panicked at cell:2:5 (in library/alloc"), "{text}");
    });
}

#[test]
fn code_that_lives_on_names_the_cell_it_came_from() {
    with_engine(|engine| {
        engine.set_cell_number(301);
        let cell = "// the reader\nlet read: Box<dyn Fn(usize) -> i32> = Box::new(|i| {\n    let v = [1, 2];\n    v[i]\n});\n\
                    let make: Box<dyn Fn(usize) -> usize> = Box::new(|n|\n    Vec::<u8>::with_capacity(n).len());";
        check(engine, cell);
        engine.set_cell_number(302);
        check(engine, "let other = 1;\nlet another = 2;\nlet third = read(0);");
        engine.set_cell_number(303);
        let (_, error) = error_of(engine, "let x = 1;\nread(7)");
        assert!(plain(&error).contains("--> cell [301]:4:"), "{}", plain(&error));
        engine.set_cell_number(304);
        let (_, error) = error_of(engine, "let x = 1;\nmake(usize::MAX)");
        let text = plain(&error);
        assert!(text.contains("--> cell [301]:7:5") && text.contains("this call panicked"), "{text}");
        assert!(text.contains("--> cell:2:1") && text.contains("called from here"), "{text}");
    });
}

#[test]
fn an_early_error_tells_its_causes() {
    with_engine(|engine| {
        let cell = "#[derive(Debug)] struct Width(std::num::ParseIntError);\n\
            impl std::fmt::Display for Width { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result \
            { write!(f, \"the row width is no number\") } }\n\
            impl std::error::Error for Width { fn source(&self) -> Option<&(dyn std::error::Error + 'static)> \
            { Some(&self.0) } }\n\
            fn width(text: &str) -> Result<i32, Width> { text.parse().map_err(Width) }\n\
            fn boxed(text: &str) -> Result<i32, Box<dyn std::error::Error>> { Ok(width(text)?) }";
        check(engine, cell);
        for cell in
            ["let ok = width(\"12\")?;\nlet w = width(\"12a\")?;", "let ok = width(\"12\");\nlet w = boxed(\"12a\")?;"]
        {
            let (_, error) = error_of(engine, cell);
            let text = plain(&error);
            assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("Error", "the row width is no number"));
            assert!(text.contains("= caused by: invalid digit found in string") && text.contains("cell:2:9"), "{text}");
        }
        // Errors that are texts, and errors that borrow.
        let (_, error) = error_of(engine, "let t = width(\"1\")?;\nlet n: i32 = None.ok_or(\"no scores\")?;");
        assert!(error.evalue == "no scores" && plain(&error).contains("cell:2:14"), "{}", plain(&error));
        check(engine, "let lock = std::sync::Mutex::new(1);\n{ let held = lock.lock()?; }");
    });
}

#[test]
fn an_end_names_the_line_of_the_cell() {
    with_engine(|engine| {
        for (code, words, place) in [
            ("let a = 1;\nstd::process::exit(3);", "exit status 3", "cell:2:1"),
            ("let a = 1;\nunsafe { *(8 as *mut i32) = 1; }", "segmentation fault", "cell:2:10"),
            ("let a: Vec<u8> = Vec::with_capacity(1 << 46);", "out of memory: 70.4 TB", "cell:1:18"),
            (
                "fn deep(n: u64) -> u64 {\n    std::hint::black_box([n; 64]);\n    1 + deep(n + 1)\n}\ndeep(0)",
                "stack overflow",
                "cell:3:9",
            ),
        ] {
            let (_, error) = error_of(engine, code);
            let text = plain(&error);
            assert!(error.ename == "ProcessDied" && error.evalue.contains(words) && text.contains(place), "{text}");
        }
        check(engine, "1 + 1");
    });
}
