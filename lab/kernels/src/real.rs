//! The functions of a neuron, written so that a loop over a slice of them is vectorised by the compiler.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// `f32` (fast, vectorised) or `f64` (accurate, for checking gradients).
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + std::fmt::Debug
    + 'static
{
    /// 1.
    const ONE: Self;
    /// Where [`Buf`](crate::pool::Buf) gets its memory.
    fn pool() -> &'static crate::pool::Pool<Self>;
    /// self * factor + addend, rounded once where the processor can.
    fn fused(self, factor: Self, addend: Self) -> Self;
    /// self * factor + addend, rounded once; slow where the code around it is not compiled for a processor with FMA.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// e^x, within 3e-7 of itself for `f32`.
    fn exp(self) -> Self;
    /// ln(1 + x).
    fn ln_1p(self) -> Self;
    /// The nearest value to `x`.
    fn of(x: f64) -> Self;
    /// The same number.
    fn to_f64(self) -> f64;
    /// 1 / (1 + e^-x), within 2e-7 for `f32`.
    fn sigmoid(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent, within 2e-7 for `f32`.
    fn tanh(self) -> Self;
    /// As `f64`.
    fn wide(self) -> f64;
}

impl Real for f64 {
    const ONE: Self = 1.0;

    fn pool() -> &'static crate::pool::Pool<Self> {
        static POOL: crate::pool::Pool<f64> = crate::pool::Pool::new();
        &POOL
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        f64::mul_add(self, factor, addend)
    }

    #[inline(always)]
    fn fused(self, factor: Self, addend: Self) -> Self {
        // Elsewhere `mul_add` may be a call of a library function.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            Self::mul_add(self, factor, addend)
        } else {
            self * factor + addend
        }
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }

    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + f64::exp(-self))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

impl Real for f32 {
    const ONE: Self = 1.0;

    fn pool() -> &'static crate::pool::Pool<Self> {
        static POOL: crate::pool::Pool<f32> = crate::pool::Pool::new();
        &POOL
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        f32::mul_add(self, factor, addend)
    }

    #[inline(always)]
    fn fused(self, factor: Self, addend: Self) -> Self {
        // Elsewhere `mul_add` may be a call of a library function.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            Self::mul_add(self, factor, addend)
        } else {
            self * factor + addend
        }
    }

    #[inline(always)]
    fn exp(self) -> Self {
        exp(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        f32::ln_1p(self)
    }

    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + exp(-self))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        // tanh is odd; for small |x| the quotient would cancel, so the Taylor polynomial (error x^11 / 113) takes over.
        let x2 = self * self;
        let small = self * (1.0 + x2 * (-1.0 / 3.0 + x2 * (2.0 / 15.0 + x2 * (-17.0 / 315.0 + x2 * (62.0 / 2835.0)))));
        let e = exp(-2.0 * self.abs());
        let large = ((1.0 - e) / (1.0 + e)).copysign(self);
        if self.abs() < 0.25 { small } else { large }
    }
}

/// e^x within 2 units in the last place on [-87, 88], saturating outside (NaN stays NaN): 2^n times a polynomial on [-ln2/2, ln2/2].
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LOG2E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that n * ln2 is exact in the first.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    // Comparisons written this way keep NaN.
    let y = if x > 88.0 { 88.0 } else { x };
    let y = if y < -87.0 { -87.0 } else { y };
    let shifted = y * LOG2E + ROUND;
    let n = shifted - ROUND;
    let r = y - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    // The low bits of `shifted` are n in two's complement.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    p * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: impl Fn(f32) -> f32, reference: impl Fn(f64) -> f64, relative: bool) -> f64 {
        (-400_000..=400_000)
            .map(|i| i as f32 * 1e-4)
            .map(|x| {
                let (got, want) = (f64::from(f(x)), reference(f64::from(x)));
                (got - want).abs() / if relative { want.abs().max(1e-30) } else { 1.0 }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn accurate_on_a_wide_range() {
        assert!(worst(exp, f64::exp, true) < 3e-7);
        assert!(worst(Real::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), false) < 2e-7);
        assert!(worst(Real::tanh, f64::tanh, false) < 2e-7);
        // Relative accuracy near zero, where a gate's candidate starts.
        for x in [1e-20f32, 1e-6, 1e-3, 0.1, 0.2499, 0.2501] {
            let want = f64::from(x).tanh();
            assert!((f64::from(Real::tanh(x)) - want).abs() / want < 5e-7, "{x}");
        }
    }

    #[test]
    fn ends_and_nan() {
        assert_eq!(Real::sigmoid(200.0f32), 1.0);
        assert!(Real::sigmoid(-200.0f32) < 1e-37);
        assert_eq!(Real::tanh(f32::NEG_INFINITY), -1.0);
        assert_eq!(Real::tanh(0.0f32), 0.0);
        assert!(Real::sigmoid(f32::NAN).is_nan() && Real::tanh(f32::NAN).is_nan());
    }
}
