//! Series and marks inside the plot area.

use super::{Axes, Frame, Look, Mark, Series, dash_of, mark_color, plain};
use crate::canvas::{Anchor, Canvas};
use crate::color::{Color, GROUND, INK, PALETTE, SOFT};
use crate::decimate::{distinct, strokes};
use crate::figure::{TICK_EM, shorten};
use crate::font;
use crate::scale::{Kind, number};
use crate::style::{bead, hatch, marker, shape};

impl Axes {
    pub(super) fn paint_series(&self, canvas: &mut Canvas, frame: &Frame, index: usize, series: &Series) {
        let color = PALETTE[index % PALETTE.len()];
        let count = series.ys.len();
        match series.look {
            Look::Line => {
                let points = series.xs.iter().zip(&series.ys).map(|(x, y)| (frame.x(*x), frame.y(*y)));
                let width = if count > 3000 { 1.2 } else { 1.8 };
                for stroke in strokes(points) {
                    match stroke[..] {
                        [point] => canvas.circle(point, width, color),
                        _ => canvas.line(&stroke, width, None, color),
                    }
                }
                if self.series.len() > 1 {
                    for at in beads(frame, series, index, self.series.len()) {
                        bead(canvas, shape(index), at, color);
                    }
                }
            }
            Look::Dots => {
                let (radius, alpha) = if count > 2000 {
                    (1.5, 0.45)
                } else if count > 300 {
                    (2.2, 0.6)
                } else {
                    (3.2, 0.8)
                };
                for point in distinct(series.xs.iter().zip(&series.ys).map(|(x, y)| (frame.x(*x), frame.y(*y)))) {
                    marker(canvas, shape(index), point, radius, color.fade(alpha));
                }
            }
            Look::Bars => self.paint_bars(canvas, frame, index, series),
            Look::Bins => {
                let several = self.series.len() > 1;
                let alpha = if several { 0.5 } else { 0.9 };
                let mut outline = Vec::new();
                let base = base(frame);
                for (edges, y) in series.xs.windows(2).zip(&series.ys) {
                    let (x0, x1) = (frame.x(edges[0]), frame.x(edges[1]));
                    bar(canvas, frame, index, [x0 + 0.5, (x1 - x0 - 1.0).max(0.6)], *y, color.fade(alpha));
                    let level = if *y > 0.0 { frame.y(*y) } else { base };
                    outline.extend([(x0, level), (x1, level)]);
                }
                // Where histograms overlap, outlines keep their shapes apart.
                if let (true, Some(first), Some(last)) = (several, outline.first(), outline.last()) {
                    let (first, last) = ((first.0, base), (last.0, base));
                    outline.insert(0, first);
                    outline.push(last);
                    canvas.line(&outline, 1.5, None, color);
                }
            }
        }
    }

    fn paint_bars(&self, canvas: &mut Canvas, frame: &Frame, index: usize, series: &Series) {
        let slot = frame.width / (frame.x.high - frame.x.low);
        let groups = self.series.len() as f64;
        let width = (slot * 0.78 / groups).min(90.0);
        for (x, y) in series.xs.iter().zip(&series.ys) {
            let left = frame.x(*x) + (index as f64 - groups / 2.0) * width;
            let wide = width - if groups > 1.0 { 1.0 } else { 0.0 };
            bar(canvas, frame, index, [left, wide], *y, PALETTE[index % PALETTE.len()]);
            let label = number(*y).replace('-', "\u{2212}");
            let wide = font::width(&label, TICK_EM, false);
            if wide <= width + 6.0 && y.is_finite() && frame.y.kind == Kind::Linear {
                let level = frame.y(*y) + if *y < 0.0 { 14.0 } else { -5.0 };
                // A grid line must not strike the number through.
                canvas.rect([left + (width - wide) / 2.0 - 2.0, level - 10.0, wide + 4.0, 12.0], 0.0, GROUND);
                canvas.text(&label, (left + width / 2.0, level), plain(TICK_EM, Anchor::Middle, SOFT));
            }
        }
    }

