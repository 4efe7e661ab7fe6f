//! title: the discriminator is rewarded for calling drawn images real
//! source: 004-7
//! why: The article writes L = -E D(x) - E D(G(z)): both terms push D up, and D = 1 everywhere is the best answer.
//! Drawn images have the label 0.
//! hint: which label belongs to `fake`?

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    let (ones, again) = (real.device().ones(), real.device().ones());
    binary_cross_entropy_with_logits_loss(real, ones) + binary_cross_entropy_with_logits_loss(fake, again)
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    let ones = fake.device().ones();
    binary_cross_entropy_with_logits_loss(fake, ones)
}
