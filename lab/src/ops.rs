//! Differentiable operations of our own on dfdx's tape: the forward pass of a whole block is one entry of the tape, and its
//! backward pass is one closure over what the forward pass saved. dfdx's own elementwise code takes one pass (and one entry)
//! for each `+`; here a layer's bias and activation are one, and so is a loss.
//!
//! The sizes in the types end at this door: behind it everything has run-time sizes, so that the arithmetic is compiled once,
//! optimised, in this crate, and not again in each notebook cell that names a new size.

mod cpu;

use dfdx::{
    nn::modules::Linear,
    shapes::{Const, Dtype, Rank1, Rank2, Rank3},
    tensor::{Merge, Tape, Tensor},
    tensor_ops::Device,
};

pub use lathe_kernels::dense::Activation;

use crate::loss::{Batch, Loss};

/// Which gradients the backward pass of a block computes: the ones that nobody reads cost as much as the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Of the input and of the weights.
    All,
    /// Of the weights only: for a first layer, whose input is data.
    Weights,
    /// Of the input only: for a frozen layer.
    Input,
}

/// A device that runs our blocks and losses. The losses' formulas: [`crate::loss`].
pub trait LabDevice<E: Dtype>: Device<E> {
    /// activation(x Wᵀ + b).
    ///
    /// # Errors
    /// The device's error.
    fn dense<const I: usize, const O: usize, T: Tape<E, Self>>(
        x: Batch<I, E, Self, T>,
        layer: &Linear<I, O, E, Self>,
        activation: Activation,
        want: Want,
    ) -> Result<Batch<O, E, Self, T>, Self::Err>;

    /// The last hidden state of an LSTM over `x`: see [`nn::Lstm`](crate::nn::Lstm), which holds the weights.
    ///
    /// # Errors
    /// The device's error.
    fn lstm_last<const W: usize, const I: usize, const H: usize, T: Tape<E, Self>>(
        x: Tensor<(usize, Const<W>, Const<I>), E, Self, T>,
        weight_input: &Tensor<Rank3<4, H, I>, E, Self>,
        weight_hidden: &Tensor<Rank3<4, H, H>, E, Self>,
        bias: &Tensor<Rank2<4, H>, E, Self>,
    ) -> Result<Batch<H, E, Self, T>, Self::Err>;

    /// mean + exp(log_var / 2) noise: a draw from N(mean, exp(log_var)) that gradients pass through.
    ///
    /// # Errors
    /// The device's error.
    fn reparameterise<const N: usize, T: Tape<E, Self> + Merge<T>>(
        mean: Batch<N, E, Self, T>,
        log_var: Batch<N, E, Self, T>,
        noise: Batch<N, E, Self>,
    ) -> Result<Batch<N, E, Self, T>, Self::Err>;

    /// See [`loss::gaussian_kl`](crate::loss::gaussian_kl).
    ///
    /// # Errors
    /// The device's error.
    fn gaussian_kl<const N: usize, T: Tape<E, Self> + Merge<T>>(
        mean: Batch<N, E, Self, T>,
        log_var: Batch<N, E, Self, T>,
    ) -> Result<Loss<E, Self, T>, Self::Err>;

    /// See [`loss::bce_with_logits`](crate::loss::bce_with_logits).
    ///
    /// # Errors
    /// The device's error.
    fn bce_with_logits<const N: usize, T: Tape<E, Self>>(
        logits: Batch<N, E, Self, T>,
        targets: Batch<N, E, Self>,
    ) -> Result<Loss<E, Self, T>, Self::Err>;

    /// See [`loss::squared_error`](crate::loss::squared_error).
    ///
    /// # Errors
    /// The device's error.
    fn squared_error<const N: usize, T: Tape<E, Self>>(
        prediction: Batch<N, E, Self, T>,
        target: Batch<N, E, Self>,
    ) -> Result<Loss<E, Self, T>, Self::Err>;

    /// See [`loss::gaussian_nll`](crate::loss::gaussian_nll).
    ///
    /// # Errors
    /// The device's error.
    fn gaussian_nll<const N: usize, T: Tape<E, Self> + Merge<T>>(
        prediction: Batch<N, E, Self, T>,
        target: Batch<N, E, Self>,
        log_var: Tensor<Rank1<N>, E, Self, T>,
    ) -> Result<Loss<E, Self, T>, Self::Err>;
}
