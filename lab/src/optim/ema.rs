use std::collections::BTreeMap;

use dfdx::{nn::tensor_collection::TensorCollection, tensor_ops::Device};
use lathe_kernels::pool::Buf;

use crate::{
    nn::{Real, state::RNG_STATE},
    parameters::{self, View},
};

/// What [`Ema`] does with tensors that are kept but not trained, such as the running statistics of a batch norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Statistics {
    /// Takes the model's newest: they are averages already. (PyTorch's `AveragedModel(use_buffers=False)`.)
    #[default]
    Copy,
    /// Averages them like weights (`use_buffers=True`).
    Average,
}

/// Exponential moving average of a model's weights, average = decay average + (1 − decay) weights, after the first update,
/// which copies them (PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`). Averaged generators draw steadier pictures.
///
/// ```
/// use lab::{nn::{self, Linear}, optim::Ema, rng::Init};
/// # use dfdx::prelude::*;
/// let mut layer: Linear<1, 1> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// let mut ema = Ema::new(0.9);
/// for weight in [1.0, 2.0] {
///     layer.weight.copy_from(&[weight]);
///     ema.update(&layer).unwrap();
/// }
/// ema.swap(&mut layer).unwrap(); // evaluate with the average ...
/// assert!((layer.weight.array()[0][0] - 1.1).abs() < 1e-6);
/// ema.swap(&mut layer).unwrap(); // ... and go on training
/// assert_eq!(layer.weight.array(), [[2.0]]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ema<E: Real = f32> {
    /// Near 1: a long memory of about 1 / (1 − decay) updates.
    pub decay: f64,
    /// What happens to running statistics.
    pub statistics: Statistics,
    values: BTreeMap<String, Buf<E>>,
}

impl<E: Real> Ema<E> {
    /// An average of nothing yet.
    pub fn new(decay: f64) -> Self {
        Self { decay, statistics: Statistics::default(), values: BTreeMap::new() }
    }

    /// Averages running statistics too, or copies them.
    #[must_use]
    pub fn statistics(self, statistics: Statistics) -> Self {
        Self { statistics, ..self }
    }

    /// Takes in the model's weights, usually after each step of the optimiser.
    ///
    /// # Errors
    /// The device's error.
    pub fn update<M: TensorCollection<E, D>, D: Device<E>>(&mut self, model: &M) -> Result<(), D::Err> {
        let mut fresh = Vec::new();
        parameters::visit(model, |tensor: View<'_, E, D>| {
            let values = tensor.read()?;
            let statistics = self.statistics == Statistics::Average && !tensor.name.ends_with(RNG_STATE);
            let averaged = tensor.trained || statistics;
            match self.values.remove(tensor.name).filter(|old| averaged && old.len() == values.len()) {
                Some(old) => fresh.push((tensor.name.to_owned(), old, values)),
                None => drop(self.values.insert(tensor.name.to_owned(), values)),
            }
            Ok(())
        })?;
        let mut pairs: Vec<(&mut [E], &[E])> =
            fresh.iter_mut().map(|(_, average, values)| (&mut **average, &**values)).collect();
        E::average(self.decay, &mut pairs);
        self.values.extend(fresh.into_iter().map(|(name, average, _)| (name, average)));
        Ok(())
    }

    /// Exchanges the model's weights and the average. Twice is as never.
    ///
    /// # Errors
    /// The device's error.
    pub fn swap<M: TensorCollection<E, D>, D: Device<E>>(&mut self, model: &mut M) -> Result<(), D::Err> {
        parameters::visit_mut(model, |mut tensor| {
            if let Some(values) = self.values.get_mut(tensor.name) {
                let own = tensor.read()?;
                if own.len() == values.len() {
                    tensor.write(values);
                    *values = own;
                }
            }
            Ok(())
        })
    }

    /// The averages by the name of their parameter, for saving.
    pub fn values(&self) -> &BTreeMap<String, Buf<E>> {
        &self.values
    }
}
