use std::rc::Rc;

use dfdx::{
    shapes::{Const, Dim, Dtype, Rank1},
    tensor::{Cpu, Gradients, Storage, Tensor},
};
use lathe_kernels::batch_norm::{Input, Moments, Norm};

use super::{
    Layer, Real, collection,
    linear::{Flat, flat},
    module,
    state::{kept_ones, kept_zeros, ones},
};
use crate::ops::{self, Back, Buf, Chain, LabDevice};

/// Added to a variance.
const EPSILON: f64 = 1e-5;
/// Weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

macro_rules! layers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// In training mean and variance are those of the batch, and the running statistics move a tenth of the way towards them
        /// (with the variance Σ(x − mean)² / (n − 1); a batch of one value a channel, which PyTorch refuses, leaves them as they
        /// are). In evaluation the running statistics are used, and gradients flow too. An activation that follows in a
        /// [`Sequential`](super::Sequential) is computed in the same pass. Momentum is 0.1, epsilon 1e-5.
        #[derive(Debug, Clone)]
        pub struct $name<const C: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
            /// Scale, 1 at the start.
            pub weight: Tensor<Rank1<C>, E, D>,
            /// Shift, 0 at the start.
            pub bias: Tensor<Rank1<C>, E, D>,
            /// Running mean. Not trained.
            pub running_mean: Tensor<Rank1<C>, E, D>,
            /// Running variance. Not trained.
            pub running_var: Tensor<Rank1<C>, E, D>,
        }
        collection!($name<C> {
            ; weight = ones(), bias, running_mean = kept_zeros(), running_var = kept_ones()
        });

        impl<const C: usize, E: Real, D: LabDevice<E>> $name<C, E, D> {
            fn evaluate(&self, chain: &mut Chain<E, D>) -> Result<(), D::Err> {
                let moments = Moments {
                    mean: ops::read(&self.running_mean)?.into_vec(),
                    variance: ops::read(&self.running_var)?.into_vec(),
                };
                normalise(chain, moments, [flat(&self.weight)?, flat(&self.bias)?], Input::Fixed)
            }

            fn learn(&mut self, chain: &mut Chain<E, D>) -> Result<(), D::Err> {
                let x = chain.begin().x;
                let moments = E::batch_moments(&x, C);
                let (mut mean, mut variance) = (ops::read(&self.running_mean)?, ops::read(&self.running_var)?);
                E::batch_update(&mut mean, &mut variance, &moments, x.len() / C.max(1), MOMENTUM);
                self.running_mean.copy_from(&mean);
                self.running_var.copy_from(&variance);
                normalise(chain, moments, [flat(&self.weight)?, flat(&self.bias)?], Input::Batch)
            }
        }

        module!([const C: usize,] $name<C, E, D>);
    )*};
}

layers! {
    /// Batch normalisation (Ioffe and Szegedy 2015), y = (x − mean) / sqrt(variance + ε) weight + bias, with statistics for each of
    /// `C` channels: `(B, C)` or `(B, C, L)` to the same (PyTorch's `BatchNorm1d`).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, BatchNorm1d}, rng::Init};
    /// let mut layer: BatchNorm1d<2> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
    /// let x = lab::rows::<2>(vec![1.0, 10.0, 3.0, 30.0]).unwrap();
    /// let y = layer.forward_mut(x.leaky_trace()).as_vec();
    /// assert!(y.iter().zip([-1.0, -1.0, 1.0, 1.0]).all(|(y, want)| (y - want).abs() < 1e-4));
    /// assert_eq!(layer.running_mean.array(), [0.2, 2.0]);
    /// ```
    BatchNorm1d;
    /// Batch normalisation (Ioffe and Szegedy 2015), y = (x − mean) / sqrt(variance + ε) weight + bias, with statistics for each of
    /// `C` channels over images, height and width: `(B, C, H, W)` to the same (PyTorch's `BatchNorm2d`).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, BatchNorm2d}, rng::Init};
    /// let layer: BatchNorm2d<3> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
    /// let x: Tensor<Rank4<2, 3, 4, 4>, f32, Cpu> = Cpu::default().ones();
    /// // Evaluation with the statistics of the start, mean 0 and variance 1.
    /// assert!((layer.forward(x).array()[0][0][0][0] - 1.0).abs() < 1e-5);
    /// ```
    ///
    /// ```compile_fail
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, BatchNorm2d}, rng::Init};
    /// let layer: BatchNorm2d<3> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
    /// let x: Tensor<Rank4<2, 4, 4, 4>, f32, Cpu> = Cpu::default().ones();
    /// layer.forward(x); // 4 channels, the layer has 3
    /// ```
    BatchNorm2d;
}

