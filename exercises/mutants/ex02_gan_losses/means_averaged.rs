//! title: the two means are averaged instead of added
//! source: 000-5
//! why: The article halves the sum. That is the same direction and half the step, and it breaks the comparison with
//! the value 2 ln 2 = 1.386 of a discriminator that cannot decide.
//! hint: L_D has two terms and no factor.

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    let (ones, zeros) = (real.device().ones(), real.device().zeros());
    (binary_cross_entropy_with_logits_loss(real, ones) + binary_cross_entropy_with_logits_loss(fake, zeros)) * 0.5
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    let ones = fake.device().ones();
    binary_cross_entropy_with_logits_loss(fake, ones)
}
