//! Variational autoencoder (Kingma and Welling, "Auto-Encoding Variational Bayes", 2014), dense.
//!
//! The encoder gives for each row x a Gaussian over the latent z, q(z|x) = N(mean(x), exp(log_var(x))); the decoder gives a
//! distribution over x for each z. Both are trained to *minimise* the negative evidence lower bound
//!
//! ```text
//! −ELBO(x) = −E_q[log p(x|z)] + β KL(q(z|x) || N(0, I))
//! ```
//!
//! with z = mean + exp(log_var / 2) ε, ε ~ N(0, I) ("reparameterisation": the noise is an input, so gradients pass).
//! β = 1 is the VAE, another β the beta-VAE. What the model has not seen, it describes badly: −ELBO is an anomaly score.
//!
//! | part | layers | shape |
//! |---|---|---|
//! | encoder | Linear, ReLU, two Linear | `IN -> HIDDEN -> (LATENT, LATENT)` |
//! | decoder | Linear, ReLU, Linear | `LATENT -> HIDDEN -> IN` |

mod net;
#[cfg(test)]
mod tests;

use std::path::Path;

use dfdx::{
    nn::ZeroGrads,
    shapes::Const,
    tensor::{Cpu, Gradients, TensorFromVec},
    tensor_ops::{Backward, TryAdd, TryMul},
};
use lathe_events::Watcher;
use lathe_kernels::{Kernels, dense::Activation};
use serde::{Deserialize, Serialize};

pub use net::{Decoder, Encoder, Vae};

use super::{CHUNK, check_training, check_values, gather, outside};
use crate::{
    Error, History, Result, Rows,
    checkpoint::{Reader, Writer},
    device::values,
    nn,
    optim::{Adam, AdamConfig},
    rng::{self, Init},
    train::{self, At, Learner, Plan},
};

/// What the decoder's output means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Real values: p(x|z) = N(output, sigma²) with a fixed sigma; the squared error weighted by 1 / (2 sigma²).
    Gaussian {
        /// Standard deviation of the noise that the decoder does not explain, in the data's unit.
        sigma: f32,
    },
    /// Real values: p(x|z) = N(output, sigma²) with one sigma for each column, learnt with the rest. A column that is noisy
    /// anyway then counts less in the score than one that is usually predictable.
    GaussianLearned,
    /// Values in `[0, 1]` (black to white): the output is a logit, p(x|z) = Bernoulli(s(output)), trained by binary
    /// cross-entropy with logits.
    Bernoulli,
}

/// Settings of [`DenseVae`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// What the decoder's output means.
    pub likelihood: Likelihood,
    /// Weight of the KL term: 1 is the true bound, less reconstructs better, more orders the latent space better.
    pub beta: f32,
    /// Passes over the data that a call of `fit` makes.
    pub epochs: usize,
    /// Rows of a batch.
    pub batch: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Gradients are scaled down to this global norm; `None`: never.
    pub clip_norm: Option<f64>,
    /// Keys weights, order and noise: the same seed gives the same model, bit for bit.
    pub seed: u64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            likelihood: Likelihood::GaussianLearned,
            beta: 1.0,
            epochs: 20,
            batch: 128,
            learning_rate: 1e-3,
            clip_norm: Some(100.0),
            seed: 1,
        }
    }
}

