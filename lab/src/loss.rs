//! Losses, each computed with its gradient in one parallel pass.
//!
//! The parts of a likelihood ([`bce_with_logits`], [`squared_error`], [`gaussian_nll`], [`gaussian_kl`]) sum over the columns of
//! a row and average over the rows, so that their size does not depend on the batch and the parts of a sum (reconstruction + KL)
//! keep their true proportion; divide by the width for PyTorch's mean over all elements. All others average as PyTorch does.
//!
//! All are generic over the element type (tests check their gradients in `f64`), the device and the tape. NaN stays NaN.

use dfdx::{
    shapes::{Const, Dim, Dtype, HasShape, Rank0, Rank1, Shape},
    tensor::{Merge, NoneTape, SplitTape, Tape, Tensor},
    tensor_ops::{ReshapeTo, TryAdd, TryMul},
};
use lathe_kernels::loss::{Classes, Pair};

use crate::{
    Error,
    nn::Real,
    ops::{Buf, LabDevice, add_gradient, read, record},
};

/// A batch of `N`-wide rows on tape `T`.
pub type Batch<const N: usize, E, D, T = NoneTape> = Tensor<(usize, Const<N>), E, D, T>;
/// A loss: one number that carries the tape; `.backward()` exists only where there is one.
pub type Loss<E, D, T> = Tensor<Rank0, E, D, T>;

/// A plain number in the element type.
pub(crate) fn scalar<E: Dtype>(x: f64) -> E {
    E::from_f64(x).unwrap_or_default()
}

/// One loss of `x` that was computed together with its gradient, `value` times `factor`: the way back only scales and adds.
fn recorded<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D>,
    tape: T,
    value: f64,
    slopes: Buf<E>,
    factor: f64,
) -> Result<Loss<E, D, T>, D::Err> {
    let device = x.device().clone();
    record(tape, vec![scalar(value * factor)], (), &device, move |grads, d| {
        D::edit_gradient(grads, &x, |sum| E::add_scaled(sum, &slopes, d[0] * scalar::<E>(factor)))
    })
}

/// Room for the gradient of `n` values, if there is a tape that will ask for it.
fn slopes<E: Real, D: LabDevice<E>, T: Tape<E, D>>(n: usize) -> Buf<E> {
    Buf::any(if T::OWNS_TAPE { n } else { 0 })
}

/// What a loss divides by.
#[derive(Clone, Copy)]
enum Mean {
    Rows,
    All,
}

impl Mean {
    fn factor<S: Shape, E, D: dfdx::tensor::Storage<E>, T>(self, of: &Tensor<S, E, D, T>) -> f64 {
        let sizes: Vec<usize> = of.shape().concrete().into();
        let n = match self {
            Self::Rows => sizes.first().copied().unwrap_or(1),
            Self::All => sizes.iter().product(),
        };
        1.0 / n.max(1) as f64
    }
}

/// A loss that compares each value with its target (or with one target for all).
fn pairwise<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    kind: Pair,
    mean: Mean,
    x: Tensor<S, E, D, T>,
    targets: &[E],
    weights: &[E],
) -> Result<Loss<E, D, T>, D::Err> {
    let factor = mean.factor(&x);
    let (x, tape) = x.try_contiguous()?.split_tape();
    let values = read(&x)?;
    let mut slopes = slopes::<E, D, T>(values.len());
    let value = E::pair_loss(kind, &values, targets, weights, &mut slopes);
    recorded(x, tape, value, slopes, factor)
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
    let factor = Mean::Rows.factor(&mean);
    let (mean, tape) = mean.try_contiguous()?.split_tape();
    let (log_var, other) = log_var.try_contiguous()?.split_tape();
    let (m, l) = (read(&mean)?, read(&log_var)?);
    let (mut d_mean, mut d_log_var) = (slopes::<E, D, T>(m.len()), slopes::<E, D, T>(l.len()));
    let value = E::kl(&m, &l, (&mut d_mean, &mut d_log_var)) * factor;
    let device = mean.device().clone();
    record(Merge::<T>::merge(tape, other), vec![scalar(value)], (), &device, move |grads, d| {
        let factor = d[0] * scalar::<E>(factor);
        D::edit_gradient(grads, &mean, |sum| E::add_scaled(sum, &d_mean, factor))?;
        D::edit_gradient(grads, &log_var, |sum| E::add_scaled(sum, &d_log_var, factor))
    })
}

