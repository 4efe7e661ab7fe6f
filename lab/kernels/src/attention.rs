//! Scaled dot-product attention with several heads (Vaswani et al. 2017).
//!
//! softmax(Q Kᵀ / sqrt(d)) V for each sequence and head, with d = width / heads. A task takes one sequence's head through a
//! block of queries at a time, so the table of weights never exists as a whole: the way back computes it again from each row's
//! maximum and sum (Dao et al. 2022).

use crate::{
    brgemm::{self, Element, Finish, Left, PANEL, Right, Seg, Shape},
    dispatch::{Work, wide},
    dropout,
    layer_norm::sum,
    par::{self, Shared},
    pool::Buf,
    softmax,
    transpose::transpose,
};

/// Queries of a block.
const ROWS: usize = 64;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Sequences.
    pub batch: usize,
    /// Queries of a sequence.
    pub queries: usize,
    /// Keys of a sequence.
    pub keys: usize,
    /// Heads.
    pub heads: usize,
    /// Values of a query, key or value: all heads.
    pub width: usize,
}

impl Sizes {
    /// Values of a head.
    fn head(&self) -> usize {
        self.width / self.heads
    }

    /// Rows of weights: one for each sequence, head and query.
    pub fn rows(&self) -> usize {
        self.batch * self.heads * self.queries
    }

    /// Words that hold the dropout's bits: each row begins a word.
    pub fn words(&self) -> usize {
        self.rows() * dropout::words(self.keys)
    }
}

/// Columns `first..first + width` of a table with `row` values a row.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a, R> {
    /// The table.
    pub data: &'a [R],
    /// Values of a row.
    pub row: usize,
    /// The first column.
    pub first: usize,
}

/// Queries, keys and values: rows are the sequences' steps.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a, R> {
    /// `(batch, queries)` rows.
    pub query: Columns<'a, R>,
    /// `(batch, keys)` rows.
    pub key: Columns<'a, R>,
    /// `(batch, keys)` rows.
    pub value: Columns<'a, R>,
}

/// What may be looked at, and what is dropped.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a, R> {
    /// A query sees the keys up to its own position only.
    pub causal: bool,
    /// 0 or −∞ for each sequence's keys; empty: all may be seen.
    pub hidden: &'a [R],
    /// Bits of the weights that are kept, see [`Sizes::words`], and the probability of the others; empty: nothing is dropped.
    pub kept: &'a [u32],
    /// That probability.
    pub drop: f64,
}

/// Where the gradients go, each in the place of its input; keys and values are added to.
pub struct Output<'a, R> {
    /// Holds the queries' gradient, and that of keys and values if they share its table.
    pub query: (&'a mut [R], usize, usize),
    /// The table of keys and values where it is another one; else empty.
    pub other: &'a mut [R],
    /// Row length and first column of the keys.
    pub key: (usize, usize),
    /// Row length and first column of the values.
    pub value: (usize, usize),
}

fn check<R: Element>(s: Sizes, x: &Input<'_, R>, limits: &Limits<'_, R>, stats: usize) {
    assert!(s.heads > 0 && s.width.is_multiple_of(s.heads), "attention: heads of equal width");
    for (columns, rows) in [(x.query, s.queries), (x.key, s.keys), (x.value, s.keys)] {
        let fits = columns.first + s.width <= columns.row && columns.data.len() >= s.batch * rows * columns.row;
        assert!(fits, "attention: elements of queries, keys or values");
    }
    assert!(limits.hidden.is_empty() || limits.hidden.len() == s.batch * s.keys, "attention: one mark for each key");
    assert!(limits.kept.is_empty() || limits.kept.len() == s.words(), "attention: bits of the weights");
    assert_eq!(stats, 2 * s.rows(), "attention: two numbers for each row");
}

