use super::{Section, Sizes, Weights};
use crate::{
    Real,
    brgemm::{Element, PANEL},
    par::{self, Shared},
    pool::Buf,
    transpose::transpose,
};

/// Fewer elements are packed by the caller's thread alone.
const SMALL: usize = 1 << 16;

/// A layer's weights in the order in which the forward pass reads them: made once for a call, or for many.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed<R: Real> {
    pub(super) sizes: Sizes,
    sections: Vec<(Section, Buf<R>)>,
}

impl<R: Element> Packed<R> {
    /// Packs the weights.
    ///
    /// # Panics
    /// When a slice's length does not fit the sizes.
    pub(crate) fn new(sizes: Sizes, weights: Weights<'_, R>) -> Self {
        check(&sizes, &weights);
        let (h, i) = (sizes.hidden, sizes.input);
        let each = |section: Section| {
            let size = section.rows * PANEL;
            let mut out = Buf::any(section.columns.div_ceil(PANEL) * size);
            panels(&mut out, size, |panel, number| {
                let first = number * PANEL;
                let (gate, n) = (section.gate + first, PANEL.min(section.columns - first));
                let mut rest = panel;
                let mut fill = |width: usize, matrix: &[R], bias: &[R]| {
                    let (weights, behind) = std::mem::take(&mut rest).split_at_mut(width * PANEL);
                    if n < PANEL {
                        weights.fill(R::default());
                    }
                    transpose((n, width), (&matrix[gate * width..], width), (weights, PANEL));
                    let (line, behind) = behind.split_at_mut(PANEL);
                    line[..n].copy_from_slice(&bias[gate..gate + n]);
                    line[n..].fill(R::default());
                    rest = behind;
                };
                if section.row == 0 {
                    fill(h, weights.weight_hh, weights.bias_hh);
                }
                if section.row + section.rows == sizes.joined() {
                    fill(i, weights.weight_ih, weights.bias_ih);
                }
            });
            (section, out)
        };
        Self { sizes, sections: sizes.sections().into_iter().map(each).collect() }
    }

    /// The sizes that the weights were packed for.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = &(Section, Buf<R>)> {
        self.sections.iter()
    }
}

/// The weights for the way back, of the first `width` elements of `[h, 1, x, 1]`: for each section that has some of them the
/// first, how many, and panels of as many columns.
pub(super) fn backward<R: Real>(sizes: Sizes, weights: Weights<'_, R>, width: usize) -> Vec<(Section, usize, Buf<R>)> {
    check(&sizes, &weights);
    let (h, i) = (sizes.hidden, sizes.input);
    let each = |section: Section| {
        let n = (section.row + section.rows).min(width).saturating_sub(section.row);
        let size = section.columns * PANEL;
        let mut out = Buf::zeros(n.div_ceil(PANEL) * size);
        panels(&mut out, size, |panel, number| {
            let from = section.row + number * PANEL;
            let to = (from + PANEL).min(section.row + n);
            for (line, gate) in panel.chunks_exact_mut(PANEL).zip(section.gate..) {
                let mut put = |start: usize, values: &[R]| {
                    let (low, high) = (from.max(start), to.min(start + values.len()));
                    if low < high {
                        line[low - from..high - from].copy_from_slice(&values[low - start..high - start]);
                    }
                };
                put(0, &weights.weight_hh[gate * h..(gate + 1) * h]);
                put(h + 1, &weights.weight_ih[gate * i..(gate + 1) * i]);
            }
        });
        (section, n, out)
    };
    sizes.sections().into_iter().map(each).filter(|(_, n, _)| *n > 0).collect()
}

/// Calls `fill` for each panel of `size` elements.
fn panels<R: Real>(out: &mut [R], size: usize, fill: impl Fn(&mut [R], usize) + Sync + Send) {
    if size == 0 {
        return;
    }
    if out.len() < SMALL {
        return out.chunks_exact_mut(size).enumerate().for_each(|(number, panel)| fill(panel, number));
    }
    let (count, shared) = (out.len() / size, Shared::new(out));
    // SAFETY: each panel is written by one call.
    par::each(count, |number| fill(unsafe { shared.part(number * size, size) }, number));
}

fn check<R>(sizes: &Sizes, weights: &Weights<'_, R>) {
    let gates = sizes.cell.gates() * sizes.hidden;
    assert_eq!(weights.weight_ih.len(), gates * sizes.input, "recurrent: weight_ih");
    assert_eq!(weights.weight_hh.len(), gates * sizes.hidden, "recurrent: weight_hh");
    assert_eq!((weights.bias_ih.len(), weights.bias_hh.len()), (gates, gates), "recurrent: biases");
}
