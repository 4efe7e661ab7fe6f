//! Cells that define something again, and what becomes of the values that live.

mod engine_common;

use engine_common::{check, plain, run, shown, text_of, with_engine};
use lathe_kernel::api::{Engine, Outcome};

fn fails(engine: &mut lathe_kernel::engine::EvcxrEngine, code: &str, ename: &str) -> String {
    let (_, outcome) = run(engine, code);
    match outcome {
        Outcome::Error(error) if error.ename == ename => plain(&error),
        other => panic!("{code}: {other:?}"),
    }
}

#[test]
fn a_redefined_type_takes_its_values_with_it_once_the_cell_compiles() {
    with_engine(|engine| {
        check(
            engine,
            "struct Noisy(u8); impl Drop for Noisy { fn drop(&mut self) { println!(\"drop {}\", self.0); } }",
        );
        check(engine, "struct Inner { w: f32, noisy: Noisy } type Pair = (Inner, u8); struct Outer { inner: Inner }");
        check(engine, "let o = Outer { inner: Inner { w: 1.0, noisy: Noisy(1) } };");
        check(engine, "let pair: Pair = (Inner { w: 2.0, noisy: Noisy(2) }, 0); let other = 5;");
        // A typo: nothing is lost.
        let error = "struct Inner { w: f64, noisy: Noisy }\nlet wrong: i32 = \"text\";";
        fails(engine, error, "E0308");
        assert_eq!(text_of(&check(engine, "o.inner.noisy.0 + pair.0.noisy.0"), "Result"), ["3"]);
        // The old value is used beside the new type.
        let text = fails(engine, "struct Inner { w: f64, noisy: Noisy }\no.inner.w", "E0425");
        assert!(text.contains("defines the type of `o` anew"), "{text}");
        assert_eq!(text_of(&check(engine, "o.inner.w"), "Result"), ["1.0"]);

        let outputs = check(engine, "struct Inner { w: f64, noisy: Noisy }");
        let text = shown(&outputs);
        assert_eq!((text.matches("drop 1").count(), text.matches("drop 2").count()), (1, 1), "{text}");
        assert!(text.contains("Inner is defined anew: dropped o, pair"), "{text}");
        fails(engine, "o", "E0425");
        assert_eq!(text_of(&check(engine, "other"), "Result"), ["5"]);
        check(engine, "let o = Inner { w: 0.5, noisy: Noisy(3) };");
        assert_eq!(text_of(&check(engine, "o.w"), "Result"), ["0.5"]);
        assert_eq!(shown(&check(engine, "drop(o);")), "drop 3\n");
    });
}

#[test]
fn what_shapes_a_type_counts_too() {
    with_engine(|engine| {
        check(engine, "const WIDTH: usize = 2; struct Row { cells: [u8; WIDTH] } trait Area { fn area(&self) -> u8; }");
        check(engine, "impl Area for Row { fn area(&self) -> u8 { self.cells[0] } }");
        check(engine, "let row = Row { cells: [7; 2] }; let boxed: Box<dyn Area> = Box::new(Row { cells: [1; 2] });");
        check(engine, "let n = 3;");
        let text = shown(&check(engine, "const WIDTH: usize = 3;"));
        assert!(text.contains("dropped row,") || text.contains("dropped row\n"), "{text}");
        let text = shown(&check(engine, "trait Area { fn area(&self) -> u8; fn name(&self) -> u8 { 1 } }"));
        assert!(text.contains("dropped boxed"), "{text}");
        // The same again changes nothing.
        assert_eq!(shown(&check(engine, "const WIDTH: usize = 3;")), "");
        assert_eq!(text_of(&check(engine, "n"), "Result"), ["3"]);
    });
}

#[test]
fn an_impl_cell_runs_again_whatever_stands_before_it() {
    with_engine(|engine| {
        check(engine, "#[derive(Clone, PartialEq)]\nstruct Celsius<T> { value: T }");
        let cell = |text: &str, more: &str| {
            format!(
                "use std::fmt;\nimpl<T: fmt::Display> fmt::Display for Celsius<T> {{\n    fn fmt(&self, f: &mut fmt::Formatter<'_>) \
                 -> fmt::Result {{ write!(f, \"{{}} {text}\", self.value) }}\n}}\nimpl<T: Copy> Celsius<T> {{ \
                 fn get(&self) -> T {{ self.value }} {more} }}\nlet c = Celsius {{ value: 3 }};\nformat!(\"{{c}}\")"
            )
        };
        assert_eq!(text_of(&check(engine, &cell("C", "")), "Result"), ["\"3 C\""]);
        assert_eq!(
            text_of(
                &check(engine, &cell("degrees", "fn twice(&self) -> (T, T) { (self.value, self.value) }")),
                "Result"
            ),
            ["\"3 degrees\""]
        );
        // One of the methods moves into a cell of its own.
        check(engine, "impl<T: Copy> Celsius<T> { fn get(&self) -> T { self.value } fn twice(&self) -> u8 { 2 } }");
        assert_eq!(text_of(&check(engine, "c.twice()"), "Result"), ["2"]);
        check(engine, "impl<T: Copy> Celsius<T> { fn other(&self) -> T { self.value } }");
        assert_eq!(text_of(&check(engine, "c.other() + c.get()"), "Result"), ["6"]);
        let text = fails(engine, "impl Celsius<u8> {\n    fn bad(&self) -> u8 { \"x\" } }", "E0308");
        assert!(text.contains("cell:2:27"), "{text}");
        let text = fails(engine, "impl Celsius<u8> { fn bad(&self) -> u8 { \"x\" } }", "E0308");
        assert!(text.contains("cell:1:42"), "{text}");
    });
}

