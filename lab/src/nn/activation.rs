use dfdx::{nn::ZeroSizedModule, shapes::Shape};

use super::{Layer, Real, module};
use crate::ops::{Activation, Chain, LabDevice};

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident = $activation:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Behind a layer with weights in a [`Sequential`](super::Sequential) it is computed in that layer's own pass.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name;

        impl ZeroSizedModule for $name {}

        impl<S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for $name {
            type Output = S;

            fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
                chain.activate($activation);
                Ok(shape)
            }
        }

        module!([] $name);
    )*};
}

activations! {
    /// y = max(x, 0).
    Relu = Activation::Leaky(0.0);
    /// y = tanh x.
    Tanh = Activation::Tanh;
    /// y = 1 / (1 + exp(-x)).
    Sigmoid = Activation::Sigmoid;
}

/// y = x where x > 0, else slope x, with the slope in percent as part of the type: `LeakyRelu<20>` has slope 0.2.
///
/// The default is PyTorch's 0.01; Keras has 0.3, the DCGAN paper 0.2.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::LeakyRelu;
/// let x: Tensor<Rank1<2>, f32, Cpu> = Cpu::default().tensor([-10.0, 1.0]);
/// assert_eq!(LeakyRelu::<20>.forward(x).array(), [-2.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeakyRelu<const PERCENT: u32 = 1>;

impl<const PERCENT: u32> ZeroSizedModule for LeakyRelu<PERCENT> {}

impl<const PERCENT: u32, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for LeakyRelu<PERCENT> {
    type Output = S;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        const { assert!(PERCENT <= 100, "LeakyRelu's slope is given in percent, at most 100") };
        chain.activate(Activation::Leaky(f64::from(PERCENT) / 100.0));
        Ok(shape)
    }
}

module!([const PERCENT: u32,] LeakyRelu<PERCENT>);

/// Any activation, chosen at run time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activate(pub Activation);

impl<S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Activate {
    type Output = S;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        chain.activate(self.0);
        Ok(shape)
    }
}
