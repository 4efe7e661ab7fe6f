use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions},
    shapes::{Const, ConstShape, Dtype, HasShape, Rank1, Shape},
    tensor::{Cpu, Storage, Tensor},
    tensor_ops::Device,
};
use rand::Rng;

use super::{
    Conv2d, Layer, Linear, Real, UnbiasedConv2d, UnbiasedLinear,
    linear::{Flat, flat},
    module,
    state::kept_zeros,
};
use crate::{
    loss::scalar,
    ops::{self, Buf, Chain, LabDevice},
    rng::keyed,
    shape::PerGroup,
};

/// A layer whose weight [`SpectralNorm`] can divide: its first dimension are the outputs.
pub trait HasWeight<E: Dtype, D: Storage<E>>: Sized {
    /// Shape of the weight.
    type Weight: ConstShape;

    /// The weight.
    fn weight(&self) -> &Tensor<Self::Weight, E, D>;

    /// The same layer with another weight.
    #[must_use]
    fn with_weight(&self, weight: Tensor<Self::Weight, E, D>) -> Self;
}

macro_rules! has_weight {
    ($([$($size:ident)*] $layer:ty: $shape:ty;)*) => {$(
        impl<$(const $size: usize,)* E: Real, D: LabDevice<E>> HasWeight<E, D> for $layer {
            type Weight = $shape;

            fn weight(&self) -> &Tensor<Self::Weight, E, D> {
                &self.weight
            }

            fn with_weight(&self, weight: Tensor<Self::Weight, E, D>) -> Self {
                let mut other = self.clone();
                other.weight = weight;
                other
            }
        }
    )*};
}
has_weight! {
    [I O] Linear<I, O, E, D>: (Const<O>, Const<I>);
    [I O] UnbiasedLinear<I, O, E, D>: (Const<O>, Const<I>);
    [I O K S P DIL G] Conv2d<I, O, K, S, P, DIL, G, E, D>: (Const<O>, PerGroup<Const<I>, G>, Const<K>, Const<K>);
    [I O K S P DIL G] UnbiasedConv2d<I, O, K, S, P, DIL, G, E, D>: (Const<O>, PerGroup<Const<I>, G>, Const<K>, Const<K>);
}

/// A layer whose weight is divided by its largest singular value σ (Miyato et al. 2018; PyTorch's `spectral_norm`), which bounds
/// how steep a discriminator can be. Write [`SpectralLinear`] or [`SpectralConv2d`], which know the shapes `U` and `V`.
///
/// σ = uᵀ W v for W as a table with a row for each output; u and v follow by one power iteration in each training pass, and are
/// constants for the gradient. Evaluation uses them as they are. PyTorch's `weight_orig` is here `layer.weight`.
#[derive(Debug, Clone)]
pub struct SpectralNorm<L, U: Shape, V: Shape, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// The layer with its weight as it is learnt.
    pub layer: L,
    /// The left singular vector. Not trained.
    pub weight_u: Tensor<U, E, D>,
    /// The right singular vector. Not trained; zeros stand for "of the first step".
    pub weight_v: Tensor<V, E, D>,
}

/// [`Linear`] under [`SpectralNorm`].
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, SpectralLinear}, rng::Init};
/// let mut layer: SpectralLinear<2, 2> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// layer.layer.weight.copy_from(&[3.0, 0.0, 0.0, 1.0]);
/// let x = lab::rows::<2>(vec![1.0, 1.0]).unwrap();
/// for _ in 0..20 {
///     layer.forward_mut(x.leaky_trace());
/// }
/// let y = layer.forward(x).as_vec();
/// assert!((y[0] - 1.0).abs() < 1e-4 && (y[1] - 1.0 / 3.0).abs() < 1e-4, "divided by the singular value 3: {y:?}");
/// ```
pub type SpectralLinear<const I: usize, const O: usize, E = f32, D = Cpu> =
    SpectralNorm<Linear<I, O, E, D>, Rank1<O>, Rank1<I>, E, D>;

