//! Models, optimisers and tensors used in a way that their types do not allow, beyond their shapes.

use super::{Facts, Plain, tensor};
use crate::engine::message::quoted;
use crate::engine::types::Ty;

/// E0308: the same type with other sizes, and an optimiser of another model.
pub(super) fn other_sizes(facts: &Facts<'_>) -> Option<Plain> {
    let (expected, found) = facts.pair.as_ref()?;
    let (wants, gets) = (expected.peeled(), found.peeled());
    let model = |ty: &Ty| matches!(ty, Ty::Tuple(_)) || ty.name() == "Linear";
    if model(wants) && model(gets) && facts.here.starts_with('&') && wants.layer() != gets.layer() {
        return Some(Plain {
            title: format!("made for the model {}, given {}", wants.layer(), gets.layer()),
            label: format!("this is {}", gets.layer()),
            notes: vec![String::from("the type of an optimiser names the model that it trains")],
            help: vec![String::from("let the compiler find the model: `Adam<_, f32, Cpu>`")],
        });
    }
    let sizes = |ty: &Ty| ty.args().iter().map(|arg| arg.name().parse::<usize>().ok()).collect::<Vec<_>>();
    let (a, b) = (sizes(wants), sizes(gets));
    let same = !wants.name().is_empty() && wants.name() == gets.name() && a.len() == b.len() && wants != gets;
    // Only where they differ in numbers.
    let differ = |(one, other): (&Ty, &Ty)| one == other || one.name().parse::<usize>().is_ok();
    if !same || !wants.args().iter().zip(gets.args()).all(differ) {
        return None;
    }
    let places = a.iter().zip(&b).enumerate().filter(|(_, (one, other))| one != other);
    let notes = places.filter_map(|(place, (one, other))| {
        Some(format!("they differ in size {}: {} and {}", place + 1, (*one)?, (*other)?))
    });
    Some(Plain {
        title: format!("{} is needed, this is {}", wants.layer(), gets.layer()),
        label: format!("this is {}", gets.layer()),
        notes: notes.collect(),
        help: vec![String::from("sizes are part of the type: both must say the same")],
    })
}

/// E0284: sizes that nothing tells.
pub(super) fn sizes_not_known(facts: &Facts<'_>) -> Option<Plain> {
    let ty = facts.names.iter().find(|name| name.contains("<_"))?;
    let (path, rest) = ty.split_once('<')?;
    let name = path.rsplit("::").next()?;
    // The compiler's suggestion names the sizes.
    let parameters = facts.message.children.iter().flat_map(|child| &child.spans).find_map(|span| {
        let text = span.suggested_replacement.as_deref()?;
        let rest = text.split_once(&format!("{name}<"))?.1;
        rest.split_once('>').map(|(parameters, _)| parameters)
    });
    let help = match parameters {
        Some(parameters) => format!("write numbers behind the name: `{name}::<{parameters}>`"),
        None => format!("write numbers behind the name, one for each `_`: `{name}::<{rest}`"),
    };
    Some(Plain {
        title: format!("the sizes of {name} are not known: nothing in this cell tells them"),
        label: String::from("which sizes?"),
        help: vec![help],
        ..Plain::default()
    })
}

/// E0382: a tensor with a tape was used up.
pub(super) fn used_up(facts: &Facts<'_>) -> Option<Plain> {
    let name = facts.names.first()?;
    let labels = || facts.message.spans.iter().map(super::super::message::Span::label);
    let moved = labels().find(|label| label.starts_with("move occurs"))?;
    let value = quoted(moved).into_iter().find_map(|text| tensor(&Ty::parse(text)?))?;
    let by_backward = facts.others.iter().any(|text| text.starts_with("backward"));
    if value.tape != "OwnedTape" {
        return Some(Plain {
            title: format!("`{name}` was used up before"),
            label: String::from("used again here"),
            help: vec![format!(
                "use `{name}.clone()` where it is used first: a copy of a tensor shares its values and costs next to nothing"
            )],
            ..Plain::default()
        });
    }
    let help = if by_backward {
        "a tape gives its gradients once: keep what the first `backward` returned"
    } else {
        "to go on with its values alone, split the tape off before: `let (values, tape) = x.split_tape();`"
    };
    Some(Plain {
        title: format!("`{name}` carries a tape and was used up before"),
        label: String::from("used again here"),
        notes: vec![String::from("a tape belongs to one result, so a tensor with a tape cannot be copied")],
        help: vec![String::from(help)],
    })
}

/// E0425, E0433: a name of another machine.
pub(super) fn no_gpu(facts: &Facts<'_>) -> Option<Plain> {
    let names = ["Cuda", "AutoDevice"];
    let name = facts.names.iter().find(|name| names.contains(name))?;
    Some(Plain {
        title: format!("there is no `{name}` here: these cells compute on the processor"),
        label: String::from("not in this build"),
        help: vec![String::from("`let device = Cpu::default();`")],
        ..Plain::default()
    })
}

/// E0277: a tensor in a `{}`.
pub(super) fn not_printed(facts: &Facts<'_>) -> Option<Plain> {
    let (subject, what) =
        facts.bound.as_ref().map(|(subject, what)| (subject.clone(), what.name().to_owned())).or_else(|| {
            let [subject, what] = facts.names.as_slice() else { return None };
            Some((Ty::parse(subject)?, (*what).to_owned()))
        })?;
    let given = tensor(&subject).filter(|_| what == "Display")?;
    Some(Plain {
        title: String::from("a tensor cannot be printed by `{}`"),
        label: format!("a tensor of shape {}", super::show_shape(&given.shape)),
        help: vec![String::from(
            "`{:?}` prints its values; as the last line of a cell, or by `display(&x)`, it is shown with its statistics",
        )],
        ..Plain::default()
    })
}
