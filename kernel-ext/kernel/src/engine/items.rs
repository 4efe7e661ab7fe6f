//! The items of a cell: what they define, what shapes a type's layout, and which implementation belongs where.

use super::cell::text;
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;

/// Something that may change the layout or the meaning of values that live already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    /// What a later definition of the same thing has, too.
    pub key: String,
    /// Name under which types and variables mention it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Can a variable's type mention it? The others (constants, functions) only shape types.
    pub is_type: bool,
    /// Names that shape its layout.
    pub refers: Vec<String>,
}

/// An implementation, which has no name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Impl {
    /// `impl<T> Show for P<T> where ..`.
    pub header: String,
    /// Methods and constants, of an inherent one.
    pub members: Vec<String>,
    pub of_trait: bool,
    /// The named item before it in its cell: redefining that item without it removes it.
    pub home: Option<String>,
    /// Where it starts in the cell, in bytes.
    pub at: usize,
}

/// Definitions of a statement.
pub(super) fn definitions(source: &str, statement: &syn::Stmt) -> Vec<Definition> {
    match statement {
        syn::Stmt::Item(item) => of_item(source, item, ""),
        syn::Stmt::Macro(call) => made_by_macro(source, &call.mac),
        _ => Vec::new(),
    }
}

fn of_item(source: &str, item: &syn::Item, inside: &str) -> Vec<Definition> {
    let whole = text(source, item.span().byte_range());
    let all = |spans: Vec<std::ops::Range<usize>>| spans.into_iter().flat_map(|span| names(&source[span])).collect();
    let fields = |fields: &syn::Fields| fields.iter().map(|field| field.ty.span().byte_range()).collect::<Vec<_>>();
    let (name, is_type, refers) = match item {
        syn::Item::Struct(item) => {
            let mut spans = fields(&item.fields);
            spans.push(item.generics.span().byte_range());
            (&item.ident, true, all(spans))
        }
        syn::Item::Enum(item) => {
            let mut spans: Vec<_> = item.variants.iter().flat_map(|variant| fields(&variant.fields)).collect();
            let values = item.variants.iter().filter_map(|variant| variant.discriminant.as_ref());
            spans.extend(values.map(|(_, value)| value.span().byte_range()));
            spans.push(item.generics.span().byte_range());
            (&item.ident, true, all(spans))
        }
        syn::Item::Union(item) => {
            (&item.ident, true, all(item.fields.named.iter().map(|field| field.ty.span().byte_range()).collect()))
        }
        syn::Item::Type(item) => (&item.ident, true, all(vec![item.ty.span().byte_range()])),
        syn::Item::Trait(item) => (&item.ident, true, names(&whole)),
        syn::Item::Const(item) => {
            (&item.ident, false, all(vec![item.ty.span().byte_range(), item.expr.span().byte_range()]))
        }
        syn::Item::Fn(item) if item.sig.constness.is_some() => (&item.sig.ident, false, names(&whole)),
        syn::Item::Macro(item) => match &item.ident {
            Some(name) => (name, false, Vec::new()),
            None => return made_by_macro(source, &item.mac),
        },
        syn::Item::Mod(item) => {
            let inner = item.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
            let inside = format!("{inside}{}::", item.ident);
            let mut found: Vec<_> = inner.iter().flat_map(|item| of_item(source, item, &inside)).collect();
            let refers = found.iter().flat_map(|definition| definition.refers.clone()).collect();
            let (key, name) = (item.ident.to_string(), item.ident.to_string());
            found.push(Definition { key, name, text: whole, is_type: true, refers });
            return found;
        }
        syn::Item::Impl(item) => {
            let shapes = |member: &&syn::ImplItem| matches!(member, syn::ImplItem::Const(_) | syn::ImplItem::Type(_));
            let parts: Vec<_> = item.items.iter().filter(shapes).map(|member| member.span().byte_range()).collect();
            let syn::Type::Path(of) = item.self_ty.as_ref() else { return Vec::new() };
            let Some(name) = of.path.segments.last().map(|segment| segment.ident.to_string()) else {
                return Vec::new();
            };
            if parts.is_empty() {
                return Vec::new();
            }
            let text = parts.iter().map(|part| text(source, part.clone())).collect::<Vec<_>>().join(" ");
            return vec![Definition { key: header(source, item), name, text, is_type: true, refers: all(parts) }];
        }
        syn::Item::Use(item) => {
            let mut found = Vec::new();
            imports(&item.tree, &mut String::new(), &mut found);
            return found;
        }
        _ => return Vec::new(),
    };
    let name = name.to_string();
    vec![Definition { key: format!("{inside}{name}"), name, text: whole, is_type, refers }]
}

