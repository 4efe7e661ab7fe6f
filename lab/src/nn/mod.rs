//! Blocks of networks on dfdx: their sizes are part of the type, they work on any device, element type and tape.
//!
//! Names and defaults are PyTorch's, and so are the parameters' names and layouts, unless a block says why not.
//!
//! A block is a [`Layer`]: it takes the values of a [`Chain`] and its input's shape, and tells its output's shape as a type.
//! A [`Sequential`] of layers runs as one operation on dfdx's tape. Every layer is also a dfdx `Module` (evaluation, on any
//! tape) and `ModuleMut` (training: dropout drops, batch norm uses the batch's statistics), so plain dfdx tuples of layers work
//! too, with one tape operation for each.
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
#![doc = include_str!("gan_pair.md")]

mod activation;
mod attention;
mod batch_norm;
mod conv;
mod curve;
mod decoder;
mod dropout;
mod embedding;
mod group_norm;
mod gumbel;
mod layer_norm;
mod linear;
#[cfg(test)]
mod norm_tests;
mod pooling;
mod recurrent;
mod reshape;
mod residual;
mod sequential;
mod spectral;
pub(crate) mod state;
mod transformer;
#[cfg(test)]
mod transformer_tests;

use dfdx::{
    nn::BuildModule,
    shapes::{Dtype, Shape},
    tensor::{HasErr, Tape, Tensor},
    tensor_ops::Device,
};

pub use activation::{Activate, LeakyRelu, Relu, Sigmoid, Tanh};
pub use attention::{AttentionMask, Masked, MultiheadAttention};
pub use batch_norm::{BatchNorm1d, BatchNorm2d};
pub use conv::{
    CausalConv1d, Conv1d, Conv2d, ConvTranspose2d, UnbiasedConv1d, UnbiasedConv2d, UnbiasedConvTranspose2d,
};
pub use curve::{Elu, Gelu, GeluTanh, LogSoftmax, Silu, Softmax, Softplus};
pub use decoder::{TransformerDecoder, TransformerDecoderLayer};
pub use dropout::Dropout;
pub use embedding::{Embedding, LearnedPositions, SelectStep, SinusoidalPositions};
pub use group_norm::{GroupNorm, InstanceNorm2d};
pub use gumbel::GumbelSoftmax;
pub use layer_norm::LayerNorm;
pub use linear::{Linear, UnbiasedLinear};
pub use pooling::{AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, MaxPool2d, UpsampleNearest};
pub use recurrent::{
    Bidirectional, Causal, Gru, LastStep, Lstm, LstmCell, Recurrent, ReluRnn, Rnn, Stacked, StackedGru, StackedLstm,
    Stream,
};
pub use reshape::{As, Flatten, Unflatten};
pub use residual::Residual;
pub use sequential::Sequential;
pub use spectral::{HasWeight, SpectralConv2d, SpectralLinear, SpectralNorm};
pub use transformer::{TransformerEncoder, TransformerEncoderLayer};

use crate::{
    ops::{self, Chain, LabDevice, Want},
    rng,
};

/// `f32` or `f64`: what a network's parameters can be.
pub trait Real: Dtype + num_traits::Float + rand_distr::uniform::SampleUniform + lathe_kernels::Kernels {}
impl Real for f32 {}
impl Real for f64 {}

/// A block that takes values of shape `S`.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{Layer, Real}, ops::{Chain, LabDevice}};
/// /// x², as a layer of one's own.
/// struct Square;
/// impl<S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Square {
///     type Output = S;
///     fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
///         let step = chain.begin();
///         let y: Vec<E> = step.x.iter().map(|x| *x * *x).collect();
///         let x = step.x.clone();
///         let back = step.input.then(|| {
///             let back = move |_: &mut Gradients<E, D>, mut dy: lab::ops::Buf<E>| {
///                 dy.iter_mut().zip(x.iter()).for_each(|(d, x)| *d = *d * (*x + *x));
///                 Ok(dy)
///             };
///             Box::new(back) as lab::ops::Back<E, D>
///         });
///         chain.end(std::rc::Rc::new(y.into()), step.layout, back);
///         Ok(shape)
///     }
/// }
/// # use lab::nn::Forward;
/// let x: Tensor<Rank1<2>, f64, Cpu> = Cpu::default().tensor([3.0, -1.0]);
/// let y = Square.run(x.leaky_trace(), lab::ops::Want::All).unwrap();
/// assert_eq!(y.sum().backward().get(&x).array(), [6.0, -2.0]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take this input: the sizes do not meet",
    label = "a width, a number of channels or of dimensions is wrong",
    note = "a shape is (batch, width), (batch, time, width) or (batch, channels, height, width); `Const<N>` is a size of N"
)]
pub trait Layer<S: Shape, E: Real, D: LabDevice<E>> {
    /// Shape of the result.
    type Output: Shape;

    /// Computes as in evaluation: deterministic, and nothing in the layer changes.
    ///
    /// # Errors
    /// The device's error.
    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err>;

    /// Computes as in training. The same as [`Layer::apply`] for most layers.
    ///
    /// # Errors
    /// The device's error.
    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
        self.apply(chain, shape)
    }
}

