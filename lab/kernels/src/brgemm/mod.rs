//! Batch-reduce matrix product: the one routine under convolutions, dense layers and recurrent steps.
//!
//! C(i, j) = \[C(i, j)\] + sum over segments s, sum over p < k:  A\[s.a + i row + p column\] B\[s.b + p ldb + j\]
//!
//! A *segment* names where a block of A and a block of B begin, so a convolution needs neither im2col nor padding: its
//! segments are the pairs (source pixel, filter tap) that exist (Georganas et al., "High-Performance Deep Learning via a
//! Single Building Block", 2020).
//!
//! Each element is a sum of partial sums over at most [`DEPTH`] terms; each partial sum is one chain of fused
//! multiply-adds in ascending order of (s, p). So an element does not depend on the block or thread that it falls to, nor on
//! the width of the machine's vectors (processors without FMA round once more in each step).

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::Real;

/// Columns of a panel of packed B.
pub const PANEL: usize = 32;
/// Longest chain of additions before it is added to C: bounds rounding errors and keeps a panel of B in the cache.
pub const DEPTH: usize = 768;

/// Where one block of A and its block of B begin, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seg {
    /// Offset into A.
    pub a: usize,
    /// Offset into B.
    pub b: usize,
}

/// The left matrix.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a, R> {
    /// Its elements.
    pub data: &'a [R],
    /// From a row to the next.
    pub row: usize,
    /// From a column (of the summed dimension) to the next.
    pub column: usize,
}

/// The right matrix.
#[derive(Debug, Clone, Copy)]
pub enum Right<'a, R> {
    /// Row-major, `ldb` elements from a row to the next.
    Rows {
        /// Its elements.
        data: &'a [R],
        /// From a row to the next.
        ldb: usize,
    },
    /// As [`pack`] makes it: panels of [`PANEL`] columns, `panel` elements from one to the next.
    Panels {
        /// Its elements.
        data: &'a [R],
        /// From a panel to the next.
        panel: usize,
    },
}

/// What is done with an element when its sum is complete.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a, R> {
    /// C's old values are part of the sum.
    pub add: bool,
    /// Added to each row.
    pub bias: Option<&'a [R]>,
    /// y = max(z, slope z): 1 leaves z as it is, 0 is ReLU.
    pub slope: R,
}

impl<R: Real> Finish<'_, R> {
    /// C = A B.
    pub const fn set() -> Self {
        Self { add: false, bias: None, slope: R::ONE }
    }

    /// C += A B.
    pub const fn add() -> Self {
        Self { add: true, bias: None, slope: R::ONE }
    }
}

/// `m` x `n` elements of C, `ldc` from a row to the next, sums of `k` terms for each segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// Terms of a segment.
    pub k: usize,
    /// From a row of C to the next.
    pub ldc: usize,
}

/// One call of a register kernel: a block of C, at most [`PANEL`] wide, and a partial sum.
pub struct Block<'a, R> {
    m: usize,
    n: usize,
    k: usize,
    segs: &'a [Seg],
    row: usize,
    column: usize,
    ldb: usize,
    ldc: usize,
    add: bool,
    /// With the last partial sum.
    finish: Option<(Option<&'a [R]>, R)>,
}

/// Element types that have a register kernel: `f32` and `f64`.
pub trait Element: Real {
    /// Computes one block.
    ///
    /// # Safety
    /// Every element that the block names lies inside of its allocation; C is not read or written by others.
    unsafe fn block(block: &Block<'_, Self>, a: *const Self, b: *const Self, c: *mut Self);

    /// Turns a matrix: y(c, r) = x(r, c).
    ///
    /// # Safety
    /// `(rows, columns)` elements exist at `x`, as many in `columns` rows at `y`, and nobody else uses the latter.
    #[doc(hidden)]
    unsafe fn transpose(size: (usize, usize), x: (*const Self, usize), y: (*mut Self, usize)) {
        // SAFETY: as the caller promises.
        unsafe { crate::transpose::portable(size, x, y) }
    }
}

impl Element for f64 {
    unsafe fn block(block: &Block<'_, Self>, a: *const Self, b: *const Self, c: *mut Self) {
        // SAFETY: as the caller promises.
        unsafe { portable::block(block, a, b, c) }
    }
}

impl Element for f32 {
    unsafe fn transpose(size: (usize, usize), x: (*const f32, usize), y: (*mut f32, usize)) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F; the rest as the caller promises.
            return unsafe { crate::transpose::avx512(size, x, y) };
        }
        // SAFETY: as the caller promises.
        unsafe { crate::transpose::portable(size, x, y) }
    }

    unsafe fn block(block: &Block<'_, Self>, a: *const Self, b: *const Self, c: *mut Self) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has AVX-512F; the rest as the caller promises.
                return unsafe { x86::avx512(block, a, b, c) };
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                // SAFETY: the processor has AVX2 and FMA; the rest as the caller promises.
                return unsafe { x86::avx2(block, a, b, c) };
            }
        }
        // SAFETY: as the caller promises.
        unsafe { portable::block(block, a, b, c) }
    }
}

