//! A side of very few channels (an image's own): its register blocks would be almost empty, so taps take the place of
//! channels.

use super::{
    Sizes,
    geometry::{Meeting, Side},
};
use crate::{
    Real,
    brgemm::{self, DEPTH, Element, Finish, Left, Right, Seg, Shape, packed_len},
    dispatch::{Work, wide},
    par::{self, Shared},
    pool::Buf,
    transpose::transpose,
};

/// At most this many channels.
pub(super) const FEW: usize = 4;
/// Images whose sums are made together.
const LANES: usize = 16;
/// Rows of a product.
const ROWS: usize = 128;
/// Numbers of a task that stay in a core's own cache.
const CACHE: usize = 128 * 1024;
/// Parts of a filter's gradient that are summed apart, whatever the number of threads.
const PARTS: usize = 16;

/// As [`super::gather`], for at most [`FEW`] destination channels in a group. For a block of images: what every source pixel
/// contributes through each tap is one product, `[tap][channel][source pixel][image]`, which stays in the cache; from it every
/// destination pixel adds up its own.
pub(super) fn gather<R: Element>(
    sizes: Sizes<'_>,
    side: &Side,
    (from, x): (usize, &[R]),
    (to, out): (usize, &Shared<R>),
    at: impl Fn(usize, usize, usize, usize) -> R,
    finish: Finish<'_, R>,
) {
    let (images, groups, taps) = (sizes.images, sizes.groups, sizes.plan.taps);
    let (k, n) = (from / groups, to / groups);
    let (pixels, width) = (x.len() / images.max(1) / from.max(1), taps * n);
    let block = (CACHE / (width * pixels).max(1) / LANES * LANES).clamp(LANES, 4 * LANES).min(images);
    let size = packed_len(k, width);
    let mut packed = Buf::<R>::any(groups * size);
    for (group, packed) in packed.chunks_exact_mut(size.max(1)).enumerate() {
        brgemm::pack(k, width, |i, j| at(group, j / n, i, j % n), packed);
    }
    let blocks = images.div_ceil(block);
    par::each(groups * blocks, |task| {
        let (group, first) = (task / blocks, task % blocks * block);
        let count = block.min(images - first);
        // Rows of all images follow one another from pixel to pixel.
        let together = if count == images { (ROWS / images).max(1) } else { 1 };
        let rows = pixels * count;
        let mut products = Buf::<R>::any(width * rows);
        let mut part = Buf::<R>::any(together * count * width);
        for pixel in (0..pixels).step_by(together) {
            let m = together.min(pixels - pixel) * count;
            let left = Left { data: x, row: from, column: 1 };
            let right = Right::Panels { data: &packed[group * size..][..size], panel: packed_len(k, 1) };
            let segs = [Seg { a: (pixel * images + first) * from + group * k, b: 0 }];
            brgemm::product(Shape { m, n: width, k, ldc: width }, &segs, left, right, &mut part, Finish::set());
            transpose((m, width), (&part, width), (&mut products[pixel * count..], rows));
        }
        let mut sum = Buf::any(count);
        let finish = Finish { bias: finish.bias.map(|bias| &bias[group * n..][..n]), ..finish };
        for (pixel, meetings) in side.meetings.iter().enumerate() {
            for c in 0..n {
                wide(Collect { sum: &mut sum, products: &products, rows, meetings, channel: (c, n) });
                let place = (pixel * images + first) * to + group * n + c;
                // The last of them exists: this panics otherwise.
                out.at(place + (count - 1) * to);
                let bias = finish.bias.map(|bias| bias[c]);
                // SAFETY: each channel of each image of a pixel is written by one call, and the others are skipped.
                unsafe { put(&sum, (out.at(place), to), finish.add, (bias, finish.slope)) };
            }
        }
    });
}

/// y = max(z, slope z) with z = \[y\] + sum + bias, for a y of which there is one number every `step`.
///
/// # Safety
/// As many numbers as `sum` has exist at `y`, `step` apart, and nobody else uses them.
unsafe fn put<R: Real>(sum: &[R], (y, step): (*mut R, usize), add: bool, (bias, slope): (Option<R>, R)) {
    for (i, sum) in sum.iter().enumerate() {
        // SAFETY: the number exists, as the caller promises.
        let y = unsafe { &mut *y.add(i * step) };
        let mut z = if add { *y + *sum } else { *sum };
        if let Some(bias) = bias {
            z += bias;
        }
        // NaN stays.
        *y = if z <= R::default() { slope * z } else { z };
    }
}