impl<S: Shape, E: Real, D: LabDevice<E>, L: Layer<S, E, D>> Layer<S, E, D> for &L {
    type Output = L::Output;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
        L::apply(self, chain, shape)
    }
}

impl<S: Shape, E: Real, D: LabDevice<E>, L: Layer<S, E, D>> Layer<S, E, D> for &mut L {
    type Output = L::Output;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
        L::apply(self, chain, shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
        L::apply_mut(self, chain, shape)
    }
}

/// Ways to run a layer that say which gradients are wanted; `forward` and `forward_mut` of dfdx compute all of them.
///
/// Layers that are fields of a struct run as one operation in a tuple of references:
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Forward, Linear, Relu}, ops::Want, rng::Init};
/// let first: Linear<4, 8> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let second: Linear<8, 1> = nn::build(&Cpu::default(), 2, Init::Kaiming).unwrap();
/// let x = lab::rows::<4>(vec![1.0; 8]).unwrap();
/// let y = (&first, Relu, &second).run(x.leaky_trace(), Want::Weights).unwrap();
/// assert!(y.square().mean().backward().get(&first.bias).array().iter().any(|g| *g != 0.0));
/// ```
pub trait Forward<S: Shape, E: Real, D: LabDevice<E>>: Layer<S, E, D> {
    /// Evaluation, as one operation on the tape.
    ///
    /// # Errors
    /// The device's error.
    fn run<T: Tape<E, D>>(&self, x: Tensor<S, E, D, T>, want: Want) -> Result<Tensor<Self::Output, E, D, T>, D::Err> {
        ops::run(x, want, |chain, shape| self.apply(chain, shape))
    }

    /// Training, as one operation on the tape.
    ///
    /// # Errors
    /// The device's error.
    fn train<T: Tape<E, D>>(
        &mut self,
        x: Tensor<S, E, D, T>,
        want: Want,
    ) -> Result<Tensor<Self::Output, E, D, T>, D::Err> {
        ops::run(x, want, |chain, shape| self.apply_mut(chain, shape))
    }
}

impl<S: Shape, E: Real, D: LabDevice<E>, L: Layer<S, E, D> + ?Sized> Forward<S, E, D> for L {}

/// Makes a layer a dfdx `Module` and `ModuleMut`: `module!([generics,] Type<..>)`, where E and D are the element type and the
/// device.
macro_rules! module {
    ([$($generics:tt)*] $layer:ty) => {
        impl<$($generics)* X: dfdx::shapes::Shape, E: $crate::nn::Real, D: $crate::ops::LabDevice<E>, T: dfdx::tensor::Tape<E, D>>
            dfdx::nn::Module<dfdx::tensor::Tensor<X, E, D, T>> for $layer
        where
            Self: $crate::nn::Layer<X, E, D>,
        {
            type Output = dfdx::tensor::Tensor<<Self as $crate::nn::Layer<X, E, D>>::Output, E, D, T>;
            type Error = D::Err;

            fn try_forward(&self, x: dfdx::tensor::Tensor<X, E, D, T>) -> Result<Self::Output, D::Err> {
                $crate::nn::Forward::run(self, x, $crate::ops::Want::All)
            }
        }

        impl<$($generics)* X: dfdx::shapes::Shape, E: $crate::nn::Real, D: $crate::ops::LabDevice<E>, T: dfdx::tensor::Tape<E, D>>
            dfdx::nn::ModuleMut<dfdx::tensor::Tensor<X, E, D, T>> for $layer
        where
            Self: $crate::nn::Layer<X, E, D>,
        {
            type Output = dfdx::tensor::Tensor<<Self as $crate::nn::Layer<X, E, D>>::Output, E, D, T>;
            type Error = D::Err;

            fn try_forward_mut(&mut self, x: dfdx::tensor::Tensor<X, E, D, T>) -> Result<Self::Output, D::Err> {
                $crate::nn::Forward::train(self, x, $crate::ops::Want::All)
            }
        }
    };
}
pub(crate) use module;

/// Implements dfdx's `TensorCollection` for a struct generic over sizes and then E, D, with named modules and tensors. A tensor is
/// trained and starts at zero, unless its `TensorOptions` are given (`running_var = kept_ones()`).
macro_rules! collection {
    (@options) => { dfdx::nn::tensor_collection::TensorOptions::reset_to_zeros() };
    (@options $options:expr) => { $options };
    ($name:ident<$($size:ident),*> { $($module:ident),* $(; $($tensor:ident $(= $options:expr)?),+)? }) => {
        impl<$(const $size: usize,)* E: $crate::nn::Real, D: dfdx::tensor_ops::Device<E>>
            dfdx::nn::tensor_collection::TensorCollection<E, D> for $name<$($size,)* E, D>
        {
            type To<E2: dfdx::shapes::Dtype, D2: dfdx::tensor_ops::Device<E2>> = $name<$($size,)* E2, D2>;

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
                            $crate::nn::collection!(@options $($options)?),
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
pub fn build<M, E: Dtype, D: Device<E>>(device: &D, seed: u64, init: rng::Init) -> Result<M, <D as HasErr>::Err>
where
    M: BuildModule<D, E>,
{
    let mut model = M::try_build(device)?;
    rng::initialise(&mut model, seed, init)?;
    Ok(model)
}
