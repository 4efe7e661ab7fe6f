//! Destinations of very few channels (an image side): dot products along the source's channels instead of register blocks
//! whose columns would be almost empty.

use super::Sizes;
use super::geometry::Side;
use crate::Real;
use crate::brgemm::{Element, Finish, Seg};
use crate::par::{self, Shared};

/// At most this many channels.
pub(crate) const FEW: usize = 4;
/// Independent sums of a dot product; the order of addition is the same on every machine.
const LANES: usize = 16;

/// As [`super::gather`], for at most [`FEW`] destination channels in a group.
pub(super) fn gather<R: Element>(
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
    let mut filter = vec![R::default(); groups * taps * n * filter_stride(k)];
    for (row, values) in filter.chunks_mut(filter_stride(k).max(1)).enumerate() {
        for (i, value) in values.iter_mut().enumerate().take(k) {
            *value = at(row / n / taps, row / n % taps, i, row % n);
        }
    }
    let stride = filter_stride(k);
    par::each(side.meetings.len(), |pixel| {
        // SAFETY: each pixel is written by one call.
        let y = unsafe { out.part(pixel * images * to, images * to) };
        let meetings = &side.meetings[pixel];
        for group in 0..groups {
            let segs: Vec<Seg> = meetings
                .iter()
                .map(|m| Seg { a: m.other * images * from + group * k, b: (group * taps + m.tap) * n * stride })
                .collect();
            let dots = Dots { segs: &segs, x, row: from, filter: &filter, k, stride };
            let mut image = 0;
            while image < images {
                let rows = ROWS.min(images - image);
                let mut sums = [[R::default(); FEW]; ROWS];
                R::dots(&dots, image, rows, n, &mut sums);
                for (r, sums) in sums.iter().enumerate().take(rows) {
                    for (j, sum) in sums.iter().enumerate().take(n) {
                        let place = &mut y[(image + r) * to + group * n + j];
                        let mut z = *sum;
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
                image += rows;
            }
        }
    });
}

/// Rows whose dot products are made together.
pub(crate) const ROWS: usize = 4;

/// From a filter's channel vector to the next: filled up to whole vectors with zeros.
const fn filter_stride(k: usize) -> usize {
    k.next_multiple_of(LANES)
}

/// Dot products of rows of x with filters: row r of segment s begins at `s.a + r row`, filter j at `s.b + j stride`.
pub struct Dots<'a, R> {
    segs: &'a [Seg],
    x: &'a [R],
    row: usize,
    filter: &'a [R],
    k: usize,
    stride: usize,
}

/// `sums[r][j]` for rows `first..first + rows` and `n` filters, in plain Rust.
pub(crate) fn portable<R: Real>(dots: &Dots<'_, R>, first: usize, rows: usize, n: usize, sums: &mut [[R; FEW]; ROWS]) {
    for (r, sums) in sums.iter_mut().enumerate().take(rows) {
        for (j, sum) in sums.iter_mut().enumerate().take(n) {
            let mut lanes = [R::default(); LANES];
            for seg in dots.segs {
                let x = &dots.x[seg.a + (first + r) * dots.row..][..dots.k];
                let filter = &dots.filter[seg.b + j * dots.stride..][..dots.k];
                for (i, (x, w)) in x.iter().zip(filter).enumerate() {
                    lanes[i % LANES] = x.fused(*w, lanes[i % LANES]);
                }
            }
            *sum = total(lanes);
        }
    }
}

/// Halves are added, then halves of these.
fn total<R: Real>(mut lanes: [R; LANES]) -> R {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
    }
    lanes[0]
}

