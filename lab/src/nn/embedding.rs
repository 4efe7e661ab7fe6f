use std::rc::Rc;

use dfdx::{
    nn::{Module, NonMutableModule, ZeroSizedModule},
    shapes::{Const, ConstDim, Dim, Dtype, HasShape, Rank2, Shape},
    tensor::{Cpu, Gradients, HasErr, SplitTape, Storage, Tape, Tensor},
};

use super::{Layer, Real, collection, linear::flat, module};
use crate::{
    Error,
    ops::{self, Back, Buf, Chain, LabDevice, Layout},
};

/// A vector of `F` numbers for each of `VOCAB` tokens: ids `(T,)` or `(B, T)` to `(..., F)` (PyTorch's `Embedding`).
///
/// The gradient of a row is the sum over the places where its id stands, in their order: the same for any number of threads.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Embedding}, rng::Init};
/// let device = Cpu::default();
/// let layer: Embedding<10, 4> = nn::build(&device, 1, Init::Normal { std: 1.0 }).unwrap();
/// let ids = device.tensor([[3usize, 9, 3]]);
/// let y = layer.try_forward(ids.leaky_trace()).unwrap();
/// assert_eq!(*y.shape(), (Const::<1>, Const::<3>, Const::<4>));
/// let grads = y.sum::<Rank0, _>().backward();
/// assert_eq!(grads.get(&layer.weight).array()[3], [2.0; 4]);
/// ```
///
/// # Errors
/// `try_forward` gives [`Error::OutOfRange`] for an id of `VOCAB` or more; `forward` panics with it.
#[derive(Debug, Clone)]
pub struct Embedding<const VOCAB: usize, const F: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// A row for each token, `(VOCAB, F)`.
    pub weight: Tensor<Rank2<VOCAB, F>, E, D>,
}
collection! { Embedding<VOCAB, F> { ; weight } }

impl<const VOCAB: usize, const F: usize, E: Dtype, D: Storage<E>> NonMutableModule for Embedding<VOCAB, F, E, D> {}

fn device_error<E: Real, D: LabDevice<E>>(error: <D as HasErr>::Err) -> Error {
    Error::Device(error.to_string())
}

impl<const VOCAB: usize, const F: usize, E: Real, D: LabDevice<E>> Embedding<VOCAB, F, E, D> {
    fn look_up<S: Shape, O: Shape, T: Tape<E, D>>(
        &self,
        ids: Tensor<S, usize, D, T>,
        shape: O,
    ) -> Result<Tensor<O, E, D, T>, Error> {
        let (ids, tape) = ids.split_tape();
        let ids = if ids.shape().num_elements() == 0 { Vec::new() } else { ids.as_vec() };
        if let Some((row, id)) = ids.iter().enumerate().find(|(_, id)| **id >= VOCAB) {
            return Err(Error::OutOfRange {
                what: "token ids",
                row,
                value: *id as f32,
                low: 0.0,
                high: VOCAB.saturating_sub(1) as f32,
                remedy: "map unknown tokens to an id of their own, or give the Embedding a larger vocabulary",
            });
        }
        let weight = flat(&self.weight).map_err(device_error::<E, D>)?;
        let mut y = Buf::any(ids.len() * F);
        E::gather(&ids, &ops::read(&weight).map_err(device_error::<E, D>)?, F, &mut y);
        let device = self.weight.device().clone();
        let back = move |grads: &mut Gradients<E, D>, dy: Buf<E>| {
            D::edit_gradient(grads, &weight, |dw| E::scatter(&ids, &dy, F, dw))
        };
        ops::record(tape, y.into_vec(), shape, &device, back).map_err(device_error::<E, D>)
    }
}

impl<const VOCAB: usize, const F: usize, N: Dim, E: Real, D: LabDevice<E>, T: Tape<E, D>>
    Module<Tensor<(N,), usize, D, T>> for Embedding<VOCAB, F, E, D>
{
    type Output = Tensor<(N, Const<F>), E, D, T>;
    type Error = Error;

    fn try_forward(&self, ids: Tensor<(N,), usize, D, T>) -> Result<Self::Output, Error> {
        let shape = (ids.shape().0, Const);
        self.look_up(ids, shape)
    }
}

impl<const VOCAB: usize, const F: usize, B: Dim, N: Dim, E: Real, D: LabDevice<E>, T: Tape<E, D>>
    Module<Tensor<(B, N), usize, D, T>> for Embedding<VOCAB, F, E, D>
{
    type Output = Tensor<(B, N, Const<F>), E, D, T>;
    type Error = Error;

    fn try_forward(&self, ids: Tensor<(B, N), usize, D, T>) -> Result<Self::Output, Error> {
        let shape = (ids.shape().0, ids.shape().1, Const);
        self.look_up(ids, shape)
    }
}

