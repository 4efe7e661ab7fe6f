use super::{BLOCK, Batch, Block, Grads, Section, Sizes, State, Trace, Weights, cell, pack};
use crate::{
    brgemm::{self, Element, Finish, Left, PANEL, Right, Seg, Shape},
    dispatch::fused,
    par::{self, Shared},
    pool::Buf,
};

/// Elements of `[h, 1, x, 1]` that a task of the weights' gradients takes.
const STRIP: usize = 96;

/// Gradients from those of every h, `(rows, steps, hidden)` (empty for none), and of the last h and c.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub(crate) fn backward<R: Element>(
    mut trace: Trace<R>,
    weights: Weights<'_, R>,
    d_hidden: &[R],
    d_last: &State<R>,
    want_input: bool,
    want_weights: bool,
) -> Grads<R> {
    let Trace { sizes, batch: Batch { rows: all, steps, .. }, .. } = trace;
    let (gates, size) = (sizes.cell.gates() * sizes.hidden, |n: usize| if want_weights { n } else { 0 });
    assert!(d_hidden.is_empty() || d_hidden.len() == all * steps * sizes.hidden, "recurrent: gradient of the output");
    d_last.check(&sizes, all);
    let mut grads = Grads {
        input: Buf::any(if want_input { all * steps * sizes.input } else { 0 }),
        initial: State { hidden: Buf::any(all * sizes.hidden), cell: Buf::any(all * sizes.memory()) },
        weight_ih: Buf::zeros(size(gates * sizes.input)),
        weight_hh: Buf::zeros(size(gates * sizes.hidden)),
        bias_ih: Buf::zeros(size(gates)),
        bias_hh: Buf::zeros(size(gates)),
    };
    steps_back(&mut trace, weights, d_hidden, d_last, &mut grads);
    if want_weights && all * steps > 0 {
        weight_gradients(&trace, &mut grads);
    }
    grads
}

/// All steps back, for each block of rows: fills the gradients of input and initial state, and turns the trace's gates into
/// gradients.
fn steps_back<R: Element>(
    trace: &mut Trace<R>,
    weights: Weights<'_, R>,
    d_hidden: &[R],
    d_last: &State<R>,
    grads: &mut Grads<R>,
) {
    let Trace { sizes, batch: Batch { rows: all, steps, reverse }, .. } = *trace;
    let (h, joined, width, memory) = (sizes.hidden, sizes.joined(), sizes.width(), sizes.memory());
    let want_input = !grads.input.is_empty();
    // Elements of [h, 1, x, 1] whose gradient is computed.
    let wanted = if want_input { joined - 1 } else { h };
    let weights = pack::backward(sizes, weights, wanted);
    let out =
        (Shared::new(&mut grads.input), Shared::new(&mut grads.initial.hidden), Shared::new(&mut grads.initial.cell));
    let gates = Shared::new(&mut trace.gates);
    let (kept, cells, squashed) = (&trace.joined, &trace.cells, &trace.squashed);
    par::each(all.div_ceil(BLOCK), |number| {
        let block = Block::new(number, all);
        let Block { row, rows, .. } = block;
        // SAFETY: all parts that are taken are of this block's rows, each of another buffer or another step.
        let part = |shared, step, width| unsafe { block.part(shared, step, width) };
        let mut d = Buf::<R>::zeros(rows * wanted);
        let mut carry = Buf::<R>::zeros(rows * h);
        if !d_last.hidden.is_empty() {
            let last = block.of(&d_last.hidden, 0, h);
            for (d, last) in d.chunks_exact_mut(wanted.max(1)).zip(last.chunks_exact(h.max(1))) {
                d[..h].copy_from_slice(last);
            }
        }
        if !d_last.cell.is_empty() {
            carry.copy_from_slice(block.of(&d_last.cell, 0, h));
        }
        for step in (0..steps).rev() {
            let t = if reverse { steps - 1 - step } else { step };
            let dz = part(&gates, step, width);
            fused(cell::Backward {
                sizes,
                gates: dz,
                joined: block.of(kept, step, joined),
                before: block.of(cells, step, memory),
                squashed: block.of(squashed, step, memory),
                d_hidden: &d,
                of_hidden: wanted,
                d_y: if d_hidden.is_empty() { d_hidden } else { &d_hidden[(row * steps + t) * h..] },
                stride: steps * h,
                carry: &mut carry,
            });
            let mut done = 0;
            for (section, n, packed) in &weights {
                // Sections are in an order in which each element's first one sets it: the first has all of them.
                let finish = if done == 0 { Finish::set() } else { Finish::add() };
                done += n;
                let shape = Shape { m: rows, n: *n, k: section.columns, ldc: wanted };
                let left = Left { data: &dz[section.column..], row: width, column: 1 };
                let right = Right::Panels { data: packed, panel: section.columns * PANEL };
                brgemm::product(shape, &[Seg { a: 0, b: 0 }], left, right, &mut d[section.row..], finish);
            }
            if want_input {
                for (r, d) in d.chunks_exact(wanted).enumerate() {
                    let from = ((row + r) * steps + t) * sizes.input;
                    // SAFETY: a row of the block.
                    unsafe { out.0.part(from, sizes.input) }.copy_from_slice(&d[h + 1..]);
                }
            }
        }
        let gru = matches!(sizes.cell, super::Cell::Gru);
        let initial = part(&out.1, 0, h);
        for (r, to) in initial.chunks_exact_mut(h.max(1)).enumerate() {
            to.copy_from_slice(&d[r * wanted..r * wanted + h]);
            if gru {
                to.iter_mut().zip(&carry[r * h..]).for_each(|(d, around)| *d += *around);
            }
        }
        part(&out.2, 0, memory).copy_from_slice(&carry[..rows * memory]);
    });
}

