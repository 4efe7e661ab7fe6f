//! For tests: a model's parameters as plain numbers, and gradients against central differences.

pub(crate) mod torch;

use dfdx::{
    nn::tensor_collection::{
        RecursiveWalker, TensorCollection, TensorOptions, TensorVisitor, ViewTensorMut, ViewTensorName,
    },
    shapes::{Dtype, HasShape, Shape},
    tensor::{Cpu, CpuError, Gradients, OwnedTape, Tensor, TensorFromVec, Trace},
    tensor_ops::{Backward, Device, SumTo},
};
use rand::Rng;

use crate::{
    nn::{Forward, Layer},
    ops::Want,
    rng::keyed,
};

/// Shows each parameter's name and values to `f` and writes back what it leaves.
pub(crate) fn edit<E: Dtype, M: TensorCollection<E, Cpu>>(model: &mut M, f: impl FnMut(&str, &mut Vec<E>))
where
    Cpu: Device<E>,
{
    M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut Edit(f, std::marker::PhantomData) })
        .map(drop)
        .unwrap_or_default();
}

struct Edit<F, E>(F, std::marker::PhantomData<E>);

impl<E: Dtype, D: Device<E>, F: FnMut(&str, &mut Vec<E>)> TensorVisitor<E, D> for Edit<F, E> {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = D::Err;
    type E2 = E;
    type D2 = D;

    fn visit<S: Shape>(
        &mut self,
        _: TensorOptions<S, E, D>,
        (tensor, name): (&mut Tensor<S, E, D>, String),
    ) -> Result<Option<Tensor<S, E, D>>, D::Err> {
        let mut values = tensor.as_vec();
        self.0(&name, &mut values);
        tensor.copy_from(&values);
        Ok(None)
    }
}

/// Names and values of all parameters.
pub(crate) fn snapshot<M: TensorCollection<f32, Cpu> + Clone>(model: &M) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    edit(&mut model.clone(), |name, values: &mut Vec<f32>| all.push((name.to_owned(), values.clone())));
    all
}

/// Names and gradients of all trainable parameters.
pub(crate) fn gradients<E: Dtype, M: TensorCollection<E, Cpu>>(
    model: &mut M,
    grads: &mut Gradients<E, Cpu>,
) -> Vec<(String, Vec<E>)>
where
    Cpu: Device<E> + dfdx::tensor::HasErr<Err = CpuError>,
{
    let mut read = Read { grads, all: Vec::new() };
    M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut read }).map(drop).unwrap_or_default();
    read.all
}

struct Read<'a, E: Dtype, D: Device<E>> {
    grads: &'a mut Gradients<E, D>,
    all: Vec<(String, Vec<E>)>,
}

impl<E: Dtype, D: Device<E>> TensorVisitor<E, D> for Read<'_, E, D> {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = D::Err;
    type E2 = E;
    type D2 = D;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, D>,
        (tensor, name): (&mut Tensor<S, E, D>, String),
    ) -> Result<Option<Tensor<S, E, D>>, D::Err> {
        if options.do_gradient_update {
            self.grads.try_alloc_for(tensor)?;
            self.all.push((name, self.grads.get(tensor).as_vec()));
        }
        Ok(None)
    }
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

type Taped<S> = Tensor<S, f64, Cpu, OwnedTape<f64, Cpu>>;

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
    let factors = device.tensor_from_vec(draw(out.num_elements()), out);
    let loss = |layer: &M, x: &Tensor<S, f64, Cpu>| {
        let y = pass(layer, x.leaky_trace(), Want::All);
        y.as_vec().iter().zip(factors.as_vec()).map(|(y, c)| y * c).sum::<f64>()
    };
    let grads = |layer: &M, want| (pass(layer, x.leaky_trace(), want) * factors.clone()).sum::<(), _>().backward();
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
