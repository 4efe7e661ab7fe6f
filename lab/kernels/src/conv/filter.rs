//! Filters between PyTorch's layout and that of the products.

use super::Sizes;
use crate::{
    brgemm::{Element, PANEL},
    par::{self, Shared},
    pool::Buf,
    transpose::transpose,
};

/// The filter of each group as panels for the way to the small side: rows (tap, big channel), columns the small channels.
pub(super) fn for_small<R: Element>(sizes: Sizes<'_>, filter: &[R]) -> Buf<R> {
    let ((k, n), taps) = (sizes.per_group(), sizes.plan.taps);
    panels(sizes.groups, taps * k, n, |group, first, count, panel| {
        let mut ordered = Buf::<R>::any(count * taps * k);
        for j in 0..count {
            let own = &filter[(group * n + first + j) * k * taps..][..k * taps];
            transpose((k, taps), (own, taps), (&mut ordered[j * taps * k..(j + 1) * taps * k], k));
        }
        transpose((count, taps * k), (&ordered, taps * k), (panel, PANEL));
    })
}

/// The same for the way to the big side: rows (tap, small channel), columns the big channels.
pub(super) fn for_big<R: Element>(sizes: Sizes<'_>, filter: &[R]) -> Buf<R> {
    let ((n, k), taps) = (sizes.per_group(), sizes.plan.taps);
    panels(sizes.groups, taps * k, n, |group, first, count, panel| {
        for o in 0..k {
            let own = &filter[((group * k + o) * n + first) * taps..][..count * taps];
            transpose((count, taps), (own, taps), (&mut panel[o * PANEL..], k * PANEL));
        }
    })
}

/// Panels of [`PANEL`] columns, filled up with zeros, which `fill(group, first column, columns, panel)` writes.
fn panels<R: Element>(
    groups: usize,
    rows: usize,
    columns: usize,
    fill: impl Fn(usize, usize, usize, &mut [R]) + Sync + Send,
) -> Buf<R> {
    let (count, size) = (columns.div_ceil(PANEL), rows * PANEL);
    let mut packed = Buf::any(groups * count * size);
    let out = Shared::new(&mut packed);
    par::each(if rows > 0 { groups * count } else { 0 }, |task| {
        let (group, first) = (task / count, task % count * PANEL);
        // SAFETY: each panel is written by one call.
        let panel = unsafe { out.part(task * size, size) };
        let columns = PANEL.min(columns - first);
        if columns < PANEL {
            panel.fill(R::default());
        }
        fill(group, first, columns, panel);
    });
    packed
}

/// dw(o, i, tap) += parts(group, tap, i, o).
pub(super) fn add_by_big<R: Element>(sizes: Sizes<'_>, parts: &[R], dw: &mut [R]) {
    let ((big, small), taps) = (sizes.per_group(), sizes.plan.taps);
    let dw = Shared::new(dw);
    par::each(sizes.big, |task| {
        let (group, i) = (task / big, task % big);
        let part = &parts[(group * taps * big + i) * small..];
        let mut turned = Buf::<R>::any(small * taps);
        transpose((taps, small), (part, big * small), (&mut turned, taps));
        for (o, line) in turned.chunks_exact(taps).enumerate() {
            // SAFETY: each pair of channels belongs to one call.
            let own = unsafe { dw.part(((group * small + o) * big + i) * taps, taps) };
            own.iter_mut().zip(line).for_each(|(sum, x)| *sum += *x);
        }
    });
}

/// dw(o, i, tap) += parts(group, tap, o, i).
pub(super) fn add_by_small<R: Element>(sizes: Sizes<'_>, parts: &[R], dw: &mut [R]) {
    let ((big, small), taps) = (sizes.per_group(), sizes.plan.taps);
    let dw = Shared::new(dw);
    par::each(sizes.small, |task| {
        let (group, o) = (task / small, task % small);
        let part = &parts[(group * taps * small + o) * big..];
        let mut turned = Buf::<R>::any(big * taps);
        transpose((taps, big), (part, small * big), (&mut turned, taps));
        // SAFETY: each output channel's filter is written by one call.
        let own = unsafe { dw.part(task * big * taps, big * taps) };
        own.iter_mut().zip(&*turned).for_each(|(sum, x)| *sum += *x);
    });
}

/// dw(o, i, tap) += the sum of `count` parts(group, channel of the thin side, tap, channel of the other).
pub(super) fn add_thin<R: Element>(sizes: Sizes<'_>, (parts, count): (&[R], usize), big_is_thin: bool, dw: &mut [R]) {
    let ((big, small), taps) = (sizes.per_group(), sizes.plan.taps);
    let size = sizes.groups * big * small * taps;
    let dw = Shared::new(dw);
    par::each(sizes.small, |task| {
        let (group, o) = (task / small, task % small);
        // SAFETY: each output channel's filter is written by one call.
        let own = unsafe { dw.part(task * big * taps, big * taps) };
        for i in 0..big {
            for tap in 0..taps {
                let (few, many, many_count) = if big_is_thin { (i, o, small) } else { (o, i, big) };
                let at = group * big * small * taps + (few * taps + tap) * many_count + many;
                for part in 0..count {
                    own[i * taps + tap] += parts[part * size + at];
                }
            }
        }
    });
}
