use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Const, Dim, Dtype, Shape},
    tensor::{Cpu, Storage},
    tensor_ops::Device,
};

use super::{Dropout, Layer, LayerNorm, Linear, MultiheadAttention, Real, Relu, module, residual::residual};
use crate::ops::{Chain, LabDevice};

/// Self-attention and two dense layers, each with a way around it and a layer norm (Vaswani et al. 2017): `(B, T, F)` to the same,
/// with `H` heads, `FF` values between the dense layers and `DROP` percent dropout (PyTorch's `TransformerEncoderLayer` with its
/// defaults and parameter names, and `batch_first=True`; there `FF` is 2048 unless given).
///
/// x = norm1(x + dropout(attention(x))), x = norm2(x + dropout(linear2(dropout(A(linear1(x)))))). With `NORM_FIRST` each norm
/// comes first on its branch instead (Xiong et al. 2020). `A` is the activation, such as [`Gelu`](super::Gelu).
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, TransformerEncoder, TransformerEncoderLayer}, rng::Init};
/// type Encoder = TransformerEncoder<2, TransformerEncoderLayer<8, 2, 16>>;
/// let encoder: Encoder = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let y = encoder.forward(lab::windows::<5, 8>(vec![0.5; 80]).unwrap());
/// assert_eq!(*y.shape(), (2, Const::<5>, Const::<8>));
/// ```
#[derive(Debug, Clone)]
pub struct TransformerEncoderLayer<
    const F: usize,
    const H: usize,
    const FF: usize,
    const DROP: usize = 10,
    const NORM_FIRST: bool = false,
    A = Relu,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// Attention of the sequence to itself.
    pub self_attn: MultiheadAttention<F, H, DROP, E, D>,
    /// The first dense layer.
    pub linear1: Linear<F, FF, E, D>,
    /// Behind the activation.
    pub dropout: Dropout<DROP, E, D>,
    /// The second dense layer.
    pub linear2: Linear<FF, F, E, D>,
    /// Norm of the attention's part.
    pub norm1: LayerNorm<F, E, D>,
    /// Norm of the dense layers' part.
    pub norm2: LayerNorm<F, E, D>,
    /// Behind the attention.
    pub dropout1: Dropout<DROP, E, D>,
    /// Behind the dense layers.
    pub dropout2: Dropout<DROP, E, D>,
    /// Between the dense layers.
    pub activation: A,
}

impl<const F: usize, const H: usize, const FF: usize, const DROP: usize, const NORM_FIRST: bool, A, E, D>
    TensorCollection<E, D> for TransformerEncoderLayer<F, H, FF, DROP, NORM_FIRST, A, E, D>
where
    A: Default,
    E: Real,
    D: Device<E>,
{
    type To<E2: Dtype, D2: Device<E2>> = TransformerEncoderLayer<F, H, FF, DROP, NORM_FIRST, A, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                (
                    Self::module("self_attn", |s| &s.self_attn, |s| &mut s.self_attn),
                    Self::module("linear1", |s| &s.linear1, |s| &mut s.linear1),
                    Self::module("dropout", |s| &s.dropout, |s| &mut s.dropout),
                    Self::module("linear2", |s| &s.linear2, |s| &mut s.linear2),
                ),
                (
                    Self::module("norm1", |s| &s.norm1, |s| &mut s.norm1),
                    Self::module("norm2", |s| &s.norm2, |s| &mut s.norm2),
                    Self::module("dropout1", |s| &s.dropout1, |s| &mut s.dropout1),
                    Self::module("dropout2", |s| &s.dropout2, |s| &mut s.dropout2),
                ),
            ),
            |((self_attn, linear1, dropout, linear2), (norm1, norm2, dropout1, dropout2))| TransformerEncoderLayer {
                self_attn,
                linear1,
                dropout,
                linear2,
                norm1,
                norm2,
                dropout1,
                dropout2,
                activation: A::default(),
            },
        )
    }
}

/// One part of a layer: x + part(x) and a norm, behind or before.
pub(super) fn part<S: Shape, E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    shape: S,
    norm_first: bool,
    mut norm: impl Layer<S, E, D, Output = S>,
    mut part: impl Layer<S, E, D, Output = S>,
) -> Result<S, D::Err> {
    if norm_first {
        return residual(chain, shape, &mut (norm, part));
    }
    let shape = residual(chain, shape, &mut part)?;
    norm.apply_mut(chain, shape)
}

impl<B, T, const F: usize, const H: usize, const FF: usize, const DROP: usize, const NORM_FIRST: bool, A, E, D>
    Layer<(B, T, Const<F>), E, D> for TransformerEncoderLayer<F, H, FF, DROP, NORM_FIRST, A, E, D>
where
    B: Dim,
    T: Dim,
    A: Layer<(B, T, Const<FF>), E, D, Output = (B, T, Const<FF>)>,
    E: Real,
    D: LabDevice<E>,
{
    type Output = (B, T, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let shape = part(chain, shape, NORM_FIRST, &self.norm1, &self.self_attn)?;
        part(chain, shape, NORM_FIRST, &self.norm2, (&self.linear1, &self.activation, &self.linear2))
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let shape = part(chain, shape, NORM_FIRST, &mut self.norm1, (&mut self.self_attn, &mut self.dropout1))?;
        let dense = (&mut self.linear1, &mut self.activation, &mut self.dropout, &mut self.linear2, &mut self.dropout2);
        part(chain, shape, NORM_FIRST, &mut self.norm2, dense)
    }
}

module!(
    [const F: usize, const H: usize, const FF: usize, const DROP: usize, const NORM_FIRST: bool, A,]
    TransformerEncoderLayer<F, H, FF, DROP, NORM_FIRST, A, E, D>
);

/// `N` layers of one kind, one after the other, with parameters of their own: `layers.0`, `layers.1`, ... (PyTorch's
/// `TransformerEncoder`, and its `TransformerDecoder` for layers of that kind). Behind layers with `NORM_FIRST` put a
/// [`LayerNorm`].
#[derive(Debug, Clone)]
pub struct TransformerEncoder<const N: usize, L> {
    /// The layers.
    pub layers: Vec<L>,
}

impl<const N: usize, L: TensorCollection<E, D>, E: Dtype, D: Device<E>> TensorCollection<E, D>
    for TransformerEncoder<N, L>
{
    type To<E2: Dtype, D2: Device<E2>> = TransformerEncoder<N, L::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let names: Vec<String> = (0..N).map(|i| format!("layers.{i}")).collect();
        let fields = names
            .iter()
            .enumerate()
            .map(|(i, name)| Self::module(name, move |s| &s.layers[i], move |s| &mut s.layers[i]))
            .collect::<Vec<_>>();
        visitor.visit_fields(fields, |layers| TransformerEncoder { layers })
    }
}

impl<const N: usize, L, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for TransformerEncoder<N, L>
where
    L: Layer<S, E, D, Output = S>,
{
    type Output = S;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        self.layers.iter().try_fold(shape, |shape, layer| layer.apply(chain, shape))
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        self.layers.iter_mut().try_fold(shape, |shape, layer| layer.apply_mut(chain, shape))
    }
}

module!([const N: usize, L,] TransformerEncoder<N, L>);
