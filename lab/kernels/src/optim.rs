//! A step of an optimiser over all tensors of a model in one parallel pass: each value, its gradient and its state are read
//! and written once, and the gradient is left at zero.

use rayon::prelude::*;

use crate::{
    Real,
    dispatch::{Work, wide},
};

/// Elements of a task.
const CHUNK: usize = 16 * 1024;
/// Fewer elements than this stay on the calling thread: waking another costs more.
const SMALL: usize = 2 * CHUNK;
/// Elements that are loaded, changed and stored together. In arrays of their own they cannot overlap, so that the compiler
/// need not check it and vectorises.
const BLOCK: usize = 64;

/// The rule by which a gradient moves a value, as PyTorch's optimisers of these names have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// States: mean of gradients, mean of their squares.
    Adam {
        /// Decay of the mean.
        beta1: f64,
        /// Decay of the mean of squares.
        beta2: f64,
        /// Added to the root.
        epsilon: f64,
        /// The number of this step; the first is 1.
        steps: u64,
        /// AdamW: weight decay shrinks the value instead of adding to its gradient.
        decoupled: bool,
    },
    /// States: the momentum, unless it is 0.
    Sgd {
        /// Decay of the sum of gradients.
        momentum: f64,
        /// A gradient enters the sum with 1 - this (0 in the first step).
        dampening: f64,
        /// Looks one step ahead.
        nesterov: bool,
    },
    /// States: mean of squares; then the mean if centred; then the momentum if it is not 0.
    RmsProp {
        /// Decay of the means.
        alpha: f64,
        /// Added to the root.
        epsilon: f64,
        /// Decay of the sum of steps.
        momentum: f64,
        /// Divides by the standard deviation instead of the root of the mean of squares.
        centred: bool,
    },
}

impl Rule {
    /// How many states each value has.
    pub fn states(&self) -> usize {
        match *self {
            Self::Adam { .. } => 2,
            Self::Sgd { momentum, .. } => usize::from(momentum != 0.0),
            Self::RmsProp { momentum, centred, .. } => 1 + usize::from(centred) + usize::from(momentum != 0.0),
        }
    }
}

/// A tensor, its gradient and its states, all of one length.
#[derive(Debug)]
pub struct Slot<'a, R> {
    /// What is trained.
    pub value: &'a mut [R],
    /// Its gradient; zero afterwards.
    pub gradient: &'a mut [R],
    /// As many as [`Rule::states`] says.
    pub states: Vec<&'a mut [R]>,
    /// Learning rate.
    pub rate: f64,
    /// Weight decay.
    pub decay: f64,
}

/// What happens to gradients first: each is held within `±bound`, then multiplied by `scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    /// Infinite: no bound.
    pub bound: f64,
    /// 1, or less when the global norm is clipped.
    pub scale: f64,
}

