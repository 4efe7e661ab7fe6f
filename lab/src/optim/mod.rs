//! Optimisers with PyTorch's formulas and defaults, each step one parallel pass over all tensors; schedules; averaged weights.
//!
//! | optimiser | settings | PyTorch |
//! |---|---|---|
//! | [`Adam`] | [`AdamConfig`] | `torch.optim.Adam` |
//! | [`AdamW`] | [`AdamWConfig`] | `torch.optim.AdamW` |
//! | [`Sgd`] | [`SgdConfig`] | `torch.optim.SGD` |
//! | [`RmsProp`] | [`RmsPropConfig`] | `torch.optim.RMSprop` |
//!
//! Gradients are clipped inside the step (`clip_norm`, `clip_value`), the learning rate and weight decay may differ by
//! parameter ([`Group`]), and [`Schedule`] or [`Plateau`] give the learning rate for each step. [`Ema`] averages weights.

mod config;
mod ema;
mod schedule;

use std::collections::BTreeMap;

use dfdx::{nn::tensor_collection::TensorCollection, tensor::Gradients};
use lathe_kernels::{
    optim::{Clip, Slot},
    pool::Buf,
};
use serde::{Deserialize, Serialize};

pub use config::{AdamConfig, AdamWConfig, Common, Method, RmsPropConfig, SgdConfig};
pub use ema::{Ema, Statistics};
pub use schedule::{Plateau, Progress, Schedule};

use crate::{
    nn::Real,
    ops::LabDevice,
    parameters::{self, Flat},
};

/// Adam (Kingma and Ba 2015).
pub type Adam<E = f32> = Optimizer<AdamConfig, E>;
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
pub type AdamW<E = f32> = Optimizer<AdamWConfig, E>;
/// Stochastic gradient descent with momentum (Sutskever et al. 2013).
pub type Sgd<E = f32> = Optimizer<SgdConfig, E>;
/// RMSprop (Hinton's lecture 6; centred: Graves 2013).
pub type RmsProp<E = f32> = Optimizer<RmsPropConfig, E>;

/// An optimiser: its settings `C` say which one.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::optim::{Adam, AdamConfig, Schedule};
/// let mut x: Tensor<Rank1<2>, f32, Cpu> = Cpu::default().tensor([3.0, -2.0]);
/// let mut adam = Adam::new(AdamConfig { learning_rate: 0.1, ..AdamConfig::default() });
/// let schedule = Schedule::WarmupCosine { warmup: 10, steps: 200, floor: 0.0 };
/// let mut grads = x.alloc_grads();
/// for step in 0..200 {
///     adam.config.learning_rate = schedule.rate(0.1, step);
///     grads = x.trace(grads).square().sum::<Rank0, _>().backward();
///     adam.step(&mut x, &mut grads).unwrap();
/// }
/// assert!(x.array().iter().all(|v| v.abs() < 1e-2));
/// ```
///
/// A GAN's slower discriminator, biases without decay, gradients of four batches added up:
///
/// ```
/// use lab::optim::{AdamW, AdamWConfig, Group, Optimizer};
/// let mut adam: AdamW = Optimizer::new(AdamWConfig { exclude_vectors: true, ..AdamWConfig::default() });
/// adam.groups = vec![Group::new("discriminator.*").rate(0.25), Group::new("*embedding*").weight_decay(0.0)];
/// adam.accumulate = 4;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer<C, E: Real = f32> {
    /// Settings; they may be changed between two steps (a schedule changes the learning rate).
    pub config: C,
    /// Exceptions for some parameters: the first group whose pattern matches a name counts.
    pub groups: Vec<Group>,
    /// Each so many calls of [`step`](Self::step) make one step, with the mean of the gradients that they added up. Default 1.
    ///
    /// The gradients in between lie in dfdx's `Gradients`, which is no part of a saved state: save after a whole step.
    pub accumulate: u32,
    gathered: u32,
    steps: u64,
    /// Name of a parameter to its states.
    states: BTreeMap<String, Vec<Buf<E>>>,
}

