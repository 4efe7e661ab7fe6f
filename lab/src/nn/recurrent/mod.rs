//! Recurrent layers: [`Rnn`], [`ReluRnn`], [`Lstm`], [`Gru`], [`Stacked`] and [`Bidirectional`] ones, and what they share.

mod bidirectional;
mod cell;
mod last;
mod layers;
mod sequence;
mod stacked;
mod stream;
#[cfg(test)]
mod tests;

use dfdx::{
    shapes::{Const, Dim, Dtype},
    tensor::{Storage, Tape, Tensor},
    tensor_ops::ReshapeTo,
};

pub use bidirectional::Bidirectional;
pub use cell::LstmCell;
pub use last::LastStep;
pub use layers::{Gru, Lstm, ReluRnn, Rnn};
pub use stacked::{Stacked, StackedGru, StackedLstm};
pub use stream::{Causal, Stream};

use super::{
    Real,
    linear::{Flat, flat},
};
use crate::ops::LabDevice;

/// A recurrent layer whose state can be given and taken: to go on where a sequence was cut, or to hand an encoder's
/// knowledge to a decoder.
pub trait Recurrent<E: Real, D: LabDevice<E>> {
    /// Values per step of the input.
    type Input: Dim;
    /// Values per step of the output.
    type Output: Dim;
    /// What is carried from step to step, for `B` sequences: h, `(B, H)`; for an LSTM `(h, c)`; a pair of states for stacked
    /// (first and second layer) and bidirectional (forward and reverse) ones.
    type State<B: Dim>: State<B, E, D>;

    /// The outputs of every step and the state behind the last one (PyTorch's `output, state = layer(x, state)`); without a state
    /// from zeros.
    ///
    /// Only the output carries the tape, but gradients reach every tensor that is part of it: use the last state together
    /// with the output, or move the tape on (`split_tape`, `put_tape`), and what is computed from the state counts as well. A
    /// first state that is to receive a gradient must be contiguous and not on a tape of its own.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, Lstm, Recurrent}, rng::Init};
    /// let layer: Lstm<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
    /// let x = lab::windows::<10, 3>((0..60).map(|i| (i as f32).sin()).collect()).unwrap();
    /// let (whole, (h, _)) = layer.forward_with(x.clone(), None).unwrap();
    /// // The same in two pieces.
    /// let (x, whole) = (x.as_vec(), whole.as_vec());
    /// let piece = |from: usize, n: usize| -> Vec<f32> { x.chunks(30).flat_map(|x| x[from * 3..(from + n) * 3].to_vec()).collect() };
    /// let (_, state) = layer.forward_with(lab::windows::<4, 3>(piece(0, 4)).unwrap(), None).unwrap();
    /// let (end, (again, _)) = layer.forward_with(lab::windows::<6, 3>(piece(4, 6)).unwrap(), Some(state)).unwrap();
    /// assert_eq!(end.as_vec()[..48], whole[32..80]);
    /// assert_eq!(again.as_vec(), h.as_vec());
    /// ```
    ///
    /// # Errors
    /// The device's error.
    #[allow(clippy::type_complexity)]
    fn forward_with<B: Dim, N: Dim, T: Tape<E, D>>(
        &self,
        x: Tensor<(B, N, Self::Input), E, D, T>,
        state: Option<Self::State<B>>,
    ) -> Result<(Tensor<(B, N, Self::Output), E, D, T>, Self::State<B>), D::Err>;
}

/// A tensor or tensors that a recurrent layer carries from step to step.
pub trait State<B: Dim, E: Dtype, D: Storage<E>>: Sized {
    /// Appends the tensors, h before c.
    ///
    /// # Errors
    /// The device's error.
    fn give(&self, out: &mut Vec<Flat<E, D>>) -> Result<(), D::Err>;

    /// Makes the same of the tensors that `next` gives.
    ///
    /// # Errors
    /// What `next` returns.
    fn take(rows: B, next: &mut dyn FnMut() -> Result<Flat<E, D>, D::Err>) -> Result<Self, D::Err>;
}

impl<B: Dim, const H: usize, E: Real, D: LabDevice<E>> State<B, E, D> for Tensor<(B, Const<H>), E, D> {
    fn give(&self, out: &mut Vec<Flat<E, D>>) -> Result<(), D::Err> {
        out.push(flat(&self.clone().try_contiguous()?)?);
        Ok(())
    }

    fn take(rows: B, next: &mut dyn FnMut() -> Result<Flat<E, D>, D::Err>) -> Result<Self, D::Err> {
        next()?.try_reshape_like(&(rows, Const))
    }
}

impl<B: Dim, E: Real, D: LabDevice<E>, X: State<B, E, D>, Y: State<B, E, D>> State<B, E, D> for (X, Y) {
    fn give(&self, out: &mut Vec<Flat<E, D>>) -> Result<(), D::Err> {
        self.0.give(out)?;
        self.1.give(out)
    }

    fn take(rows: B, next: &mut dyn FnMut() -> Result<Flat<E, D>, D::Err>) -> Result<Self, D::Err> {
        Ok((X::take(rows, next)?, Y::take(rows, next)?))
    }
}
