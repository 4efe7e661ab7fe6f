//! What comes after a dense layer's matrix product: bias and activation in one pass, and the way back.

use crate::{
    Real,
    dispatch::{Work, wide},
    par::{self, Shared},
};

/// The function of a neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// y = z.
    Identity,
    /// y = max(z, slope z), with 0 <= slope <= 1; ReLU is slope 0.
    Leaky(f64),
    /// y = tanh z.
    Tanh,
    /// y = 1 / (1 + exp(-z)).
    Sigmoid,
    /// y = z within these bounds, the nearer bound (and no gradient) outside.
    Clamp(f64, f64),
}

/// Values of one task; the sums over rows are made of parts of this size, whatever the number of threads.
const PART: usize = 32 * 1024;

/// Rows of a task, for rows of `width` values.
fn part(width: usize) -> usize {
    (PART / width).max(1) * width
}

/// z becomes activation(z + bias), for rows of `bias.len()` values; without a bias only the activation is applied.
pub(crate) fn forward<R: Real>(z: &mut [R], bias: &[R], activation: Activation) {
    if bias.is_empty() && activation == Activation::Identity {
        return;
    }
    let size = part(bias.len().max(1));
    let (len, out) = (z.len(), Shared::new(z));
    par::each(len.div_ceil(size), |i| {
        // SAFETY: each part is changed by one call.
        let z = unsafe { out.part(i * size, size.min(len - i * size)) };
        wide(Forward { z, bias, activation });
    });
}

/// `gradient`, dL/dy, becomes dL/dz, given the layer's output y; `d_bias` gets the sums of its columns added (if it has any).
///
/// # Panics
/// When `gradient` and `y` differ in length.
pub(crate) fn backward<R: Real>(gradient: &mut [R], y: &[R], d_bias: &mut [R], activation: Activation) {
    assert_eq!(gradient.len(), y.len(), "dense: gradient and output");
    if d_bias.is_empty() && activation == Activation::Identity {
        return;
    }
    let (width, len) = (d_bias.len(), gradient.len());
    let size = part(width.max(1));
    let parts = len.div_ceil(size);
    let mut sums = vec![R::default(); parts * width];
    let (out, partial) = (Shared::new(gradient), Shared::new(&mut sums));
    par::each(parts, |i| {
        let n = size.min(len - i * size);
        // SAFETY: each part and its sums are written by one call.
        let (gradient, d_bias) = unsafe { (out.part(i * size, n), partial.part(i * width, width)) };
        wide(Backward { gradient, y: &y[i * size..i * size + n], d_bias, activation });
    });
    if width > 0 {
        sums.chunks(width).for_each(|part| add(d_bias, part));
    }
}

/// sum += x, element by element.
pub(crate) fn add<R: Real>(sum: &mut [R], x: &[R]) {
    assert_eq!(sum.len(), x.len(), "add: sizes");
    add_inline(sum, x);
}

/// [`add`] inside of a [`Work`].
#[inline(always)]
pub(crate) fn add_inline<R: Real>(sum: &mut [R], x: &[R]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
}

struct Forward<'a, R> {
    z: &'a mut [R],
    bias: &'a [R],
    activation: Activation,
}

impl<R: Real> Work for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        if !self.bias.is_empty() {
            for row in self.z.chunks_mut(self.bias.len()) {
                row.iter_mut().zip(self.bias).for_each(|(z, b)| *z += *b);
            }
        }
        match self.activation {
            Activation::Identity => {}
            Activation::Leaky(slope) => {
                let slope = R::of(slope);
                self.z.iter_mut().for_each(|z| *z = if *z > R::default() { *z } else { slope * *z });
            }
            Activation::Tanh => self.z.iter_mut().for_each(|z| *z = z.tanh()),
            Activation::Sigmoid => self.z.iter_mut().for_each(|z| *z = z.sigmoid()),
            Activation::Clamp(low, high) => {
                let (low, high) = (R::of(low), R::of(high));
                let each = |z: &mut R| {
                    *z = if *z < low {
                        low
                    } else if *z > high {
                        high
                    } else {
                        *z
                    }
                };
                self.z.iter_mut().for_each(each);
            }
        }
    }
}

