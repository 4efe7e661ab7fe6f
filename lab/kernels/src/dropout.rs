//! Dropout (Srivastava et al. 2014): which values are dropped is drawn from ChaCha8, sixteen bits a value, and kept as one bit.
//!
//! The draws are those of `ChaCha8Rng::from_seed(key)` read as little-endian 16-bit numbers, so they depend on the key and the
//! value's index and on nothing else.

// An index is a lane of several rows at once.
#![allow(clippy::needless_range_loop)]

use crate::{
    Real,
    dispatch::{Work, wide},
    par::{self, Shared},
};

/// Values whose bits make a word: what one block of ChaCha decides.
pub const WORD: usize = 32;
/// Blocks computed side by side.
const LANES: usize = 8;
/// Words of a task.
const WORDS: usize = 512;

/// Words that hold the bits of `len` values.
pub const fn words(len: usize) -> usize {
    len.div_ceil(WORD)
}

/// Drops each value with this probability (in steps of 1/65536) and divides the others by the probability that is left.
///
/// Bit i of `kept` tells whether value i was kept.
///
/// # Panics
/// When the lengths do not fit.
pub fn forward<R: Real>(key: &[u8; 32], drop: f64, x: &[R], y: &mut [R], kept: &mut [u32]) {
    assert!(x.len() == y.len() && kept.len() == words(x.len()), "dropout: sizes");
    let (len, count, out, bits) = (x.len(), kept.len(), Shared::new(y), Shared::new(kept));
    par::each(count.div_ceil(WORDS), |i| {
        let (from, n) = (i * WORDS, WORDS.min(count - i * WORDS));
        let values = (n * WORD).min(len - from * WORD);
        // SAFETY: each part is written by one call.
        let (y, kept) = unsafe { (out.part(from * WORD, values), bits.part(from, n)) };
        wide(Draw { key, first: from as u64, threshold: threshold(drop), kept });
        let x = &x[from * WORD..from * WORD + values];
        wide(Apply { kept, scale: scale(drop), x, y });
    });
}

/// Draws the bits alone: see [`forward`].
pub fn draw(key: &[u8; 32], drop: f64, kept: &mut [u32]) {
    let (count, bits) = (kept.len(), Shared::new(kept));
    par::each(count.div_ceil(WORDS), |i| {
        // SAFETY: each part is written by one call.
        let kept = unsafe { bits.part(i * WORDS, WORDS.min(count - i * WORDS)) };
        wide(Draw { key, first: (i * WORDS) as u64, threshold: threshold(drop), kept });
    });
}

/// The 32-bit numbers of `ChaCha8Rng::from_seed(key)` from block `first` of sixteen on.
pub(crate) fn numbers(key: &[u8; 32], first: u64, out: &mut [u32]) {
    for (i, part) in out.chunks_mut(16 * LANES).enumerate() {
        let words = blocks(&words_of(key), first + (i * LANES) as u64);
        part.iter_mut().enumerate().for_each(|(j, x)| *x = words[j % 16][j / 16]);
    }
}

/// The gradient of the output becomes that of the input.
///
/// # Panics
/// When the lengths do not fit.
pub fn backward<R: Real>(dy: &mut [R], drop: f64, kept: &[u32]) {
    assert_eq!(kept.len(), words(dy.len()), "dropout: sizes");
    let (len, out) = (dy.len(), Shared::new(dy));
    par::each(kept.len().div_ceil(WORDS), |i| {
        let from = i * WORDS * WORD;
        // SAFETY: each part is changed by one call.
        let dy = unsafe { out.part(from, (WORDS * WORD).min(len - from)) };
        wide(Scale { kept: &kept[i * WORDS..], scale: scale(drop), dy });
    });
}

fn threshold(drop: f64) -> u32 {
    (drop.clamp(0.0, 1.0) * 65536.0).round() as u32
}

/// 1 / (1 − drop), and 0 where nothing is left.
pub(crate) fn scale<R: Real>(drop: f64) -> R {
    if drop < 1.0 { R::of(1.0 / (1.0 - drop)) } else { R::default() }
}

/// The value's factor: 0 or `scale`. A product rather than a choice, so that NaN stays NaN.
#[inline(always)]
pub(crate) fn factor<R: Real>(word: u32, bit: usize, scale: R) -> R {
    if (word >> bit) & 1 == 1 { scale } else { R::default() }
}

struct Apply<'a, R> {
    kept: &'a [u32],
    scale: R,
    x: &'a [R],
    y: &'a mut [R],
}

impl<R: Real> Work for Apply<'_, R> {
    #[inline(always)]
    fn run(self) {
        for ((y, x), word) in self.y.chunks_mut(WORD).zip(self.x.chunks(WORD)).zip(self.kept) {
            if let (Ok(y), Ok(x)) = (<&mut [R; WORD]>::try_from(&mut *y), <&[R; WORD]>::try_from(x)) {
                for j in 0..WORD {
                    y[j] = x[j] * factor(*word, j, self.scale);
                }
            } else {
                y.iter_mut().zip(x).enumerate().for_each(|(j, (y, x))| *y = *x * factor(*word, j, self.scale));
            }
        }
    }
}

struct Scale<'a, R> {
    kept: &'a [u32],
    scale: R,
    dy: &'a mut [R],
}

