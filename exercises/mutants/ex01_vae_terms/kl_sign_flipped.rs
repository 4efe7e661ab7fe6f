//! title: the sign of the KL is the wrong way round
//! source: 000-12
//! why: This is minus the KL. A loss that contains it gets better the further the encoder moves away from the
//! prior, without end. The article says that a VAE maximises the KL; it is minimised: the negative ELBO is
//! reconstruction loss plus KL.
//! hint: a divergence is never negative; which sign has your result for mu = 1, log_var = 0?

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| 0.5 * (1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
