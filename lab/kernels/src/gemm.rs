//! A small matrix product for matrices that fit into the cache (a block of an LSTM's rows).

use crate::Real;

/// Rows and columns of the block that is kept in registers.
const MR: usize = 4;
const NR: usize = 16;

/// A strided read-only matrix: element (i, j) lies at `i * row + j * column`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, R> {
    pub data: &'a [R],
    pub row: usize,
    pub column: usize,
}

/// C (m x n, row stride `ldc`) += A (m x k) B (k x n, row-major with row stride `ldb`).
///
/// Each element of C is summed over k in ascending order, whatever the block it falls into.
#[inline(always)]
pub(crate) fn add_product<R: Real>(
    (m, n, k): (usize, usize, usize),
    a: View<'_, R>,
    b: &[R],
    ldb: usize,
    c: &mut [R],
    ldc: usize,
) {
    let mut i = 0;
    while i + MR <= m {
        block::<R, MR>(i, (n, k), a, b, ldb, c, ldc);
        i += MR;
    }
    while i < m {
        block::<R, 1>(i, (n, k), a, b, ldb, c, ldc);
        i += 1;
    }
}

#[inline(always)]
fn block<R: Real, const ROWS: usize>(
    i: usize,
    (n, k): (usize, usize),
    a: View<'_, R>,
    b: &[R],
    ldb: usize,
    c: &mut [R],
    ldc: usize,
) {
    let mut j = 0;
    while j + NR <= n {
        let mut sum = [[R::default(); NR]; ROWS];
        for (r, row) in sum.iter_mut().enumerate() {
            row.copy_from_slice(&c[(i + r) * ldc + j..][..NR]);
        }
        for p in 0..k {
            let line: &[R; NR] = b[p * ldb + j..][..NR].try_into().unwrap_or_else(|_| unreachable!());
            for (r, row) in sum.iter_mut().enumerate() {
                let factor = a.data[(i + r) * a.row + p * a.column];
                for (s, x) in row.iter_mut().zip(line) {
                    *s += factor * *x;
                }
            }
        }
        for (r, row) in sum.iter().enumerate() {
            c[(i + r) * ldc + j..][..NR].copy_from_slice(row);
        }
        j += NR;
    }
    if j < n {
        for r in 0..ROWS {
            for p in 0..k {
                let factor = a.data[(i + r) * a.row + p * a.column];
                for (s, x) in c[(i + r) * ldc + j..(i + r) * ldc + n].iter_mut().zip(&b[p * ldb + j..p * ldb + n]) {
                    *s += factor * *x;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Work, wide};

    struct Product<'a>((usize, usize, usize), View<'a, f32>, &'a [f32], &'a mut [f32]);

    impl Work for Product<'_> {
        #[inline(always)]
        fn run(self) {
            let n = self.0.1;
            add_product(self.0, self.1, self.2, n, self.3, n);
        }
    }

    #[test]
    fn equals_the_triple_loop_bit_for_bit() {
        for (m, n, k) in [(1, 1, 1), (4, 16, 3), (5, 33, 7), (9, 15, 20), (3, 48, 1), (8, 16, 0)] {
            let a: Vec<f32> = (0..m * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| ((i * 53 % 97) as f32 - 48.0) / 11.0).collect();
            let start: Vec<f32> = (0..m * n).map(|i| i as f32 / 3.0).collect();
            let mut want = start.clone();
            for i in 0..m {
                for j in 0..n {
                    for p in 0..k {
                        want[i * n + j] += a[i * k + p] * b[p * n + j];
                    }
                }
            }
            let mut plain = start.clone();
            add_product((m, n, k), View { data: &a, row: k, column: 1 }, &b, n, &mut plain, n);
            assert_eq!(plain, want, "{m} {n} {k}");
            let transposed: Vec<f32> = (0..m * k).map(|i| a[i % m * k + i / m]).collect();
            let mut vector = start.clone();
            wide(Product((m, n, k), View { data: &transposed, row: 1, column: m }, &b, &mut vector));
            assert_eq!(vector, want, "{m} {n} {k} transposed, wide");
        }
    }
}
