//! A trait that is not there: layers that do not take what they are given, and operations on shapes.

use super::{Facts, Plain, outputs, position, show_shape, tensor};
use crate::engine::types::{Size, Tensor, Ty};

pub(super) fn unsatisfied(facts: &Facts<'_>) -> Option<Plain> {
    let (subject, what) = facts.bound.as_ref()?;
    let in_layer = facts.required.iter().find(|(_, what)| matches!(what.name(), "Module" | "ModuleMut"));
    match what.name() {
        // `lab`'s own layers are asked about the shape alone.
        "Layer" => {
            let input = Ty::Path(String::from("Tensor"), what.args().to_vec());
            layer_input(facts, subject, &input, subject, what)
        }
        "TryMatMul" | "SplitTape" | "Module" | "ModuleMut" | "NonMutableModule" | "HasErr" => match in_layer {
            Some((layer, module)) => layer_input(facts, layer, module.args().first()?, subject, what),
            None if matches!(what.name(), "Module" | "ModuleMut") => {
                layer_input(facts, subject, what.args().first()?, subject, what)
            }
            None if what.name() == "TryMatMul" => matmul(&tensor(subject)?, &tensor(what.args().first()?)?),
            None => None,
        },
        "TryAdd" | "TrySub" | "TryMul" | "TryDiv" | "Add" | "Sub" | "Mul" | "Div" => {
            elementwise(&tensor(subject)?, what.args().first()?, what.name())
        }
        "ReduceShapeTo" => {
            let (from, to) = (subject.shape()?, what.args().first()?.shape()?);
            let broadcast = facts.required.iter().any(|(_, what)| what.name() == "BroadcastShapeTo");
            Some(if broadcast { broadcasting(&to, &from) } else { reducing(&from, &to) })
        }
        "PermuteShapeTo" => {
            let (from, to) = (subject.shape()?, what.args().first()?.shape()?);
            Some(Plain {
                title: format!("permute: {} cannot become {}", show_shape(&from), show_shape(&to)),
                label: String::from("permute only changes the order of the sizes"),
                help: vec![String::from(
                    "name the same sizes in another order; another number of values in each size is `reshape`",
                )],
                ..Plain::default()
            })
        }
        "RemoveDimTo" | "ReplaceDimTo" => {
            let shape = show_shape(&subject.shape()?);
            let scalar = shape == "()";
            Some(Plain {
                title: if scalar {
                    String::from("there is no axis left to select from: this is a single number")
                } else {
                    format!("this selection does not fit a tensor of shape {shape}")
                },
                label: format!("given a tensor of shape {shape}"),
                help: vec![String::from("each `select` takes away one axis")],
                ..Plain::default()
            })
        }
        _ => None,
    }
}

