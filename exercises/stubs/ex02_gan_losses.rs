//! # Exercise 2: the two losses of a GAN
//!
//! The discriminator D looks at images of solder joints, real ones and ones that the generator G drew, and gives each a *logit*: a
//! number `l` with P(real | image) = D = 1 / (1 + exp(-l)). They play against each other:
//!
//! - D wants to tell them apart: it minimises the cross-entropy with label 1 for real and 0 for drawn images,
//!   L_D = -E[ ln D(real) ] - E[ ln(1 - D(G(z))) ].
//! - G wants its images to be taken for real. It minimises L_G = -E[ ln D(G(z)) ], the "non-saturating" loss: it has its steepest
//!   slope where D is sure that G's images are drawn, which is where G has to learn.
//!
//! TODO
//! 1. Write `discriminator_loss`. E is the mean over the batch; the two means are added.
//! 2. Write `generator_loss`.
//! 3. Both have to stay finite and to have a gradient for logits of +-10000. A probability that was rounded to 0 or 1 has neither,
//!    so work with the logits: look at `binary_cross_entropy_with_logits_loss` of dfdx.
//!
//! The types carry the batch size and the tape that records the computation for the backward pass.

use lathe::prelude::*;

/// The discriminator's answers to a batch of `B` images, on the tape.
pub type Logits<const B: usize> = Tensor<Rank2<B, 1>, f32, Cpu, OwnedTape<f32, Cpu>>;

/// One number that knows how it was computed.
pub type Loss = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

/// What D minimises, given its logits for a batch of real and a batch of drawn images.
pub fn discriminator_loss<const B: usize>(real: Logits<B>, fake: Logits<B>) -> Loss {
    todo!("cross-entropy with label 1 for real and 0 for drawn images")
}

/// What G minimises, given D's logits for the images that G drew.
pub fn generator_loss<const B: usize>(fake: Logits<B>) -> Loss {
    todo!("the non-saturating loss")
}
