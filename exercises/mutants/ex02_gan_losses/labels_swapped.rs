//! title: real and drawn images have each other's label
//! source: 000-11
//! why: D is trained to call real images drawn and drawn images real: ascent and descent are swapped, as in the
//! article. D and G then work together, and G gets a prize for images that are easily seen through.
//! hint: D minimises -ln D(real): what should happen to the loss when the logit of a real image rises?

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    let (ones, zeros) = (real.device().ones(), real.device().zeros());
    binary_cross_entropy_with_logits_loss(real, zeros) + binary_cross_entropy_with_logits_loss(fake, ones)
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    let ones = fake.device().ones();
    binary_cross_entropy_with_logits_loss(fake, ones)
}
