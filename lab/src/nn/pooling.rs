use std::{rc::Rc, sync::Arc};

use dfdx::{
    nn::ZeroSizedModule,
    shapes::{Const, ConstDim, Dim},
    tensor::Gradients,
};
use lathe_kernels::conv::{Axis, Geometry, Share};

use super::{Layer, Real, module};
use crate::{
    ops::{Back, Buf, Chain, LabDevice, Layout},
    shape::{PoolOut, Times},
};

/// Images and their channels.
type Images = (usize, usize);

fn pixels((images, channels): Images, pixels: usize) -> Layout {
    Layout::Pixels { pixels, images, channels }
}

/// Every pixel of the small side is a mean of the big one's.
fn average<E: Real, D: LabDevice<E>>(chain: &mut Chain<E, D>, plan: Arc<Geometry>, of: Images, share: Share) {
    let step = chain.begin_pixels((of.0, of.1, plan.big_pixels()));
    let width = of.0 * of.1;
    let mut y = Buf::any(plan.small_pixels() * width);
    E::sum_pool(&plan, width, &step.x, &mut y, share);
    let layout = pixels(of, plan.small_pixels());
    let back = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
        let mut dx = Buf::any(plan.big_pixels() * width);
        E::sum_pool_back(&plan, width, &dy, &mut dx, share);
        Ok(dx)
    };
    chain.end(Rc::new(y), layout, step.input.then(|| Box::new(back) as Back<E, D>));
}

/// The largest value of each K x K window of each channel, `(B, C, H, W)` to `(B, C, H', W')` (PyTorch's
/// [`MaxPool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html)). Windows begin S apart (K by default); P
/// rows and columns on each side never win. H' is [`PoolOut`]. NaN wins. The gradient goes to the pixel that won.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::MaxPool2d;
/// let x: Tensor<Rank4<1, 1, 2, 4>, f32, _> = Cpu::default().tensor([[[[1.0, 5.0, 0.0, -1.0], [2.0, 3.0, -4.0, -2.0]]]]);
/// assert_eq!(MaxPool2d::<2>.forward(x).as_vec(), [5.0, 0.0]);
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// let x: Tensor<Rank4<1, 1, 2, 4>, f32, _> = Cpu::default().zeros();
/// lab::nn::MaxPool2d::<3>.forward(x); // kernel 3 is larger than the input of 2
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaxPool2d<const K: usize, const S: usize = K, const P: usize = 0>;

impl<const K: usize, const S: usize, const P: usize> ZeroSizedModule for MaxPool2d<K, S, P> {}

impl<B: Dim, C: Dim, H: ConstDim, W: ConstDim, const K: usize, const S: usize, const P: usize, E: Real, D: LabDevice<E>>
    Layer<(B, C, H, W), E, D> for MaxPool2d<K, S, P>
{
    type Output = (B, C, PoolOut<H, K, S, P>, PoolOut<W, K, S, P>);

    fn apply(&self, chain: &mut Chain<E, D>, (b, c, ..): (B, C, H, W)) -> Result<Self::Output, D::Err> {
        let (plan, of) = (windows::<H, W, K, S, P>(), (b.size(), c.size()));
        let step = chain.begin_pixels((of.0, of.1, plan.big_pixels()));
        let width = of.0 * of.1;
        let (mut y, mut winners) = (Buf::any(plan.small_pixels() * width), Buf::any(plan.small_pixels() * width));
        E::max_pool(&plan, width, &step.x, &mut y, &mut winners);
        let layout = pixels(of, plan.small_pixels());
        let back = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
            let mut dx = Buf::any(plan.big_pixels() * width);
            E::max_pool_back(&plan, width, &dy, &winners, &mut dx);
            Ok(dx)
        };
        chain.end(Rc::new(y), layout, step.input.then(|| Box::new(back) as Back<E, D>));
        Ok((b, c, PoolOut::default(), PoolOut::default()))
    }
}
module!([const K: usize, const S: usize, const P: usize,] MaxPool2d<K, S, P>);

/// Which pixels a pooling window covers.
fn windows<H: ConstDim, W: ConstDim, const K: usize, const S: usize, const P: usize>() -> Arc<Geometry> {
    let axis = Axis::new(K, S, P);
    let small = (PoolOut::<H, K, S, P>::SIZE, PoolOut::<W, K, S, P>::SIZE);
    Geometry::kept((H::SIZE, W::SIZE), small, (axis, axis))
}

/// The mean of each K x K window of each channel, `(B, C, H, W)` to `(B, C, H', W')` (PyTorch's
/// [`AvgPool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html)). Windows begin S apart (K by default);
/// zeros of the padding P count, as they do by default in PyTorch. H' is [`PoolOut`].
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::AvgPool2d;
/// let x: Tensor<Rank4<1, 1, 2, 4>, f32, _> = Cpu::default().tensor([[[[1.0, 5.0, 0.0, -1.0], [2.0, 4.0, -4.0, -3.0]]]]);
/// assert_eq!(AvgPool2d::<2>.forward(x).as_vec(), [3.0, -2.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AvgPool2d<const K: usize, const S: usize = K, const P: usize = 0>;

impl<const K: usize, const S: usize, const P: usize> ZeroSizedModule for AvgPool2d<K, S, P> {}

impl<B: Dim, C: Dim, H: ConstDim, W: ConstDim, const K: usize, const S: usize, const P: usize, E: Real, D: LabDevice<E>>
    Layer<(B, C, H, W), E, D> for AvgPool2d<K, S, P>
{
    type Output = (B, C, PoolOut<H, K, S, P>, PoolOut<W, K, S, P>);

    fn apply(&self, chain: &mut Chain<E, D>, (b, c, ..): (B, C, H, W)) -> Result<Self::Output, D::Err> {
        average(chain, windows::<H, W, K, S, P>(), (b.size(), c.size()), Share::Of((K * K) as f64));
        Ok((b, c, PoolOut::default(), PoolOut::default()))
    }
}
module!([const K: usize, const S: usize, const P: usize,] AvgPool2d<K, S, P>);