/// −ELBO of a variational autoencoder: `reconstruction` (−log p(x|z), as [`bce_with_logits`] or [`gaussian_nll`] give it) plus
/// `beta` times [`gaussian_kl`], the mean over rows. β = 1 is the bound (Kingma and Welling 2014), another β the beta-VAE.
///
/// # Errors
/// The device's error.
pub fn elbo<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    reconstruction: Loss<E, D, T>,
    mean: Tensor<S, E, D, T>,
    log_var: Tensor<S, E, D, T>,
    beta: f64,
) -> Result<Loss<E, D, T>, D::Err> {
    reconstruction.try_add(gaussian_kl(mean, log_var)?.try_mul(scalar::<E>(beta))?)
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
    pairwise(Pair::Bce, Mean::Rows, logits, &read(&targets)?, &[])
}

/// [`bce_with_logits`] in which the term of a target 1 counts `pos_weight` times, one weight for each column (PyTorch's
/// `pos_weight`): for answers that are rarely yes, weights of about no / yes.
///
/// # Errors
/// The device's error.
pub fn weighted_bce_with_logits<B: Dim, const N: usize, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    logits: Tensor<(B, Const<N>), E, D, T>,
    targets: Tensor<(B, Const<N>), E, D>,
    pos_weight: [f64; N],
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(Pair::Bce, Mean::Rows, logits, &read(&targets)?, &pos_weight.map(scalar::<E>))
}

/// Squared error Σ (prediction − target)², mean over rows. (Divide by the width for the usual mean over all elements.)
///
/// # Errors
/// The device's error.
pub fn squared_error<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(Pair::Squared, Mean::Rows, prediction, &read(&target)?, &[])
}

/// Mean squared error: the mean of (prediction − target)² over all elements.
///
/// # Errors
/// The device's error.
pub fn mse<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(Pair::Squared, Mean::All, prediction, &read(&target)?, &[])
}

/// Mean absolute error: the mean of |prediction − target| over all elements (PyTorch's `L1Loss`).
///
/// # Errors
/// The device's error.
pub fn mae<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(Pair::Absolute, Mean::All, prediction, &read(&target)?, &[])
}

/// Huber's loss, the mean over all elements of ½ d² where |d| < δ and δ (|d| − ½ δ) elsewhere, d = prediction − target
/// (PyTorch's `HuberLoss`, δ = 1 there by default): squared error that outliers do not dominate.
///
/// # Errors
/// The device's error.
pub fn huber<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
    delta: f64,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(Pair::Huber(delta), Mean::All, prediction, &read(&target)?, &[])
}

/// [`huber`] divided by its bend `beta` (PyTorch's `SmoothL1Loss`, β = 1 there by default); `beta = 0` is [`mae`].
///
/// # Errors
/// The device's error.
pub fn smooth_l1<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    prediction: Tensor<S, E, D, T>,
    target: Tensor<S, E, D>,
    beta: f64,
) -> Result<Loss<E, D, T>, D::Err> {
    if beta <= 0.0 {
        return mae(prediction, target);
    }
    huber(prediction, target, beta)?.try_mul(scalar::<E>(1.0 / beta))
}

/// How [`cross_entropy_with`] counts: the defaults are PyTorch's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrossEntropy {
    /// This share of each target is spread over all classes alike.
    pub label_smoothing: f64,
    /// Rows with this target do not count (padding). PyTorch has -100.
    pub ignore_index: Option<usize>,
    /// A weight for each class; `None`: all count alike.
    pub weights: Option<Vec<f64>>,
}

/// Cross-entropy of logits, one for each class in the last dimension, against the number of the right class of each row: the mean
/// of ln Σ exp(x) − x\[target\].
///
/// ```
/// use dfdx::prelude::AsArray;
/// let logits = lab::rows::<3>(vec![0.0; 6]).unwrap();
/// let loss = lab::loss::cross_entropy(logits, &[2, 0]).unwrap().array();
/// assert!((loss - 3.0f32.ln()).abs() < 1e-6);
/// ```
///
/// # Errors
/// [`Error::Length`] unless there is one target for each row, [`Error::Class`] for one that is no class.
pub fn cross_entropy<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    logits: Tensor<S, E, D, T>,
    targets: &[usize],
) -> Result<Loss<E, D, T>, Error> {
    cross_entropy_with(logits, targets, &CrossEntropy::default())
}

