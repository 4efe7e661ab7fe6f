//! Losses. Each sums over the columns of a row and averages over the rows, so that its size does not depend on the batch and
//! the parts of a sum (reconstruction + KL) keep their true proportion.
//!
//! All are generic over the element type (tests check their gradients in `f64`), the device and the tape.

use dfdx::{
    shapes::{Const, Dtype, HasShape, Rank0, Rank1, Shape},
    tensor::{Merge, NoneTape, SplitTape, Tape, Tensor},
    tensor_ops::{ReshapeTo, TryMul},
};

use crate::{
    nn::Real,
    ops::{LabDevice, add_gradient, read, record},
};

/// A batch of `N`-wide rows on tape `T`.
pub type Batch<const N: usize, E, D, T = NoneTape> = Tensor<(usize, Const<N>), E, D, T>;
/// A loss: one number that carries the tape; `.backward()` exists only where there is one.
pub type Loss<E, D, T> = Tensor<Rank0, E, D, T>;

/// A plain number in the element type.
pub(crate) fn scalar<E: Dtype>(x: f64) -> E {
    E::from_f64(x).unwrap_or_default()
}

/// Values of a row: all sizes but the first.
fn width<S: Shape, E, D: dfdx::tensor::Storage<E>, T>(tensor: &Tensor<S, E, D, T>) -> usize {
    let sizes: Vec<usize> = tensor.shape().concrete().into();
    sizes.iter().skip(1).product()
}

/// The mean of the rows' losses, and the factor by which it was made.
fn average<E: Real>(rows: Vec<E>) -> (Vec<E>, E) {
    let factor = scalar::<E>(1.0 / rows.len().max(1) as f64);
    (vec![rows.iter().fold(E::default(), |sum, x| sum + *x) * factor], factor)
}

/// A loss that compares each value with its target: `rows` sums over each row, `backward` gives the predictions' gradients.
fn pairwise<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
    rows: fn(&[E], &[E], usize) -> Vec<E>,
    backward: fn(&[E], &[E], E) -> Vec<E>,
) -> Result<Loss<E, D, T>, D::Err> {
    let (prediction, tape) = prediction.try_contiguous()?.split_tape();
    let (p, t) = (read(&prediction)?, read(&target)?);
    let (value, factor) = average(rows(&p, &t, width(&prediction)));
    let device = prediction.device().clone();
    record(tape, value, (), &device, move |grads, d| add_gradient(grads, &prediction, &backward(&p, &t, d[0] * factor)))
}

/// mean + exp(log_var / 2) noise: a draw from N(mean, exp(log_var)) that gradients pass through (Kingma and Welling 2014).
///
/// # Errors
/// The device's error.
pub fn reparameterise<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    mean: Tensor<S, E, D, T>,
    log_var: Tensor<S, E, D, T>,
    noise: Tensor<S, E, D>,
) -> Result<Tensor<S, E, D, T>, D::Err> {
    let (mean, tape) = mean.try_contiguous()?.split_tape();
    let (log_var, other) = log_var.try_contiguous()?.split_tape();
    let (l, e) = (read(&log_var)?, read(&noise)?);
    let z = E::reparameterise(&read(&mean)?, &l, &e);
    let (shape, device) = (*mean.shape(), mean.device().clone());
    record(Merge::<T>::merge(tape, other), z, shape, &device, move |grads, dz| {
        add_gradient(grads, &mean, &dz)?;
        add_gradient(grads, &log_var, &E::reparameterise_backward(&dz, &l, &e))
    })
}

/// KL(N(mean, exp(log_var)) || N(0, 1)) = ½ Σ (mean² + exp(log_var) − 1 − log_var), mean over rows.
///
/// It is 0 exactly where every row is N(0, 1), and never negative.
///
/// ```
/// use lab::{loss, rows};
/// let zero = rows::<2>(vec![0.0; 6]).unwrap();
/// assert_eq!(loss::gaussian_kl(zero.clone(), zero).unwrap().array(), 0.0);
/// # use dfdx::prelude::AsArray;
/// ```
///
/// # Errors
/// The device's error.
pub fn gaussian_kl<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    mean: Tensor<S, E, D, T>,
    log_var: Tensor<S, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    let (mean, tape) = mean.try_contiguous()?.split_tape();
    let (log_var, other) = log_var.try_contiguous()?.split_tape();
    let (m, l) = (read(&mean)?, read(&log_var)?);
    let (value, factor) = average(E::kl_rows(&m, &l, width(&mean)));
    let device = mean.device().clone();
    record(Merge::<T>::merge(tape, other), value, (), &device, move |grads, d| {
        let (d_mean, d_log_var) = E::kl_backward(&m, &l, d[0] * factor);
        add_gradient(grads, &mean, &d_mean)?;
        add_gradient(grads, &log_var, &d_log_var)
    })
}

/// Binary cross-entropy of probabilities s(logits) against targets in `[0, 1]`:
/// −Σ (t ln s(l) + (1 − t) ln(1 − s(l))) = Σ (max(l, 0) − l t + ln(1 + exp(−|l|))), mean over rows.
///
/// Takes *logits*, not probabilities: the second form neither overflows nor loses the gradient of a confident mistake.
///
/// # Errors
/// The device's error.
pub fn bce_with_logits<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    logits: Tensor<S, E, D, T>,
    targets: Tensor<S, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(logits, targets, E::bce_rows, E::bce_backward)
}

/// Squared error Σ (prediction − target)², mean over rows. (Divide by the width for the usual mean over all elements.)
///
/// # Errors
/// The device's error.
pub fn squared_error<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(prediction, target, E::squared_rows, E::squared_backward)
}

/// Mean squared error: the mean of (prediction − target)² over all elements.
///
/// # Errors
/// The device's error.
pub fn mse<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    let width = width(&prediction).max(1);
    squared_error(prediction, target)?.try_mul(scalar::<E>(1.0 / width as f64))
}

/// Negative log-likelihood of N(prediction, exp(log_var)) with one variance for each column:
/// ½ Σ ((target − prediction)² exp(−log_var) + log_var + ln 2π), mean over rows.
///
/// With log_var = 0 it is half the squared error plus a constant.
///
/// # Errors
/// The device's error.
pub fn gaussian_nll<const N: usize, E: Real, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    prediction: Batch<N, E, D, T>,
    target: Batch<N, E, D>,
    log_var: Tensor<Rank1<N>, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    let (prediction, tape) = prediction.try_contiguous()?.split_tape();
    let (log_var, other) = log_var.try_contiguous()?.split_tape();
    let (p, t, l) = (read(&prediction)?, read(&target)?, read(&log_var)?);
    let (value, factor) = average(E::nll_rows(&p, &t, &l));
    let device = prediction.device().clone();
    record(Merge::<T>::merge(tape, other), value, (), &device, move |grads, d| {
        let (d_prediction, d_log_var) = E::nll_backward(&p, &t, &l, d[0] * factor);
        add_gradient(grads, &prediction, &d_prediction)?;
        add_gradient(grads, &log_var, &d_log_var)
    })
}

/// The same values as a new tensor without a tape: no gradient flows back through it (PyTorch's `detach`).
///
/// Splitting the tape off is not enough where both are used in one loss: dfdx finds gradients by a tensor's id, which a clone
/// without a tape shares with the original.
///
/// # Errors
/// The device's error.
pub fn detach<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    taped: &Tensor<S, E, D, T>,
) -> Result<Tensor<S, E, D>, D::Err> {
    let values = read(&taped.retaped::<NoneTape>())?;
    taped.device().try_tensor_from_vec(values.into_vec(), *taped.shape())
}
