//! Blocks of networks on dfdx: their sizes are part of the type, they work on any device, element type and tape.
//!
//! A layer that is fed the wrong width does not compile:
//!
//! ```compile_fail
//! use dfdx::prelude::*;
//! use lab::{nn::{self, Linear}, rng::Init};
//! let layer: Linear<4, 2, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
//! let five = lab::rows::<5>(vec![0.0; 10]).unwrap();
//! layer.forward(five); // expected 4 columns, found 5
//! ```
//!
//! Neither does a gradient without a tape: `.backward()` needs a loss whose input was `.traced(..)`.
//!
//! ```compile_fail
//! use dfdx::prelude::*;
//! use lab::{nn::{self, Linear}, rng::Init};
//! let layer: Linear<4, 2, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
//! let x = lab::rows::<4>(vec![0.0; 8]).unwrap();
//! let grads = layer.forward(x).square().mean().backward(); // x.traced(layer.alloc_grads()) compiles
//! ```
//!
//! The same with tape and width right:
//!
//! ```
//! use dfdx::prelude::*;
//! use lab::{nn::{self, Linear}, rng::Init};
//! let layer: Linear<4, 2, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
//! let x = lab::rows::<4>(vec![1.0; 8]).unwrap();
//! let grads = layer.forward(x.traced(layer.alloc_grads())).square().mean().backward();
//! assert!(grads.get(&layer.bias).array().iter().any(|g| *g != 0.0));
//! ```

use dfdx::{
    nn::{
        BuildModule, Module, NonMutableModule,
        tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions},
    },
    shapes::{Const, Dtype, Rank2, Rank3},
    tensor::{Storage, Tape, Tensor},
    tensor_ops::Device,
};

pub use dfdx::nn::modules::Linear;

use crate::{loss::scalar, ops::LabDevice, rng};

/// `f32` or `f64`: what a network's parameters can be.
pub trait Real: Dtype + num_traits::Float + rand_distr::uniform::SampleUniform + lathe_kernels::Kernels {}
impl Real for f32 {}
impl Real for f64 {}

/// Implements dfdx's `TensorCollection` for a struct with named modules (and tensors that start at zero).
macro_rules! collection {
    ($name:ident<$($size:ident),+> { $($module:ident),* $(; $($tensor:ident),+)? }) => {
        impl<$(const $size: usize,)+ E: $crate::nn::Real, D: dfdx::tensor_ops::Device<E>>
            dfdx::nn::tensor_collection::TensorCollection<E, D> for $name<$($size,)+ E, D>
        {
            type To<E2: dfdx::shapes::Dtype, D2: dfdx::tensor_ops::Device<E2>> = $name<$($size,)+ E2, D2>;

            fn iter_tensors<V: dfdx::nn::tensor_collection::ModuleVisitor<Self, E, D>>(
                visitor: &mut V,
            ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
                visitor.visit_fields(
                    (
                        $(Self::module(stringify!($module), |s| &s.$module, |s| &mut s.$module),)*
                        $($(Self::tensor(
                            stringify!($tensor),
                            |s| &s.$tensor,
                            |s| &mut s.$tensor,
                            dfdx::nn::tensor_collection::TensorOptions::reset_to_zeros(),
                        ),)+)?
                    ),
                    |($($module,)* $($($tensor,)+)?)| $name { $($module,)* $($($tensor,)+)? },
                )
            }
        }
    };
}
pub(crate) use collection;

/// Builds a network and draws its weights: see [`rng::initialise`].
///
/// # Errors
/// The device's error.
pub fn build<M, E: Dtype, D: Device<E>>(device: &D, seed: u64, init: rng::Init) -> Result<M, D::Err>
where
    M: BuildModule<D, E>,
{
    let mut model = M::try_build(device)?;
    rng::initialise(&mut model, seed, init)?;
    Ok(model)
}

/// A long short-term memory layer over whole sequences: `(batch, steps, I)` in, the *last* hidden state `(batch, H)` out.
///
/// Equations and gate order: [`lathe_kernels::lstm`]. Each gate, the candidate g included, has its own weights. The weights
/// hold PyTorch's `weight_ih_l0` and `weight_hh_l0` with their first dimension split in (gate, unit); `bias` is the sum of
/// its two biases.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Lstm}, rng::Init};
/// let layer: Lstm<3, 8, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let last: Tensor<(usize, Const<8>), f32, Cpu> = layer.forward(lab::windows::<10, 3>(vec![0.5; 60]).unwrap());
/// assert_eq!(last.shape().0, 2);
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Lstm}, rng::Init};
/// let layer: Lstm<3, 8, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// layer.forward(lab::windows::<10, 4>(vec![0.5; 80]).unwrap()); // 3 features a step, not 4
/// ```
#[derive(Debug, Clone)]
pub struct Lstm<const I: usize, const H: usize, E: Dtype, D: Storage<E>> {
    /// `(gate, H, I)`, gates in the order i, f, g, o.
    pub weight_input: Tensor<Rank3<4, H, I>, E, D>,
    /// `(gate, H, H)`.
    pub weight_hidden: Tensor<Rank3<4, H, H>, E, D>,
    /// One bias for each gate and unit: 1 for the forget gate at the start ("remember at first"), 0 for the others.
    pub bias: Tensor<Rank2<4, H>, E, D>,
}

impl<const I: usize, const H: usize, E: Real, D: Device<E>> TensorCollection<E, D> for Lstm<I, H, E, D> {
    type To<E2: Dtype, D2: Device<E2>> = Lstm<I, H, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                Self::tensor(
                    "weight_input",
                    |s| &s.weight_input,
                    |s| &mut s.weight_input,
                    TensorOptions::reset_to_zeros(),
                ),
                Self::tensor(
                    "weight_hidden",
                    |s| &s.weight_hidden,
                    |s| &mut s.weight_hidden,
                    TensorOptions::reset_to_zeros(),
                ),
                Self::tensor(
                    "bias",
                    |s| &s.bias,
                    |s| &mut s.bias,
                    TensorOptions::reset_with(|bias| {
                        // Gates lie in the order i, f, g, o.
                        let values: Vec<E> =
                            (0..4 * H).map(|i| if i / H == 1 { scalar(1.0) } else { E::default() }).collect();
                        bias.copy_from(&values);
                        Ok(())
                    }),
                ),
            ),
            |(weight_input, weight_hidden, bias)| Lstm { weight_input, weight_hidden, bias },
        )
    }
}

impl<const I: usize, const H: usize, E: Dtype, D: Storage<E>> NonMutableModule for Lstm<I, H, E, D> {}

impl<const W: usize, const I: usize, const H: usize, E: Real, D: LabDevice<E>, T: Tape<E, D>>
    Module<Tensor<(usize, Const<W>, Const<I>), E, D, T>> for Lstm<I, H, E, D>
{
    type Output = Tensor<(usize, Const<H>), E, D, T>;
    type Error = D::Err;

    fn try_forward(&self, x: Tensor<(usize, Const<W>, Const<I>), E, D, T>) -> Result<Self::Output, D::Err> {
        D::lstm_last(x, &self.weight_input, &self.weight_hidden, &self.bias)
    }
}
