//! title: log_var is read as the variance itself
//! source: none: a common slip with the formula of error 001-5
//! why: The formula 1 + ln s^2 - mu^2 - s^2 is fed with the network's output as s^2. But the output is ln s^2: it
//! is often negative, and the logarithm of a negative number is NaN.
//! hint: which quantity of the formula is `log_var`, and how do you get the other one from it?

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv.ln() - m * m - lv);
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
