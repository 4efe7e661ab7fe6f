//! Between PyTorch's NCHW and the kernels' HWNC.

use crate::par::{self, Shared};

/// Pixels of a block that is turned at once.
const BLOCK: usize = 16;

/// `[image][channel][pixel]` to `[pixel][image][channel]`.
///
/// # Panics
/// When the slices have other lengths than `images * channels * pixels`.
pub fn to_hwnc<R: Copy + Send + Sync>((images, channels, pixels): (usize, usize, usize), x: &[R], y: &mut [R]) {
    assert_eq!((x.len(), y.len()), (images * channels * pixels, images * channels * pixels), "to_hwnc: lengths");
    let out = Shared::new(y);
    par::each(pixels.div_ceil(BLOCK), |block| {
        let range = block * BLOCK..pixels.min((block + 1) * BLOCK);
        // SAFETY: each block of pixels is written by one call.
        let y = unsafe { out.part(range.start * images * channels, range.len() * images * channels) };
        for (row, line) in x.chunks_exact(pixels).enumerate() {
            for (i, value) in line[range.clone()].iter().enumerate() {
                y[i * images * channels + row] = *value;
            }
        }
    });
}

/// `[pixel][image][channel]` to `[image][channel][pixel]`.
///
/// # Panics
/// When the slices have other lengths than `images * channels * pixels`.
pub fn from_hwnc<R: Copy + Send + Sync>((images, channels, pixels): (usize, usize, usize), x: &[R], y: &mut [R]) {
    assert_eq!((x.len(), y.len()), (images * channels * pixels, images * channels * pixels), "from_hwnc: lengths");
    let rows = images * channels;
    let out = Shared::new(y);
    par::each(rows.div_ceil(BLOCK), |block| {
        let range = block * BLOCK..rows.min((block + 1) * BLOCK);
        // SAFETY: each block of rows is written by one call.
        let y = unsafe { out.part(range.start * pixels, range.len() * pixels) };
        for (pixel, line) in x.chunks_exact(rows).enumerate() {
            for (i, value) in line[range.clone()].iter().enumerate() {
                y[i * pixels + pixel] = *value;
            }
        }
    });
}