/// As [`portable`], with the same order of additions.
pub(crate) fn single(dots: &Dots<'_, f32>, first: usize, rows: usize, n: usize, sums: &mut [[f32; FEW]; ROWS]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        for seg in dots.segs {
            let last = seg.a + (first + rows - 1) * dots.row + dots.k;
            assert!(last <= dots.x.len() && seg.b + n * dots.stride <= dots.filter.len(), "conv: outside of its input");
        }
        // SAFETY: the processor has AVX2 and FMA; the elements exist, as just seen.
        return unsafe {
            match n {
                1 => x86::rows::<1>(dots, first, rows, sums),
                2 => x86::rows::<2>(dots, first, rows, sums),
                3 => x86::rows::<3>(dots, first, rows, sums),
                _ => x86::rows::<4>(dots, first, rows, sums),
            }
        };
    }
    portable(dots, first, rows, n, sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Dots, FEW, LANES, ROWS, total};
    use std::arch::x86_64::*;

    /// # Safety
    /// The processor has AVX2 and FMA, and every row and filter of `dots` exists.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn rows<const N: usize>(
        dots: &Dots<'_, f32>,
        first: usize,
        rows: usize,
        sums: &mut [[f32; FEW]; ROWS],
    ) {
        // As many rows at once as have room for their sums in registers.
        let together = if N == 1 { 4 } else { 2 };
        let mut r = 0;
        while r < rows {
            // SAFETY: as the caller promises.
            unsafe {
                if r + together > rows {
                    strip::<1, N>(dots, first + r, &mut sums[r..]);
                    r += 1;
                } else if N == 1 {
                    strip::<4, N>(dots, first + r, &mut sums[r..]);
                    r += 4;
                } else {
                    strip::<2, N>(dots, first + r, &mut sums[r..]);
                    r += 2;
                }
            }
        }
    }

    /// # Safety
    /// As for [`rows`].
    #[target_feature(enable = "avx2,fma")]
    unsafe fn strip<const R: usize, const N: usize>(dots: &Dots<'_, f32>, first: usize, sums: &mut [[f32; FEW]]) {
        let mut acc = [[[_mm256_setzero_ps(); 2]; N]; R];
        let tail = (dots.k % LANES) as i32;
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = [
            _mm256_cmpgt_epi32(_mm256_set1_epi32(tail), lanes),
            _mm256_cmpgt_epi32(_mm256_set1_epi32(tail - 8), lanes),
        ];
        let whole = dots.k / LANES * LANES;
        for seg in dots.segs {
            // SAFETY: rows and filters exist, filters are filled up to whole vectors, and masked lanes are not read.
            unsafe {
                let x = dots.x.as_ptr().add(seg.a + first * dots.row);
                let w = dots.filter.as_ptr().add(seg.b);
                let mut add = |i: usize, masked: bool| {
                    for h in 0..2 {
                        let at = i + 8 * h;
                        let mut filter = [_mm256_setzero_ps(); N];
                        for (j, filter) in filter.iter_mut().enumerate() {
                            *filter = _mm256_loadu_ps(w.add(j * dots.stride + at));
                        }
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let place = x.wrapping_add(r * dots.row + at);
                            let value =
                                if masked { _mm256_maskload_ps(place, mask[h]) } else { _mm256_loadu_ps(place) };
                            for (acc, filter) in acc.iter_mut().zip(filter) {
                                acc[h] = _mm256_fmadd_ps(value, filter, acc[h]);
                            }
                        }
                    }
                };
                let mut i = 0;
                while i < whole {
                    add(i, false);
                    i += LANES;
                }
                if tail > 0 {
                    add(i, true);
                }
            }
        }
        for (sums, acc) in sums.iter_mut().zip(acc) {
            for (sum, acc) in sums.iter_mut().zip(acc) {
                let mut all = [0.0; LANES];
                // SAFETY: 8 elements from 0 and from 8.
                unsafe {
                    _mm256_storeu_ps(all.as_mut_ptr(), acc[0]);
                    _mm256_storeu_ps(all.as_mut_ptr().add(8), acc[1]);
                }
                *sum = total(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_add_in_the_same_order_as_plain_rust() {
        let x: Vec<f32> = (0..900).map(|i| (i * 37 % 101) as f32 / 64.0 - 0.75).collect();
        for k in [1, 15, 16, 17, 40, 64] {
            let stride = filter_stride(k);
            let filter: Vec<f32> = (0..3 * 4 * stride).map(|i| (i * 29 % 64) as f32 / 32.0 - 1.0).collect();
            let segs: Vec<Seg> = (0..3).map(|s| Seg { a: 7 * s, b: s * 4 * stride }).collect();
            let dots = Dots { segs: &segs, x: &x, row: 70, filter: &filter, k, stride };
            for (rows, n) in [(1, 1), (4, 1), (3, 1), (4, 2), (3, 3), (2, 4)] {
                let (mut plain, mut fast) = ([[0.0; FEW]; ROWS], [[0.0; FEW]; ROWS]);
                portable(&dots, 2, rows, n, &mut plain);
                single(&dots, 2, rows, n, &mut fast);
                // The numbers are small multiples of 2^-11, so that sums are exact, fused or not.
                assert_eq!(fast, plain, "k {k}, {rows} rows, {n} filters");
            }
        }
    }
}
