//! # Exercise 2: the two losses of a GAN

use lathe::prelude::*;

/// The discriminator's answers to a batch of `B` images, on the tape.
pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;

/// One number that knows how it was computed.
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

/// What D minimises, given its logits for a batch of real and a batch of drawn images.
///
/// Its best answer to data of density p and drawings of density g is D = p / (p + g).
pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    // The sum of two losses also joins their tapes.
    let (ones, zeros) = (real.device().ones(), real.device().zeros());
    binary_cross_entropy_with_logits_loss(real, ones) + binary_cross_entropy_with_logits_loss(fake, zeros)
}

/// What G minimises, given D's logits for the images that G drew: label 1, because it wants them to be taken for real.
pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    let ones = fake.device().ones();
    binary_cross_entropy_with_logits_loss(fake, ones)
}
