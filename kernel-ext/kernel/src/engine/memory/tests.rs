use super::*;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn ran(memory: &mut Memory, code: &str) -> Named {
    let cell = Cell::read(code);
    memory.keep(1, code, &cell, memory.name_impls(&cell));
    memory.name_impls(&cell)
}

fn held(memory: &Memory, code: &str, variables: &[(&str, &str)]) -> Vec<String> {
    memory.outdated(&Cell::read(code), &pairs(variables)).map(|(_, held)| held).unwrap_or_default()
}

#[test]
fn holders_of_a_redefined_type_are_outdated_too() {
    let mut memory = Memory::default();
    ran(&mut memory, "struct P { w: f32 } struct Holder { p: P } struct Other; type Batch = Vec<P>; struct G<T>(T);");
    let variables = pairs(&[("p", "P"), ("all", "Vec<Holder>"), ("o", "Other"), ("n", "i32"), ("b", "Batch")]);
    assert_eq!(memory.outdated(&Cell::read("struct P {  w: f32 }"), &variables), None);
    let (types, held) = memory.outdated(&Cell::read("struct P { w: f64 }"), &variables).expect("P changed");
    assert_eq!((types.as_str(), held.join(" ")), ("P", String::from("all b p")));
}

#[test]
fn constants_traits_and_imports_change_types() {
    let mut memory = Memory::default();
    ran(&mut memory, "const N: usize = 4; struct A { n: [f32; N] } trait Shape { fn area(&self) -> f32; } use x::Q;");
    ran(&mut memory, "fn loss() {} struct L { loss: f32 } impl K { const M: usize = 2; } struct B([u8; K::M]);");
    let variables = [("a", "Vec<A>"), ("d", "Box<dyn Shape>"), ("q", "Q<u8>"), ("l", "L"), ("b", "B"), ("n", "usize")];
    assert_eq!(held(&memory, "const N: usize = 5;", &variables), ["a"]);
    assert_eq!(held(&memory, "trait Shape { fn name(&self); }", &variables), ["d"]);
    assert_eq!(held(&memory, "use y::Q;", &variables), ["q"]);
    assert_eq!(held(&memory, "struct Q;", &variables), ["q"]);
    assert_eq!(held(&memory, "fn loss() -> f32 { 1.0 }", &variables), [] as [&str; 0]);
    assert_eq!(held(&memory, "impl K { const M: usize = 3; }", &variables), ["b"]);
}

#[test]
fn callers_of_a_loop_take_time() {
    let mut memory = Memory::default();
    ran(&mut memory, "fn slow() { loop {} } fn outer() { slow() } fn quick() {}");
    let level = |memory: &Memory, code: &str| memory.level(&Cell::read(code));
    assert_eq!(level(&memory, "outer()"), 2);
    assert_eq!(level(&memory, "quick()"), 0);
    assert_eq!(level(&memory, "fn third() { loop {} } fn fourth() { outer() } fourth()"), 2);
    assert_eq!(level(&memory, "fn third() { outer() }"), 0, "only defined");
    assert_eq!(level(&memory, "for x in xs { net.forward(x); outer(); }"), 1);
    ran(&mut memory, "fn slow() {}");
    assert_eq!(level(&memory, "slow()"), 0);
}

#[test]
fn cells_with_definitions_are_kept_once() {
    let mut memory = Memory::default();
    for (number, code) in [(1, "fn f() {}"), (2, "let x = 1;"), (3, "fn f() {}"), (4, "impl P {}")] {
        let cell = Cell::read(code);
        memory.keep(number, code, &cell, memory.name_impls(&cell));
    }
    let numbers: Vec<u64> = memory.cells().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3, 4]);
}

#[test]
fn an_impl_replaces_the_one_that_it_takes_over() {
    let mut memory = Memory::default();
    let key = |named: &Named| named.code[named.code.find("LatheImpl_").unwrap() + 10..][..16].to_owned();
    let one = ran(&mut memory, "impl P { fn a(&self) -> i32 { 1 } }");
    let edited = ran(&mut memory, "impl P { fn a(&self) -> i32 { 2 } fn b(&self) {} }");
    assert_eq!(key(&one), key(&edited));
    let other = ran(&mut memory, "impl P { fn c(&self) {} }");
    assert_ne!(key(&one), key(&other));
    let shown = ran(&mut memory, "use std::fmt;\nimpl fmt::Display for P { fn fmt(&self) {} }");
    assert!(shown.code.starts_with("use std::fmt;\n#[allow(non_camel_case_types)] struct LatheImpl_"));
    let again = ran(&mut memory, "struct Z;\nimpl fmt::Display for P { fn fmt(&self) { 2 } }");
    assert_eq!(key(&shown), key(&again));
    // Two cells become one: nothing is defined twice.
    let merged = ran(&mut memory, "impl P { fn a(&self) {} fn b(&self) {} fn c(&self) {} }");
    assert_eq!(
        (merged.code.matches("LatheImpl_").count(), memory.impls.iter().filter(|i| !i.of_trait).count()),
        (1, 1)
    );
}

#[test]
fn an_impl_that_left_its_cell_is_removed() {
    let mut memory = Memory::default();
    ran(&mut memory, "struct P; impl Drop for P { fn drop(&mut self) {} }");
    let cell = Cell::read("// smaller\nstruct P;");
    let named = memory.name_impls(&cell);
    assert!(named.code.starts_with("// smaller\n#[allow") && named.code.ends_with("; struct P;"));
    memory.keep(2, &cell.code, &cell, named);
    assert_eq!(memory.impls, []);
    assert_eq!(memory.name_impls(&cell).code, cell.code);
}

#[test]
fn columns_come_back() {
    let cell = Cell::read("let x = 1;\nimpl A {} impl B {}");
    let named = Memory::default().name_impls(&cell);
    let line = named.code.lines().nth(1).unwrap();
    for (text, column) in [("impl A", 1), ("impl B", 11)] {
        assert_eq!(named.shifts.column(2, line.find(text).unwrap() + 1), column, "{text}");
    }
    assert_eq!(named.shifts.column(1, 5), 5);
}

#[test]
fn what_can_be_stopped_is_watched() {
    let mut memory = Memory::default();
    ran(&mut memory, "fn epochs() { for _ in progress(0..3) {} }");
    let cell = Cell::read("let mut m = build();\nlet h = m.fit(&x)?;\nepochs();\nlet m = 2;\nfor i in 0..3 {}");
    let watched = memory.watched(&cell);
    let texts: Vec<&str> = watched.iter().map(|each| each.text.as_str()).collect();
    assert_eq!(texts, ["let h = m.fit(&x)?;", "epochs();"]);
    // The later `m` has another type, so that the first one cannot be stored under its name.
    assert_eq!((watched[0].before.as_slice(), watched[0].after.join(" ")), (&[] as &[String], String::from("h m")));
    assert_eq!((watched[1].before.join(" "), watched[1].after.join(" ")), (String::from("h"), String::from("m")));
}
