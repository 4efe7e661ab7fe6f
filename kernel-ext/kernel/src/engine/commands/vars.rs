//! `:vars`.

use super::{evaluate, two_forms};
use crate::engine::EvcxrEngine;
use crate::engine::memory::Memory;
use std::collections::HashMap;

/// Types are shortened to this many characters.
const WIDTH: usize = 60;
const MARK: &str = "lathe-size";

/// The variables as text and HTML.
pub(super) fn table(engine: &mut EvcxrEngine) -> (String, String) {
    let mut variables = engine.variables.clone();
    variables.sort();
    if variables.is_empty() {
        return (String::from("no variables"), String::from("<p>no variables</p>"));
    }
    // Only the sizes are missing when this does not compile or run.
    let printed = evaluate(engine, &question(&variables)).unwrap_or_default();
    let sizes: HashMap<&str, &str> =
        printed.lines().filter_map(|line| line.strip_prefix(MARK)?.trim_start().split_once(' ')).collect();
    rows(&variables, &sizes, &engine.memory)
}

fn rows(variables: &[(String, String)], sizes: &HashMap<&str, &str>, memory: &Memory) -> (String, String) {
    let mut rows = vec![["name", "type", "size", "cell"].map(str::to_owned).to_vec()];
    for (name, kind) in variables {
        let size = sizes.get(name.as_str()).copied().unwrap_or_default().to_owned();
        let cell = memory.fates.made_in(name).map(|number| format!("[{number}]")).unwrap_or_default();
        rows.push(vec![name.clone(), short(kind), size, cell]);
    }
    two_forms("Variables", &rows)
}

/// A type without paths, cut to a readable length.
fn short(kind: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    let mut chars =
        kind.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect::<Vec<_>>().into_iter().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else if c == ':' && chars.peek() == Some(&':') {
            chars.next();
            word.clear();
        } else {
            text.push_str(&word);
            word.clear();
            text.push(c);
        }
    }
    text.push_str(&word);
    if text.chars().count() > WIDTH {
        text = text.chars().take(WIDTH - 1).collect::<String>() + "…";
    }
    text
}

/// Code that prints how large each variable is: the more special type wins by needing fewer references.
fn question(variables: &[(String, String)]) -> String {
    let lens = [
        ("<T>", "Vec<T>"),
        ("<T>", "std::collections::VecDeque<T>"),
        ("<T>", "std::collections::BTreeSet<T>"),
        ("<T, S>", "std::collections::HashSet<T, S>"),
        ("<K, V, S>", "std::collections::HashMap<K, V, S>"),
        ("<K, V>", "std::collections::BTreeMap<K, V>"),
        ("<T, const N: usize>", "[T; N]"),
        ("", "polars::prelude::Series"),
        ("", "polars::prelude::Column"),
    ];
    let mut code = String::from(
        "{ struct LatheSize<'a, T: ?Sized>(&'a T);\n\
         trait LatheAny { fn lathe_size(&self) -> String { String::new() } }\n\
         impl<T: ?Sized> LatheAny for LatheSize<'_, T> {}\n\
         trait LatheKnown { fn lathe_size(&self) -> String; }\n",
    );
    let mut known = |generics: &str, kind: &str, body: &str| {
        let generics = generics.strip_prefix('<').map_or_else(|| String::from(">"), |rest| format!(", {rest}"));
        code.push_str(&format!(
            "impl<'a{generics} LatheKnown for &LatheSize<'a, {kind}> {{ fn lathe_size(&self) -> String {{ {body} }} }}\n"
        ));
    };
    for (generics, kind) in lens {
        known(generics, kind, "format!(\"{} elements\", self.0.len())");
    }
    known("", "String", "format!(\"{} bytes\", self.0.len())");
    known("", "DataFrame", "format!(\"{} rows, {} columns\", self.0.height(), self.0.width())");
    known(
        "<S: Shape, E: dfdx::prelude::Unit, D: Storage<E>, T>",
        "Tensor<S, E, D, T>",
        "format!(\"shape {:?}\", HasShape::shape(self.0).concrete())",
    );
    for (name, _) in variables {
        code.push_str(&format!("println!(\"{MARK} {name} {{}}\", (&&LatheSize(&{name})).lathe_size());\n"));
    }
    code + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_lose_their_paths_and_their_length() {
        assert_eq!(short("alloc::vec::Vec<std::string::String>"), "Vec<String>");
        assert_eq!(short("Box<dyn Fn(f32) -> f32>"), "Box<dyn Fn(f32) -> f32>");
        let long = short(&format!("({})", "Linear<784, 256>, ".repeat(20)));
        assert!(long.chars().count() == WIDTH && long.ends_with('…'));
    }

    #[test]
    fn rows_hold_what_is_known() {
        let variables = [(String::from("v"), String::from("Vec<u8>"))];
        let sizes = HashMap::from([("v", "3 elements")]);
        let (text, html) = rows(&variables, &sizes, &Memory::default());
        assert!(text.contains("v     Vec<u8>  3 elements"), "{text}");
        assert!(html.contains("<caption>Variables</caption>"));
    }
}