/// C = A B in the sense of the module, with bias and activation when the sum is complete.
///
/// # Panics
/// When a segment, the bias or C names elements that do not exist.
pub fn product<R: Element>(
    shape: Shape,
    segs: &[Seg],
    a: Left<'_, R>,
    b: Right<'_, R>,
    c: &mut [R],
    finish: Finish<'_, R>,
) {
    let Shape { m, n, ldc, .. } = shape;
    assert!(n <= ldc || m <= 1, "brgemm: rows of C overlap");
    assert!(m == 0 || n == 0 || (m - 1) * ldc + n <= c.len(), "brgemm: C is too short");
    // SAFETY: C is borrowed exclusively and long enough, as just seen.
    unsafe { product_raw(shape, segs, a, b, c.as_mut_ptr(), finish) }
}

/// [`product`] for a C that several threads write different parts of.
///
/// # Safety
/// The elements of C that `shape` names exist and nobody else reads or writes them meanwhile.
///
/// # Panics
/// When a segment or the bias names elements that do not exist.
pub(crate) unsafe fn product_raw<R: Element>(
    shape: Shape,
    segs: &[Seg],
    a: Left<'_, R>,
    b: Right<'_, R>,
    c: *mut R,
    finish: Finish<'_, R>,
) {
    let Shape { m, n, k, ldc } = shape;
    if m == 0 || n == 0 {
        return;
    }
    let (data, ldb, panel) = match b {
        Right::Rows { data, ldb } => (data, ldb, PANEL),
        Right::Panels { data, panel } => (data, PANEL, panel),
    };
    let panels = n.div_ceil(PANEL);
    if let Some(bias) = finish.bias {
        assert_eq!(bias.len(), n, "brgemm: bias");
    }
    if k > 0 {
        let last_a = (m - 1) * a.row + (k - 1) * a.column;
        let last_b = match b {
            Right::Rows { .. } => (k - 1) * ldb + n - 1,
            Right::Panels { .. } => (panels - 1) * panel + k * PANEL - 1,
        };
        let (most_a, most_b) = segs.iter().fold((0, 0), |(x, y), s| (x.max(s.a), y.max(s.b)));
        assert!(
            segs.is_empty() || (most_a + last_a < a.data.len() && most_b + last_b < data.len()),
            "brgemm: a segment lies outside of its matrix"
        );
    }
    let part = |segs: &[Seg], k: usize, (from_a, from_b): (usize, usize), first: bool, last: bool| {
        for p in 0..panels {
            let j = p * PANEL;
            let width = PANEL.min(n - j);
            let block = Block {
                m,
                n: width,
                k,
                segs,
                row: a.row,
                column: a.column,
                ldb,
                ldc,
                add: finish.add || !first,
                finish: last.then(|| (finish.bias.map(|bias| &bias[j..j + width]), finish.slope)),
            };
            // SAFETY: the largest offsets were checked above; C as the caller promises.
            unsafe { R::block(&block, a.data.as_ptr().add(from_a), data.as_ptr().add(from_b + p * panel), c.add(j)) };
        }
    };
    if segs.is_empty() || k == 0 {
        // Nothing to add, but C is set, biased and activated.
        return part(&[], 0, (0, 0), true, true);
    }
    if k <= DEPTH {
        let group = DEPTH / k;
        let parts = segs.len().div_ceil(group);
        for (i, segs) in segs.chunks(group).enumerate() {
            part(segs, k, (0, 0), i == 0, i + 1 == parts);
        }
    } else {
        let parts = k.div_ceil(DEPTH);
        for (s, seg) in segs.iter().enumerate() {
            for i in 0..parts {
                let from = i * DEPTH;
                let last = s + 1 == segs.len() && i + 1 == parts;
                let start = (from * a.column, from * ldb);
                part(std::slice::from_ref(seg), DEPTH.min(k - from), start, s == 0 && i == 0, last);
            }
        }
    }
}

/// Packs a `k` x `n` matrix, whose element (p, j) is `at(p, j)`, into panels of [`PANEL`] columns filled up with zeros; returns
/// nothing but writes `panels(n) * k * PANEL` elements: panel q, row p, column j at `(q k + p) PANEL + j`.
///
/// # Panics
/// When `out` has another length.
pub fn pack<R: Real>(k: usize, n: usize, at: impl Fn(usize, usize) -> R, out: &mut [R]) {
    assert_eq!(out.len(), packed_len(k, n), "pack: length");
    for (q, panel) in out.chunks_mut((k * PANEL).max(1)).enumerate() {
        for (p, row) in panel.chunks_mut(PANEL).enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                *x = if q * PANEL + j < n { at(p, q * PANEL + j) } else { R::default() };
            }
        }
    }
}

/// Elements of a packed `k` x `n` matrix.
pub const fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(PANEL) * k * PANEL
}

#[cfg(test)]
mod tests;
