//! Generative adversarial network (Goodfellow et al. 2014), dense.
//!
//! The generator G turns noise z ~ N(0, I) into pictures, the discriminator D gives each picture a logit (s(logit) is its
//! belief that the picture is real). They are trained in turns, each on its own parameters only:
//!
//! ```text
//! L_D = −E[ln s(D(x))] − E[ln(1 − s(D(G(z))))]      D learns to tell real from generated
//! L_G = −E[ln s(D(G(z)))]                           G learns to be taken for real (the "non-saturating" form)
//! ```
//!
//! In D's step the generated pictures are *detached* (no gradient reaches G); in G's step
//! D is frozen: gradients pass through it, and none is computed for its weights. At the optimum D knows nothing: s = ½.
//!
//! | part | layers | shape |
//! |---|---|---|
//! | G | Linear, LeakyReLU(0.2), Linear, LeakyReLU(0.2), Linear, tanh | `LATENT -> HIDDEN -> HIDDEN -> OUT` |
//! | D | Linear, LeakyReLU(0.2), Linear, LeakyReLU(0.2), Linear | `OUT -> HIDDEN -> HIDDEN -> 1` |
//!
//! Pictures are rows of `OUT` values in **[-1, 1]**, the range of tanh: [`to_signed`] and [`to_unit`] map from and to [0, 1].

mod net;
#[cfg(test)]
mod tests;

use std::path::Path;

use dfdx::{
    nn::ZeroGrads,
    shapes::Const,
    tensor::{Cpu, Gradients, PutTape, SplitTape, TensorFromVec, Trace},
    tensor_ops::{Backward, TryAdd},
};
use lathe_events::{Event, Image, Watcher};
use serde::{Deserialize, Serialize};

pub use net::{Discriminator, Generator};

use super::{CHUNK, check_training, check_values, gather, outside};
use crate::{
    Error, History, Result, Rows,
    checkpoint::{Reader, Writer},
    device::values,
    loss::{Batch, bce_with_logits},
    nn,
    optim::{Adam, AdamConfig},
    rng::{self, Init},
    train::{self, At, Learner, Plan},
};

/// Pixels in [0, 1] to [-1, 1]: 2 x - 1.
///
/// # Errors
/// [`Error::Device`] when memory runs out.
pub fn to_signed<const N: usize>(pictures: &Rows<N>) -> Result<Rows<N>> {
    crate::rows(scaled(values(pictures)?, 2.0, -1.0))
}

/// Pixels in [-1, 1] to [0, 1]: (x + 1) / 2.
///
/// ```
/// use lab::models::gan::{to_signed, to_unit};
/// let pictures = lab::rows::<2>(vec![0.0, 0.25, 0.5, 1.0]).unwrap();
/// assert_eq!(to_unit(&to_signed(&pictures).unwrap()).unwrap().as_vec(), pictures.as_vec());
/// ```
///
/// # Errors
/// [`Error::Device`] when memory runs out.
pub fn to_unit<const N: usize>(pictures: &Rows<N>) -> Result<Rows<N>> {
    crate::rows(scaled(values(pictures)?, 0.5, 0.5))
}

/// a x + b. (No type parameters: compiled here, optimised, and not in a cell.)
fn scaled(mut values: Vec<f32>, a: f32, b: f32) -> Vec<f32> {
    values.iter_mut().for_each(|x| *x = a * *x + b);
    values
}

/// Settings of [`DenseGan`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GanConfig {
    /// Passes over the data that a call of `fit` makes.
    pub epochs: usize,
    /// Pictures of a batch.
    pub batch: usize,
    /// Adam's step size for the generator.
    pub learning_rate: f64,
    /// Adam's step size for the discriminator; larger than the generator's, so that D stays ahead (Heusel et al. 2017).
    pub discriminator_rate: f64,
    /// Adam's decay of the mean; 0.5 calms the two players (Radford et al. 2015).
    pub beta1: f64,
    /// D is told that real pictures are real with this probability instead of 1 (one-sided label smoothing, Salimans et al.
    /// 2016): keeps its logits, and with them G's gradients, in bounds.
    pub real_label: f32,
    /// Pictures that are drawn from fixed noise after each epoch for the watcher; 0 for none.
    pub preview: usize,
    /// Width of a picture in pixels; `None`: pictures are square, or none are shown.
    pub width: Option<usize>,
    /// Keys weights, order and noise: the same seed gives the same model, bit for bit.
    pub seed: u64,
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            epochs: 40,
            batch: 32,
            learning_rate: 5e-4,
            discriminator_rate: 2e-3,
            beta1: 0.5,
            real_label: 0.9,
            preview: 24,
            width: None,
            seed: 1,
        }
    }
}