struct Backward<'a, R> {
    gradient: &'a mut [R],
    y: &'a [R],
    d_bias: &'a mut [R],
    activation: Activation,
}

impl<R: Real> Work for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        match self.activation {
            Activation::Identity => {}
            Activation::Leaky(slope) => {
                let slope = R::of(slope);
                // y has z's sign, so the output is enough.
                let each = |(g, y): (&mut R, &R)| *g = if *y > R::default() { *g } else { slope * *g };
                self.gradient.iter_mut().zip(self.y).for_each(each);
            }
            Activation::Tanh => {
                let each = |(g, y): (&mut R, &R)| *g = *g * (R::ONE - *y * *y);
                self.gradient.iter_mut().zip(self.y).for_each(each);
            }
            Activation::Sigmoid => {
                let each = |(g, y): (&mut R, &R)| *g = *g * *y * (R::ONE - *y);
                self.gradient.iter_mut().zip(self.y).for_each(each);
            }
            Activation::Clamp(low, high) => {
                let (low, high) = (R::of(low), R::of(high));
                let each = |(g, y): (&mut R, &R)| *g = if *y > low && *y < high { *g } else { R::default() };
                self.gradient.iter_mut().zip(self.y).for_each(each);
            }
        }
        if !self.d_bias.is_empty() {
            for row in self.gradient.chunks(self.d_bias.len()) {
                self.d_bias.iter_mut().zip(row).for_each(|(sum, g)| *sum += *g);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_central_differences() {
        for activation in [
            Activation::Identity,
            Activation::Leaky(0.2),
            Activation::Leaky(0.0),
            Activation::Tanh,
            Activation::Sigmoid,
            Activation::Clamp(-1.0, 1.5),
        ] {
            let z: Vec<f64> = (0..21).map(|i| (i as f64 - 10.3) / 4.0).collect();
            let bias = [0.1, -0.2, 0.3];
            let weight: Vec<f64> = (0..21).map(|i| 1.0 + f64::from(i % 5)).collect();
            let loss = |z: &[f64], bias: &[f64]| {
                let mut y = z.to_vec();
                forward(&mut y, bias, activation);
                y.iter().zip(&weight).map(|(y, w)| y * w).sum::<f64>()
            };
            let mut y = z.clone();
            forward(&mut y, &bias, activation);
            let (mut dz, mut db) = (weight.clone(), [0.0; 3]);
            backward(&mut dz, &y, &mut db, activation);
            let e = 1e-6;
            for k in 0..z.len() {
                let (mut up, mut down) = (z.clone(), z.clone());
                up[k] += e;
                down[k] -= e;
                let numeric = (loss(&up, &bias) - loss(&down, &bias)) / (2.0 * e);
                assert!((dz[k] - numeric).abs() < 1e-8, "{activation:?} z[{k}]: {} {numeric}", dz[k]);
            }
            for k in 0..3 {
                let (mut up, mut down) = (bias, bias);
                up[k] += e;
                down[k] -= e;
                let numeric = (loss(&z, &up) - loss(&z, &down)) / (2.0 * e);
                assert!((db[k] - numeric).abs() < 1e-7, "{activation:?} bias[{k}]");
            }
        }
    }

    #[test]
    fn single_precision_follows_double() {
        let z: Vec<f64> = (0..4000).map(|i| (i as f64 - 2000.0) / 300.0).collect();
        let mut wide = z.clone();
        let mut narrow: Vec<f32> = z.iter().map(|z| *z as f32).collect();
        forward(&mut wide, &[0.25; 8], Activation::Tanh);
        forward(&mut narrow, &[0.25; 8], Activation::Tanh);
        assert!(wide.iter().zip(&narrow).all(|(a, b)| (a - f64::from(*b)).abs() < 5e-7));
    }
}
