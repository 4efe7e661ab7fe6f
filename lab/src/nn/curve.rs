use std::rc::Rc;

use dfdx::{
    nn::ZeroSizedModule,
    shapes::{ConstDim, Dim, Shape},
    tensor::Gradients,
};
use lathe_kernels::curves::Curve;

use super::{Layer, Real, module};
use crate::ops::{Back, Buf, Chain, LabDevice, Layout};

/// An activation that keeps its input for the way back.
fn bend<E: Real, D: LabDevice<E>>(chain: &mut Chain<E, D>, curve: Curve) {
    let step = chain.begin();
    let mut y = Buf::any(step.x.len());
    E::curve_forward(&step.x, curve, &mut y);
    let x = step.x;
    let back = step.input.then(|| {
        let back = move |_: &mut Gradients<E, D>, mut dy: Buf<E>| {
            E::curve_backward(&mut dy, &x, curve);
            Ok(dy)
        };
        Box::new(back) as Back<E, D>
    });
    chain.end(Rc::new(y), step.layout, back);
}

macro_rules! curves {
    ($($(#[$doc:meta])* $name:ident = $curve:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name;

        impl ZeroSizedModule for $name {}

        impl<S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for $name {
            type Output = S;

            fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
                bend(chain, $curve);
                Ok(shape)
            }
        }

        module!([] $name);
    )*};
}

curves! {
    /// y = x Φ(x) with the normal distribution function Φ (Hendrycks and Gimpel 2016; PyTorch's `GELU`).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// let x: Tensor<Rank1<2>, f64, Cpu> = Cpu::default().tensor([1.0, 0.0]);
    /// let y = lab::nn::Gelu.forward(x).array();
    /// assert!((y[0] - 0.841_344_746).abs() < 1e-8 && y[1] == 0.0);
    /// ```
    Gelu = Curve::Gelu;
    /// y = ½ x (1 + tanh(sqrt(2 / π) (x + 0.044715 x³))), close to [`Gelu`] (PyTorch's `GELU(approximate="tanh")`).
    GeluTanh = Curve::GeluTanh;
    /// y = x / (1 + exp(−x)) (Elfwing et al. 2017; PyTorch's `SiLU`).
    Silu = Curve::Silu;
    /// y = ln(1 + exp(x)), a smooth [`Relu`](super::Relu) (PyTorch's `Softplus` with beta 1).
    Softplus = Curve::Softplus;
}

/// y = x where x > 0, else α (exp(x) − 1), with α in percent as part of the type (Clevert et al. 2015; PyTorch's `ELU`, α = 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Elu<const PERCENT: u32 = 100>;

impl<const PERCENT: u32> ZeroSizedModule for Elu<PERCENT> {}

impl<const PERCENT: u32, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Elu<PERCENT> {
    type Output = S;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        bend(chain, Curve::Elu(f64::from(PERCENT) / 100.0));
        Ok(shape)
    }
}

module!([const PERCENT: u32,] Elu<PERCENT>);

/// Softmax, or its logarithm, of the last dimension.
fn normalise<E: Real, D: LabDevice<E>>(chain: &mut Chain<E, D>, width: usize, log: bool) {
    let step = chain.begin_rows();
    let mut y = Buf::any(step.x.len());
    E::softmax_forward(&step.x, width, log, &mut y);
    let y = Rc::new(y);
    let back = step.input.then(|| {
        let y = Rc::clone(&y);
        let back = move |_: &mut Gradients<E, D>, mut dy: Buf<E>| {
            E::softmax_backward(&mut dy, &y, width, log);
            Ok(dy)
        };
        Box::new(back) as Back<E, D>
    });
    chain.end(y, Layout::Rows, back);
}

macro_rules! softmaxes {
    ($($(#[$doc:meta])* $name:ident = $log:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name;

        impl ZeroSizedModule for $name {}

        impl<B: Dim, F: ConstDim, E: Real, D: LabDevice<E>> Layer<(B, F), E, D> for $name {
            type Output = (B, F);

            fn apply(&self, chain: &mut Chain<E, D>, shape: (B, F)) -> Result<(B, F), D::Err> {
                normalise(chain, F::SIZE, $log);
                Ok(shape)
            }
        }

        impl<B: Dim, T: Dim, F: Dim, E: Real, D: LabDevice<E>> Layer<(B, T, F), E, D> for $name {
            type Output = (B, T, F);

            fn apply(&self, chain: &mut Chain<E, D>, shape: (B, T, F)) -> Result<(B, T, F), D::Err> {
                normalise(chain, shape.2.size(), $log);
                Ok(shape)
            }
        }

        module!([] $name);
    )*};
}

softmaxes! {
    /// exp(xᵢ) / Σ exp(xⱼ) over the last dimension (PyTorch's `Softmax(-1)`), without overflow. A row of −∞ gives zeros, where
    /// PyTorch gives NaN.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// let x: Tensor<Rank2<1, 2>, f32, Cpu> = Cpu::default().tensor([[1000.0, 1000.0]]);
    /// assert_eq!(lab::nn::Softmax.forward(x).array(), [[0.5, 0.5]]);
    /// ```
    Softmax = false;
    /// xᵢ − ln Σ exp(xⱼ) over the last dimension (PyTorch's `LogSoftmax(-1)`).
    LogSoftmax = true;
}
