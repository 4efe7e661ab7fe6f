//! A whole LSTM sequence in one call, forward and backward.
//!
//! For each row and step t, with the sigmoid s and the element-wise product *:
//!
//! ```text
//! i = s(Wx_i x + Wh_i h + b_i)      f = s(Wx_f x + Wh_f h + b_f)
//! g = tanh(Wx_g x + Wh_g h + b_g)   o = s(Wx_o x + Wh_o h + b_o)
//! c' = f * c + i * g                h' = o * tanh(c')
//! ```
//!
//! Layouts are PyTorch's: weights `(4 * hidden, input)` and `(4 * hidden, hidden)` with the gates in the order i, f, g, o
//! (one bias instead of PyTorch's two, whose sum it is), data `(rows, steps, features)`. h and c start at zero.
//! Rows are independent, so each task takes a block of rows through all steps.

use rayon::prelude::*;

use crate::{
    Real,
    dispatch::{Work, wide},
    gemm::{View, add_product},
};

/// Rows of one task: fixed, so that sums over the batch do not depend on the number of threads.
const BLOCK: usize = 16;

/// The sizes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Sequences in the batch.
    pub rows: usize,
    /// Time steps of each.
    pub steps: usize,
    /// Values per time step.
    pub input: usize,
    /// Width of h and c.
    pub hidden: usize,
}

/// What the forward pass computed; the backward pass reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace<R> {
    /// Activated gates i, f, g, o: `(rows, steps, 4 * hidden)`.
    pub gates: Vec<R>,
    /// Cell states: `(rows, steps, hidden)`.
    pub cells: Vec<R>,
    /// Hidden states, the layer's output: `(rows, steps, hidden)`.
    pub hidden: Vec<R>,
}

/// Gradients of the loss, in the layouts of what they belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Grads<R> {
    /// Of the input (empty when it was not asked for).
    pub input: Vec<R>,
    /// Of the input weights.
    pub weight_input: Vec<R>,
    /// Of the recurrent weights.
    pub weight_hidden: Vec<R>,
    /// Of the bias.
    pub bias: Vec<R>,
}

/// Weights as slices.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a, R> {
    /// `(4 * hidden, input)`.
    pub input: &'a [R],
    /// `(4 * hidden, hidden)`.
    pub hidden: &'a [R],
    /// `4 * hidden`.
    pub bias: &'a [R],
}

impl<R> Weights<'_, R> {
    fn check(&self, s: Sizes, x: &[R]) {
        assert_eq!(self.input.len(), 4 * s.hidden * s.input, "lstm: input weights");
        assert_eq!(self.hidden.len(), 4 * s.hidden * s.hidden, "lstm: recurrent weights");
        assert_eq!(self.bias.len(), 4 * s.hidden, "lstm: bias");
        assert_eq!(x.len(), s.rows * s.steps * s.input, "lstm: input");
    }
}

/// Runs the sequences.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub(crate) fn forward<R: Real>(s: Sizes, x: &[R], weights: Weights<'_, R>) -> Trace<R> {
    weights.check(s, x);
    let mut trace = Trace {
        gates: vec![R::default(); s.rows * s.steps * 4 * s.hidden],
        cells: vec![R::default(); s.rows * s.steps * s.hidden],
        hidden: vec![R::default(); s.rows * s.steps * s.hidden],
    };
    if s.rows * s.steps * s.input * s.hidden == 0 {
        return trace;
    }
    let (wx, wh) =
        (transposed(weights.input, 4 * s.hidden, s.input), transposed(weights.hidden, 4 * s.hidden, s.hidden));
    let block = BLOCK * s.steps;
    x.par_chunks(block * s.input)
        .zip(trace.gates.par_chunks_mut(block * 4 * s.hidden))
        .zip(trace.cells.par_chunks_mut(block * s.hidden).zip(trace.hidden.par_chunks_mut(block * s.hidden)))
        .for_each(|((x, gates), (cells, hidden))| {
            wide(Forward { s, x, wx: &wx, wh: &wh, bias: weights.bias, gates, cells, hidden })
        });
    trace
}