    /// The bands around lines, under all lines.
    pub(super) fn paint_spreads(&self, canvas: &mut Canvas, frame: &Frame) {
        for (i, series) in self.series.iter().enumerate() {
            let Some(band) = &series.spread else { continue };
            let edge = |ys: &[f64]| strokes(series.xs.iter().zip(ys).map(|(x, y)| (frame.x(*x), frame.y(*y))));
            // Both edges have their gaps at the same places: values come in pairs.
            for (mut low, high) in edge(&band.low).into_iter().zip(edge(&band.high)) {
                low.reverse();
                let area: Vec<_> = high.into_iter().chain(low).collect();
                canvas.polygon(&area, PALETTE[i % PALETTE.len()].fade(0.2));
            }
        }
    }

    pub(super) fn paint_bands(&self, canvas: &mut Canvas, frame: &Frame) {
        for (i, mark) in self.marks.iter().enumerate() {
            if let Mark::Band { from, to, .. } = mark {
                let (x0, x1) = (frame.x(from.min(*to)), frame.x(from.max(*to)));
                let (x0, x1) = (x0.max(frame.left), x1.min(frame.left + frame.width));
                if x1 >= x0 {
                    canvas.rect([x0, frame.top, (x1 - x0).max(1.0), frame.height], 0.0, mark_color(i, mark).fade(0.16));
                }
            }
        }
    }

    pub(super) fn paint_marks(&self, canvas: &mut Canvas, frame: &Frame) {
        for (i, mark) in self.marks.iter().enumerate() {
            match mark {
                Mark::Vertical { xs, .. } => {
                    for x in distinct(xs.iter().map(|x| (frame.x(*x), 0.0))) {
                        let ends = [(x.0, frame.top), (x.0, frame.top + frame.height)];
                        canvas.line(&ends, 1.4, Some(dash_of(i)), mark_color(i, mark));
                    }
                }
                Mark::Horizontal { y, label } => {
                    let level = frame.y(*y);
                    canvas.line(&[(frame.left, level), (frame.left + frame.width, level)], 1.4, Some(5.0), INK);
                    let room = level - frame.top > 18.0;
                    let at = (frame.left + frame.width - 4.0, if room { level - 5.0 } else { level + 14.0 });
                    canvas.text(
                        &shorten(label, frame.width - 8.0, TICK_EM, false),
                        at,
                        plain(TICK_EM, Anchor::End, INK),
                    );
                }
                Mark::Band { .. } => {}
            }
        }
    }
}

/// The level on which bars stand.
fn base(frame: &Frame) -> f64 {
    frame.y(if frame.y.kind == Kind::Log { frame.y.low } else { 0.0 })
}

/// A bar at `[left, width]`.
fn bar(canvas: &mut Canvas, frame: &Frame, index: usize, [left, width]: [f64; 2], value: f64, color: Color) {
    let (a, b) = (frame.y(value), base(frame));
    if a.is_finite() && b.is_finite() && a != b {
        let area = [left, a.min(b), width, (a - b).abs()];
        canvas.rect(area, 0.0, color);
        hatch(canvas, index, area);
    }
}

/// Where a line's markers stand: on each point of a short series, else at even distances, each series at places of its own.
fn beads(frame: &Frame, series: &Series, index: usize, count: usize) -> Vec<(f64, f64)> {
    let points = || {
        let places = series.xs.iter().zip(&series.ys).map(|(x, y)| (frame.x(*x), frame.y(*y)));
        places.filter(|p| p.0.is_finite() && p.1.is_finite())
    };
    if series.xs.len() <= 25 {
        return points().collect();
    }
    let step = frame.width / 6.0;
    let first = frame.left + step * (index as f64 + 0.5) / count as f64;
    let mut nearest: [Option<(f64, f64)>; 6] = [None; 6];
    for point in points() {
        for (i, best) in nearest.iter_mut().enumerate() {
            let place = first + step * i as f64;
            let away = (point.0 - place).abs();
            if away < step / 4.0 && best.is_none_or(|best| away < (best.0 - place).abs()) {
                *best = Some(point);
            }
        }
    }
    nearest.into_iter().flatten().collect()
}
