use std::rc::Rc;

use dfdx::{
    shapes::{Const, Dim, Dtype, Rank1},
    tensor::{Cpu, Gradients, Storage, Tensor},
};

use super::{
    Layer, Real, collection,
    linear::{Flat, flat},
    module,
    state::ones,
};
use crate::ops::{self, Back, Buf, Chain, LabDevice, Layout};

/// Added to a variance.
const EPSILON: f64 = 1e-5;

/// Layer normalisation (Ba, Kiros and Hinton 2016) of the last dimension, y = (x − mean) / sqrt(variance + ε) weight + bias:
/// `(..., F)` to the same (PyTorch's `LayerNorm(F)`, ε = 1e-5). Training and evaluation are the same.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, LayerNorm}, rng::Init};
/// let layer: LayerNorm<2> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// let y = layer.forward(lab::rows::<2>(vec![1.0, 3.0, -5.0, 5.0]).unwrap()).as_vec();
/// assert!(y.iter().zip([-1.0, 1.0, -1.0, 1.0]).all(|(y, want)| (y - want).abs() < 1e-4));
/// ```
#[derive(Debug, Clone)]
pub struct LayerNorm<const F: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// Scale, 1 at the start.
    pub weight: Tensor<Rank1<F>, E, D>,
    /// Shift, 0 at the start.
    pub bias: Tensor<Rank1<F>, E, D>,
}
collection!(LayerNorm<F> { ; weight = ones(), bias });

/// The block behind all shapes, for rows.
fn normalise<E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    weight: Flat<E, D>,
    bias: Flat<E, D>,
) -> Result<(), D::Err> {
    let step = chain.begin_rows();
    let (scale, shift) = (ops::read(&weight)?, ops::read(&bias)?);
    let mut y = Buf::any(step.x.len());
    let mut kept = Buf::any(2 * y.len().checked_div(scale.len()).unwrap_or(0));
    E::layer_forward(&step.x, &scale, &shift, EPSILON, &mut y, &mut kept);
    let any = step.any();
    let back = move |grads: &mut Gradients<E, D>, mut dy: Buf<E>| {
        let (mut d_weight, mut d_bias) = (Buf::zeros(scale.len()), Buf::zeros(scale.len()));
        E::layer_backward(&mut dy, &step.x, &scale, &kept, &mut d_weight, &mut d_bias);
        if step.weights {
            ops::add_gradient(grads, &weight, &d_weight)?;
            ops::add_gradient(grads, &bias, &d_bias)?;
        }
        Ok(dy)
    };
    chain.end(Rc::new(y), Layout::Rows, any.then(|| Box::new(back) as Back<E, D>));
    Ok(())
}

impl<B: Dim, const F: usize, E: Real, D: LabDevice<E>> Layer<(B, Const<F>), E, D> for LayerNorm<F, E, D> {
    type Output = (B, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        normalise(chain, flat(&self.weight)?, flat(&self.bias)?)?;
        Ok(shape)
    }
}

impl<B: Dim, T: Dim, const F: usize, E: Real, D: LabDevice<E>> Layer<(B, T, Const<F>), E, D> for LayerNorm<F, E, D> {
    type Output = (B, T, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        normalise(chain, flat(&self.weight)?, flat(&self.bias)?)?;
        Ok(shape)
    }
}

module!([const F: usize,] LayerNorm<F, E, D>);
