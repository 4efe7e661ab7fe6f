//! What the kernel reads in a cell before it is compiled.

use super::complete::{statements, without_commands};
use super::items::{self, Definition, Impl};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;

/// What a cell holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// As the user wrote it.
    pub code: String,
    /// Optimisation level that the first line asks for: `//! opt = 2`.
    pub opt: Option<u8>,
    /// It makes variables, or may: types have to be found out.
    pub types: bool,
    /// The first line asks how long it takes: `//! time`.
    pub time: bool,
    /// It loops or trains, so its own code may take time.
    pub loops: bool,
    /// What runs, without the items that are only defined.
    pub runs: String,
    /// Functions and methods that it defines: name, loops or trains, identifiers used.
    pub functions: Vec<Function>,
    /// It defines something that later cells are compiled with: a function, a type, an impl, a macro, an import.
    pub has_items: bool,
    /// Names that its `let`s bind.
    pub lets: Vec<String>,
    /// What may change the layout of values.
    pub definitions: Vec<Definition>,
    /// Names of its items.
    pub named: Vec<String>,
    /// Its implementations.
    pub impls: Vec<Impl>,
    /// Its statics that can change.
    pub statics: Vec<String>,
    /// Its statements that are no items.
    pub statements: Vec<Statement>,
}

/// A statement at the top level of a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its text, as it stands in the cell.
    pub text: String,
    /// Variables that it defines; the flag says `mut`.
    pub defines: Vec<(String, bool)>,
}

/// A function or method of a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub name: String,
    pub loops: bool,
    pub text: String,
}

impl Cell {
    /// Reads a cell; of one that does not parse only the text is known.
    pub fn read(code: &str) -> Self {
        // Otherwise every text that this thread ever parsed is kept.
        proc_macro2::extra::invalidate_current_thread_spans();
        let mut cell =
            Self { code: code.to_owned(), opt: asked_opt(code), types: true, time: asks_time(code), ..Self::default() };
        let Some(statements) = statements(code) else { return cell };
        let source = without_commands(code);
        cell.types = source.trim() != code.trim() || statements.iter().any(|each| matches!(each, syn::Stmt::Local(_)));
        let running = statements.iter().filter(|statement| !matches!(statement, syn::Stmt::Item(_)));
        cell.runs = running.map(|statement| text(&source, statement.span().byte_range()) + "\n").collect();
        cell.loops = cell.runs.parse().is_ok_and(|tokens| has_loop(tokens, FEW));
        cell.functions = statements.iter().flat_map(|statement| functions(&source, statement)).collect();
        cell.definitions = statements.iter().flat_map(|statement| items::definitions(&source, statement)).collect();
        cell.statics = items::changing_statics(&source, &statements);
        cell.statements = statements.iter().filter_map(|each| statement(&source, each)).collect();
        cell.has_items = statements.iter().any(|statement| matches!(statement, syn::Stmt::Item(_)));
        let defined = cell.statements.iter().flat_map(|statement| &statement.defines);
        cell.lets = defined.map(|(name, _)| name.clone()).collect();
        cell.named = statements
            .iter()
            .filter_map(|statement| match statement {
                syn::Stmt::Item(item) => items::named(item),
                _ => None,
            })
            .collect();
        cell.impls = items::impls(&source, &statements);
        let moved = moved(code, &source);
        cell.impls.iter_mut().for_each(|block| block.at += moved);
        cell.impls.retain(|block| code.is_char_boundary(block.at));
        cell
    }
}

/// By how many bytes the blanked commands moved what is below them.
fn moved(code: &str, source: &str) -> usize {
    let blanked = |(line, kept): &(&str, &str)| kept.is_empty() || line == kept;
    let lines = code.lines().zip(source.lines()).take_while(blanked);
    lines.map(|(line, kept)| line.len() - kept.len()).sum()
}

