//! One step of Adam over one parameter tensor, in a single pass and on all cores.

use rayon::prelude::*;

use crate::dispatch::{Work, wide};

/// Elements that one task updates; small tensors stay on the calling thread.
const CHUNK: usize = 16 * 1024;

/// The numbers of one Adam step (Kingma and Ba 2015), equal for all tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Learning rate divided by the first moment's bias correction, `lr / (1 - beta1^t)`.
    pub rate: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    pub root_correction: f32,
    /// Added to the root, so that a parameter without gradient stays put.
    pub epsilon: f32,
    /// Gradients are multiplied by this first (1, or less when the global norm is clipped).
    pub scale: f32,
}

impl Step {
    /// The numbers of step `t` (the first is 1).
    pub fn new(t: u64, lr: f64, beta1: f64, beta2: f64, epsilon: f64, scale: f64) -> Self {
        let t = t.max(1) as f64;
        Self {
            rate: (lr / (1.0 - beta1.powf(t))) as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            root_correction: (1.0 / (1.0 - beta2.powf(t)).sqrt()) as f32,
            epsilon: epsilon as f32,
            scale: scale as f32,
        }
    }
}

/// m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²; p -= rate m / (sqrt(v) root_correction + eps), with g = scale * gradient.
///
/// # Panics
/// When the slices differ in length.
#[inline(never)]
pub fn update(step: &Step, parameter: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32]) {
    let n = parameter.len();
    assert!(gradient.len() == n && mean.len() == n && square.len() == n, "adam: slices of different length");
    if n <= CHUNK {
        return wide(Part { step, parameter, gradient, mean, square });
    }
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(mean.par_chunks_mut(CHUNK).zip(square.par_chunks_mut(CHUNK)))
        .for_each(|((parameter, gradient), (mean, square))| wide(Part { step, parameter, gradient, mean, square }));
}

struct Part<'a> {
    step: &'a Step,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
}

impl Work for Part<'_> {
    #[inline(always)]
    fn run(self) {
        let step = *self.step;
        for (((p, g), m), v) in self.parameter.iter_mut().zip(self.gradient).zip(self.mean).zip(self.square) {
            let g = *g * step.scale;
            *m = step.beta1 * *m + (1.0 - step.beta1) * g;
            *v = step.beta2 * *v + (1.0 - step.beta2) * g * g;
            *p -= step.rate * *m / (v.sqrt() * step.root_correction + step.epsilon);
        }
    }
}

/// Sets all to zero.
#[inline(never)]
pub fn clear(values: &mut [f32]) {
    values.fill(0.0);
}

/// Sum of squares in `f64`, in parts of fixed size added in order.
#[inline(never)]
pub fn sum_of_squares(values: &[f32]) -> f64 {
    values.chunks(CHUNK).map(|chunk| chunk.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn follows_the_textbook_in_f64() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let n = 3 * CHUNK + 17;
        let mut p: Vec<f32> = (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        let mut reference: Vec<[f64; 3]> = p.iter().map(|x| [f64::from(*x), 0.0, 0.0]).collect();
        let (lr, b1, b2, eps) = (1e-2, 0.9, 0.999, 1e-8);
        for t in 1..=5u32 {
            let g: Vec<f32> = (0..n).map(|_| rng.gen_range(-3.0..3.0)).collect();
            update(&Step::new(u64::from(t), lr, b1, b2, eps, 0.5), &mut p, &g, &mut m, &mut v);
            for ([p, m, v], g) in reference.iter_mut().zip(&g) {
                let g = 0.5 * f64::from(*g);
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *p -= lr * (*m / (1.0 - b1.powf(f64::from(t)))) / ((*v / (1.0 - b2.powf(f64::from(t)))).sqrt() + eps);
            }
        }
        let worst = p.iter().zip(&reference).map(|(got, want)| (f64::from(*got) - want[0]).abs()).fold(0.0, f64::max);
        assert!(worst < 2e-6, "{worst}");
    }

    #[test]
    fn first_step_moves_by_the_learning_rate_against_the_sign() {
        let mut p = [0.0f32; 3];
        update(&Step::new(1, 0.1, 0.9, 0.999, 1e-8, 1.0), &mut p, &[2.0, -0.001, 0.0], &mut [0.0; 3], &mut [0.0; 3]);
        assert!((p[0] + 0.1).abs() < 1e-6 && (p[1] - 0.1).abs() < 1e-5 && p[2] == 0.0, "{p:?}");
    }

    #[test]
    fn sums_squares() {
        assert_eq!(sum_of_squares(&[3.0, -4.0]), 25.0);
        assert_eq!(sum_of_squares(&[]), 0.0);
    }
}
