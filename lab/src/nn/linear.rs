use std::rc::Rc;

use dfdx::{
    shapes::{Const, Dim, Dtype, HasShape, Rank1, Rank2, Shape},
    tensor::{Cpu, Gradients, Storage, Tensor},
    tensor_ops::ReshapeTo,
};
use lathe_kernels::{brgemm::Finish, linear::Sizes};

use super::{Layer, Real, collection, module};
use crate::{
    loss::scalar,
    ops::{self, Activation, Back, Buf, Chain, LabDevice, Layout},
};

/// Fully connected layer, y = x Wᵀ + b: `(..., I)` to `(..., O)` (PyTorch's `Linear`, with its names and layouts).
///
/// An activation that follows it in a [`Sequential`](super::Sequential) is computed in the same pass.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Linear}, rng::Init};
/// let layer: Linear<3, 2> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// let y = layer.forward(lab::rows::<3>(vec![1.0; 12]).unwrap());
/// assert_eq!(*y.shape(), (4, Const::<2>));
/// ```
#[derive(Debug, Clone)]
pub struct Linear<const I: usize, const O: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// W, `(O, I)`.
    pub weight: Tensor<Rank2<O, I>, E, D>,
    /// b, `(O,)`.
    pub bias: Tensor<Rank1<O>, E, D>,
}
collection! { Linear<I, O> { ; weight, bias } }

/// [`Linear`] without a bias (PyTorch's `bias=False`): what comes before a batch norm, which has its own.
#[derive(Debug, Clone)]
pub struct UnbiasedLinear<const I: usize, const O: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// W, `(O, I)`.
    pub weight: Tensor<Rank2<O, I>, E, D>,
}
collection! { UnbiasedLinear<I, O> { ; weight } }

/// A parameter whose sizes are forgotten: the same values and the same gradient.
pub(crate) type Flat<E, D> = Tensor<(usize,), E, D>;

pub(crate) fn flat<S: Shape, E: Real, D: LabDevice<E>>(parameter: &Tensor<S, E, D>) -> Result<Flat<E, D>, D::Err> {
    let n = parameter.shape().num_elements();
    parameter.clone().try_reshape_like(&(n,))
}

/// The block behind both layers, for `rows` rows of `inputs` values.
pub(super) fn linear<E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    (rows, inputs, outputs): (usize, usize, usize),
    weight: Flat<E, D>,
    bias: Option<Flat<E, D>>,
) -> Result<(), D::Err> {
    let step = chain.begin();
    let (pixels, channels) = match step.layout {
        Layout::Rows => (1, inputs),
        Layout::Pixels { pixels, channels, .. } => (pixels, channels),
    };
    let sizes = Sizes { rows, pixels, channels, outputs };
    let mut values = ops::read(&weight)?;
    if pixels > 1 {
        let mut ordered = Buf::any(values.len());
        E::linear_ordered(sizes, &values, &mut ordered);
        values = ordered;
    }
    let shift = bias.as_ref().map(ops::read).transpose()?;
    let useful = step.any();
    chain.defer(Layout::Rows, useful, move |activation| {
        let mut y = Buf::any(rows * outputs);
        let (slope, rest) = match activation {
            Activation::Identity => (1.0, None),
            Activation::Leaky(slope) => (slope, None),
            other => (1.0, Some(other)),
        };
        let finish = Finish { add: false, bias: shift.as_deref(), slope: scalar(slope) };
        E::linear_forward(sizes, &step.x, &values, &mut y, finish);
        if let Some(activation) = rest {
            E::dense_forward(&mut y, &[], activation);
        }
        let y = Rc::new(y);
        let out = Rc::clone(&y);
        let back = move |grads: &mut Gradients<E, D>, mut dz: Buf<E>| {
            let mut sums = Buf::zeros(if step.weights && bias.is_some() { outputs } else { 0 });
            E::dense_backward(&mut dz, &y, &mut sums, activation);
            if step.weights {
                if let Some(bias) = &bias {
                    ops::add_gradient(grads, bias, &sums)?;
                }
                D::edit_gradient(grads, &weight, |dw| {
                    if pixels == 1 {
                        return E::linear_weight_gradient(sizes, &dz, &step.x, dw);
                    }
                    let mut ordered = Buf::zeros(dw.len());
                    E::linear_weight_gradient(sizes, &dz, &step.x, &mut ordered);
                    E::linear_add_ordered(sizes, &ordered, dw);
                })?;
            }
            let mut dx = Buf::any(if step.input { step.x.len() } else { 0 });
            if step.input {
                E::linear_input_gradient(sizes, &dz, &values, &mut dx);
            }
            Ok(dx)
        };
        (out, useful.then(|| Box::new(back) as Back<E, D>))
    });
    Ok(())
}

macro_rules! layers {
    ($name:ident, $bias:expr) => {
        impl<B: Dim, const I: usize, const O: usize, E: Real, D: LabDevice<E>> Layer<(B, Const<I>), E, D>
            for $name<I, O, E, D>
        {
            type Output = (B, Const<O>);

            fn apply(&self, chain: &mut Chain<E, D>, (rows, _): (B, Const<I>)) -> Result<Self::Output, D::Err> {
                let bias: fn(&Self) -> Result<Option<Flat<E, D>>, D::Err> = $bias;
                linear(chain, (rows.size(), I, O), flat(&self.weight)?, bias(self)?)?;
                Ok((rows, Const))
            }
        }

        impl<B: Dim, N: Dim, const I: usize, const O: usize, E: Real, D: LabDevice<E>> Layer<(B, N, Const<I>), E, D>
            for $name<I, O, E, D>
        {
            type Output = (B, N, Const<O>);

            fn apply(&self, chain: &mut Chain<E, D>, (rows, steps, _): (B, N, Const<I>)) -> Result<Self::Output, D::Err> {
                let bias: fn(&Self) -> Result<Option<Flat<E, D>>, D::Err> = $bias;
                // Images have a layout of their own; sequences are rows.
                drop(chain.begin_rows());
                linear(chain, (rows.size() * steps.size(), I, O), flat(&self.weight)?, bias(self)?)?;
                Ok((rows, steps, Const))
            }
        }

        module!([const I: usize, const O: usize,] $name<I, O, E, D>);
    };
}
layers!(Linear, |layer| Ok(Some(flat(&layer.bias)?)));
layers!(UnbiasedLinear, |_| Ok(None));