/// Gradients from `d_hidden`, the gradient of every hidden state: `(rows, steps, hidden)`.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub(crate) fn backward<R: Real>(
    s: Sizes,
    x: &[R],
    weights: Weights<'_, R>,
    trace: &Trace<R>,
    d_hidden: &[R],
    want_input: bool,
) -> Grads<R> {
    weights.check(s, x);
    assert_eq!(d_hidden.len(), s.rows * s.steps * s.hidden, "lstm: gradient of the hidden states");
    assert_eq!(trace.gates.len(), 4 * d_hidden.len(), "lstm: trace of another call");
    let mut input = vec![R::default(); if want_input { x.len() } else { 0 }];
    // Gradients of the transposed weights: [input; hidden; bias] rows of 4 * hidden.
    let mut sum = vec![R::default(); (s.input + s.hidden + 1) * 4 * s.hidden];
    if s.rows * s.steps * s.input * s.hidden > 0 {
        let block = BLOCK * s.steps;
        let blocks = s.rows.div_ceil(BLOCK);
        let mut partial = vec![R::default(); blocks * sum.len()];
        let mut inputs: Vec<&mut [R]> = match want_input {
            true => input.chunks_mut(block * s.input).collect(),
            false => (0..blocks).map(|_| <&mut [R]>::default()).collect(),
        };
        partial.par_chunks_mut(sum.len()).zip(inputs.par_iter_mut()).enumerate().for_each(|(b, (out, dx))| {
            let part = |width: usize, len: usize| (b * block * width)..((b + 1) * block * width).min(len);
            wide(Backward {
                s,
                x: &x[part(s.input, x.len())],
                weights,
                gates: &trace.gates[part(4 * s.hidden, trace.gates.len())],
                cells: &trace.cells[part(s.hidden, trace.cells.len())],
                hidden: &trace.hidden[part(s.hidden, trace.hidden.len())],
                d_hidden: &d_hidden[part(s.hidden, d_hidden.len())],
                out,
                dx,
            });
        });
        for part in partial.chunks(sum.len()) {
            sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += *x);
        }
    }
    let wide = 4 * s.hidden;
    let (of_input, rest) = sum.split_at(s.input * wide);
    let (of_hidden, bias) = rest.split_at(s.hidden * wide);
    Grads {
        input,
        weight_input: transposed(of_input, s.input, wide),
        weight_hidden: transposed(of_hidden, s.hidden, wide),
        bias: bias.to_vec(),
    }
}

/// A row-major `rows x columns` matrix as `columns x rows`.
fn transposed<R: Real>(matrix: &[R], rows: usize, columns: usize) -> Vec<R> {
    (0..rows * columns).map(|i| matrix[i % rows * columns + i / rows]).collect()
}

struct Forward<'a, R> {
    s: Sizes,
    x: &'a [R],
    wx: &'a [R],
    wh: &'a [R],
    bias: &'a [R],
    gates: &'a mut [R],
    cells: &'a mut [R],
    hidden: &'a mut [R],
}

impl<R: Real> Work for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let Sizes { steps, input, hidden: h, .. } = self.s;
        let rows = self.x.len() / (steps * input);
        for t in 0..steps {
            for r in 0..rows {
                self.gates[(r * steps + t) * 4 * h..][..4 * h].copy_from_slice(self.bias);
            }
            let x = View { data: &self.x[t * input..], row: steps * input, column: 1 };
            add_product((rows, 4 * h, input), x, self.wx, 4 * h, &mut self.gates[t * 4 * h..], steps * 4 * h);
            if t > 0 {
                let before = View { data: &self.hidden[(t - 1) * h..], row: steps * h, column: 1 };
                add_product((rows, 4 * h, h), before, self.wh, 4 * h, &mut self.gates[t * 4 * h..], steps * 4 * h);
            }
            for r in 0..rows {
                let at = (r * steps + t) * h;
                let (past, now) = self.cells.split_at_mut(at);
                let before = if t > 0 { &past[at - h..] } else { &[] };
                cell(&mut self.gates[4 * at..][..4 * h], before, &mut now[..h], &mut self.hidden[at..][..h]);
            }
        }
    }
}

/// One row and step: activates the gates, makes the next cell and hidden state (`before` is empty at the first step).
#[inline(always)]
fn cell<R: Real>(gates: &mut [R], before: &[R], cell: &mut [R], hidden: &mut [R]) {
    let h = cell.len();
    let (input_forget, rest) = gates.split_at_mut(2 * h);
    let (candidate, output) = rest.split_at_mut(h);
    input_forget.iter_mut().for_each(|x| *x = x.sigmoid());
    candidate.iter_mut().for_each(|x| *x = x.tanh());
    output.iter_mut().for_each(|x| *x = x.sigmoid());
    let (input, forget) = input_forget.split_at(h);
    for ((c, i), g) in cell.iter_mut().zip(input).zip(&*candidate) {
        *c = *i * *g;
    }
    for ((c, f), past) in cell.iter_mut().zip(forget).zip(before) {
        *c += *f * *past;
    }
    for ((hidden, c), o) in hidden.iter_mut().zip(&*cell).zip(&*output) {
        *hidden = *o * c.tanh();
    }
}

