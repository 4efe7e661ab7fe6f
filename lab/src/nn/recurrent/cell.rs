use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions},
    shapes::{Const, Dim, Dtype, HasShape},
    tensor::{Cpu, PutTape, SplitTape, Storage, Tape, Tensor},
    tensor_ops::{BroadcastTo, Device, PermuteTo, ReshapeTo, TryAdd, TryMatMul, TryMul},
};

use super::layers::remember;
use crate::{nn::Real, ops::LabDevice, shape::Times};

/// One step of an LSTM with dfdx's own operations, to be read beside the formulas: each line of [`LstmCell::step`] is one of
/// them (PyTorch's [`LSTMCell`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html)).
///
/// [`Lstm`](super::Lstm) computes the same for whole sequences in one operation, many times faster.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, LstmCell}, rng::Init};
/// let cell: LstmCell<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let dev = Cpu::default();
/// let (mut h, mut c) = (dev.zeros::<Rank2<5, 8>>(), dev.zeros::<Rank2<5, 8>>());
/// for _ in 0..4 {
///     let x: Tensor<Rank2<5, 3>, f32, Cpu> = dev.ones();
///     (h, c) = cell.step(x, h, c).unwrap();
/// }
/// assert!(h.array()[0].iter().all(|h| h.abs() < 1.0));
/// ```
#[derive(Debug, Clone)]
pub struct LstmCell<const I: usize, const H: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// From the input, `(4 H, I)`, gates in the order i, f, g, o.
    pub weight_ih: Tensor<(Times<Const<H>, 4>, Const<I>), E, D>,
    /// From the step before, `(4 H, H)`.
    pub weight_hh: Tensor<(Times<Const<H>, 4>, Const<H>), E, D>,
    /// Beside `weight_ih`, `(4 H,)`.
    pub bias_ih: Tensor<(Times<Const<H>, 4>,), E, D>,
    /// Beside `weight_hh`, `(4 H,)`.
    pub bias_hh: Tensor<(Times<Const<H>, 4>,), E, D>,
}

impl<const I: usize, const H: usize, E: Real, D: Device<E>> TensorCollection<E, D> for LstmCell<I, H, E, D> {
    type To<E2: Dtype, D2: Device<E2>> = LstmCell<I, H, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let zeros = TensorOptions::reset_to_zeros;
        visitor.visit_fields(
            (
                Self::tensor("weight_ih", |s| &s.weight_ih, |s| &mut s.weight_ih, TensorOptions::reset_to_zeros()),
                Self::tensor("weight_hh", |s| &s.weight_hh, |s| &mut s.weight_hh, TensorOptions::reset_to_zeros()),
                Self::tensor("bias_ih", |s| &s.bias_ih, |s| &mut s.bias_ih, TensorOptions::reset_with(remember)),
                Self::tensor("bias_hh", |s| &s.bias_hh, |s| &mut s.bias_hh, zeros()),
            ),
            |(weight_ih, weight_hh, bias_ih, bias_hh)| LstmCell { weight_ih, weight_hh, bias_ih, bias_hh },
        )
    }
}

impl<const I: usize, const H: usize, E: Real, D: LabDevice<E>> LstmCell<I, H, E, D> {
    /// (h', c') from x, `(B, I)`, h and c. The tape goes from x to h'; gradients reach h and c, which are not on a tape of
    /// their own, all the same.
    ///
    /// # Errors
    /// The device's error.
    #[allow(clippy::type_complexity)]
    pub fn step<B: Dim, T: Tape<E, D>>(
        &self,
        x: Tensor<(B, Const<I>), E, D, T>,
        h: Tensor<(B, Const<H>), E, D>,
        c: Tensor<(B, Const<H>), E, D>,
    ) -> Result<(Tensor<(B, Const<H>), E, D, T>, Tensor<(B, Const<H>), E, D>), D::Err> {
        // z = W_ih x + b_ih + W_hh h + b_hh, all four gates side by side.
        let from_x = x.try_matmul(self.weight_ih.clone().try_permute()?)?;
        let rows = *from_x.shape();
        let from_x = from_x.try_add(self.bias_ih.clone().try_broadcast_like(&rows)?)?;
        let from_h = h.put_tape(T::default()).try_matmul(self.weight_hh.clone().try_permute()?)?;
        let from_h = from_h.try_add(self.bias_hh.clone().try_broadcast_like(&rows)?)?;
        let (z, tape) = from_x.try_add(from_h)?.split_tape();
        // Gate k is H columns of z.
        let gate = |k: usize, tape: T| -> Result<Tensor<(B, Const<H>), E, D, T>, D::Err> {
            let z = z.clone().put_tape(tape).try_reshape_like(&(rows.0.size(), 4 * H))?;
            z.try_slice((.., k * H..(k + 1) * H))?.try_reshape_like(&(rows.0, Const))
        };
        let i = gate(0, tape)?.try_sigmoid()?;
        let f = gate(1, T::default())?.try_sigmoid()?;
        let g = gate(2, T::default())?.try_tanh()?;
        let o = gate(3, T::default())?.try_sigmoid()?;
        let (c, tape) = f.try_mul(c)?.try_add(i.try_mul(g)?)?.split_tape();
        let h = o.try_mul(c.clone().put_tape(tape).try_tanh()?)?;
        Ok((h, c))
    }
}
