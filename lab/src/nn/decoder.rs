use std::{cell::RefCell, rc::Rc};

use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Const, Dim, Dtype, HasShape},
    tensor::{Cpu, Gradients, Merge, SplitTape, Storage, Tape, Tensor},
    tensor_ops::{Device, ReshapeTo},
};
use lathe_kernels::{
    attention::{Columns, Input, Limits, Output, Sizes},
    brgemm::Finish,
    linear,
};

use super::{
    AttentionMask, Dropout, Layer, LayerNorm, Linear, MultiheadAttention, Real, Relu,
    attention::{draw, probability},
    linear::flat,
    state::next_key,
    transformer::part,
};
use crate::ops::{self, Activation, Back, Buf, Chain, LabDevice, Layout, Want};

/// What a decoder reads beside its own sequence, and the gradient that its layers add up for it.
struct Memory<E: Real> {
    /// `(batch, steps, width)`.
    values: Buf<E>,
    steps: usize,
    /// 0 or −∞ for each step; empty: all may be seen.
    hidden: Vec<E>,
    /// As long as `values` where it is wanted, else empty.
    gradient: RefCell<Buf<E>>,
}

/// An attention whose keys and values come from the memory.
struct Cross<M, E: Real> {
    attention: M,
    memory: Rc<Memory<E>>,
}

impl<B: Dim, T: Dim, const F: usize, const H: usize, const DROP: usize, E: Real, D: LabDevice<E>>
    Layer<(B, T, Const<F>), E, D> for Cross<&MultiheadAttention<F, H, DROP, E, D>, E>
{
    type Output = (B, T, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        look(self.attention, &self.memory, chain, shape, None)
    }
}

impl<B: Dim, T: Dim, const F: usize, const H: usize, const DROP: usize, E: Real, D: LabDevice<E>>
    Layer<(B, T, Const<F>), E, D> for Cross<&mut MultiheadAttention<F, H, DROP, E, D>, E>
{
    type Output = (B, T, Const<F>);

    fn apply(&self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        look(self.attention, &self.memory, chain, shape, None)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: Self::Output) -> Result<Self::Output, D::Err> {
        let key = if DROP > 0 { Some(next_key(&mut self.attention.rng_state, "dropout")?) } else { None };
        look(self.attention, &self.memory, chain, shape, key)
    }
}

fn look<B: Dim, T: Dim, const F: usize, const H: usize, const DROP: usize, E: Real, D: LabDevice<E>>(
    attention: &MultiheadAttention<F, H, DROP, E, D>,
    memory: &Rc<Memory<E>>,
    chain: &mut Chain<E, D>,
    shape: (B, T, Const<F>),
    key: Option<[u8; 32]>,
) -> Result<(B, T, Const<F>), D::Err> {
    let sizes = Sizes { batch: shape.0.size(), queries: shape.1.size(), keys: memory.steps, heads: H, width: F };
    let of_query = linear::Sizes { rows: sizes.batch * sizes.queries, pixels: 1, channels: F, outputs: F };
    let of_memory = linear::Sizes { rows: sizes.batch * sizes.keys, pixels: 1, channels: F, outputs: 2 * F };
    let step = chain.begin_rows();
    let (weight, bias) = (flat(&attention.in_proj_weight)?, flat(&attention.in_proj_bias)?);
    let (weights, shifts) = (ops::read(&weight)?, ops::read(&bias)?);
    let (mut query, mut other) = (Buf::any(of_query.rows * F), Buf::any(of_memory.rows * 2 * F));
    let shifted = |bias| Finish { bias: Some(bias), ..Finish::set() };
    E::linear_forward(of_query, &step.x, &weights[..F * F], &mut query, shifted(&shifts[..F]));
    E::linear_forward(of_memory, &memory.values, &weights[F * F..], &mut other, shifted(&shifts[F..]));
    let kept = key.map(|key| draw(&key, DROP, sizes)).unwrap_or_default();
    let drop = probability(DROP);
    let (mut y, mut stats) = (Buf::any(of_query.rows * F), Buf::any(2 * sizes.rows()));
    let limits = Limits { causal: false, hidden: &memory.hidden, kept: &kept, drop };
    E::attention_forward(sizes, columns(&query, &other, F), limits, &mut y, &mut stats);
    let memory = Rc::clone(memory);
    let from_memory = !memory.gradient.borrow().is_empty();
    let any = step.any() || from_memory;
    let back = move |grads: &mut Gradients<E, D>, dy: Buf<E>| {
        let (mut dq, mut dkv) = (Buf::zeros(query.len()), Buf::zeros(other.len()));
        let limits = Limits { causal: false, hidden: &memory.hidden, kept: &kept, drop };
        let out = Output { query: (&mut dq, F, 0), other: &mut dkv, key: (2 * F, 0), value: (2 * F, F) };
        E::attention_backward(sizes, columns(&query, &other, F), limits, &dy, &stats, out);
        if step.weights {
            let mut sums = Buf::zeros(3 * F);
            E::dense_backward(&mut dq, &query, &mut sums[..F], Activation::Identity);
            E::dense_backward(&mut dkv, &other, &mut sums[F..], Activation::Identity);
            ops::add_gradient(grads, &bias, &sums)?;
            D::edit_gradient(grads, &weight, |dw| {
                E::linear_weight_gradient(of_query, &dq, &step.x, &mut dw[..F * F]);
                E::linear_weight_gradient(of_memory, &dkv, &memory.values, &mut dw[F * F..]);
            })?;
        }
        if from_memory {
            let mut d = Buf::any(memory.values.len());
            E::linear_input_gradient(of_memory, &dkv, &weights[F * F..], &mut d);
            E::add_all(&mut memory.gradient.borrow_mut(), &d);
        }
        let mut dx = Buf::any(if step.input { step.x.len() } else { 0 });
        if step.input {
            E::linear_input_gradient(of_query, &dq, &weights[..F * F], &mut dx);
        }
        Ok(dx)
    };
    chain.end(Rc::new(y), Layout::Rows, any.then(|| Box::new(back) as Back<E, D>));
    attention.out_proj.apply(chain, shape)
}