struct Backward<'a, R> {
    s: Sizes,
    x: &'a [R],
    weights: Weights<'a, R>,
    gates: &'a [R],
    cells: &'a [R],
    hidden: &'a [R],
    d_hidden: &'a [R],
    out: &'a mut [R],
    dx: &'a mut [R],
}

impl<R: Real> Work for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let Sizes { steps, input, hidden: h, .. } = self.s;
        let rows = self.x.len() / (steps * input);
        let (out_x, rest) = self.out.split_at_mut(input * 4 * h);
        let (out_h, out_b) = rest.split_at_mut(h * 4 * h);
        let mut dh = vec![R::default(); rows * h];
        let mut dc = vec![R::default(); rows * h];
        let mut dz = vec![R::default(); rows * 4 * h];
        let zero = vec![R::default(); h];
        for t in (0..steps).rev() {
            for r in 0..rows {
                let at = (r * steps + t) * h;
                let dh = &mut dh[r * h..][..h];
                dh.iter_mut().zip(&self.d_hidden[at..at + h]).for_each(|(sum, d)| *sum += *d);
                let before = if t > 0 { &self.cells[at - h..at] } else { &zero[..] };
                let now = &self.cells[at..at + h];
                cell_backward(
                    &self.gates[4 * at..][..4 * h],
                    before,
                    now,
                    dh,
                    &mut dc[r * h..][..h],
                    &mut dz[r * 4 * h..][..4 * h],
                );
            }
            // Weight gradients, transposed: rows of 4 * hidden.
            let x = View { data: &self.x[t * input..], row: 1, column: steps * input };
            add_product((input, 4 * h, rows), x, &dz, 4 * h, out_x, 4 * h);
            for dz in dz.chunks(4 * h) {
                out_b.iter_mut().zip(dz).for_each(|(sum, d)| *sum += *d);
            }
            if !self.dx.is_empty() {
                let dz = View { data: &dz, row: 4 * h, column: 1 };
                add_product(
                    (rows, input, 4 * h),
                    dz,
                    self.weights.input,
                    input,
                    &mut self.dx[t * input..],
                    steps * input,
                );
            }
            if t > 0 {
                let before = View { data: &self.hidden[(t - 1) * h..], row: 1, column: steps * h };
                add_product((h, 4 * h, rows), before, &dz, 4 * h, out_h, 4 * h);
                dh.fill(R::default());
                add_product(
                    (rows, h, 4 * h),
                    View { data: &dz, row: 4 * h, column: 1 },
                    self.weights.hidden,
                    h,
                    &mut dh,
                    h,
                );
            }
        }
    }
}

/// One row and step back: from dL/dh and dL/dc to the gates' pre-activation gradients `dz` and dL/dc of the step before.
#[inline(always)]
fn cell_backward<R: Real>(gates: &[R], before: &[R], now: &[R], dh: &[R], dc: &mut [R], dz: &mut [R]) {
    let h = now.len();
    let (i, f, g, o) = (&gates[..h], &gates[h..2 * h], &gates[2 * h..3 * h], &gates[3 * h..4 * h]);
    let (di, rest) = dz.split_at_mut(h);
    let (df, rest) = rest.split_at_mut(h);
    let (dg, d_o) = rest.split_at_mut(h);
    let (before, dh, dc, d_o) = (&before[..h], &dh[..h], &mut dc[..h], &mut d_o[..h]);
    for j in 0..h {
        let squashed = now[j].tanh();
        let into_cell = dc[j] + dh[j] * o[j] * (R::ONE - squashed * squashed);
        d_o[j] = dh[j] * squashed * o[j] * (R::ONE - o[j]);
        di[j] = into_cell * g[j] * i[j] * (R::ONE - i[j]);
        df[j] = into_cell * before[j] * f[j] * (R::ONE - f[j]);
        dg[j] = into_cell * i[j] * (R::ONE - g[j] * g[j]);
        dc[j] = into_cell * f[j];
    }
}