/// Settings for the parameters whose names match a pattern, in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Such as `encoder.*` or `*.bias`.
    pub pattern: String,
    /// The learning rate is multiplied by this; 0 freezes these parameters.
    pub rate: f64,
    /// Weight decay instead of the optimiser's.
    pub weight_decay: Option<f64>,
}

impl Group {
    /// A group that changes nothing yet.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), rate: 1.0, weight_decay: None }
    }

    /// Multiplies the learning rate.
    #[must_use]
    pub fn rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Weight decay instead of the optimiser's.
    #[must_use]
    pub fn weight_decay(self, decay: f64) -> Self {
        Self { weight_decay: Some(decay), ..self }
    }

    /// Whether a name matches.
    ///
    /// ```
    /// use lab::optim::Group;
    /// assert!(Group::new("*.bias").matches("encoder.hidden.bias"));
    /// assert!(Group::new("encoder.*").matches("encoder.hidden.bias"));
    /// assert!(!Group::new("bias").matches("encoder.hidden.bias"));
    /// ```
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.pattern.split('*');
        let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Why a step was not made. Neither the model nor the optimiser has changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A gradient is NaN or infinite.
    #[error("the gradient of {parameter} holds {value}: lower the learning rate or look at the data's scale")]
    BadGradient {
        /// Name of the parameter.
        parameter: String,
        /// The value.
        value: f64,
    },
    /// A setting that cannot work.
    #[error("optimiser: {field} = {value} cannot work, {remedy}")]
    Config {
        /// Field of the settings.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What would work.
        remedy: &'static str,
    },
    /// The pattern of a group matches no parameter.
    #[error("no parameter matches the group \"{pattern}\"; there are {known}")]
    NoSuchParameter {
        /// The pattern.
        pattern: String,
        /// Names of the parameters.
        known: String,
    },
    /// The tensor library refused.
    #[error("tensor library: {0}")]
    Device(String),
}

fn device(error: impl std::fmt::Display) -> StepError {
    StepError::Device(error.to_string())
}

/// A parameter on its way through a step.
struct Item<E: Real, D: LabDevice<E>> {
    name: String,
    rate: f64,
    decay: f64,
    /// Empty until the step is certain.
    value: Buf<E>,
    gradient: Buf<E>,
    states: Vec<Buf<E>>,
    flat: Option<Flat<E, D>>,
}

