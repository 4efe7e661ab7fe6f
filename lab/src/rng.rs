//! Randomness that repeats: every generator is keyed by (seed, purpose, step), never by the order of calls, so that adding
//! a sample here does not change the weights drawn there. dfdx's own generator is not used (its state cannot be saved).

use std::collections::BTreeMap;

use dfdx::{nn::tensor_collection::TensorCollection, shapes::Dtype, tensor_ops::Device};
use lathe_kernels::dense::Activation;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{
    nn::state::{RNG_STATE, seeded},
    parameters::{self, View},
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

/// How weights are drawn before training.
///
/// Fans are PyTorch's: of a weight `(O, I, K...)` the fan in is I times the size of the kernel, the fan out O times that. A
/// transposed convolution's weight is `(I, O, K...)` and treated by the same rule, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(-a, a) with a = sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010): for tanh, sigmoid and linear layers.
    Xavier,
    /// The same times `gain`, see [`gain`] (`xavier_uniform_`).
    XavierUniform {
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// N(0, gain² 2 / (fan in + fan out)) (`xavier_normal_`).
    XavierNormal {
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// N(0, 2 / fan in) (He et al. 2015): for ReLU and its relatives.
    Kaiming,
    /// N(0, gain² / fan) (`kaiming_normal_`).
    KaimingNormal {
        /// Which fan: that in keeps the size of values, that out the size of gradients.
        fan: Fan,
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// U(-a, a) with a = gain sqrt(3 / fan) (`kaiming_uniform_`).
    KaimingUniform {
        /// Which fan.
        fan: Fan,
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// U(-a, a) with a = 1 / sqrt(fan in), biases 0: PyTorch's default for the weights of a linear layer.
    Uniform,
    /// A matrix `(size, rest)` with orthonormal rows, or columns if there are fewer, times `gain` (`orthogonal_`; Saxe et al.
    /// 2014).
    Orthogonal {
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// N(0, 0.02²), the gains of batch norms N(1, 0.02²), biases 0 (Radford et al. 2015).
    Dcgan,
    /// PyTorch's defaults: weights *and biases* of linear layers and convolutions U(-a, a) with a = 1 / sqrt(fan in), those of
    /// recurrent layers with a = 1 / sqrt(hidden size); norms start at 1 and 0.
    Pytorch,
}

/// Which fan counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fan {
    /// Inputs of a value.
    #[default]
    In,
    /// Values that an input goes to.
    Out,
}

/// What PyTorch's `calculate_gain` says of the activation behind a layer: √2 for ReLU, √(2 / (1 + slope²)) for LeakyReLU, 5/3 for
/// tanh, else 1.
pub fn gain(activation: Activation) -> f64 {
    match activation {
        Activation::Leaky(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Activation::Tanh => 5.0 / 3.0,
        _ => 1.0,
    }
}

/// Fan in and fan out of a weight.
///
/// ```
/// assert_eq!(lab::rng::fans(&[64, 3, 5, 5]), (75, 1600));
/// assert_eq!(lab::rng::fans(&[10, 20]), (20, 10));
/// ```
pub fn fans(shape: &[usize]) -> (usize, usize) {
    match shape {
        [outputs, inputs, kernel @ ..] => {
            let size: usize = kernel.iter().product();
            (inputs * size, outputs * size)
        }
        _ => (1, shape.iter().product()),
    }
}

impl Init {
    /// Draws a weight of this shape.
    fn draw(self, rng: &mut ChaCha8Rng, shape: &[usize], (fan_in, fan_out): (usize, usize)) -> Vec<f64> {
        let n: usize = shape.iter().product();
        let both = (fan_in.max(1), fan_out.max(1));
        let sum = (both.0 + both.1) as f64;
        let of = |fan| if fan == Fan::In { both.0 as f64 } else { both.1 as f64 };
        let mut gauss = |std: f64| (0..n).map(|_| std * Distribution::<f64>::sample(&StandardNormal, rng)).collect();
        match self {
            Self::Normal { std } => gauss(std),
            Self::Dcgan => gauss(0.02),
            Self::Kaiming => gauss((2.0 / of(Fan::In)).sqrt()),
            Self::KaimingNormal { fan, gain } => gauss(gain / of(fan).sqrt()),
            Self::XavierNormal { gain } => gauss(gain * (2.0 / sum).sqrt()),
            Self::KaimingUniform { fan, gain } => uniform(rng, n, gain * (3.0 / of(fan)).sqrt()),
            Self::Xavier => uniform(rng, n, (6.0 / sum).sqrt()),
            Self::XavierUniform { gain } => uniform(rng, n, gain * (6.0 / sum).sqrt()),
            Self::Uniform | Self::Pytorch => uniform(rng, n, (1.0 / of(Fan::In)).sqrt()),
            Self::Orthogonal { gain } => {
                let mut values: Vec<f64> = gauss(1.0);
                let rows = shape.first().copied().unwrap_or(1);
                orthogonal(&mut values, rows, n / rows.max(1));
                values.iter_mut().for_each(|x| *x *= gain);
                values
            }
        }
    }
}

fn uniform(rng: &mut ChaCha8Rng, n: usize, a: f64) -> Vec<f64> {
    (0..n).map(|_| (2.0 * rng.r#gen::<f64>() - 1.0) * a).collect()
}

/// Makes the rows of a matrix, or the columns if there are fewer, orthonormal (Gram and Schmidt, each twice against rounding).
fn orthogonal(values: &mut [f64], rows: usize, columns: usize) {
    if rows > columns {
        let mut turned: Vec<f64> = (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect();
        orthogonal(&mut turned, columns, rows);
        (0..values.len()).for_each(|i| values[i] = turned[i % columns * rows + i / columns]);
        return;
    }
    for row in 0..rows {
        let (done, rest) = values.split_at_mut(row * columns);
        let own = &mut rest[..columns];
        for _ in 0..2 {
            for other in done.chunks(columns.max(1)) {
                let along: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let length = own.iter().map(|x| x * x).sum::<f64>().sqrt();
        own.iter_mut().for_each(|x| *x /= length);
    }
}

/// Draws all weights of a model (tensors with two or more dimensions) from `init`, each keyed by its own name; plain biases
/// become zero unless `init` says otherwise, everything else (scales, running statistics, the biases of an LSTM) what its layer
/// resets it to.
///
/// # Errors
/// The device's error.
pub fn initialise<E: Dtype, D: Device<E>, M: TensorCollection<E, D>>(
    model: &mut M,
    seed: u64,
    init: Init,
) -> Result<(), D::Err> {
    let mut shapes = BTreeMap::new();
    parameters::visit(&*model, |tensor: View<'_, E, D>| {
        shapes.insert(tensor.name.to_owned(), tensor.shape.to_vec());
        Ok(())
    })?;
    parameters::visit_mut(model, |mut tensor| {
        let n: usize = tensor.shape.iter().product();
        let (path, own) = tensor.name.rsplit_once('.').map_or(("", tensor.name), |(path, own)| (path, own));
        let sibling =
            |name: &str| shapes.get(&if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") });
        let rng = &mut keyed(seed, tensor.name, 0);
        let drawn = if own.ends_with(RNG_STATE) && n == 4 {
            tensor.write(&seeded::<E>(rng));
            return Ok(());
        } else if !tensor.trained {
            return tensor.reset();
        } else if init == Init::Pytorch && hidden(own, &sibling).is_some() {
            uniform(rng, n, 1.0 / (hidden(own, &sibling).unwrap_or(1).max(1) as f64).sqrt())
        } else if tensor.shape.len() > 1 && !own.ends_with("bias") {
            // The weights of gates lie in one tensor (gate, unit, input); each gate is a matrix of its own.
            let gates = own.starts_with("weight_") && tensor.shape.len() == 3;
            init.draw(rng, tensor.shape, fans(&tensor.shape[usize::from(gates)..]))
        } else if own == "bias" && tensor.shape.len() == 1 {
            match sibling("weight").filter(|weight| init == Init::Pytorch && weight.len() > 1) {
                Some(weight) => uniform(rng, n, 1.0 / (fans(weight).0.max(1) as f64).sqrt()),
                None => vec![0.0; n],
            }
        } else if init == Init::Dcgan && own == "weight" && sibling("running_mean").is_some() {
            Init::Dcgan.draw(rng, &[n], (1, 1)).into_iter().map(|x| 1.0 + x).collect()
        } else if own.ends_with("bias") && tensor.shape.len() == 1 {
            vec![0.0; n]
        } else {
            return tensor.reset();
        };
        let drawn: Vec<E> = drawn.into_iter().map(|x| E::from_f64(x).unwrap_or_default()).collect();
        tensor.write(&drawn);
        Ok(())
    })
}

/// The hidden size behind a parameter of a recurrent layer, by PyTorch's names (`weight_hh_l0` is `(gates H, H)`).
fn hidden<'a>(own: &str, sibling: &impl Fn(&str) -> Option<&'a Vec<usize>>) -> Option<usize> {
    let tail = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].iter().find_map(|start| own.strip_prefix(start))?;
    sibling(&format!("weight_hh{tail}"))?.last().copied()
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
            (Init::XavierUniform { gain: 2.0 }, 4.0 * 2.0 / 150.0),
            (Init::XavierNormal { gain: 2.0 }, 4.0 * 2.0 / 150.0),
            (Init::KaimingUniform { fan: Fan::Out, gain: 3.0 }, 9.0 / 100.0),
            (Init::KaimingNormal { fan: Fan::In, gain: 3.0 }, 9.0 / 50.0),
        ] {
            let x = init.draw(&mut rng, &[40_000], (50, 100));
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
            assert!(mean.abs() < 4.0 * (want / 40_000.0f64).sqrt(), "{init:?} mean {mean}");
            assert!((variance / want - 1.0).abs() < 0.05, "{init:?} variance {variance}, {want} expected");
        }
    }

    #[test]
    fn orthogonal_weights_are_orthonormal() {
        for shape in [[6, 20], [20, 6], [5, 5]] {
            let values = Init::Orthogonal { gain: 2.0 }.draw(&mut keyed(3, "orthogonal", 0), &shape, (1, 1));
            let [rows, columns] = shape;
            let at = |vector: usize, i: usize| {
                if rows <= columns { values[vector * columns + i] } else { values[i * columns + vector] }
            };
            let (vectors, length) = (rows.min(columns), rows.max(columns));
            for a in 0..vectors {
                for b in 0..vectors {
                    let product: f64 = (0..length).map(|i| at(a, i) * at(b, i)).sum();
                    let want = if a == b { 4.0 } else { 0.0 };
                    assert!((product - want).abs() < 1e-12, "{shape:?} {a} {b}: {product}");
                }
            }
        }
    }

    #[test]
    fn defaults_of_pytorch_and_dcgan_reach_biases_and_norms() {
        use crate::nn::{BatchNorm1d, Linear, Sequential};
        use dfdx::{nn::BuildModule, tensor::Cpu};
        type Net = Sequential<(Linear<100, 50>, BatchNorm1d<50>)>;
        let mut net = Net::build(&Cpu::default());
        initialise(&mut net, 1, Init::Pytorch).expect("drawn");
        let spread = |values: &[f32]| values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for values in [net.0.0.weight.as_vec(), net.0.0.bias.as_vec()] {
            assert!((0.08..=0.1).contains(&spread(&values)), "{}", spread(&values));
        }
        assert_eq!(net.0.1.weight.as_vec(), [1.0; 50]);
        initialise(&mut net, 1, Init::Dcgan).expect("drawn");
        let off: Vec<f32> = net.0.1.weight.as_vec().iter().map(|x| x - 1.0).collect();
        assert!((0.02..0.08).contains(&spread(&off)) && net.0.0.bias.as_vec() == [0.0; 50]);
    }
}
