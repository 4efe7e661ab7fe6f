//! Plots with two axes: lines, dots, bars, histograms, and marks on them.

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::{ALERT, AXIS, Color, GRID, GROUND, INK, PALETTE, SOFT};
use crate::decimate::{distinct, strokes};
use crate::figure::{LABEL_EM, TICK_EM, shorten};
use crate::font;
use crate::legend::{self, Entry, Swatch};
use crate::scale::{Kind, Scale, number};

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Line,
    Dots,
    Bars,
    /// `xs` holds the bin edges (one more than `ys`).
    Bins,
}

#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) xs: Vec<f64>,
    pub(crate) ys: Vec<f64>,
    pub(crate) look: Look,
}

#[derive(Debug, Clone)]
pub(crate) enum Mark {
    Vertical { xs: Vec<f64>, label: String },
    Horizontal { y: f64, label: String },
    Band { from: f64, to: f64, label: String },
}

/// Series and marks over a common pair of axes.
#[derive(Debug, Clone)]
pub(crate) struct Axes {
    pub(crate) x_kind: Kind,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) log_y: bool,
    pub(crate) y_range: Option<(f64, f64)>,
    pub(crate) series: Vec<Series>,
    pub(crate) marks: Vec<Mark>,
}

/// The plot area and its scales.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * self.width
    }

    fn y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.y.place(value)) * self.height
    }
}

fn plain(em: f64, anchor: Anchor, color: Color) -> Type {
    Type { em, bold: false, upward: false, anchor, color }
}

impl Axes {
    pub(crate) fn new(x_kind: Kind, series: Vec<Series>) -> Self {
        let (x_label, y_label) = (String::new(), String::new());
        Self { x_kind, x_label, y_label, log_y: false, y_range: None, series, marks: Vec::new() }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self.series.first().map(|series| series.look) {
            Some(Look::Line) | None => "Line plot",
            Some(Look::Dots) => "Scatter plot",
            Some(Look::Bars) => "Bar chart",
            Some(Look::Bins) => "Histogram",
        }
    }

    fn scales(&self) -> (Scale, Scale) {
        let filled = self.series.iter().any(|s| matches!(s.look, Look::Bars | Look::Bins));
        let dots = self.series.iter().any(|s| s.look == Look::Dots);
        let xs = self.series.iter().flat_map(|s| s.xs.iter().copied());
        let x = Scale::fit(self.x_kind.clone(), xs, if dots { 0.04 } else { 0.0 });
        let levels = self.marks.iter().filter_map(|mark| match mark {
            Mark::Horizontal { y, .. } => Some(*y),
            _ => None,
        });
        let ys = self.series.iter().flat_map(|s| s.ys.iter().copied()).chain(levels);
        let kind = if self.log_y { Kind::Log } else { Kind::Linear };
        let mut y =
            if filled && !self.log_y { Scale::fit(kind, ys.chain([0.0]), 0.08) } else { Scale::fit(kind, ys, 0.05) };
        // What is never negative stands on the axis; air below zero would let bars float and give lines two axes.
        if y.low < 0.0 && !self.log_y && self.series.iter().all(|s| s.ys.iter().all(|v| v.is_nan() || *v >= 0.0)) {
            y.low = 0.0;
        }
        if let Some((low, high)) = self.y_range.filter(|range| !self.log_y || range.0 > 0.0) {
            (y.low, y.high) = (low, high);
        }
        (x, y)
    }

    /// Name, colour and shape of what the legend explains.
    fn legend(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.series.len() > 1 {
            for (i, series) in self.series.iter().enumerate() {
                let swatch = if series.look == Look::Line { Swatch::Line } else { Swatch::Box };
                entries.push((series.name.clone(), PALETTE[i % PALETTE.len()], swatch));
            }
        }
        for (i, mark) in self.marks.iter().enumerate() {
            match mark {
                Mark::Vertical { label, .. } if !label.is_empty() => {
                    entries.push((label.clone(), mark_color(i, mark), Swatch::Dashes))
                }
                Mark::Band { label, .. } if !label.is_empty() && !entries.iter().any(|e| e.0 == *label) => {
                    entries.push((label.clone(), mark_color(i, mark).fade(0.25), Swatch::Box));
                }
                _ => {}
            }
        }
        entries
    }

