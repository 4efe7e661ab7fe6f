use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Const, Dim, Dtype},
    tensor::{Tape, Tensor},
    tensor_ops::Device,
};

use super::{Recurrent, layers::Single, sequence::Plan};
use crate::{
    nn::{Layer, Real, module},
    ops::{Chain, LabDevice},
};

/// Two layers over the same sequences, one from the first step to the last, one from the last to the first, their outputs
/// side by side: `(batch, steps, I)` to `(batch, steps, O)` with O = 2 H (PyTorch's `bidirectional=True`, whose
/// `weight_ih_l0_reverse` is here `reverse.weight_ih_l0`).
///
/// O is written out, so that reader and compiler see the width of what follows; another number does not compile. Several
/// layers: [`Stacked`](super::Stacked) or [`Sequential`](crate::nn::Sequential), the second with inputs of 2 H values.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Bidirectional, Gru, Recurrent}, rng::Init};
/// let layer: Bidirectional<Gru<3, 8>, 16> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let x = lab::windows::<10, 3>(vec![0.5; 60]).unwrap();
/// let (y, (forward, reverse)) = layer.forward_with(x, None).unwrap();
/// assert_eq!(*y.shape(), (2, Const::<10>, Const::<16>));
/// let (y, forward, reverse) = (y.as_vec(), forward.as_vec(), reverse.as_vec());
/// assert_eq!(y[9 * 16..9 * 16 + 8], forward[..8]); // ends at the last step
/// assert_eq!(y[8..16], reverse[..8]); // ends at the first
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Bidirectional, Gru}, rng::Init};
/// let layer: Bidirectional<Gru<3, 8>, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// layer.forward(lab::windows::<10, 3>(vec![0.5; 60]).unwrap()); // O is 16, not 8
/// ```
#[derive(Debug, Clone)]
pub struct Bidirectional<L, const O: usize> {
    /// From the first step to the last.
    pub forward: L,
    /// From the last step to the first.
    pub reverse: L,
}

impl<L: TensorCollection<E, D>, const O: usize, E: Dtype, D: Device<E>> TensorCollection<E, D> for Bidirectional<L, O> {
    type To<E2: Dtype, D2: Device<E2>> = Bidirectional<L::To<E2, D2>, O>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                Self::module("forward", |s| &s.forward, |s| &mut s.forward),
                Self::module("reverse", |s| &s.reverse, |s| &mut s.reverse),
            ),
            |(forward, reverse)| Bidirectional { forward, reverse },
        )
    }
}

impl<L, const O: usize> Bidirectional<L, O> {
    fn plan<E: Real, D: LabDevice<E>>(&self) -> Result<Plan<E, D>, D::Err>
    where
        L: Single<E, D>,
    {
        const { assert!(O == 2 * L::SIZES.hidden, "Bidirectional<L, O>: O is not twice the width of L's output") };
        Ok(Plan { sizes: L::SIZES, directions: vec![self.forward.parameters()?, self.reverse.parameters()?] })
    }
}

impl<L: Single<E, D>, const O: usize, E: Real, D: LabDevice<E>> Recurrent<E, D> for Bidirectional<L, O> {
    type Input = L::Input;
    type Output = Const<O>;
    type State<B: Dim> = (L::State<B>, L::State<B>);

    fn forward_with<B: Dim, N: Dim, T: Tape<E, D>>(
        &self,
        x: Tensor<(B, N, L::Input), E, D, T>,
        state: Option<Self::State<B>>,
    ) -> Result<(Tensor<(B, N, Const<O>), E, D, T>, Self::State<B>), D::Err> {
        self.plan()?.with_state(x, state)
    }
}

impl<B: Dim, N: Dim, L: Single<E, D>, const O: usize, E: Real, D: LabDevice<E>> Layer<(B, N, L::Input), E, D>
    for Bidirectional<L, O>
{
    type Output = (B, N, Const<O>);

    fn apply(&self, chain: &mut Chain<E, D>, (rows, steps, _): (B, N, L::Input)) -> Result<Self::Output, D::Err> {
        self.plan()?.apply(chain, rows.size(), steps.size())?;
        Ok((rows, steps, Const))
    }
}

module!([L, const O: usize,] Bidirectional<L, O>);
