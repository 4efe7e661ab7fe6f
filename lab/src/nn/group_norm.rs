use std::rc::Rc;

use dfdx::{
    nn::ZeroSizedModule,
    shapes::{Const, Dim, Dtype, Rank1},
    tensor::{Cpu, Gradients, Storage, Tensor},
};
use lathe_kernels::group_norm::Sizes;

use super::{
    Layer, Real, collection,
    linear::{Flat, flat},
    module,
    state::ones,
};
use crate::{
    loss::scalar,
    ops::{self, Back, Buf, Chain, LabDevice},
};

/// Added to a variance.
const EPSILON: f64 = 1e-5;

/// Group normalisation (Wu and He 2018): an image's `C` channels are cut into `G` groups, each normalised over its channels and
/// pixels, then scaled and shifted by channel: `(B, C, H, W)`, `(B, C, L)` or `(B, C)` to the same (PyTorch's `GroupNorm(G, C)`,
/// ε = 1e-5). The batch's other images do not matter; training and evaluation are the same.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, GroupNorm}, rng::Init};
/// let layer: GroupNorm<2, 4> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// let y = layer.forward(lab::rows::<4>(vec![1.0, 3.0, -5.0, 5.0]).unwrap()).as_vec();
/// assert!(y.iter().zip([-1.0, 1.0, -1.0, 1.0]).all(|(y, want)| (y - want).abs() < 1e-4));
/// ```
#[derive(Debug, Clone)]
pub struct GroupNorm<const G: usize, const C: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// Scale of a channel, 1 at the start.
    pub weight: Tensor<Rank1<C>, E, D>,
    /// Shift of a channel, 0 at the start.
    pub bias: Tensor<Rank1<C>, E, D>,
}
collection!(GroupNorm<G, C> { ; weight = ones(), bias });

/// Each channel of each image is brought to mean 0 and variance 1 over its pixels (Ulyanov et al. 2016): `(B, C, H, W)` to the
/// same (PyTorch's `InstanceNorm2d` with its defaults: nothing is learnt, ε = 1e-5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceNorm2d<const C: usize>;

impl<const C: usize> ZeroSizedModule for InstanceNorm2d<C> {}

/// The block behind both layers.
fn normalise<E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    s: Sizes,
    learnt: Option<[Flat<E, D>; 2]>,
) -> Result<(), D::Err> {
    let step = chain.begin_pixels((s.images, s.channels, s.pixels));
    let (scale, shift) = match &learnt {
        Some([weight, bias]) => (ops::read(weight)?, ops::read(bias)?),
        None => (vec![scalar(1.0); s.channels].into(), Buf::zeros(s.channels)),
    };
    let mut y = Buf::any(step.x.len());
    let mut kept = Buf::any(2 * s.images * s.groups);
    E::group_forward(s, &step.x, &scale, &shift, EPSILON, &mut y, &mut kept);
    let useful = step.input || (step.weights && learnt.is_some());
    let layout = step.layout;
    let back = move |grads: &mut Gradients<E, D>, mut dy: Buf<E>| {
        let (mut d_weight, mut d_bias) = (Buf::zeros(s.channels), Buf::zeros(s.channels));
        E::group_backward(s, &mut dy, &step.x, &scale, &kept, &mut d_weight, &mut d_bias);
        if let (Some([weight, bias]), true) = (&learnt, step.weights) {
            ops::add_gradient(grads, weight, &d_weight)?;
            ops::add_gradient(grads, bias, &d_bias)?;
        }
        Ok(dy)
    };
    chain.end(Rc::new(y), layout, useful.then(|| Box::new(back) as Back<E, D>));
    Ok(())
}

macro_rules! shapes {
    ($(($($dim:ident),*))*) => {$(
        impl<B: Dim, $($dim: Dim,)* const G: usize, const C: usize, E: Real, D: LabDevice<E>>
            Layer<(B, Const<C>, $($dim),*), E, D> for GroupNorm<G, C, E, D>
        {
            type Output = (B, Const<C>, $($dim),*);

            #[allow(non_snake_case)]
            fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
                const { assert!(G > 0 && C.is_multiple_of(G), "GroupNorm<G, C>: the channels C are not a multiple of the groups G") };
                let (images, _, $($dim),*) = shape;
                let s = Sizes { pixels: 1 $(* $dim.size())*, images: images.size(), channels: C, groups: G };
                normalise(chain, s, Some([flat(&self.weight)?, flat(&self.bias)?]))?;
                Ok(shape)
            }
        }
    )*};
}
shapes!(()(L)(H, W));

impl<B: Dim, H: Dim, W: Dim, const C: usize, E: Real, D: LabDevice<E>> Layer<(B, Const<C>, H, W), E, D>
    for InstanceNorm2d<C>
{
    type Output = (B, Const<C>, H, W);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let pixels = shape.2.size() * shape.3.size();
        normalise(chain, Sizes { pixels, images: shape.0.size(), channels: C, groups: C }, None)?;
        Ok(shape)
    }
}

module!([const G: usize, const C: usize,] GroupNorm<G, C, E, D>);
module!([const C: usize,] InstanceNorm2d<C>);
