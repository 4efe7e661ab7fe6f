//! Whole sequences through a recurrent layer in one call, forward and backward: RNN, LSTM and GRU with PyTorch's equations.
//!
//! With the sigmoid s and the element-wise product *, for each row and step (each W has its bias):
//!
//! ```text
//! RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh)                        or max(0, ..)
//!
//! LSTM  i = s(W_ii x + b_ii + W_hi h + b_hi)      f = s(W_if x + b_if + W_hf h + b_hf)
//!       g = tanh(W_ig x + b_ig + W_hg h + b_hg)   o = s(W_io x + b_io + W_ho h + b_ho)
//!       c' = f * c + i * g                        h' = o * tanh(c')
//!
//! GRU   r = s(W_ir x + b_ir + W_hr h + b_hr)      z = s(W_iz x + b_iz + W_hz h + b_hz)
//!       n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
//!       h' = (1 - z) * n + z * h
//! ```
//!
//! Weights are PyTorch's: `weight_ih` `(gates * hidden, input)`, `weight_hh` `(gates * hidden, hidden)`, two biases, gates in the
//! order i, f, g, o and r, z, n. Data is `(rows, steps, features)`.
//!
//! A step works on rows `[h, 1, x, 1]`, so that one product makes all gates of a block of rows from weights and biases
//! together, one makes dL/dh and dL/dx, and one, over all steps and rows, all gradients of weights and biases. (The GRU's
//! candidate has its two parts apart, which makes it three products: `Section`.) Rows of a batch do not see each other, so each
//! task takes a block of rows through all steps.

mod backward;
mod cell;
mod forward;
mod pack;
mod steps;

use crate::{Real, par::Shared, pool::Buf};

pub(crate) use backward::backward;
pub(crate) use forward::forward;
pub use pack::Packed;
pub(crate) use steps::{columns, last_step, put_columns, put_last_step};

/// Rows of the batch that a task takes through all steps.
const BLOCK: usize = 16;

/// The kind of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Elman's network with tanh.
    Tanh,
    /// The same with max(0, z).
    Relu,
    /// Long short-term memory (Hochreiter and Schmidhuber 1997), with the forget gate of Gers et al. (2000).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014), with the reset gate behind the product, as in cuDNN and PyTorch.
    Gru,
}

impl Cell {
    /// Blocks of `hidden` rows in the weights.
    pub const fn gates(self) -> usize {
        match self {
            Self::Tanh | Self::Relu => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Values that products make for each unit: one for each gate, and both parts of the GRU's candidate.
    const fn parts(self) -> usize {
        match self {
            Self::Gru => 4,
            _ => self.gates(),
        }
    }

    /// Whether there is a c beside h.
    pub const fn has_cell_state(self) -> bool {
        matches!(self, Self::Lstm)
    }
}

/// The sizes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Its kind.
    pub cell: Cell,
    /// Values per time step.
    pub input: usize,
    /// Width of h.
    pub hidden: usize,
}

impl Sizes {
    /// Width of a row `[h, 1, x, 1]`.
    const fn joined(&self) -> usize {
        self.hidden + 1 + self.input + 1
    }

    /// Width of a row of products.
    const fn width(&self) -> usize {
        self.cell.parts() * self.hidden
    }

    /// Width of c.
    const fn memory(&self) -> usize {
        if self.cell.has_cell_state() { self.hidden } else { 0 }
    }

    /// The blocks of the matrix that takes `[h, 1, x, 1]` to the products.
    fn sections(&self) -> Vec<Section> {
        let (h, all) = (self.hidden, self.joined());
        match self.cell {
            Cell::Gru => vec![
                Section { column: 0, columns: 2 * h, gate: 0, row: 0, rows: all },
                Section { column: 2 * h, columns: h, gate: 2 * h, row: h + 1, rows: all - h - 1 },
                Section { column: 3 * h, columns: h, gate: 2 * h, row: 0, rows: h + 1 },
            ],
            _ => vec![Section { column: 0, columns: self.width(), gate: 0, row: 0, rows: all }],
        }
    }
}

/// A block of the matrix that takes `[h, 1, x, 1]` to the products: what lies outside of all blocks is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Section {
    /// First product and how many.
    column: usize,
    columns: usize,
    /// The row of PyTorch's weights that holds the first.
    gate: usize,
    /// First element of `[h, 1, x, 1]` and how many.
    row: usize,
    rows: usize,
}

