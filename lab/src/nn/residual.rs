use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Dtype, Shape},
    tensor_ops::Device,
};

use super::{Layer, Real, module};
use crate::ops::{Chain, LabDevice};

/// y = x + layer(x) (He et al. 2015): the layer gives back the shape that it takes.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Linear, Relu, Residual, Sequential}, rng::Init};
/// type Net = Sequential<(Linear<4, 8>, Residual<Sequential<(Relu, Linear<8, 8>)>>)>;
/// let net: Net = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// assert_eq!(net.forward(lab::rows::<4>(vec![1.0; 8]).unwrap()).shape().0, 2);
/// ```
///
/// A layer that changes the shape does not compile:
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Linear, Residual}, rng::Init};
/// let net: Residual<Linear<4, 8>> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// net.forward(lab::rows::<4>(vec![1.0; 8]).unwrap()); // x has 4 columns, layer(x) 8
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Residual<L>(pub L);

/// chain = chain + layer(chain), as in training; a shared reference to a layer runs as in evaluation.
pub(super) fn residual<S: Shape, E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    shape: S,
    layer: &mut impl Layer<S, E, D, Output = S>,
) -> Result<S, D::Err> {
    let mut branch = chain.branch();
    let shape = layer.apply_mut(&mut branch, shape)?;
    chain.join(branch);
    Ok(shape)
}

impl<L: Layer<S, E, D, Output = S>, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Residual<L> {
    type Output = S;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        residual(chain, shape, &mut &self.0)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        residual(chain, shape, &mut self.0)
    }
}

impl<L: TensorCollection<E, D>, E: Dtype, D: Device<E>> TensorCollection<E, D> for Residual<L> {
    type To<E2: Dtype, D2: Device<E2>> = Residual<L::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(Self::module("0", |s| &s.0, |s| &mut s.0), Residual)
    }
}

module!([L,] Residual<L>);
