use dfdx::{
    shapes::Rank1,
    tensor::{Cpu, Gradients, OwnedTape, Storage, Tape, Tensor, Trace, WithEmptyTape},
};
use lathe_kernels::Kernels;

use super::Likelihood;
use crate::{
    device::values,
    loss::{self, Batch, Loss, scalar},
    nn::{Activate, Forward, Linear, Real, Relu, collection},
    ops::{Activation, LabDevice, Want},
};

/// `IN -> HIDDEN -> (mean, log variance)` of q(z|x).
#[derive(Debug, Clone)]
pub struct Encoder<const IN: usize, const HIDDEN: usize, const LATENT: usize, E: dfdx::shapes::Dtype, D: Storage<E>> {
    /// First layer, before ReLU.
    pub hidden: Linear<IN, HIDDEN, E, D>,
    /// Head for the mean.
    pub mean: Linear<HIDDEN, LATENT, E, D>,
    /// Head for the logarithm of the variance.
    pub log_var: Linear<HIDDEN, LATENT, E, D>,
}
collection!(Encoder<IN, HIDDEN, LATENT> { hidden, mean, log_var });

/// `LATENT -> HIDDEN -> IN`, the parameters of p(x|z).
#[derive(Debug, Clone)]
pub struct Decoder<const IN: usize, const HIDDEN: usize, const LATENT: usize, E: dfdx::shapes::Dtype, D: Storage<E>> {
    /// First layer, before ReLU.
    pub hidden: Linear<LATENT, HIDDEN, E, D>,
    /// Last layer: means, or logits.
    pub output: Linear<HIDDEN, IN, E, D>,
    /// Logarithm of each column's variance, learnt with [`Likelihood::GaussianLearned`] and left alone otherwise.
    pub noise: Tensor<Rank1<IN>, E, D>,
}
collection!(Decoder<IN, HIDDEN, LATENT> { hidden, output; noise });

/// Encoder and decoder.
#[derive(Debug, Clone)]
pub struct Vae<const IN: usize, const HIDDEN: usize, const LATENT: usize, E: dfdx::shapes::Dtype, D: Storage<E>> {
    /// q(z|x).
    pub encoder: Encoder<IN, HIDDEN, LATENT, E, D>,
    /// p(x|z).
    pub decoder: Decoder<IN, HIDDEN, LATENT, E, D>,
}
collection!(Vae<IN, HIDDEN, LATENT> { encoder, decoder });

/// Log variances are held in this range: beyond it exp() would end the training by an overflow.
const LOG_VAR: Activate = Activate(Activation::Clamp(-12.0, 12.0));
/// Lowest log variance of a column: keeps a constant column from promising infinite likelihood.
const NOISE: (f64, f64) = (-8.0, 8.0);

impl<const IN: usize, const HIDDEN: usize, const LATENT: usize, E: Real, D: LabDevice<E>>
    Encoder<IN, HIDDEN, LATENT, E, D>
{
    /// Mean and log variance of q(z|x); the tape goes with the mean, what the log variance adds lies on a tape of its own.
    ///
    /// # Errors
    /// The device's error.
    #[allow(clippy::type_complexity)]
    pub fn forward<T: Tape<E, D>>(
        &self,
        x: Batch<IN, E, D, T>,
    ) -> Result<(Batch<LATENT, E, D, T>, Batch<LATENT, E, D, T>), D::Err> {
        // x is data: its gradient is not needed.
        let hidden = (&self.hidden, Relu).run(x, Want::Weights)?;
        let log_var = (&self.log_var, LOG_VAR).run(hidden.with_empty_tape(), Want::All)?;
        Ok((self.mean.run(hidden, Want::All)?, log_var))
    }
}

impl<const IN: usize, const HIDDEN: usize, const LATENT: usize, E: Real, D: LabDevice<E>>
    Decoder<IN, HIDDEN, LATENT, E, D>
{
    /// The decoder's output for latent vectors: means, or logits.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward<T: Tape<E, D>>(&self, z: Batch<LATENT, E, D, T>) -> Result<Batch<IN, E, D, T>, D::Err> {
        (&self.hidden, Relu, &self.output).run(z, Want::All)
    }

    /// Log variance of each column under a Gaussian likelihood.
    fn log_var<T: Tape<E, D>>(&self, likelihood: Likelihood) -> Result<Tensor<Rank1<IN>, E, D, T>, D::Err> {
        match likelihood {
            Likelihood::Gaussian { sigma } => {
                let fixed = vec![scalar::<E>(2.0 * f64::from(sigma).ln()); IN];
                Ok(self.noise.device().try_tensor_from_vec(fixed, Default::default())?.retaped::<T>())
            }
            _ => self.noise.retaped::<T>().try_clamp(NOISE.0, NOISE.1),
        }
    }
}

impl<const IN: usize, const HIDDEN: usize, const LATENT: usize, E: Real, D: LabDevice<E>>
    Vae<IN, HIDDEN, LATENT, E, D>
{
    /// The two parts of −ELBO on tapes: −log p(x|z) for z = mean + exp(log_var / 2) `noise`, and KL(q(z|x) || N(0, I)); each
    /// summed over columns and averaged over rows.
    ///
    /// # Errors
    /// The device's error.
    #[allow(clippy::type_complexity)]
    pub fn losses(
        &self,
        x: Batch<IN, E, D>,
        noise: Batch<LATENT, E, D>,
        likelihood: Likelihood,
        grads: Gradients<E, D>,
    ) -> Result<(Loss<E, D, OwnedTape<E, D>>, Loss<E, D, OwnedTape<E, D>>), D::Err> {
        let (mean, log_var) = self.encoder.forward(x.clone().traced(grads))?;
        let z = loss::reparameterise(mean.with_empty_tape(), log_var.with_empty_tape(), noise)?;
        let output = self.decoder.forward(z)?;
        let reconstruction = match likelihood {
            Likelihood::Bernoulli => loss::bce_with_logits(output, x)?,
            _ => loss::gaussian_nll(output, x, self.decoder.log_var(likelihood)?)?,
        };
        Ok((reconstruction, loss::gaussian_kl(mean, log_var)?))
    }
}

impl<const IN: usize, const HIDDEN: usize, const LATENT: usize> Vae<IN, HIDDEN, LATENT, f32, Cpu> {
    /// −log p(x|z) and KL of each row at z = mean.
    pub(super) fn score(&self, x: Batch<IN, f32, Cpu>, likelihood: Likelihood) -> crate::Result<(Vec<f32>, Vec<f32>)> {
        let (mean, log_var) = self.encoder.forward(x.clone())?;
        let output = values(&self.decoder.forward(mean.clone())?)?;
        let x = values(&x)?;
        let reconstruction = match likelihood {
            Likelihood::Bernoulli => f32::bce_rows(&output, &x, IN),
            _ => f32::nll_rows(&output, &x, &values(&self.decoder.log_var(likelihood)?)?),
        };
        Ok((reconstruction, f32::kl_rows(&values(&mean)?, &values(&log_var)?, LATENT)))
    }
}
