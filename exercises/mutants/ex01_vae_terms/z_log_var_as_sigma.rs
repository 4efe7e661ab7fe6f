//! title: log_var is used as sigma itself
//! source: none: the sampling layer of error 004-1 does not run at all; this is a common wrong repair
//! why: The noise is multiplied with the network's output as it is. It is a logarithm: 0 means sigma = 1 and not
//! 'no noise', and it may be negative.
//! hint: what should the sample be for log_var = 0?

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + log_var[d] * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