/// y, `(batch, queries, width)`; `stats` gets two numbers for each row of weights.
///
/// # Panics
/// When the lengths do not fit.
pub fn forward<R: Element>(s: Sizes, x: Input<'_, R>, limits: Limits<'_, R>, y: &mut [R], stats: &mut [R]) {
    check(s, &x, &limits, stats.len());
    assert_eq!(y.len(), s.batch * s.queries * s.width, "attention: elements of the output");
    if s.keys == 0 || s.width == 0 {
        return y.fill(R::default());
    }
    let (out, keep) = (Shared::new(y), Shared::new(stats));
    par::each(s.batch * s.heads, |task| {
        let head = Head::new(s, task, &limits);
        let mut keys = Buf::any(brgemm::packed_len(s.head(), s.keys));
        head.turn(x.key, &mut keys);
        let mut scores = Buf::any(ROWS.min(s.queries) * s.keys);
        for first in (0..s.queries).step_by(ROWS) {
            let block = head.block(first);
            block.products(x.query, s.queries, &keys, &mut scores);
            // SAFETY: each row's numbers are written by one call.
            let stats = unsafe { keep.part(2 * (task * s.queries + first), 2 * block.rows) };
            wide(Weigh { block: &block, z: &mut scores, stats });
            let place = out.at((head.sequence * s.queries + first) * s.width + head.first);
            let left = Left { data: &scores, row: s.keys, column: 1 };
            let seg = Seg { a: 0, b: head.sequence * s.keys * x.value.row + x.value.first + head.first };
            let right = Right::Rows { data: x.value.data, ldb: x.value.row };
            let shape = Shape { m: block.rows, n: s.head(), k: block.seen, ldc: s.width };
            // SAFETY: each head's columns of a sequence are written by one call and lie inside of y.
            unsafe { brgemm::product_raw(shape, &[seg], left, right, place, Finish::set()) };
        }
    });
}

/// The gradients of queries, keys and values, given that of y.
///
/// # Panics
/// When the lengths do not fit.
pub fn backward<R: Element>(
    s: Sizes,
    x: Input<'_, R>,
    limits: Limits<'_, R>,
    dy: &[R],
    stats: &[R],
    out: Output<'_, R>,
) {
    check(s, &x, &limits, stats.len());
    assert_eq!(dy.len(), s.batch * s.queries * s.width, "attention: elements of the gradient");
    let (table, row, first) = out.query;
    assert!(table.len() >= s.batch * s.queries * row && first + s.width <= row, "attention: gradient of the queries");
    let alone = !out.other.is_empty();
    let rows = if alone { out.other.len() } else { table.len() };
    for (row, first) in [out.key, out.value] {
        assert!(rows >= s.batch * s.keys * row && first + s.width <= row, "attention: gradient of keys or values");
    }
    if s.keys == 0 || s.width == 0 {
        return;
    }
    let to_query = Shared::new(table);
    let to_other = if alone { Shared::new(out.other) } else { to_query.again() };
    par::each(s.batch * s.heads, |task| {
        let head = Head::new(s, task, &limits);
        let size = brgemm::packed_len(s.head(), s.keys);
        let (mut keys, mut values) = (Buf::any(size), Buf::any(size));
        head.turn(x.key, &mut keys);
        head.turn(x.value, &mut values);
        let (mut p, mut d) = (Buf::any(ROWS.min(s.queries) * s.keys), Buf::any(ROWS.min(s.queries) * s.keys));
        let gradient = Columns { data: dy, row: s.width, first: 0 };
        for from in (0..s.queries).step_by(ROWS) {
            let block = head.block(from);
            block.products(x.query, s.queries, &keys, &mut p);
            block.products(gradient, s.queries, &values, &mut d);
            wide(Pull { block: &block, p: &mut p, d: &mut d, stats: &stats[2 * (task * s.queries + from)..] });
            let query = (head.sequence * s.queries + from) * row + first + head.first;
            let at = |columns: (usize, usize)| head.sequence * s.keys * columns.0 + columns.1 + head.first;
            let b = |c: Columns<'_, R>, rows: usize, from: usize| {
                (head.sequence * rows + from) * c.row + c.first + head.first
            };
            let turned = |data| Left { data, row: 1, column: s.keys };
            let by_keys = |ldc| Shape { m: block.seen, n: s.head(), k: block.rows, ldc };
            let by_queries = Shape { m: block.rows, n: s.head(), k: block.seen, ldc: row };
            // SAFETY: each head's columns of a sequence are written by one call, which does one after the other, and lie inside of
            // the tables.
            unsafe {
                let seg = Seg { a: 0, b: b(gradient, s.queries, from) };
                let right = Right::Rows { data: dy, ldb: s.width };
                brgemm::product_raw(
                    by_keys(out.value.0),
                    &[seg],
                    turned(&p),
                    right,
                    to_other.at(at(out.value)),
                    Finish::add(),
                );
                let seg = Seg { a: 0, b: b(x.query, s.queries, from) };
                let right = Right::Rows { data: x.query.data, ldb: x.query.row };
                brgemm::product_raw(
                    by_keys(out.key.0),
                    &[seg],
                    turned(&d),
                    right,
                    to_other.at(at(out.key)),
                    Finish::add(),
                );
                let seg = Seg { a: 0, b: b(x.key, s.keys, 0) };
                let right = Right::Rows { data: x.key.data, ldb: x.key.row };
                let left = Left { data: &d, row: s.keys, column: 1 };
                brgemm::product_raw(by_queries, &[seg], left, right, to_query.at(query), Finish::set());
            }
        }
    });
}