/// A dense VAE on rows of `IN` values: `IN-HIDDEN-LATENT-HIDDEN-IN`.
///
/// Give it standardised columns (mean 0, standard deviation 1 on the training rows), or pictures in `[0, 1]` with
/// [`Likelihood::Bernoulli`].
///
/// Rows of another width do not compile:
///
/// ```compile_fail
/// use lab::{models::vae::{DenseVae, VaeConfig}, rows, Silent};
/// let mut vae = DenseVae::<16, 32, 4>::new(VaeConfig::default()).unwrap();
/// let train = rows::<15>(vec![0.0; 150]).unwrap();
/// vae.fit(&train, &mut Silent); // expected 16 columns, found 15
/// ```
///
/// nor does a latent vector of another width:
///
/// ```compile_fail
/// use lab::{models::vae::{DenseVae, VaeConfig}, rows};
/// let vae = DenseVae::<16, 32, 4>::new(VaeConfig::default()).unwrap();
/// vae.decode(&rows::<3>(vec![0.0; 3]).unwrap()); // expected 4 latent values, found 3
/// ```
///
/// nor a decoder behind an encoder with another latent space:
///
/// ```compile_fail
/// use lab::{models::vae::{DenseVae, VaeConfig}, rows};
/// let small = DenseVae::<16, 32, 2>::new(VaeConfig::default()).unwrap();
/// let large = DenseVae::<16, 32, 4>::new(VaeConfig::default()).unwrap();
/// large.decode(&small.encode(&rows::<16>(vec![0.0; 16]).unwrap()).unwrap().mean);
/// ```
///
/// With the sizes right:
///
/// ```
/// use lab::{models::vae::{DenseVae, VaeConfig}, rows};
/// let vae = DenseVae::<16, 32, 4>::new(VaeConfig::default()).unwrap();
/// let latent = vae.encode(&rows::<16>(vec![0.0; 32]).unwrap()).unwrap();
/// let back: lab::Rows<16> = vae.decode(&latent.mean).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct DenseVae<const IN: usize, const HIDDEN: usize, const LATENT: usize> {
    config: VaeConfig,
    net: Vae<IN, HIDDEN, LATENT, f32, Cpu>,
    adam: Adam,
    done: usize,
}

/// Where the encoder puts each row: q(z|x) = N(mean, exp(log_var)).
#[derive(Debug, Clone)]
pub struct Latent<const LATENT: usize> {
    /// Means.
    pub mean: Rows<LATENT>,
    /// Logarithms of the variances.
    pub log_var: Rows<LATENT>,
}

/// The parts of −ELBO for each row, at z = mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// −log p(x|z), in nats.
    pub reconstruction: Vec<f32>,
    /// KL(q(z|x) || N(0, I)), in nats.
    pub kl: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct State {
    config: VaeConfig,
    done: usize,
}

