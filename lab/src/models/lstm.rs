//! LSTM regressor (Hochreiter and Schmidhuber 1997; forget gate by Gers et al. 2000): a window of sensor values in, one
//! number out, for example the remaining life.
//!
//! | part | layers | shape |
//! |---|---|---|
//! | memory | [`Lstm`], [`LastStep`] | `(WINDOW, FEATURES) -> HIDDEN` |
//! | head | Linear | `HIDDEN -> 1` |
//!
//! The loss is the mean squared error of the *scaled* target min(y, cap) / cap: early in a machine's life the sensors do not
//! know how long it will run, so life beyond the cap is not asked for (Heimes 2008).

#[cfg(test)]
mod tests;

use std::path::Path;

use dfdx::{
    nn::ZeroGrads,
    shapes::{Const, Dtype},
    tensor::{Cpu, Gradients, Storage, Tape, Tensor, TensorFromVec, Trace},
    tensor_ops::Backward,
};
use lathe_events::Watcher;
use serde::{Deserialize, Serialize};

use super::{CHUNK, check_training, check_values, gather};
use crate::{
    Column, Error, History, Result, Windows,
    checkpoint::{Reader, Writer},
    device::values,
    loss::{self, Batch},
    nn::{self, Forward, LastStep, Linear, Lstm, Real, collection},
    ops::{LabDevice, Want},
    optim::{Adam, AdamConfig},
    rng::Init,
    train::{self, At, Learner, Plan},
};

/// Settings of [`LstmRegressor`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LstmConfig {
    /// Targets above it count as it, and predictions are in `[.., cap]` by habit; `None`: the largest target of the first `fit`.
    pub cap: Option<f32>,
    /// Passes over the data that a call of `fit` makes.
    pub epochs: usize,
    /// Windows of a batch.
    pub batch: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Gradients are scaled down to this global norm (long sequences let them explode); `None`: never.
    pub clip_norm: Option<f64>,
    /// Keys weights and order: the same seed gives the same model, bit for bit.
    pub seed: u64,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self { cap: None, epochs: 20, batch: 64, learning_rate: 3e-3, clip_norm: Some(1.0), seed: 1 }
    }
}

/// The network: an LSTM layer and a linear head on its last hidden state.
#[derive(Debug, Clone)]
pub struct Regressor<const FEATURES: usize, const HIDDEN: usize, E: Dtype, D: Storage<E>> {
    /// Reads the window.
    pub memory: Lstm<FEATURES, HIDDEN, E, D>,
    /// Answers.
    pub head: Linear<HIDDEN, 1, E, D>,
}
collection!(Regressor<FEATURES, HIDDEN> { memory, head });

impl<const FEATURES: usize, const HIDDEN: usize, E: Real, D: LabDevice<E>> Regressor<FEATURES, HIDDEN, E, D> {
    /// The scaled prediction for each window.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward<const W: usize, T: Tape<E, D>>(
        &self,
        x: Tensor<(usize, Const<W>, Const<FEATURES>), E, D, T>,
    ) -> Result<Batch<1, E, D, T>, D::Err> {
        (&self.memory, LastStep, &self.head).run(x, Want::Weights)
    }
}