/// The innermost layer that does not take its input.
fn layer_input(facts: &Facts<'_>, layer: &Ty, input: &Ty, subject: &Ty, what: &Ty) -> Option<Plain> {
    // The bound may name a layer further inside than the first note.
    let (layer, input) = match what.name() {
        "Module" | "ModuleMut" => (subject, what.args().first()?),
        _ => (layer, input),
    };
    if !is_layer(layer) {
        return None;
    }
    let name = layer.layer();
    let mut plain = Plain::default();
    if let Some((path, before)) = facts.model().and_then(|model| position(model, layer)) {
        plain.notes.push(format!("{name} is layer `{path}` of the model"));
        let source = before.iter().rev().find_map(|(path, layer)| Some((path, layer, outputs(layer)?)));
        if let Some((path, layer, gives)) = source.filter(|(.., gives)| last(input) == Some(*gives)) {
            plain.notes.push(format!("{} before it, `{path}`, gives {gives} values", layer.layer()));
        }
    }
    if let Ty::Ref(_, inner) = input
        && let Some(given) = inner.tensor()
    {
        plain.title = String::from("a layer takes the tensor itself, it is given a reference");
        plain.label = format!("a reference to a tensor of shape {}", show_shape(&given.shape));
        let name = facts.here.trim_start_matches('&').trim_start_matches("mut ");
        plain
            .help
            .push(format!("pass `{name}.clone()`: a copy of a tensor shares its values and costs next to nothing"));
        return Some(plain);
    }
    let Some(given) = input.tensor() else {
        plain.title = format!("a layer takes a tensor, it is given {input}");
        plain.label = String::from("this is no tensor");
        plain.help.push(String::from("make it a tensor first: `let x = Cpu::default().tensor(..);`"));
        return Some(plain);
    };
    let shape = show_shape(&given.shape);
    plain.label = format!("given a tensor of shape {shape}");
    let dtype = layer.args().iter().map(Ty::name).find(|name| matches!(*name, "f32" | "f64"));
    if let Some(dtype) = dtype.filter(|dtype| *dtype != given.dtype && !given.dtype.is_empty() && given.dtype != "_") {
        plain.title = format!("this layer computes in {dtype}, it is given {}", given.dtype);
        plain.label = format!("a tensor of {}", given.dtype);
        plain.help.push(format!("convert it with `.to_dtype::<{dtype}>()`, or build the model with {}", given.dtype));
        return Some(plain);
    }
    let device = layer.args().last().map(Ty::name).filter(|name| matches!(*name, "Cpu" | "Cuda"));
    if let Some(device) = device.filter(|device| *device != given.device && matches!(&*given.device, "Cpu" | "Cuda")) {
        plain.title = format!("this layer is on the device {device}, it is given a tensor on {}", given.device);
        plain.help.push(String::from("move it with `.to_device(&dev)`"));
        return Some(plain);
    }
    match (takes(layer), given.shape.last()) {
        (Some(takes), Some(Size::Fixed(gets))) if takes != *gets => {
            plain.title = format!("this layer takes {takes} inputs, it is given {gets}");
            let mut fitting = given.shape.clone();
            fitting.pop();
            fitting.push(Size::Fixed(takes));
            let whole = plain.notes.len() < 2;
            plain.help.push(if whole {
                format!(
                    "give it a tensor of shape {}, or make the layer {}",
                    show_shape(&fitting),
                    with_input(layer, *gets)
                )
            } else {
                format!("make the layer {}, or let the layer before it give {takes} values", with_input(layer, *gets))
            });
        }
        (Some(takes), Some(Size::Fixed(_) | Size::Unknown) | None) => {
            plain.title = format!("{name} does not take a tensor of shape {shape}");
            plain
                .help
                .push(format!("it takes one value of {takes} inputs, ({takes},), or a batch of them, (n, {takes})"));
        }
        (Some(takes), Some(Size::Free)) => {
            plain.title = format!("this layer takes {takes} inputs, here their number is only known at run time");
            plain.help.push(format!("say it in the type: `.realize::<(usize, Const<{takes}>)>()`"));
        }
        (None, _) => plain.title = format!("{name} does not take a tensor of shape {shape}"),
    }
    Some(plain)
}

fn is_layer(ty: &Ty) -> bool {
    !matches!(ty.name(), "Tensor" | "") && !matches!(ty, Ty::Tuple(_))
}

/// The size of the last axis that a layer takes.
fn takes(layer: &Ty) -> Option<usize> {
    match layer.name() {
        "Linear" | "UnbiasedLinear" | "LayerNorm1D" | "BatchNorm1D" | "Lstm" | "Bias1D" => layer.number(0),
        _ => None,
    }
}

/// The layer for another number of inputs.
fn with_input(layer: &Ty, inputs: usize) -> String {
    match layer {
        Ty::Path(name, args) if !args.is_empty() => {
            let mut args = args.clone();
            args[0] = Ty::Path(inputs.to_string(), Vec::new());
            Ty::Path(name.clone(), args).layer()
        }
        other => other.layer(),
    }
}

