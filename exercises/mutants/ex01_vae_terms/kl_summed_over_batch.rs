//! title: the KL is summed over the batch instead of averaged
//! source: 001-5
//! why: The loss is an average over the data. Summed, the KL grows with the batch size while an averaged
//! reconstruction loss does not, so another batch size trains another model.
//! hint: what should happen to the result when every row of the batch appears twice? Nothing.

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    std::array::from_fn(|d| mu[d] + (0.5 * log_var[d]).exp() * eps[d])
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>()
}