/// The sum, for as many images as `sum` has, of the products with which other pixels contribute to one.
struct Collect<'a, R> {
    sum: &'a mut [R],
    products: &'a [R],
    rows: usize,
    meetings: &'a [Meeting],
    /// Which of how many.
    channel: (usize, usize),
}

impl<R: Real> Work for Collect<'_, R> {
    #[inline(always)]
    fn run(self) {
        let count = self.sum.len();
        let line = |m: &Meeting| {
            let row = m.tap * self.channel.1 + self.channel.0;
            &self.products[row * self.rows + m.other * count..][..count]
        };
        let mut blocks = self.sum.chunks_exact_mut(LANES);
        for (i, block) in blocks.by_ref().enumerate() {
            let mut sum = [R::default(); LANES];
            for m in self.meetings {
                let term = &line(m)[i * LANES..(i + 1) * LANES];
                sum.iter_mut().zip(term).for_each(|(sum, x)| *sum += *x);
            }
            block.copy_from_slice(&sum);
        }
        let from = count / LANES * LANES;
        for (i, sum) in blocks.into_remainder().iter_mut().enumerate() {
            *sum = R::default();
            self.meetings.iter().for_each(|m| *sum += line(m)[from + i]);
        }
    }
}

/// The filter's gradient where one side, of values `thin`, has at most [`FEW`] channels in a group (`few` of them in all) and the
/// other `many`: parts `[group][few channel][tap][many channel]`, whose sums are the gradient. `side` tells which thin pixels
/// each pixel of the other side meets.
pub(super) fn filter_gradient<R: Element>(
    sizes: Sizes<'_>,
    side: &Side,
    (few, thin): (usize, &[R]),
    (many, values): (usize, &[R]),
) -> (Buf<R>, usize) {
    let (images, groups, taps) = (sizes.images, sizes.groups, sizes.plan.taps);
    let (m, n) = (few / groups * taps, many / groups);
    let pixels = side.meetings.len();
    let (parts, size) = (PARTS.min(pixels).max(1), groups * m * n);
    let mut sums = Buf::zeros(parts * size);
    let out = Shared::new(&mut sums);
    let block = pixels.div_ceil(parts).max(1);
    // As many pixels in a product as fit into one chain of additions.
    let together = (DEPTH / images.max(1)).clamp(1, block);
    par::each(parts, |part| {
        let mut patches = Buf::<R>::any(together * m * images);
        // SAFETY: each part is written by one call.
        let sums = unsafe { out.part(part * size, size) };
        let last = pixels.min((part + 1) * block);
        for first in (part * block..last).step_by(together) {
            let count = together.min(last - first);
            for (group, sums) in sums.chunks_exact_mut((m * n).max(1)).enumerate() {
                let mut segs = Vec::with_capacity(count);
                for (i, patch) in patches.chunks_exact_mut(m * images).enumerate().take(count) {
                    patch.fill(R::default());
                    for meeting in &side.meetings[first + i] {
                        let from = &thin[meeting.other * images * few..][..images * few];
                        for (c, lines) in patch.chunks_exact_mut(taps * images).enumerate() {
                            let line = &mut lines[meeting.tap * images..][..images];
                            if few == 1 {
                                line.copy_from_slice(from);
                            } else {
                                let channel = from.iter().skip(group * few / groups + c).step_by(few);
                                line.iter_mut().zip(channel).for_each(|(to, x)| *to = *x);
                            }
                        }
                    }
                    segs.push(Seg { a: i * m * images, b: (first + i) * images * many + group * n });
                }
                let left = Left { data: &patches, row: images, column: 1 };
                let right = Right::Rows { data: values, ldb: many };
                brgemm::product(Shape { m, n, k: images, ldc: n }, &segs, left, right, sums, Finish::add());
            }
        }
    });
    (sums, parts)
}
