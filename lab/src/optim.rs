//! Optimisers whose state can be saved.

use std::collections::BTreeMap;

use dfdx::{
    nn::tensor_collection::{
        RecursiveWalker, TensorCollection, TensorOptions, TensorVisitor, ViewTensorMut, ViewTensorName,
    },
    shapes::{HasShape, Shape},
    tensor::{Cpu, CpuError, Gradients, Tensor},
};
use lathe_kernels::adam::{Step, clear, sum_of_squares, update};
use serde::{Deserialize, Serialize};

/// Settings of [`Adam`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamConfig {
    /// Size of a step.
    pub learning_rate: f64,
    /// Decay of the mean of gradients; GANs use 0.5.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the squares.
    pub epsilon: f64,
    /// All gradients together are scaled down to at most this Euclidean norm; `None`: never.
    pub clip_norm: Option<f64>,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clip_norm: None }
    }
}

/// Adam (Kingma and Ba 2015) with clipping by the global norm, on all cores.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::optim::{Adam, AdamConfig};
/// let mut x: Tensor<Rank1<2>, f32, Cpu> = Cpu::default().tensor([3.0, -2.0]);
/// let mut adam = Adam::new(AdamConfig { learning_rate: 0.1, ..AdamConfig::default() });
/// let mut grads = x.alloc_grads();
/// for _ in 0..200 {
///     grads = x.trace(grads).square().sum::<Rank0, _>().backward();
///     adam.step(&mut x, &mut grads).unwrap();
/// }
/// assert!(x.array().iter().all(|v| v.abs() < 1e-2));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Settings; they may be changed between two steps (a schedule changes the learning rate).
    pub config: AdamConfig,
    pub(crate) steps: u64,
    /// Name of a parameter to (mean of its gradients, mean of their squares).
    pub(crate) moments: BTreeMap<String, (Vec<f32>, Vec<f32>)>,
}

/// A gradient is NaN or infinite; nothing was updated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the gradient of {parameter} holds {value}")]
pub struct BadGradient {
    /// Name of the parameter.
    pub parameter: String,
    /// The value.
    pub value: f32,
}

impl Adam {
    /// An optimiser that has not seen a gradient yet.
    pub fn new(config: AdamConfig) -> Self {
        Self { config, steps: 0, moments: BTreeMap::new() }
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves the parameters of `model` against their gradients, sets these to zero, and returns their norm before clipping.
    ///
    /// # Errors
    /// [`BadGradient`] when a gradient is not finite: then neither the model nor this optimiser has changed.
    pub fn step<M: TensorCollection<f32, Cpu>>(
        &mut self,
        model: &mut M,
        grads: &mut Gradients<f32, Cpu>,
    ) -> Result<f64, StepError> {
        let mut norm = Norm { grads, sum: 0.0, bad: None };
        M::iter_tensors(&mut RecursiveWalker { m: (&mut *model, String::new()), f: &mut norm })?;
        if let Some(bad) = norm.bad {
            return Err(bad.into());
        }
        let norm = norm.sum.sqrt();
        let scale = match self.config.clip_norm {
            Some(most) if norm > most => most / norm,
            _ => 1.0,
        };
        self.steps += 1;
        let c = self.config;
        let step = Step::new(self.steps, c.learning_rate, c.beta1, c.beta2, c.epsilon, scale);
        let mut apply = Apply { adam: self, grads, step };
        M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut apply })?;
        Ok(norm)
    }
}

/// Why a step was not made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// See [`BadGradient`].
    #[error(transparent)]
    BadGradient(#[from] BadGradient),
    /// The tensor library refused.
    #[error("tensor library: {0}")]
    Device(String),
}

impl From<CpuError> for StepError {
    fn from(error: CpuError) -> Self {
        Self::Device(error.to_string())
    }
}

struct Norm<'a> {
    grads: &'a mut Gradients<f32, Cpu>,
    sum: f64,
    bad: Option<BadGradient>,
}

impl TensorVisitor<f32, Cpu> for Norm<'_> {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, f32, Cpu>,
        (tensor, name): (&mut Tensor<S, f32, Cpu>, String),
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        if options.do_gradient_update {
            let gradient = self.grads.get_or_alloc_mut(tensor)?;
            let sum = sum_of_squares(gradient);
            if !sum.is_finite() && self.bad.is_none() {
                let value = gradient.iter().copied().find(|g| !g.is_finite()).unwrap_or(f32::INFINITY);
                self.bad = Some(BadGradient { parameter: name, value });
            }
            self.sum += sum;
        }
        Ok(None)
    }
}

struct Apply<'a> {
    adam: &'a mut Adam,
    grads: &'a mut Gradients<f32, Cpu>,
    step: Step,
}

impl TensorVisitor<f32, Cpu> for Apply<'_> {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, f32, Cpu>,
        (tensor, name): (&mut Tensor<S, f32, Cpu>, String),
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        if options.do_gradient_update {
            let n = tensor.shape().num_elements();
            let (mean, square) = self.adam.moments.entry(name).or_insert_with(|| (vec![0.0; n], vec![0.0; n]));
            let gradient = self.grads.get_or_alloc_mut(tensor)?;
            let mut values = vec![0.0; n];
            tensor.copy_into(&mut values);
            update(&self.step, &mut values, gradient, mean, square);
            tensor.copy_from(&values);
            clear(gradient);
        }
        Ok(None)
    }
}
