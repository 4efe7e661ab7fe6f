//! Turning matrices: what every change of layout is made of.

/// y(c, r) = x(r, c) for `rows` x `columns` elements; `ldx` and `ldy` are the distances from a row to the next.
///
/// # Panics
/// When a matrix does not fit into its slice.
pub(crate) fn transpose<R: super::brgemm::Element>(
    (rows, columns): (usize, usize),
    (x, ldx): (&[R], usize),
    (y, ldy): (&mut [R], usize),
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * ldx + columns <= x.len(), "transpose: the source is too short");
    assert!((columns - 1) * ldy + rows <= y.len(), "transpose: the destination is too short");
    // SAFETY: both matrices lie inside of their slices, as just seen.
    unsafe { R::transpose((rows, columns), (x.as_ptr(), ldx), (y.as_mut_ptr(), ldy)) }
}

/// # Safety
/// As for [`super::brgemm::Element::transpose`].
pub(crate) unsafe fn portable<R: Copy>(
    (rows, columns): (usize, usize),
    (x, ldx): (*const R, usize),
    (y, ldy): (*mut R, usize),
) {
    const BLOCK: usize = 16;
    for r0 in (0..rows).step_by(BLOCK) {
        for c0 in (0..columns).step_by(BLOCK) {
            for c in c0..columns.min(c0 + BLOCK) {
                for r in r0..rows.min(r0 + BLOCK) {
                    // SAFETY: r and c are below rows and columns.
                    unsafe { *y.add(c * ldy + r) = *x.add(r * ldx + c) }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::avx512;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// # Safety
    /// The processor has AVX-512F; else as for [`crate::brgemm::Element::transpose`].
    #[target_feature(enable = "avx512f")]
    pub(crate) unsafe fn avx512(
        (rows, columns): (usize, usize),
        (x, ldx): (*const f32, usize),
        (y, ldy): (*mut f32, usize),
    ) {
        for r in (0..rows).step_by(16) {
            for c in (0..columns).step_by(16) {
                let size = ((rows - r).min(16), (columns - c).min(16));
                // SAFETY: the block lies inside of both matrices.
                unsafe { block(size, (x.add(r * ldx + c), ldx), (y.add(c * ldy + r), ldy)) }
            }
        }
    }

    /// At most 16 x 16 elements.
    ///
    /// # Safety
    /// As for [`avx512`].
    #[target_feature(enable = "avx512f")]
    unsafe fn block((rows, columns): (usize, usize), (x, ldx): (*const f32, usize), (y, ldy): (*mut f32, usize)) {
        let mask = |n: usize| ((1_u32 << n) - 1) as __mmask16;
        let (across, down) = (mask(columns), mask(rows));
        let mut a = [_mm512_setzero_ps(); 16];
        for (r, line) in a.iter_mut().enumerate().take(rows) {
            // SAFETY: the row exists, and masked lanes are not read.
            *line = unsafe { _mm512_maskz_loadu_ps(across, x.add(r * ldx)) };
        }
        // b[4 g + j], 128-bit lane l: column 4 l + j of rows 4 g to 4 g + 3.
        let mut b = [_mm512_setzero_ps(); 16];
        for g in (0..16).step_by(4) {
            let (low, high) = (_mm512_unpacklo_ps(a[g], a[g + 1]), _mm512_unpackhi_ps(a[g], a[g + 1]));
            let (low2, high2) = (_mm512_unpacklo_ps(a[g + 2], a[g + 3]), _mm512_unpackhi_ps(a[g + 2], a[g + 3]));
            let pair = |x, y| (_mm512_castps_pd(x), _mm512_castps_pd(y));
            let ((p, q), (s, t)) = (pair(low, low2), pair(high, high2));
            b[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q));
            b[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
            b[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(s, t));
            b[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(s, t));
        }
        let mut out = [_mm512_setzero_ps(); 16];
        for j in 0..4 {
            let even = _mm512_shuffle_f32x4::<0x88>(b[j], b[j + 4]);
            let odd = _mm512_shuffle_f32x4::<0xdd>(b[j], b[j + 4]);
            let even2 = _mm512_shuffle_f32x4::<0x88>(b[j + 8], b[j + 12]);
            let odd2 = _mm512_shuffle_f32x4::<0xdd>(b[j + 8], b[j + 12]);
            out[j] = _mm512_shuffle_f32x4::<0x88>(even, even2);
            out[j + 4] = _mm512_shuffle_f32x4::<0x88>(odd, odd2);
            out[j + 8] = _mm512_shuffle_f32x4::<0xdd>(even, even2);
            out[j + 12] = _mm512_shuffle_f32x4::<0xdd>(odd, odd2);
        }
        for (c, line) in out.iter().enumerate().take(columns) {
            // SAFETY: the row exists, and masked lanes are not written.
            unsafe { _mm512_mask_storeu_ps(y.add(c * ldy), down, *line) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_arrives_and_nothing_else_changes() {
        for (rows, columns) in [(1, 1), (16, 16), (17, 3), (5, 33), (40, 50), (16, 1)] {
            let (ldx, ldy) = (columns + 3, rows + 2);
            let x: Vec<f32> = (0..rows * ldx).map(|i| i as f32).collect();
            let mut y = vec![-1.0; columns * ldy];
            transpose((rows, columns), (&x, ldx), (&mut y, ldy));
            for c in 0..columns {
                for r in 0..ldy {
                    let want = if r < rows { x[r * ldx + c] } else { -1.0 };
                    assert_eq!(y[c * ldy + r], want, "{rows} x {columns}: {r}, {c}");
                }
            }
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let mut z = vec![-1.0; columns * ldy];
            transpose((rows, columns), (&x, ldx), (&mut z, ldy));
            assert!(z.iter().zip(&y).all(|(z, y)| *z == f64::from(*y)));
        }
    }
}
