//! Differentiable operations of our own on dfdx's tape: the forward pass of a whole block is one entry of the tape, and its
//! backward pass is one closure over what the forward pass saved. dfdx's own elementwise code takes one pass (and one entry)
//! for each `+`; here a layer's bias and activation are one.

use dfdx::{
    nn::modules::Linear,
    shapes::{Const, Dtype, HasShape, Rank2, Rank3, Shape},
    tensor::{Cpu, CpuError, NoneTape, PutTape, SplitTape, Tape, Tensor, TensorFromVec},
    tensor_ops::{Device, PermuteTo, ReshapeTo, TryMatMul},
};
use lathe_kernels::{dense, lstm};

pub use lathe_kernels::dense::Activation;

use crate::loss::Batch;

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

/// A device that runs our blocks.
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
}

/// dfdx's `Cpu` shows its gradient buffers as `Vec`s only where the element type is known.
macro_rules! on_cpu {
    ($($e:ty),+) => {$(
        impl LabDevice<$e> for Cpu {
            fn dense<const I: usize, const O: usize, T: Tape<$e, Self>>(
                x: Batch<I, $e, Self, T>,
                layer: &Linear<I, O, $e, Self>,
                activation: Activation,
                want: Want,
            ) -> Result<Batch<O, $e, Self, T>, CpuError> {
                // A gradient has the layout of its tensor's storage: row-major from here on.
                let (x, mut tape) = x.try_contiguous()?.split_tape();
                let shape = (x.shape().0, Const::<O>);
                let mut y = values(&x.clone().try_matmul(layer.weight.clone().try_permute::<Rank2<I, O>, _>()?)?)?;
                dense::forward(&mut y, &values(&layer.bias)?, activation);
                if !T::OWNS_TAPE {
                    return Ok(x.device().try_tensor_from_vec(y, shape)?.put_tape(tape));
                }
                let out = x.device().try_tensor_from_vec(y.clone(), shape)?;
                let (out_ghost, x_ghost, weight, bias) = (out.ghost(), x.ghost(), layer.weight.clone(), layer.bias.ghost());
                tape.add_backward_op(move |grads| {
                    let mut dz = std::mem::take(&mut **grads.get_or_alloc_mut(&out_ghost)?);
                    let mut sums = vec![<$e>::default(); O];
                    dense::backward(&mut dz, &y, &mut sums, activation);
                    let dz = x.device().try_tensor_from_vec(dz, shape)?;
                    if want != Want::Weights {
                        let dx = values(&dz.clone().try_matmul(weight.clone())?)?;
                        add(grads.get_or_alloc_mut(&x_ghost)?, &dx);
                    }
                    if want != Want::Input {
                        add(grads.get_or_alloc_mut(&bias)?, &sums);
                        let dz = dz.try_permute::<(Const<O>, usize), _>()?;
                        add(grads.get_or_alloc_mut(&weight)?, &values(&dz.try_matmul(x)?)?);
                    }
                    Ok(())
                });
                Ok(out.put_tape(tape))
            }

            fn lstm_last<const W: usize, const I: usize, const H: usize, T: Tape<$e, Self>>(
                x: Tensor<(usize, Const<W>, Const<I>), $e, Self, T>,
                weight_input: &Tensor<Rank3<4, H, I>, $e, Self>,
                weight_hidden: &Tensor<Rank3<4, H, H>, $e, Self>,
                bias: &Tensor<Rank2<4, H>, $e, Self>,
            ) -> Result<Batch<H, $e, Self, T>, CpuError> {
                let (x, mut tape) = x.try_contiguous()?.split_tape();
                let sizes = lstm::Sizes { rows: x.shape().0, steps: W, input: I, hidden: H };
                let parts = [values(&x)?, values(weight_input)?, values(weight_hidden)?, values(bias)?];
                let trace = lstm::forward(sizes, &parts[0], weights(&parts));
                let mut last = vec![<$e>::default(); sizes.rows * H];
                if W > 0 {
                    for (last, states) in last.chunks_mut(H.max(1)).zip(trace.hidden.chunks(W * H.max(1))) {
                        last.copy_from_slice(&states[(W - 1) * H..]);
                    }
                }
                let out = x.device().try_tensor_from_vec(last, (sizes.rows, Const))?;
                if !T::OWNS_TAPE {
                    return Ok(out.put_tape(tape));
                }
                let (x, out_ghost) = (x.ghost(), out.ghost());
                let (weight_input, weight_hidden, bias) = (weight_input.ghost(), weight_hidden.ghost(), bias.ghost());
                tape.add_backward_op(move |grads| {
                    let mut d_hidden = vec![<$e>::default(); trace.hidden.len()];
                    let d_last = grads.get_or_alloc_mut(&out_ghost)?;
                    if W > 0 {
                        for (d, last) in d_hidden.chunks_mut(W * H.max(1)).zip(d_last.chunks(H.max(1))) {
                            d[(W - 1) * H..].copy_from_slice(last);
                        }
                    }
                    let found = lstm::backward(sizes, &parts[0], weights(&parts), &trace, &d_hidden, true);
                    add(grads.get_or_alloc_mut(&x)?, &found.input);
                    add(grads.get_or_alloc_mut(&weight_input)?, &found.weight_input);
                    add(grads.get_or_alloc_mut(&weight_hidden)?, &found.weight_hidden);
                    add(grads.get_or_alloc_mut(&bias)?, &found.bias);
                    Ok(())
                });
                Ok(out.put_tape(tape))
            }
        }
    )+};
}
on_cpu!(f32, f64);

fn weights<E>([_, input, hidden, bias]: &[Vec<E>; 4]) -> lstm::Weights<'_, E> {
    lstm::Weights { input, hidden, bias }
}

fn values<S: Shape, E: Dtype>(tensor: &Tensor<S, E, Cpu, NoneTape>) -> Result<Vec<E>, CpuError>
where
    Cpu: Device<E>,
{
    let tensor = tensor.clone().try_contiguous()?;
    let mut out = vec![E::default(); tensor.shape().num_elements()];
    tensor.copy_into(&mut out);
    Ok(out)
}

fn add<E: Dtype>(sum: &mut [E], x: &[E]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
}