impl<const IN: usize, const HIDDEN: usize, const LATENT: usize> DenseVae<IN, HIDDEN, LATENT> {
    /// A model with freshly drawn weights.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(config: VaeConfig) -> Result<Self> {
        check_training(config.batch, &[("learning_rate", config.learning_rate)])?;
        if !(config.beta.is_finite() && config.beta >= 0.0) {
            return Err(Error::Config {
                field: "beta",
                value: config.beta.to_string(),
                remedy: "it must be 0 or more; 1 is the VAE",
            });
        }
        if let Likelihood::Gaussian { sigma } = config.likelihood
            && !(sigma.is_finite() && sigma > 0.0)
        {
            return Err(Error::Config { field: "sigma", value: sigma.to_string(), remedy: "it must be positive" });
        }
        let net = nn::build(&Cpu::default(), config.seed, Init::Kaiming)?;
        let adam =
            AdamConfig { learning_rate: config.learning_rate, clip_norm: config.clip_norm, ..AdamConfig::default() };
        Ok(Self { config, net, adam: Adam::new(adam), done: 0 })
    }

    /// The settings.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Epochs trained so far, over all calls of [`fit`](Self::fit).
    pub fn epochs_done(&self) -> usize {
        self.done
    }

    /// The network itself, for experiments of one's own with dfdx.
    pub fn network(&self) -> &Vae<IN, HIDDEN, LATENT, f32, Cpu> {
        &self.net
    }

    /// Trains for `config.epochs` more epochs; a second call goes on where the first ended.
    ///
    /// Series: "loss" (−ELBO, with beta), "reconstruction", "kl", all in nats per row.
    ///
    /// # Errors
    /// [`Error::Interrupted`] at a stop between two batches, [`Error::Diverged`], and errors about the data; the model stays usable.
    pub fn fit(&mut self, train: &Rows<IN>, watcher: &mut dyn Watcher) -> Result<History> {
        let data = self.checked("training data", train)?;
        let plan = Plan {
            task: "training the VAE",
            rows: data.len() / IN,
            batch: self.config.batch,
            epochs: self.config.epochs,
            done: self.done,
            seed: self.config.seed,
        };
        let grads = Some(self.net.try_alloc_grads()?);
        train::run(plan, &mut Fit { model: self, data: &data, grads }, watcher)
    }

    /// Where the encoder puts each row.
    ///
    /// # Errors
    /// Errors about the data.
    pub fn encode(&self, x: &Rows<IN>) -> Result<Latent<LATENT>> {
        let (mut means, mut log_vars) = (Vec::new(), Vec::new());
        for chunk in self.chunks("rows to encode", x)? {
            let (mean, log_var) = self.net.encoder.forward(chunk?)?;
            means.extend(values(&mean)?);
            log_vars.extend(values(&log_var)?);
        }
        Ok(Latent { mean: crate::rows(means)?, log_var: crate::rows(log_vars)? })
    }

    /// What the decoder makes of latent vectors: the mean of p(x|z) (with [`Likelihood::Bernoulli`] the probabilities).
    ///
    /// # Errors
    /// Errors about the data.
    pub fn decode(&self, z: &Rows<LATENT>) -> Result<Rows<IN>> {
        let z = values(z)?;
        check_values("latent vectors", &z, LATENT)?;
        let mut out = Vec::with_capacity(z.len() / LATENT * IN);
        for z in z.chunks(CHUNK * LATENT) {
            out.extend(values(&self.net.decoder.forward(crate::rows::<LATENT>(z.to_vec())?)?)?);
        }
        if self.config.likelihood == Likelihood::Bernoulli {
            f32::dense_forward(&mut out, &[0.0], Activation::Sigmoid);
        }
        crate::rows(out)
    }

    /// Each row as the model would say it: decoded from the mean of its latent.
    ///
    /// # Errors
    /// Errors about the data.
    pub fn reconstruct(&self, x: &Rows<IN>) -> Result<Rows<IN>> {
        self.decode(&self.encode(x)?.mean)
    }

    /// `n` new rows: z ~ N(0, I), decoded. The same seed gives the same rows.
    ///
    /// # Errors
    /// [`Error::Empty`] for `n = 0`.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Rows<IN>> {
        self.decode(&crate::rows(rng::normal(&mut rng::keyed(seed, "vae.sample", 0), n * LATENT))?)
    }

    /// −ELBO of each row (with beta = 1) at z = mean: large means unlike the training data. Deterministic; in nats.
    ///
    /// # Errors
    /// Errors about the data.
    pub fn score(&self, x: &Rows<IN>) -> Result<Vec<f32>> {
        let parts = self.scores(x)?;
        Ok(parts.reconstruction.iter().zip(&parts.kl).map(|(a, b)| a + b).collect())
    }

    /// The two parts of [`score`](Self::score).
    ///
    /// # Errors
    /// Errors about the data.
    pub fn scores(&self, x: &Rows<IN>) -> Result<Scores> {
        let mut scores = Scores { reconstruction: Vec::new(), kl: Vec::new() };
        for chunk in self.chunks("rows to score", x)? {
            let (reconstruction, kl) = self.net.score(chunk?, self.config.likelihood)?;
            scores.reconstruction.extend(reconstruction);
            scores.kl.extend(kl);
        }
        Ok(scores)
    }

    /// Mean squared error between each row and its reconstruction, the plain autoencoder's score, in the data's unit squared.
    ///
    /// # Errors
    /// Errors about the data.
    pub fn reconstruction_error(&self, x: &Rows<IN>) -> Result<Vec<f32>> {
        let back = self.reconstruct(x)?;
        let mut errors = f32::squared_rows(&values(x)?, &values(&back)?, IN);
        errors.iter_mut().for_each(|sum| *sum /= IN as f32);
        Ok(errors)
    }

    /// Writes weights, optimiser state and settings to one safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is then as it was before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = Writer::default();
        writer.add("", &self.net, &self.adam)?;
        writer.write(path.as_ref(), "DenseVae", &[IN, HIDDEN, LATENT], &State { config: self.config, done: self.done })
    }

    /// Reads what [`save`](Self::save) wrote; `fit` then goes on exactly as it would have.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Checkpoint`] for a file of another model, other sizes or a damaged one.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::<State>::open(path.as_ref(), "DenseVae", &[IN, HIDDEN, LATENT])?;
        let mut model = Self::new(reader.config.config)?;
        model.done = reader.config.done;
        reader.fill("", 0, &mut model.net, &mut model.adam)?;
        Ok(model)
    }

    fn checked(&self, what: &'static str, x: &Rows<IN>) -> Result<Vec<f32>> {
        let data = values(x)?;
        check_values(what, &data, IN)?;
        if self.config.likelihood == Likelihood::Bernoulli
            && let Some(at) = outside(&data, 0.0, 1.0)
        {
            let remedy = "the Bernoulli likelihood takes probabilities; scale the data or use a Gaussian likelihood";
            return Err(Error::OutOfRange { what, row: at / IN, value: data[at], low: 0.0, high: 1.0, remedy });
        }
        Ok(data)
    }

    fn chunks(
        &self,
        what: &'static str,
        x: &Rows<IN>,
    ) -> Result<impl Iterator<Item = Result<Rows<IN>>> + use<IN, HIDDEN, LATENT>> {
        let data = self.checked(what, x)?;
        let n = data.len().div_ceil(CHUNK * IN);
        Ok((0..n).map(move |i| crate::rows(data[i * CHUNK * IN..((i + 1) * CHUNK * IN).min(data.len())].to_vec())))
    }
}

