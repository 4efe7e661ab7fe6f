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
    /// e^x, within 2e-7 of itself for `f32`.
    fn exp(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// ln(1 + x).
    fn ln_1p(self) -> Self;
    /// The standard normal distribution function, within 5e-7 of itself (for `f32`, between -13 and 13).
    fn normal_cdf(self) -> Self;
    /// The nearest value to `x`.
    fn of(x: f64) -> Self;
    /// The same number.
    fn to_f64(self) -> f64;
    /// 1 / (1 + e^-x), within 2e-7 for `f32`.
    fn sigmoid(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent, within 3e-7 of itself for `f32`.
    fn tanh(self) -> Self;
    /// self * factor + addend, rounded once if `FMA`, which the code around it must be compiled for.
    #[inline(always)]
    fn madd<const FMA: bool>(self, factor: Self, addend: Self) -> Self {
        if FMA { self.mul_add(factor, addend) } else { self * factor + addend }
    }
    /// [`Real::sigmoid`], with fused multiply-adds if `FMA`.
    fn sigmoid_with<const FMA: bool>(self) -> Self;
    /// [`Real::tanh`], with fused multiply-adds if `FMA`.
    fn tanh_with<const FMA: bool>(self) -> Self;
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
    fn ln(self) -> Self {
        f64::ln(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }

    fn normal_cdf(self) -> Self {
        let a = self.abs();
        let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let below = if a < 5.0 {
            // 1/2 - density (a + a^3 / 3 + a^5 / 15 + ...)
            let (mut sum, mut term, mut n) = (0.0, a, 3.0);
            while term > 1e-18 * sum {
                sum += term;
                term *= a * a / n;
                n += 2.0;
            }
            0.5 - density * sum
        } else {
            // density / (a + 1 / (a + 2 / (a + 3 / ...)))
            density / (1..=80).rev().fold(a, |x, n| a + f64::from(n) / x)
        };
        if self > 0.0 { 1.0 - below } else { below }
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
    fn sigmoid_with<const FMA: bool>(self) -> Self {
        self.sigmoid()
    }

    #[inline(always)]
    fn tanh_with<const FMA: bool>(self) -> Self {
        f64::tanh(self)
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
        exp::<false>(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        ln_1p(self)
    }

    #[inline(always)]
    fn normal_cdf(self) -> Self {
        // exp(-a^2 / 2) times a polynomial in 1 / (1 + 0.3 a), fitted to a relative error of 6e-8 on [0, 14].
        const FIT: [f32; 9] = [
            0.038_379_21,
            -0.169_170_42,
            0.228_668_56,
            -0.076_515_63,
            0.142_541_43,
            0.094_681_2,
            0.121_920_88,
            0.119_487_62,
            7.172_435_5e-6,
        ];
        let a = self.abs();
        let t = 1.0 / (1.0 + 0.3 * a);
        let below = Real::exp(-0.5 * a * a) * FIT.iter().fold(0.0, |sum, c| sum * t + *c);
        if self > 0.0 { 1.0 - below } else { below }
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
        self.sigmoid_with::<false>()
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        self.tanh_with::<false>()
    }

    #[inline(always)]
    fn sigmoid_with<const FMA: bool>(self) -> Self {
        1.0 / (1.0 + exp::<FMA>(-self))
    }

    #[inline(always)]
    fn tanh_with<const FMA: bool>(self) -> Self {
        // tanh x = (e^2x - 1) / (e^2x + 1) with e^2x - 1 as one number, which stays accurate near zero.
        let (power, q) = parts::<FMA>(self + self, 40.0);
        let e = q.madd::<FMA>(power, power - 1.0);
        e / (e + 2.0)
    }
}

/// e^x within 2 units in the last place on [-87, 88], saturating outside (NaN stays NaN).
#[inline(always)]
fn exp<const FMA: bool>(x: f32) -> f32 {
    let (power, q) = parts::<FMA>(x, 88.0);
    q.madd::<FMA>(power, power)
}

/// e^x as (1 + q) power: `power` is 2^n, `q` a polynomial on [-ln2/2, ln2/2]. x saturates at -87 and `high`.
#[inline(always)]
fn parts<const FMA: bool>(x: f32, high: f32) -> (f32, f32) {
    const LOG2E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that n * ln2 is exact in the first.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    // Comparisons written this way keep NaN.
    let y = if x > high { high } else { x };
    let y = if y < -87.0 { -87.0 } else { y };
    let shifted = y.madd::<FMA>(LOG2E, ROUND);
    let n = shifted - ROUND;
    let r = n.madd::<FMA>(-LN2_LOW, n.madd::<FMA>(-LN2_HIGH, y));
    // (e^r - 1) / r with the least largest error of a polynomial that begins 1 + r / 2: 1.4e-8 on this interval.
    let p = r.madd::<FMA>(0.001_394_024_5, 0.008_366_467);
    let p = r.madd::<FMA>(p, 0.041_666_407);
    let p = r.madd::<FMA>(p, 0.166_665_45);
    let p = r.madd::<FMA>(p, 0.5);
    let p = r.madd::<FMA>(p, 1.0);
    // The low bits of `shifted` are n in two's complement.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (power, r * p)
}

/// ln(1 + x) within 2e-7 of itself: 1 + x as 2^n m with m in [sqrt(1/2), sqrt(2)), ln m by the series of artanh, and what 1 + x
/// lost in rounding.
#[inline(always)]
fn ln_1p(x: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let u = 1.0 + x;
    let n = (u.to_bits().wrapping_sub(ROOT_HALF) as i32) >> 23;
    let m = f32::from_bits(u.to_bits().wrapping_sub((n << 23) as u32));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let series = 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (0.2 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0)))));
    let lost = (x - (u - 1.0)) / u;
    let y = n as f32 * std::f32::consts::LN_2 + (series + lost);
    // Infinity and NaN come out as they are, and there is no logarithm of a number below zero.
    let y = if x < f32::MAX { y } else { x };
    let y = if u > 0.0 { y } else { f32::NEG_INFINITY };
    if x < -1.0 {
        f32::NAN
    } else if x.is_nan() {
        x
    } else {
        y
    }
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
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert!(worst(exp::<false>, f64::exp, true) < 2e-7);
        assert!(worst(exp::<true>, f64::exp, true) < 2e-7);
        assert!(worst(Real::sigmoid, sigmoid, false) < 2e-7);
        assert!(worst(Real::sigmoid_with::<true>, sigmoid, false) < 2e-7);
        // Also relative to values near zero, where a gate's candidate starts.
        assert!(worst(Real::tanh, f64::tanh, true) < 3e-7);
        assert!(worst(Real::tanh_with::<true>, f64::tanh, true) < 3e-7);
        for x in [1e-20f32, 1e-6, 1e-3, 0.1, 0.2499, 0.2501] {
            let want = f64::from(x).tanh();
            assert!((f64::from(Real::tanh(x)) - want).abs() / want < 3e-7, "{x}");
        }
    }

    #[test]
    fn logarithm_of_one_plus() {
        let relative = |x: f32| {
            let want = f64::from(x).ln_1p();
            (f64::from(Real::ln_1p(x)) - want).abs() / want.abs().max(1e-30)
        };
        assert!((1..=2_000_000).map(|i| i as f32 * 1e-6).all(|x| relative(x) < 3e-7));
        assert!(
            [1e-30f32, 1e-10, 1e-4, 7.0, 1e4, 1e30, -1e-6, -0.3, -0.75, -0.999].into_iter().all(|x| relative(x) < 3e-7)
        );
        assert_eq!(Real::ln_1p(0.0f32), 0.0);
        assert_eq!(Real::ln_1p(f32::INFINITY), f32::INFINITY);
        assert_eq!(Real::ln_1p(-1.0f32), f32::NEG_INFINITY);
        assert!(Real::ln_1p(-1.5f32).is_nan() && Real::ln_1p(f32::NAN).is_nan());
    }

    #[test]
    fn normal_distribution_function() {
        // erfc(-x / sqrt 2) / 2 of the C library.
        for (x, want) in [
            (0.0_f64, 0.5_f64),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, 0.158_655_253_931_457_05),
            (2.5, 0.993_790_334_674_223_8),
            (-4.9, 4.791_832_765_903_205e-7),
            (-5.1, 1.698_267_407_147_603_7e-7),
            (-9.0, 1.128_588_405_953_842_2e-19),
        ] {
            assert!((Real::normal_cdf(x) - want).abs() < 1e-15 + 1e-9 * want.min(1e-6), "{x}: {}", Real::normal_cdf(x));
        }
        assert!(worst(Real::normal_cdf, Real::normal_cdf, false) < 2e-7);
        let tail = |x: f32| (f64::from(Real::normal_cdf(x)) / Real::normal_cdf(f64::from(x)) - 1.0).abs();
        assert!([-0.5f32, -2.0, -4.0, -6.0, -9.0].into_iter().all(|x| tail(x) < 2e-6));
        assert!(Real::normal_cdf(f32::NAN).is_nan() && Real::normal_cdf(f64::NAN).is_nan());
    }

    #[test]
    fn ends_and_nan() {
        assert_eq!(Real::sigmoid(200.0f32), 1.0);
        assert!(Real::sigmoid(-200.0f32) < 1e-37);
        assert_eq!(Real::tanh(f32::NEG_INFINITY), -1.0);
        assert_eq!(Real::tanh(0.0f32), 0.0);
        assert_eq!(Real::tanh(f32::INFINITY), 1.0);
        assert_eq!(Real::tanh(1e30f32), 1.0);
        assert!(Real::sigmoid(f32::NAN).is_nan() && Real::tanh(f32::NAN).is_nan());
    }
}
