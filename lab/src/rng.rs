//! Randomness that repeats: every generator is keyed by (seed, purpose, step), never by the order of calls, so that adding
//! a sample here does not change the weights drawn there. dfdx's own generator is not used (its state cannot be saved).

use dfdx::{nn::tensor_collection::TensorCollection, shapes::Dtype, tensor_ops::Device};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{
    nn::state::{RNG_STATE, seeded},
    parameters,
};

/// The generator for one purpose: the same (seed, stream, step) gives the same numbers on every machine and version.
///
/// ```
/// use rand::Rng;
/// let draw = |seed, stream, step| lab::rng::keyed(seed, stream, step).r#gen::<u64>();
/// assert_eq!(draw(1, "order", 0), draw(1, "order", 0));
/// assert_ne!(draw(1, "order", 0), draw(1, "order", 1));
/// assert_ne!(draw(1, "order", 0), draw(1, "noise", 0));
/// ```
pub fn keyed(seed: u64, stream: &str, step: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(key(seed, stream, step))
}

/// The key of [`keyed`], for kernels that draw ChaCha8's numbers themselves.
pub(crate) fn key(seed: u64, stream: &str, step: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&fnv1a(stream).to_le_bytes());
    key[16..24].copy_from_slice(&step.to_le_bytes());
    key[24..].copy_from_slice(b"lathelab");
    key
}

/// `n` draws from N(0, 1).
pub fn normal(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    StandardNormal.sample_iter(rng).take(n).collect()
}

/// `0..n` in a random order (Fisher-Yates).
pub fn permutation(rng: &mut ChaCha8Rng, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        // u64, so that 32-bit machines draw the same order.
        order.swap(i, rng.gen_range(0..=i as u64) as usize);
    }
    order
}

/// How weights are drawn before training; `fan_in` and `fan_out` are the last two sizes of the weight tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(-a, a) with a = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010): for tanh, sigmoid and linear layers.
    Xavier,
    /// N(0, 2 / fan_in) (He et al. 2015): for ReLU and its relatives.
    Kaiming,
    /// U(-a, a) with a = 1 / sqrt(fan_in): PyTorch's default for a linear layer.
    Uniform,
}

impl Init {
    /// Fills `n` values for a weight with these fans.
    pub fn draw(self, rng: &mut ChaCha8Rng, n: usize, fan_in: usize, fan_out: usize) -> Vec<f64> {
        let (fan_in, fan_out) = (fan_in.max(1) as f64, fan_out.max(1) as f64);
        let mut gauss = |std: f64| (0..n).map(|_| std * Distribution::<f64>::sample(&StandardNormal, rng)).collect();
        match self {
            Self::Normal { std } => gauss(std),
            Self::Kaiming => gauss((2.0 / fan_in).sqrt()),
            Self::Xavier => uniform(rng, n, (6.0 / (fan_in + fan_out)).sqrt()),
            Self::Uniform => uniform(rng, n, (1.0 / fan_in).sqrt()),
        }
    }
}

fn uniform(rng: &mut ChaCha8Rng, n: usize, a: f64) -> Vec<f64> {
    (0..n).map(|_| (2.0 * rng.r#gen::<f64>() - 1.0) * a).collect()
}

/// Draws all weights of a model (tensors with two or more dimensions) from `init`, each keyed by its own name; plain biases
/// become zero, everything else (scales, running statistics, the biases of an LSTM) what its layer resets it to. The random
/// numbers of a layer such as [`Dropout`](crate::nn::Dropout) get a seed keyed by the name too.
///
/// # Errors
/// The device's error.
pub fn initialise<E: Dtype, D: Device<E>, M: TensorCollection<E, D>>(
    model: &mut M,
    seed: u64,
    init: Init,
) -> Result<(), D::Err> {
    parameters::visit_mut(model, |mut tensor| {
        let n = tensor.shape.iter().product();
        let bias = tensor.name.ends_with("bias");
        if tensor.name.ends_with(RNG_STATE) && n == 4 {
            tensor.write(&seeded::<E>(&mut keyed(seed, tensor.name, 0)));
        } else if !tensor.trained {
            tensor.reset()?;
        } else if let ([.., fan_out, fan_in], false) = (tensor.shape, bias) {
            let drawn = init.draw(&mut keyed(seed, tensor.name, 0), n, *fan_in, *fan_out);
            let drawn: Vec<E> = drawn.into_iter().map(|x| E::from_f64(x).unwrap_or_default()).collect();
            tensor.write(&drawn);
        } else if bias && tensor.shape.len() == 1 {
            tensor.write(&vec![E::default(); n]);
        } else {
            tensor.reset()?;
        }
        Ok(())
    })
}

/// FNV-1a, 64 bits: turns the name of a stream into a number.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_never_change() {
        // Golden values: a change here changes every seeded result of the course.
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(permutation(&mut keyed(7, "order", 3), 8).len(), 8);
        let mut sorted = permutation(&mut keyed(7, "order", 3), 100);
        assert_ne!(sorted, (0..100).collect::<Vec<_>>());
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn draws_have_the_stated_moments() {
        let mut rng = keyed(1, "moments", 0);
        for (init, want) in [
            (Init::Normal { std: 0.02 }, 0.02 * 0.02),
            (Init::Kaiming, 2.0 / 50.0),
            (Init::Xavier, 6.0 / 150.0 / 3.0),
            (Init::Uniform, 1.0 / 50.0 / 3.0),
        ] {
            let x = init.draw(&mut rng, 40_000, 50, 100);
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
            assert!(mean.abs() < 4.0 * (want / 40_000.0f64).sqrt(), "{init:?} mean {mean}");
            assert!((variance / want - 1.0).abs() < 0.05, "{init:?} variance {variance}, {want} expected");
        }
    }
}
