//! A step's element-wise part, for all rows of a block: sixteen units at a time, so that the compiler makes vectors of them
//! whatever it knows about the slices.

use super::{Cell, Sizes};
use crate::{Real, dispatch::FusedWork};

/// Units that are computed together.
const LANES: usize = 16;

type Lanes<R> = [R; LANES];

/// Units `j..j + n` of a slice; `n` is [`LANES`] if `FULL`.
#[inline(always)]
fn get<R: Real, const FULL: bool>(x: &[R], j: usize, n: usize) -> Lanes<R> {
    let mut out = [R::default(); LANES];
    if FULL {
        out.copy_from_slice(&x[j..j + LANES]);
    } else {
        out[..n].copy_from_slice(&x[j..j + n]);
    }
    out
}

#[inline(always)]
fn put<R: Real, const FULL: bool>(x: &mut [R], j: usize, n: usize, values: Lanes<R>) {
    if FULL {
        x[j..j + LANES].copy_from_slice(&values);
    } else {
        x[j..j + n].copy_from_slice(&values[..n]);
    }
}

/// The same function of each unit.
macro_rules! lanes {
    (|$l:ident| $body:expr) => {{
        let mut out = [R::default(); LANES];
        for $l in 0..LANES {
            out[$l] = $body;
        }
        out
    }};
}

/// Runs a function generic over `FULL` for all units of a row.
macro_rules! units {
    ($h:expr, $name:ident::<$fma:ident>($($arg:expr),*)) => {{
        let mut j = 0;
        while j + LANES <= $h {
            $name::<R, $fma, true>($($arg,)* j, LANES);
            j += LANES;
        }
        if j < $h {
            $name::<R, $fma, false>($($arg,)* j, $h - j);
        }
    }};
}

/// From products to gates and the next state, for a block of rows.
pub(super) struct Forward<'a, R> {
    pub sizes: Sizes,
    /// The products, `[row][part][unit]`.
    pub gates: &'a mut [R],
    /// `[row][h, 1, x, 1]` of this step.
    pub joined: &'a [R],
    /// The same of the next step, whose h is written.
    pub next: &'a mut [R],
    /// c before the step.
    pub before: &'a [R],
    /// c behind it.
    pub cells: &'a mut [R],
    /// tanh of that.
    pub squashed: &'a mut [R],
    /// h goes here as well, `stride` from a row to the next.
    pub y: &'a mut [R],
    pub stride: usize,
}

impl<R: Real> FusedWork for Forward<'_, R> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (h, width, joined) = (self.sizes.hidden, self.sizes.width(), self.sizes.joined());
        for r in 0..self.joined.len() / joined {
            let gates = &mut self.gates[r * width..(r + 1) * width];
            let old = &self.joined[r * joined..r * joined + h];
            let new = &mut self.next[r * joined..r * joined + h];
            let y = &mut self.y[r * self.stride..r * self.stride + h];
            match self.sizes.cell {
                Cell::Tanh => units!(h, tanh::<FMA>(gates, new, y)),
                Cell::Relu => units!(h, relu::<FMA>(gates, new, y)),
                Cell::Gru => units!(h, gru::<FMA>(gates, old, new, y)),
                Cell::Lstm => {
                    let (before, cells) = (&self.before[r * h..(r + 1) * h], &mut self.cells[r * h..(r + 1) * h]);
                    let squashed = &mut self.squashed[r * h..(r + 1) * h];
                    units!(h, lstm::<FMA>(gates, before, cells, squashed, new, y));
                }
            }
        }
    }
}

#[inline(always)]
fn tanh<R: Real, const FMA: bool, const FULL: bool>(gates: &mut [R], new: &mut [R], y: &mut [R], j: usize, n: usize) {
    let z = get::<R, FULL>(gates, j, n);
    let out = lanes!(|l| z[l].tanh_with::<FMA>());
    put::<R, FULL>(gates, j, n, out);
    put::<R, FULL>(new, j, n, out);
    put::<R, FULL>(y, j, n, out);
}

