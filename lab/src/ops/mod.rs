//! Operations of our own on dfdx's tape.
//!
//! dfdx keeps one entry of the tape, and one copy of the values, for every elementary operation. Here a whole block is one
//! entry: [`run`] reads the input, hands a [`Chain`] through any number of layers, which pass their buffers on without a copy,
//! and puts one backward operation on the tape. [`record`] does the same for operations with several inputs, such as losses.
//!
//! The sizes in the types end at this door: behind it everything has run-time sizes, so that the arithmetic is compiled once,
//! optimised, in `lathe-kernels`, and not again in each notebook cell that names a new size.

mod chain;
pub(crate) mod context;
mod device;

use dfdx::{
    shapes::{HasShape, Shape},
    tensor::{Gradients, PutTape, SplitTape, Tape, Tensor},
    tensor_ops::ReshapeTo,
};
pub use lathe_kernels::{dense::Activation, pool::Buf};

pub use chain::{Back, Chain, Layout, Step};
pub use device::LabDevice;

use crate::nn::Real;

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

/// The values of a tensor in row-major order, whatever its strides.
///
/// # Errors
/// The device's error.
pub fn read<S: Shape, E: Real, D: LabDevice<E>>(tensor: &Tensor<S, E, D>) -> Result<Buf<E>, D::Err> {
    let tensor = tensor.clone().try_contiguous()?;
    let mut values = Buf::any(tensor.shape().num_elements());
    tensor.copy_into(&mut values);
    Ok(values)
}

/// Adds `x` to the gradient of a contiguous tensor.
///
/// # Errors
/// The device's error.
pub fn add_gradient<S: Shape, E: Real, D: LabDevice<E>>(
    grads: &mut Gradients<E, D>,
    of: &Tensor<S, E, D>,
    x: &[E],
) -> Result<(), D::Err> {
    D::edit_gradient(grads, of, |sum| <E as lathe_kernels::Kernels>::add(sum, x))
}

/// Puts `values` on the tape as the result of one operation; `back` gets the gradient of the result.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::ops::{add_gradient, read, record};
/// // y = x³ as one operation.
/// let x: Tensor<Rank1<2>, f64, Cpu> = Cpu::default().tensor([2.0, -1.0]);
/// let (input, tape) = x.leaky_trace().split_tape();
/// let old = read(&input).unwrap();
/// let cubes = old.iter().map(|x| x * x * x).collect();
/// let y = record(tape, cubes, *input.shape(), &Cpu::default(), move |grads, dy| {
///     let dx: Vec<f64> = dy.iter().zip(&*old).map(|(d, x)| d * 3.0 * x * x).collect();
///     add_gradient(grads, &input, &dx)
/// })
/// .unwrap();
/// assert_eq!(y.sum().backward().get(&x).array(), [12.0, 3.0]);
/// ```
///
/// # Errors
/// The device's error.
pub fn record<O: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    mut tape: T,
    values: Vec<E>,
    shape: O,
    device: &D,
    back: impl FnOnce(&mut Gradients<E, D>, Buf<E>) -> Result<(), D::Err> + 'static,
) -> Result<Tensor<O, E, D, T>, D::Err> {
    let out = device.try_tensor_from_vec(values, shape)?;
    if T::OWNS_TAPE {
        let at = out.clone();
        tape.add_backward_op(move |grads| {
            let gradient = D::take_gradient(grads, &at)?;
            back(grads, gradient)
        });
    }
    Ok(out.put_tape(tape))
}

/// Runs layers over `x` as one operation on its tape; `layers` gets the chain and the input's shape and returns the output's.
///
/// # Errors
/// The device's error, or what `layers` returns.
pub fn run<S: Shape, O: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
    want: Want,
    layers: impl FnOnce(&mut Chain<E, D>, S) -> Result<O, D::Err>,
) -> Result<Tensor<O, E, D, T>, D::Err> {
    let (x, tape) = x.try_contiguous()?.split_tape();
    let mut chain = Chain::new(read(&x)?, T::OWNS_TAPE, want);
    let shape = layers(&mut chain, *x.shape())?;
    let device = x.device().clone();
    let (values, back) = chain.finish()?;
    record(tape, values, shape, &device, move |grads, gradient| match back(grads, gradient)? {
        Some(gradient) => add_gradient(grads, &x, &gradient),
        None => Ok(()),
    })
}
