//! # Exercise 1: what makes an autoencoder variational
//!
//! Both functions start from log_var = ln(sigma^2), so sigma = exp(log_var / 2) and sigma^2 = exp(log_var).

/// A sample of N(mu, sigma^2) in each dimension, made from `eps`, a sample of N(0, 1).
pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    // The gradient with respect to mu is 1, with respect to sigma it is eps: sampling no longer stands in its way.
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

/// KL divergence of N(mu, sigma^2) from N(0, I): summed over the dimensions of a row, averaged over the rows, in nats.
///
/// For one dimension, E_q[ln q - ln p] = -1/2 (1 + ln sigma^2 - mu^2 - sigma^2). Dimensions are independent, so their terms add;
/// the loss is an average over the data, so rows are averaged.
pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let of_row = |(mu, log_var): (&[f32; D], &[f32; D])| -> f32 {
        mu.iter().zip(log_var).map(|(m, lv)| -0.5 * (1.0 + lv - m * m - lv.exp())).sum()
    };
    mu.iter().zip(log_var).map(of_row).sum::<f32>() / mu.len() as f32
}
