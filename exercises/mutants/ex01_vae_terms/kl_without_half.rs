//! title: the factor 1/2 is missing
//! source: none: a common slip
//! why: In ln of the normal density the square is divided by 2 sigma^2, and ln(sigma) is half of ln(sigma^2).
//! Without the 1/2 the KL weighs twice what it should.
//! hint: KL( N(1, 1) || N(0, 1) ) is 1/2.

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -(1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
