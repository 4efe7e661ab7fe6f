//! What the kernel reads in a cell before it is compiled.

use super::complete::{statements, without_commands};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use syn::spanned::Spanned;

/// A cell, ready for evcxr.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// What evcxr gets.
    pub code: String,
    /// Columns put before the first line.
    pub shift: usize,
    /// Optimisation level that the first line asks for: `//! opt = 2`.
    pub opt: Option<u8>,
    /// It loops or trains, so its own code may take time.
    pub loops: bool,
    /// Functions and methods that it defines: name, loops or trains, identifiers used.
    pub functions: Vec<Function>,
    /// Types that it defines: name, whole definition.
    pub types: Vec<(String, String)>,
    /// It defines something that later cells are compiled with: a function, a type, an impl, a macro, an import.
    pub has_items: bool,
    /// Names that its `let`s bind.
    pub lets: Vec<String>,
}

/// A function or method of a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub name: String,
    pub loops: bool,
    pub text: String,
}

impl Cell {
    /// Reads a cell; one that does not parse is passed on as it is.
    pub fn read(code: &str) -> Self {
        let mut cell = Self { code: code.to_owned(), opt: asked_opt(code), ..Self::default() };
        let Some(statements) = statements(code) else { return cell };
        let source = without_commands(code);
        cell.loops = source.parse().is_ok_and(has_loop);
        cell.functions = statements.iter().flat_map(|statement| functions(&source, statement)).collect();
        cell.types = statements.iter().filter_map(|statement| type_definition(&source, statement)).collect();
        cell.has_items = statements.iter().any(|statement| matches!(statement, syn::Stmt::Item(_)));
        for statement in &statements {
            if let syn::Stmt::Local(local) = statement {
                bound_names(&local.pat, &mut cell.lets);
            }
        }
        if let Some(key) = leading_impls(&source, &statements)
            && let Some(line) = code.lines().position(|line| !line.trim().is_empty() && !line.starts_with("//"))
            && line == code.lines().take_while(|line| line.starts_with("//") || line.trim().is_empty()).count()
        {
            // evcxr replaces an item by its name and keeps every nameless impl for ever, so that running the cell again
            // would define it twice; a named item in front makes it replaceable.
            let name = format!("#[allow(non_camel_case_types)] struct LatheImpl_{key:016x}; ");
            // In front of the first line, so that no line moves; leading comments are dropped by evcxr anyway.
            cell.code = format!("{name}{code}");
            cell.shift = name.len();
            if line > 0 {
                cell.code = code.lines().take(line).map(|_| "\n").chain([name.as_str()]).collect::<String>();
                cell.code.push_str(&code.lines().skip(line).collect::<Vec<_>>().join("\n"));
                // The first line of the cell is empty now and has no errors.
                cell.shift = 0;
            }
        }
        cell
    }
}

fn bound_names(pattern: &syn::Pat, names: &mut Vec<String>) {
    match pattern {
        syn::Pat::Ident(name) => names.push(name.ident.to_string()),
        syn::Pat::Type(typed) => bound_names(&typed.pat, names),
        syn::Pat::Reference(inner) => bound_names(&inner.pat, names),
        syn::Pat::Tuple(tuple) => tuple.elems.iter().for_each(|inner| bound_names(inner, names)),
        syn::Pat::TupleStruct(tuple) => tuple.elems.iter().for_each(|inner| bound_names(inner, names)),
        syn::Pat::Slice(slice) => slice.elems.iter().for_each(|inner| bound_names(inner, names)),
        syn::Pat::Struct(fields) => fields.fields.iter().for_each(|field| bound_names(&field.pat, names)),
        _ => {}
    }
}

/// `//! opt = 2` in the first line.
fn asked_opt(code: &str) -> Option<u8> {
    let (name, level) = code.lines().next()?.strip_prefix("//!")?.split_once('=')?;
    let level = level.trim().parse().ok().filter(|level| *level <= 3)?;
    (name.trim() == "opt").then_some(level)
}

/// Methods that run a long loop whose code is generated in the cell.
const CONSUMERS: [&str; 5] = ["fold", "for_each", "fit", "train", "sweep"];

