//! title: the generator minimises the probability that its images are taken for real
//! source: 001-1
//! why: This is the discriminator's term for drawn images. A generator that minimises it gets better at being seen
//! through.
//! hint: G wants D to say 1.

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    let (ones, zeros) = (real.device().ones(), real.device().zeros());
    binary_cross_entropy_with_logits_loss(real, ones) + binary_cross_entropy_with_logits_loss(fake, zeros)
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    let zeros = fake.device().zeros();
    binary_cross_entropy_with_logits_loss(fake, zeros)
}
