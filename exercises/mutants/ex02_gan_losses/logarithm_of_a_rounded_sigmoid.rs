//! title: the logarithm of a probability that was rounded to 0 or 1
//! source: none: a common slip
//! why: The formula is right, but in f32 sigmoid(l) is exactly 1 above l = 17 and exactly 0 below l = -104. The
//! logarithm of 0 is minus infinity and its gradient NaN: training dies the first time that D is very sure.
//! hint: ln sigmoid(l) = -softplus(-l) can be computed from l without going through the probability.

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    -real.sigmoid().ln().mean() - (-fake.sigmoid() + 1.0).ln().mean()
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    -fake.sigmoid().ln().mean()
}