#[inline(always)]
fn relu<R: Real, const FMA: bool, const FULL: bool>(gates: &mut [R], new: &mut [R], y: &mut [R], j: usize, n: usize) {
    let z = get::<R, FULL>(gates, j, n);
    // NaN stays.
    let out = lanes!(|l| if z[l] <= R::default() { R::default() } else { z[l] });
    put::<R, FULL>(gates, j, n, out);
    put::<R, FULL>(new, j, n, out);
    put::<R, FULL>(y, j, n, out);
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn lstm<R: Real, const FMA: bool, const FULL: bool>(
    gates: &mut [R],
    before: &[R],
    cells: &mut [R],
    squashed: &mut [R],
    new: &mut [R],
    y: &mut [R],
    j: usize,
    n: usize,
) {
    let h = before.len();
    let (i, f) = (get::<R, FULL>(gates, j, n), get::<R, FULL>(gates, h + j, n));
    let (g, o) = (get::<R, FULL>(gates, 2 * h + j, n), get::<R, FULL>(gates, 3 * h + j, n));
    let c = get::<R, FULL>(before, j, n);
    let i = lanes!(|l| i[l].sigmoid_with::<FMA>());
    let f = lanes!(|l| f[l].sigmoid_with::<FMA>());
    let g = lanes!(|l| g[l].tanh_with::<FMA>());
    let o = lanes!(|l| o[l].sigmoid_with::<FMA>());
    let c = lanes!(|l| f[l].madd::<FMA>(c[l], i[l] * g[l]));
    let t = lanes!(|l| c[l].tanh_with::<FMA>());
    let out = lanes!(|l| o[l] * t[l]);
    put::<R, FULL>(gates, j, n, i);
    put::<R, FULL>(gates, h + j, n, f);
    put::<R, FULL>(gates, 2 * h + j, n, g);
    put::<R, FULL>(gates, 3 * h + j, n, o);
    put::<R, FULL>(cells, j, n, c);
    put::<R, FULL>(squashed, j, n, t);
    put::<R, FULL>(new, j, n, out);
    put::<R, FULL>(y, j, n, out);
}

#[inline(always)]
fn gru<R: Real, const FMA: bool, const FULL: bool>(
    gates: &mut [R],
    old: &[R],
    new: &mut [R],
    y: &mut [R],
    j: usize,
    n: usize,
) {
    let h = old.len();
    let (r, z) = (get::<R, FULL>(gates, j, n), get::<R, FULL>(gates, h + j, n));
    let (x, past) = (get::<R, FULL>(gates, 2 * h + j, n), get::<R, FULL>(gates, 3 * h + j, n));
    let old = get::<R, FULL>(old, j, n);
    let r = lanes!(|l| r[l].sigmoid_with::<FMA>());
    let z = lanes!(|l| z[l].sigmoid_with::<FMA>());
    let c = lanes!(|l| r[l].madd::<FMA>(past[l], x[l]).tanh_with::<FMA>());
    let out = lanes!(|l| z[l].madd::<FMA>(old[l] - c[l], c[l]));
    put::<R, FULL>(gates, j, n, r);
    put::<R, FULL>(gates, h + j, n, z);
    put::<R, FULL>(gates, 2 * h + j, n, c);
    put::<R, FULL>(new, j, n, out);
    put::<R, FULL>(y, j, n, out);
}

/// From the gradients of h' and c' to those of the products (in place of the gates) and of what is carried to the step before.
pub(super) struct Backward<'a, R> {
    pub sizes: Sizes,
    pub gates: &'a mut [R],
    pub joined: &'a [R],
    pub before: &'a [R],
    pub squashed: &'a [R],
    /// dL/dh' from the step behind, `of_hidden` values from a row to the next.
    pub d_hidden: &'a [R],
    pub of_hidden: usize,
    /// dL/dh' from outside (may be empty), `stride` from a row to the next.
    pub d_y: &'a [R],
    pub stride: usize,
    /// What goes around the product: dL/dc of an LSTM, z dL/dh' of a GRU; from the step behind, then from this one.
    pub carry: &'a mut [R],
}

impl<R: Real> FusedWork for Backward<'_, R> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (h, width, joined) = (self.sizes.hidden, self.sizes.width(), self.sizes.joined());
        let none = [R::default(); LANES];
        for r in 0..self.joined.len() / joined {
            let gates = &mut self.gates[r * width..(r + 1) * width];
            let inner = &self.d_hidden[r * self.of_hidden..r * self.of_hidden + h];
            let outer = if self.d_y.is_empty() { &none[..0] } else { &self.d_y[r * self.stride..r * self.stride + h] };
            match self.sizes.cell {
                Cell::Tanh => units!(h, tanh_back::<FMA>(gates, inner, outer)),
                Cell::Relu => units!(h, relu_back::<FMA>(gates, inner, outer)),
                Cell::Gru => {
                    let old = &self.joined[r * joined..r * joined + h];
                    let carry = &mut self.carry[r * h..(r + 1) * h];
                    units!(h, gru_back::<FMA>(gates, old, inner, outer, carry));
                }
                Cell::Lstm => {
                    let (before, squashed) = (&self.before[r * h..(r + 1) * h], &self.squashed[r * h..(r + 1) * h]);
                    let carry = &mut self.carry[r * h..(r + 1) * h];
                    units!(h, lstm_back::<FMA>(gates, before, squashed, inner, outer, carry));
                }
            }
        }
    }
}

