use lathe_kernels::recurrent::{Batch, Packed, State};

use super::{Recurrent, Stacked};
use crate::{Error, Result, nn::Real, ops::LabDevice};

/// A recurrent layer that reads one step after the other, as a sensor delivers them. Weights are brought into the order of the
/// product once, not with every step; the state stays inside.
///
/// The numbers are those of the layer on the whole sequence, bit for bit.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Causal, StackedLstm}, rng::Init};
/// let layer: StackedLstm<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let steps: Vec<f32> = (0..30).map(|i| (i as f32).sin()).collect();
/// let whole = layer.forward(lab::windows::<10, 3>(steps.clone()).unwrap()).as_vec();
/// let mut stream = layer.stream().unwrap();
/// for (x, y) in steps.chunks(3).zip(whole.chunks(8)) {
///     assert_eq!(stream.push(x).unwrap(), y);
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Stream<E: Real> {
    layers: Vec<(Packed<E>, State<E>)>,
}

impl<E: Real> Stream<E> {
    /// Reads one step's values and gives the h behind it.
    ///
    /// # Errors
    /// [`Error::Length`] when `x` is not as wide as the layer's input.
    pub fn push(&mut self, x: &[E]) -> Result<&[E]> {
        let expected = self.layers.first().map_or(0, |(layer, _)| layer.sizes().input);
        if x.len() != expected {
            return Err(Error::Length { what: String::from("values of a step"), got: x.len(), expected });
        }
        let batch = Batch { rows: 1, steps: 1, reverse: false };
        for number in 0..self.layers.len() {
            let (before, rest) = self.layers.split_at_mut(number);
            let x = before.last().map_or(x, |(_, state)| &state.hidden[..]);
            if let Some((layer, state)) = rest.first_mut() {
                *state = E::recurrent_forward(batch, x, layer, state, false).last;
            }
        }
        Ok(self.layers.last().map_or(&[], |(_, state)| &state.hidden[..]))
    }

    /// Forgets all steps: the next one is the first of a sequence.
    pub fn reset(&mut self) {
        self.layers.iter_mut().for_each(|(_, state)| *state = State::default());
    }
}

/// Recurrent layers whose outputs depend on the past alone, so that they can run along with a [`Stream`] of steps.
pub trait Causal<E: Real, D: LabDevice<E>>: Recurrent<E, D> {
    /// The layer as it is now, before the first step.
    ///
    /// # Errors
    /// The device's error.
    fn stream(&self) -> std::result::Result<Stream<E>, D::Err>;
}

impl<First, Second, E: Real, D: LabDevice<E>> Causal<E, D> for Stacked<First, Second>
where
    First: Causal<E, D>,
    Second: Causal<E, D> + Recurrent<E, D, Input = First::Output>,
{
    fn stream(&self) -> std::result::Result<Stream<E>, D::Err> {
        let mut layers = self.l0.stream()?.layers;
        layers.extend(self.l1.stream()?.layers);
        Ok(Stream { layers })
    }
}

impl<E: Real> Stream<E> {
    pub(super) fn new(layer: Packed<E>) -> Self {
        Self { layers: vec![(layer, State::default())] }
    }
}
