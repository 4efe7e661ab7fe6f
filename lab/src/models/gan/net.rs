use dfdx::{
    shapes::Dtype,
    tensor::{Storage, Tape},
};

use crate::{
    loss::Batch,
    nn::{Forward, LeakyRelu, Linear, Real, Tanh, collection},
    ops::{LabDevice, Want},
};

/// Slope of LeakyReLU below zero (Radford et al. 2015; dfdx's default is 0.05, Keras' 0.3).
const LEAKY: LeakyRelu<20> = LeakyRelu;

/// `LATENT -> HIDDEN -> HIDDEN -> OUT`, ending in tanh.
#[derive(Debug, Clone)]
pub struct Generator<const LATENT: usize, const HIDDEN: usize, const OUT: usize, E: Dtype, D: Storage<E>> {
    /// First layer.
    pub first: Linear<LATENT, HIDDEN, E, D>,
    /// Second layer.
    pub second: Linear<HIDDEN, HIDDEN, E, D>,
    /// Last layer, before tanh.
    pub output: Linear<HIDDEN, OUT, E, D>,
}
collection!(Generator<LATENT, HIDDEN, OUT> { first, second, output });

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

impl<const LATENT: usize, const HIDDEN: usize, const OUT: usize, E: Real, D: LabDevice<E>>
    Generator<LATENT, HIDDEN, OUT, E, D>
{
    /// Pictures in [-1, 1] for noise; with a tape they can teach the generator.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward<T: Tape<E, D>>(&self, z: Batch<LATENT, E, D, T>) -> Result<Batch<OUT, E, D, T>, D::Err> {
        // z is noise: its gradient is not needed.
        (&self.first, LEAKY, &self.second, LEAKY, &self.output, Tanh).run(z, Want::Weights)
    }
}

impl<const HIDDEN: usize, const OUT: usize, E: Real, D: LabDevice<E>> Discriminator<HIDDEN, OUT, E, D> {
    /// A logit for each picture.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward<T: Tape<E, D>>(&self, x: Batch<OUT, E, D, T>) -> Result<Batch<1, E, D, T>, D::Err> {
        self.with(x, Want::All)
    }

    /// The same for D's own step, whose pictures are data: no gradient for them.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward_learning<T: Tape<E, D>>(&self, x: Batch<OUT, E, D, T>) -> Result<Batch<1, E, D, T>, D::Err> {
        self.with(x, Want::Weights)
    }

    /// The same for G's step, which only passes through: no gradient for the weights.
    ///
    /// # Errors
    /// The device's error.
    pub fn forward_frozen<T: Tape<E, D>>(&self, x: Batch<OUT, E, D, T>) -> Result<Batch<1, E, D, T>, D::Err> {
        self.with(x, Want::Input)
    }

    fn with<T: Tape<E, D>>(&self, x: Batch<OUT, E, D, T>, want: Want) -> Result<Batch<1, E, D, T>, D::Err> {
        (&self.first, LEAKY, &self.second, LEAKY, &self.output).run(x, want)
    }
}