impl<C: Method, E: Real> Optimizer<C, E> {
    /// An optimiser that has not seen a gradient yet.
    pub fn new(config: C) -> Self {
        Self { config, groups: Vec::new(), accumulate: 1, gathered: 0, steps: 0, states: BTreeMap::new() }
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves the parameters of `model` against their gradients, sets these to zero, and returns their norm before it was
    /// clipped (after `clip_value`). A parameter that received no gradient has gradient 0.
    ///
    /// With [`accumulate`](Self::accumulate) above 1, calls that only gather return `None`.
    ///
    /// # Errors
    /// See [`StepError`].
    pub fn step<M: TensorCollection<E, D>, D: LabDevice<E>>(
        &mut self,
        model: &mut M,
        grads: &mut Gradients<E, D>,
    ) -> Result<Option<f64>, StepError> {
        self.config.check()?;
        if self.gathered + 1 < self.accumulate {
            self.gathered += 1;
            return Ok(None);
        }
        let common = self.config.common();
        let mut items = self.items(model)?;
        for item in &mut items {
            if let Some(flat) = &item.flat {
                item.gradient = D::take_gradient(grads, flat).map_err(device)?;
            }
        }
        let bound = common.clip_value.unwrap_or(f64::INFINITY) * f64::from(self.accumulate.max(1));
        let gradients: Vec<&[E]> = items.iter().map(|item| &*item.gradient).collect();
        let (sum, finite) = E::squares(&gradients, bound);
        if !finite {
            let error = bad(&items);
            for item in items {
                if let Some(flat) = item.flat {
                    D::put_gradient(grads, &flat, item.gradient).map_err(device)?;
                }
            }
            return Err(error);
        }
        self.gathered = 0;
        self.steps += 1;
        let mean = 1.0 / f64::from(self.accumulate.max(1));
        let norm = sum.sqrt() * mean;
        let scale = match common.clip_norm {
            // The same small number as PyTorch's clip_grad_norm_.
            Some(most) => mean * (most / (norm + 1e-6)).min(1.0),
            None => mean,
        };
        let rule = self.config.rule(self.steps);
        for item in &mut items {
            if let Some(flat) = item.flat.take() {
                item.value = Buf::any(item.gradient.len());
                flat.copy_into(&mut item.value);
            }
            item.states = self.states.remove(&item.name).unwrap_or_default();
            item.states.resize_with(rule.states(), Buf::default);
            for state in &mut item.states {
                if state.len() != item.gradient.len() {
                    *state = Buf::zeros(item.gradient.len());
                }
            }
        }
        let mut slots: Vec<Slot<'_, E>> = items
            .iter_mut()
            .map(|item| Slot {
                value: &mut item.value,
                gradient: &mut item.gradient,
                states: item.states.iter_mut().map(|state| &mut **state).collect(),
                rate: item.rate,
                decay: item.decay,
            })
            .collect();
        E::optimise(&rule, Clip { bound, scale }, &mut slots);
        let mut items = items.into_iter();
        parameters::visit_mut(model, |mut tensor| {
            if !tensor.trained {
                return Ok(());
            }
            let Some(item) = items.next() else { return Ok(()) };
            tensor.write(&item.value);
            D::put_gradient(grads, &tensor.flat()?, item.gradient)?;
            self.states.insert(item.name, item.states);
            Ok(())
        })
        .map_err(|error: D::Err| device(error))?;
        Ok(Some(norm))
    }

    /// The trained parameters with their settings.
    fn items<M: TensorCollection<E, D>, D: LabDevice<E>>(&self, model: &M) -> Result<Vec<Item<E, D>>, StepError> {
        let common = self.config.common();
        let mut items = Vec::new();
        let mut used = vec![false; self.groups.len()];
        parameters::visit(model, |tensor| {
            if !tensor.trained {
                return Ok(());
            }
            let found = self.groups.iter().position(|group| group.matches(tensor.name));
            let group = found.map(|at| &self.groups[at]);
            for (used, group) in used.iter_mut().zip(&self.groups) {
                *used |= group.matches(tensor.name);
            }
            let spared = common.exclude_vectors && tensor.shape.len() < 2;
            let own = group.and_then(|group| group.weight_decay);
            items.push(Item {
                name: tensor.name.to_owned(),
                rate: common.learning_rate * group.map_or(1.0, |group| group.rate),
                decay: own.unwrap_or(if spared { 0.0 } else { common.weight_decay }),
                value: Buf::default(),
                gradient: Buf::default(),
                states: Vec::new(),
                flat: Some(tensor.flat()?),
            });
            Ok(())
        })
        .map_err(|error: D::Err| device(error))?;
        if let Some(at) = used.iter().position(|used| !used) {
            let known = items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(StepError::NoSuchParameter { pattern: self.groups[at].pattern.clone(), known });
        }
        Ok(items)
    }

    /// The state of each parameter under the name that files have for it, `adam.mean.<parameter>`.
    pub(crate) fn saved(&self) -> impl Iterator<Item = (&str, &str, &Buf<E>)> {
        let names = self.config.states();
        self.states.iter().flat_map(move |(parameter, states)| {
            let named = names.clone().into_iter().zip(states);
            named.map(move |(state, values)| (parameter.as_str(), state, values))
        })
    }

    /// Takes over what was saved.
    pub(crate) fn restore(&mut self, steps: u64, states: BTreeMap<String, Vec<Buf<E>>>) {
        (self.steps, self.states, self.gathered) = (steps, states, 0);
    }
}

fn bad<E: Real, D: LabDevice<E>>(items: &[Item<E, D>]) -> StepError {
    for item in items {
        if let Some(value) = item.gradient.iter().find(|g| !num_traits::Float::is_finite(**g)) {
            return StepError::BadGradient { parameter: item.name.clone(), value: lathe_kernels::Real::to_f64(*value) };
        }
    }
    StepError::Device(String::from("a gradient is not finite"))
}