/// Means of OH x OW windows that cover the image, whatever its size: `(B, C, H, W)` to `(B, C, OH, OW)` (PyTorch's
/// [`AdaptiveAvgPool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html)). Window i goes from
/// ⌊i H / OH⌋ to ⌈(i + 1) H / OH⌉, so that neighbours may overlap by a pixel where OH does not divide H.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::AdaptiveAvgPool2d;
/// let x: Tensor<Rank4<1, 1, 1, 3>, f32, _> = Cpu::default().tensor([[[[1.0, 2.0, 6.0]]]]);
/// assert_eq!(AdaptiveAvgPool2d::<1, 2>.forward(x).as_vec(), [1.5, 4.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdaptiveAvgPool2d<const OH: usize, const OW: usize = OH>;

impl<const OH: usize, const OW: usize> ZeroSizedModule for AdaptiveAvgPool2d<OH, OW> {}

impl<B: Dim, C: Dim, H: ConstDim, W: ConstDim, const OH: usize, const OW: usize, E: Real, D: LabDevice<E>>
    Layer<(B, C, H, W), E, D> for AdaptiveAvgPool2d<OH, OW>
{
    type Output = (B, C, Const<OH>, Const<OW>);

    fn apply(&self, chain: &mut Chain<E, D>, (b, c, ..): (B, C, H, W)) -> Result<Self::Output, D::Err> {
        const { assert!(OH > 0 && OW > 0, "AdaptiveAvgPool2d: the output needs at least one pixel") };
        let plan = Geometry::adaptive((H::SIZE, W::SIZE), (OH, OW));
        average(chain, plan, (b.size(), c.size()), Share::Pixels);
        Ok((b, c, Const, Const))
    }
}
module!([const OH: usize, const OW: usize,] AdaptiveAvgPool2d<OH, OW>);

/// The mean over all pixels, `(B, C, H, W)` to `(B, C)`: PyTorch's `x.mean((2, 3))`, and what stands before the last
/// [`Linear`](super::Linear) of many classifiers (Lin et al. 2013).
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::GlobalAvgPool;
/// let x: Tensor<Rank4<1, 2, 1, 2>, f32, _> = Cpu::default().tensor([[[[1.0, 3.0]], [[0.0, 5.0]]]]);
/// assert_eq!(GlobalAvgPool.forward(x).array(), [[2.0, 2.5]]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GlobalAvgPool;

impl ZeroSizedModule for GlobalAvgPool {}

impl<B: Dim, C: Dim, H: ConstDim, W: ConstDim, E: Real, D: LabDevice<E>> Layer<(B, C, H, W), E, D> for GlobalAvgPool {
    type Output = (B, C);

    fn apply(&self, chain: &mut Chain<E, D>, (b, c, ..): (B, C, H, W)) -> Result<Self::Output, D::Err> {
        average(chain, Geometry::adaptive((H::SIZE, W::SIZE), (1, 1)), (b.size(), c.size()), Share::Pixels);
        Ok((b, c))
    }
}
module!([] GlobalAvgPool);

/// Every pixel becomes F x F equal ones, `(B, C, H, W)` to `(B, C, F H, F W)` (PyTorch's
/// [`Upsample`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html) with `mode="nearest"`). With a convolution
/// behind it this replaces a transposed convolution and leaves no checkerboards (Odena et al. 2016).
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Conv2d, Relu, Sequential, UpsampleNearest}, rng::Init};
/// type Double = Sequential<(UpsampleNearest<2>, Conv2d<8, 4, 3, 1, 1>, Relu)>;
/// let double: Double = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let small: Tensor<Rank4<2, 8, 7, 5>, f32, _> = Cpu::default().ones();
/// assert_eq!(double.forward(small).shape().concrete(), [2, 4, 14, 10]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpsampleNearest<const F: usize>;

impl<const F: usize> ZeroSizedModule for UpsampleNearest<F> {}

impl<B: Dim, C: Dim, H: ConstDim, W: ConstDim, const F: usize, E: Real, D: LabDevice<E>> Layer<(B, C, H, W), E, D>
    for UpsampleNearest<F>
{
    type Output = (B, C, Times<H, F>, Times<W, F>);

    fn apply(&self, chain: &mut Chain<E, D>, (b, c, h, w): (B, C, H, W)) -> Result<Self::Output, D::Err> {
        const { assert!(F > 0, "UpsampleNearest: the factor must be at least 1") };
        let (axis, of) = (Axis::new(F, F, 0), (b.size(), c.size()));
        let plan = Geometry::kept((h.size() * F, w.size() * F), (h.size(), w.size()), (axis, axis));
        let step = chain.begin_pixels((of.0, of.1, plan.small_pixels()));
        let width = of.0 * of.1;
        let mut y = Buf::any(plan.big_pixels() * width);
        E::sum_pool_back(&plan, width, &step.x, &mut y, Share::Of(1.0));
        let layout = pixels(of, plan.big_pixels());
        let back = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
            let mut dx = Buf::any(plan.small_pixels() * width);
            E::sum_pool(&plan, width, &dy, &mut dx, Share::Of(1.0));
            Ok(dx)
        };
        chain.end(Rc::new(y), layout, step.input.then(|| Box::new(back) as Back<E, D>));
        Ok((b, c, Times::default(), Times::default()))
    }
}
module!([const F: usize,] UpsampleNearest<F>);
