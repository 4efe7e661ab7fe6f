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

/// Convolution of sequences, `(B, I, L)` to `(B, O, L')` (PyTorch's
/// [`Conv1d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html), with its names, defaults and layouts):
///
/// y(b, o, t) = bias(o) + Σ over c, u of weight(o, c, u) x(b, c, t S − P + u DIL)
///
/// K, S, P, DIL and G are [`Conv2d`](super::Conv2d)'s; L' is [`ConvOut`]. The channels come before the time, as in PyTorch, while a
/// recurrent layer's sequences are `(B, L, F)`.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Conv1d, Relu, Sequential}, rng::Init};
/// type Net = Sequential<(Conv1d<14, 8, 5, 2>, Relu, Conv1d<8, 4, 3>)>;
/// let net: Net = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let windows: Tensor<Rank3<2, 14, 30>, f32, _> = Cpu::default().ones();
/// assert_eq!(net.forward(windows).shape().concrete(), [2, 4, 11]);
/// ```
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Conv1d}, rng::Init};
/// let layer: Conv1d<14, 8, 5> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let short: Tensor<Rank3<2, 14, 4>, f32, _> = Cpu::default().ones();
/// layer.forward(short); // kernel 5 is larger than the input of 4 with padding 0 on each side
/// ```
#[derive(Debug, Clone)]
pub struct Conv1d<
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
    /// `(O, I / G, K)`.
    pub weight: Tensor<(Const<O>, PerGroup<Const<I>, G>, Const<K>), E, D>,
    /// `(O,)`.
    pub bias: Tensor<Rank1<O>, E, D>,
}
collection! { Conv1d<I, O, K, S, P, DIL, G> { ; weight, bias } }

/// [`Conv1d`] without a bias (PyTorch's `bias=False`).
#[derive(Debug, Clone)]
pub struct UnbiasedConv1d<
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
    /// `(O, I / G, K)`.
    pub weight: Tensor<(Const<O>, PerGroup<Const<I>, G>, Const<K>), E, D>,
}
collection! { UnbiasedConv1d<I, O, K, S, P, DIL, G> { ; weight } }

/// Convolution that does not look ahead, `(B, I, L)` to `(B, O, L)`: what it says at a time depends on that time and the
/// (K − 1) DIL steps before, with zeros before the start (the dilated causal convolution of WaveNet, van den Oord et al. 2016;
/// a [`Conv1d`] behind PyTorch's `pad(x, ((K - 1) * DIL, 0))`).
///
/// y(b, o, t) = bias(o) + Σ over c, u of weight(o, c, u) x(b, c, t − (K − 1 − u) DIL)
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, CausalConv1d}, rng::Init};
/// let layer: CausalConv1d<1, 1, 3, 2> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let mut x = [0.0; 8];
/// let quiet = layer.forward(Cpu::default().tensor([[x]])).array();
/// x[5] = 1.0;
/// let y = layer.forward(Cpu::default().tensor([[x]])).array();
/// assert_eq!(y[0][0][..5], quiet[0][0][..5], "the past does not know");
/// assert_ne!(y[0][0][5], quiet[0][0][5]);
/// assert_ne!(y[0][0][7], quiet[0][0][7], "two steps later it does");
/// ```
#[derive(Debug, Clone)]
pub struct CausalConv1d<
    const I: usize,
    const O: usize,
    const K: usize,
    const DIL: usize = 1,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// `(O, I, K)`.
    pub weight: Tensor<(Const<O>, Const<I>, Const<K>), E, D>,
    /// `(O,)`.
    pub bias: Tensor<Rank1<O>, E, D>,
}
collection! { CausalConv1d<I, O, K, DIL> { ; weight, bias } }

/// The axis along which nothing happens: a sequence is an image of one line.
const ONE: Axis = Axis::new(1, 1, 0);

macro_rules! convolutions {
    ($name:ident, $bias:expr) => {
        impl<
            B: Dim,
            L: ConstDim,
            const I: usize,
            const O: usize,
            const K: usize,
            const S: usize,
            const P: usize,
            const DIL: usize,
            const G: usize,
            E: Real,
            D: LabDevice<E>,
        > Layer<(B, Const<I>, L), E, D> for $name<I, O, K, S, P, DIL, G, E, D>
        {
            type Output = (B, Const<O>, ConvOut<L, K, S, P, DIL>);

            fn apply(&self, chain: &mut Chain<E, D>, (b, ..): (B, Const<I>, L)) -> Result<Self::Output, D::Err> {
                const { per_group::<O, G>() };
                let length = ConvOut::<L, K, S, P, DIL>::default();
                let axis = Axis::new(K, S, P).dilated(DIL);
                let geometry = Geometry::kept((1, L::SIZE), (1, length.size()), (ONE, axis));
                let plan = Plan { geometry, images: b.size(), channels: (I, O), groups: G, transposed: false };
                let bias: fn(&Self) -> Result<Option<Flat<E, D>>, D::Err> = $bias;
                convolve(chain, plan, flat(&self.weight)?, bias(self)?)?;
                Ok((b, Const, length))
            }
        }

        module!([const I: usize, const O: usize, const K: usize, const S: usize, const P: usize, const DIL: usize, const G: usize,]
            $name<I, O, K, S, P, DIL, G, E, D>);
    };
}
convolutions!(Conv1d, |layer| Ok(Some(flat(&layer.bias)?)));
convolutions!(UnbiasedConv1d, |_| Ok(None));

impl<B: Dim, L: ConstDim, const I: usize, const O: usize, const K: usize, const DIL: usize, E: Real, D: LabDevice<E>>
    Layer<(B, Const<I>, L), E, D> for CausalConv1d<I, O, K, DIL, E, D>
{
    type Output = (B, Const<O>, L);

    fn apply(&self, chain: &mut Chain<E, D>, (b, _, length): (B, Const<I>, L)) -> Result<Self::Output, D::Err> {
        const { assert!(K > 0 && DIL > 0, "CausalConv1d: kernel and dilation must be at least 1") };
        // Padding on the left alone: the small side ends where the big one does.
        let axis = Axis::new(K, 1, (K - 1) * DIL).dilated(DIL);
        let geometry = Geometry::kept((1, L::SIZE), (1, L::SIZE), (ONE, axis));
        let plan = Plan { geometry, images: b.size(), channels: (I, O), groups: 1, transposed: false };
        convolve(chain, plan, flat(&self.weight)?, Some(flat(&self.bias)?))?;
        Ok((b, Const, length))
    }
}
module!([const I: usize, const O: usize, const K: usize, const DIL: usize,] CausalConv1d<I, O, K, DIL, E, D>);
