//! Softmax with Gumbel noise: differentiable draws from a categorical distribution (Jang et al. 2017, Maddison et al. 2017).

use crate::{
    Real, dropout,
    par::{self, Shared},
    softmax,
};

/// Values of a task: whole blocks of ChaCha.
const PART: usize = 1024;

/// y = softmax((x + noise) / temperature) of rows of `width` values, with noise −ln(−ln u) and u the 32-bit numbers of
/// `ChaCha8Rng::from_seed(key)` as fractions; without a key there is no noise.
///
/// # Panics
/// When the lengths differ.
pub fn forward<R: Real>(key: Option<&[u8; 32]>, x: &[R], width: usize, temperature: f64, y: &mut [R]) {
    assert_eq!(x.len(), y.len(), "gumbel softmax: sizes");
    let (len, out, scale) = (x.len(), Shared::new(y), 1.0 / temperature);
    par::each(len.div_ceil(PART), |i| {
        let (from, n) = (i * PART, PART.min(len - i * PART));
        // SAFETY: each part is written by one call.
        let y = unsafe { out.part(from, n) };
        let mut words = [0; PART];
        if let Some(key) = key {
            dropout::numbers(key, (from / 16) as u64, &mut words);
        }
        for ((y, x), word) in y.iter_mut().zip(&x[from..from + n]).zip(words) {
            let noise = if key.is_some() { -(-((f64::from(word) + 0.5) / 4_294_967_296.0).ln()).ln() } else { 0.0 };
            *y = (*x + R::of(noise)) * R::of(scale);
        }
    });
    let noisy = crate::pool::Buf::copy(y);
    softmax::forward(&noisy, width, false, y);
}

/// 1 for the largest value of each row (the first of several), else 0; a row with NaN has no largest value and becomes NaN.
pub fn harden<R: Real>(y: &mut [R], width: usize) {
    for row in y.chunks_exact_mut(width.max(1)) {
        if let Some(bad) = row.iter().copied().find(|y| y.to_f64().is_nan()) {
            row.fill(bad);
            continue;
        }
        let best = row.iter().enumerate().fold(0, |best, (j, y)| if *y > row[best] { j } else { best });
        row.fill(R::default());
        row[best] = R::ONE;
    }
}