fn statement(source: &str, statement: &syn::Stmt) -> Option<Statement> {
    if matches!(statement, syn::Stmt::Item(_)) {
        return None;
    }
    let mut defines = Vec::new();
    if let syn::Stmt::Local(local) = statement {
        bound(&local.pat, &mut defines);
    }
    Some(Statement { text: source.get(statement.span().byte_range())?.to_owned(), defines })
}

/// The variables of a pattern.
fn bound(pattern: &syn::Pat, found: &mut Vec<(String, bool)>) {
    match pattern {
        syn::Pat::Ident(name) => {
            found.push((name.ident.to_string(), name.mutability.is_some()));
            if let Some((_, inner)) = &name.subpat {
                bound(inner, found);
            }
        }
        syn::Pat::Type(typed) => bound(&typed.pat, found),
        syn::Pat::Paren(inner) => bound(&inner.pat, found),
        syn::Pat::Reference(inner) => bound(&inner.pat, found),
        syn::Pat::Tuple(parts) => parts.elems.iter().for_each(|part| bound(part, found)),
        syn::Pat::TupleStruct(parts) => parts.elems.iter().for_each(|part| bound(part, found)),
        syn::Pat::Slice(parts) => parts.elems.iter().for_each(|part| bound(part, found)),
        syn::Pat::Struct(parts) => parts.fields.iter().for_each(|part| bound(&part.pat, found)),
        // `A | B` binds the same names on both sides.
        syn::Pat::Or(cases) => cases.cases.first().into_iter().for_each(|case| bound(case, found)),
        _ => {}
    }
}

/// `//! opt = 2` in the first line.
fn asked_opt(code: &str) -> Option<u8> {
    let (name, level) = code.lines().next()?.strip_prefix("//!")?.split_once('=')?;
    let level = level.trim().parse().ok().filter(|level| *level <= 3)?;
    (name.trim() == "opt").then_some(level)
}

/// `//! time` in the first line.
fn asks_time(code: &str) -> bool {
    code.lines().next().and_then(|line| line.strip_prefix("//!")).is_some_and(|rest| rest.trim() == "time")
}

/// Methods that run a long loop whose code is generated in the cell.
const CONSUMERS: [&str; 5] = ["fold", "for_each", "fit", "train", "sweep"];

