//! Losses. Each sums over the columns of a row and averages over the rows, so that its size does not depend on the batch and
//! the parts of a sum (reconstruction + KL) keep their true proportion.
//!
//! All are generic over the element type (tests check their gradients in `f64`), the device and the tape.

use dfdx::{
    shapes::{Const, Dtype, HasShape, Rank0, Rank1, Shape},
    tensor::{Merge, NoneTape, Tape, Tensor},
    tensor_ops::{Device, TryMul},
};

use crate::ops::LabDevice;

/// A batch of `N`-wide rows on tape `T`.
pub type Batch<const N: usize, E, D, T = NoneTape> = Tensor<(usize, Const<N>), E, D, T>;
/// A loss: one number that carries the tape; `.backward()` exists only where there is one.
pub type Loss<E, D, T> = Tensor<Rank0, E, D, T>;

/// A plain number in the element type.
pub(crate) fn scalar<E: Dtype>(x: f64) -> E {
    E::from_f64(x).unwrap_or_default()
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
pub fn gaussian_kl<const N: usize, E: Dtype, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    mean: Batch<N, E, D, T>,
    log_var: Batch<N, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    D::gaussian_kl(mean, log_var)
}

/// Binary cross-entropy of probabilities s(logits) against targets in `[0, 1]`:
/// −Σ (t ln s(l) + (1 − t) ln(1 − s(l))) = Σ (max(l, 0) − l t + ln(1 + exp(−|l|))), mean over rows.
///
/// Takes *logits*, not probabilities: the second form neither overflows nor loses the gradient of a confident mistake.
///
/// # Errors
/// The device's error.
pub fn bce_with_logits<const N: usize, E: Dtype, D: LabDevice<E>, T: Tape<E, D>>(
    logits: Batch<N, E, D, T>,
    targets: Batch<N, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    D::bce_with_logits(logits, targets)
}

/// Squared error Σ (prediction − target)², mean over rows. (Divide by the width for the usual mean over all elements.)
///
/// # Errors
/// The device's error.
pub fn squared_error<const N: usize, E: Dtype, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Batch<N, E, D, T>,
    target: Batch<N, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    D::squared_error(prediction, target)
}

/// Mean squared error: the mean of (prediction − target)² over all elements.
///
/// # Errors
/// The device's error.
pub fn mse<const N: usize, E: Dtype, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Batch<N, E, D, T>,
    target: Batch<N, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    squared_error(prediction, target)?.try_mul(scalar::<E>(1.0 / N.max(1) as f64))
}

/// Negative log-likelihood of N(prediction, exp(log_var)) with one variance for each column:
/// ½ Σ ((target − prediction)² exp(−log_var) + log_var + ln 2π), mean over rows.
///
/// With log_var = 0 it is half the squared error plus a constant.
///
/// # Errors
/// The device's error.
pub fn gaussian_nll<const N: usize, E: Dtype, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    prediction: Batch<N, E, D, T>,
    target: Batch<N, E, D>,
    log_var: Tensor<Rank1<N>, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    D::gaussian_nll(prediction, target, log_var)
}

/// The same values as a new tensor without a tape: no gradient flows back through it (PyTorch's `detach`).
///
/// Splitting the tape off is not enough where both are used in one loss: dfdx finds gradients by a tensor's id, which a clone
/// without a tape shares with the original.
///
/// # Errors
/// The device's error.
pub fn detach<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    taped: &Tensor<S, E, D, T>,
) -> Result<Tensor<S, E, D>, D::Err> {
    taped.device().try_tensor_from_vec(taped.as_vec(), *taped.shape())
}