/// y = x + weight, a trained vector for each of at most `STEPS` positions: `(B, steps, F)` to the same.
///
/// A longer sequence is an error of the device (a wrong number of elements).
#[derive(Debug, Clone)]
pub struct LearnedPositions<const STEPS: usize, const F: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// A row for each position, `(STEPS, F)`.
    pub weight: Tensor<Rank2<STEPS, F>, E, D>,
}
collection! { LearnedPositions<STEPS, F> { ; weight } }

impl<B: Dim, N: Dim, const STEPS: usize, const F: usize, E: Real, D: LabDevice<E>> Layer<(B, N, Const<F>), E, D>
    for LearnedPositions<STEPS, F, E, D>
{
    type Output = (B, N, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let n = shape.1.size() * F;
        if n > STEPS * F {
            // Refused with the device's own error.
            self.weight.device().try_tensor_from_vec(vec![E::default(); n], (STEPS * F,))?;
        }
        let step = chain.begin_rows();
        let weight = flat(&self.weight)?;
        let mut y = Buf::any(step.x.len());
        E::add_table(&step.x, &ops::read(&weight)?[..n], &mut y);
        let back = move |grads: &mut Gradients<E, D>, dy: Buf<E>| {
            if step.weights {
                D::edit_gradient(grads, &weight, |dw| E::sum_tables(&dy, &mut dw[..n]))?;
            }
            Ok(dy)
        };
        chain.end(Rc::new(y), Layout::Rows, (step.input || step.weights).then(|| Box::new(back) as Back<E, D>));
        Ok(shape)
    }
}

module!([const STEPS: usize, const F: usize,] LearnedPositions<STEPS, F, E, D>);

/// Adds sin(t / 10000^(2i / F)) to column 2 i of step t and the cosine to column 2 i + 1 (Vaswani et al. 2017): `(B, T, F)` to
/// the same. Nothing to learn, any length.
///
/// ```
/// use dfdx::prelude::*;
/// let x: Tensor<Rank3<1, 2, 2>, f32, Cpu> = Cpu::default().zeros();
/// let y = lab::nn::SinusoidalPositions.forward(x).array();
/// assert_eq!(y, [[[0.0, 1.0], [1.0f32.sin(), 1.0f32.cos()]]]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinusoidalPositions;

impl ZeroSizedModule for SinusoidalPositions {}

impl<B: Dim, N: Dim, F: ConstDim, E: Real, D: LabDevice<E>> Layer<(B, N, F), E, D> for SinusoidalPositions {
    type Output = (B, N, F);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let step = chain.begin_rows();
        let (mut table, mut y) = (Buf::any(shape.1.size() * F::SIZE), Buf::any(step.x.len()));
        E::sinusoids(shape.1.size(), F::SIZE, &mut table);
        E::add_table(&step.x, &table, &mut y);
        let back = step.input.then(|| Box::new(|_: &mut Gradients<E, D>, dy: Buf<E>| Ok(dy)) as Back<E, D>);
        chain.end(Rc::new(y), Layout::Rows, back);
        Ok(shape)
    }
}

module!([] SinusoidalPositions);

/// One step of each sequence: `(B, T, F)` to `(B, F)`. `SelectStep<0>` is where a classifier reads (Devlin et al. 2018).
///
/// A step that the type of the input does not have is an error of the build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectStep<const I: usize>;

impl<const I: usize> ZeroSizedModule for SelectStep<I> {}

impl<B: Dim, T: ConstDim, F: Dim, const I: usize, E: Real, D: LabDevice<E>> Layer<(B, T, F), E, D> for SelectStep<I> {
    type Output = (B, F);

    fn apply(&self, chain: &mut Chain<E, D>, (rows, _, width): (B, T, F)) -> Result<Self::Output, D::Err> {
        const { assert!(I < T::SIZE, "SelectStep<I>: the sequence has no step I") };
        let step = chain.begin_rows();
        let sizes = (T::SIZE, width.size(), I);
        let mut y = Buf::any(rows.size() * width.size());
        E::step(&step.x, sizes, &mut y);
        let back = step.input.then(|| {
            let back = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
                let mut dx = Buf::any(dy.len() * sizes.0);
                E::step_back(&dy, sizes, &mut dx);
                Ok(dx)
            };
            Box::new(back) as Back<E, D>
        });
        chain.end(Rc::new(y), Layout::Rows, back);
        Ok((rows, width))
    }
}

module!([const I: usize,] SelectStep<I>);
