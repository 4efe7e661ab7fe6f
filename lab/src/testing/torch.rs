//! Layers against what PyTorch computed: `lab/tests/fixtures/torch_layers.py` writes the file that is read here.

use std::collections::BTreeMap;

use dfdx::{
    nn::tensor_collection::TensorCollection,
    shapes::Shape,
    tensor::{Cpu, CpuError, HasErr, Tensor, TensorFromVec, Trace},
    tensor_ops::{Backward, Device},
};
use serde::Deserialize;

use super::{edit, gradients, weighted};
use crate::{
    loss::scalar,
    nn::{Forward, Layer, Real},
    ops::{LabDevice, Want},
};

/// What PyTorch computed for one layer.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub parameters: BTreeMap<String, Vec<f64>>,
    pub x: Vec<f64>,
    pub dy: Vec<f64>,
    pub y: Vec<f64>,
    pub dx: Vec<f64>,
    pub gradients: BTreeMap<String, Vec<f64>>,
    pub after: BTreeMap<String, Vec<f64>>,
}

/// The case of this name.
pub(crate) fn case(name: &str) -> Case {
    let mut all: BTreeMap<String, Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/torch_layers.json")).expect("the fixtures are JSON");
    all.remove(name).unwrap_or_else(|| panic!("no case {name}"))
}

pub(crate) fn close<E: Real>(what: &str, got: &[E], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: elements");
    let size = want.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let got = got.to_f64().unwrap_or(f64::NAN);
        assert!((got - want).abs() <= tolerance * size, "{what}[{i}]: {got}, PyTorch has {want}");
    }
}

/// A parameter's name without what our wrapper of a PyTorch module adds.
fn bare(name: &str) -> &str {
    name.strip_prefix("layer.").unwrap_or(name)
}

/// Gives the layer the case's parameters; each has to exist.
pub(crate) fn set_parameters<E: Real, M: TensorCollection<E, Cpu>>(
    layer: &mut M,
    parameters: &BTreeMap<String, Vec<f64>>,
) where
    Cpu: Device<E>,
{
    let mut left: Vec<&String> = parameters.keys().collect();
    edit(layer, |name, values: &mut Vec<E>| {
        let name = bare(name);
        if let Some(wanted) = parameters.get(name) {
            assert_eq!(values.len(), wanted.len(), "{name}: elements");
            values.iter_mut().zip(wanted).for_each(|(to, from)| *to = scalar(*from));
            left.retain(|x| *x != name);
        }
    });
    assert!(left.is_empty(), "the layer has no {left:?}");
}

/// Output, gradients and kept tensors of a layer are PyTorch's, in training or evaluation.
pub(crate) fn check_case<S: Shape, E: Real, M>(name: &str, layer: &mut M, shape: S, training: bool, tolerance: f64)
where
    Cpu: LabDevice<E> + HasErr<Err = CpuError>,
    M: TensorCollection<E, Cpu> + Layer<S, E, Cpu>,
{
    let case = case(name);
    set_parameters(layer, &case.parameters);
    let tensor = |values: &[f64]| values.iter().map(|x| scalar(*x)).collect::<Vec<E>>();
    let x: Tensor<S, E, Cpu> = Cpu::default().tensor_from_vec(tensor(&case.x), shape);
    let taped = x.leaky_trace();
    let y = if training { layer.train(taped, Want::All) } else { layer.run(taped, Want::All) }.expect("runs");
    close(&format!("{name}: y"), &y.as_vec(), &case.y, tolerance);
    let mut grads = weighted(y, tensor(&case.dy)).backward();
    close(&format!("{name}: dx"), &grads.get(&x).as_vec(), &case.dx, tolerance);
    let found = gradients(layer, &mut grads);
    for (parameter, want) in &case.gradients {
        let (_, got) =
            found.iter().find(|(n, _)| bare(n) == parameter).unwrap_or_else(|| panic!("{name}: no {parameter}"));
        close(&format!("{name}: gradient of {parameter}"), got, want, tolerance);
    }
    edit(layer, |parameter, values: &mut Vec<E>| {
        if let Some(want) = case.after.get(bare(parameter)) {
            close(&format!("{name}: {parameter} afterwards"), values, want, tolerance);
        }
    });
}
