//! Which pixels meet at which filter tap.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

/// Kernel size, stride, padding and dilation along one axis, with PyTorch's meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Axis {
    /// Taps.
    pub kernel: usize,
    /// Step from an output to the next.
    pub stride: NonZeroUsize,
    /// Zeros before and after.
    pub padding: usize,
    /// Step from a tap to the next.
    pub dilation: NonZeroUsize,
}

impl Axis {
    /// An axis without gaps between the taps; a stride of 0 counts as 1.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        let stride = match NonZeroUsize::new(stride) {
            Some(stride) => stride,
            None => NonZeroUsize::MIN,
        };
        Self { kernel, stride, padding, dilation: NonZeroUsize::MIN }
    }

    /// The same with a step between taps; 0 counts as 1.
    #[must_use]
    pub const fn dilated(mut self, dilation: usize) -> Self {
        if let Some(dilation) = NonZeroUsize::new(dilation) {
            self.dilation = dilation;
        }
        self
    }

    /// Output length of a convolution: floor((length + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, or `None` when the
    /// kernel does not fit.
    pub const fn output(&self, length: usize) -> Option<usize> {
        if self.kernel == 0 {
            return None;
        }
        let reach = self.dilation.get() * (self.kernel - 1) + 1;
        match (length + 2 * self.padding).checked_sub(reach) {
            Some(room) => Some(room / self.stride.get() + 1),
            None => None,
        }
    }

    /// Position on the big side that output `small` sees through `tap`.
    fn big(&self, small: usize, tap: usize, length: usize) -> Option<usize> {
        let at = (small * self.stride.get() + tap * self.dilation.get()).checked_sub(self.padding)?;
        (at < length).then_some(at)
    }
}

/// A pair of pixels that meet at a tap, seen from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meeting {
    pub tap: usize,
    /// The pixel on the other side.
    pub other: usize,
}

/// Destination pixels `from`, `from + step`, ... that meet the same taps, and whose partners advance by `advance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub from: usize,
    pub step: usize,
    pub advance: usize,
    pub count: usize,
}

/// All meetings of a destination side.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    /// For each pixel, by tap.
    pub meetings: Vec<Vec<Meeting>>,
    /// A partition of the pixels.
    pub runs: Vec<Run>,
}

/// What makes a plan: the sizes of both sides and the axes, of which adaptive pooling has none.
type Key = ((usize, usize), (usize, usize), Option<(Axis, Axis)>);

/// The plan of a convolution between a *big* side (the input of a convolution, the output of a transposed one) and a *small*
/// side.
#[derive(Debug, Clone)]
pub struct Geometry {
    /// Height and width of the big side.
    pub big: (usize, usize),
    /// Height and width of the small side.
    pub small: (usize, usize),
    /// Filter taps: kernel height times kernel width.
    pub taps: usize,
    pub(super) by_small: Side,
    pub(super) by_big: Side,
    /// For each tap: (big pixel, small pixel).
    pub(super) by_tap: Vec<Vec<(usize, usize)>>,
}

impl Geometry {
    /// The plan for a big side of `height` x `width` pixels; `None` when the kernel does not fit.
    pub fn new((height, width): (usize, usize), (down, across): (Axis, Axis)) -> Option<Self> {
        Some(Self::between((height, width), (down.output(height)?, across.output(width)?), (down, across)))
    }

    /// The plan of a transposed convolution, whose big side is its output: (length - 1) stride - 2 padding + dilation (kernel - 1)
    /// + extra + 1 pixels on each axis, `extra` being PyTorch's `output_padding`; `None` when that is not positive.
    pub fn transposed(small: (usize, usize), (down, across): (Axis, Axis), extra: (usize, usize)) -> Option<Self> {
        let length = |small: usize, axis: Axis, extra: usize| {
            let full = small.checked_sub(1)? * axis.stride.get() + axis.dilation.get() * axis.kernel.checked_sub(1)?;
            (full + extra + 1).checked_sub(2 * axis.padding).filter(|length| *length > 0)
        };
        Some(Self::between((length(small.0, down, extra.0)?, length(small.1, across, extra.1)?), small, (down, across)))
    }

    /// The plan between sides of these sizes, made once and kept for the next call.
    ///
    /// The sizes may differ from those of [`Geometry::new`]: positions outside of a side are padding. So a small side as long as
    /// the big one with padding (kernel - 1) dilation makes a causal convolution.
    pub fn kept(big: (usize, usize), small: (usize, usize), axes: (Axis, Axis)) -> Arc<Self> {
        Self::kept_or((big, small, Some(axes)), || Self::between(big, small, axes))
    }

    /// The plan of PyTorch's adaptive pooling: output i of n sees the inputs from floor(i length / n) to ceil((i + 1) length / n).
    pub fn adaptive(big: (usize, usize), small: (usize, usize)) -> Arc<Self> {
        Self::kept_or((big, small, None), || {
            let window = |i: usize, length: usize, n: usize| (i * length / n, ((i + 1) * length).div_ceil(n));
            let widest = |length, n| (0..n).map(|i| window(i, length, n)).map(|(a, b)| b - a).max().unwrap_or(0);
            let line = |length: usize, n: usize| {
                move |i: usize, tap: usize| {
                    let (from, to) = window(i, length, n);
                    (from + tap < to).then_some(from + tap)
                }
            };
            let kernel = (widest(big.0, small.0), widest(big.1, small.1));
            Self::of(big, small, kernel, (line(big.0, small.0), line(big.1, small.1)), 1)
        })
    }

