//! Destinations of very few channels (an image side): dot products along the source's channels instead of register blocks
//! whose columns would be almost empty.

use super::Sizes;
use super::geometry::{Meeting, Side};
use crate::Real;
use crate::brgemm::Finish;
use crate::par::{self, Shared};

/// At most this many channels.
pub(super) const FEW: usize = 4;
/// Independent sums of a dot product; the order of addition is the same on every machine.
const LANES: usize = 16;

/// As [`super::gather`], for at most [`FEW`] destination channels in a group.
pub(super) fn gather<R: Real>(
    sizes: Sizes<'_>,
    side: &Side,
    (from, x): (usize, &[R]),
    (to, out): (usize, &Shared<R>),
    at: impl Fn(usize, usize, usize, usize) -> R + Sync,
    finish: Finish<'_, R>,
) {
    let (images, groups, taps) = (sizes.images, sizes.groups, sizes.plan.taps);
    let (k, n) = (from / groups, to / groups);
    // [group][tap][destination][source], so that a dot product reads both sides in order.
    let mut filter = vec![R::default(); groups * taps * n * k];
    for (at_, value) in filter.iter_mut().enumerate() {
        let (rest, i) = (at_ / k.max(1), at_ % k.max(1));
        *value = at(rest / n / taps, rest / n % taps, i, rest % n);
    }
    par::each(side.meetings.len(), |pixel| {
        // SAFETY: each pixel is written by one call.
        let y = unsafe { out.part(pixel * images * to, images * to) };
        let job = Pixel { meetings: &side.meetings[pixel], x, filter: &filter, y, images, from, taps, groups, k, n };
        run(job, finish);
    });
}

struct Pixel<'a, R> {
    meetings: &'a [Meeting],
    x: &'a [R],
    filter: &'a [R],
    y: &'a mut [R],
    images: usize,
    from: usize,
    taps: usize,
    groups: usize,
    k: usize,
    n: usize,
}

fn run<R: Real>(pixel: Pixel<'_, R>, finish: Finish<'_, R>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has AVX2 and FMA, as asked in the line above.
        return unsafe { avx2(pixel, finish) };
    }
    body::<R, false>(pixel, finish);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<R: Real>(pixel: Pixel<'_, R>, finish: Finish<'_, R>) {
    body::<R, true>(pixel, finish);
}

#[inline(always)]
fn body<R: Real, const FMA: bool>(pixel: Pixel<'_, R>, finish: Finish<'_, R>) {
    let Pixel { meetings, x, filter, y, images, from, taps, groups, k, n } = pixel;
    for image in 0..images {
        for group in 0..groups {
            let mut sums = [[R::default(); LANES]; FEW];
            for m in meetings {
                let source = &x[(m.other * images + image) * from + group * k..][..k];
                let taps = &filter[(group * taps + m.tap) * n * k..][..n * k];
                for (sum, taps) in sums.iter_mut().zip(taps.chunks_exact(k.max(1))) {
                    dot::<R, FMA>(sum, source, taps);
                }
            }
            for (j, sum) in sums.iter().enumerate().take(n) {
                let place = &mut y[image * groups * n + group * n + j];
                let mut z = total(sum);
                if finish.add {
                    z += *place;
                }
                if let Some(bias) = finish.bias {
                    z += bias[group * n + j];
                }
                // NaN stays.
                *place = if z <= R::default() { finish.slope * z } else { z };
            }
        }
    }
}

#[inline(always)]
fn dot<R: Real, const FMA: bool>(sum: &mut [R; LANES], a: &[R], b: &[R]) {
    let add = |s: &mut R, x: R, y: R| *s = if FMA { x.mul_add(y, *s) } else { x * y + *s };
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            add(&mut sum[i], a[i], b[i]);
        }
    }
    for (i, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        add(&mut sum[i], *x, *y);
    }
}

#[inline(always)]
fn total<R: Real>(sum: &[R; LANES]) -> R {
    let mut half = *sum;
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            half[i] += half[i + width];
        }
    }
    half[0]
}