/// The sequences of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// How many.
    pub rows: usize,
    /// Time steps of each.
    pub steps: usize,
    /// Runs from the last step to the first: the second half of a bidirectional layer.
    pub reverse: bool,
}

/// A layer's parameters as slices.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a, R> {
    /// `(gates * hidden, input)`.
    pub weight_ih: &'a [R],
    /// `(gates * hidden, hidden)`.
    pub weight_hh: &'a [R],
    /// `gates * hidden`.
    pub bias_ih: &'a [R],
    /// `gates * hidden`.
    pub bias_hh: &'a [R],
}

/// h and c of each row: before the first step, after the last, or their gradients.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State<R: Real> {
    /// h, `(rows, hidden)`; empty for zeros.
    pub hidden: Buf<R>,
    /// c, `(rows, hidden)`; empty for zeros and where the layer has none.
    pub cell: Buf<R>,
}

impl<R: Real> State<R> {
    fn check(&self, sizes: &Sizes, rows: usize) {
        let fits = |x: &Buf<R>, width: usize| x.is_empty() || x.len() == rows * width;
        assert!(fits(&self.hidden, sizes.hidden) && fits(&self.cell, sizes.memory()), "recurrent: sizes of the state");
    }
}

/// What the forward pass computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<R: Real> {
    /// h after every step, `(rows, steps, hidden)`, in the order of the input.
    pub hidden: Buf<R>,
    /// h and c after the last step that was run.
    pub last: State<R>,
    /// What the way back needs, if it was asked for.
    pub trace: Option<Trace<R>>,
}

/// What the way back through a layer needs. Steps are in the order in which they were run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace<R: Real> {
    sizes: Sizes,
    batch: Batch,
    /// `[step][row][h, 1, x, 1]`, and a last h behind all steps.
    joined: Buf<R>,
    /// `[step][row][part][unit]`: activated gates. The way back replaces them by the gradients of what was activated.
    gates: Buf<R>,
    /// `[step][row][unit]`: c before each step, and behind the last.
    cells: Buf<R>,
    /// `[step][row][unit]`: tanh of the c that the step made.
    squashed: Buf<R>,
}

/// Gradients of the loss, in the layouts of what they belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Grads<R: Real> {
    /// Of the input (empty when it was not asked for).
    pub input: Buf<R>,
    /// Of h and c before the first step.
    pub initial: State<R>,
    /// Of the weights (empty when they were not asked for), as in [`Weights`].
    pub weight_ih: Buf<R>,
    /// The same.
    pub weight_hh: Buf<R>,
    /// The same.
    pub bias_ih: Buf<R>,
    /// The same.
    pub bias_hh: Buf<R>,
}

/// Rows `row..row + rows` of `all`, in buffers `[step][row][width]`.
#[derive(Debug, Clone, Copy)]
struct Block {
    all: usize,
    row: usize,
    rows: usize,
}

impl Block {
    fn new(number: usize, all: usize) -> Self {
        let row = number * BLOCK;
        Self { all, row, rows: BLOCK.min(all - row) }
    }

    /// The block's rows of a step.
    fn of<'a, R>(&self, buffer: &'a [R], step: usize, width: usize) -> &'a [R] {
        &buffer[(step * self.all + self.row) * width..][..self.rows * width]
    }

    /// The same of a buffer that is written.
    ///
    /// # Safety
    /// As for [`Shared::part`].
    #[allow(clippy::mut_from_ref)]
    unsafe fn part<'a, R>(&self, buffer: &'a Shared<R>, step: usize, width: usize) -> &'a mut [R] {
        // SAFETY: as the caller promises.
        unsafe { buffer.part((step * self.all + self.row) * width, self.rows * width) }
    }
}
