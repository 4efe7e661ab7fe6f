use dfdx::{
    nn::ZeroSizedModule,
    shapes::{Const, ConstDim, Dim},
};

use super::{Layer, Real, module};
use crate::ops::{Chain, LabDevice};

/// Images `(B, C, H, W)` to rows `(B, N)` in PyTorch's order, N = C H W. Nothing is moved: a [`Linear`](super::Linear) behind it
/// reads the convolution's own layout.
///
/// N is written out, so that reader and compiler see the width of what follows; another number does not compile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flatten<const N: usize>;

impl<const N: usize> ZeroSizedModule for Flatten<N> {}

impl<B: Dim, C: ConstDim, H: ConstDim, W: ConstDim, const N: usize, E: Real, D: LabDevice<E>> Layer<(B, C, H, W), E, D>
    for Flatten<N>
{
    type Output = (B, Const<N>);

    fn apply(&self, _: &mut Chain<E, D>, (rows, ..): (B, C, H, W)) -> Result<Self::Output, D::Err> {
        const { assert!(C::SIZE * H::SIZE * W::SIZE == N, "Flatten<N>: N is not channels * height * width of its input") };
        Ok((rows, Const))
    }
}

module!([const N: usize,] Flatten<N>);

/// Rows `(B, C H W)` to images `(B, C, H, W)` in PyTorch's order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unflatten<const C: usize, const H: usize, const W: usize>;

impl<const C: usize, const H: usize, const W: usize> ZeroSizedModule for Unflatten<C, H, W> {}

impl<B: Dim, N: ConstDim, const C: usize, const H: usize, const W: usize, E: Real, D: LabDevice<E>> Layer<(B, N), E, D>
    for Unflatten<C, H, W>
{
    type Output = (B, Const<C>, Const<H>, Const<W>);

    fn apply(&self, _: &mut Chain<E, D>, (rows, _): (B, N)) -> Result<Self::Output, D::Err> {
        const { assert!(C * H * W == N::SIZE, "Unflatten<C, H, W>: C * H * W is not the width of its input") };
        Ok((rows, Const, Const, Const))
    }
}

module!([const C: usize, const H: usize, const W: usize,] Unflatten<C, H, W>);