/// An LSTM on windows of `WINDOW` steps with `FEATURES` values each; `HIDDEN` is the width of its memory.
///
/// Give it standardised features (mean 0, standard deviation 1 on the training windows); targets and predictions are in the
/// unit of the targets.
///
/// ```
/// use lab::{models::lstm::{LstmConfig, LstmRegressor}, column, windows, Silent};
/// # fn main() -> lab::Result<()> {
/// // Remaining life 0..19 is written into the slope of a window of four steps.
/// let life: Vec<f32> = (0..20).map(|i| i as f32).collect();
/// let x = windows::<4, 1>(life.iter().flat_map(|y| (0..4).map(move |t| t as f32 * (y - 9.5) / 20.0)).collect())?;
/// let config = LstmConfig { epochs: 150, batch: 20, learning_rate: 1e-2, ..LstmConfig::default() };
/// let mut model = LstmRegressor::<4, 1, 8>::new(config)?;
/// model.fit(&x, &column(life.clone())?, &mut Silent)?;
/// assert!(lab::metrics::rmse(&model.predict(&x)?, &life)? < 2.0); // the mean predictor has 5.8
/// # Ok(())
/// # }
/// ```
///
/// Windows with another number of features, or of another length, do not compile:
///
/// ```compile_fail
/// use lab::{models::lstm::{LstmConfig, LstmRegressor}, windows};
/// let model = LstmRegressor::<4, 2, 8>::new(LstmConfig::default()).unwrap();
/// model.predict(&windows::<4, 3>(vec![0.0; 12]).unwrap()); // expected 2 features, found 3
/// ```
///
/// ```compile_fail
/// use lab::{models::lstm::{LstmConfig, LstmRegressor}, windows};
/// let model = LstmRegressor::<4, 2, 8>::new(LstmConfig::default()).unwrap();
/// model.predict(&windows::<5, 2>(vec![0.0; 10]).unwrap()); // expected 4 steps, found 5
/// ```
#[derive(Debug, Clone)]
pub struct LstmRegressor<const WINDOW: usize, const FEATURES: usize, const HIDDEN: usize> {
    config: LstmConfig,
    net: Regressor<FEATURES, HIDDEN, f32, Cpu>,
    adam: Adam,
    done: usize,
    /// What a scaled target of 1 stands for; set by the first fit.
    cap: Option<f32>,
}

#[derive(Serialize, Deserialize)]
struct State {
    config: LstmConfig,
    done: usize,
    cap: Option<f32>,
}

impl<const WINDOW: usize, const FEATURES: usize, const HIDDEN: usize> LstmRegressor<WINDOW, FEATURES, HIDDEN> {
    /// A model with freshly drawn weights.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(config: LstmConfig) -> Result<Self> {
        check_training(config.batch, &[("learning_rate", config.learning_rate)])?;
        if let Some(cap) = config.cap
            && !(cap.is_finite() && cap > 0.0)
        {
            return Err(Error::Config {
                field: "cap",
                value: cap.to_string(),
                remedy: "it must be positive, in the targets' unit",
            });
        }
        let net = nn::build(&Cpu::default(), config.seed, Init::Xavier)?;
        let adam =
            AdamConfig { learning_rate: config.learning_rate, clip_norm: config.clip_norm, ..AdamConfig::default() };
        Ok(Self { config, net, adam: Adam::new(adam), done: 0, cap: config.cap })
    }

    /// The settings.
    pub fn config(&self) -> &LstmConfig {
        &self.config
    }

    /// Epochs trained so far, over all calls of [`fit`](Self::fit).
    pub fn epochs_done(&self) -> usize {
        self.done
    }

    /// The network itself, for experiments of one's own with dfdx.
    pub fn network(&self) -> &Regressor<FEATURES, HIDDEN, f32, Cpu> {
        &self.net
    }

    /// Trains for `config.epochs` more epochs on windows and their targets (0 or more, for example hours of remaining life).
    ///
    /// Series: "loss" (mean squared error of the scaled target), "rmse" (its root, in the targets' unit).
    ///
    /// # Errors
    /// [`Error::Interrupted`] at a stop between two batches, [`Error::Diverged`], and errors about the data; the model stays usable.
    pub fn fit(&mut self, x: &Windows<WINDOW, FEATURES>, y: &Column, watcher: &mut dyn Watcher) -> Result<History> {
        let (x, y) = (values(x)?, values(y)?);
        check_values("windows", &x, WINDOW * FEATURES)?;
        check_values("targets", &y, 1)?;
        let rows = x.len() / (WINDOW * FEATURES);
        if rows != y.len() {
            return Err(Error::Length { what: format!("targets for {rows} windows"), got: y.len(), expected: rows });
        }
        let cap = self.cap.unwrap_or_else(|| y.iter().copied().fold(0.0, f32::max));
        if cap <= 0.0 {
            return Err(Error::Config {
                field: "cap",
                value: cap.to_string(),
                remedy: "no target is positive; set the cap yourself",
            });
        }
        self.cap = Some(cap);
        let y: Vec<f32> = y.iter().map(|y| y.min(cap) / cap).collect();
        let plan = Plan {
            task: "training the LSTM",
            rows,
            batch: self.config.batch,
            epochs: self.config.epochs,
            done: self.done,
            seed: self.config.seed,
        };
        if self.done == 0 && self.adam.steps() == 0 {
            // Start at the mean: the first epochs are then spent on what differs from it.
            let mean = y.iter().sum::<f32>() / y.len() as f32;
            self.net.head.bias.copy_from(&[mean]);
        }
        let grads = Some(self.net.try_alloc_grads()?);
        let mut history = train::run(plan, &mut Fit { model: self, x: &x, y: &y, grads }, watcher)?;
        for loss in history.series("loss").to_vec() {
            history.push("rmse", loss.sqrt() * f64::from(cap));
        }
        Ok(history)
    }

    /// The prediction for each window, in the targets' unit, held between 0 and the cap.
    ///
    /// # Errors
    /// Errors about the data.
    pub fn predict(&self, x: &Windows<WINDOW, FEATURES>) -> Result<Vec<f32>> {
        let x = values(x)?;
        check_values("windows", &x, WINDOW * FEATURES)?;
        let cap = self.cap.unwrap_or(1.0);
        let mut out = Vec::with_capacity(x.len() / (WINDOW * FEATURES));
        for chunk in x.chunks(CHUNK * WINDOW * FEATURES) {
            let answer = self.net.forward(crate::windows::<WINDOW, FEATURES>(chunk.to_vec())?)?;
            out.extend(values(&answer)?.iter().map(|y| y.clamp(0.0, 1.0) * cap));
        }
        Ok(out)
    }

    /// Writes weights, optimiser state and settings to one safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is then as it was before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = Writer::default();
        writer.add("", &self.net, &self.adam)?;
        let state = State { config: self.config, done: self.done, cap: self.cap };
        writer.write(path.as_ref(), "LstmRegressor", &[WINDOW, FEATURES, HIDDEN], &state)
    }

    /// Reads what [`save`](Self::save) wrote; `fit` then goes on exactly as it would have.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Checkpoint`] for a file of another model, other sizes or a damaged one.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::<State>::open(path.as_ref(), "LstmRegressor", &[WINDOW, FEATURES, HIDDEN])?;
        let mut model = Self::new(reader.config.config)?;
        (model.done, model.cap) = (reader.config.done, reader.config.cap);
        reader.fill("", 0, &mut model.net, &mut model.adam)?;
        Ok(model)
    }
}

