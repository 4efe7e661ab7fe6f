use dfdx::{
    nn::{Module, ModuleMut},
    shapes::Dtype,
    tensor::{OwnedTape, Storage, Tape},
    tensor_ops::Device,
};

use crate::{
    loss::{Batch, scalar},
    nn::{BatchNorm1D, LeakyReLU, Linear, Real, collection},
};

/// Slope of LeakyReLU below zero (Radford et al. 2015; dfdx's default is 0.05, Keras' 0.3).
const SLOPE: f64 = 0.2;

/// `LATENT -> HIDDEN -> HIDDEN -> OUT`, ending in tanh.
#[derive(Debug, Clone)]
pub struct Generator<const LATENT: usize, const HIDDEN: usize, const OUT: usize, E: Dtype, D: Storage<E>> {
    /// First layer.
    pub first: Linear<LATENT, HIDDEN, E, D>,
    /// Its normalisation.
    pub first_norm: BatchNorm1D<HIDDEN, E, D>,
    /// Second layer.
    pub second: Linear<HIDDEN, HIDDEN, E, D>,
    /// Its normalisation.
    pub second_norm: BatchNorm1D<HIDDEN, E, D>,
    /// Last layer, before tanh.
    pub output: Linear<HIDDEN, OUT, E, D>,
}
collection!(Generator<LATENT, HIDDEN, OUT> { first, first_norm, second, second_norm, output });

/// `OUT -> HIDDEN -> HIDDEN -> 1` logit.
#[derive(Debug, Clone)]
pub struct Discriminator<const HIDDEN: usize, const OUT: usize, E: Dtype, D: Storage<E>> {
    /// First layer.
    pub first: Linear<OUT, HIDDEN, E, D>,
    /// Second layer.
    pub second: Linear<HIDDEN, HIDDEN, E, D>,
    /// Last layer: the logit.
    pub output: Linear<HIDDEN, 1, E, D>,
}
collection!(Discriminator<HIDDEN, OUT> { first, second, output });

impl<const LATENT: usize, const HIDDEN: usize, const OUT: usize, E: Real, D: Device<E>>
    Generator<LATENT, HIDDEN, OUT, E, D>
{
    /// Pictures in [-1, 1] for noise, normalised by the running statistics.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward(&self, z: Batch<LATENT, E, D>) -> Result<Batch<OUT, E, D>, D::Err> {
        let leaky = LeakyReLU(scalar::<E>(SLOPE));
        let hidden = leaky.try_forward(self.first_norm.try_forward(self.first.try_forward(z)?)?)?;
        let hidden = leaky.try_forward(self.second_norm.try_forward(self.second.try_forward(hidden)?)?)?;
        self.output.try_forward(hidden)?.try_tanh()
    }

    /// The same while training: normalised by the batch's own statistics, which the running ones follow.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward_train(
        &mut self,
        z: Batch<LATENT, E, D, OwnedTape<E, D>>,
    ) -> Result<Batch<OUT, E, D, OwnedTape<E, D>>, D::Err> {
        let leaky = LeakyReLU(scalar::<E>(SLOPE));
        let hidden = leaky.try_forward(self.first_norm.try_forward_mut(self.first.try_forward(z)?)?)?;
        let hidden = leaky.try_forward(self.second_norm.try_forward_mut(self.second.try_forward(hidden)?)?)?;
        self.output.try_forward(hidden)?.try_tanh()
    }
}

impl<const HIDDEN: usize, const OUT: usize, E: Real, D: Device<E>> Discriminator<HIDDEN, OUT, E, D> {
    /// A logit for each picture.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward<T: Tape<E, D>>(&self, x: Batch<OUT, E, D, T>) -> Result<Batch<1, E, D, T>, D::Err> {
        let leaky = LeakyReLU(scalar::<E>(SLOPE));
        let hidden = leaky.try_forward(self.first.try_forward(x)?)?;
        let hidden = leaky.try_forward(self.second.try_forward(hidden)?)?;
        self.output.try_forward(hidden)
    }
}