/// One head of one sequence.
struct Head<'a, R> {
    s: Sizes,
    task: usize,
    sequence: usize,
    /// Its first column.
    first: usize,
    limits: &'a Limits<'a, R>,
}

impl<'a, R: Element> Head<'a, R> {
    fn new(s: Sizes, task: usize, limits: &'a Limits<'a, R>) -> Self {
        Self { s, task, sequence: task / s.heads, first: task % s.heads * s.head(), limits }
    }

    /// Keys or values as the panels of a matrix with a row for each of a head's values.
    fn turn(&self, x: Columns<'_, R>, out: &mut [R]) {
        let (s, size) = (self.s, self.s.head() * PANEL);
        for (panel, out) in out.chunks_mut(size).enumerate() {
            let from = panel * PANEL;
            let n = PANEL.min(s.keys - from);
            if n < PANEL {
                out.fill(R::default());
            }
            let at = (self.sequence * s.keys + from) * x.row + x.first + self.first;
            transpose((n, s.head()), (&x.data[at..], x.row), (out, PANEL));
        }
    }

    fn block(&self, from: usize) -> Block<'_, R> {
        let (s, limits) = (self.s, self.limits);
        let rows = ROWS.min(s.queries - from);
        let seen = if limits.causal { s.keys.min(from + rows) } else { s.keys };
        let hidden = if limits.hidden.is_empty() { &[] } else { &limits.hidden[self.sequence * s.keys..][..s.keys] };
        let words = dropout::words(s.keys);
        let kept = if limits.kept.is_empty() {
            &[]
        } else {
            &limits.kept[(self.task * s.queries + from) * words..][..rows * words]
        };
        Block {
            s,
            sequence: self.sequence,
            first: self.first,
            from,
            rows,
            seen,
            causal: limits.causal,
            hidden,
            kept,
            scale: R::of(1.0 / (s.head() as f64).sqrt()),
            left: if limits.kept.is_empty() { R::ONE } else { dropout::scale(limits.drop) },
        }
    }
}

/// Some queries of a head.
struct Block<'a, R> {
    s: Sizes,
    sequence: usize,
    first: usize,
    from: usize,
    rows: usize,
    /// Keys that one of them sees.
    seen: usize,
    causal: bool,
    hidden: &'a [R],
    kept: &'a [u32],
    scale: R,
    left: R,
}

impl<R: Element> Block<'_, R> {
    /// Products of the block's rows of `x` with all keys (or values).
    fn products(&self, x: Columns<'_, R>, rows: usize, panels: &[R], z: &mut [R]) {
        let a = (self.sequence * rows + self.from) * x.row + x.first + self.first;
        let left = Left { data: x.data, row: x.row, column: 1 };
        let right = Right::Panels { data: panels, panel: self.s.head() * PANEL };
        let shape = Shape { m: self.rows, n: self.seen, k: self.s.head(), ldc: self.s.keys };
        brgemm::product(shape, &[Seg { a, b: 0 }], left, right, z, Finish::set());
    }

    /// Keys that row `r` sees.
    #[inline(always)]
    fn sees(&self, r: usize) -> usize {
        if self.causal { self.s.keys.min(self.from + r + 1) } else { self.s.keys }
    }
}

