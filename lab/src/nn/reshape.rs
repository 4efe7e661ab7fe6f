use dfdx::{
    nn::ZeroSizedModule,
    shapes::{Const, ConstDim, Dim},
};

use super::{Layer, Real, module};
use crate::{
    ops::{Chain, LabDevice},
    shape::{
        Part::{Size, Text},
        fail,
    },
};

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
        const {
            if C::SIZE * H::SIZE * W::SIZE != N {
                fail(&[
                    Text("Flatten<"),
                    Size(N),
                    Text(">: its input has "),
                    Size(C::SIZE),
                    Text(" x "),
                    Size(H::SIZE),
                    Text(" x "),
                    Size(W::SIZE),
                    Text(" = "),
                    Size(C::SIZE * H::SIZE * W::SIZE),
                    Text(" values"),
                ]);
            }
        }
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
        const {
            if C * H * W != N::SIZE {
                fail(&[
                    Text("Unflatten<"),
                    Size(C),
                    Text(", "),
                    Size(H),
                    Text(", "),
                    Size(W),
                    Text("> has "),
                    Size(C * H * W),
                    Text(" values, its input "),
                    Size(N::SIZE),
                ]);
            }
        }
        Ok((rows, Const, Const, Const))
    }
}

module!([const C: usize, const H: usize, const W: usize,] Unflatten<C, H, W>);

/// Says what an image's height and width are: `(B, C, H', W')` with computed dims to `(B, C, H, W)` with plain ones.
///
/// Nothing is computed. Other numbers than those that the layers before lead to do not compile.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::{self, As, Conv2d, Sequential};
/// type Net = Sequential<(Conv2d<1, 2, 5, 2, 2>, As<14, 10>)>;
/// let net: Net = nn::build(&Cpu::default(), 1, lab::rng::Init::Kaiming).unwrap();
/// let x: Tensor<Rank4<3, 1, 28, 20>, f32, _> = Cpu::default().zeros();
/// let y: Tensor<Rank4<3, 2, 14, 10>, f32, _> = net.forward(x);
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::nn::{self, As, Conv2d, Sequential};
/// type Net = Sequential<(Conv2d<1, 2, 5, 2, 2>, As<14, 14>)>; // As<14, 14>: the image is 14 x 10
/// let net: Net = nn::build(&Cpu::default(), 1, lab::rng::Init::Kaiming).unwrap();
/// let x: Tensor<Rank4<3, 1, 28, 20>, f32, _> = Cpu::default().zeros();
/// net.forward(x);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct As<const H: usize, const W: usize>;

impl<const H: usize, const W: usize> ZeroSizedModule for As<H, W> {}

impl<B: Dim, C: Dim, H1: ConstDim, W1: ConstDim, const H: usize, const W: usize, E: Real, D: LabDevice<E>>
    Layer<(B, C, H1, W1), E, D> for As<H, W>
{
    type Output = (B, C, Const<H>, Const<W>);

    fn apply(&self, _: &mut Chain<E, D>, (rows, channels, ..): (B, C, H1, W1)) -> Result<Self::Output, D::Err> {
        const {
            if H != H1::SIZE || W != W1::SIZE {
                fail(&[
                    Text("As<"),
                    Size(H),
                    Text(", "),
                    Size(W),
                    Text(">: the image is "),
                    Size(H1::SIZE),
                    Text(" x "),
                    Size(W1::SIZE),
                ]);
            }
        }
        Ok((rows, channels, Const, Const))
    }
}

module!([const H: usize, const W: usize,] As<H, W>);
