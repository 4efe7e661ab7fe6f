//! One type where another is needed: arguments, outputs, constants and methods.

use super::{Facts, Plain, fixed, show_shape, tensor};
use crate::engine::diagnostics::CHECKED_IN;
use crate::engine::message::quoted;
use crate::engine::types::{Size, Tensor, Ty};

/// E0308: a value of another type.
pub(super) fn types(facts: &Facts<'_>) -> Option<Plain> {
    let (expected, found) = facts.pair.as_ref()?;
    if let (Some(wants), Some(gets)) = (tensor(expected), tensor(found)) {
        return tensors(facts, &wants, &gets);
    }
    let model = |ty: &Ty| matches!(ty.peeled(), Ty::Tuple(_)) || ty.peeled().name() == "Linear";
    if facts.called() == Some("update") && model(expected) && model(found) {
        return Some(Plain {
            title: String::from("this optimiser was made for another model"),
            label: format!("made for {}", expected.peeled().layer()),
            notes: vec![format!("it is given {}", found.peeled().layer())],
            help: vec![String::from("an optimiser keeps the averages of one model: make a new one for this model")],
        });
    }
    None
}

fn tensors(facts: &Facts<'_>, wants: &Tensor, gets: &Tensor) -> Option<Plain> {
    let (want, get) = (show_shape(&wants.shape), show_shape(&gets.shape));
    let mut plain = Plain::default();
    let called = facts.called().map(|name| name.rsplit("::").next().unwrap_or(name));
    if wants.shape != gets.shape {
        let differs: Vec<usize> = (0..wants.shape.len().min(gets.shape.len()))
            .filter(|&axis| wants.shape[axis] != gets.shape[axis])
            .filter(|&axis| wants.shape[axis] != Size::Unknown && gets.shape[axis] != Size::Unknown)
            .collect();
        plain.label = format!("this has shape {get}");
        plain.title = match called {
            Some(loss) if loss.contains("loss") => {
                plain.notes.push(format!("predictions {want}, targets {get}"));
                plain.help.push(String::from("a loss compares value by value: both must have the same shape"));
                if loss.contains("cross_entropy") && differs == [1] {
                    plain.help.push(String::from("targets of a classifier have one column for each class, 0 or 1"));
                    format!(
                        "{loss}: the model tells {} classes apart, the targets have {}",
                        wants.shape[1], gets.shape[1]
                    )
                } else if differs == [0] {
                    format!("{loss}: the batches differ, {} predictions and {} targets", wants.shape[0], gets.shape[0])
                } else {
                    format!("{loss}: the shapes differ, {want} and {get}")
                }
            }
            Some("forward" | "forward_mut") => match differs.as_slice() {
                [axis] if axis + 1 == wants.shape.len() && wants.shape.len() == gets.shape.len() => {
                    format!("this layer takes {} inputs, it is given {}", wants.shape[*axis], gets.shape[*axis])
                }
                _ => format!("this layer takes a tensor of shape {want}, it is given {get}"),
            },
            Some(name) => format!("{name} takes a tensor of shape {want}, it is given {get}"),
            None if facts.others.is_empty() => format!("the shapes differ: {want} is needed, this is {get}"),
            None => format!("the type says {want}, the value has shape {get}"),
        };
        if called.is_some_and(|name| !name.contains("loss")) {
            plain.help.extend(cure(wants, gets, &differs));
        }
        if wants.shape.len() != gets.shape.len() {
            plain.notes.push(format!("{want} has {} axes, {get} has {}", wants.shape.len(), gets.shape.len()));
        } else if let ([axis], true) = (differs.as_slice(), plain.notes.is_empty()) {
            plain.notes.push(format!("they differ in axis {axis}: {} and {}", wants.shape[*axis], gets.shape[*axis]));
        }
        return Some(plain);
    }
    if wants.dtype != gets.dtype && !wants.dtype.is_empty() {
        plain.title = format!("a tensor of {} is needed, this one holds {}", wants.dtype, gets.dtype);
        plain.label = format!("holds {}", gets.dtype);
        plain.help.push(format!(
            "convert it with `.to_dtype::<{}>()`, or write its numbers as {} (`1.0_{}`)",
            wants.dtype, wants.dtype, wants.dtype
        ));
        return Some(plain);
    }
    if wants.tape != gets.tape {
        return Some(tape(wants));
    }
    if wants.device != gets.device {
        plain.title = format!("a tensor on {} is needed, this one is on {}", wants.device, gets.device);
        plain.label = format!("on {}", gets.device);
        plain.help.push(String::from("move it with `.to_device(&dev)`"));
        return Some(plain);
    }
    None
}

