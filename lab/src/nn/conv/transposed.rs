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
    shape::{ConvTransposeOut, PerGroup},
};

/// Transposed convolution of images, `(B, I, H, W)` to `(B, O, H', W')` (PyTorch's
/// [`ConvTranspose2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html), with its names, defaults and
/// layouts): every input pixel adds its kernel, times its value, to the output.
///
/// y(b, o, i S − P + u DIL, j S − P + v DIL) += x(b, c, i, j) weight(c, o, u, v), starting from bias(o)
///
/// H' = (H − 1) S − 2 P + DIL (K − 1) + OP + 1, as a type: [`ConvTransposeOut`]. OP, PyTorch's `output_padding`, chooses among
/// the heights that a convolution with the same numbers would shrink to H. An even kernel with K = 2 S avoids checkerboards
/// (Odena et al. 2016).
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, ConvTranspose2d, Sequential, Tanh}, rng::Init};
/// type Double = Sequential<(ConvTranspose2d<8, 3, 4, 2, 1>, Tanh)>;
/// let double: Double = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let small: Tensor<Rank4<2, 8, 7, 5>, f32, _> = Cpu::default().ones();
/// assert_eq!(double.forward(small).shape().concrete(), [2, 3, 14, 10]);
/// ```
///
/// PyTorch refuses an output padding that is not smaller than stride or dilation when it runs; here it does not compile:
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, ConvTranspose2d}, rng::Init};
/// let layer: ConvTranspose2d<8, 3, 5, 2, 2, 2> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let small: Tensor<Rank4<2, 8, 7, 5>, f32, _> = Cpu::default().ones();
/// layer.forward(small);
/// ```
#[derive(Debug, Clone)]
pub struct ConvTranspose2d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    const OP: usize = 0,
    const DIL: usize = 1,
    const G: usize = 1,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// `(I, O / G, K, K)`.
    pub weight: Tensor<(Const<I>, PerGroup<Const<O>, G>, Const<K>, Const<K>), E, D>,
    /// `(O,)`.
    pub bias: Tensor<Rank1<O>, E, D>,
}
collection! { ConvTranspose2d<I, O, K, S, P, OP, DIL, G> { ; weight, bias } }

/// [`ConvTranspose2d`] without a bias (PyTorch's `bias=False`).
#[derive(Debug, Clone)]
pub struct UnbiasedConvTranspose2d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    const OP: usize = 0,
    const DIL: usize = 1,
    const G: usize = 1,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// `(I, O / G, K, K)`.
    pub weight: Tensor<(Const<I>, PerGroup<Const<O>, G>, Const<K>, Const<K>), E, D>,
}
collection! { UnbiasedConvTranspose2d<I, O, K, S, P, OP, DIL, G> { ; weight } }

macro_rules! transposed {
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
            const OP: usize,
            const DIL: usize,
            const G: usize,
            E: Real,
            D: LabDevice<E>,
        > Layer<(B, Const<I>, H, W), E, D> for $name<I, O, K, S, P, OP, DIL, G, E, D>
        {
            type Output = (B, Const<O>, ConvTransposeOut<H, K, S, P, OP, DIL>, ConvTransposeOut<W, K, S, P, OP, DIL>);

            fn apply(&self, chain: &mut Chain<E, D>, (b, ..): (B, Const<I>, H, W)) -> Result<Self::Output, D::Err> {
                // Evaluated while this is compiled.
                const { per_group::<I, G>() };
                let out = (b, Const, ConvTransposeOut::default(), ConvTransposeOut::default());
                let (_, _, height, width): Self::Output = out;
                let axis = Axis::new(K, S, P).dilated(DIL);
                let geometry = Geometry::kept((height.size(), width.size()), (H::SIZE, W::SIZE), (axis, axis));
                let plan = Plan { geometry, images: b.size(), channels: (I, O), groups: G, transposed: true };
                let bias: fn(&Self) -> Result<Option<Flat<E, D>>, D::Err> = $bias;
                convolve(chain, plan, flat(&self.weight)?, bias(self)?)?;
                Ok(out)
            }
        }

        module!([const I: usize, const O: usize, const K: usize, const S: usize, const P: usize, const OP: usize,
            const DIL: usize, const G: usize,] $name<I, O, K, S, P, OP, DIL, G, E, D>);
    };
}
transposed!(ConvTranspose2d, |layer| Ok(Some(flat(&layer.bias)?)));
transposed!(UnbiasedConvTranspose2d, |_| Ok(None));
