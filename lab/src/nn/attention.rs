use std::rc::Rc;

use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Const, Dim, Dtype, Shape},
    tensor::{Cpu, Gradients, Storage, Tensor},
    tensor_ops::Device,
};
use lathe_kernels::attention::{Columns, Input, Limits, Output, Sizes};

use super::{
    Layer, Linear, Real, collection,
    linear::{flat, linear},
    module,
    state::{RngState, kept_zeros, next_key},
};
use crate::{
    loss::scalar,
    ops::{Back, Buf, Chain, LabDevice, Layout},
    shape::Times,
};

/// Which keys an attention may look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttentionMask {
    causal: bool,
    padding: Vec<bool>,
}

impl AttentionMask {
    /// A step sees itself and those before it.
    pub fn causal() -> Self {
        Self { causal: true, padding: Vec::new() }
    }

    /// Hides the steps that are `true`, for `(batch, steps)` in row-major order (PyTorch's `key_padding_mask`).
    pub fn padding(hidden: Vec<bool>) -> Self {
        Self { causal: false, padding: hidden }
    }

    /// Hides what lies beyond each sequence's length, in a table of `steps` steps.
    pub fn lengths(lengths: &[usize], steps: usize) -> Self {
        Self::padding(lengths.iter().flat_map(|n| (0..steps).map(move |t| t >= *n)).collect())
    }

    /// Causal beside what it is.
    #[must_use]
    pub fn and_causal(self) -> Self {
        Self { causal: true, ..self }
    }

    /// 0 or −∞ for each key; the device's error where there are not as many marks as keys.
    pub(super) fn hidden<E: Real, D: LabDevice<E>>(&self, keys: usize, device: &D) -> Result<Vec<E>, D::Err> {
        let hidden: Vec<E> = self.padding.iter().map(|h| scalar(if *h { f64::NEG_INFINITY } else { 0.0 })).collect();
        if !hidden.is_empty() && hidden.len() != keys {
            device.try_tensor_from_vec(hidden.clone(), (keys,))?;
        }
        Ok(hidden)
    }
}

/// A layer whose attentions look through a mask: all that are inside of it, at any depth, at the sequences of its input.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, AttentionMask, Forward, Masked, MultiheadAttention}, ops::Want, rng::Init};
/// let layer: MultiheadAttention<4, 2> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let x: Tensor<Rank3<1, 3, 4>, f32, Cpu> = Cpu::default().tensor([[[1.0; 4], [2.0; 4], [3.0; 4]]]);
/// let other: Tensor<Rank3<1, 3, 4>, f32, Cpu> = Cpu::default().tensor([[[1.0; 4], [9.0; 4], [9.0; 4]]]);
/// let causal = Masked::new(&layer, AttentionMask::causal());
/// let (y, z) = (causal.run(x, Want::All).unwrap().array(), causal.run(other, Want::All).unwrap().array());
/// // The first step sees itself alone.
/// assert_eq!(y[0][0], z[0][0]);
/// assert_ne!(y[0][1], z[0][1]);
/// ```
#[derive(Debug, Clone)]
pub struct Masked<L> {
    /// The layer; a reference evaluates, a mutable one can be trained.
    pub layer: L,
    /// What its attentions may look at.
    pub mask: Rc<AttentionMask>,
}

impl<L> Masked<L> {
    /// A layer and its mask.
    pub fn new(layer: L, mask: AttentionMask) -> Self {
        Self { layer, mask: Rc::new(mask) }
    }
}

impl<L: Layer<S, E, D>, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Masked<L> {
    type Output = L::Output;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<L::Output, D::Err> {
        let outside = chain.context.mask.replace(Rc::clone(&self.mask));
        let result = self.layer.apply(chain, shape);
        chain.context.mask = outside;
        result
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<L::Output, D::Err> {
        let outside = chain.context.mask.replace(Rc::clone(&self.mask));
        let result = self.layer.apply_mut(chain, shape);
        chain.context.mask = outside;
        result
    }
}

/// Parameters are those of `layer`; one that is built has no mask yet.
impl<L: TensorCollection<E, D>, E: Dtype, D: Device<E>> TensorCollection<E, D> for Masked<L> {
    type To<E2: Dtype, D2: Device<E2>> = Masked<L::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let layer = Self::module("layer", |s| &s.layer, |s| &mut s.layer);
        visitor.visit_fields(layer, |layer| Masked::new(layer, AttentionMask::default()))
    }
}

module!([L,] Masked<L>);