/// One step for all of these tensors.
///
/// # Panics
/// When the lengths of a slot, or its number of states, do not fit.
pub fn update<R: Real>(rule: &Rule, clip: Clip, slots: &mut [Slot<'_, R>]) {
    match *rule {
        Rule::Adam { beta1, beta2, epsilon, steps, decoupled } => {
            let t = steps.max(1) as f64;
            let root = 1.0 / (1.0 - beta2.powf(t)).sqrt();
            all::<R, _, 2>(slots, clip, decoupled, |rate| Adam {
                rate: R::of(rate / (1.0 - beta1.powf(t))),
                beta: [R::of(beta1), R::of(beta2)],
                // Rounded from f64: 1 - 0.999 in f32 would be wrong by 5e-5 of itself.
                rest: [R::of(1.0 - beta1), R::of(1.0 - beta2)],
                root: R::of(root),
                epsilon: R::of(epsilon),
            });
        }
        Rule::Sgd { momentum: 0.0, .. } => {
            all::<R, _, 0>(slots, clip, false, |rate| Plain { rate: R::of(rate) });
        }
        Rule::Sgd { momentum, dampening, nesterov } => all::<R, _, 1>(slots, clip, false, |rate| Momentum {
            rate: R::of(rate),
            momentum: R::of(momentum),
            enters: R::of(1.0 - dampening),
            ahead: R::of(if nesterov { momentum } else { 1.0 }),
            now: R::of(f64::from(u8::from(nesterov))),
        }),
        Rule::RmsProp { alpha, epsilon, momentum, centred } => {
            let of = |rate| RmsProp {
                rate: R::of(rate),
                alpha: R::of(alpha),
                rest: R::of(1.0 - alpha),
                epsilon: R::of(epsilon),
                momentum: R::of(momentum),
                centred,
            };
            match rule.states() {
                1 => all::<R, _, 1>(slots, clip, false, of),
                2 => all::<R, _, 2>(slots, clip, false, of),
                _ => all::<R, _, 3>(slots, clip, false, of),
            }
        }
    }
}

/// How one value with `N` states is moved by its gradient.
trait Update<R, const N: usize>: Copy + Send + Sync {
    fn apply(&self, value: R, gradient: R, states: [R; N]) -> (R, [R; N]);
}

/// The part of a tensor that a task works on.
struct Part<'a, R, U, const N: usize> {
    update: U,
    value: &'a mut [R],
    gradient: &'a mut [R],
    states: [&'a mut [R]; N],
    bound: R,
    scale: R,
    /// Weight decay that adds to the gradient.
    decay: R,
    /// What the value is multiplied by first.
    keep: R,
}

fn all<R: Real, U: Update<R, N>, const N: usize>(
    slots: &mut [Slot<'_, R>],
    clip: Clip,
    decoupled: bool,
    update: impl Fn(f64) -> U,
) {
    let mut parts = Vec::new();
    let mut count = 0;
    for slot in slots {
        let n = slot.value.len();
        count += n;
        let fits = slot.gradient.len() == n && slot.states.iter().all(|state| state.len() == n);
        assert!(fits && slot.states.len() == N, "optimiser: lengths or number of states");
        let (decay, keep) = if decoupled { (0.0, 1.0 - slot.rate * slot.decay) } else { (slot.decay, 1.0) };
        let mut states: Vec<_> = slot.states.iter_mut().map(|state| state.chunks_mut(CHUNK)).collect();
        for (value, gradient) in slot.value.chunks_mut(CHUNK).zip(slot.gradient.chunks_mut(CHUNK)) {
            parts.push(Part {
                update: update(slot.rate),
                value,
                gradient,
                states: std::array::from_fn(|k| states[k].next().unwrap_or_default()),
                bound: R::of(clip.bound),
                scale: R::of(clip.scale),
                decay: R::of(decay),
                keep: R::of(keep),
            });
        }
    }
    if count < SMALL || rayon::current_num_threads() == 1 {
        parts.into_iter().for_each(wide);
    } else {
        parts.into_par_iter().for_each(wide);
    }
}

impl<R: Real, U: Update<R, N>, const N: usize> Work for Part<'_, R, U, N> {
    #[inline(always)]
    fn run(mut self) {
        let n = self.value.len();
        let mut from = 0;
        while from < n {
            let len = BLOCK.min(n - from);
            // A short last block is computed in full, on ones that nobody stores.
            let (mut p, mut g, mut s) = ([R::ONE; BLOCK], [R::ONE; BLOCK], [[R::ONE; BLOCK]; N]);
            p[..len].copy_from_slice(&self.value[from..from + len]);
            g[..len].copy_from_slice(&self.gradient[from..from + len]);
            for (block, state) in s.iter_mut().zip(&self.states) {
                block[..len].copy_from_slice(&state[from..from + len]);
            }
            for i in 0..BLOCK {
                let x = if g[i] > self.bound { self.bound } else { g[i] };
                let x = if x < -self.bound { -self.bound } else { x };
                let x = x * self.scale + self.decay * p[i];
                let (value, states) = self.update.apply(p[i] * self.keep, x, std::array::from_fn(|k| s[k][i]));
                p[i] = value;
                for k in 0..N {
                    s[k][i] = states[k];
                }
            }
            self.value[from..from + len].copy_from_slice(&p[..len]);
            self.gradient[from..from + len].fill(R::default());
            for (block, state) in s.iter().zip(&mut self.states) {
                state[from..from + len].copy_from_slice(&block[..len]);
            }
            from += len;
        }
    }
}

#[derive(Clone, Copy)]
struct Adam<R> {
    rate: R,
    beta: [R; 2],
    rest: [R; 2],
    root: R,
    epsilon: R,
}

impl<R: Real> Update<R, 2> for Adam<R> {
    #[inline(always)]
    fn apply(&self, value: R, g: R, [mean, square]: [R; 2]) -> (R, [R; 2]) {
        let mean = self.beta[0] * mean + self.rest[0] * g;
        let square = self.beta[1] * square + self.rest[1] * g * g;
        (value - self.rate * mean / (square.sqrt() * self.root + self.epsilon), [mean, square])
    }
}

#[derive(Clone, Copy)]
struct Plain<R> {
    rate: R,
}

impl<R: Real> Update<R, 0> for Plain<R> {
    #[inline(always)]
    fn apply(&self, value: R, g: R, states: [R; 0]) -> (R, [R; 0]) {
        (value - self.rate * g, states)
    }
}

#[derive(Clone, Copy)]
struct Momentum<R> {
    rate: R,
    momentum: R,
    enters: R,
    ahead: R,
    now: R,
}

impl<R: Real> Update<R, 1> for Momentum<R> {
    #[inline(always)]
    fn apply(&self, value: R, g: R, [sum]: [R; 1]) -> (R, [R; 1]) {
        let sum = self.momentum * sum + self.enters * g;
        (value - self.rate * (self.now * g + self.ahead * sum), [sum])
    }
}

#[derive(Clone, Copy)]
struct RmsProp<R> {
    rate: R,
    alpha: R,
    rest: R,
    epsilon: R,
    momentum: R,
    centred: bool,
}

impl<R: Real, const N: usize> Update<R, N> for RmsProp<R> {
    #[inline(always)]
    fn apply(&self, value: R, g: R, mut s: [R; N]) -> (R, [R; N]) {
        s[0] = self.alpha * s[0] + self.rest * g * g;
        let mut size = s[0];
        if N == 3 || (N == 2 && self.centred) {
            s[1] = self.alpha * s[1] + self.rest * g;
            size = size - s[1] * s[1];
        }
        let mut move_by = g / (size.sqrt() + self.epsilon);
        if N == 3 || (N == 2 && !self.centred) {
            s[N - 1] = self.momentum * s[N - 1] + move_by;
            move_by = s[N - 1];
        }
        (value - self.rate * move_by, s)
    }
}

/// Sum of the squares of all gradients held within `±bound`, and whether all are finite. Parts of fixed size are added in
/// order, so that the number of threads does not change a bit.
pub fn squares<R: Real>(gradients: &[&[R]], bound: f64) -> (f64, bool) {
    let parts: Vec<&[R]> = gradients.iter().flat_map(|gradient| gradient.chunks(CHUNK)).collect();
    let of = |part: &&[R]| {
        let mut out = (0.0, R::default());
        wide(Squares { part, bound: R::of(bound), out: &mut out });
        out
    };
    let count: usize = gradients.iter().map(|gradient| gradient.len()).sum();
    let sums: Vec<(f64, R)> = if count < SMALL || rayon::current_num_threads() == 1 {
        parts.iter().map(of).collect()
    } else {
        parts.par_iter().map(of).collect()
    };
    let zero = R::default();
    sums.iter().fold((0.0, true), |(sum, finite), (part, bad)| (sum + part, finite && *bad == zero))
}

struct Squares<'a, R> {
    part: &'a [R],
    bound: R,
    /// The sum, and 0 unless a value is not finite.
    out: &'a mut (f64, R),
}

