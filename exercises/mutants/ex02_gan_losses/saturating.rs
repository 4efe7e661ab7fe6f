//! title: the saturating loss ln(1 - D(G(z)))
//! source: 000-11
//! why: It has the right direction, it is G's half of the minimax game. But where D is sure that an image is drawn
//! its slope is nearly 0: at the start of training, when G's images are bad, G learns nothing.
//! hint: minimise -ln D(G(z)) instead of ln(1 - D(G(z))).

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    let (ones, zeros) = (real.device().ones(), real.device().zeros());
    binary_cross_entropy_with_logits_loss(real, ones) + binary_cross_entropy_with_logits_loss(fake, zeros)
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    let zeros = fake.device().zeros();
    -binary_cross_entropy_with_logits_loss(fake, zeros)
}
