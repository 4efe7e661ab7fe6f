//! What the colours of a plot mean.

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::{Color, INK};
use crate::figure::{TICK_EM, shorten};
use crate::font;

/// The height of a row.
pub(crate) const ROW: f64 = 19.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swatch {
    Line,
    Dashes,
    Box,
}

/// Name, colour and shape.
pub(crate) type Entry = (String, Color, Swatch);

pub(crate) fn rows(entries: &[Entry], room: f64) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    let mut used = f64::INFINITY;
    for (name, color, swatch) in entries {
        let name = shorten(name, (room - 26.0).min(260.0), TICK_EM, false);
        let width = 26.0 + font::width(&name, TICK_EM, false) + 16.0;
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
                Swatch::Line => canvas.line(&[(x, y), (x + 20.0, y)], 3.0, None, *color),
                Swatch::Dashes => canvas.line(&[(x, y), (x + 20.0, y)], 1.6, Some(4.5), *color),
                Swatch::Box => canvas.rect([x + 4.0, y - 6.0, 12.0, 12.0], 2.0, *color),
            }
            canvas.text(
                name,
                (x + 26.0, y + 4.0),
                Type { em: TICK_EM, bold: false, upward: false, anchor: Anchor::Start, color: INK },
            );
            x += 42.0 + font::width(name, TICK_EM, false);
        }
    }
}
