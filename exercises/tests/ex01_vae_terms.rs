//! Checks of exercise 1. The divergence is compared with its definition, integrated numerically.

use super::answer::{gaussian_kl, reparameterise};
use crate::harness::{Checks, Outcome, close, number};

pub fn checks(c: &mut Checks) {
    c.part("reparameterise", |p| {
        p.property("the sample depends on the noise eps", || {
            let (a, b) = (reparameterise(&[0.5], &[0.0], &[-1.0]), reparameterise(&[0.5], &[0.0], &[1.0]));
            if a != b { Ok(()) } else { Err(format!("eps = -1 and eps = 1 both give {}", number(a[0].into()))) }
        });
        p.property("where the noise is 0 the sample is the mean", || {
            sample("mu = -0.75, log_var = 1.3, eps = 0", -0.75, 1.3, 0.0, -0.75)
        });
        p.property("log_var = 0 means sigma = 1: the sample is mu + eps", || {
            sample("mu = 2, log_var = 0, eps = -0.5", 2.0, 0.0, -0.5, 1.5)
        });
        p.property("the noise is stretched by the standard deviation sigma, where log_var = ln(sigma^2)", || {
            sample("mu = 0, log_var = ln 4 (sigma = 2), eps = 1", 0.0, 4f32.ln(), 1.0, 2.0)?;
            sample("mu = 1, log_var = ln 0.01 (sigma = 0.1), eps = -2", 1.0, 0.01f32.ln(), -2.0, 0.8)
        });
        p.property("every dimension has its own mean, width and noise", || {
            let z = reparameterise(&[1.0, 2.0, 3.0], &[0.0, 4f32.ln(), 9f32.ln()], &[1.0, -1.0, 0.5]);
            for (d, expected) in [2.0, 0.0, 4.5].into_iter().enumerate() {
                close(&format!("dimension {d} of 3"), z[d].into(), expected, 1e-5)?;
            }
            Ok(())
        });
        p.probe("samples", || {
            let z = reparameterise(&[0.3, -0.7, 1.9, -0.2], &[0.8, -1.7, -0.4, 2.2], &[1.1, -0.6, 0.35, -2.3]);
            z.map(f64::from).to_vec()
        });
    });
    c.part("gaussian_kl", |p| {
        p.property("the divergence of N(0, 1) from itself is 0", || {
            close("2 rows of 3 dimensions, mu = 0, log_var = 0", kl(&[[0.0; 3]; 2], &[[0.0; 3]; 2]), 0.0, 1e-6)
        });
        p.property("a divergence is never negative", || {
            for mu in [-2.0, -0.3, 0.0, 1.0] {
                for log_var in [-3.0, -0.5, 0.0, 0.7, 2.0] {
                    let got = kl(&[[mu]], &[[log_var]]);
                    if got < -1e-6 {
                        return Err(format!("mu = {mu}, log_var = {log_var}: got {}", number(got)));
                    }
                }
            }
            Ok(())
        });
        p.property("in one dimension it is the mean of ln q(x) - ln p(x), q = N(mu, sigma^2), p = N(0, 1)", || {
            for (mu, log_var) in [(1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (-1.5, 0.6), (0.4, -2.5), (2.0, 1.4)] {
                let what = format!("mu = {mu}, log_var = {log_var}");
                close(&what, kl(&[[mu]], &[[log_var]]), by_definition(mu, log_var), 1e-4)?;
            }
            Ok(())
        });
        p.property("the dimensions of a row are summed", || {
            let (mu, log_var) = ([0.5, -1.0, 1.5], [0.3, -0.8, 0.0]);
            let expected = (0..3).map(|d| by_definition(mu[d], log_var[d])).sum();
            close("1 row of 3 dimensions", kl(&[mu], &[log_var]), expected, 1e-4)
        });
        p.property("the rows of a batch are averaged", || {
            let (a, b) = (([1.0, 0.0], [0.5, 0.0]), ([-2.0, 0.7], [0.0, -1.2]));
            let rows = [kl(&[a.0], &[a.1]), kl(&[b.0], &[b.1])];
            let what = format!("2 rows, which alone give {} and {}", number(rows[0]), number(rows[1]));
            close(&what, kl(&[a.0, b.0], &[a.1, b.1]), (rows[0] + rows[1]) / 2.0, 1e-5)
        });
        p.property("it is finite for a very narrow and a very wide distribution", || {
            close("mu = 0, log_var = -200", kl(&[[0.0]], &[[-200.0]]), 99.5, 1e-4)?;
            close("mu = 0, log_var = 80", kl(&[[0.0]], &[[80.0]]), 0.5 * 80f64.exp(), 1e-4)
        });
        p.probe("ordinary", || {
            let mu = [[0.3, -0.7, 1.9], [-0.2, 0.9, 0.1]];
            let log_var = [[0.8, -1.7, -0.4], [0.3, 0.6, -2.2]];
            // One probe that every mistake in a sum shows, one on which logarithms of log_var exist.
            vec![kl(&mu, &log_var), kl(&[[0.4, 1.2]], &[[0.7, 0.2]]), kl(&[[0.0], [1.0]], &[[-1.0], [0.5]])]
        });
        p.probe("narrow", || vec![kl(&[[0.5]], &[[-150.0]])]);
    });
}

fn kl<const D: usize>(mu: &[[f32; D]], log_var: &[[f32; D]]) -> f64 {
    gaussian_kl(mu, log_var).into()
}

fn sample(what: &str, mu: f32, log_var: f32, eps: f32, expected: f64) -> Outcome {
    close(what, reparameterise(&[mu], &[log_var], &[eps])[0].into(), expected, 1e-5)
}

/// The integral of q (ln q - ln p) over 12 standard deviations to each side.
fn by_definition(mu: f32, log_var: f32) -> f64 {
    let (mu, sigma) = (f64::from(mu), f64::from(log_var).exp().sqrt());
    let ln_normal =
        |x: f64, mu: f64, sigma: f64| -0.5 * ((x - mu) / sigma).powi(2) - sigma.ln() - 0.5 * std::f64::consts::TAU.ln();
    let steps = 600;
    let dx = 24.0 * sigma / f64::from(steps);
    (0..=steps)
        .map(|i| mu - 12.0 * sigma + f64::from(i) * dx)
        .map(|x| ln_normal(x, mu, sigma).exp() * (ln_normal(x, mu, sigma) - ln_normal(x, 0.0, 1.0)) * dx)
        .sum()
}