/// [`Conv2d`] (without dilation and groups) under [`SpectralNorm`].
pub type SpectralConv2d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    E = f32,
    D = Cpu,
> = SpectralNorm<Conv2d<I, O, K, S, P, 1, 1, E, D>, Rank1<O>, (Const<I>, Const<K>, Const<K>), E, D>;

impl<L: TensorCollection<E, D>, U: ConstShape, V: ConstShape, E: Dtype, D: Device<E>> TensorCollection<E, D>
    for SpectralNorm<L, U, V, E, D>
{
    type To<E2: Dtype, D2: Device<E2>> = SpectralNorm<L::To<E2, D2>, U, V, E2, D2>;

    fn iter_tensors<W: ModuleVisitor<Self, E, D>>(visitor: &mut W) -> Result<Option<Self::To<W::E2, W::D2>>, W::Err> {
        let start = TensorOptions::detached(|u: &mut Tensor<U, E, D>| {
            // Any direction that is not orthogonal to the one sought will do.
            let mut rng = keyed(0, "spectral norm", 0);
            let values: Vec<E> = (0..u.shape().num_elements()).map(|_| scalar(rng.gen_range(0.5..1.0))).collect();
            u.copy_from(&values);
            Ok(())
        });
        visitor.visit_fields(
            (
                Self::module("layer", |s| &s.layer, |s| &mut s.layer),
                Self::tensor("weight_u", |s| &s.weight_u, |s| &mut s.weight_u, start),
                Self::tensor("weight_v", |s| &s.weight_v, |s| &mut s.weight_v, kept_zeros()),
            ),
            |(layer, weight_u, weight_v)| SpectralNorm { layer, weight_u, weight_v },
        )
    }
}

impl<L: HasWeight<E, D>, U: ConstShape, V: ConstShape, E: Real, D: LabDevice<E>> SpectralNorm<L, U, V, E, D> {
    /// The layer with the divided weight, for one pass.
    fn divided(&self, chain: &mut Chain<E, D>, weight: Flat<E, D>, u: Buf<E>, v: Buf<E>) -> Result<L, D::Err> {
        let values = ops::read(&weight)?;
        let mut quotient = Buf::any(values.len());
        let sigma = E::spectral_divide(&values, &u, &v, &mut quotient);
        let device = self.layer.weight().device().clone();
        let layer = self.layer.with_weight(device.try_tensor_from_vec(quotient.to_vec(), L::Weight::default())?);
        if chain.begin().weights {
            let of = flat(layer.weight())?;
            chain.afterwards(move |grads| {
                let d = D::take_gradient(grads, &of)?;
                D::edit_gradient(grads, &weight, |dw| E::spectral_back(&d, &quotient, (&u, &v), sigma, dw))
            });
        }
        Ok(layer)
    }
}

impl<L, U: ConstShape, V: ConstShape, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for SpectralNorm<L, U, V, E, D>
where
    L: HasWeight<E, D> + Layer<S, E, D>,
{
    type Output = L::Output;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<L::Output, D::Err> {
        let weight = flat(self.layer.weight())?;
        let (u, mut v) = (ops::read(&self.weight_u)?, ops::read(&self.weight_v)?);
        if v.iter().all(|v| *v == E::default()) {
            E::spectral_right(&ops::read(&weight)?, &u, &mut v);
        }
        self.divided(chain, weight, u, v)?.apply(chain, shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<L::Output, D::Err> {
        let weight = flat(self.layer.weight())?;
        let (mut u, mut v) = (ops::read(&self.weight_u)?, ops::read(&self.weight_v)?);
        E::spectral_iterate(&ops::read(&weight)?, &mut u, &mut v);
        self.weight_u.copy_from(&u);
        self.weight_v.copy_from(&v);
        self.divided(chain, weight, u, v)?.apply(chain, shape)
    }
}

module!([L, U: ConstShape, V: ConstShape,] SpectralNorm<L, U, V, E, D>);
