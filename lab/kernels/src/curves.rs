//! Activations whose derivative needs their input.

use crate::{
    Real,
    dispatch::{Work, wide},
    par::{self, Shared},
};

/// Values of a task.
const PART: usize = 16 * 1024;

/// An activation that keeps its input for the way back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// x Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016).
    Gelu,
    /// ½ x (1 + tanh(sqrt(2 / π) (x + 0.044715 x³))).
    GeluTanh,
    /// x / (1 + exp(−x)).
    Silu,
    /// x where x > 0, else alpha (exp(x) − 1).
    Elu(f64),
    /// ln(1 + exp(x)).
    Softplus,
}

/// y = curve(x).
///
/// # Panics
/// When the lengths differ.
pub fn forward<R: Real>(x: &[R], curve: Curve, y: &mut [R]) {
    assert_eq!(x.len(), y.len(), "activation: sizes");
    let (len, out) = (x.len(), Shared::new(y));
    par::each(len.div_ceil(PART), |i| {
        let (from, n) = (i * PART, PART.min(len - i * PART));
        // SAFETY: each part is written by one call.
        let y = unsafe { out.part(from, n) };
        wide(Forward { x: &x[from..from + n], curve, y });
    });
}

/// The gradient of y becomes that of x.
///
/// # Panics
/// When the lengths differ.
pub fn backward<R: Real>(dy: &mut [R], x: &[R], curve: Curve) {
    assert_eq!(x.len(), dy.len(), "activation: sizes");
    let (len, out) = (x.len(), Shared::new(dy));
    par::each(len.div_ceil(PART), |i| {
        let (from, n) = (i * PART, PART.min(len - i * PART));
        // SAFETY: each part is changed by one call.
        let dy = unsafe { out.part(from, n) };
        wide(Backward { x: &x[from..from + n], curve, dy });
    });
}

const ROOT: f64 = 0.797_884_560_802_865_4; // sqrt(2 / pi)
const CUBE: f64 = 0.044_715;

struct Forward<'a, R> {
    x: &'a [R],
    curve: Curve,
    y: &'a mut [R],
}

impl<R: Real> Work for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let pairs = self.y.iter_mut().zip(self.x);
        match self.curve {
            Curve::Gelu => pairs.for_each(|(y, x)| *y = *x * x.normal_cdf()),
            Curve::GeluTanh => {
                let (half, root, cube) = (R::of(0.5), R::of(ROOT), R::of(CUBE));
                pairs.for_each(|(y, x)| *y = half * *x * (R::ONE + (root * (*x + cube * *x * *x * *x)).tanh()));
            }
            Curve::Silu => pairs.for_each(|(y, x)| *y = *x * x.sigmoid()),
            Curve::Elu(alpha) => {
                let alpha = R::of(alpha);
                pairs.for_each(|(y, x)| *y = if *x > R::default() { *x } else { alpha * (x.exp() - R::ONE) });
            }
            Curve::Softplus => pairs.for_each(|(y, x)| {
                let (positive, size) = if *x > R::default() { (*x, *x) } else { (R::default(), -*x) };
                // NaN takes the second branch and stays NaN in the logarithm.
                *y = positive + (-size).exp().ln_1p();
            }),
        }
    }
}

struct Backward<'a, R> {
    x: &'a [R],
    curve: Curve,
    dy: &'a mut [R],
}

impl<R: Real> Work for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let half = R::of(0.5);
        let pairs = self.dy.iter_mut().zip(self.x);
        match self.curve {
            Curve::Gelu => {
                let density = R::of(0.398_942_280_401_432_7); // 1 / sqrt(2 pi)
                pairs.for_each(|(d, x)| *d = *d * (x.normal_cdf() + *x * density * (-half * *x * *x).exp()));
            }
            Curve::GeluTanh => {
                let (root, cube, three) = (R::of(ROOT), R::of(CUBE), R::of(3.0 * CUBE));
                pairs.for_each(|(d, x)| {
                    let t = (root * (*x + cube * *x * *x * *x)).tanh();
                    let slope = root * (R::ONE + three * *x * *x);
                    *d = *d * half * (R::ONE + t + *x * (R::ONE - t * t) * slope);
                });
            }
            Curve::Silu => pairs.for_each(|(d, x)| {
                let s = x.sigmoid();
                *d = *d * s * (R::ONE + *x * (R::ONE - s));
            }),
            Curve::Elu(alpha) => {
                let alpha = R::of(alpha);
                pairs.for_each(|(d, x)| *d = if *x > R::default() { *d } else { *d * alpha * x.exp() });
            }
            Curve::Softplus => pairs.for_each(|(d, x)| *d = *d * x.sigmoid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_follows_double_and_slopes_central_differences() {
        for curve in [Curve::Gelu, Curve::GeluTanh, Curve::Silu, Curve::Elu(1.0), Curve::Elu(0.5), Curve::Softplus] {
            let x: Vec<f64> = (0..4001).map(|i| (f64::from(i) - 2000.0) / 200.0 + 1e-4).collect();
            let narrow: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let (mut y, mut single) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            forward(&x, curve, &mut y);
            forward(&narrow, curve, &mut single);
            for ((x, y), single) in x.iter().zip(&y).zip(&single) {
                assert!((y - f64::from(*single)).abs() < 1e-6 * (1.0 + y.abs()), "{curve:?} at {x}: {y} {single}");
            }
            let mut slope = vec![1.0; x.len()];
            backward(&mut slope, &x, curve);
            let e = 1e-5;
            let at = |delta: f64| {
                let moved: Vec<f64> = x.iter().map(|x| x + delta).collect();
                let mut y = vec![0.0; x.len()];
                forward(&moved, curve, &mut y);
                y
            };
            for (i, (up, down)) in at(e).iter().zip(at(-e)).enumerate() {
                let numeric = (up - down) / (2.0 * e);
                assert!((slope[i] - numeric).abs() < 1e-7, "{curve:?} at {}: {} {numeric}", x[i], slope[i]);
            }
            let mut y = [0.0f32; 1];
            forward(&[f32::NAN], curve, &mut y);
            assert!(y[0].is_nan(), "{curve:?} keeps NaN");
        }
    }
}
