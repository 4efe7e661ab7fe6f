//! Keyed noise: every random number of a simulation is a pure function of `(seed, stream, entity, step)`.
//!
//! A generator that is advanced call by call ties each number to everything that was drawn before it, so one extra draw
//! changes the whole future, and two policies that act differently live in different worlds. Here the key of a ChaCha8
//! block cipher is made from the first three parts and its counter from the last: any number can be computed at
//! any time, in any order, on any thread, and is the same.
//!
//! Transcendental functions come from [`libm`], whose results are the same on every platform (those of `std` are not).

use rand::RngCore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// 32-bit words reserved for one step. Consecutive steps do not overlap as long as a step draws fewer words than this.
const WORDS_PER_STEP: u128 = 256;

/// What the random numbers of this crate are used for: the `stream` of [`Noise`]. Never renumber.
pub(crate) mod stream {
    pub const WEATHER: u64 = 1;
    pub const DEMAND: u64 = 2;
    pub const PRODUCT: u64 = 3;
    pub const LOAD: u64 = 4;
    pub const MACHINE: u64 = 5;
    pub const WEAR: u64 = 6;
    pub const PART: u64 = 7;
    pub const REPAIR: u64 = 8;
    pub const SENSOR: u64 = 9;
    pub const DRIFT: u64 = 10;
    pub const FAULT: u64 = 11;
    pub const SOLDER: u64 = 12;
}

/// A family of random numbers, addressed by step.
///
/// ```
/// use data::noise::Noise;
/// let noise = Noise::new(7, 1, 0);
/// let late = noise.at(1_000_000).uniform();
/// let early = noise.at(3).uniform();
/// assert_eq!(late, noise.at(1_000_000).uniform()); // the order of calls does not matter
/// assert_ne!(early, late);
/// ```
#[derive(Clone, Debug)]
pub struct Noise {
    rng: ChaCha8Rng,
}

impl Noise {
    /// The numbers of `entity` (a machine, a sensor, an image) in `stream` (what the numbers are used for) under `seed`.
    pub fn new(seed: u64, stream: u64, entity: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        key[16..24].copy_from_slice(&entity.to_le_bytes());
        key[24..].copy_from_slice(b"lathe/v1");
        Self { rng: ChaCha8Rng::from_seed(key) }
    }

    /// The numbers of one step, in order.
    pub fn at(&self, step: u64) -> Draws {
        let mut rng = self.rng.clone();
        rng.set_word_pos(u128::from(step) * WORDS_PER_STEP);
        Draws { rng }
    }
}

/// The random numbers of one step of a [`Noise`].
#[derive(Clone, Debug)]
pub struct Draws {
    rng: ChaCha8Rng,
}

impl Draws {
    /// Uniform on the open interval (0, 1), 32 bits.
    pub fn uniform(&mut self) -> f64 {
        (f64::from(self.rng.next_u32()) + 0.5) / 4_294_967_296.0
    }

    /// Uniform on (`low`, `high`).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// An index below `n` (0 when `n` is 0).
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// Two independent standard normal numbers (Box and Muller 1958).
    pub fn normals(&mut self) -> (f64, f64) {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        let (sin, cos) = libm::sincos(core::f64::consts::TAU * self.uniform());
        (radius * cos, radius * sin)
    }

    /// One standard normal number.
    pub fn normal(&mut self) -> f64 {
        self.normals().0
    }

    /// Gamma distributed with mean `shape` (scale 1): Marsaglia and Tsang, *A simple method for generating gamma
    /// variables*, ACM TOMS 26 (2000); shapes below 1 through `G(a) = G(a + 1) U^(1/a)`. 0 for a shape that is not positive.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape.is_nan() || shape <= 0.0 {
            return 0.0;
        }
        if shape < 1.0 {
            let boost = libm::exp(libm::log(self.uniform()) / shape);
            // Almost all small-shape steps of a wear process end here: the factor is below any resolution.
            return if boost < 1e-12 { 0.0 } else { boost * self.gamma(shape + 1.0) };
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            if libm::log(self.uniform()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n)
    }

    #[test]
    fn steps_and_entities_are_independent_of_call_order() {
        let noise = Noise::new(1, 2, 3);
        let forward: Vec<f64> = (0..50).map(|s| noise.at(s).uniform()).collect();
        let backward: Vec<f64> = (0..50).rev().map(|s| noise.at(s).uniform()).collect();
        assert!(forward.iter().eq(backward.iter().rev()));
        for other in [Noise::new(2, 2, 3), Noise::new(1, 3, 3), Noise::new(1, 2, 4)] {
            assert_ne!(noise.at(0).uniform(), other.at(0).uniform());
        }
    }

    #[test]
    fn golden_numbers() {
        // Any change here changes every data set, notebook output and trial of the course.
        let mut draws = Noise::new(7, 1, 2).at(12_345);
        let bits = [draws.uniform().to_bits(), draws.normal().to_bits(), draws.gamma(0.7).to_bits()];
        assert_eq!(bits, GOLDEN, "{bits:#x?}");
    }
    const GOLDEN: [u64; 3] = [0x3fe8_47ba_0c10_0000, 0xbfe2_dea7_bcde_eba2, 0x3fc4_e276_a422_382f];

    #[test]
    fn distributions_have_their_moments() {
        let noise = Noise::new(5, 0, 0);
        let normal: Vec<f64> = (0..20_000).map(|s| noise.at(s).normal()).collect();
        let (mean, variance) = moments(&normal);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
        for shape in [0.05, 0.6, 4.0] {
            let gamma: Vec<f64> = (0..40_000).map(|s| noise.at(s).gamma(shape)).collect();
            let (mean, variance) = moments(&gamma);
            assert!(
                (mean / shape - 1.0).abs() < 0.08 && (variance / shape - 1.0).abs() < 0.2,
                "{shape}: {mean} {variance}"
            );
        }
    }
}
