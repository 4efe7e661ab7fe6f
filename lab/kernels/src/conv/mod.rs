//! Convolutions and their gradients on channel-last activations, as batch-reduce products: no im2col, no padding.
//!
//! Activations are HWNC: `[pixel][image][channel]`. Filters are `[small][big / groups][tap]`, which is PyTorch's layout both of
//! a convolution's weight (out, in / groups, kh, kw) and of a transposed one's (in, out / groups, kh, kw): the *small* side is
//! the output of the first and the input of the second. So three routines serve both: [`small_from_big`] (forward; the
//! transposed one's input gradient), [`big_from_small`] (input gradient; the transposed one's forward) and
//! [`filter_gradient`].

mod filter;
mod geometry;
mod layout;
mod pooling;
#[cfg(test)]
mod tests;
mod thin;

pub use geometry::{Axis, Geometry};
pub use layout::{from_hwnc, to_hwnc};
pub use pooling::{Share, max_pool, max_pool_back, sum_pool, sum_pool_back};

use crate::{
    brgemm::{self, Element, Finish, Left, PANEL, Right, Seg, Shape, packed_len},
    par::{self, Shared},
    pool::Buf,
};
use geometry::{Meeting, Side};
use thin::FEW;

/// Rows that make a full register block; smaller batches take rows from neighbouring pixels instead.
const ENOUGH_ROWS: usize = 8;
/// Images of one task.
const IMAGES: usize = 64;
/// Rows of a task of the filter's gradient.
const ROWS: usize = 48;

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct Sizes<'a> {
    /// Pixels and taps.
    pub plan: &'a Geometry,
    /// Images of the batch.
    pub images: usize,
    /// Channels of the big side.
    pub big: usize,
    /// Channels of the small side.
    pub small: usize,
    /// Groups of channels that do not mix; divides both numbers of channels.
    pub groups: usize,
}

impl Sizes<'_> {
    /// Elements of the big side.
    pub fn big_len(&self) -> usize {
        self.plan.big_pixels() * self.images * self.big
    }

    /// Elements of the small side.
    pub fn small_len(&self) -> usize {
        self.plan.small_pixels() * self.images * self.small
    }

    /// Elements of the filter.
    pub fn filter_len(&self) -> usize {
        self.small * self.per_group().0 * self.plan.taps
    }

    /// Channels of a group: big, small.
    fn per_group(&self) -> (usize, usize) {
        (self.big / self.groups, self.small / self.groups)
    }

    fn check(&self, big: usize, small: usize, filter: usize) {
        assert!(
            self.groups > 0 && self.big.is_multiple_of(self.groups) && self.small.is_multiple_of(self.groups),
            "conv: groups"
        );
        assert_eq!(big, self.big_len(), "conv: elements of the big side");
        assert_eq!(small, self.small_len(), "conv: elements of the small side");
        assert_eq!(filter, self.filter_len(), "conv: elements of the filter");
    }
}

/// The small side from the big one: y(s, o) = sum over (b, tap) that meet s, over channels i: x(b, i) w(o, i, tap).
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn small_from_big<R: Element>(sizes: Sizes<'_>, x: &[R], filter: &[R], y: &mut [R], finish: Finish<'_, R>) {
    sizes.check(x.len(), y.len(), filter.len());
    let (big, small) = sizes.per_group();
    let taps = sizes.plan.taps;
    let at = |group: usize, tap: usize, i: usize, o: usize| filter[((group * small + o) * big + i) * taps + tap];
    let panels = || filter::for_small(sizes, filter);
    gather(sizes, &sizes.plan.by_small, (sizes.big, x), (sizes.small, y), (at, panels), finish);
}

/// The big side from the small one: y(b, i) = sum over (s, tap) that meet b, over channels o: x(s, o) w(o, i, tap).
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn big_from_small<R: Element>(sizes: Sizes<'_>, x: &[R], filter: &[R], y: &mut [R], finish: Finish<'_, R>) {
    sizes.check(y.len(), x.len(), filter.len());
    let (big, small) = sizes.per_group();
    let taps = sizes.plan.taps;
    let at = |group: usize, tap: usize, o: usize, i: usize| filter[((group * small + o) * big + i) * taps + tap];
    let panels = || filter::for_big(sizes, filter);
    gather(sizes, &sizes.plan.by_big, (sizes.small, x), (sizes.big, y), (at, panels), finish);
}

