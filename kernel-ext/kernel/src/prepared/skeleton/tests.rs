//! Each rule on a line of source.

use super::*;

/// The skeleton in one line.
fn short(source: &str) -> String {
    let text = skeleton(source, false).expect("it is Rust");
    assert!(text.parse::<TokenStream>().is_ok(), "{text}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn functions_keep_their_signature_and_documentation() {
    let source =
        "/// Adds.\n#[inline]\npub fn add<const N: usize>(a: [u8; { N + 1 }]) -> Sum<{ N }> { a.sum() } // here\n";
    assert_eq!(short(source), "/// Adds. pub fn add<const N: usize>(a: [u8; { N + 1 }]) -> Sum<{ N }>{}");
    assert_eq!(
        short("fn hidden() {} pub(crate) fn also() {} pub const unsafe fn seen() -> u8 { 1 }"),
        "pub const unsafe fn seen() -> u8{}"
    );
    assert_eq!(
        short("#[cfg(test)] mod tests { fn t() {} } mod other; mod inside { pub fn f() { g() } }"),
        "mod other; mod inside { pub fn f(){} }"
    );
    assert_eq!(skeleton("pub const fn two() -> u8 { 2 }", true).unwrap().trim(), "pub const fn two() -> u8 { 2 }");
    assert_eq!(short("#[lang = \"x\"] fn lang() { 1 }"), "#[lang = \"x\"] fn lang(){}");
}

#[test]
fn implementations_say_what_a_type_fulfils() {
    let source =
        "impl<'a> Iterator for Rows<'a> { type Item = &'a Row; fn next(&mut self) -> Option<Self::Item> { None } }";
    assert_eq!(short(source), "impl<'a> Iterator for Rows<'a> { type Item = &'a Row; }");
    let source = "impl<F: for<'a> Fn(&'a u8)> Call<F> { pub fn go(&self) { 1; } fn no(&self) {} const N: u8 = 1; }";
    assert_eq!(short(source), "impl<F: for<'a> Fn(&'a u8)> Call<F> { pub fn go(&self){} const N: u8 = 1; }");
    assert_eq!(short("pub trait T { fn a(&self) -> u8 { 1 } fn b(); }"), "pub trait T { fn a(&self) -> u8{} fn b(); }");
}

#[test]
fn macros_still_match_what_they_matched() {
    let source = "#[macro_export] macro_rules! m { (fn $n:ident { $($b:tt)* }) => { fn $n() { $($b)* } impl A for $n { fn a() { 1 } } }; }";
    let expected = "#[macro_export] macro_rules! m { (fn $n:ident { $($b:tt)* }) => { fn $n(){} impl A for $n { } }; }";
    assert_eq!(short(source), expected);
    // Without its variable the repetition would be an error.
    let source = "macro_rules! r { ($($x:expr)*) => { $( fn f() { $x; } )* $( fn g(a: $x) { $x; } )* } }";
    assert!(short(source).contains("fn f() { $x; }") && short(source).contains("fn g(a: $x){}"));
    assert_eq!(
        short("numbers! { /// One.\n/// # Examples\n/// ```\n pub fn one() { 1 } }"),
        "numbers! { /// One. pub fn one(){} }"
    );
}

#[test]
fn types_constants_and_imports_stay() {
    let source = "use a::{b, c}; pub struct P { pub x: f64 } struct T(u8); enum E { A, B } type F = fn(u8) -> u8; const N: usize = 3;";
    assert_eq!(short(source), source);
    let numbers = "1, ".repeat(40);
    assert_eq!(short(&format!("static TABLE: [u8; 40] = [{numbers}];")), "static TABLE: [u8; 40] = [ ];");
    assert_eq!(
        short("#![no_std] //! Crate.\nextern crate alloc; extern \"C\" { fn f(); }"),
        "#![no_std] //! Crate. extern crate alloc; extern \"C\" { fn f(); }"
    );
    assert_eq!(skeleton("fn broken( {", false), None);
}
