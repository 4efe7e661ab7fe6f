//! Errors about shapes, tapes and layers in the words of somebody who builds a network.
//!
//! What is said is read from the types in the compiler's message, never from its wording.

mod layers;
mod mismatch;
mod question;
mod values;

use super::message::{Message, quoted};
use super::types::{Size, Tensor, Ty, show_shape};

/// An error in plain words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plain {
    /// One line: what is wrong.
    pub title: String,
    /// What stands below the marked piece.
    pub label: String,
    /// What else is known.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
}

/// What the compiler said, in pieces.
struct Facts<'a> {
    code: &'a str,
    /// `subject: Trait` of the message.
    bound: Option<(Ty, Ty)>,
    /// `required for X to implement Y`, from the inside to the outside.
    required: Vec<(Ty, Ty)>,
    /// The two types of a mismatch.
    pair: Option<(Ty, Ty)>,
    /// Texts of the marked pieces: the wrong one, and the others.
    here: &'a str,
    others: &'a [String],
    /// Method or function that the message names.
    names: Vec<&'a str>,
    /// A type in the label of the marked piece.
    labelled: Option<Ty>,
    message: &'a Message,
}

/// Says it in plain words, if it is about tensors and layers. `text` gives the source below a span.
pub(super) fn translate(message: &Message, text: impl Fn(&super::message::Span) -> Option<String>) -> Option<Plain> {
    let here = message.primary().and_then(&text).unwrap_or_default();
    let others: Vec<String> = message.spans.iter().filter(|span| !span.is_primary).filter_map(&text).collect();
    let facts = Facts {
        code: message.code(),
        bound: bound(message),
        required: required(message),
        pair: pair(message),
        here: &here,
        others: &others,
        names: message.quoted(),
        labelled: message.primary().and_then(|span| Ty::parse(quoted(span.label()).last()?)),
        message,
    };
    match facts.code {
        "E0277" => question::at_top_level(&facts)
            .or_else(|| values::not_printed(&facts))
            .or_else(|| layers::unsatisfied(&facts)),
        "E0271" => mismatch::output(&facts),
        "E0308" => mismatch::types(&facts).or_else(|| values::other_sizes(&facts)),
        "E0284" => values::sizes_not_known(&facts),
        "E0382" => values::used_up(&facts),
        "E0412" | "E0425" | "E0433" => values::no_gpu(&facts),
        "E0080" => mismatch::constant(&facts),
        "E0599" => mismatch::method(&facts),
        _ => None,
    }
}

impl Facts<'_> {
    /// The function or method that was called, if a mark shows its name.
    fn called(&self) -> Option<&str> {
        let is_name =
            |text: &&String| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        self.others.iter().find(is_name).map(String::as_str)
    }

    /// The whole model: the outermost thing that had to be a layer.
    fn model(&self) -> Option<&Ty> {
        let layer = |(_, what): &&(Ty, Ty)| matches!(what.name(), "Module" | "ModuleMut");
        self.required.iter().rev().find(layer).map(|(model, _)| model)
    }
}

/// `the trait bound X: Trait<Y>`: the first text in backticks that reads so.
fn bound(message: &Message) -> Option<(Ty, Ty)> {
    message.quoted().into_iter().find_map(parse_bound).or_else(|| {
        // Otherwise "the trait `Trait<Y>` is not implemented for `X`".
        message.children.iter().filter(|child| child.level == "help").find_map(|child| {
            let [what, subject] = child.quoted().try_into().ok()?;
            Some((Ty::parse(subject)?, Ty::parse(what)?))
        })
    })
}

fn parse_bound(text: &str) -> Option<(Ty, Ty)> {
    // A single colon at no depth of brackets; paths have two.
    let bytes = text.as_bytes();
    let at = (1..bytes.len().saturating_sub(1))
        .find(|&at| bytes[at] == b':' && bytes[at + 1] == b' ' && bytes[at - 1] != b':')?;
    Some((Ty::parse(&text[..at])?, Ty::parse(&text[at + 1..])?))
}

fn required(message: &Message) -> Vec<(Ty, Ty)> {
    let notes = message.children.iter().filter(|child| child.level == "note");
    notes
        .filter_map(|note| {
            let [subject, what] = note.quoted().try_into().ok()?;
            Some((Ty::parse(subject)?, Ty::parse(what)?))
        })
        .collect()
}

/// The types of `expected struct .. found struct ..`.
fn pair(message: &Message) -> Option<(Ty, Ty)> {
    message.children.iter().filter(|child| child.message.starts_with("expected")).find_map(|child| {
        let [expected, found] = child.quoted().try_into().ok()?;
        Some((Ty::parse(expected)?, Ty::parse(found)?))
    })
}

/// `Tensor<..>` behind any references.
fn tensor(ty: &Ty) -> Option<Tensor> {
    ty.peeled().tensor()
}

fn fixed(sizes: &[Size]) -> Option<usize> {
    sizes.iter().map(|size| if let Size::Fixed(n) = size { Some(*n) } else { None }).product()
}

/// Where a layer stands in a model: the fields of nested tuples, as in `model.1.0`, and the layers before it.
fn position(model: &Ty, layer: &Ty) -> Option<(String, Vec<(String, Ty)>)> {
    fn walk(model: &Ty, layer: &Ty, path: &str, before: &mut Vec<(String, Ty)>) -> Option<String> {
        if model == layer {
            return Some(path.to_owned());
        }
        match model {
            Ty::Tuple(layers) => layers
                .iter()
                .enumerate()
                .find_map(|(index, inner)| walk(inner, layer, &format!("{path}.{index}"), before)),
            other => {
                before.push((path.to_owned(), other.clone()));
                None
            }
        }
    }
    let mut before = Vec::new();
    let path = walk(model, layer, "", &mut before)?;
    (!path.is_empty()).then_some((path, before))
}

/// How many values a layer gives.
fn outputs(layer: &Ty) -> Option<usize> {
    matches!(layer.name(), "Linear" | "UnbiasedLinear" | "Lstm").then(|| layer.number(1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_a_place() {
        let model = Ty::parse("((Linear<784, 64>, ReLU), (Linear<32, 8>, Tanh))").unwrap();
        let layer = Ty::parse("Linear<32, 8>").unwrap();
        let (path, before) = position(&model, &layer).unwrap();
        assert_eq!(path, ".1.0");
        assert_eq!(before.iter().rev().find_map(|(_, layer)| outputs(layer)), Some(64));
        assert_eq!(before[1].0, ".0.1");
        assert_eq!(position(&layer, &layer), None);
    }

    #[test]
    fn bounds_are_read() {
        let (subject, what) = parse_bound("lathe::prelude::Tensor<(A,)>: lathe::TryAdd<B>").unwrap();
        assert_eq!((subject.name(), what.name()), ("Tensor", "TryAdd"));
        assert_eq!(parse_bound("std::mem::take"), None);
    }
}