/// Every destination pixel from the pixels that it meets. `at(group, tap, source channel, destination channel)` is the filter,
/// `panels()` the same as panels of each group: rows (tap, source channel), columns the destination channels.
fn gather<R: Element>(
    sizes: Sizes<'_>,
    side: &Side,
    (from, x): (usize, &[R]),
    (to, y): (usize, &mut [R]),
    (at, panels): (impl Fn(usize, usize, usize, usize) -> R, impl FnOnce() -> Buf<R>),
    finish: Finish<'_, R>,
) {
    let (images, groups, taps) = (sizes.images, sizes.groups, sizes.plan.taps);
    let (k, n) = (from / groups, to / groups);
    if images == 0 || n == 0 || side.runs.is_empty() {
        return;
    }
    let out = Shared::new(y);
    if n <= FEW {
        return thin::gather(sizes, side, (from, x), (to, &out), at, finish);
    }
    let packed = panels();
    let panel = taps * k * PANEL;
    let step = packed_len(taps * k, n);
    let segs = |meetings: &[Meeting], from_image: usize, group: usize| -> Vec<Seg> {
        let seg = |m: &Meeting| Seg { a: (m.other * images + from_image) * from + group * k, b: m.tap * k * PANEL };
        meetings.iter().map(seg).collect()
    };
    let one = |pixel: usize, image: usize, (m, row, ldc): (usize, usize, usize), group: usize| {
        let right = Right::Panels { data: &packed[group * step..(group + 1) * step], panel };
        let bias = finish.bias.map(|bias| &bias[group * n..(group + 1) * n]);
        let segs = segs(&side.meetings[pixel], image, group);
        let place = out.at((pixel * images + image) * to + group * n);
        let left = Left { data: x, row, column: 1 };
        // SAFETY: each (pixel, image, group) is the work of one call, and the last row lies inside of y because its pixel and
        // image do.
        unsafe {
            brgemm::product_raw(Shape { m, n, k, ldc }, &segs, left, right, place, Finish { bias, ..finish });
        }
    };
    if images >= ENOUGH_ROWS {
        let (pixels, blocks) = (side.meetings.len(), images.div_ceil(IMAGES));
        par::each(pixels * blocks, |task| {
            // Pixel after pixel for the same images: neighbours read much the same.
            let (pixel, image) = (task % pixels, task / pixels * IMAGES);
            for group in 0..groups {
                one(pixel, image, (IMAGES.min(images - image), from, to), group);
            }
        });
    } else {
        par::each(side.runs.len(), |task| {
            let run = side.runs[task];
            for image in 0..images {
                for group in 0..groups {
                    one(run.from, image, (run.count, run.advance * images * from, run.step * images * to), group);
                }
            }
        });
    }
}

/// Adds the filter's gradient: dw(o, i, tap) += sum over (b, s) that meet at the tap, over images: big(b, i) small(s, o).
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn filter_gradient<R: Element>(sizes: Sizes<'_>, big: &[R], small: &[R], dw: &mut [R]) {
    sizes.check(big.len(), small.len(), dw.len());
    let (nb, ns) = sizes.per_group();
    let (images, taps) = (sizes.images, sizes.plan.taps);
    if images == 0 || dw.is_empty() {
        return;
    }
    if nb <= FEW || ns <= FEW {
        let big_is_thin = nb <= ns;
        let (parts, count) = match big_is_thin {
            true => thin::filter_gradient(sizes, &sizes.plan.by_small, (sizes.big, big), (sizes.small, small)),
            false => thin::filter_gradient(sizes, &sizes.plan.by_big, (sizes.small, small), (sizes.big, big)),
        };
        return filter::add_thin(sizes, (&parts, count), big_is_thin, dw);
    }
    // The columns fill vectors; beyond that the narrower side is read faster, its rows being closer together.
    let swap = (ns < nb && ns < PANEL) || (nb < ns && nb >= 2 * PANEL);
    let (m, n) = if swap { (ns, nb) } else { (nb, ns) };
    let ((a, wide_a), (b, wide_b)) =
        if swap { ((small, sizes.small), (big, sizes.big)) } else { ((big, sizes.big), (small, sizes.small)) };
    let blocks = m.div_ceil(ROWS);
    let height = m.div_ceil(blocks);
    let mut parts = Buf::any(sizes.groups * taps * m * n);
    let out = Shared::new(&mut parts);
    par::each(sizes.groups * taps * blocks, |task| {
        let (group, tap, row) = (task / blocks / taps, task / blocks % taps, task % blocks * height);
        let rows = height.min(m - row);
        let seg = |&(b, s): &(usize, usize)| {
            let (a, b) = if swap { (s, b) } else { (b, s) };
            Seg { a: a * images * wide_a + group * m + row, b: b * images * wide_b + group * n }
        };
        let segs: Vec<Seg> = sizes.plan.by_tap[tap].iter().map(seg).collect();
        // SAFETY: each block of rows is written by one call.
        let c = unsafe { out.part(((group * taps + tap) * m + row) * n, rows * n) };
        let shape = Shape { m: rows, n, k: images, ldc: n };
        let left = Left { data: a, row: 1, column: wide_a };
        brgemm::product(shape, &segs, left, Right::Rows { data: b, ldb: wide_b }, c, Finish::set());
    });
    match swap {
        true => filter::add_by_small(sizes, &parts, dw),
        false => filter::add_by_big(sizes, &parts, dw),
    }
}
