//! Pooling and nearest-neighbour upsampling: sums and maxima of the pixels that meet, channel by channel.

use super::{
    Geometry,
    geometry::{Meeting, Side},
};
use crate::{
    Real,
    dispatch::{Work, wide},
    par::{self, Shared},
};

/// By how much a window's sum is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// By this number.
    Of(f64),
    /// By the number of its pixels (padding is none).
    Pixels,
}

impl Share {
    fn factor<R: Real>(self, side: &Side, small: usize) -> R {
        match self {
            Self::Of(count) => R::of(1.0 / count),
            Self::Pixels => R::of(1.0 / side.meetings[small].len().max(1) as f64),
        }
    }
}

/// Values of a task.
const VALUES: usize = 4096;

/// Calls `work(pixel, range of a pixel's values)` for all values of `pixels` pixels.
fn each(pixels: usize, width: usize, work: impl Fn(usize, std::ops::Range<usize>) + Sync + Send) {
    let blocks = width.div_ceil(VALUES);
    let together = (VALUES / width.max(1)).max(1);
    par::each(pixels.div_ceil(together) * blocks, |task| {
        let (first, block) = (task / blocks * together, task % blocks * VALUES);
        for pixel in first..pixels.min(first + together) {
            work(pixel, block..width.min(block + VALUES));
        }
    });
}

fn check(plan: &Geometry, width: usize, big: usize, small: usize) {
    assert_eq!(big, plan.big_pixels() * width, "pooling: values of the big side");
    assert_eq!(small, plan.small_pixels() * width, "pooling: values of the small side");
}

/// Every small pixel becomes its share of the sum of the big ones that it meets. A pixel has `width` values (images times
/// channels).
///
/// # Panics
/// When a slice's length does not fit.
pub fn sum_pool<R: Real>(plan: &Geometry, width: usize, x: &[R], y: &mut [R], share: Share) {
    check(plan, width, x.len(), y.len());
    let out = Shared::new(y);
    each(plan.small_pixels(), width, |pixel, range| {
        // SAFETY: each range of a pixel is written by one call.
        let y = unsafe { out.part(pixel * width + range.start, range.len()) };
        y.fill(R::default());
        for m in &plan.by_small.meetings[pixel] {
            wide(AddTimes { y, x: &x[m.other * width + range.start..][..range.len()], factor: R::ONE });
        }
        let factor = share.factor(&plan.by_small, pixel);
        wide(Scale { y, factor });
    });
}

/// The way back of [`sum_pool`]: every big pixel becomes the sum of the shares of the small ones that it meets. With shares of 1
/// and windows that do not overlap this repeats pixels.
///
/// # Panics
/// When a slice's length does not fit.
pub fn sum_pool_back<R: Real>(plan: &Geometry, width: usize, x: &[R], y: &mut [R], share: Share) {
    check(plan, width, y.len(), x.len());
    let out = Shared::new(y);
    each(plan.big_pixels(), width, |pixel, range| {
        // SAFETY: each range of a pixel is written by one call.
        let y = unsafe { out.part(pixel * width + range.start, range.len()) };
        y.fill(R::default());
        for m in &plan.by_big.meetings[pixel] {
            let factor = share.factor(&plan.by_small, m.other);
            wide(AddTimes { y, x: &x[m.other * width + range.start..][..range.len()], factor });
        }
    });
}

/// Every small pixel becomes the largest of the big ones that it meets, NaN counting as largest; `winners` tells at which tap.
///
/// # Panics
/// When a slice's length does not fit.
pub fn max_pool<R: Real>(plan: &Geometry, width: usize, x: &[R], y: &mut [R], winners: &mut [R]) {
    check(plan, width, x.len(), y.len());
    check(plan, width, x.len(), winners.len());
    let (out, at) = (Shared::new(y), Shared::new(winners));
    each(plan.small_pixels(), width, |pixel, range| {
        let start = pixel * width + range.start;
        // SAFETY: each range of a pixel is written by one call.
        let (y, winners) = unsafe { (out.part(start, range.len()), at.part(start, range.len())) };
        y.fill(R::of(f64::NEG_INFINITY));
        winners.fill(R::of(-1.0));
        for m in &plan.by_small.meetings[pixel] {
            let x = &x[m.other * width + range.start..][..range.len()];
            wide(Larger { y, winners, x, tap: tap(m) });
        }
    });
}

/// The way back of [`max_pool`]: every gradient goes to the pixel that won.
///
/// # Panics
/// When a slice's length does not fit.
pub fn max_pool_back<R: Real>(plan: &Geometry, width: usize, dy: &[R], winners: &[R], dx: &mut [R]) {
    check(plan, width, dx.len(), dy.len());
    check(plan, width, dx.len(), winners.len());
    let out = Shared::new(dx);
    each(plan.big_pixels(), width, |pixel, range| {
        // SAFETY: each range of a pixel is written by one call.
        let dx = unsafe { out.part(pixel * width + range.start, range.len()) };
        dx.fill(R::default());
        for m in &plan.by_big.meetings[pixel] {
            let from = m.other * width + range.start;
            let (dy, winners) = (&dy[from..][..range.len()], &winners[from..][..range.len()]);
            wide(AddWon { dx, dy, winners, tap: tap(m) });
        }
    });
}

/// A tap as a number of the values' own type, so that comparing it fills the same vectors.
fn tap<R: Real>(m: &Meeting) -> R {
    R::of(m.tap as f64)
}

struct AddTimes<'a, R> {
    y: &'a mut [R],
    x: &'a [R],
    factor: R,
}

impl<R: Real> Work for AddTimes<'_, R> {
    #[inline(always)]
    fn run(self) {
        self.y.iter_mut().zip(self.x).for_each(|(y, x)| *y += self.factor * *x);
    }
}

struct Scale<'a, R> {
    y: &'a mut [R],
    factor: R,
}

impl<R: Real> Work for Scale<'_, R> {
    #[inline(always)]
    fn run(self) {
        self.y.iter_mut().for_each(|y| *y = self.factor * *y);
    }
}

struct Larger<'a, R> {
    y: &'a mut [R],
    winners: &'a mut [R],
    x: &'a [R],
    tap: R,
}

impl<R: Real> Work for Larger<'_, R> {
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn run(self) {
        for ((y, winner), x) in self.y.iter_mut().zip(self.winners).zip(self.x) {
            // The last NaN wins, as in PyTorch; of equal numbers the first does. (x is not itself: NaN.)
            let larger = *x > *y || *x != *x || (*winner < R::default() && *x == *y);
            (*y, *winner) = if larger { (*x, self.tap) } else { (*y, *winner) };
        }
    }
}

struct AddWon<'a, R> {
    dx: &'a mut [R],
    dy: &'a [R],
    winners: &'a [R],
    tap: R,
}

impl<R: Real> Work for AddWon<'_, R> {
    #[inline(always)]
    fn run(self) {
        for ((dx, dy), winner) in self.dx.iter_mut().zip(self.dy).zip(self.winners) {
            *dx += if *winner == self.tap { *dy } else { R::default() };
        }
    }
}
