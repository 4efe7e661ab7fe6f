//! Convolutions of images and their transposes.

#[cfg(test)]
mod tests;

use std::{rc::Rc, sync::Arc};

use dfdx::{
    shapes::{Const, ConstDim, Dim, Dtype, Rank1},
    tensor::{Cpu, Gradients, Storage, Tensor},
};
use lathe_kernels::{
    brgemm::Finish,
    conv::{Axis, Geometry, Sizes},
};

use super::{
    Layer, Real, collection,
    linear::{Flat, flat},
    module,
};
use crate::{
    loss::scalar,
    ops::{self, Activation, Back, Buf, Chain, LabDevice, Layout},
    shape::{ConvOut, ConvTransposeOut, PerGroup},
};

/// A convolution or a transposed one: which pixels meet, and how many channels.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub geometry: Arc<Geometry>,
    pub images: usize,
    /// Channels in and out.
    pub channels: (usize, usize),
    pub groups: usize,
    /// Whether the input is the small side.
    pub transposed: bool,
}

impl Plan {
    fn sizes(&self) -> Sizes<'_> {
        let (input, output) = self.channels;
        let (big, small) = if self.transposed { (output, input) } else { (input, output) };
        Sizes { plan: &self.geometry, images: self.images, big, small, groups: self.groups }
    }

    /// Pixels in and out.
    fn pixels(&self) -> (usize, usize) {
        let (big, small) = (self.geometry.big_pixels(), self.geometry.small_pixels());
        if self.transposed { (small, big) } else { (big, small) }
    }

    fn forward<E: Real>(&self, x: &[E], weight: &[E], finish: Finish<'_, E>) -> Buf<E> {
        let mut y = Buf::any(self.pixels().1 * self.images * self.channels.1);
        match self.transposed {
            false => E::conv_small_from_big(self.sizes(), x, weight, &mut y, finish),
            true => E::conv_big_from_small(self.sizes(), x, weight, &mut y, finish),
        }
        y
    }

    fn input_gradient<E: Real>(&self, dz: &[E], weight: &[E]) -> Buf<E> {
        let mut dx = Buf::any(self.pixels().0 * self.images * self.channels.0);
        match self.transposed {
            false => E::conv_big_from_small(self.sizes(), dz, weight, &mut dx, Finish::set()),
            true => E::conv_small_from_big(self.sizes(), dz, weight, &mut dx, Finish::set()),
        }
        dx
    }

    fn weight_gradient<E: Real>(&self, x: &[E], dz: &[E], dw: &mut [E]) {
        let (big, small) = if self.transposed { (dz, x) } else { (x, dz) };
        E::conv_filter_gradient(self.sizes(), big, small, dw);
    }
}

/// The block behind all convolutions.
pub(super) fn convolve<E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    plan: Plan,
    weight: Flat<E, D>,
    bias: Option<Flat<E, D>>,
) -> Result<(), D::Err> {
    let (from, to) = plan.pixels();
    let (input, output) = plan.channels;
    let step = chain.begin_pixels((plan.images, input, from));
    let values = ops::read(&weight)?;
    let shift = bias.as_ref().map(ops::read).transpose()?;
    let useful = step.any();
    let layout = Layout::Pixels { pixels: to, images: plan.images, channels: output };
    chain.defer(layout, useful, move |activation| {
        let (slope, rest) = match activation {
            Activation::Identity => (1.0, None),
            Activation::Leaky(slope) => (slope, None),
            other => (1.0, Some(other)),
        };
        let finish = Finish { add: false, bias: shift.as_deref(), slope: scalar(slope) };
        let mut y = plan.forward(&step.x, &values, finish);
        if let Some(activation) = rest {
            E::dense_forward(&mut y, &[], activation);
        }
        let y = Rc::new(y);
        let out = Rc::clone(&y);
        let back = move |grads: &mut Gradients<E, D>, mut dz: Buf<E>| {
            let mut sums = Buf::zeros(if step.weights && bias.is_some() { output } else { 0 });
            E::dense_backward(&mut dz, &y, &mut sums, activation);
            drop(y);
            if step.weights {
                if let Some(bias) = &bias {
                    ops::add_gradient(grads, bias, &sums)?;
                }
                D::edit_gradient(grads, &weight, |dw| plan.weight_gradient(&step.x, &dz, dw))?;
            }
            Ok(if step.input { plan.input_gradient(&dz, &values) } else { Buf::any(0) })
        };
        (out, useful.then(|| Box::new(back) as Back<E, D>))
    });
    Ok(())
}

/// Convolution of images, `(B, I, H, W)` to `(B, O, H', W')` (PyTorch's
/// [`Conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html), with its names, defaults and layouts):
///
/// y(b, o, i, j) = bias(o) + Σ over c, u, v of weight(o, c, u, v) x(b, c, i S − P + u DIL, j S − P + v DIL)
///
/// K is the size of the (square) kernel, S the stride, P the padding with zeros on each side, DIL the dilation (step between the
/// kernel's taps), G the number of groups of channels that do not mix. H' = ⌊(H + 2 P − DIL (K − 1) − 1) / S⌋ + 1, as a
/// type: [`ConvOut`]. An activation behind it in a [`Sequential`](super::Sequential) is part of the same pass.
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
collection!(Conv2d<I, O, K, S, P, DIL, G> { ; weight, bias });

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
collection!(UnbiasedConv2d < I, O, K, S, P, DIL, G > { weight });

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
collection!(ConvTranspose2d<I, O, K, S, P, OP, DIL, G> { ; weight, bias });

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
collection!(UnbiasedConvTranspose2d < I, O, K, S, P, OP, DIL, G > { weight });

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

/// Channels of a group; does not compile where the groups do not divide them.
const fn per_group<const C: usize, const G: usize>() -> usize {
    <PerGroup<Const<C>, G> as ConstDim>::SIZE
}
