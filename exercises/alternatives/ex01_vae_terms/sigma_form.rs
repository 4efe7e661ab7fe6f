//! Through expm1, which loses nothing near sigma = 1, and a running mean over the rows.

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    let mut z = *mu;
    for ((z, lv), e) in z.iter_mut().zip(log_var).zip(eps) {
        *z += e * (lv / 2.0).exp();
    }
    z
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let mut mean = 0.0;
    for (n, (mu, log_var)) in mu.iter().zip(log_var).enumerate() {
        let row: f32 = (0..D).map(|d| 0.5 * (mu[d] * mu[d] + (log_var[d].exp_m1() - log_var[d]))).sum();
        mean += (row - mean) / (n + 1) as f32;
    }
    mean
}
