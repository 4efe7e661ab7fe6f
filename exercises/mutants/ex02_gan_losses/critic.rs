//! title: a difference of mean logits instead of a cross-entropy
//! source: 000-10
//! why: This is the article's -[D(x) - D(G(z))]. It resembles the loss of a Wasserstein critic, which is not a
//! probability and needs its slope bounded. Without that there is no minimum: D makes its logits larger and larger.
//! hint: where is the logarithm of L_D = -E[ ln D(real) ] - E[ ln(1 - D(G(z))) ]?

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    fake.mean() - real.mean()
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    -fake.mean()
}