fn functions(source: &str, statement: &syn::Stmt) -> Vec<Function> {
    let function = |name: &syn::Ident, block: &syn::Block| {
        let text = text(source, block.span().byte_range());
        Function { name: name.to_string(), loops: text.parse().is_ok_and(has_loop), text }
    };
    match statement {
        syn::Stmt::Item(syn::Item::Fn(item)) => vec![function(&item.sig.ident, &item.block)],
        syn::Stmt::Item(syn::Item::Impl(item)) => item
            .items
            .iter()
            .filter_map(|member| match member {
                syn::ImplItem::Fn(method) => Some(function(&method.sig.ident, &method.block)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Is there a loop, or a call that runs one?
fn has_loop(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    // The `for` of `impl Trait for Type` is no loop.
    let (mut in_impl, mut after_dot) = (false, false);
    while let Some(token) = tokens.next() {
        let mut dot = false;
        match token {
            TokenTree::Group(group) => {
                in_impl &= group.delimiter() != Delimiter::Brace;
                if has_loop(group.stream()) {
                    return true;
                }
            }
            TokenTree::Ident(name) => {
                let bound = matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '<');
                in_impl |= name == "impl";
                let is_loop = name == "while" || name == "loop" || (name == "for" && !in_impl && !bound);
                if is_loop || (after_dot && CONSUMERS.iter().any(|consumer| name == consumer)) {
                    return true;
                }
            }
            TokenTree::Punct(punct) => dot = punct.as_char() == '.',
            TokenTree::Literal(_) => {}
        }
        after_dot = dot;
    }
    false
}

/// The text of a piece of syntax, without the spaces that do not matter.
fn text(source: &str, range: std::ops::Range<usize>) -> String {
    source.get(range).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn type_definition(source: &str, statement: &syn::Stmt) -> Option<(String, String)> {
    let syn::Stmt::Item(item) = statement else { return None };
    let name = match item {
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some((name.to_string(), text(source, item.span().byte_range())))
}

/// A stable number for the impls before any named item; `None` when the cell does not start with an impl.
fn leading_impls(source: &str, statements: &[syn::Stmt]) -> Option<u64> {
    let impls: Vec<&syn::ItemImpl> = statements
        .iter()
        .map_while(|statement| match statement {
            syn::Stmt::Item(syn::Item::Impl(item)) => Some(item),
            _ => None,
        })
        .collect();
    if impls.is_empty() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    for item in impls {
        let header = item.impl_token.span().byte_range().start..item.brace_token.span.open().byte_range().start;
        text(source, header).hash(&mut hasher);
        // Two cells may give one type different methods.
        if item.trait_.is_none() {
            for member in &item.items {
                match member {
                    syn::ImplItem::Fn(f) => f.sig.ident.to_string().hash(&mut hasher),
                    syn::ImplItem::Const(c) => c.ident.to_string().hash(&mut hasher),
                    _ => {}
                }
            }
        }
    }
    Some(hasher.finish())
}

/// Does a definition or a type mention this name?
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_name)
            && !text[at + name.len()..].chars().next().is_some_and(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_may_ask_for_optimisation() {
        assert_eq!(Cell::read("//! opt = 2\nlet x = 1;").opt, Some(2));
        assert_eq!(Cell::read("//! opt = 9\n").opt, None);
        assert_eq!(Cell::read("let x = 1;").opt, None);
    }

    #[test]
    fn loops_are_seen() {
        assert!(Cell::read("fn f() { if true { for i in 0..3 { drop(i) } } }").loops);
        assert!(Cell::read("(0..9).for_each(drop); let history = model.fit(&x, &mut live(\"loss\"))?;").loops);
        let cell =
            Cell::read("struct A; impl A { fn slow(&self) { loop {} } fn fast(&self) {} } fn calls() { A.slow() }");
        let named = |name: &str| cell.functions.iter().find(|f| f.name == name).expect("it is defined");
        assert!(named("slow").loops && !named("fast").loops && mentions(&named("calls").text, "slow"));
        assert!(!Cell::read("let formula = 3; impl A for B {} fn f(g: impl for<'a> Fn(&'a u8)) {}").loops);
    }

    #[test]
    fn an_impl_gets_the_same_name_when_only_its_body_changes() {
        let one = Cell::read("impl P { fn a(&self) -> i32 { 1 } }");
        let two = Cell::read("impl P { fn a(&self) -> i32 { 2 } }");
        let other = Cell::read("impl P { fn b(&self) -> i32 { 2 } }");
        assert_eq!(one.code[..one.shift], two.code[..two.shift]);
        assert_ne!(one.code[..one.shift], other.code[..other.shift]);
        assert_eq!(&one.code[one.shift..], "impl P { fn a(&self) -> i32 { 1 } }");
        let below = Cell::read("// why\n\nimpl P {\n}");
        assert_eq!(below.code.lines().count(), 4);
        assert!(below.code.lines().nth(2).unwrap().ends_with("impl P {"));
        assert_eq!(Cell::read("struct P; impl P {}").shift, 0);
    }

    #[test]
    fn names_and_items_are_found() {
        let cell = Cell::read("let (a, mut b): (i32, i32) = (1, 2); let Some(c) = d else { panic!() }; e");
        assert_eq!((cell.lets, cell.has_items), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], false));
        assert!(Cell::read("macro_rules! m { () => {} }").has_items && Cell::read("use std::fs;").has_items);
    }

    #[test]
    fn names_are_whole_words() {
        assert!(mentions("Vec<P>", "P") && !mentions("Vec<Point>", "P") && !mentions("MyP", "P"));
    }
}