/// Self-attention with `H` heads (Vaswani et al. 2017): `(B, T, F)` to the same (PyTorch's `MultiheadAttention` with
/// `batch_first=True`, and the same sequence as query, key and value).
///
/// Q, K, V = x in_projᵀ + bias; each head computes softmax(Q Kᵀ / sqrt(F / H)) V on its F / H columns; out_proj mixes them.
/// `DROP` percent of the weights are dropped in training. The table of weights is never stored. Masks: [`Masked`]; a query that
/// may look at nothing gets zeros, where PyTorch gives NaN.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, MultiheadAttention}, rng::Init};
/// let layer: MultiheadAttention<8, 2> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let y = layer.forward(lab::windows::<5, 8>(vec![0.5; 80]).unwrap());
/// assert_eq!(*y.shape(), (2, Const::<5>, Const::<8>));
/// ```
///
/// The heads share the width evenly, or the build fails:
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, MultiheadAttention}, rng::Init};
/// let layer: MultiheadAttention<8, 3> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// layer.forward(lab::windows::<5, 8>(vec![0.5; 80]).unwrap());
/// ```
#[derive(Debug, Clone)]
pub struct MultiheadAttention<
    const F: usize,
    const H: usize,
    const DROP: usize = 0,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// The weights of queries, keys and values, one below the other: `(3 F, F)`.
    pub in_proj_weight: Tensor<(Times<Const<F>, 3>, Const<F>), E, D>,
    /// Their biases, `(3 F,)`.
    pub in_proj_bias: Tensor<(Times<Const<F>, 3>,), E, D>,
    /// Mixes the heads.
    pub out_proj: Linear<F, F, E, D>,
    /// State of the dropout. Not trained.
    pub rng_state: RngState<E, D>,
}
collection!(MultiheadAttention<F, H, DROP> { out_proj; in_proj_weight, in_proj_bias, rng_state = kept_zeros() });

impl<const F: usize, const H: usize, const DROP: usize, E: Real, D: LabDevice<E>> MultiheadAttention<F, H, DROP, E, D> {
    fn attend<B: Dim, T: Dim>(
        &self,
        chain: &mut Chain<E, D>,
        shape: (B, T, Const<F>),
        key: Option<[u8; 32]>,
    ) -> Result<(B, T, Const<F>), D::Err> {
        const {
            assert!(
                H > 0 && F.is_multiple_of(H),
                "MultiheadAttention<F, H>: the width F is not a multiple of the heads H"
            )
        };
        let sizes = Sizes { batch: shape.0.size(), queries: shape.1.size(), keys: shape.1.size(), heads: H, width: F };
        let mask = chain.context.mask.clone().unwrap_or_default();
        let hidden = mask.hidden::<E, D>(sizes.batch * sizes.keys, &self.in_proj_bias.device().clone())?;
        drop(chain.begin_rows());
        let weights = (flat(&self.in_proj_weight)?, flat(&self.in_proj_bias)?);
        linear(chain, (sizes.batch * sizes.queries, F, 3 * F), weights.0, Some(weights.1))?;
        let step = chain.begin();
        let kept = key.map(|key| draw(&key, DROP, sizes)).unwrap_or_default();
        let causal = mask.causal;
        let mut y = Buf::any(sizes.batch * sizes.queries * F);
        let mut stats = Buf::any(2 * sizes.rows());
        let limits = Limits { causal, hidden: &hidden, kept: &kept, drop: probability(DROP) };
        E::attention_forward(sizes, packed(&step.x, F), limits, &mut y, &mut stats);
        let back = step.input.then(|| {
            let back = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
                let mut dx = Buf::zeros(step.x.len());
                let limits = Limits { causal, hidden: &hidden, kept: &kept, drop: probability(DROP) };
                let (key, value) = ((3 * F, F), (3 * F, 2 * F));
                let out = Output { query: (&mut dx, 3 * F, 0), other: &mut [], key, value };
                E::attention_backward(sizes, packed(&step.x, F), limits, &dy, &stats, out);
                Ok(dx)
            };
            Box::new(back) as Back<E, D>
        });
        chain.end(Rc::new(y), Layout::Rows, back);
        self.out_proj.apply(chain, shape)
    }
}

pub(super) fn probability(percent: usize) -> f64 {
    percent as f64 / 100.0
}

/// Which weights stay.
pub(super) fn draw(key: &[u8; 32], percent: usize, sizes: Sizes) -> Vec<u32> {
    let mut kept = vec![0; sizes.words()];
    lathe_kernels::dropout::draw(key, probability(percent), &mut kept);
    kept
}

/// Queries, keys and values beside each other.
fn packed<E: Real>(data: &[E], width: usize) -> Input<'_, E> {
    let columns = |i: usize| Columns { data, row: 3 * width, first: i * width };
    Input { query: columns(0), key: columns(1), value: columns(2) }
}

impl<B: Dim, T: Dim, const F: usize, const H: usize, const DROP: usize, E: Real, D: LabDevice<E>>
    Layer<(B, T, Const<F>), E, D> for MultiheadAttention<F, H, DROP, E, D>
{
    type Output = (B, T, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        self.attend(chain, shape, None)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let key = if DROP > 0 { Some(next_key(&mut self.rng_state, "dropout")?) } else { None };
        self.attend(chain, shape, key)
    }
}

module!([const F: usize, const H: usize, const DROP: usize,] MultiheadAttention<F, H, DROP, E, D>);
