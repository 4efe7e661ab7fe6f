//! Between PyTorch's NCHW and the kernels' HWNC: a matrix of (image, channel) by pixel is turned.

use crate::{
    brgemm::Element,
    par::{self, Shared},
    transpose::transpose,
};

/// Pixels of a task.
const PIXELS: usize = 32;
/// Pairs of image and channel of a task: what it reads and writes stays in the cache, in runs of a kilobyte.
const ROWS: usize = 256;

/// `[image][channel][pixel]` to `[pixel][image][channel]`.
///
/// # Panics
/// When the slices have other lengths than `images * channels * pixels`.
pub fn to_hwnc<R: Element>((images, channels, pixels): (usize, usize, usize), x: &[R], y: &mut [R]) {
    assert_eq!((x.len(), y.len()), (images * channels * pixels, images * channels * pixels), "to_hwnc: lengths");
    let out = Shared::new(y);
    blocks(images * channels, pixels, |(row, rows), (pixel, count)| {
        let mut turned = [R::default(); ROWS * PIXELS];
        transpose((rows, count), (&x[row * pixels + pixel..], pixels), (&mut turned, ROWS));
        for (i, line) in turned.chunks_exact(ROWS).enumerate().take(count) {
            // SAFETY: each block of rows of a pixel is written by one call.
            unsafe { out.part((pixel + i) * images * channels + row, rows) }.copy_from_slice(&line[..rows]);
        }
    });
}

/// `[pixel][image][channel]` to `[image][channel][pixel]`.
///
/// # Panics
/// When the slices have other lengths than `images * channels * pixels`.
pub fn from_hwnc<R: Element>((images, channels, pixels): (usize, usize, usize), x: &[R], y: &mut [R]) {
    assert_eq!((x.len(), y.len()), (images * channels * pixels, images * channels * pixels), "from_hwnc: lengths");
    let out = Shared::new(y);
    blocks(images * channels, pixels, |(row, rows), (pixel, count)| {
        let (mut lines, mut turned) = ([R::default(); ROWS * PIXELS], [R::default(); ROWS * PIXELS]);
        for (i, line) in lines.chunks_exact_mut(ROWS).enumerate().take(count) {
            line[..rows].copy_from_slice(&x[(pixel + i) * images * channels + row..][..rows]);
        }
        transpose((count, rows), (&lines, ROWS), (&mut turned, PIXELS));
        for (i, line) in turned.chunks_exact(PIXELS).enumerate().take(rows) {
            // SAFETY: each block of pixels of a row is written by one call.
            unsafe { out.part((row + i) * pixels + pixel, count) }.copy_from_slice(&line[..count]);
        }
    });
}

/// Calls `work` with (from, count) of each block of rows and of pixels.
fn blocks(rows: usize, pixels: usize, work: impl Fn((usize, usize), (usize, usize)) + Sync + Send) {
    let across = pixels.div_ceil(PIXELS);
    par::each(rows.div_ceil(ROWS) * across, |task| {
        let (row, pixel) = (task / across * ROWS, task % across * PIXELS);
        work((row, ROWS.min(rows - row)), (pixel, PIXELS.min(pixels - pixel)));
    });
}