    pub(crate) fn paint(&self, canvas: &mut Canvas, [area_left, area_top, area_width, area_height]: [f64; 4]) {
        let (x, y) = self.scales();
        let entries = self.legend();
        let rows = legend::rows(&entries, area_width - 28.0);
        let legend_height = rows.len() as f64 * legend::ROW;
        let top = area_top + legend_height + 2.0;
        let bottom = area_top + area_height - 26.0 - if self.x_label.is_empty() { 0.0 } else { 20.0 };
        let height = (bottom - top).max(20.0);
        let y_ticks = y.ticks(((height / 42.0) as usize).clamp(2, 10));
        let widest =
            y_ticks.iter().map(|t| font::width(&t.1, TICK_EM, false)).fold(0.0, f64::max).min(area_width * 0.3);
        let left = area_left + 14.0 + widest + 8.0 + if self.y_label.is_empty() { 0.0 } else { 20.0 };
        let width = (area_left + area_width - 18.0 - left).max(20.0);
        let frame = Frame { left, top, width, height, x, y };

        legend::paint(canvas, &rows, (area_left + 14.0, area_top));
        for (value, label) in &y_ticks {
            let level = frame.y(*value);
            canvas.line(&[(left, level), (left + width, level)], 1.0, None, GRID);
            canvas.text(
                &shorten(label, area_width * 0.3, TICK_EM, false),
                (left - 8.0, level + 4.0),
                plain(TICK_EM, Anchor::End, SOFT),
            );
        }
        if frame.y.low < 0.0 && frame.y.high > 0.0 && frame.y.kind == Kind::Linear {
            canvas.line(&[(left, frame.y(0.0)), (left + width, frame.y(0.0))], 1.0, None, AXIS);
        }
        self.paint_x_ticks(canvas, &frame, area_left + area_width);
        canvas.clip(Some([left, top - 1.0, width, height + 2.0]));
        self.paint_bands(canvas, &frame);
        for (i, series) in self.series.iter().enumerate() {
            self.paint_series(canvas, &frame, i, series);
        }
        self.paint_marks(canvas, &frame);
        canvas.clip(None);
        canvas.line(&[(left, bottom), (left + width, bottom)], 1.0, None, AXIS);
        if !self.x_label.is_empty() {
            let text = shorten(&self.x_label, width, LABEL_EM, false);
            canvas.text(&text, (left + width / 2.0, bottom + 39.0), plain(LABEL_EM, Anchor::Middle, INK));
        }
        if !self.y_label.is_empty() {
            let text = shorten(&self.y_label, height, LABEL_EM, false);
            let style = Type { upward: true, ..plain(LABEL_EM, Anchor::Middle, INK) };
            canvas.text(&text, (area_left + 22.0, top + height / 2.0), style);
        }
    }

    fn paint_x_ticks(&self, canvas: &mut Canvas, frame: &Frame, right: f64) {
        let bottom = frame.top + frame.height;
        let slot = if let Kind::Names(names) = &frame.x.kind {
            frame.width / names.len().max(1) as f64
        } else {
            f64::INFINITY
        };
        let wanted =
            if slot.is_finite() { (frame.width / 34.0) as usize } else { ((frame.width / 78.0) as usize).clamp(2, 12) };
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in frame.x.ticks(wanted) {
            let at = frame.x(value);
            if !slot.is_finite() {
                canvas.line(&[(at, bottom), (at, bottom + 4.0)], 1.0, None, AXIS);
            }
            let label = shorten(&label, slot.max(frame.width / wanted.max(1) as f64) - 4.0, TICK_EM, false);
            let half = font::width(&label, TICK_EM, false) / 2.0;
            // Labels at the ends move inwards rather than out of the picture.
            let middle = at.min(right - 6.0 - half).max(6.0 + half);
            if middle - half >= free_from {
                canvas.text(&label, (middle, bottom + 18.0), plain(TICK_EM, Anchor::Middle, SOFT));
                free_from = middle + half + 8.0;
            }
        }
    }

