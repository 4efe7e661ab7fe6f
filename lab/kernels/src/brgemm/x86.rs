//! The register kernels for AVX-512F (12 rows x 32 columns) and AVX2 with FMA (6 rows x 16 columns).

// An index is a row of A, of C and of the sums at once.
#![allow(clippy::needless_range_loop)]

use super::Block;
use std::arch::x86_64::*;

macro_rules! by_rows {
    ($kernel:ident, $vectors:literal, $block:expr, $rows:expr, $a:expr, $b:expr, $c:expr; $($n:literal)*) => {
        match $rows {
            // SAFETY: as the caller promises.
            $($n => unsafe { $kernel::<$n, $vectors>($block, $a, $b, $c) },)*
            _ => unreachable!("strips have between 1 and 12 rows"),
        }
    };
}

/// # Safety
/// The processor has AVX-512F; else as for [`super::Element::block`].
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn avx512(block: &Block<'_, f32>, a: *const f32, b: *const f32, c: *mut f32) {
    let mut i = 0;
    while i < block.m {
        let left = block.m - i;
        // 13 rows are faster as 7 + 6 than as 12 + 1.
        let rows = left.div_ceil(left.div_ceil(12));
        // SAFETY: rows i.. of A and C exist, as the caller promises.
        let (a, c) = unsafe { (a.add(i * block.row), c.add(i * block.ldc)) };
        if block.n > 16 {
            by_rows!(strip512, 2, block, rows, a, b, c; 1 2 3 4 5 6 7 8 9 10 11 12);
        } else {
            by_rows!(strip512, 1, block, rows, a, b, c; 1 2 3 4 5 6 7 8 9 10 11 12);
        }
        i += rows;
    }
}

/// # Safety
/// As for [`avx512`], for `ROWS` rows and at most `16 * VECTORS` columns.
#[target_feature(enable = "avx512f")]
unsafe fn strip512<const ROWS: usize, const VECTORS: usize>(
    block: &Block<'_, f32>,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let mask: [__mmask16; VECTORS] = std::array::from_fn(|v| {
        let left = block.n.saturating_sub(16 * v).min(16);
        ((1_u32 << left) - 1) as __mmask16
    });
    let mut sum = [[_mm512_setzero_ps(); VECTORS]; ROWS];
    for seg in block.segs {
        // SAFETY: the segment's elements exist, as the caller promises; masked lanes are not read.
        unsafe {
            let (mut pa, mut pb) = (a.add(seg.a), b.add(seg.b));
            for _ in 0..block.k {
                let mut line = [_mm512_setzero_ps(); VECTORS];
                for v in 0..VECTORS {
                    line[v] = _mm512_maskz_loadu_ps(mask[v], pb.wrapping_add(16 * v));
                }
                for r in 0..ROWS {
                    let x = _mm512_set1_ps(*pa.add(r * block.row));
                    for v in 0..VECTORS {
                        sum[r][v] = _mm512_fmadd_ps(x, line[v], sum[r][v]);
                    }
                }
                pa = pa.wrapping_add(block.column);
                pb = pb.wrapping_add(block.ldb);
            }
        }
    }
    for r in 0..ROWS {
        for v in 0..VECTORS {
            // SAFETY: masked lanes are neither read nor written; the others exist in C and in the bias.
            unsafe {
                let place = c.add(r * block.ldc).wrapping_add(16 * v);
                let mut z = sum[r][v];
                if block.add {
                    z = _mm512_add_ps(_mm512_maskz_loadu_ps(mask[v], place), z);
                }
                if let Some((bias, slope)) = block.finish {
                    if let Some(bias) = bias {
                        z = _mm512_add_ps(z, _mm512_maskz_loadu_ps(mask[v], bias.as_ptr().wrapping_add(16 * v)));
                    }
                    // Not greater than 0 and not NaN.
                    let low = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(z, _mm512_setzero_ps());
                    z = _mm512_mask_mul_ps(z, low, z, _mm512_set1_ps(slope));
                }
                _mm512_mask_storeu_ps(place, mask[v], z);
            }
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA; else as for [`super::Element::block`].
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2(block: &Block<'_, f32>, a: *const f32, b: *const f32, c: *mut f32) {
    let mut i = 0;
    while i < block.m {
        let left = block.m - i;
        let rows = left.div_ceil(left.div_ceil(6));
        for j in (0..block.n).step_by(16) {
            let finish = block.finish.map(|(bias, slope)| (bias.map(|bias| &bias[j..]), slope));
            let part = Block { n: (block.n - j).min(16), finish, ..*block };
            // SAFETY: rows i.. and columns j.. exist, as the caller promises.
            let (a, b, c) = unsafe { (a.add(i * block.row), b.add(j), c.add(i * block.ldc + j)) };
            by_rows!(strip256, 2, &part, rows, a, b, c; 1 2 3 4 5 6);
        }
        i += rows;
    }
}

/// # Safety
/// As for [`avx2`], for `ROWS` rows and at most `8 * VECTORS` columns.
#[target_feature(enable = "avx2,fma")]
unsafe fn strip256<const ROWS: usize, const VECTORS: usize>(
    block: &Block<'_, f32>,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let mask: [__m256i; VECTORS] = std::array::from_fn(|v| {
        let left = block.n.saturating_sub(8 * v).min(8) as i32;
        _mm256_cmpgt_epi32(_mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    });
    let mut sum = [[_mm256_setzero_ps(); VECTORS]; ROWS];
    for seg in block.segs {
        // SAFETY: the segment's elements exist, as the caller promises; masked lanes are not read.
        unsafe {
            let (mut pa, mut pb) = (a.add(seg.a), b.add(seg.b));
            for _ in 0..block.k {
                let mut line = [_mm256_setzero_ps(); VECTORS];
                for v in 0..VECTORS {
                    line[v] = _mm256_maskload_ps(pb.wrapping_add(8 * v), mask[v]);
                }
                for r in 0..ROWS {
                    let x = _mm256_set1_ps(*pa.add(r * block.row));
                    for v in 0..VECTORS {
                        sum[r][v] = _mm256_fmadd_ps(x, line[v], sum[r][v]);
                    }
                }
                pa = pa.wrapping_add(block.column);
                pb = pb.wrapping_add(block.ldb);
            }
        }
    }
    for r in 0..ROWS {
        for v in 0..VECTORS {
            // SAFETY: masked lanes are neither read nor written; the others exist in C and in the bias.
            unsafe {
                let place = c.add(r * block.ldc).wrapping_add(8 * v);
                let mut z = sum[r][v];
                if block.add {
                    z = _mm256_add_ps(_mm256_maskload_ps(place, mask[v]), z);
                }
                if let Some((bias, slope)) = block.finish {
                    if let Some(bias) = bias {
                        z = _mm256_add_ps(z, _mm256_maskload_ps(bias.as_ptr().wrapping_add(8 * v), mask[v]));
                    }
                    let low = _mm256_cmp_ps::<_CMP_LE_OQ>(z, _mm256_setzero_ps());
                    z = _mm256_blendv_ps(z, _mm256_mul_ps(z, _mm256_set1_ps(slope)), low);
                }
                _mm256_maskstore_ps(place, mask[v], z);
            }
        }
    }
}