/// A type that a macro defines is recognised by the keyword in the call.
fn made_by_macro(source: &str, call: &syn::Macro) -> Vec<Definition> {
    let whole = text(source, call.span().byte_range());
    let refers = names(&whole);
    let keywords = ["struct", "enum", "union", "trait", "type"];
    let pairs = refers.windows(2).filter(|pair| keywords.contains(&pair[0].as_str()));
    pairs
        .map(|pair| Definition {
            key: pair[1].clone(),
            name: pair[1].clone(),
            text: whole.clone(),
            is_type: true,
            refers: refers.clone(),
        })
        .collect()
}

fn imports(tree: &syn::UseTree, path: &mut String, found: &mut Vec<Definition>) {
    let mut import = |name: &syn::Ident, what: String| {
        let name = name.to_string();
        found.push(Definition { key: name.clone(), name, text: what, is_type: true, refers: Vec::new() });
    };
    match tree {
        syn::UseTree::Path(inner) => {
            let length = path.len();
            path.push_str(&format!("{}::", inner.ident));
            imports(&inner.tree, path, found);
            path.truncate(length);
        }
        syn::UseTree::Name(name) => import(&name.ident, format!("use {path}{}", name.ident)),
        syn::UseTree::Rename(name) => import(&name.rename, format!("use {path}{}", name.ident)),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| imports(tree, path, found)),
        syn::UseTree::Glob(_) => {}
    }
}

/// Every name in a piece of source.
pub(super) fn names(source: &str) -> Vec<String> {
    fn collect(tokens: TokenStream, found: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) => found.push(name.to_string()),
                TokenTree::Group(group) => collect(group.stream(), found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Ok(tokens) = source.parse() {
        collect(tokens, &mut found);
    }
    found
}

fn header(source: &str, item: &syn::ItemImpl) -> String {
    text(source, item.impl_token.span().byte_range().start..item.brace_token.span.open().byte_range().start)
}

/// The implementations of a cell.
pub(super) fn impls(source: &str, statements: &[syn::Stmt]) -> Vec<Impl> {
    let (mut found, mut home) = (Vec::new(), None);
    for statement in statements {
        let syn::Stmt::Item(item) = statement else { continue };
        let syn::Item::Impl(block) = item else {
            home = named(item).or(home);
            continue;
        };
        let members = block.items.iter().filter_map(|member| match member {
            syn::ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
            syn::ImplItem::Const(constant) => Some(constant.ident.to_string()),
            _ => None,
        });
        found.push(Impl {
            header: header(source, block),
            members: members.collect(),
            of_trait: block.trait_.is_some(),
            home: home.clone(),
            at: block.span().byte_range().start,
        });
    }
    found
}

/// The name by which evcxr keeps an item and what follows it.
pub(super) fn named(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Mod(item) => &item.ident,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Statics that can change: each cell has its own copy of them.
pub(super) fn changing_statics(source: &str, statements: &[syn::Stmt]) -> Vec<String> {
    let changes = |name: &String| {
        let cells =
            ["Mutex", "RwLock", "RefCell", "Cell", "OnceCell", "OnceLock", "LazyLock", "LazyCell", "UnsafeCell"];
        cells.contains(&name.as_str()) || name.starts_with("Atomic")
    };
    statements
        .iter()
        .filter_map(|statement| match statement {
            syn::Stmt::Item(syn::Item::Static(item)) => Some(item),
            _ => None,
        })
        .filter(|item| {
            let mutable = matches!(item.mutability, syn::StaticMutability::Mut(_));
            mutable || names(&source[item.ty.span().byte_range()]).iter().any(changes)
        })
        .map(|item| item.ident.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::*;

    fn of(code: &str) -> Vec<Definition> {
        Cell::read(code).definitions
    }

    #[test]
    fn field_types_shape_a_type_and_field_names_do_not() {
        let found = of("struct P { loss: [f32; N], q: Q<R> } enum E { P(i32), B { x: S } = V }");
        assert_eq!(found[0].refers, ["f32", "N", "Q", "R"]);
        assert_eq!(found[1].refers, ["i32", "S", "V"]);
    }

    #[test]
    fn modules_macros_imports_and_associated_constants_count() {
        let keys = |code: &str| of(code).into_iter().map(|d| (d.key, d.is_type)).collect::<Vec<_>>();
        let pair = |name: &str, is_type| (name.to_owned(), is_type);
        assert_eq!(keys("mod m { pub struct P; }"), [pair("m::P", true), pair("m", true)]);
        assert_eq!(keys("flags! { pub struct F: u8 {} }"), [pair("F", true)]);
        assert_eq!(keys("use a::{B, c::D as E, f::*};"), [pair("B", true), pair("E", true)]);
        assert_eq!(keys("impl P { const N: usize = 3; fn f() {} }"), [pair("impl P", true)]);
        assert_eq!(keys("impl P { fn f() {} } fn g() {} const N: u8 = 1;"), [pair("N", false)]);
    }

    #[test]
    fn statics_that_change_are_told_from_constants() {
        let cell = Cell::read("static A: u8 = 1; static B: AtomicU8 = AtomicU8::new(0); static mut C: u8 = 0;");
        assert_eq!(cell.statics, ["B", "C"]);
    }
}
