//! # Exercise 1: what makes an autoencoder variational
//!
//! The encoder of a VAE does not answer with a point but with a distribution: for each window of sensor data and each of
//! the D latent dimensions a mean `mu` and a *log-variance* `log_var = ln(sigma^2)`. (The logarithm, because a network's output can
//! be any real number, and a variance cannot.) Two small functions turn an autoencoder into a variational one:
//!
//! - `reparameterise` draws a latent point as a differentiable function of `mu` and `log_var`; the randomness comes from outside.
//! - `gaussian_kl` is the price for leaving the prior N(0, I). The loss that training minimises, the negative ELBO, is
//!   reconstruction loss + KL.
//!
//! TODO
//! 1. Write `reparameterise`. One row, D dimensions.
//! 2. Write `gaussian_kl` for a batch of rows: the KL divergence KL( N(mu, sigma^2) || N(0, 1) ) of every dimension,
//!    *summed* over the D dimensions of a row, *averaged* over the rows of the batch. Derive it on paper or look it up; chapter 1
//!    has it. It has to stay finite for any `log_var` between -200 and 80.
//! 3. Save. `cargo test -p exercises` or `cargo lathe exercises watch` grades it; `cargo lathe exercises hint 1` helps.
//!
//! Keep the names and the types: `D` is a number that the compiler knows, so a mean of the wrong width does not compile.

/// A sample of N(mu, sigma^2) in each dimension, made from `eps`, a sample of N(0, 1).
pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    todo!("the sample that belongs to eps")
}

/// KL divergence of N(mu, sigma^2) from N(0, I): summed over the dimensions of a row, averaged over the rows, in nats.
///
/// `mu` and `log_var` have the same number of rows, at least one.
pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    todo!("the KL term of the loss")
}