/// How a tensor of one shape becomes one of the other, when that is plain.
fn cure(wants: &Tensor, gets: &Tensor, differs: &[usize]) -> Option<String> {
    let known = |sizes: &[Size]| !sizes.contains(&Size::Unknown);
    if !known(&wants.shape) || !known(&gets.shape) {
        return None;
    }
    let written = |size: &Size| match size {
        Size::Fixed(size) => format!("Const::<{size}>"),
        _ => String::from("1"),
    };
    // `(96,)` where `(usize, 96)` is needed.
    if let [Size::Free | Size::Fixed(1), row @ ..] = wants.shape.as_slice()
        && row == gets.shape.as_slice()
    {
        let shape: Vec<String> = wants.shape.iter().map(written).collect();
        return Some(format!("one row is a batch of one: `.reshape_like(&({}))`", shape.join(", ")));
    }
    if wants.shape.len() != gets.shape.len() || differs.is_empty() {
        return None;
    }
    let free = |axis: &usize| wants.shape[*axis] == Size::Free || gets.shape[*axis] == Size::Free;
    if differs.iter().all(free) {
        let sizes = wants.shape.iter().map(|size| match size {
            Size::Fixed(size) => format!("Const<{size}>"),
            _ => String::from("usize"),
        });
        return Some(format!(
            "a size that is only known at run time is `usize` in the type: `.realize::<({})>()` states it",
            sizes.collect::<Vec<_>>().join(", ")
        ));
    }
    let last = wants.shape.len() - 1;
    (differs == [last]).then(|| {
        let (want, get) = (&wants.shape[last], &gets.shape[last]);
        format!("give it rows of {want} values, or make the model for rows of {get}: the sizes stand in its type")
    })
}

fn tape(wants: &Tensor) -> Plain {
    if wants.tape == "OwnedTape" {
        Plain {
            title: String::from("this needs a tensor that records its gradients, it is given one without a tape"),
            label: String::from("has no tape"),
            help: vec![String::from(
                "start the recording at the input: `x.trace(grads)`, with `let grads = model.alloc_grads();`",
            )],
            ..Plain::default()
        }
    } else {
        Plain {
            title: String::from("this tensor carries the tape of its gradients, one without is needed"),
            label: String::from("carries a tape"),
            help: vec![
                String::from("to keep the tape: leave the type out, or write its fourth part, `OwnedTape<f32, Cpu>`"),
                String::from("to drop it: `.retaped::<NoneTape>()`"),
            ],
            ..Plain::default()
        }
    }
}

/// E0271: what a layer gives is not what is needed.
pub(super) fn output(facts: &Facts<'_>) -> Option<Plain> {
    let (expected, found) = facts.pair.as_ref()?;
    let (wants, gets) = (tensor(expected)?, tensor(found)?);
    let residual = facts.required.iter().map(|(layer, _)| layer).find(|layer| layer.name() == "Residual");
    if wants.shape == gets.shape && wants.tape != gets.tape {
        let mut plain = tape(&wants);
        if wants.tape == "OwnedTape" {
            plain.title = String::from("training needs an input that records its gradients: this one has no tape");
            plain.label = String::from("has no tape");
        }
        return Some(plain);
    }
    if let Some(residual) = residual.filter(|_| wants.shape != gets.shape) {
        return Some(Plain {
            title: format!(
                "a residual adds a layer's output to its input: {} and {} differ",
                show_shape(&gets.shape),
                show_shape(&wants.shape)
            ),
            label: format!("given a tensor of shape {}", show_shape(&wants.shape)),
            notes: vec![format!("in {}", residual.layer())],
            help: vec![String::from("the layers in a residual must give as many values as they take")],
        });
    }
    tensors(facts, &wants, &gets)
}

/// E0080: a number that is checked when the code for it is made.
pub(super) fn constant(facts: &Facts<'_>) -> Option<Plain> {
    reshape(facts).or_else(|| assertion(facts))
}

