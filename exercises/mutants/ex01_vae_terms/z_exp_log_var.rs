//! title: sigma = exp(log_var) instead of exp(log_var / 2)
//! source: none: the sampling layer of error 004-1 does not run at all; this is a common wrong repair
//! why: exp(log_var) is the variance; eps has to be stretched by the standard deviation. With the variance, wide
//! dimensions get too much noise and narrow ones too little, and the KL is that of another distribution than the
//! one that is sampled.
//! hint: how do you get from ln(sigma^2) to sigma?

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + log_var[d].exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
