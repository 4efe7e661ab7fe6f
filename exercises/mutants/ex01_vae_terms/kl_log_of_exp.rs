//! title: the logarithm of a number that has become 0
//! source: none: a common slip
//! why: exp(log_var) is 0 in f32 below about -104, and ln(0) is minus infinity: one very sure dimension makes the
//! whole loss infinite, and the next step of training NaN.
//! hint: you have ln(sigma^2) already: it is the argument.

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv.exp().ln() - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