/// A `const { assert!(..) }` of a generic method, with the numbers of this call.
fn assertion(facts: &Facts<'_>) -> Option<Plain> {
    let place = facts.message.children.iter().find_map(|child| child.message.strip_prefix(CHECKED_IN))?;
    // `lathe::prelude::SensorWindows::<24, 4>::flat::<100>`
    let place = place.trim_start_matches("fn ").replace("::<", "<");
    let (owner, method) = place.split_at(place.rfind(">::")? + 1);
    let (owner, method) = (Ty::parse(owner)?, Ty::parse(method.trim_start_matches("::"))?);
    if let ("SensorWindows", "flat", Some(steps), Some(channels), Some(width)) =
        (owner.name(), method.name(), owner.number(0), owner.number(1), method.number(0))
    {
        let fits = steps * channels;
        return Some(Plain {
            title: format!("flat: a window of {steps} steps of {channels} sensors has {fits} numbers, not {width}"),
            label: format!("a row of {width} numbers is asked for"),
            notes: vec![format!("the windows are {}", owner.layer())],
            help: vec![format!("take rows of {fits}: `flat::<{fits}>(..)`, or `Const<{fits}>` in the type")],
        });
    }
    let text = &facts.message.message;
    Some(Plain {
        title: format!("{}: {text}", method.name()),
        label: format!("{} of {}", method.layer(), owner.layer()),
        ..Plain::default()
    })
}

fn reshape(facts: &Facts<'_>) -> Option<Plain> {
    let note = facts.message.children.iter().find_map(|child| child.message.split_once("reshape::<"))?;
    let from = note.0.find("Tensor<").and_then(|at| {
        let text = &note.0[at..];
        Ty::parse(text.rsplit_once(" as ")?.0)?.tensor()
    })?;
    let to = Ty::parse(note.1.strip_suffix('>')?)?.shape()?;
    let (a, b) = (show_shape(&from.shape), show_shape(&to));
    Some(Plain {
        title: match (fixed(&from.shape), fixed(&to)) {
            (Some(has), Some(takes)) => format!("reshape: {a} holds {has} values, {b} takes {takes}"),
            _ => format!("reshape: {a} and {b} hold different numbers of values"),
        },
        label: format!("from {a} to {b}"),
        help: vec![String::from("a reshape keeps every value: the products of the sizes must be the same")],
        ..Plain::default()
    })
}

/// E0599: a method that such a tensor does not have.
pub(super) fn method(facts: &Facts<'_>) -> Option<Plain> {
    let method = facts.names.first()?;
    if *method == "backward" {
        let loss = facts.labelled.as_ref().and_then(tensor)?;
        let shape = show_shape(&loss.shape);
        return Some(if loss.tape == "OwnedTape" && !loss.shape.is_empty() {
            Plain {
                title: format!("backward starts from one number, this tensor has shape {shape}"),
                label: format!("of shape {shape}"),
                help: vec![String::from("make one number of it first: a loss, `.mean()` or `.sum()`")],
                ..Plain::default()
            }
        } else {
            Plain {
                title: String::from("backward needs a tape: nothing was recorded on the way to this tensor"),
                label: String::from("has no tape"),
                help: vec![
                    String::from(
                        "start the recording at the input: `model.forward_mut(x.trace(grads))`, with `let grads = model.alloc_grads();`",
                    ),
                    String::from("operations on a tensor without `.trace(..)` cost less and give no gradients"),
                ],
                ..Plain::default()
            }
        });
    }
    if method.starts_with("concat") {
        let bounds = facts.message.children.iter().flat_map(|child| quoted(&child.message));
        let (shapes, _) = bounds.filter_map(super::parse_bound).find(|(_, what)| what.name().contains("Concat"))?;
        let shapes: Vec<Vec<Size>> = shapes.args().iter().filter_map(Ty::shape).collect();
        let [a, b] = shapes.as_slice() else { return None };
        return Some(Plain {
            title: format!("{method}: {} and {} cannot be joined", show_shape(a), show_shape(b)),
            label: String::from("the other axes differ"),
            help: vec![
                String::from("all sizes but that of the joined axis must be the same"),
                String::from("a size that changes must be known at run time: `usize` in the type, not `Const`"),
            ],
            ..Plain::default()
        });
    }
    None
}