    fn kept_or(key: Key, make: impl FnOnce() -> Self) -> Arc<Self> {
        static KEPT: Mutex<Option<HashMap<Key, Arc<Geometry>>>> = Mutex::new(None);
        /// A network has few; more come from programs that go through many sizes.
        const MOST: usize = 64;
        // A plan that was put there is whole, even if a thread panicked elsewhere.
        let mut kept = KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        if kept.len() >= MOST && !kept.contains_key(&key) {
            kept.clear();
        }
        Arc::clone(kept.entry(key).or_insert_with(|| Arc::new(make())))
    }

    fn between(big: (usize, usize), small: (usize, usize), (down, across): (Axis, Axis)) -> Self {
        let lines = (|small, tap| down.big(small, tap, big.0), |small, tap| across.big(small, tap, big.1));
        Self::of(big, small, (down.kernel, across.kernel), lines, across.stride.get())
    }

    /// The plan from what (output, tap) sees on each axis; `stride` is the width's.
    fn of(
        big: (usize, usize),
        small: (usize, usize),
        kernel: (usize, usize),
        (down, across): (impl Fn(usize, usize) -> Option<usize>, impl Fn(usize, usize) -> Option<usize>),
        stride: usize,
    ) -> Self {
        let taps = kernel.0 * kernel.1;
        let mut by_small = vec![Vec::new(); small.0 * small.1];
        let mut by_big = vec![Vec::new(); big.0 * big.1];
        let mut by_tap = vec![Vec::new(); taps];
        for (tap, of_tap) in by_tap.iter_mut().enumerate() {
            let (ky, kx) = (tap / kernel.1, tap % kernel.1);
            for sy in 0..small.0 {
                let Some(by) = down(sy, ky) else { continue };
                for sx in 0..small.1 {
                    let Some(bx) = across(sx, kx) else { continue };
                    let (b, s) = (by * big.1 + bx, sy * small.1 + sx);
                    by_small[s].push(Meeting { tap, other: b });
                    by_big[b].push(Meeting { tap, other: s });
                    of_tap.push((b, s));
                }
            }
        }
        let by_small = Side { runs: runs(&by_small, small.1, 1, stride), meetings: by_small };
        let by_big = Side { runs: runs(&by_big, big.1, stride, 1), meetings: by_big };
        Self { big, small, taps, by_small, by_big, by_tap }
    }

    /// Pixels of the big side.
    pub fn big_pixels(&self) -> usize {
        self.big.0 * self.big.1
    }

    /// Pixels of the small side.
    pub fn small_pixels(&self) -> usize {
        self.small.0 * self.small.1
    }

    /// Multiply-adds of one pass for one image, one input and one output channel; padding is not counted.
    pub fn pairs(&self) -> usize {
        self.by_tap.iter().map(Vec::len).sum()
    }
}

/// Cuts each line of pixels into runs.
fn runs(meetings: &[Vec<Meeting>], width: usize, step: usize, advance: usize) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for line in 0..meetings.len().checked_div(width).unwrap_or(0) {
        for phase in 0..step.min(width) {
            let mut open: Option<Run> = None;
            for pixel in (line * width + phase..(line + 1) * width).step_by(step) {
                if let Some(run) = &mut open {
                    let last = &meetings[run.from + (run.count - 1) * step];
                    let follows = |(a, b): (&Meeting, &Meeting)| a.tap == b.tap && a.other + advance == b.other;
                    if last.len() == meetings[pixel].len() && last.iter().zip(&meetings[pixel]).all(follows) {
                        run.count += 1;
                        continue;
                    }
                    out.push(*run);
                }
                open = Some(Run { from: pixel, step, advance, count: 1 });
            }
            out.extend(open);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_pytorchs() {
        // torch.nn.functional.conv1d(torch.zeros(1, 1, 28), torch.zeros(1, 1, 5), stride=2, padding=2).shape[-1] == 14, and so on.
        for (axis, length, out) in [
            (Axis::new(5, 2, 2), 28, Some(14)),
            (Axis::new(4, 2, 1), 28, Some(14)),
            (Axis::new(3, 1, 1).dilated(2), 10, Some(8)),
            (Axis::new(7, 3, 0), 6, None),
            (Axis::new(2, 5, 0), 9, Some(2)),
        ] {
            assert_eq!(axis.output(length), out, "{axis:?}");
        }
        let k5 = Axis::new(5, 2, 2);
        let up = Geometry::transposed((7, 7), (k5, k5), (1, 1)).expect("it fits");
        assert_eq!((up.big, up.small), ((14, 14), (7, 7)));
        assert!(Geometry::transposed((1, 1), (Axis::new(1, 1, 1), k5), (0, 0)).is_none());
    }

    #[test]
    fn runs_cover_every_pixel_once_and_keep_the_taps() {
        for (big, axis) in [((9, 7), Axis::new(3, 2, 1)), ((6, 8), Axis::new(5, 1, 2)), ((5, 5), Axis::new(2, 3, 0))] {
            let plan = Geometry::new(big, (axis, axis)).expect("it fits");
            for (side, pixels) in [(&plan.by_small, plan.small_pixels()), (&plan.by_big, plan.big_pixels())] {
                let mut seen = vec![0; pixels];
                for run in &side.runs {
                    for i in 0..run.count {
                        let pixel = run.from + i * run.step;
                        seen[pixel] += 1;
                        for (a, b) in side.meetings[run.from].iter().zip(&side.meetings[pixel]) {
                            assert_eq!((a.tap, a.other + i * run.advance), (b.tap, b.other));
                        }
                    }
                }
                assert!(seen.iter().all(|n| *n == 1), "{big:?} {axis:?}");
            }
            assert!(plan.by_small.runs.len() < plan.small_pixels(), "inner pixels are joined");
        }
    }
}