fn last(input: &Ty) -> Option<usize> {
    match tensor(input)?.shape.last()? {
        Size::Fixed(size) => Some(*size),
        _ => None,
    }
}

fn matmul(left: &Tensor, right: &Tensor) -> Option<Plain> {
    let (a, b) = (show_shape(&left.shape), show_shape(&right.shape));
    let mut plain = Plain { label: format!("of shape {b}"), ..Plain::default() };
    if left.dtype != right.dtype {
        plain.title = format!("matmul: the left tensor holds {}, the right one {}", left.dtype, right.dtype);
        plain.help.push(format!("convert one with `.to_dtype::<{}>()`", left.dtype));
        return Some(plain);
    }
    let inner = (left.shape.last()?, right.shape.get(right.shape.len().saturating_sub(2))?);
    plain.notes.push(format!("left: {a}, right: {b}"));
    plain.help.push(String::from("matmul takes (m, k) and (k, n); k must be the same"));
    plain.title = if inner.0 == inner.1 {
        format!("matmul: {a} and {b} do not go together")
    } else {
        format!("matmul: the inner sizes differ, {} and {}", inner.0, inner.1)
    };
    if right.shape.len() == 2 && left.shape.last() == right.shape.last() {
        plain.help.push(String::from("the right one fits when it is turned: `.permute::<_, Axes2<1, 0>>()`"));
    }
    Some(plain)
}

fn elementwise(left: &Tensor, right: &Ty, operation: &str) -> Option<Plain> {
    let operation = operation.trim_start_matches("Try").to_lowercase();
    let a = show_shape(&left.shape);
    let Some(right) = tensor(right) else {
        return matches!(right.name(), "f32" | "f64").then(|| Plain {
            title: format!("{operation}: the tensor holds {}, the number is {}", left.dtype, right.name()),
            label: format!("a tensor of {}", left.dtype),
            help: vec![format!("write the number as {}", left.dtype)],
            ..Plain::default()
        });
    };
    let b = show_shape(&right.shape);
    if left.dtype != right.dtype {
        return Some(Plain {
            title: format!("{operation}: the left tensor holds {}, the right one {}", left.dtype, right.dtype),
            label: String::from("both must hold the same type"),
            help: vec![format!("convert one with `.to_dtype::<{}>()`", left.dtype)],
            ..Plain::default()
        });
    }
    let mut plain = Plain {
        title: format!("{operation}: the shapes differ, {a} and {b}"),
        label: String::from("both sides must have the same shape"),
        ..Plain::default()
    };
    let (short, long) = if left.shape.len() < right.shape.len() { (left, &right) } else { (&right, left) };
    if short.shape.len() < long.shape.len() {
        plain.help.push(format!(
            "shapes are never stretched by themselves: `.broadcast_like(&other)` makes {} of {}",
            show_shape(&long.shape),
            show_shape(&short.shape)
        ));
    } else {
        plain.help.push(String::from("every size must be the same, axis by axis"));
    }
    Some(plain)
}

fn reducing(from: &[Size], to: &[Size]) -> Plain {
    Plain {
        title: format!("{} cannot be reduced to {}", show_shape(from), show_shape(to)),
        label: format!("of a tensor of shape {}", show_shape(from)),
        help: vec![String::from("a sum, mean, max or min takes away axes and keeps the sizes of the others, in order")],
        ..Plain::default()
    }
}

fn broadcasting(from: &[Size], to: &[Size]) -> Plain {
    let missing = from.iter().find(|size| !to.contains(size));
    Plain {
        title: format!("{} cannot be broadcast to {}", show_shape(from), show_shape(to)),
        label: format!("of a tensor of shape {}", show_shape(from)),
        notes: missing.map(|size| format!("the size {size} is not in {}", show_shape(to))).into_iter().collect(),
        help: vec![String::from("broadcast adds axes and keeps the sizes that are there, in order")],
    }
}
