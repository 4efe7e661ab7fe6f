use dfdx::{
    nn::modules::Linear,
    shapes::{Const, HasShape, Rank1, Rank2, Rank3, Shape},
    tensor::{Cpu, CpuError, Gradients, Merge, PutTape, SplitTape, Tape, Tensor, TensorFromVec},
    tensor_ops::{PermuteTo, RealizeTo, ReshapeTo, TryMatMul},
};
use lathe_kernels::{
    Kernels,
    dense::Activation,
    lstm::{Sizes, Weights},
};

use super::{LabDevice, Want};
use crate::loss::{Batch, Loss};

/// A tensor's sizes as run-time values: same data, same id.
fn open<S: Shape, O: Shape<Concrete = S::Concrete>, E: dfdx::shapes::Unit, T: Tape<E, Cpu>>(
    tensor: Tensor<S, E, Cpu, T>,
) -> Result<Tensor<O, E, Cpu, T>, CpuError> {
    tensor.try_realize::<O>().map_err(|_| CpuError::WrongNumElements)
}

// dfdx's `Cpu` shows its gradient buffers as `Vec`s only where the element type is known, hence a macro and not a generic.
macro_rules! on_cpu {
    ($core:ident, $e:ty) => {
        /// The operations with run-time sizes: values in, values and a backward closure out (`None` where nobody wants one).
        mod $core {
            use super::*;

            pub(super) type Table = Tensor<(usize, usize), $e, Cpu>;
            pub(super) type Row = Tensor<(usize,), $e, Cpu>;
            pub(super) type Cube = Tensor<(usize, usize, usize), $e, Cpu>;
            pub(super) type Number = Tensor<(), $e, Cpu>;
            pub(super) type Back = Box<dyn FnOnce(&mut Gradients<$e, Cpu>) -> Result<(), CpuError>>;

            pub(super) fn values<S: Shape>(tensor: &Tensor<S, $e, Cpu>) -> Result<Vec<$e>, CpuError> {
                let tensor = tensor.clone().try_contiguous()?;
                let mut out = vec![0.0; tensor.shape().num_elements()];
                tensor.copy_into(&mut out);
                Ok(out)
            }

            pub(super) fn add<S: Shape>(grads: &mut Gradients<$e, Cpu>, of: &Tensor<S, $e, Cpu>, x: &[$e]) -> Result<(), CpuError> {
                <$e>::add(grads.get_or_alloc_mut(of)?, x);
                Ok(())
            }

            /// The mean of the rows' losses as a tensor, and the factor by which it was made.
            fn mean(rows: Vec<$e>) -> Result<(Number, $e), CpuError> {
                let factor = 1.0 / rows.len().max(1) as $e;
                Ok((Cpu::default().try_tensor_from_vec(vec![rows.iter().sum::<$e>() * factor], ())?, factor))
            }

            /// dL/d(loss) times the factor.
            fn upstream(grads: &mut Gradients<$e, Cpu>, loss: &Number, factor: $e) -> Result<$e, CpuError> {
                Ok(grads.get_or_alloc_mut(loss)?[0] * factor)
            }

            pub(super) fn dense(
                x: Table,
                weight: Table,
                bias: Row,
                activation: Activation,
                want: Want,
                taped: bool,
            ) -> Result<(Table, Option<Back>), CpuError> {
                let shape = (x.shape().0, weight.shape().0);
                let mut y = values(&x.clone().try_matmul(weight.clone().try_permute::<(usize, usize), _>()?)?)?;
                <$e>::dense_forward(&mut y, &values(&bias)?, activation);
                if !taped {
                    return Ok((x.device().try_tensor_from_vec(y, shape)?, None));
                }
                let out: Table = x.device().try_tensor_from_vec(y.clone(), shape)?;
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let mut dz = std::mem::take(&mut **grads.get_or_alloc_mut(&at)?);
                    let mut sums = vec![0.0; shape.1];
                    <$e>::dense_backward(&mut dz, &y, &mut sums, activation);
                    let dz = x.device().try_tensor_from_vec(dz, shape)?;
                    if want != Want::Weights {
                        let dx = values(&dz.clone().try_matmul(weight.clone())?)?;
                        add(grads, &x, &dx)?;
                    }
                    if want != Want::Input {
                        add(grads, &bias, &sums)?;
                        let dw = values(&dz.try_permute::<(usize, usize), _>()?.try_matmul(x)?)?;
                        add(grads, &weight, &dw)?;
                    }
                    Ok(())
                });
                Ok((out, Some(back)))
            }

            pub(super) fn lstm_last(
                x: Cube,
                input: Cube,
                hidden: Cube,
                bias: Table,
                taped: bool,
            ) -> Result<(Table, Option<Back>), CpuError> {
                let (rows, steps, features) = *x.shape();
                let h = hidden.shape().2;
                let sizes = Sizes { rows, steps, input: features, hidden: h };
                let parts = [values(&x)?, values(&input)?, values(&hidden)?, values(&bias)?];
                let trace = <$e>::lstm_forward(sizes, &parts[0], of(&parts));
                let mut last = vec![0.0; rows * h];
                if steps * h > 0 {
                    for (last, states) in last.chunks_mut(h).zip(trace.hidden.chunks(steps * h)) {
                        last.copy_from_slice(&states[(steps - 1) * h..]);
                    }
                }
                let out: Table = x.device().try_tensor_from_vec(last, (rows, h))?;
                if !taped {
                    return Ok((out, None));
                }
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let mut d_hidden = vec![0.0; trace.hidden.len()];
                    if steps * h > 0 {
                        let d_last = grads.get_or_alloc_mut(&at)?;
                        for (d, last) in d_hidden.chunks_mut(steps * h).zip(d_last.chunks(h)) {
                            d[(steps - 1) * h..].copy_from_slice(last);
                        }
                    }
                    let found = <$e>::lstm_backward(sizes, &parts[0], of(&parts), &trace, &d_hidden, true);
                    add(grads, &x, &found.input)?;
                    add(grads, &input, &found.weight_input)?;
                    add(grads, &hidden, &found.weight_hidden)?;
                    add(grads, &bias, &found.bias)
                });
                Ok((out, Some(back)))
            }

            fn of([_, input, hidden, bias]: &[Vec<$e>; 4]) -> Weights<'_, $e> {
                Weights { input, hidden, bias }
            }

            pub(super) fn reparameterise(mean: Table, log_var: Table, noise: Table) -> Result<(Table, Back), CpuError> {
                let (spread, e) = (values(&log_var)?, values(&noise)?);
                let z = <$e>::reparameterise(&values(&mean)?, &spread, &e);
                let out: Table = mean.device().try_tensor_from_vec(z, *mean.shape())?;
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let dz = std::mem::take(&mut **grads.get_or_alloc_mut(&at)?);
                    add(grads, &mean, &dz)?;
                    add(grads, &log_var, &<$e>::reparameterise_backward(&dz, &spread, &e))
                });
                Ok((out, back))
            }

            pub(super) fn gaussian_kl(mean_of: Table, log_var: Table) -> Result<(Number, Back), CpuError> {
                let (m, l) = (values(&mean_of)?, values(&log_var)?);
                let (out, factor) = mean(<$e>::kl_rows(&m, &l, mean_of.shape().1))?;
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let factor = upstream(grads, &at, factor)?;
                    let (d_mean, d_log_var) = <$e>::kl_backward(&m, &l, factor);
                    add(grads, &mean_of, &d_mean)?;
                    add(grads, &log_var, &d_log_var)
                });
                Ok((out, back))
            }

            pub(super) fn bce_with_logits(logits: Table, targets: Table) -> Result<(Number, Back), CpuError> {
                let (l, t) = (values(&logits)?, values(&targets)?);
                let (out, factor) = mean(<$e>::bce_rows(&l, &t, logits.shape().1))?;
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let factor = upstream(grads, &at, factor)?;
                    add(grads, &logits, &<$e>::bce_backward(&l, &t, factor))
                });
                Ok((out, back))
            }

            pub(super) fn squared_error(prediction: Table, target: Table) -> Result<(Number, Back), CpuError> {
                let (p, t) = (values(&prediction)?, values(&target)?);
                let (out, factor) = mean(<$e>::squared_rows(&p, &t, prediction.shape().1))?;
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let factor = upstream(grads, &at, factor)?;
                    add(grads, &prediction, &<$e>::squared_backward(&p, &t, factor))
                });
                Ok((out, back))
            }

            pub(super) fn gaussian_nll(prediction: Table, target: Table, log_var: Row) -> Result<(Number, Back), CpuError> {
                let (p, t, l) = (values(&prediction)?, values(&target)?, values(&log_var)?);
                let (out, factor) = mean(<$e>::nll_rows(&p, &t, &l))?;
                let at = out.clone();
                let back: Back = Box::new(move |grads| {
                    let factor = upstream(grads, &at, factor)?;
                    let (d_prediction, d_log_var) = <$e>::nll_backward(&p, &t, &l, factor);
                    add(grads, &prediction, &d_prediction)?;
                    add(grads, &log_var, &d_log_var)
                });
                Ok((out, back))
            }
        }

        impl LabDevice<$e> for Cpu {
            fn dense<const I: usize, const O: usize, T: Tape<$e, Self>>(
                x: Batch<I, $e, Self, T>,
                layer: &Linear<I, O, $e, Self>,
                activation: Activation,
                want: Want,
            ) -> Result<Batch<O, $e, Self, T>, CpuError> {
                // A gradient has the layout of its tensor's storage: row-major from here on.
                let (x, mut tape) = open::<_, (usize, usize), _, _>(x)?.try_contiguous()?.split_tape();
                let (weight, bias) = (open(layer.weight.clone())?, open(layer.bias.clone())?);
                let (out, back) = $core::dense(x, weight, bias, activation, want, T::OWNS_TAPE)?;
                if let Some(back) = back {
                    tape.add_backward_op(back);
                }
                open(out.put_tape(tape))
            }

            fn lstm_last<const W: usize, const I: usize, const H: usize, T: Tape<$e, Self>>(
                x: Tensor<(usize, Const<W>, Const<I>), $e, Self, T>,
                weight_input: &Tensor<Rank3<4, H, I>, $e, Self>,
                weight_hidden: &Tensor<Rank3<4, H, H>, $e, Self>,
                bias: &Tensor<Rank2<4, H>, $e, Self>,
            ) -> Result<Batch<H, $e, Self, T>, CpuError> {
                let (x, mut tape) = open::<_, (usize, usize, usize), _, _>(x)?.try_contiguous()?.split_tape();
                let (input, hidden, bias) = (open(weight_input.clone())?, open(weight_hidden.clone())?, open(bias.clone())?);
                let (out, back) = $core::lstm_last(x, input, hidden, bias, T::OWNS_TAPE)?;
                if let Some(back) = back {
                    tape.add_backward_op(back);
                }
                open(out.put_tape(tape))
            }

            fn reparameterise<const N: usize, T: Tape<$e, Self> + Merge<T>>(
                mean: Batch<N, $e, Self, T>,
                log_var: Batch<N, $e, Self, T>,
                noise: Batch<N, $e, Self>,
            ) -> Result<Batch<N, $e, Self, T>, CpuError> {
                let (mean, tape) = open::<_, (usize, usize), _, _>(mean)?.try_contiguous()?.split_tape();
                let (log_var, other) = open::<_, (usize, usize), _, _>(log_var)?.try_contiguous()?.split_tape();
                let (out, back) = $core::reparameterise(mean, log_var, open(noise)?)?;
                let mut tape = Merge::<T>::merge(tape, other);
                tape.add_backward_op(back);
                open(out.put_tape(tape))
            }

            fn gaussian_kl<const N: usize, T: Tape<$e, Self> + Merge<T>>(
                mean: Batch<N, $e, Self, T>,
                log_var: Batch<N, $e, Self, T>,
            ) -> Result<Loss<$e, Self, T>, CpuError> {
                let (mean, tape) = open::<_, (usize, usize), _, _>(mean)?.try_contiguous()?.split_tape();
                let (log_var, other) = open::<_, (usize, usize), _, _>(log_var)?.try_contiguous()?.split_tape();
                let (out, back) = $core::gaussian_kl(mean, log_var)?;
                let mut tape = Merge::<T>::merge(tape, other);
                tape.add_backward_op(back);
                Ok(out.put_tape(tape))
            }

            fn bce_with_logits<const N: usize, T: Tape<$e, Self>>(
                logits: Batch<N, $e, Self, T>,
                targets: Batch<N, $e, Self>,
            ) -> Result<Loss<$e, Self, T>, CpuError> {
                let (logits, mut tape) = open::<_, (usize, usize), _, _>(logits)?.try_contiguous()?.split_tape();
                let (out, back) = $core::bce_with_logits(logits, open(targets)?)?;
                tape.add_backward_op(back);
                Ok(out.put_tape(tape))
            }

            fn squared_error<const N: usize, T: Tape<$e, Self>>(
                prediction: Batch<N, $e, Self, T>,
                target: Batch<N, $e, Self>,
            ) -> Result<Loss<$e, Self, T>, CpuError> {
                let (prediction, mut tape) = open::<_, (usize, usize), _, _>(prediction)?.try_contiguous()?.split_tape();
                let (out, back) = $core::squared_error(prediction, open(target)?)?;
                tape.add_backward_op(back);
                Ok(out.put_tape(tape))
            }

            fn gaussian_nll<const N: usize, T: Tape<$e, Self> + Merge<T>>(
                prediction: Batch<N, $e, Self, T>,
                target: Batch<N, $e, Self>,
                log_var: Tensor<Rank1<N>, $e, Self, T>,
            ) -> Result<Loss<$e, Self, T>, CpuError> {
                let (prediction, tape) = open::<_, (usize, usize), _, _>(prediction)?.try_contiguous()?.split_tape();
                let (log_var, other) = open::<_, (usize,), _, _>(log_var)?.try_contiguous()?.split_tape();
                let (out, back) = $core::gaussian_nll(prediction, open(target)?, log_var)?;
                let mut tape = Merge::<T>::merge(tape, other);
                tape.add_backward_op(back);
                Ok(out.put_tape(tape))
            }
        }
    };
}
on_cpu!(single, f32);
on_cpu!(double, f64);