#[test]
fn an_impl_goes_with_the_item_it_stood_below() {
    with_engine(|engine| {
        check(engine, "struct Loud(u8);\nimpl Drop for Loud { fn drop(&mut self) { println!(\"bye {}\", self.0); } }");
        assert_eq!(shown(&check(engine, "drop(Loud(1));")), "bye 1\n");
        check(engine, "struct Loud(u8);");
        assert_eq!(shown(&check(engine, "drop(Loud(2));")), "");
    });
}

#[test]
fn functions_constants_macros_and_imports_are_replaced() {
    with_engine(|engine| {
        for (define, ask, shows) in [
            ("fn size() -> u8 { 1 }", "size()", "1"),
            ("fn size() -> u8 { 2 }", "size()", "2"),
            ("const LIMIT: u8 = 3;", "LIMIT", "3"),
            ("const LIMIT: u8 = 4;", "LIMIT", "4"),
            ("macro_rules! five { () => { 5 } }", "five!()", "5"),
            ("macro_rules! five { () => { 6 } }", "five!()", "6"),
            ("mod area { pub fn of() -> u8 { 7 } }", "area::of()", "7"),
            ("mod area { pub fn of() -> u8 { 8 } }", "area::of()", "8"),
            ("use std::cmp::max as pick;", "pick(1, 9)", "9"),
            ("use std::cmp::min as pick;", "pick(10, 11)", "10"),
        ] {
            check(engine, define);
            assert_eq!(text_of(&check(engine, ask), "Result"), [shows], "{define}");
        }
    });
}

#[test]
fn a_changing_static_is_explained() {
    with_engine(|engine| {
        let text = shown(&check(engine, "static SEEN: std::sync::Mutex<u8> = std::sync::Mutex::new(0);"));
        assert!(text.contains("static SEEN: every cell gets its own new copy"), "{text}");
        assert_eq!(shown(&check(engine, "static NAMES: [&str; 1] = [\"a\"];")), "");
    });
}

#[test]
fn fifty_cells_leave_no_files() {
    with_engine(|engine| {
        let files = |engine: &lathe_kernel::engine::EvcxrEngine| {
            walk(engine.folder()).into_iter().map(|(path, _)| path).collect::<std::collections::BTreeSet<_>>()
        };
        check(engine, "let mut count = 0;");
        check(engine, "count += 1;");
        let before = files(engine);
        for _ in 0..50 {
            check(engine, "count += 1;");
        }
        let after = files(engine);
        assert_eq!(after.difference(&before).collect::<Vec<_>>(), [] as [&std::path::PathBuf; 0]);
        let bytes: u64 = walk(engine.folder()).into_iter().map(|(_, bytes)| bytes).sum();
        // The bound that the documentation states.
        assert!(bytes < 4 << 20, "{bytes} bytes in {:?}", engine.folder());
        assert_eq!(text_of(&check(engine, "count"), "Result"), ["51"]);
    });
}

fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() { found.extend(walk(&entry.path())) } else { found.push((entry.path(), meta.len())) }
    }
    found
}

#[test]
fn commands_answer_beside_code() {
    with_engine(|engine| {
        check(engine, "let mut sizes = vec![1u8, 2, 3]; let words = String::from(\"four\");");
        engine.set_cell_number(12);
        check(engine, "let table = df![\"a\" => [1, 2]]?;");
        let outputs = check(engine, ":vars\nsizes.push(4);");
        let text = text_of(&outputs, "Display").concat();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        assert!(line("sizes").contains("Vec<u8>") && line("sizes").contains("3 elements"), "{text}");
        assert!(line("table").contains("2 rows, 1 columns") && line("table").ends_with("[12]"), "{text}");
        assert_eq!(text_of(&check(engine, "sizes.len()"), "Result"), ["4"]);
        // The line numbers are those of the cell.
        let text = fails(engine, "// comment\n:time on\n!true\nlet wrong: i32 = \"text\";", "E0308");
        assert!(text.contains("cell:4:18"), "{text}");
        assert!(shown(&check(engine, "1 + 1")).contains("time: compiled in "));
        check(engine, ":time off");
        assert_eq!(shown(&check(engine, "1 + 1")), "");
        assert!(shown(&check(engine, "//! time\n1 + 1")).contains("ran in "));
    });
}
