//! title: nothing is drawn: the sample is the mean
//! source: 001-5
//! why: Without the noise this is a plain autoencoder: the decoder only ever sees isolated points, the space
//! between them means nothing, and what is decoded from the prior is garbage.
//! hint: the sample has to depend on eps.

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    *mu
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let term = |m: f32, lv: f32| -0.5 * (1.0 + lv - m * m - lv.exp());
    let rows = mu.iter().zip(log_var).map(|(m, lv)| m.iter().zip(lv).map(|(m, lv)| term(*m, *lv)).sum::<f32>());
    rows.sum::<f32>() / mu.len() as f32
}
