//! From dfdx's elementary operations: -ln sigmoid(l) = softplus(-l), computed without overflow.

use lathe::prelude::*;

pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

/// ln(1 + exp(l)) = max(l, 0) + ln(1 + exp(-|l|)), averaged.
fn mean_softplus<const B: usize>(l: Logits<B>) -> Loss {
    let (l, tape) = l.split_tape();
    let bent = (-l.clone().put_tape(tape).abs()).exp() + 1.0;
    l.retaped::<OwnedTape<f32, Cpu>>().relu().mean() + bent.ln().mean()
}

pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    mean_softplus(-real) + mean_softplus(fake)
}

pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    mean_softplus(-fake)
}
