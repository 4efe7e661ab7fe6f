//! What the colours of a plot mean.

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::{Color, INK};
use crate::figure::{TICK_EM, shorten};
use crate::font;
use crate::style::{Shape, bead, hatch, marker};

/// The height of a row.
pub(crate) const ROW: f64 = 19.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Swatch {
    /// A line with its marker.
    Line(Shape),
    Dot(Shape),
    /// A dashed line, by the length of its dashes.
    Dashes(f64),
    Box,
    /// A bar of the series with this number.
    Hatched(usize),
}

/// Name, colour and shape.
pub(crate) type Entry = (String, Color, Swatch);

pub(crate) fn rows(entries: &[Entry], room: f64) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    let mut used = f64::INFINITY;
    for (name, color, swatch) in entries {
        let name = shorten(name, (room - 30.0).min(260.0), TICK_EM, false);
        let width = 30.0 + font::width(&name, TICK_EM, false) + 16.0;
        if used + width - 16.0 > room {
            rows.push(Vec::new());
            used = 0.0;
        }
        used += width;
        if let Some(row) = rows.last_mut() {
            row.push((name, *color, *swatch));
        }
    }
    rows
}

pub(crate) fn paint(canvas: &mut Canvas, rows: &[Vec<Entry>], (left, top): (f64, f64)) {
    for (i, row) in rows.iter().enumerate() {
        let (mut x, y) = (left, top + 9.0 + i as f64 * ROW);
        for (name, color, swatch) in row {
            match swatch {
                Swatch::Line(shape) => {
                    canvas.line(&[(x, y), (x + 22.0, y)], 2.4, None, *color);
                    bead(canvas, *shape, (x + 11.0, y), *color);
                }
                Swatch::Dot(shape) => marker(canvas, *shape, (x + 10.0, y), 4.2, *color),
                Swatch::Dashes(dash) => canvas.line(&[(x, y), (x + 20.0, y)], 1.6, Some(*dash), *color),
                Swatch::Hatched(index) => {
                    canvas.rect([x + 2.0, y - 6.0, 16.0, 12.0], 0.0, *color);
                    hatch(canvas, *index, [x + 2.0, y - 6.0, 16.0, 12.0]);
                }
                Swatch::Box => canvas.rect([x + 4.0, y - 6.0, 12.0, 12.0], 2.0, *color),
            }
            canvas.text(
                name,
                (x + 30.0, y + 4.0),
                Type { em: TICK_EM, bold: false, upward: false, anchor: Anchor::Start, color: INK },
            );
            x += 46.0 + font::width(name, TICK_EM, false);
        }
    }
}