/// Products become weights.
struct Weigh<'a, R> {
    block: &'a Block<'a, R>,
    z: &'a mut [R],
    stats: &'a mut [R],
}

impl<R: Element> Work for Weigh<'_, R> {
    #[inline(always)]
    fn run(self) {
        let block = self.block;
        for (r, (z, stats)) in self.z.chunks_exact_mut(block.s.keys).zip(self.stats.chunks_exact_mut(2)).enumerate() {
            let (z, beyond) = z[..block.seen].split_at_mut(block.sees(r));
            hide(z, block.hidden);
            let (top, inverse) = softmax::row(z, block.scale);
            stats.copy_from_slice(&[top, inverse]);
            if !block.kept.is_empty() {
                drop_out(z, &block.kept[r * dropout::words(block.s.keys)..], block.left);
            }
            beyond.fill(R::default());
        }
    }
}

#[inline(always)]
fn hide<R: Element>(z: &mut [R], hidden: &[R]) {
    z.iter_mut().zip(hidden).for_each(|(z, hidden)| *z += *hidden);
}

#[inline(always)]
fn drop_out<R: Element>(z: &mut [R], kept: &[u32], left: R) {
    for (z, word) in z.chunks_mut(dropout::WORD).zip(kept) {
        z.iter_mut().enumerate().for_each(|(j, z)| *z = *z * dropout::factor(*word, j, left));
    }
}

/// Products of queries and keys become weights (as they were used: after the dropout), products of gradient and values become
/// the gradient of the former products.
struct Pull<'a, R> {
    block: &'a Block<'a, R>,
    p: &'a mut [R],
    d: &'a mut [R],
    stats: &'a [R],
}

