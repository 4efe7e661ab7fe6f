//! title: the logit is taken for a probability
//! source: 000-1
//! why: The article gives the output of a layer without sigmoid to a cross-entropy that expects a probability. It
//! clips the logit to [0.0000001, 0.9999999], so every logit outside of it has gradient 0: a discriminator that is
//! sure of itself, rightly or wrongly, learns nothing any more, and neither does the generator.
//! hint: use the cross-entropy that takes logits.

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    -real.clamp(1e-7, 1.0 - 1e-7).ln().mean() - (-fake.clamp(1e-7, 1.0 - 1e-7) + 1.0).ln().mean()
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    -fake.clamp(1e-7, 1.0 - 1e-7).ln().mean()
}
