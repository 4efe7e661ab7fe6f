use dfdx::{
    shapes::{Const, ConstDim, Dim, Dtype, Rank1},
    tensor::{Cpu, Storage, Tensor},
};
use lathe_kernels::conv::{Axis, Geometry};

use super::{Plan, convolve, per_group};
use crate::{
    nn::{
        Layer, Real, collection,
        linear::{Flat, flat},
        module,
    },
    ops::{Chain, LabDevice},
    shape::{ConvOut, PerGroup},
};

/// Convolution of images, `(B, I, H, W)` to `(B, O, H', W')` (PyTorch's
/// [`Conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html), with its names, defaults and layouts):
///
/// y(b, o, i, j) = bias(o) + Σ over c, u, v of weight(o, c, u, v) x(b, c, i S − P + u DIL, j S − P + v DIL)
///
/// K is the size of the (square) kernel, S the stride, P the padding with zeros on each side, DIL the dilation (step between the
/// kernel's taps), G the number of groups of channels that do not mix. H' = ⌊(H + 2 P − DIL (K − 1) − 1) / S⌋ + 1, as a
/// type: [`ConvOut`]. An activation behind it in a [`Sequential`](crate::nn::Sequential) is part of the same pass.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Conv2d, LeakyRelu, Sequential}, rng::Init};
/// type Half = Sequential<(Conv2d<3, 8, 4, 2, 1>, LeakyRelu<20>)>;
/// let half: Half = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let images: Tensor<Rank4<2, 3, 16, 12>, f32, _> = Cpu::default().ones();
/// assert_eq!(half.forward(images).shape().concrete(), [2, 8, 8, 6]);
/// ```
///
/// Images with another number of channels are refused by the compiler, and so is a kernel that does not fit:
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Conv2d}, rng::Init};
/// let layer: Conv2d<3, 8, 4, 2, 1> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let grey: Tensor<Rank4<2, 1, 16, 12>, f32, _> = Cpu::default().ones();
/// layer.forward(grey); // one channel, the layer takes three
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Conv2d}, rng::Init};
/// let layer: Conv2d<3, 8, 7> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let small: Tensor<Rank4<2, 3, 6, 6>, f32, _> = Cpu::default().ones();
/// layer.forward(small); // kernel 7 is larger than the input of 6 with padding 0 on each side
/// ```
#[derive(Debug, Clone)]
pub struct Conv2d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    const DIL: usize = 1,
    const G: usize = 1,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// `(O, I / G, K, K)`.
    pub weight: Tensor<(Const<O>, PerGroup<Const<I>, G>, Const<K>, Const<K>), E, D>,
    /// `(O,)`.
    pub bias: Tensor<Rank1<O>, E, D>,
}
collection! { Conv2d<I, O, K, S, P, DIL, G> { ; weight, bias } }

/// [`Conv2d`] without a bias (PyTorch's `bias=False`): what comes before a batch norm, which has its own.
#[derive(Debug, Clone)]
pub struct UnbiasedConv2d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    const DIL: usize = 1,
    const G: usize = 1,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// `(O, I / G, K, K)`.
    pub weight: Tensor<(Const<O>, PerGroup<Const<I>, G>, Const<K>, Const<K>), E, D>,
}
collection! { UnbiasedConv2d<I, O, K, S, P, DIL, G> { ; weight } }

macro_rules! convolutions {
    ($name:ident, $bias:expr) => {
        impl<
            B: Dim,
            H: ConstDim,
            W: ConstDim,
            const I: usize,
            const O: usize,
            const K: usize,
            const S: usize,
            const P: usize,
            const DIL: usize,
            const G: usize,
            E: Real,
            D: LabDevice<E>,
        > Layer<(B, Const<I>, H, W), E, D> for $name<I, O, K, S, P, DIL, G, E, D>
        {
            type Output = (B, Const<O>, ConvOut<H, K, S, P, DIL>, ConvOut<W, K, S, P, DIL>);

            fn apply(&self, chain: &mut Chain<E, D>, (b, ..): (B, Const<I>, H, W)) -> Result<Self::Output, D::Err> {
                // Evaluated while this is compiled.
                const { per_group::<O, G>() };
                let out = (b, Const, ConvOut::default(), ConvOut::default());
                let (_, _, height, width): Self::Output = out;
                let axis = Axis::new(K, S, P).dilated(DIL);
                let geometry = Geometry::kept((H::SIZE, W::SIZE), (height.size(), width.size()), (axis, axis));
                let plan = Plan { geometry, images: b.size(), channels: (I, O), groups: G, transposed: false };
                let bias: fn(&Self) -> Result<Option<Flat<E, D>>, D::Err> = $bias;
                convolve(chain, plan, flat(&self.weight)?, bias(self)?)?;
                Ok(out)
            }
        }

        module!([const I: usize, const O: usize, const K: usize, const S: usize, const P: usize, const DIL: usize, const G: usize,]
            $name<I, O, K, S, P, DIL, G, E, D>);
    };
}
convolutions!(Conv2d, |layer| Ok(Some(flat(&layer.bias)?)));
convolutions!(UnbiasedConv2d, |_| Ok(None));