struct Fit<'a, const WINDOW: usize, const FEATURES: usize, const HIDDEN: usize> {
    model: &'a mut LstmRegressor<WINDOW, FEATURES, HIDDEN>,
    x: &'a [f32],
    y: &'a [f32],
    grads: Option<Gradients<f32, Cpu>>,
}

impl<const WINDOW: usize, const FEATURES: usize, const HIDDEN: usize> Learner<1> for Fit<'_, WINDOW, FEATURES, HIDDEN> {
    const SERIES: [&'static str; 1] = ["loss"];

    fn step(&mut self, rows: &[usize], at: At) -> Result<[f64; 1]> {
        let LstmRegressor { net, adam, .. } = &mut *self.model;
        let device = Cpu::default();
        let x = gather(self.x, WINDOW * FEATURES, rows);
        let x = device.try_tensor_from_vec(x, (rows.len(), Const::<WINDOW>, Const::<FEATURES>))?;
        let y = device.try_tensor_from_vec(gather(self.y, 1, rows), (rows.len(), Const::<1>))?;
        let grads = match self.grads.take() {
            Some(grads) => grads,
            None => net.try_alloc_grads()?,
        };
        let loss = loss::mse(net.forward(x.traced(grads))?, y)?;
        let value = at.finite("the loss", loss.as_vec()[0])?;
        let mut grads = loss.try_backward()?;
        adam.step(net, &mut grads).map_err(|error| at.error(error))?;
        self.grads = Some(grads);
        Ok([value])
    }

    fn epoch_end(&mut self, epoch: usize, _: &mut dyn Watcher) -> Result<()> {
        self.model.done = epoch;
        Ok(())
    }
}
