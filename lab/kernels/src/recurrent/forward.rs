use super::{BLOCK, Batch, Block, Packed, Run, State, Trace, cell};
use crate::{
    brgemm::{self, Element, Finish, Left, PANEL, Right, Seg, Shape},
    dispatch::fused,
    par::{self, Shared},
    pool::Buf,
};

/// Runs the sequences `x`, `(rows, steps, input)`, from `initial`; keeps a trace for the way back if `keep`.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub(crate) fn forward<R: Element>(
    batch: Batch,
    x: &[R],
    weights: &Packed<R>,
    initial: &State<R>,
    keep: bool,
) -> Run<R> {
    let (sizes, Batch { rows: all, steps, reverse }) = (weights.sizes, batch);
    let (h, joined, width, memory) = (sizes.hidden, sizes.joined(), sizes.width(), sizes.memory());
    assert_eq!(x.len(), all * steps * sizes.input, "recurrent: input");
    initial.check(&sizes, all);
    // Without a way back two steps are kept, which take turns.
    let slots = if keep { steps + 1 } else { 2 };
    let slot = |step: usize| if keep { step } else { step % 2 };
    let mut trace = Trace {
        sizes,
        batch,
        joined: Buf::any(slots * all * joined),
        gates: Buf::any(if keep { steps } else { 1 } * all * width),
        cells: Buf::any(slots * all * memory),
        squashed: Buf::any(if keep { steps } else { 1 } * all * memory),
    };
    let mut hidden = Buf::any(all * steps * h);
    let mut last = State { hidden: Buf::any(all * h), cell: Buf::any(all * memory) };
    let out = (Shared::new(&mut hidden), Shared::new(&mut last.hidden), Shared::new(&mut last.cell));
    let kept = (
        Shared::new(&mut trace.joined),
        Shared::new(&mut trace.gates),
        Shared::new(&mut trace.cells),
        Shared::new(&mut trace.squashed),
    );
    par::each(all.div_ceil(BLOCK), |number| {
        let block = Block::new(number, all);
        let Block { row, rows, .. } = block;
        // SAFETY: all parts that are taken are of this block's rows, each of another buffer or another step.
        let part = |shared, step, width| unsafe { block.part(shared, step, width) };
        let sub = |x: &Buf<R>, width: usize, to: &mut [R]| match x.is_empty() {
            true => to.fill(R::default()),
            false => to.copy_from_slice(&x[row * width..(row + rows) * width]),
        };
        let y = part(&out.0, 0, steps * h);
        let first = part(&kept.0, 0, joined);
        let mut before = Buf::any(rows * h);
        sub(&initial.hidden, h, &mut before);
        for (line, before) in first.chunks_exact_mut(joined).zip(before.chunks(h.max(1))) {
            line[..h].copy_from_slice(before);
        }
        sub(&initial.cell, memory, part(&kept.2, 0, memory));
        for step in 0..steps {
            let t = if reverse { steps - 1 - step } else { step };
            let input = part(&kept.0, slot(step), joined);
            for (r, line) in input.chunks_exact_mut(joined).enumerate() {
                let from = ((row + r) * steps + t) * sizes.input;
                line[h] = R::ONE;
                line[h + 1..joined - 1].copy_from_slice(&x[from..from + sizes.input]);
                line[joined - 1] = R::ONE;
            }
            let now = if keep { step } else { 0 };
            let gates = part(&kept.1, now, width);
            for (section, packed) in weights.sections() {
                let shape = Shape { m: rows, n: section.columns, k: section.rows, ldc: width };
                let left = Left { data: &input[section.row..], row: joined, column: 1 };
                let right = Right::Panels { data: packed, panel: section.rows * PANEL };
                brgemm::product(shape, &[Seg { a: 0, b: 0 }], left, right, &mut gates[section.column..], Finish::set());
            }
            fused(cell::Forward {
                sizes,
                gates,
                joined: input,
                next: part(&kept.0, slot(step + 1), joined),
                before: part(&kept.2, slot(step), memory),
                cells: part(&kept.2, slot(step + 1), memory),
                squashed: part(&kept.3, now, memory),
                y: &mut y[t * h..],
                stride: steps * h,
            });
        }
        let end = part(&kept.0, slot(steps), joined);
        for (to, line) in part(&out.1, 0, h).chunks_exact_mut(h.max(1)).zip(end.chunks_exact(joined)) {
            to.copy_from_slice(&line[..h]);
        }
        part(&out.2, 0, memory).copy_from_slice(part(&kept.2, slot(steps), memory));
    });
    Run { hidden, last, trace: keep.then_some(trace) }
}
