use std::rc::Rc;

use dfdx::{
    shapes::{ConstDim, Dim, Dtype},
    tensor::{Cpu, Gradients, Storage},
};

use super::{
    Layer, Real, collection, module,
    state::{RngState, kept_zeros, next_key},
};
use crate::{
    loss::scalar,
    ops::{Back, Buf, Chain, LabDevice, Layout},
};

/// Differentiable draws of one of `F` classes for each row of logits (Jang et al. 2017; PyTorch's `gumbel_softmax`): `(B, F)` to
/// the same.
///
/// y = softmax((x + g) / τ) with g = −ln(−ln u), u uniform, and the temperature τ in percent. With `HARD` = 1 the output is the
/// one-hot vector of the largest value and the gradient that of the soft one ("straight through"). The noise is keyed as that of
/// [`Dropout`](super::Dropout); evaluation leaves it out.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, GumbelSoftmax}, rng::Init};
/// let mut layer: GumbelSoftmax<100, 1> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// // ln 3 against 0: the first class three times out of four.
/// let logits = lab::rows::<2>([3f32.ln(), 0.0].repeat(4000)).unwrap();
/// let y = layer.forward_mut(logits.leaky_trace()).as_vec();
/// let first = y.chunks(2).filter(|row| row[0] == 1.0 && row[1] == 0.0).count();
/// assert!((2850..3150).contains(&first), "{first}");
/// ```
#[derive(Debug, Clone)]
pub struct GumbelSoftmax<const PERCENT: usize = 100, const HARD: usize = 0, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// Seed and step. Not trained.
    pub rng_state: RngState<E, D>,
}
collection! { GumbelSoftmax<PERCENT, HARD> { ; rng_state = kept_zeros() } }

impl<const PERCENT: usize, const HARD: usize, E: Real, D: LabDevice<E>> GumbelSoftmax<PERCENT, HARD, E, D> {
    fn draw(chain: &mut Chain<E, D>, width: usize, key: Option<[u8; 32]>) {
        const { assert!(PERCENT > 0 && HARD < 2, "GumbelSoftmax<PERCENT, HARD>: the temperature is above 0, HARD 0 or 1") };
        let temperature = PERCENT as f64 / 100.0;
        let step = chain.begin_rows();
        let mut soft = Buf::any(step.x.len());
        E::gumbel_forward(key.as_ref(), &step.x, width, temperature, &mut soft);
        let soft = Rc::new(soft);
        let y = if HARD == 1 {
            let mut hard = Buf::copy(&soft);
            E::harden(&mut hard, width);
            Rc::new(hard)
        } else {
            Rc::clone(&soft)
        };
        let back = step.input.then(|| {
            let back = move |_: &mut Gradients<E, D>, mut dy: Buf<E>| {
                E::softmax_backward(&mut dy, &soft, width, false);
                E::scale(&mut dy, scalar(1.0 / temperature));
                Ok(dy)
            };
            Box::new(back) as Back<E, D>
        });
        chain.end(y, Layout::Rows, back);
    }
}

impl<B: Dim, F: ConstDim, const PERCENT: usize, const HARD: usize, E: Real, D: LabDevice<E>> Layer<(B, F), E, D>
    for GumbelSoftmax<PERCENT, HARD, E, D>
{
    type Output = (B, F);

    fn apply(&self, chain: &mut Chain<E, D>, shape: (B, F)) -> Result<(B, F), D::Err> {
        Self::draw(chain, F::SIZE, None);
        Ok(shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: (B, F)) -> Result<(B, F), D::Err> {
        let key = next_key(&mut self.rng_state, "gumbel")?;
        Self::draw(chain, F::SIZE, Some(key));
        Ok(shape)
    }
}

module!([const PERCENT: usize, const HARD: usize,] GumbelSoftmax<PERCENT, HARD, E, D>);