/// A dense GAN that draws rows of `OUT` values in [-1, 1].
///
/// Pictures of another size do not compile, nor does noise of another width:
///
/// ```compile_fail
/// use lab::{models::gan::{DenseGan, GanConfig}, rows, Silent};
/// let mut gan = DenseGan::<8, 32, 64>::new(GanConfig::default()).unwrap();
/// gan.fit(&rows::<49>(vec![0.0; 490]).unwrap(), &mut Silent); // expected 64 pixels, found 49
/// ```
///
/// ```compile_fail
/// use lab::{models::gan::{DenseGan, GanConfig}, rows};
/// let gan = DenseGan::<8, 32, 64>::new(GanConfig::default()).unwrap();
/// gan.generate(&rows::<9>(vec![0.0; 9]).unwrap()); // expected 8 noise values, found 9
/// ```
///
/// With the sizes right:
///
/// ```
/// use lab::{models::gan::{DenseGan, GanConfig}, rows};
/// let gan = DenseGan::<8, 32, 64>::new(GanConfig::default()).unwrap();
/// let pictures: lab::Rows<64> = gan.generate(&rows::<8>(vec![0.0; 16]).unwrap()).unwrap();
/// assert_eq!(pictures.as_vec().len(), 128);
/// ```
#[derive(Debug, Clone)]
pub struct DenseGan<const LATENT: usize, const HIDDEN: usize, const OUT: usize> {
    config: GanConfig,
    generator: Generator<LATENT, HIDDEN, OUT, f32, Cpu>,
    discriminator: Discriminator<HIDDEN, OUT, f32, Cpu>,
    adam_g: Adam,
    adam_d: Adam,
    done: usize,
}

#[derive(Serialize, Deserialize)]
struct State {
    config: GanConfig,
    done: usize,
}