/// Gradients of weights and biases: one product over all steps and rows for each section.
fn weight_gradients<R: Element>(trace: &Trace<R>, grads: &mut Grads<R>) {
    let Sizes { input: i, hidden: h, .. } = trace.sizes;
    let (joined, width) = (trace.sizes.joined(), trace.sizes.width());
    let terms = trace.batch.rows * trace.batch.steps;
    let mut tasks: Vec<Section> = Vec::new();
    for whole in trace.sizes.sections() {
        for from in (0..whole.columns).step_by(PANEL) {
            let (column, gate) = (whole.column + from, whole.gate + from);
            let columns = PANEL.min(whole.columns - from);
            for row in (whole.row..whole.row + whole.rows).step_by(STRIP) {
                let rows = STRIP.min(whole.row + whole.rows - row);
                tasks.push(Section { column, columns, gate, row, rows });
            }
        }
    }
    let out = (
        Shared::new(&mut grads.weight_hh),
        Shared::new(&mut grads.bias_hh),
        Shared::new(&mut grads.weight_ih),
        Shared::new(&mut grads.bias_ih),
    );
    par::each(tasks.len(), |task| {
        let Section { column, columns, gate, row, rows } = tasks[task];
        let mut sums = Buf::<R>::any(rows * PANEL);
        let shape = Shape { m: rows, n: columns, k: terms, ldc: PANEL };
        let left = Left { data: &trace.joined[row..], row: 1, column: joined };
        let right = Right::Rows { data: &trace.gates[column..], ldb: width };
        brgemm::product(shape, &[Seg { a: 0, b: 0 }], left, right, &mut sums, Finish::set());
        // The part of [h, 1, x, 1] that belongs to a tensor, as columns of it.
        let put = |out: &Shared<R>, start: usize, n: usize| {
            let (low, high) = (row.max(start), (row + rows).min(start + n));
            if low < high {
                let from = sums[(low - row) * PANEL..(high - row) * PANEL].as_ptr();
                let (to, _) = (out.at(gate * n + low - start), out.at((gate + columns - 1) * n + high - 1 - start));
                // SAFETY: `high - low` rows of `columns` values were just sliced; the first and the last element that are
                // written exist, and all of them are this task's alone.
                unsafe { R::transpose((high - low, columns), (from, PANEL), (to, n)) };
            }
        };
        put(&out.0, 0, h);
        put(&out.1, h, 1);
        put(&out.2, h + 1, i);
        put(&out.3, h + 1 + i, 1);
    });
}