fn columns<'a, E: Real>(query: &'a [E], other: &'a [E], width: usize) -> Input<'a, E> {
    Input {
        query: Columns { data: query, row: width, first: 0 },
        key: Columns { data: other, row: 2 * width, first: 0 },
        value: Columns { data: other, row: 2 * width, first: width },
    }
}

/// Self-attention, attention to an encoder's result and two dense layers, each with a way around it and a layer norm (Vaswani et
/// al. 2017); sizes and defaults as in [`TransformerEncoderLayer`](super::TransformerEncoderLayer) (PyTorch's
/// `TransformerDecoderLayer`, with its parameter names). Layers run in a [`TransformerDecoder`].
#[derive(Debug, Clone)]
pub struct TransformerDecoderLayer<
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
    /// Attention to the encoder's result.
    pub multihead_attn: MultiheadAttention<F, H, DROP, E, D>,
    /// The first dense layer.
    pub linear1: Linear<F, FF, E, D>,
    /// Behind the activation.
    pub dropout: Dropout<DROP, E, D>,
    /// The second dense layer.
    pub linear2: Linear<FF, F, E, D>,
    /// Norm of the self-attention's part.
    pub norm1: LayerNorm<F, E, D>,
    /// Norm of the other attention's part.
    pub norm2: LayerNorm<F, E, D>,
    /// Norm of the dense layers' part.
    pub norm3: LayerNorm<F, E, D>,
    /// Behind the self-attention.
    pub dropout1: Dropout<DROP, E, D>,
    /// Behind the other attention.
    pub dropout2: Dropout<DROP, E, D>,
    /// Behind the dense layers.
    pub dropout3: Dropout<DROP, E, D>,
    /// Between the dense layers.
    pub activation: A,
}

impl<const F: usize, const H: usize, const FF: usize, const DROP: usize, const NORM_FIRST: bool, A, E, D>
    TensorCollection<E, D> for TransformerDecoderLayer<F, H, FF, DROP, NORM_FIRST, A, E, D>