fn functions(source: &str, statement: &syn::Stmt) -> Vec<Function> {
    let function = |name: &syn::Ident, block: &syn::Block| {
        let text = text(source, block.span().byte_range());
        Function { name: name.to_string(), loops: text.parse().is_ok_and(|tokens| has_loop(tokens, FEW)), text }
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

/// So many rounds of a loop, written as numbers, are not worth a slower compilation.
const FEW: u64 = 100;

/// Is there a loop of more than `few` rounds, or a call that runs one?
fn has_loop(tokens: TokenStream, few: u64) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    // Rounds of the `for` whose body comes next.
    let mut rounds = None;
    // The `for` of `impl Trait for Type` is no loop.
    let (mut in_impl, mut after_dot) = (false, false);
    while let Some(token) = tokens.next() {
        let mut dot = false;
        match token {
            TokenTree::Group(group) => {
                in_impl &= group.delimiter() != Delimiter::Brace;
                let few = rounds.take().map_or(few, |rounds| few / rounds);
                if has_loop(group.stream(), few) {
                    return true;
                }
            }
            TokenTree::Ident(name) => {
                let bound = matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '<');
                in_impl |= name == "impl";
                let mut is_loop = name == "while" || name == "loop";
                if name == "for" && !in_impl && !bound {
                    let (found, body) = literal_rounds(tokens.clone());
                    is_loop = found.is_none_or(|found| found > few);
                    if let (Some(found), Some(body)) = (found, body) {
                        rounds = Some(found.max(1));
                        tokens.nth(body - 1);
                    }
                }
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

/// How often `for pattern in 0..20 {` goes round, and how many tokens stand before its body; what follows `for` is given.
fn literal_rounds(tokens: impl Iterator<Item = TokenTree>) -> (Option<u64>, Option<usize>) {
    let head: Vec<TokenTree> = tokens
        .take_while(|token| !matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace))
        .take(100)
        .collect();
    let Some(begin) = head.iter().position(|token| matches!(token, TokenTree::Ident(name) if name == "in")) else {
        return (None, None);
    };
    let range: String = head[begin + 1..].iter().map(ToString::to_string).collect();
    let number = |text: &str| {
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
        let (digits, kind) = text.split_at(digits);
        let plain = kind.is_empty() || kind.starts_with(['i', 'u']);
        plain.then(|| digits.replace('_', "").parse::<u64>().ok()).flatten()
    };
    let rounds = range.split_once("..").and_then(|(from, to)| {
        let (to, more) = to.strip_prefix('=').map_or((to, 0), |to| (to, 1));
        Some((number(to)? + more).saturating_sub(number(from)?))
    });
    (rounds, Some(head.len()))
}

/// The text of a piece of syntax, without the spaces that do not matter.
pub(super) fn text(source: &str, range: std::ops::Range<usize>) -> String {
    source.get(range).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
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
        assert!(Cell::read("if true { for i in 0..300 { drop(i) } }").loops);
        assert!(Cell::read("for x in data.iter() { drop(x) }").loops && Cell::read("for i in 0..n { drop(i) }").loops);
        assert!(Cell::read("(0..9).for_each(drop); let history = model.fit(&x, &mut live(\"loss\"))?;").loops);
        let cell =
            Cell::read("struct A; impl A { fn slow(&self) { loop {} } fn fast(&self) {} } fn calls() { A.slow() }");
        let named = |name: &str| cell.functions.iter().find(|f| f.name == name).expect("it is defined");
        assert!(named("slow").loops && !named("fast").loops && mentions(&named("calls").text, "slow"));
        assert!(!Cell::read("let formula = 3; impl A for B {} fn f(g: impl for<'a> Fn(&'a u8)) {}").loops);
    }

    #[test]
    fn statements_say_what_they_define() {
        let cell = Cell::read("// c\nlet (mut a, Some(b)) = f() else { return };\nstruct S;\nfor i in 0..3 {}\na");
        let found: Vec<_> = cell.statements.iter().map(|s| (s.text.as_str(), s.defines.clone())).collect();
        let names = vec![(String::from("a"), true), (String::from("b"), false)];
        let first = "let (mut a, Some(b)) = f() else { return };";
        assert_eq!(found, [(first, names), ("for i in 0..3 {}", vec![]), ("a", vec![])]);
    }

    #[test]
    fn impls_know_their_place_below_commands() {
        let code = ":dep x = \"1\"\nuse a::B;\n/// Doc.\nimpl P {}\nstruct Q; impl Q { fn a() {} }";
        let cell = Cell::read(code);
        assert!(code[cell.impls[0].at..].starts_with("/// Doc.\nimpl P"));
        assert!(code[cell.impls[1].at..].starts_with("impl Q"));
        assert_eq!((cell.impls[0].home.as_deref(), cell.impls[1].home.as_deref()), (None, Some("Q")));
    }

    #[test]
    fn a_loop_of_few_rounds_is_not_worth_optimising() {
        let loops = |code: &str| Cell::read(code).loops;
        assert!(!loops("for _ in 0..20 { step(); }") && !loops("for i in 1..=100_u32 { step(i); }"));
        assert!(loops("for _ in 0..101 { step(); }") && loops("for _ in 0..20 { for _ in 0..20 { step(); } }"));
        assert!(!loops("for _ in 0..5 { for _ in 0..20 { step(); } }"));
        assert!(loops("for _ in 0..5 { while more() {} }") && loops("for _ in 0..5 { model.fit(&x)?; }"));
        assert!(loops("for _ in 0..5 {} for x in xs {}"));
        assert!(!loops("fn f() { loop {} }"), "only defined");
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
