use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Dim, Dtype, Shape},
    tensor::{Cpu, Tape, Tensor},
    tensor_ops::Device,
};

use super::{Gru, Lstm, Recurrent};
use crate::{
    nn::{Layer, Real, module},
    ops::{Chain, LabDevice},
};

/// Two recurrent layers, the second on the outputs of the first (PyTorch's `num_layers=2`, whose `weight_ih_l1` is here
/// `l1.weight_ih_l0`), with the states of both. For more layers stack it again; for a chain without states a
/// [`Sequential`](crate::nn::Sequential) does the same.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Recurrent, StackedLstm}, rng::Init};
/// let layer: StackedLstm<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let x = lab::windows::<10, 3>(vec![0.5; 60]).unwrap();
/// let (y, (_first, (h, _c))) = layer.forward_with(x, None).unwrap();
/// assert_eq!(y.as_vec()[9 * 8..10 * 8], h.as_vec()[..8]);
/// ```
#[derive(Debug, Clone)]
pub struct Stacked<First, Second> {
    /// Reads the input.
    pub l0: First,
    /// Reads the first layer's output.
    pub l1: Second,
}

/// Two LSTM layers of one width.
pub type StackedLstm<const I: usize, const H: usize, E = f32, D = Cpu> = Stacked<Lstm<I, H, E, D>, Lstm<H, H, E, D>>;
/// Two GRU layers of one width.
pub type StackedGru<const I: usize, const H: usize, E = f32, D = Cpu> = Stacked<Gru<I, H, E, D>, Gru<H, H, E, D>>;

impl<First: TensorCollection<E, D>, Second: TensorCollection<E, D>, E: Dtype, D: Device<E>> TensorCollection<E, D>
    for Stacked<First, Second>
{
    type To<E2: Dtype, D2: Device<E2>> = Stacked<First::To<E2, D2>, Second::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (Self::module("l0", |s| &s.l0, |s| &mut s.l0), Self::module("l1", |s| &s.l1, |s| &mut s.l1)),
            |(l0, l1)| Stacked { l0, l1 },
        )
    }
}

impl<First, Second, E: Real, D: LabDevice<E>> Recurrent<E, D> for Stacked<First, Second>
where
    First: Recurrent<E, D>,
    Second: Recurrent<E, D, Input = First::Output>,
{
    type Input = First::Input;
    type Output = Second::Output;
    type State<B: Dim> = (First::State<B>, Second::State<B>);

    fn forward_with<B: Dim, N: Dim, T: Tape<E, D>>(
        &self,
        x: Tensor<(B, N, First::Input), E, D, T>,
        state: Option<Self::State<B>>,
    ) -> Result<(Tensor<(B, N, Second::Output), E, D, T>, Self::State<B>), D::Err> {
        let (first, second) = state.unzip();
        let (y, first) = self.l0.forward_with(x, first)?;
        let (y, second) = self.l1.forward_with(y, second)?;
        Ok((y, (first, second)))
    }
}

impl<S: Shape, First, Second, E: Real, D: LabDevice<E>> Layer<S, E, D> for Stacked<First, Second>
where
    First: Layer<S, E, D>,
    Second: Layer<First::Output, E, D>,
{
    type Output = Second::Output;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
        let shape = self.l0.apply(chain, shape)?;
        self.l1.apply(chain, shape)
    }
}

module!([First, Second,] Stacked<First, Second>);
