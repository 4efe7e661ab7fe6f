//! title: the KL is averaged over the dimensions too
//! source: 001-5
//! why: The latent dimensions are independent, so the divergence of the row is the sum of theirs. Averaging divides
//! the KL by D, which is the same as training a beta-VAE with beta = 1/D: the latent space is hardly held to the
//! prior, and what is decoded from the prior looks bad.
//! hint: by what do you divide at the end? Only by the number of rows?

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / (mu.len() * D) as f32
}
