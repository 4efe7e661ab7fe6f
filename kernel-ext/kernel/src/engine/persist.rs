//! Variables that cannot stay for the next cell, in words for people who know neither evcxr nor why.

use super::render::{self, Mark, hint, snippet};
use crate::api::CellError;

/// The error when evcxr refuses to keep a variable; `None` for its other messages.
pub(super) fn explain(cell: &str, message: &str) -> Option<CellError> {
    let (_, rest) = message.split_once("The variable `")?;
    let (name, rest) = rest.split_once('`')?;
    if !rest.contains("cannot be persisted") {
        return None;
    }
    let ty = rest.split_once("has type `").and_then(|(_, rest)| rest.split_once("` which")).map_or("", |(ty, _)| ty);
    let closure = rest.contains("is a closure") || ty.starts_with("{closure") || ty.starts_with("impl Fn");
    let (title, label, help) = if closure {
        (
            format!("`{name}` is a closure, which cannot be kept for the next cell"),
            "a closure's type has no name",
            format!("write it as a function (`fn {name}(..) {{ .. }}`), or keep a `Box<dyn Fn(..) -> ..>` of it"),
        )
    } else if ["::iter::", "::slice::Iter", "Map<", "Filter<", "impl Iterator"].iter().any(|part| ty.contains(part)) {
        (
            format!("`{name}` is an iterator, which cannot be kept for the next cell"),
            "an iterator that has not run yet",
            String::from("let it run: add `.collect::<Vec<_>>()`"),
        )
    } else {
        (
            format!("`{name}` cannot be kept for the next cell"),
            "its type has no name",
            format!("give it a type that can be named, or keep a `Box<dyn Trait>` of it; it is {ty}"),
        )
    };
    let mut below = Vec::new();
    if let Some(mark) = place(cell, name, label) {
        snippet(cell, &[mark], &mut below);
    }
    below.push(hint(&help));
    below.push(hint("or put what needs it between `{` and `}`: then it ends there"));
    Some(render::failure("NotKept", &title, below))
}

/// Where the variable is bound.
fn place(cell: &str, name: &str, label: &str) -> Option<Mark> {
    cell.lines().enumerate().find_map(|(number, line)| {
        let binding = line.find("let ")?;
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let (at, _) = line.match_indices(name).find(|(at, _)| {
            *at > binding && !line[..*at].ends_with(is_name) && !line[at + name.len()..].starts_with(is_name)
        })?;
        let column = line[..at].chars().count() + 1;
        let columns = (column, column + name.chars().count());
        Some(Mark { lines: (number + 1, number + 1), columns, label: label.to_owned(), primary: true })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterators_and_closures_are_told_apart() {
        let iterator = "The variable `doubled` has type `std::iter::Map<std::ops::Range<i32>, impl FnMut(i32) -> i32>` which cannot be persisted.\nYou";
        let error = explain("// two\nlet doubled = (0..3).map(|x| 2 * x);", iterator).unwrap();
        assert_eq!(error.ename, "NotKept");
        let text = render::plain(&error.traceback.join("\n"));
        assert!(text.contains("cell:2:5") && text.contains("collect::<Vec<_>>()"), "{text}");
        let closure = "The variable `f` is a closure, which cannot be persisted.\nYou can however";
        let text = render::plain(&explain("let f = |x: i32| x;", closure).unwrap().traceback.join("\n"));
        assert!(text.contains("`f` is a closure") && text.contains("cell:1:5") && text.contains("fn f("), "{text}");
        assert_eq!(explain("", "Couldn't automatically determine type of variable `x`."), None);
    }
}