impl<R: Real> Work for Scale<'_, R> {
    #[inline(always)]
    fn run(self) {
        for (dy, word) in self.dy.chunks_mut(WORD).zip(self.kept) {
            if let Ok(dy) = <&mut [R; WORD]>::try_from(&mut *dy) {
                for j in 0..WORD {
                    dy[j] = dy[j] * factor(*word, j, self.scale);
                }
            } else {
                dy.iter_mut().enumerate().for_each(|(j, dy)| *dy = *dy * factor(*word, j, self.scale));
            }
        }
    }
}

/// One bit for each value: whether its draw is at least the threshold.
struct Draw<'a> {
    key: &'a [u8; 32],
    first: u64,
    threshold: u32,
    kept: &'a mut [u32],
}

impl Work for Draw<'_> {
    #[inline(always)]
    fn run(self) {
        let key = words_of(self.key);
        for (i, kept) in self.kept.chunks_mut(LANES).enumerate() {
            let words = blocks(&key, self.first + (i * LANES) as u64);
            let mut bits = [0; LANES];
            for (w, word) in words.iter().enumerate() {
                for (bits, word) in bits.iter_mut().zip(word) {
                    *bits |= u32::from(word & 0xffff >= self.threshold) << (2 * w);
                    *bits |= u32::from(word >> 16 >= self.threshold) << (2 * w + 1);
                }
            }
            kept.copy_from_slice(&bits[..kept.len()]);
        }
    }
}

#[inline(always)]
fn words_of(key: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(key.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words
}

/// Blocks `first..first + LANES` of ChaCha with eight rounds (Bernstein 2008), word by word.
#[inline(always)]
fn blocks(key: &[u32; 8], first: u64) -> [[u32; LANES]; 16] {
    let mut start = [[0; LANES]; 16];
    for (word, constant) in start.iter_mut().zip([0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]) {
        *word = [constant; LANES];
    }
    for (word, key) in start[4..12].iter_mut().zip(key) {
        *word = [*key; LANES];
    }
    for lane in 0..LANES {
        let counter = first.wrapping_add(lane as u64);
        (start[12][lane], start[13][lane]) = (counter as u32, (counter >> 32) as u32);
    }
    let mut x = start;
    for _ in 0..4 {
        quarter(&mut x, 0, 4, 8, 12);
        quarter(&mut x, 1, 5, 9, 13);
        quarter(&mut x, 2, 6, 10, 14);
        quarter(&mut x, 3, 7, 11, 15);
        quarter(&mut x, 0, 5, 10, 15);
        quarter(&mut x, 1, 6, 11, 12);
        quarter(&mut x, 2, 7, 8, 13);
        quarter(&mut x, 3, 4, 9, 14);
    }
    for (x, start) in x.iter_mut().zip(&start) {
        for (x, start) in x.iter_mut().zip(start) {
            *x = x.wrapping_add(*start);
        }
    }
    x
}

#[inline(always)]
fn quarter(x: &mut [[u32; LANES]; 16], a: usize, b: usize, c: usize, d: usize) {
    for lane in 0..LANES {
        let (mut p, mut q, mut r, mut s) = (x[a][lane], x[b][lane], x[c][lane], x[d][lane]);
        p = p.wrapping_add(q);
        s = (s ^ p).rotate_left(16);
        r = r.wrapping_add(s);
        q = (q ^ r).rotate_left(12);
        p = p.wrapping_add(q);
        s = (s ^ p).rotate_left(8);
        r = r.wrapping_add(s);
        q = (q ^ r).rotate_left(7);
        (x[a][lane], x[b][lane], x[c][lane], x[d][lane]) = (p, q, r, s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngCore, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn draws_are_those_of_chacha8() {
        let key: [u8; 32] = std::array::from_fn(|i| (i * 7 + 3) as u8);
        for len in [1, 31, 32, 33, 5000, 40_000] {
            let mut bytes = vec![0; 2 * len];
            ChaCha8Rng::from_seed(key).fill_bytes(&mut bytes);
            let x: Vec<f32> = (0..len).map(|i| 1.0 + i as f32).collect();
            let (mut y, mut kept) = (vec![9.0; len], vec![9; words(len)]);
            forward(&key, 0.25, &x, &mut y, &mut kept);
            let mut dy = x.clone();
            backward(&mut dy, 0.25, &kept);
            let (mut rng, mut drawn) = (ChaCha8Rng::from_seed(key), [0; 100]);
            numbers(&key, 0, &mut drawn);
            assert!(drawn.iter().all(|x| *x == rng.next_u32()));
            for i in 0..len {
                let stays = u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]) >= 16384;
                assert_eq!(y[i], if stays { x[i] * (1.0 / 0.75) } else { 0.0 }, "value {i} of {len}");
                assert_eq!(dy[i], y[i], "gradient {i} of {len}");
            }
        }
    }

    #[test]
    fn threads_change_nothing_and_nan_stays() {
        let x: Vec<f32> = (0..70_001).map(|i| if i == 500 { f32::NAN } else { i as f32 }).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let (mut y, mut kept) = (vec![0.0; x.len()], vec![0; words(x.len())]);
                forward(&[5; 32], 0.5, &x, &mut y, &mut kept);
                assert!(y[500].is_nan());
                y[500] = 0.0;
                (y, kept)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
