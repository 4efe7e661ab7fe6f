//! What tells series apart besides colour: marker shapes on lines and in clouds, hatching in bars.

use crate::canvas::Canvas;
use crate::color::{Color, GROUND};

/// The marker of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    Cross,
}

/// Series take shapes in this order.
pub(crate) fn shape(index: usize) -> Shape {
    [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Down, Shape::Cross][index % 6]
}

/// A marker of about the same weight whatever its shape.
pub(crate) fn marker(canvas: &mut Canvas, shape: Shape, (x, y): (f64, f64), r: f64, color: Color) {
    match shape {
        Shape::Circle => canvas.circle((x, y), r, color),
        Shape::Square => canvas.rect([x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r], 0.0, color),
        Shape::Triangle => {
            canvas.polygon(&[(x, y - 1.2 * r), (x + 1.12 * r, y + 0.8 * r), (x - 1.12 * r, y + 0.8 * r)], color)
        }
        Shape::Down => {
            canvas.polygon(&[(x, y + 1.2 * r), (x + 1.12 * r, y - 0.8 * r), (x - 1.12 * r, y - 0.8 * r)], color)
        }
        Shape::Diamond => {
            canvas.polygon(&[(x, y - 1.3 * r), (x + 1.3 * r, y), (x, y + 1.3 * r), (x - 1.3 * r, y)], color);
        }
        Shape::Cross => {
            // One outline, so that a half-transparent colour is not painted twice where the arms meet.
            let (a, b) = (0.38 * r, 1.25 * r);
            let arms = [
                (-a, -b),
                (a, -b),
                (a, -a),
                (b, -a),
                (b, a),
                (a, a),
                (a, b),
                (-a, b),
                (-a, a),
                (-b, a),
                (-b, -a),
                (-a, -a),
            ];
            canvas.polygon(&arms.map(|(dx, dy)| (x + 0.71 * (dx - dy), y + 0.71 * (dx + dy))), color);
        }
    }
}

/// A marker on a line: set off by a rim in the ground's colour.
pub(crate) fn bead(canvas: &mut Canvas, shape: Shape, at: (f64, f64), color: Color) {
    canvas.circle(at, 5.0, GROUND.fade(0.8));
    marker(canvas, shape, at, 3.7, color);
}

/// Diagonals over a filled rectangle: none for the first series, then `/`, `\` and both.
pub(crate) fn hatch(canvas: &mut Canvas, index: usize, [x, y, w, h]: [f64; 4]) {
    const STEP: f64 = 7.0;
    if index.is_multiple_of(4) || w < 3.0 || h < 3.0 {
        return;
    }
    let ink = GROUND.fade(0.6);
    let (right, bottom) = (x + w, y + h);
    if index % 4 != 2 {
        for i in ((x + y) / STEP).ceil() as i64..=((right + bottom) / STEP).floor() as i64 {
            let sum = i as f64 * STEP;
            let (from, to) = ((sum - bottom).max(x), (sum - y).min(right));
            if to - from > 0.5 {
                canvas.line(&[(from, sum - from), (to, sum - to)], 1.3, None, ink);
            }
        }
    }
    if index % 4 != 1 {
        for i in ((x - bottom) / STEP).ceil() as i64..=((right - y) / STEP).floor() as i64 {
            let difference = i as f64 * STEP;
            let (from, to) = ((difference + y).max(x), (difference + bottom).min(right));
            if to - from > 0.5 {
                canvas.line(&[(from, from - difference), (to, to - difference)], 1.3, None, ink);
            }
        }
    }
}