impl<R: Element> Work for Pull<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (block, n) = (self.block, self.block.s.keys);
        let rows = self.p.chunks_exact_mut(n).zip(self.d.chunks_exact_mut(n)).zip(self.stats.chunks_exact(2));
        for (r, ((p, d), stats)) in rows.take(block.rows).enumerate() {
            let (p, p_beyond) = p[..block.seen].split_at_mut(block.sees(r));
            let (d, d_beyond) = d[..block.seen].split_at_mut(block.sees(r));
            let (top, inverse, scale) = (stats[0], stats[1], block.scale);
            hide(p, block.hidden);
            p.iter_mut().for_each(|p| *p = (*p * scale - top).exp() * inverse);
            if block.kept.is_empty() {
                let total = sum(p.len(), |i| p[i] * d[i]);
                d.iter_mut().zip(&*p).for_each(|(d, p)| *d = *p * (*d - total) * scale);
            } else {
                let kept = &block.kept[r * dropout::words(n)..];
                drop_out(d, kept, block.left);
                let total = sum(p.len(), |i| p[i] * d[i]);
                d.iter_mut().zip(&*p).for_each(|(d, p)| *d = *p * (*d - total) * scale);
                drop_out(p, kept, block.left);
            }
            p_beyond.fill(R::default());
            d_beyond.fill(R::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// One loop after the other, in `f64`: the output for packed queries, keys and values.
    fn slow(s: Sizes, x: &[f64], causal: bool, hidden: &[f64], kept: &[u32], drop: f64) -> Vec<f64> {
        let (d, f) = (s.width / s.heads, s.width);
        let mut y = vec![0.0; s.batch * s.queries * f];
        for task in 0..s.batch * s.heads {
            let (b, h) = (task / s.heads, task % s.heads);
            let at = |t: usize, which: usize, j: usize| x[(b * s.keys + t) * 3 * f + which * f + h * d + j];
            for t in 0..s.queries {
                let score = |k: usize| -> f64 {
                    let dot: f64 = (0..d).map(|j| at(t, 0, j) * at(k, 1, j)).sum();
                    let seen = !(causal && k > t) && (hidden.is_empty() || hidden[b * s.keys + k] == 0.0);
                    if seen { (dot / (d as f64).sqrt()).exp() } else { 0.0 }
                };
                let total: f64 = (0..s.keys).map(score).sum();
                for k in 0..s.keys {
                    let row = (task * s.queries + t) * dropout::words(s.keys);
                    let stays = kept.is_empty() || kept[row + k / 32] >> (k % 32) & 1 == 1;
                    let p = if stays && total > 0.0 { score(k) / total / (1.0 - drop) } else { 0.0 };
                    for j in 0..d {
                        y[(b * s.queries + t) * f + h * d + j] += p * at(k, 2, j);
                    }
                }
            }
        }
        y
    }

    fn fast<R: Element>(s: Sizes, x: &[R], limits: Limits<'_, R>, dy: &[R]) -> (Vec<R>, Vec<R>) {
        let f = s.width;
        let columns = |first| Columns { data: x, row: 3 * f, first };
        let input = Input { query: columns(0), key: columns(f), value: columns(2 * f) };
        let (mut y, mut stats) = (vec![R::default(); dy.len()], vec![R::default(); 2 * s.rows()]);
        forward(s, input, limits, &mut y, &mut stats);
        let mut dx = vec![R::default(); x.len()];
        let out = Output { query: (&mut dx, 3 * f, 0), other: &mut [], key: (3 * f, f), value: (3 * f, 2 * f) };
        backward(s, input, limits, dy, &stats, out);
        (y, dx)
    }

    #[test]
    fn agrees_with_the_sums_in_f64_and_with_central_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for (batch, steps, heads, width, causal, lengths, drop) in [
            (1, 1, 1, 1, false, false, 0.0),
            (2, 5, 2, 6, false, false, 0.0),
            (2, 70, 2, 8, true, false, 0.0),
            (3, 40, 1, 5, false, true, 0.3),
            (2, 130, 3, 9, true, true, 0.2),
        ] {
            let s = Sizes { batch, queries: steps, keys: steps, heads, width };
            let x: Vec<f64> = (0..batch * steps * 3 * width).map(|_| rng.gen_range(-1.0..1.0)).collect();
            let dy: Vec<f64> = (0..batch * steps * width).map(|_| rng.gen_range(-1.0..1.0)).collect();
            let hidden: Vec<f64> = if lengths {
                (0..batch * steps)
                    .map(|i| if i % steps > steps / 2 + i / steps { f64::NEG_INFINITY } else { 0.0 })
                    .collect()
            } else {
                Vec::new()
            };
            let mut kept = vec![0; if drop > 0.0 { s.words() } else { 0 }];
            dropout::draw(&[3; 32], drop, &mut kept);
            // The draws are in steps of 1/65536.
            let limits = Limits { causal, hidden: &hidden, kept: &kept, drop };
            let (y, dx) = fast(s, &x, limits, &dy);
            let want = slow(s, &x, causal, &hidden, &kept, drop);
            assert!(y.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{s:?}");
            let narrow = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
            let hidden_narrow = narrow(&hidden);
            let limits = Limits { causal, hidden: &hidden_narrow, kept: &kept, drop };
            let (single, d_single) = fast(s, &narrow(&x), limits, &narrow(&dy));
            assert!(single.iter().zip(&want).all(|(a, b)| (f64::from(*a) - b).abs() < 2e-6), "{s:?}");
            assert!(d_single.iter().zip(&dx).all(|(a, b)| (f64::from(*a) - b).abs() < 2e-5), "{s:?}");
            let loss = |x: &[f64]| -> f64 {
                slow(s, x, causal, &hidden, &kept, drop).iter().zip(&dy).map(|(y, d)| y * d).sum()
            };
            for k in (0..x.len()).step_by(x.len().div_ceil(12)) {
                let (mut up, mut down) = (x.clone(), x.clone());
                up[k] += 1e-5;
                down[k] -= 1e-5;
                let numeric = (loss(&up) - loss(&down)) / 2e-5;
                assert!((dx[k] - numeric).abs() < 1e-8, "{s:?} x[{k}]: {} {numeric}", dx[k]);
            }
        }
    }
}