    fn paint_series(&self, canvas: &mut Canvas, frame: &Frame, index: usize, series: &Series) {
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
                    canvas.circle(point, radius, color.fade(alpha));
                }
            }
            Look::Bars => self.paint_bars(canvas, frame, index, series),
            Look::Bins => {
                let alpha = if self.series.len() > 1 { 0.55 } else { 0.9 };
                for (edges, y) in series.xs.windows(2).zip(&series.ys) {
                    let (x0, x1) = (frame.x(edges[0]), frame.x(edges[1]));
                    bar(canvas, frame, x0 + 0.5, (x1 - x0 - 1.0).max(0.6), *y, color.fade(alpha));
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
            bar(canvas, frame, left, width - if groups > 1.0 { 1.0 } else { 0.0 }, *y, PALETTE[index % PALETTE.len()]);
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

    fn paint_bands(&self, canvas: &mut Canvas, frame: &Frame) {
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

    fn paint_marks(&self, canvas: &mut Canvas, frame: &Frame) {
        for (i, mark) in self.marks.iter().enumerate() {
            match mark {
                Mark::Vertical { xs, .. } => {
                    for x in distinct(xs.iter().map(|x| (frame.x(*x), 0.0))) {
                        let ends = [(x.0, frame.top), (x.0, frame.top + frame.height)];
                        canvas.line(&ends, 1.4, Some(5.0), mark_color(i, mark));
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

    pub(crate) fn describe(&self) -> String {
        let (x, y) = self.scales();
        let extent = |scale: &Scale, values: &mut dyn Iterator<Item = f64>| {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            values.filter(|v| v.is_finite()).for_each(|v| (low, high) = (low.min(v), high.max(v)));
            if low <= high {
                format!("from {} to {}", scale.say(low), scale.say(high))
            } else {
                String::from("without values")
            }
        };
        let named =
            |axis: &str, label: &str| if label.is_empty() { axis.to_owned() } else { format!("{axis}: {label}") };
        let mut text = match &x.kind {
            Kind::Names(names) => format!("{}, {} groups", named("x", &self.x_label), names.len()),
            _ => format!(
                "{} {}",
                named("x", &self.x_label),
                extent(&x, &mut self.series.iter().flat_map(|s| s.xs.iter().copied()))
            ),
        };
        let range = extent(&y, &mut self.series.iter().flat_map(|s| s.ys.iter().copied()));
        let log = if self.log_y { ", logarithmic" } else { "" };
        text.push_str(&format!("; {} {range}{log}.", named("y", &self.y_label)));
        for series in &self.series {
            text.push_str(&format!("\n- {}", describe_series(series, &x)));
        }
        for mark in &self.marks {
            text.push_str(&match mark {
                Mark::Vertical { xs, label } => {
                    let at: Vec<_> = xs.iter().take(12).map(|v| x.say(*v)).collect();
                    format!("\n- {} at {}{}", or_line(label), at.join(", "), if xs.len() > 12 { ", …" } else { "" })
                }
                Mark::Horizontal { y: level, label } => format!("\n- {} at y = {}", or_line(label), number(*level)),
                Mark::Band { from, to, label } => {
                    format!("\n- {} from {} to {}", or_line(label), x.say(*from), x.say(*to))
                }
            });
        }
        text
    }
}

fn or_line(label: &str) -> &str {
    if label.is_empty() { "mark" } else { label }
}

fn describe_series(series: &Series, x: &Scale) -> String {
    let finite = || series.ys.iter().enumerate().filter(|(_, v)| v.is_finite());
    let total = series.ys.len();
    let (Some(first), Some(last)) = (finite().next(), finite().next_back()) else {
        return format!("{}: no values", series.name);
    };
    let low = finite().min_by(|a, b| a.1.total_cmp(b.1)).unwrap_or(first);
    let high = finite().max_by(|a, b| a.1.total_cmp(b.1)).unwrap_or(first);
    if series.look == Look::Bars && total <= 12 {
        let values: Vec<_> =
            series.xs.iter().zip(&series.ys).map(|(at, v)| format!("{} {}", x.say(*at), number(*v))).collect();
        return format!("{}: {}", series.name, values.join(", "));
    }
    let missing = total - finite().count();
    let gaps = if missing > 0 { format!(", {missing} missing") } else { String::new() };
    let at = |point: (usize, &f64)| {
        format!("{} at {}", number(*point.1), series.xs.get(point.0).map_or(String::new(), |v| x.say(*v)))
    };
    let course = if series.look == Look::Line {
        format!(", first {}, last {}", number(*first.1), number(*last.1))
    } else {
        String::new()
    };
    let unit = if series.look == Look::Bins { "bins" } else { "points" };
    format!("{}: {total} {unit}{gaps}{course}, lowest {}, highest {}", series.name, at(low), at(high))
}

fn bar(canvas: &mut Canvas, frame: &Frame, left: f64, width: f64, value: f64, color: Color) {
    let base = if frame.y.kind == Kind::Log { frame.y.low } else { 0.0 };
    let (a, b) = (frame.y(value), frame.y(base));
    if a.is_finite() && b.is_finite() && a != b {
        canvas.rect([left, a.min(b), width, (a - b).abs()], 0.0, color);
    }
}

fn mark_color(index: usize, mark: &Mark) -> Color {
    match mark {
        Mark::Vertical { .. } if index == 0 => ALERT,
        Mark::Vertical { .. } => PALETTE[(index + 5) % PALETTE.len()],
        Mark::Band { .. } => PALETTE[4],
        Mark::Horizontal { .. } => INK,
    }
}