where
    A: Default,
    E: Real,
    D: Device<E>,
{
    type To<E2: Dtype, D2: Device<E2>> = TransformerDecoderLayer<F, H, FF, DROP, NORM_FIRST, A, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                (
                    Self::module("self_attn", |s| &s.self_attn, |s| &mut s.self_attn),
                    Self::module("multihead_attn", |s| &s.multihead_attn, |s| &mut s.multihead_attn),
                    Self::module("linear1", |s| &s.linear1, |s| &mut s.linear1),
                    Self::module("dropout", |s| &s.dropout, |s| &mut s.dropout),
                    Self::module("linear2", |s| &s.linear2, |s| &mut s.linear2),
                ),
                (
                    Self::module("norm1", |s| &s.norm1, |s| &mut s.norm1),
                    Self::module("norm2", |s| &s.norm2, |s| &mut s.norm2),
                    Self::module("norm3", |s| &s.norm3, |s| &mut s.norm3),
                    Self::module("dropout1", |s| &s.dropout1, |s| &mut s.dropout1),
                    Self::module("dropout2", |s| &s.dropout2, |s| &mut s.dropout2),
                    Self::module("dropout3", |s| &s.dropout3, |s| &mut s.dropout3),
                ),
            ),
            |(
                (self_attn, multihead_attn, linear1, dropout, linear2),
                (norm1, norm2, norm3, dropout1, dropout2, dropout3),
            )| {
                TransformerDecoderLayer {
                    self_attn,
                    multihead_attn,
                    linear1,
                    dropout,
                    linear2,
                    norm1,
                    norm2,
                    norm3,
                    dropout1,
                    dropout2,
                    dropout3,
                    activation: A::default(),
                }
            },
        )
    }
}

/// `N` decoder layers, one after the other, that all read an encoder's result (PyTorch's `TransformerDecoder`).
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, AttentionMask, TransformerDecoder}, rng::Init};
/// let decoder: TransformerDecoder<2, 8, 2, 16> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
/// let target = lab::windows::<5, 8>(vec![0.5; 80]).unwrap();
/// let memory = lab::windows::<7, 8>(vec![0.1; 112]).unwrap();
/// let y = decoder.decode(target, memory, AttentionMask::causal(), AttentionMask::default()).unwrap();
/// assert_eq!(*y.shape(), (2, Const::<5>, Const::<8>));
/// ```
#[derive(Debug, Clone)]
pub struct TransformerDecoder<
    const N: usize,
    const F: usize,
    const H: usize,
    const FF: usize,
    const DROP: usize = 10,
    const NORM_FIRST: bool = false,
    A = Relu,
    E: Dtype = f32,
    D: Storage<E> = Cpu,
> {
    /// The layers.
    pub layers: Vec<TransformerDecoderLayer<F, H, FF, DROP, NORM_FIRST, A, E, D>>,
}

impl<
    const N: usize,
    const F: usize,
    const H: usize,
    const FF: usize,
    const DROP: usize,
    const NORM_FIRST: bool,
    A,
    E,
    D,
> TensorCollection<E, D> for TransformerDecoder<N, F, H, FF, DROP, NORM_FIRST, A, E, D>
where
    A: Default,
    E: Real,
    D: Device<E>,
{
    type To<E2: Dtype, D2: Device<E2>> = TransformerDecoder<N, F, H, FF, DROP, NORM_FIRST, A, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let names: Vec<String> = (0..N).map(|i| format!("layers.{i}")).collect();
        let fields = names
            .iter()
            .enumerate()
            .map(|(i, name)| Self::module(name, move |s| &s.layers[i], move |s| &mut s.layers[i]))
            .collect::<Vec<_>>();
        visitor.visit_fields(fields, |layers| TransformerDecoder { layers })
    }
}

type Sequence<B, T, const F: usize, E, D, P> = Tensor<(B, T, Const<F>), E, D, P>;

