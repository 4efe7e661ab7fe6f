//! Matrices as colours: heat maps and confusion matrices.

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::{AXIS, Color, GROUND, INK, Ramp, SOFT};
use crate::figure::{LABEL_EM, TICK_EM, shorten};
use crate::font;
use crate::scale::{Kind, Scale, number};

#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Row by row; NaN is drawn hatched grey.
    pub(crate) values: Vec<f64>,
    pub(crate) row_names: Vec<String>,
    pub(crate) column_names: Vec<String>,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    /// Counts of (actual, predicted): colours by share of the row, numbers in the cells.
    pub(crate) confusion: bool,
}

const MISSING: Color = Color::hex(0xc9_cd_d2);

impl Matrix {
    pub(crate) fn kind_name(&self) -> &'static str {
        if self.confusion { "Confusion matrix" } else { "Heat map" }
    }

    fn range(&self) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in self.values.iter().filter(|v| v.is_finite()) {
            (low, high) = (low.min(*v), high.max(*v));
        }
        if low > high { (0.0, 1.0) } else { (low, high) }
    }

    /// The colour map with the values at its ends.
    fn ramp(&self) -> (Ramp, f64, f64) {
        let (low, high) = self.range();
        if self.confusion {
            (Ramp::Counts, 0.0, 1.0)
        } else if low < 0.0 && high > 0.0 {
            let reach = high.max(-low);
            (Ramp::Diverging, -reach, reach)
        } else if low == high {
            (Ramp::Sequential, low - 0.5, high + 0.5)
        } else {
            (Ramp::Sequential, low, high)
        }
    }

    fn row_total(&self, row: usize) -> f64 {
        self.values[row * self.columns..][..self.columns].iter().filter(|v| v.is_finite()).sum()
    }

    fn shade(&self, (ramp, low, high): (Ramp, f64, f64), row: usize, column: usize) -> Color {
        let mut value = self.values[row * self.columns + column];
        if self.confusion {
            value /= self.row_total(row).max(f64::MIN_POSITIVE);
        }
        if value.is_finite() { ramp.at((value - low) / (high - low)) } else { MISSING }
    }

    pub(crate) fn paint(&self, canvas: &mut Canvas, [left, top, width, height]: [f64; 4]) {
        let text = |em, anchor, color| Type { em, bold: false, upward: false, anchor, color };
        let names = !self.row_names.is_empty();
        let row_ticks = ticks(&self.row_names, self.rows);
        let widest = row_ticks.iter().map(|t| font::width(&t.1, TICK_EM, false)).fold(0.0, f64::max).min(width * 0.3);
        let bar_room = if self.confusion { 8.0 } else { 74.0 };
        let x0 = left + 14.0 + widest + 8.0 + if self.y_label.is_empty() { 0.0 } else { 22.0 };
        let room_x = (left + width - 10.0 - bar_room - x0).max(20.0);
        let bottom_room = 28.0 + if self.x_label.is_empty() { 0.0 } else { 20.0 };
        let room_y = (height - bottom_room - 4.0).max(20.0);
        // Square cells where that does not waste too much, as in pictures and confusion matrices.
        let side = (room_x / self.columns as f64).min(room_y / self.rows as f64);
        let stretched = side * self.columns as f64 <= room_x * 0.5 || side * self.rows as f64 <= room_y * 0.5;
        let (cell_x, cell_y) = if stretched && !self.confusion {
            (room_x / self.columns as f64, room_y / self.rows as f64)
        } else {
            (side, side)
        };
        let cell_x = if self.confusion { (cell_y * 1.7).min(room_x / self.columns as f64) } else { cell_x };
        let (w, h) = (cell_x * self.columns as f64, cell_y * self.rows as f64);

        let ramp = self.ramp();
        let mut rgb = Vec::with_capacity(3 * self.values.len());
        for row in 0..self.rows {
            for column in 0..self.columns {
                rgb.extend(self.shade(ramp, row, column).rgb);
            }
        }
        canvas.image([x0, top, w, h], (self.columns, self.rows), &rgb);
        if self.confusion || cell_x.min(cell_y) >= 22.0 {
            self.paint_cells(canvas, (x0, top), (cell_x, cell_y));
        }
        let mut free_from = f64::NEG_INFINITY;
        for (row, label) in &row_ticks {
            let y = top + (*row as f64 + 0.5) * cell_y;
            if y - 7.0 >= free_from {
                let label = shorten(label, width * 0.3, TICK_EM, false);
                canvas.text(&label, (x0 - 8.0, y + 4.0), text(TICK_EM, Anchor::End, SOFT));
                free_from = y + 7.0;
            }
        }
        let mut free_from = f64::NEG_INFINITY;
        for (column, label) in ticks(&self.column_names, self.columns) {
            let x = x0 + (column as f64 + 0.5) * cell_x;
            let label = shorten(&label, if names { cell_x.max(40.0) - 4.0 } else { 60.0 }, TICK_EM, false);
            let half = font::width(&label, TICK_EM, false) / 2.0;
            if x - half >= free_from {
                canvas.text(&label, (x, top + h + 17.0), text(TICK_EM, Anchor::Middle, SOFT));
                free_from = x + half + 6.0;
            }
        }
        if !self.x_label.is_empty() {
            canvas.text(&self.x_label, (x0 + w / 2.0, top + h + 38.0), text(LABEL_EM, Anchor::Middle, INK));
        }
        if !self.y_label.is_empty() {
            let style = Type { upward: true, ..text(LABEL_EM, Anchor::Middle, INK) };
            canvas.text(&shorten(&self.y_label, h.max(80.0), LABEL_EM, false), (left + 24.0, top + h / 2.0), style);
        }
        if !self.confusion {
            self.paint_bar(canvas, [x0 + w + 14.0, top, 12.0, h]);
        }
    }

    /// The number in each cell, and the share of its row in a confusion matrix.
    fn paint_cells(&self, canvas: &mut Canvas, (x0, y0): (f64, f64), (cell_x, cell_y): (f64, f64)) {
        for i in 1..self.columns {
            let x = x0 + i as f64 * cell_x;
            canvas.line(&[(x, y0), (x, y0 + cell_y * self.rows as f64)], 1.5, None, GROUND);
        }
        for i in 1..self.rows {
            let y = y0 + i as f64 * cell_y;
            canvas.line(&[(x0, y), (x0 + cell_x * self.columns as f64, y)], 1.5, None, GROUND);
        }
        let ramp = self.ramp();
        for row in 0..self.rows {
            for column in 0..self.columns {
                let value = self.values[row * self.columns + column];
                let color = if self.shade(ramp, row, column).is_light() { INK } else { GROUND };
                let (x, y) = (x0 + (column as f64 + 0.5) * cell_x, y0 + (row as f64 + 0.5) * cell_y);
                let style = Type { em: TICK_EM, bold: false, upward: false, anchor: Anchor::Middle, color };
                let label = number(value);
                if font::width(&label, TICK_EM, false) > cell_x - 3.0 || value.is_nan() {
                    continue;
                }
                if self.confusion && cell_y >= 40.0 {
                    canvas.text(&label, (x, y - 1.0), Type { em: 15.0, bold: true, ..style });
                    let share = 100.0 * value / self.row_total(row).max(f64::MIN_POSITIVE);
                    canvas.text(&format!("{share:.1} %"), (x, y + 15.0), style);
                } else {
                    canvas.text(&label, (x, y + 4.0), style);
                }
            }
        }
    }

    fn paint_bar(&self, canvas: &mut Canvas, [x, y, width, height]: [f64; 4]) {
        let (ramp, low, high) = self.ramp();
        let steps = 64;
        let rgb: Vec<u8> = (0..steps).flat_map(|i| ramp.at(1.0 - i as f64 / (steps - 1) as f64).rgb).collect();
        canvas.image([x, y, width, height], (1, steps), &rgb);
        let scale = Scale { kind: Kind::Linear, low, high };
        for (value, label) in scale.ticks(((height / 36.0) as usize).clamp(2, 6)) {
            let level = y + (1.0 - scale.place(value)) * height;
            canvas.line(&[(x + width, level), (x + width + 3.0, level)], 1.0, None, AXIS);
            let style = Type { em: TICK_EM, bold: false, upward: false, anchor: Anchor::Start, color: SOFT };
            canvas.text(&label, (x + width + 6.0, level + 4.0), style);
        }
    }

    pub(crate) fn describe(&self) -> String {
        let (low, high) = self.range();
        let named =
            |axis: &str, label: &str| if label.is_empty() { axis.to_owned() } else { format!("{axis} ({label})") };
        let mut text = format!(
            "{} {} by {} {}, values from {} to {}.",
            self.rows,
            named("rows", &self.y_label),
            self.columns,
            named("columns", &self.x_label),
            number(low),
            number(high)
        );
        if self.confusion || self.values.len() <= 64 {
            for (row, values) in self.values.chunks(self.columns).enumerate() {
                let cells: Vec<_> = values.iter().map(|v| number(*v)).collect();
                let name = self.row_names.get(row).cloned().unwrap_or_else(|| format!("row {row}"));
                text.push_str(&format!("\n- {name}: {}", cells.join(", ")));
            }
        }
        text
    }
}

/// The names of rows or columns, or their numbers at a round step.
fn ticks(names: &[String], count: usize) -> Vec<(usize, String)> {
    if !names.is_empty() {
        return names.iter().cloned().enumerate().collect();
    }
    let rough = count.div_ceil(8);
    let step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].into_iter().find(|s| *s >= rough).unwrap_or(rough);
    (0..count).step_by(step.max(1)).map(|i| (i, i.to_string())).collect()
}
