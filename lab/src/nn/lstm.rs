use std::rc::Rc;

use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions},
    shapes::{Const, Dim, Dtype, Rank2, Rank3},
    tensor::{Gradients, Storage, Tensor},
    tensor_ops::Device,
};
use lathe_kernels::lstm::{Sizes, Weights};

use super::{Layer, Real, linear::flat, module};
use crate::{
    loss::scalar,
    ops::{self, Back, Buf, Chain, LabDevice, Layout},
};

/// A long short-term memory layer over whole sequences: `(batch, steps, I)` in, the *last* hidden state `(batch, H)` out.
///
/// Equations and gate order: [`lathe_kernels::lstm`]. Each gate, the candidate g included, has its own weights. The weights
/// hold PyTorch's `weight_ih_l0` and `weight_hh_l0` with their first dimension split in (gate, unit); `bias` is the sum of
/// its two biases.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Lstm}, rng::Init};
/// let layer: Lstm<3, 8, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let last: Tensor<(usize, Const<8>), f32, Cpu> = layer.forward(lab::windows::<10, 3>(vec![0.5; 60]).unwrap());
/// assert_eq!(last.shape().0, 2);
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Lstm}, rng::Init};
/// let layer: Lstm<3, 8, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// layer.forward(lab::windows::<10, 4>(vec![0.5; 80]).unwrap()); // 3 features a step, not 4
/// ```
#[derive(Debug, Clone)]
pub struct Lstm<const I: usize, const H: usize, E: Dtype, D: Storage<E>> {
    /// `(gate, H, I)`, gates in the order i, f, g, o.
    pub weight_input: Tensor<Rank3<4, H, I>, E, D>,
    /// `(gate, H, H)`.
    pub weight_hidden: Tensor<Rank3<4, H, H>, E, D>,
    /// One bias for each gate and unit: 1 for the forget gate at the start ("remember at first"), 0 for the others.
    pub bias: Tensor<Rank2<4, H>, E, D>,
}

impl<const I: usize, const H: usize, E: Real, D: Device<E>> TensorCollection<E, D> for Lstm<I, H, E, D> {
    type To<E2: Dtype, D2: Device<E2>> = Lstm<I, H, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                Self::tensor(
                    "weight_input",
                    |s| &s.weight_input,
                    |s| &mut s.weight_input,
                    TensorOptions::reset_to_zeros(),
                ),
                Self::tensor(
                    "weight_hidden",
                    |s| &s.weight_hidden,
                    |s| &mut s.weight_hidden,
                    TensorOptions::reset_to_zeros(),
                ),
                Self::tensor(
                    "bias",
                    |s| &s.bias,
                    |s| &mut s.bias,
                    TensorOptions::reset_with(|bias| {
                        // Gates lie in the order i, f, g, o.
                        let values: Vec<E> =
                            (0..4 * H).map(|i| if i / H == 1 { scalar(1.0) } else { E::default() }).collect();
                        bias.copy_from(&values);
                        Ok(())
                    }),
                ),
            ),
            |(weight_input, weight_hidden, bias)| Lstm { weight_input, weight_hidden, bias },
        )
    }
}

impl<B: Dim, W: Dim, const I: usize, const H: usize, E: Real, D: LabDevice<E>> Layer<(B, W, Const<I>), E, D>
    for Lstm<I, H, E, D>
{
    type Output = (B, Const<H>);

    fn apply(&self, chain: &mut Chain<E, D>, (rows, steps, _): (B, W, Const<I>)) -> Result<Self::Output, D::Err> {
        let step = chain.begin_rows();
        let sizes = Sizes { rows: rows.size(), steps: steps.size(), input: I, hidden: H };
        let parameters = [flat(&self.weight_input)?, flat(&self.weight_hidden)?, flat(&self.bias)?];
        let [input, hidden, bias] = &parameters;
        let weights = [ops::read(input)?, ops::read(hidden)?, ops::read(bias)?];
        let trace = E::lstm_forward(sizes, &step.x, view(&weights));
        let mut last = Buf::zeros(sizes.rows * H);
        let length = sizes.steps * H;
        if length > 0 {
            for (last, states) in last.chunks_mut(H).zip(trace.hidden.chunks(length)) {
                last.copy_from_slice(&states[length - H..]);
            }
        }
        let (any, wanted) = (step.any(), step.clone());
        let back = move |grads: &mut Gradients<E, D>, d_last: Buf<E>| {
            let mut d_hidden = Buf::zeros(trace.hidden.len());
            if length > 0 {
                for (d, last) in d_hidden.chunks_mut(length).zip(d_last.chunks(H)) {
                    d[length - H..].copy_from_slice(last);
                }
            }
            let found = E::lstm_backward(sizes, &wanted.x, view(&weights), &trace, &d_hidden, wanted.input);
            if wanted.weights {
                let [input, hidden, bias] = &parameters;
                ops::add_gradient(grads, input, &found.weight_input)?;
                ops::add_gradient(grads, hidden, &found.weight_hidden)?;
                ops::add_gradient(grads, bias, &found.bias)?;
            }
            Ok(found.input.into())
        };
        chain.end(Rc::new(last), Layout::Rows, any.then(|| Box::new(back) as Back<E, D>));
        Ok((rows, Const))
    }
}

fn view<E: Real>([input, hidden, bias]: &[Buf<E>; 3]) -> Weights<'_, E> {
    Weights { input, hidden, bias }
}

module!([const I: usize, const H: usize,] Lstm<I, H, E, D>);