/// [`cross_entropy`] with label smoothing, weights and rows that do not count. The mean is weighted by the right classes' weights,
/// as in PyTorch; it is 0 where no row counts (NaN in PyTorch).
///
/// # Errors
/// As [`cross_entropy`]; [`Error::Length`] unless there is one weight for each class.
pub fn cross_entropy_with<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    logits: Tensor<S, E, D, T>,
    targets: &[usize],
    settings: &CrossEntropy,
) -> Result<Loss<E, D, T>, Error> {
    let device = |error: D::Err| Error::Device(format!("{error:?}"));
    let sizes: Vec<usize> = logits.shape().concrete().into();
    let classes = sizes.last().copied().unwrap_or(1);
    let rows: usize = sizes.iter().rev().skip(1).product();
    if targets.len() != rows {
        return Err(Error::Length {
            what: String::from("targets of a cross-entropy"),
            got: targets.len(),
            expected: rows,
        });
    }
    if let Some(row) = targets.iter().position(|t| *t >= classes && Some(*t) != settings.ignore_index) {
        return Err(Error::Class { row, class: targets[row], classes });
    }
    let weights: Vec<E> = settings.weights.iter().flatten().map(|w| scalar(*w)).collect();
    if settings.weights.is_some() && weights.len() != classes {
        return Err(Error::Length { what: String::from("weights of classes"), got: weights.len(), expected: classes });
    }
    let counted: Vec<usize>;
    let targets = match settings.ignore_index {
        Some(ignored) if ignored < classes => {
            counted = targets.iter().map(|t| if *t == ignored { usize::MAX } else { *t }).collect();
            &counted[..]
        }
        _ => targets,
    };
    let (x, tape) = logits.try_contiguous().map_err(device)?.split_tape();
    let values = read(&x).map_err(device)?;
    let mut slopes = slopes::<E, D, T>(values.len());
    let how = Classes { targets, weights: &weights, smoothing: settings.label_smoothing };
    let (value, weight) = E::cross_entropy(&values, how, &mut slopes);
    let factor = if weight == 0.0 { 0.0 } else { 1.0 / weight };
    recorded(x, tape, value, slopes, factor).map_err(device)
}

/// Hinge loss of a discriminator (Lim and Ye 2017): mean of max(0, 1 − D(real)) + mean of max(0, 1 + D(fake)).
///
/// # Errors
/// The device's error.
pub fn hinge_discriminator<S: Shape, S2: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    real: Tensor<S, E, D, T>,
    fake: Tensor<S2, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    let one = scalar::<E>(1.0);
    pairwise(Pair::Hinge, Mean::All, real, &[one], &[])?.try_add(pairwise(Pair::Hinge, Mean::All, fake, &[-one], &[])?)
}

/// Loss of a Wasserstein critic (Arjovsky et al. 2017): mean of D(fake) − mean of D(real). The critic has to be held
/// Lipschitz, by clipped weights or spectral norm.
///
/// # Errors
/// The device's error.
pub fn wasserstein_critic<S: Shape, S2: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D> + Merge<T>>(
    real: Tensor<S, E, D, T>,
    fake: Tensor<S2, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    let one = scalar::<E>(1.0);
    let real = pairwise(Pair::Product, Mean::All, real, &[-one], &[])?;
    real.try_add(pairwise(Pair::Product, Mean::All, fake, &[one], &[])?)
}

/// A generator's loss against a Wasserstein critic or a discriminator with the hinge loss: − mean of D(fake).
///
/// # Errors
/// The device's error.
pub fn critic_generator<S: Shape, E: Real, D: LabDevice<E>, T: Tape<E, D>>(
    fake: Tensor<S, E, D, T>,
) -> Result<Loss<E, D, T>, D::Err> {
    pairwise(Pair::Product, Mean::All, fake, &[scalar::<E>(-1.0)], &[])
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
    let factor = Mean::Rows.factor(&prediction);
    let (prediction, tape) = prediction.try_contiguous()?.split_tape();
    let (log_var, other) = log_var.try_contiguous()?.split_tape();
    let (p, t, l) = (read(&prediction)?, read(&target)?, read(&log_var)?);
    let (mut d_prediction, mut d_log_var) = (slopes::<E, D, T>(p.len()), slopes::<E, D, T>(l.len()));
    let value = E::nll(&p, &t, &l, (&mut d_prediction, &mut d_log_var)) * factor;
    let device = prediction.device().clone();
    record(Merge::<T>::merge(tape, other), vec![scalar(value)], (), &device, move |grads, d| {
        let factor = d[0] * scalar::<E>(factor);
        D::edit_gradient(grads, &prediction, |sum| E::add_scaled(sum, &d_prediction, factor))?;
        D::edit_gradient(grads, &log_var, |sum| E::add_scaled(sum, &d_log_var, factor))
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
