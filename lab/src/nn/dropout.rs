use std::rc::Rc;

use dfdx::{
    shapes::{Dtype, Shape},
    tensor::{Cpu, Gradients, Storage},
};
use lathe_kernels::dropout;

use super::{
    Layer, Real, collection, module,
    state::{RngState, kept_zeros, next_key},
};
use crate::ops::{Back, Buf, Chain, LabDevice};

/// Sets values to zero with a probability of `PERCENT` percent and multiplies the others by 1 / (1 − p), so that the mean stays
/// (Srivastava et al. 2014; PyTorch's `Dropout`, default 50). Only in training: evaluation passes its input on.
///
/// Which values go is drawn from ChaCha8 keyed by (this layer's seed, step), whatever the number of threads. The seed comes from
/// the layer's name in [`rng::initialise`](crate::rng::initialise), so two layers drop different values; a model built without
/// it has the seed 0 in every layer. Seed and step are a tensor of the model: a saved and restored model goes on as if it had
/// never stopped.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Dropout}, rng::Init};
/// let mut layer: Dropout<30> = nn::build(&Cpu::default(), 1, Init::Uniform).unwrap();
/// let x = lab::rows::<1000>(vec![1.0; 1000]).unwrap();
/// assert_eq!(layer.forward(x.clone()).as_vec(), x.as_vec());
/// let y = layer.forward_mut(x.leaky_trace()).as_vec();
/// let dropped = y.iter().filter(|y| **y == 0.0).count();
/// assert!((250..350).contains(&dropped));
/// assert!(y.iter().all(|y| *y == 0.0 || *y == 1.0 / 0.7));
/// ```
#[derive(Debug, Clone)]
pub struct Dropout<const PERCENT: usize = 50, E: Dtype = f32, D: Storage<E> = Cpu> {
    /// Seed and step, each as two numbers of 24 bits. Not trained.
    pub rng_state: RngState<E, D>,
}
collection!(Dropout<PERCENT> { ; rng_state = kept_zeros() });

impl<const PERCENT: usize, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Dropout<PERCENT, E, D> {
    type Output = S;

    fn apply(&self, _: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        Ok(shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<S, D::Err> {
        const { assert!(PERCENT <= 100, "Dropout's probability is given in percent, at most 100") };
        if PERCENT == 0 {
            return Ok(shape);
        }
        let drop = PERCENT as f64 / 100.0;
        let key = next_key(&mut self.rng_state, "dropout")?;
        let step = chain.begin();
        let mut y = Buf::any(step.x.len());
        let mut kept = vec![0; dropout::words(y.len())];
        E::dropout_forward(&key, drop, &step.x, &mut y, &mut kept);
        let back = step.input.then(|| {
            let back = move |_: &mut Gradients<E, D>, mut dy: Buf<E>| {
                E::dropout_backward(&mut dy, drop, &kept);
                Ok(dy)
            };
            Box::new(back) as Back<E, D>
        });
        chain.end(Rc::new(y), step.layout, back);
        Ok(shape)
    }
}

module!([const PERCENT: usize,] Dropout<PERCENT, E, D>);