impl<const LATENT: usize, const HIDDEN: usize, const OUT: usize> DenseGan<LATENT, HIDDEN, OUT> {
    /// A pair with freshly drawn weights.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(config: GanConfig) -> Result<Self> {
        let rates = [("learning_rate", config.learning_rate), ("discriminator_rate", config.discriminator_rate)];
        check_training(config.batch, &rates)?;
        if !(0.5..=1.0).contains(&config.real_label) {
            return Err(Error::Config {
                field: "real_label",
                value: config.real_label.to_string(),
                remedy: "it must be in [0.5, 1]",
            });
        }
        if !(0.0..1.0).contains(&config.beta1) {
            return Err(Error::Config {
                field: "beta1",
                value: config.beta1.to_string(),
                remedy: "it must be in [0, 1)",
            });
        }
        if let Some(width) = config.width
            && (width == 0 || !OUT.is_multiple_of(width))
        {
            return Err(Error::Config {
                field: "width",
                value: width.to_string(),
                remedy: "it must divide the number of pixels",
            });
        }
        let device = Cpu::default();
        let adam =
            |learning_rate| Adam::new(AdamConfig { learning_rate, beta1: config.beta1, ..AdamConfig::default() });
        Ok(Self {
            config,
            generator: nn::build(&device, config.seed, Init::Normal { std: 0.02 })?,
            discriminator: nn::build(&device, config.seed.wrapping_add(1), Init::Normal { std: 0.02 })?,
            adam_g: adam(config.learning_rate),
            adam_d: adam(config.discriminator_rate),
            done: 0,
        })
    }

    /// The settings.
    pub fn config(&self) -> &GanConfig {
        &self.config
    }

    /// Epochs trained so far, over all calls of [`fit`](Self::fit).
    pub fn epochs_done(&self) -> usize {
        self.done
    }

    /// The generator itself, for experiments of one's own with dfdx.
    pub fn generator(&self) -> &Generator<LATENT, HIDDEN, OUT, f32, Cpu> {
        &self.generator
    }

    /// The discriminator itself.
    pub fn discriminator(&self) -> &Discriminator<HIDDEN, OUT, f32, Cpu> {
        &self.discriminator
    }

    /// Trains for `config.epochs` more epochs on pictures in [-1, 1] (see [`to_signed`]).
    ///
    /// Series: "d_loss", "g_loss" and the shares of pictures that D takes for what they are, "d_real_accuracy" and
    /// "d_fake_accuracy" (thresholded at logit 0). After each epoch the watcher gets `Images` ("samples", in [0, 1]) from noise that
    /// stays the same, so that the grid shows one set of pictures taking shape.
    ///
    /// # Errors
    /// [`Error::Interrupted`] at a stop between two batches, [`Error::Diverged`], and errors about the data; the model stays usable.
    pub fn fit(&mut self, train: &Rows<OUT>, watcher: &mut dyn Watcher) -> Result<History> {
        let data = values(train)?;
        check_values("training pictures", &data, OUT)?;
        if let Some(at) = outside(&data, -1.0 - 1e-5, 1.0 + 1e-5) {
            let remedy = "the generator ends in tanh; map pixels in [0, 1] with gan::to_signed";
            return Err(Error::OutOfRange {
                what: "training pictures",
                row: at / OUT,
                value: data[at],
                low: -1.0,
                high: 1.0,
                remedy,
            });
        }
        let rows = data.len() / OUT;
        let plan = Plan {
            task: "training the GAN",
            rows,
            batch: self.config.batch,
            epochs: self.config.epochs,
            done: self.done,
            seed: self.config.seed,
        };
        let noise = rng::normal(&mut rng::keyed(self.config.seed, "gan.preview", 0), self.config.preview * LATENT);
        let (grads_d, grads_g) = (Some(self.discriminator.try_alloc_grads()?), Some(self.generator.try_alloc_grads()?));
        train::run(plan, &mut Fit { model: self, data: &data, preview: noise, grads_d, grads_g }, watcher)
    }

    /// The pictures that the generator draws for these noise vectors, in [-1, 1].
    ///
    /// # Errors
    /// Errors about the data.
    pub fn generate(&self, z: &Rows<LATENT>) -> Result<Rows<OUT>> {
        let z = values(z)?;
        check_values("noise", &z, LATENT)?;
        let mut out = Vec::with_capacity(z.len() / LATENT * OUT);
        for z in z.chunks(CHUNK * LATENT) {
            out.extend(values(&self.generator.forward(crate::rows::<LATENT>(z.to_vec())?)?)?);
        }
        crate::rows(out)
    }

    /// `n` new pictures in [-1, 1]. The same seed gives the same pictures.
    ///
    /// # Errors
    /// [`Error::Empty`] for `n = 0`.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Rows<OUT>> {
        self.generate(&crate::rows(rng::normal(&mut rng::keyed(seed, "gan.sample", 0), n * LATENT))?)
    }

    /// D's logit for each picture in [-1, 1]: above 0 it takes it for real.
    ///
    /// # Errors
    /// Errors about the data.
    pub fn discriminate(&self, pictures: &Rows<OUT>) -> Result<Vec<f32>> {
        let pictures = values(pictures)?;
        check_values("pictures", &pictures, OUT)?;
        let mut out = Vec::with_capacity(pictures.len() / OUT);
        for chunk in pictures.chunks(CHUNK * OUT) {
            out.extend(values(&self.discriminator.forward(crate::rows::<OUT>(chunk.to_vec())?)?)?);
        }
        Ok(out)
    }

    /// Writes weights, optimiser states and settings to one safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is then as it was before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = Writer::default();
        writer.add("generator.", &self.generator, &self.adam_g)?;
        writer.add("discriminator.", &self.discriminator, &self.adam_d)?;
        writer.write(path.as_ref(), "DenseGan", &[LATENT, HIDDEN, OUT], &State { config: self.config, done: self.done })
    }

    /// Reads what [`save`](Self::save) wrote; `fit` then goes on exactly as it would have.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Checkpoint`] for a file of another model, other sizes or a damaged one.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::<State>::open(path.as_ref(), "DenseGan", &[LATENT, HIDDEN, OUT])?;
        let mut model = Self::new(reader.config.config)?;
        model.done = reader.config.done;
        reader.fill("generator.", 0, &mut model.generator, &mut model.adam_g)?;
        reader.fill("discriminator.", 1, &mut model.discriminator, &mut model.adam_d)?;
        Ok(model)
    }

    /// D's step: moves D only, towards `real_label` for `real` and 0 for `fake`, which comes without a tape: detached.
    fn step_d(
        &mut self,
        real: Rows<OUT>,
        fake: Rows<OUT>,
        grads: &mut Option<Gradients<f32, Cpu>>,
        at: At,
    ) -> Result<[f64; 3]> {
        let d = &self.discriminator;
        let own = match grads.take() {
            Some(grads) => grads,
            None => d.try_alloc_grads()?,
        };
        let on_real = d.forward_learning(real.traced(own))?;
        let on_fake = d.forward_learning(fake.leaky_traced())?;
        let (logits_real, logits_fake) = (on_real.as_vec(), on_fake.as_vec());
        let loss = bce_with_logits(on_real, labels(logits_real.len(), self.config.real_label)?)?
            .try_add(bce_with_logits(on_fake, labels(logits_fake.len(), 0.0)?)?)?;
        let value = at.finite("the discriminator's loss", loss.as_vec()[0])?;
        let mut own = loss.try_backward()?;
        self.adam_d.step(&mut self.discriminator, &mut own).map_err(|error| at.error(error))?;
        *grads = Some(own);
        Ok([value, share(&logits_real, |logit| logit > 0.0), share(&logits_fake, |logit| logit < 0.0)])
    }

    /// G's step: moves G only, so that D takes `fake`, which carries G's tape, for real.
    fn step_g(
        &mut self,
        fake: Batch<OUT, f32, Cpu, Taped>,
        grads: &mut Option<Gradients<f32, Cpu>>,
        at: At,
    ) -> Result<f64> {
        let logits = self.discriminator.forward_frozen(fake)?;
        let n = logits.as_vec().len();
        let loss = bce_with_logits(logits, labels(n, 1.0)?)?;
        let value = at.finite("the generator's loss", loss.as_vec()[0])?;
        let mut own = loss.try_backward()?;
        self.adam_g.step(&mut self.generator, &mut own).map_err(|error| at.error(error))?;
        *grads = Some(own);
        Ok(value)
    }
}