/// The block behind both layers, for values whose rows are a channel each.
fn normalise<E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    moments: Moments<E>,
    [weight, bias]: [Flat<E, D>; 2],
    input: Input,
) -> Result<(), D::Err> {
    let step = chain.begin();
    let norm: Norm<E> = E::batch_norm(moments, EPSILON, &ops::read(&weight)?, &ops::read(&bias)?);
    let useful = step.any();
    chain.defer(step.layout, useful, move |activation| {
        let mut y = Buf::any(step.x.len());
        E::batch_forward(&step.x, &norm, activation, &mut y);
        let y = Rc::new(y);
        let out = Rc::clone(&y);
        let back = move |grads: &mut Gradients<E, D>, mut dy: Buf<E>| {
            let channels = norm.mean.len();
            let (mut d_weight, mut d_bias) = (Buf::zeros(channels), Buf::zeros(channels));
            let input = if step.input { input } else { Input::Unwanted };
            E::batch_backward(&mut dy, &y, &step.x, &norm, activation, input, (&mut d_weight, &mut d_bias));
            if step.weights {
                ops::add_gradient(grads, &weight, &d_weight)?;
                ops::add_gradient(grads, &bias, &d_bias)?;
            }
            Ok(dy)
        };
        (out, useful.then(|| Box::new(back) as Back<E, D>))
    });
    Ok(())
}

impl<B: Dim, const C: usize, E: Real, D: LabDevice<E>> Layer<(B, Const<C>), E, D> for BatchNorm1d<C, E, D> {
    type Output = (B, Const<C>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: (B, Const<C>)) -> Result<Self::Output, D::Err> {
        drop(chain.begin_rows());
        self.evaluate(chain)?;
        Ok(shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: (B, Const<C>)) -> Result<Self::Output, D::Err> {
        drop(chain.begin_rows());
        self.learn(chain)?;
        Ok(shape)
    }
}

impl<B: Dim, L: Dim, const C: usize, E: Real, D: LabDevice<E>> Layer<(B, Const<C>, L), E, D> for BatchNorm1d<C, E, D> {
    type Output = (B, Const<C>, L);

    fn apply(&self, chain: &mut Chain<E, D>, shape: (B, Const<C>, L)) -> Result<Self::Output, D::Err> {
        drop(chain.begin_pixels((shape.0.size(), C, shape.2.size())));
        self.evaluate(chain)?;
        Ok(shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: (B, Const<C>, L)) -> Result<Self::Output, D::Err> {
        drop(chain.begin_pixels((shape.0.size(), C, shape.2.size())));
        self.learn(chain)?;
        Ok(shape)
    }
}

impl<B: Dim, H: Dim, W: Dim, const C: usize, E: Real, D: LabDevice<E>> Layer<(B, Const<C>, H, W), E, D>
    for BatchNorm2d<C, E, D>
{
    type Output = (B, Const<C>, H, W);

    fn apply(&self, chain: &mut Chain<E, D>, shape: (B, Const<C>, H, W)) -> Result<Self::Output, D::Err> {
        drop(chain.begin_pixels((shape.0.size(), C, shape.2.size() * shape.3.size())));
        self.evaluate(chain)?;
        Ok(shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: (B, Const<C>, H, W)) -> Result<Self::Output, D::Err> {
        drop(chain.begin_pixels((shape.0.size(), C, shape.2.size() * shape.3.size())));
        self.learn(chain)?;
        Ok(shape)
    }
}
