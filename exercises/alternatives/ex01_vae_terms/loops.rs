//! Plain loops, with sigma written out and double precision inside.

pub fn reparameterise<const D: usize>(mu: &[f32; D], log_var: &[f32; D], eps: &[f32; D]) -> [f32; D] {
    let mut z = [0.0; D];
    for d in 0..D {
        let sigma = f64::from(log_var[d]).exp().sqrt();
        z[d] = (f64::from(mu[d]) + sigma * f64::from(eps[d])) as f32;
    }
    z
}

pub fn gaussian_kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f32 {
    let mut total = 0.0f64;
    for row in 0..mu.len() {
        for d in 0..D {
            let (mu, log_var) = (f64::from(mu[row][d]), f64::from(log_var[row][d]));
            total += (mu.powi(2) + log_var.exp() - 1.0) / 2.0 - log_var / 2.0;
        }
    }
    (total / mu.len() as f64) as f32
}