type Taped = dfdx::tensor::OwnedTape<f32, Cpu>;

fn labels(n: usize, label: f32) -> Result<Rows<1>> {
    crate::rows(vec![label; n])
}

fn share(logits: &[f32], right: impl Fn(f32) -> bool) -> f64 {
    logits.iter().filter(|logit| right(**logit)).count() as f64 / logits.len().max(1) as f64
}

struct Fit<'a, const LATENT: usize, const HIDDEN: usize, const OUT: usize> {
    model: &'a mut DenseGan<LATENT, HIDDEN, OUT>,
    data: &'a [f32],
    /// Noise of the pictures shown after each epoch.
    preview: Vec<f32>,
    grads_d: Option<Gradients<f32, Cpu>>,
    grads_g: Option<Gradients<f32, Cpu>>,
}

impl<const LATENT: usize, const HIDDEN: usize, const OUT: usize> Learner<4> for Fit<'_, LATENT, HIDDEN, OUT> {
    const SERIES: [&'static str; 4] = ["d_loss", "g_loss", "d_real_accuracy", "d_fake_accuracy"];

    fn step(&mut self, rows: &[usize], at: At) -> Result<[f64; 4]> {
        let model = &mut *self.model;
        let device = Cpu::default();
        let real = device.try_tensor_from_vec(gather(self.data, OUT, rows), (rows.len(), Const::<OUT>))?;
        let z = rng::normal(&mut rng::keyed(model.config.seed, "gan.noise", at.step), rows.len() * LATENT);
        let z = device.try_tensor_from_vec(z, (rows.len(), Const::<LATENT>))?;
        let own = match self.grads_g.take() {
            Some(grads) => grads,
            None => model.generator.try_alloc_grads()?,
        };
        // One drawing serves both steps: without its tape for D, with it for G.
        let (fake, tape) = model.generator.forward(z.traced(own))?.split_tape();
        let [d_loss, on_real, on_fake] = model.step_d(real, fake.clone(), &mut self.grads_d, at)?;
        let g_loss = model.step_g(fake.put_tape(tape), &mut self.grads_g, at)?;
        Ok([d_loss, g_loss, on_real, on_fake])
    }

    fn epoch_end(&mut self, epoch: usize, watcher: &mut dyn Watcher) -> Result<()> {
        self.model.done = epoch;
        let side = OUT.isqrt();
        let width = self.model.config.width.or((side * side == OUT).then_some(side));
        if let (Some(width), false) = (width, self.preview.is_empty()) {
            let pictures = values(&to_unit(&self.model.generate(&crate::rows(self.preview.clone())?)?)?)?;
            let images: Vec<_> =
                pictures.chunks(OUT).map(|pixels| Image { width, height: OUT / width, channels: 1, pixels }).collect();
            watcher.on(&Event::Images { name: "samples", images: &images });
        }
        Ok(())
    }
}