/// Runs `layers` over the target as one operation on the two tapes.
fn run<B: Dim, T: Dim, M: Dim, const F: usize, E: Real, D: LabDevice<E>, P: Tape<E, D> + Merge<P>>(
    target: Sequence<B, T, F, E, D, P>,
    memory: Sequence<B, M, F, E, D, P>,
    mask: AttentionMask,
    memory_mask: &AttentionMask,
    layers: impl FnOnce(&mut Chain<E, D>, (B, T, Const<F>), &Rc<Memory<E>>) -> Result<(B, T, Const<F>), D::Err>,
) -> Result<Sequence<B, T, F, E, D, P>, D::Err> {
    let (x, tape) = target.try_contiguous()?.split_tape();
    let (memory, other) = memory.try_contiguous()?.split_tape();
    let (device, shape, of_memory) = (x.device().clone(), *x.shape(), *memory.shape());
    let values = ops::read(&memory)?;
    let wanted = shape.0.size() * of_memory.1.size() * F;
    if values.len() != wanted {
        // As many sequences as there are targets, or the device's own error.
        device.try_tensor_from_vec(values.to_vec(), (wanted,))?;
    }
    let hidden = memory_mask.hidden::<E, D>(shape.0.size() * of_memory.1.size(), &device)?;
    let gradient = RefCell::new(Buf::zeros(if P::OWNS_TAPE { values.len() } else { 0 }));
    let read = Rc::new(Memory { values, steps: of_memory.1.size(), hidden, gradient });
    let mut chain = Chain::new(ops::read(&x)?, P::OWNS_TAPE, Want::All);
    chain.context.mask = Some(Rc::new(mask));
    let shape = layers(&mut chain, shape, &read)?;
    let (values, back) = chain.finish()?;
    ops::record(Merge::<P>::merge(tape, other), values, shape, &device, move |grads, dy| {
        if let Some(dx) = back(grads, dy)? {
            ops::add_gradient(grads, &x, &dx)?;
        }
        ops::add_gradient(grads, &memory, &read.gradient.take())
    })
}

impl<
    const N: usize,
    const F: usize,
    const H: usize,
    const FF: usize,
    const DROP: usize,
    const NORM_FIRST: bool,
    A,
    E,
    D,
> TransformerDecoder<N, F, H, FF, DROP, NORM_FIRST, A, E, D>
where
    E: Real,
    D: LabDevice<E>,
{
    /// Evaluation: `target` `(B, T, F)` through its mask (usually [`AttentionMask::causal`]), with `memory` `(B, M, F)`, the
    /// encoder's result, through its own.
    ///
    /// # Errors
    /// The device's error; also where a mask or the memory does not belong to as many sequences.
    pub fn decode<B: Dim, T: Dim, M: Dim, P: Tape<E, D> + Merge<P>>(
        &self,
        target: Sequence<B, T, F, E, D, P>,
        memory: Sequence<B, M, F, E, D, P>,
        mask: AttentionMask,
        memory_mask: AttentionMask,
    ) -> Result<Sequence<B, T, F, E, D, P>, D::Err>
    where
        A: Layer<(B, T, Const<FF>), E, D, Output = (B, T, Const<FF>)>,
    {
        run(target, memory, mask, &memory_mask, |chain, shape, memory| {
            self.layers.iter().try_fold(shape, |shape, s| {
                let shape = part(chain, shape, NORM_FIRST, &s.norm1, &s.self_attn)?;
                let cross = Cross { attention: &s.multihead_attn, memory: Rc::clone(memory) };
                let shape = part(chain, shape, NORM_FIRST, &s.norm2, cross)?;
                part(chain, shape, NORM_FIRST, &s.norm3, (&s.linear1, &s.activation, &s.linear2))
            })
        })
    }

    /// Training: the same with dropout.
    ///
    /// # Errors
    /// As [`TransformerDecoder::decode`].
    pub fn decode_mut<B: Dim, T: Dim, M: Dim, P: Tape<E, D> + Merge<P>>(
        &mut self,
        target: Sequence<B, T, F, E, D, P>,
        memory: Sequence<B, M, F, E, D, P>,
        mask: AttentionMask,
        memory_mask: AttentionMask,
    ) -> Result<Sequence<B, T, F, E, D, P>, D::Err>
    where
        A: Layer<(B, T, Const<FF>), E, D, Output = (B, T, Const<FF>)>,
    {
        run(target, memory, mask, &memory_mask, |chain, shape, memory| {
            self.layers.iter_mut().try_fold(shape, |shape, s| {
                let shape = part(chain, shape, NORM_FIRST, &mut s.norm1, (&mut s.self_attn, &mut s.dropout1))?;
                let cross = Cross { attention: &mut s.multihead_attn, memory: Rc::clone(memory) };
                let shape = part(chain, shape, NORM_FIRST, &mut s.norm2, (cross, &mut s.dropout2))?;
                let dense = (&mut s.linear1, &mut s.activation, &mut s.dropout, &mut s.linear2, &mut s.dropout3);
                part(chain, shape, NORM_FIRST, &mut s.norm3, dense)
            })
        })
    }
}
