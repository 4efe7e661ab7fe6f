//! Plots with two axes: lines, dots, bars, histograms, and marks on them.

mod draw;
mod words;

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::{ALERT, AXIS, Color, GRID, INK, PALETTE, SOFT};
use crate::figure::{LABEL_EM, TICK_EM, shorten};
use crate::font;
use crate::legend::{self, Entry, Swatch};
use crate::scale::{Kind, Scale};
use crate::style::shape;

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
    /// Low and high of a shaded band around the line, and what the band is.
    pub(crate) spread: Option<Spread>,
}

#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub(crate) low: Vec<f64>,
    pub(crate) high: Vec<f64>,
    pub(crate) what: String,
}

impl Series {
    pub(crate) fn new(name: impl Into<String>, xs: Vec<f64>, ys: Vec<f64>, look: Look) -> Self {
        Self { name: name.into(), xs, ys, look, spread: None }
    }

    /// The vertical values that must fit on the axis, with their place.
    fn levels(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let band = self.spread.iter().flat_map(|band| [&band.low, &band.high]);
        std::iter::once(&self.ys).chain(band).flat_map(|ys| self.xs.iter().copied().zip(ys.iter().copied()))
    }
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
    pub(crate) x_range: Option<(f64, f64)>,
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
        Self { x_kind, x_label, y_label, log_y: false, x_range: None, y_range: None, series, marks: Vec::new() }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self.series.first().map(|series| series.look) {
            Some(Look::Line) | None => "Line plot",
            Some(Look::Dots) => "Scatter plot",
            Some(Look::Bars) => "Bar chart",
            Some(Look::Bins) => "Histogram",
        }
    }

    pub(crate) fn scales(&self) -> (Scale, Scale) {
        let filled = self.series.iter().any(|s| matches!(s.look, Look::Bars | Look::Bins));
        let dots = self.series.iter().any(|s| s.look == Look::Dots);
        let xs = self.series.iter().flat_map(|s| s.xs.iter().copied());
        let mut x = Scale::fit(self.x_kind.clone(), xs, if dots { 0.04 } else { 0.0 });
        if let Some((low, high)) = self.x_range.filter(|range| x.kind != Kind::Log || range.0 > 0.0)
            && !matches!(x.kind, Kind::Names(_))
        {
            (x.low, x.high) = (low, high);
        }
        let levels = self.marks.iter().filter_map(|mark| match mark {
            Mark::Horizontal { y, .. } => Some(*y),
            _ => None,
        });
        // A chosen part of the x axis is shown at its own height.
        let seen = |at: &f64| self.x_range.is_none_or(|(low, high)| (low..=high).contains(at));
        let ys = self.series.iter().flat_map(|s| s.levels().filter(|p| seen(&p.0)).map(|p| p.1)).chain(levels);
        let kind = if self.log_y { Kind::Log } else { Kind::Linear };
        let mut y =
            if filled && !self.log_y { Scale::fit(kind, ys.chain([0.0]), 0.08) } else { Scale::fit(kind, ys, 0.05) };
        // What is never negative stands on the axis; air below zero would let bars float and give lines two axes.
        if y.low < 0.0 && !self.log_y && self.series.iter().all(|s| s.levels().all(|(_, v)| v.is_nan() || v >= 0.0)) {
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
                let swatch = match series.look {
                    Look::Line => Swatch::Line(shape(i)),
                    Look::Dots => Swatch::Dot(shape(i)),
                    Look::Bars | Look::Bins => Swatch::Hatched(i),
                };
                entries.push((series.name.clone(), PALETTE[i % PALETTE.len()], swatch));
            }
        }
        for (i, series) in self.series.iter().enumerate() {
            if let Some(band) = &series.spread
                && !entries.iter().any(|entry| entry.0 == band.what)
            {
                // Bands that mean the same are explained once, in grey when they have several colours.
                let alike =
                    self.series.iter().filter_map(|s| s.spread.as_ref()).filter(|s| s.what == band.what).count();
                let color = if alike > 1 { SOFT } else { PALETTE[i % PALETTE.len()] };
                entries.push((band.what.clone(), color.fade(0.25), Swatch::Box));
            }
        }
        for (i, mark) in self.marks.iter().enumerate() {
            match mark {
                Mark::Vertical { label, .. } if !label.is_empty() => {
                    entries.push((label.clone(), mark_color(i, mark), Swatch::Dashes(dash_of(i))))
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
        let top = area_top + legend_height + if rows.is_empty() { 2.0 } else { 6.0 };
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
        self.paint_spreads(canvas, &frame);
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
}

/// Kinds of vertical lines differ in dashes, not only in colour.
fn dash_of(index: usize) -> f64 {
    [5.0, 2.0, 9.0, 3.5][index % 4]
}

fn mark_color(index: usize, mark: &Mark) -> Color {
    match mark {
        Mark::Vertical { .. } if index == 0 => ALERT,
        Mark::Vertical { .. } => PALETTE[(index + 5) % PALETTE.len()],
        Mark::Band { .. } => PALETTE[4],
        Mark::Horizontal { .. } => INK,
    }
}