struct Fit<'a, const IN: usize, const HIDDEN: usize, const LATENT: usize> {
    model: &'a mut DenseVae<IN, HIDDEN, LATENT>,
    data: &'a [f32],
    grads: Option<Gradients<f32, Cpu>>,
}

impl<const IN: usize, const HIDDEN: usize, const LATENT: usize> Learner<3> for Fit<'_, IN, HIDDEN, LATENT> {
    const SERIES: [&'static str; 3] = ["loss", "reconstruction", "kl"];

    fn step(&mut self, rows: &[usize], at: At) -> Result<[f64; 3]> {
        let DenseVae { config, net, adam, .. } = &mut *self.model;
        let device = Cpu::default();
        let x = device.try_tensor_from_vec(gather(self.data, IN, rows), (rows.len(), Const::<IN>))?;
        let noise = rng::normal(&mut rng::keyed(config.seed, "vae.noise", at.step), rows.len() * LATENT);
        let noise = device.try_tensor_from_vec(noise, (rows.len(), Const::<LATENT>))?;
        let grads = match self.grads.take() {
            Some(grads) => grads,
            None => net.try_alloc_grads()?,
        };
        let (reconstruction, kl) = net.losses(x, noise, config.likelihood, grads)?;
        let parts = [
            at.finite("the reconstruction loss", reconstruction.as_vec()[0])?,
            at.finite("the KL term", kl.as_vec()[0])?,
        ];
        let mut grads = reconstruction.try_add(kl.try_mul(config.beta)?)?.try_backward()?;
        adam.step(net, &mut grads).map_err(|error| at.error(error))?;
        self.grads = Some(grads);
        Ok([parts[0] + f64::from(config.beta) * parts[1], parts[0], parts[1]])
    }

    fn epoch_end(&mut self, epoch: usize, _: &mut dyn Watcher) -> Result<()> {
        self.model.done = epoch;
        Ok(())
    }
}