impl<R: Real> Work for Squares<'_, R> {
    #[inline(always)]
    fn run(self) {
        const LANES: usize = 16;
        let (mut sums, mut bad) = ([0.0f64; LANES], [R::default(); LANES]);
        let mut add = |lane: usize, x: R| {
            // 0 for numbers, NaN for NaN and infinities.
            bad[lane] += x * R::default();
            let x = if x > self.bound { self.bound } else { x };
            let x = if x < -self.bound { -self.bound } else { x };
            let x = x.to_f64();
            sums[lane] += x * x;
        };
        let blocks = self.part.chunks_exact(LANES);
        let rest = blocks.remainder();
        for block in blocks {
            for (lane, x) in block.iter().enumerate() {
                add(lane, *x);
            }
        }
        for (lane, x) in rest.iter().enumerate() {
            add(lane, *x);
        }
        *self.out = (sums.iter().sum(), bad.iter().fold(R::default(), |sum, x| sum + *x));
    }
}

/// average = decay average + (1 - decay) value, for all of these pairs `(average, value)`.
///
/// # Panics
/// When a pair differs in length.
pub fn average<R: Real>(decay: f64, pairs: &mut [(&mut [R], &[R])]) {
    struct Mean<'a, R>(R, R, &'a mut [R], &'a [R]);
    impl<R: Real> Work for Mean<'_, R> {
        #[inline(always)]
        fn run(self) {
            for (average, value) in self.2.iter_mut().zip(self.3) {
                *average = self.0 * *average + self.1 * *value;
            }
        }
    }
    let mut parts = Vec::new();
    for (average, value) in pairs {
        assert_eq!(average.len(), value.len(), "average: lengths");
        let (keep, take) = (R::of(decay), R::of(1.0 - decay));
        parts.extend(average.chunks_mut(CHUNK).zip(value.chunks(CHUNK)).map(|(a, v)| Mean(keep, take, a, v)));
    }
    parts.into_par_iter().for_each(wide);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const NONE: Clip = Clip { bound: f64::INFINITY, scale: 1.0 };

    fn adam(steps: u64) -> Rule {
        Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, steps, decoupled: false }
    }

    fn step<R: Real>(rule: &Rule, clip: Clip, rate: f64, value: &mut [R], gradient: &[R], states: &mut [Vec<R>]) {
        let mut gradient = gradient.to_vec();
        let states = states.iter_mut().map(Vec::as_mut_slice).collect();
        update(rule, clip, &mut [Slot { value, gradient: &mut gradient, states, rate, decay: 0.0 }]);
        assert!(gradient.iter().all(|g| *g == R::default()), "the gradient is left at zero");
    }

    #[test]
    fn adam_follows_the_textbook_in_f64() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let n = 3 * CHUNK + 17;
        let mut p: Vec<f32> = (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let mut states = [vec![0.0; n], vec![0.0; n]];
        let mut reference: Vec<[f64; 3]> = p.iter().map(|x| [f64::from(*x), 0.0, 0.0]).collect();
        let (lr, b1, b2, eps) = (1e-2, 0.9, 0.999, 1e-8);
        for t in 1..=5u32 {
            let g: Vec<f32> = (0..n).map(|_| rng.gen_range(-3.0..3.0)).collect();
            step(&adam(u64::from(t)), Clip { scale: 0.5, ..NONE }, lr, &mut p, &g, &mut states);
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
        step(&adam(1), NONE, 0.1, &mut p, &[2.0, -0.001, 0.0], &mut [vec![0.0; 3], vec![0.0; 3]]);
        assert!((p[0] + 0.1).abs() < 1e-6 && (p[1] - 0.1).abs() < 1e-5 && p[2] == 0.0, "{p:?}");
    }

    #[test]
    fn sums_squares_and_finds_what_is_not_finite() {
        assert_eq!(squares(&[&[3.0f32, -4.0], &[]], f64::INFINITY), (25.0, true));
        assert_eq!(squares(&[&[3.0f64, -4.0, 0.5]], 1.0), (2.25, true));
        assert_eq!(squares::<f32>(&[], 1.0), (0.0, true));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = vec![1.0; 2 * CHUNK + 5];
            x[CHUNK + 3] = bad;
            assert!(!squares(&[&x], f64::INFINITY).1 && !squares(&[&x], 1.0).1, "{bad}");
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let n = 5 * CHUNK + 321;
        let p: Vec<f32> = (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let g: Vec<f32> = (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let (mut p, mut states) = (p.clone(), [vec![0.0; n], vec![0.0; n]]);
                step(&adam(3), NONE, 0.1, &mut p, &g, &mut states);
                (p, states, squares(&[&g, &g[..100]], f64::INFINITY))
            })
        };
        assert!(run(1) == run(3));
    }

    #[test]
    fn averages() {
        let (mut a, v) = (vec![1.0f64, 0.0], vec![0.0, 4.0]);
        average(0.75, &mut [(&mut a, &v)]);
        assert_eq!(a, [0.75, 1.0]);
    }
}
