//! For tests: a model's parameters as plain numbers, and gradients against central differences.

pub(crate) mod torch;

use dfdx::{
    nn::tensor_collection::TensorCollection,
    shapes::{HasShape, Shape},
    tensor::{Cpu, Gradients, HasErr, OwnedTape, SplitTape, Tensor, TensorFromVec, Trace},
    tensor_ops::{Backward, Device},
};
use rand::Rng;

use crate::{
    nn::{Forward, Layer, Real},
    ops::{LabDevice, Want, add_gradient, read, record},
    parameters::{self, View},
    rng::keyed,
};

/// Shows each parameter's name and values to `f` and writes back what it leaves.
pub(crate) fn edit<E: Real, M: TensorCollection<E, Cpu>>(model: &mut M, mut f: impl FnMut(&str, &mut Vec<E>))
where
    Cpu: Device<E>,
{
    parameters::visit_mut(model, |mut tensor| {
        let mut values = tensor.read()?.into_vec();
        f(tensor.name, &mut values);
        tensor.write(&values);
        Ok(())
    })
    .unwrap_or_else(|_: <Cpu as HasErr>::Err| panic!("a tensor cannot be read"));
}

/// Names and values of all parameters.
pub(crate) fn snapshot<M: TensorCollection<f32, Cpu>>(model: &M) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    parameters::visit(model, |tensor: View<'_, f32, Cpu>| {
        all.push((tensor.name.to_owned(), tensor.read()?.to_vec()));
        Ok::<_, crate::Error>(())
    })
    .expect("tensors can be read");
    all
}

/// Names and gradients of all trainable parameters. (`&mut` as for the rest of this module.)
pub(crate) fn gradients<E: Real, M: TensorCollection<E, Cpu>>(
    model: &mut M,
    grads: &mut Gradients<E, Cpu>,
) -> Vec<(String, Vec<E>)>
where
    Cpu: LabDevice<E>,
{
    let mut all = Vec::new();
    parameters::visit(&*model, |tensor: View<'_, E, Cpu>| {
        if tensor.trained {
            let values = <Cpu as LabDevice<E>>::edit_gradient(grads, &tensor.flat()?, |gradient| gradient.to_vec())?;
            all.push((tensor.name.to_owned(), values));
        }
        Ok(())
    })
    .unwrap_or_else(|_: <Cpu as HasErr>::Err| panic!("gradients can be read"));
    all
}

/// Compares the gradients of every parameter (up to `each` elements of it) with central differences of `loss` in `f64`.
pub(crate) fn check_gradients<M: TensorCollection<f64, Cpu>>(
    model: &mut M,
    mut grads: Gradients<f64, Cpu>,
    each: usize,
    mut loss: impl FnMut(&mut M) -> f64,
) {
    let analytic = gradients(model, &mut grads);
    let e = 1e-5;
    for (name, analytic) in &analytic {
        assert!(analytic.iter().any(|g| *g != 0.0), "{name} receives no gradient");
        for k in 0..analytic.len().min(each) {
            let k = k * analytic.len() / analytic.len().min(each);
            let nudge = |model: &mut M, delta: f64| {
                edit(model, |n, values: &mut Vec<f64>| {
                    if n == name {
                        values[k] += delta;
                    }
                });
            };
            nudge(model, e);
            let up = loss(model);
            nudge(model, -2.0 * e);
            let down = loss(model);
            nudge(model, e);
            let numeric = (up - down) / (2.0 * e);
            assert!(
                (analytic[k] - numeric).abs() < 1e-6 * (1.0 + numeric.abs()),
                "{name}[{k}]: {} {numeric}",
                analytic[k]
            );
        }
    }
}

/// Compares the gradients of a layer's weights and input in evaluation with central differences, for the loss Σ cᵢ yᵢ with
/// random x and c; and the gradients that are wanted alone with those of both.
pub(crate) fn check_layer<S: Shape, M>(layer: &mut M, shape: S, seed: u64)
where
    M: TensorCollection<f64, Cpu> + Layer<S, f64, Cpu>,
{
    check_passes(layer, shape, seed, |layer, x, want| layer.run(x, want).expect("runs"));
}

/// The same in training. Each pass starts from the same state, so random numbers repeat.
pub(crate) fn check_training<S: Shape, M>(layer: &M, shape: S, seed: u64)
where
    M: TensorCollection<f64, Cpu> + Layer<S, f64, Cpu> + Clone,
{
    check_passes(&mut layer.clone(), shape, seed, |layer, x, want| layer.clone().train(x, want).expect("trains"));
}

type Taped<S, E = f64> = Tensor<S, E, Cpu, OwnedTape<E, Cpu>>;

/// Σ factorᵢ yᵢ, whose gradient for y is the factors, as one operation: dfdx's own would be compiled anew for every shape.
pub(crate) fn weighted<S: Shape, E: Real>(y: Taped<S, E>, factors: Vec<E>) -> Taped<(), E>
where
    Cpu: LabDevice<E>,
{
    let (y, tape) = y.split_tape();
    assert_eq!(factors.len(), y.shape().num_elements(), "a factor for each output");
    record(tape, vec![E::default()], (), &Cpu::default(), move |grads, _| add_gradient(grads, &y, &factors))
        .unwrap_or_else(|_| panic!("memory ran out"))
}

fn check_passes<S: Shape, O: Shape, M: TensorCollection<f64, Cpu>>(
    layer: &mut M,
    shape: S,
    seed: u64,
    pass: impl Fn(&M, Taped<S>, Want) -> Taped<O>,
) {
    let device = Cpu::default();
    let mut rng = keyed(seed, "check_layer", 0);
    let mut draw = |n: usize| (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect::<Vec<f64>>();
    let x = device.tensor_from_vec(draw(shape.num_elements()), shape);
    let out = *pass(layer, x.leaky_trace(), Want::All).shape();
    let factors = draw(out.num_elements());
    let loss = |layer: &M, x: &Tensor<S, f64, Cpu>| {
        let (y, _) = pass(layer, x.leaky_trace(), Want::All).split_tape();
        read(&y).expect("reads").iter().zip(&factors).map(|(y, c)| y * c).sum::<f64>()
    };
    let grads = |layer: &M, want| weighted(pass(layer, x.leaky_trace(), want), factors.clone()).backward();
    let all = grads(layer, Want::All);
    let dx = all.get(&x).as_vec();
    let mut grads_of = grads(layer, Want::All);
    let weights = gradients(layer, &mut grads_of);
    let mut grads_of = grads(layer, Want::Weights);
    let alone = gradients(layer, &mut grads_of);
    assert_eq!(alone, weights, "weights alone");
    assert_eq!(grads(layer, Want::Input).get(&x).as_vec(), dx, "input alone");
    let mut grads_of = grads(layer, Want::Input);
    let frozen = gradients(layer, &mut grads_of);
    assert!(frozen.iter().all(|(_, dw)| dw.iter().all(|d| *d == 0.0)), "frozen weights have no gradient");
    check_gradients(layer, all, 40, |layer| loss(layer, &x));
    let (values, e) = (x.as_vec(), 1e-5);
    for k in (0..values.len()).step_by(values.len().div_ceil(60).max(1)) {
        let at = |delta: f64| {
            let mut values = values.clone();
            values[k] += delta;
            device.tensor_from_vec(values, shape)
        };
        let numeric = (loss(layer, &at(e)) - loss(layer, &at(-e))) / (2.0 * e);
        assert!((dx[k] - numeric).abs() < 1e-7 * (1.0 + numeric.abs()), "input[{k}]: {} {numeric}", dx[k]);
    }
}