/// dL/dh' from inside and outside of the layer.
#[inline(always)]
fn sum<R: Real, const FULL: bool>(inner: &[R], outer: &[R], j: usize, n: usize) -> Lanes<R> {
    let inner = get::<R, FULL>(inner, j, n);
    if outer.is_empty() {
        return inner;
    }
    let outer = get::<R, FULL>(outer, j, n);
    lanes!(|l| inner[l] + outer[l])
}

#[inline(always)]
fn tanh_back<R: Real, const FMA: bool, const FULL: bool>(
    gates: &mut [R],
    inner: &[R],
    outer: &[R],
    j: usize,
    n: usize,
) {
    let (d, y) = (sum::<R, FULL>(inner, outer, j, n), get::<R, FULL>(gates, j, n));
    put::<R, FULL>(gates, j, n, lanes!(|l| d[l] * (R::ONE - y[l] * y[l])));
}

#[inline(always)]
fn relu_back<R: Real, const FMA: bool, const FULL: bool>(
    gates: &mut [R],
    inner: &[R],
    outer: &[R],
    j: usize,
    n: usize,
) {
    let (d, y) = (sum::<R, FULL>(inner, outer, j, n), get::<R, FULL>(gates, j, n));
    put::<R, FULL>(gates, j, n, lanes!(|l| if y[l] <= R::default() { R::default() } else { d[l] }));
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn lstm_back<R: Real, const FMA: bool, const FULL: bool>(
    gates: &mut [R],
    before: &[R],
    squashed: &[R],
    inner: &[R],
    outer: &[R],
    carry: &mut [R],
    j: usize,
    n: usize,
) {
    let h = before.len();
    let (i, f) = (get::<R, FULL>(gates, j, n), get::<R, FULL>(gates, h + j, n));
    let (g, o) = (get::<R, FULL>(gates, 2 * h + j, n), get::<R, FULL>(gates, 3 * h + j, n));
    let (c, t) = (get::<R, FULL>(before, j, n), get::<R, FULL>(squashed, j, n));
    let (d, dc) = (sum::<R, FULL>(inner, outer, j, n), get::<R, FULL>(carry, j, n));
    let dc = lanes!(|l| (d[l] * o[l]).madd::<FMA>(R::ONE - t[l] * t[l], dc[l]));
    put::<R, FULL>(gates, j, n, lanes!(|l| dc[l] * g[l] * (i[l] * (R::ONE - i[l]))));
    put::<R, FULL>(gates, h + j, n, lanes!(|l| dc[l] * c[l] * (f[l] * (R::ONE - f[l]))));
    put::<R, FULL>(gates, 2 * h + j, n, lanes!(|l| dc[l] * i[l] * (R::ONE - g[l] * g[l])));
    put::<R, FULL>(gates, 3 * h + j, n, lanes!(|l| d[l] * t[l] * (o[l] * (R::ONE - o[l]))));
    put::<R, FULL>(carry, j, n, lanes!(|l| dc[l] * f[l]));
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn gru_back<R: Real, const FMA: bool, const FULL: bool>(
    gates: &mut [R],
    old: &[R],
    inner: &[R],
    outer: &[R],
    carry: &mut [R],
    j: usize,
    n: usize,
) {
    let h = old.len();
    let (r, z) = (get::<R, FULL>(gates, j, n), get::<R, FULL>(gates, h + j, n));
    let (c, past) = (get::<R, FULL>(gates, 2 * h + j, n), get::<R, FULL>(gates, 3 * h + j, n));
    let (old, around) = (get::<R, FULL>(old, j, n), get::<R, FULL>(carry, j, n));
    let d = sum::<R, FULL>(inner, outer, j, n);
    let d = lanes!(|l| d[l] + around[l]);
    let dx = lanes!(|l| d[l] * (R::ONE - z[l]) * (R::ONE - c[l] * c[l]));
    put::<R, FULL>(gates, j, n, lanes!(|l| dx[l] * past[l] * (r[l] * (R::ONE - r[l]))));
    put::<R, FULL>(gates, h + j, n, lanes!(|l| d[l] * (old[l] - c[l]) * (z[l] * (R::ONE - z[l]))));
    put::<R, FULL>(gates, 2 * h + j, n, dx);
    put::<R, FULL>(gates, 3 * h + j, n, lanes!(|l| dx[l] * r[l]));
    put::<R, FULL>(carry, j, n, lanes!(|l| d[l] * z[l]));
}
