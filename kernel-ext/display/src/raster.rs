//! Antialiased drawing into RGBA pixels.

use crate::color::Color;
use crate::font;

/// Straight-alpha RGBA pixels and a coverage mask for the shape being drawn.
pub(crate) struct Raster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
    mask: Vec<u8>,
    /// Pixels outside `(left, top, right, bottom)` are not touched.
    clip: (usize, usize, usize, usize),
}

impl Raster {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let area = width * height;
        Self { width, height, pixels: vec![0; 4 * area], mask: vec![0; area], clip: (0, 0, width, height) }
    }

    pub(crate) fn set_clip(&mut self, area: Option<[f64; 4]>) {
        let [x, y, w, h] = area.unwrap_or([0.0, 0.0, self.width as f64, self.height as f64]);
        let bound = |v: f64, max: usize| v.round().clamp(0.0, max as f64) as usize;
        self.clip = (bound(x, self.width), bound(y, self.height), bound(x + w, self.width), bound(y + h, self.height));
    }

    fn blend(&mut self, x: usize, y: usize, color: Color, coverage: f64) {
        let alpha = color.alpha * coverage;
        if alpha <= 0.0 {
            return;
        }
        let at = 4 * (y * self.width + x);
        if alpha >= 1.0 {
            self.pixels[at..at + 3].copy_from_slice(&color.rgb);
            self.pixels[at + 3] = 255;
            return;
        }
        let below = f64::from(self.pixels[at + 3]) / 255.0;
        let total = alpha + below * (1.0 - alpha);
        for (i, &c) in color.rgb.iter().enumerate() {
            let old = f64::from(self.pixels[at + i]);
            let mixed = (f64::from(c) * alpha + old * below * (1.0 - alpha)) / total;
            self.pixels[at + i] = mixed.round() as u8;
        }
        self.pixels[at + 3] = (total * 255.0).round() as u8;
    }

    /// The clip area's columns and rows that meet a box.
    fn reach(&self, x0: f64, y0: f64, x1: f64, y1: f64) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let low = |v: f64, min: usize, max: usize| (v.floor().max(0.0) as usize).clamp(min, max.max(min));
        let high = |v: f64, min: usize, max: usize| (v.ceil().max(0.0) as usize).clamp(min, max.max(min));
        let (left, top, right, bottom) = self.clip;
        (low(x0, left, right)..high(x1, left, right), low(y0, top, bottom)..high(y1, top, bottom))
    }

    /// A filled rectangle with rounded corners; edges fall between pixels with partial coverage.
    pub(crate) fn rect(&mut self, [x, y, w, h]: [f64; 4], radius: f64, color: Color) {
        let (columns, rows) = self.reach(x, y, x + w, y + h);
        let (cx, cy) = (x + w / 2.0, y + h / 2.0);
        for py in rows {
            let fy = py as f64;
            let cover_y = (fy + 1.0).min(y + h) - fy.max(y);
            // Most of a row is covered whole: only its ends need arithmetic.
            let plain = cover_y >= 1.0 && color.alpha >= 1.0;
            let inset = if fy >= y + radius && fy + 1.0 <= y + h - radius { 0.0 } else { radius };
            let inner =
                ((x + inset).ceil() as usize).max(columns.start)..((x + w - inset).floor() as usize).min(columns.end);
            let inner = if plain && inner.start < inner.end { inner } else { columns.start..columns.start };
            let [r, g, b] = color.rgb;
            let from = 4 * (py * self.width + inner.start);
            self.pixels[from..from + 4 * inner.len()].as_chunks_mut::<4>().0.fill([r, g, b, 255]);
            for px in (columns.start..inner.start).chain(inner.end..columns.end) {
                let fx = px as f64;
                let mut coverage = ((fx + 1.0).min(x + w) - fx.max(x)).max(0.0) * cover_y.max(0.0);
                if radius > 0.0 {
                    let dx = ((fx + 0.5 - cx).abs() - (w / 2.0 - radius)).max(0.0);
                    let dy = ((fy + 0.5 - cy).abs() - (h / 2.0 - radius)).max(0.0);
                    coverage = coverage.min((radius + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0));
                }
                self.blend(px, py, color, coverage);
            }
        }
    }

    pub(crate) fn circle(&mut self, (cx, cy): (f64, f64), radius: f64, color: Color) {
        let reach = radius + 1.0;
        let (columns, rows) = self.reach(cx - reach, cy - reach, cx + reach, cy + reach);
        for py in rows {
            for px in columns.clone() {
                let (dx, dy) = (px as f64 + 0.5 - cx, py as f64 + 0.5 - cy);
                let distance = (dx * dx + dy * dy).sqrt();
                self.blend(px, py, color, (radius + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }

    /// A connected line with round joins. Its parts are united in a mask first: overlaps are not painted twice.
    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], width: f64, color: Color) {
        let mut dirty = (usize::MAX, usize::MAX, 0, 0);
        for pair in points.windows(2) {
            self.mask_segment(pair[0], pair[1], width / 2.0, &mut dirty);
        }
        if dirty.0 >= dirty.2 {
            return;
        }
        for y in dirty.1..dirty.3 {
            for x in dirty.0..dirty.2 {
                let at = y * self.width + x;
                if self.mask[at] > 0 {
                    let coverage = f64::from(self.mask[at]) / 255.0;
                    self.mask[at] = 0;
                    self.blend(x, y, color, coverage);
                }
            }
        }
    }

    fn mask_segment(&mut self, a: (f64, f64), b: (f64, f64), radius: f64, dirty: &mut (usize, usize, usize, usize)) {
        if !(a.0.is_finite() && a.1.is_finite() && b.0.is_finite() && b.1.is_finite()) {
            return;
        }
        let reach = radius + 1.0;
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length2 = dx * dx + dy * dy;
        let (_, rows) =
            self.reach(a.0.min(b.0) - reach, a.1.min(b.1) - reach, a.0.max(b.0) + reach, a.1.max(b.1) + reach);
        for py in rows {
            let fy = py as f64 + 0.5;
            // The part of the segment that can reach this row bounds the columns worth a look.
            let (t0, t1) = if dy.abs() < 1e-9 {
                (0.0, 1.0)
            } else {
                let (p, q) = ((fy - reach - a.1) / dy, (fy + reach - a.1) / dy);
                (p.min(q).clamp(0.0, 1.0), p.max(q).clamp(0.0, 1.0))
            };
            let (x0, x1) = (a.0 + t0 * dx, a.0 + t1 * dx);
            let (columns, _) = self.reach(x0.min(x1) - reach, fy, x0.max(x1) + reach, fy);
            for px in columns.clone() {
                let (ox, oy) = (px as f64 + 0.5 - a.0, fy - a.1);
                let t = if length2 > 0.0 { ((ox * dx + oy * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
                let (away_x, away_y) = (ox - t * dx, oy - t * dy);
                let distance = (away_x * away_x + away_y * away_y).sqrt();
                // Thinner than a pixel: full width would look bold, so it pales instead.
                let coverage = (radius + 0.5 - distance).clamp(0.0, 1.0).min(2.0 * radius);
                let cell = &mut self.mask[py * self.width + px];
                *cell = (*cell).max((coverage * 255.0) as u8);
            }
            if !columns.is_empty() {
                *dirty = (dirty.0.min(columns.start), dirty.1.min(py), dirty.2.max(columns.end), dirty.3.max(py + 1));
            }
        }
    }

    /// A filled polygon (even-odd), four samples a row, exact across.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], color: Color) {
        if points.len() < 3 || points.iter().any(|p| !p.0.is_finite() || !p.1.is_finite()) {
            return;
        }
        let (mut top, mut bottom) = (f64::INFINITY, f64::NEG_INFINITY);
        for point in points {
            (top, bottom) = (top.min(point.1), bottom.max(point.1));
        }
        let (columns, rows) = self.reach(0.0, top, self.width as f64, bottom);
        let mut cover = vec![0.0_f64; self.width];
        for py in rows {
            cover.fill(0.0);
            for sample in 0..4 {
                let y = py as f64 + (f64::from(sample) + 0.5) / 4.0;
                let mut cuts: Vec<f64> = Vec::new();
                for (i, &a) in points.iter().enumerate() {
                    let b = points[(i + 1) % points.len()];
                    if (a.1 <= y) != (b.1 <= y) {
                        cuts.push(a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0));
                    }
                }
                cuts.sort_by(f64::total_cmp);
                for span in cuts.chunks_exact(2) {
                    let (inside, _) = self.reach(span[0], y, span[1], y);
                    for px in inside {
                        let fx = px as f64;
                        cover[px] += ((fx + 1.0).min(span[1]) - fx.max(span[0])).max(0.0) / 4.0;
                    }
                }
            }
            for px in columns.clone() {
                self.blend(px, py, color, cover[px].min(1.0));
            }
        }
    }

    /// A line of text whose baseline starts at the point; `upward` turns it by 90 degrees counter-clockwise.
    pub(crate) fn text(&mut self, text: &str, at: (f64, f64), em: f64, bold: bool, upward: bool, color: Color) {
        let (left, top, right, bottom) = self.clip;
        let origin = if upward { (0.0, 0.0) } else { at };
        let (ax, ay) = (at.0.round() as i32, at.1.round() as i32);
        font::draw(text, em, bold, origin, |x, y, coverage| {
            let (x, y) = if upward { (ax + y, ay - x) } else { (x, y) };
            if x >= left as i32 && y >= top as i32 && (x as usize) < right && (y as usize) < bottom {
                self.blend(x as usize, y as usize, color, f64::from(coverage));
            }
        });
    }

    /// Opaque RGB pixels stretched over a rectangle, each becoming a block.
    pub(crate) fn image(&mut self, [x, y, w, h]: [f64; 4], (iw, ih): (usize, usize), rgb: &[u8]) {
        if iw == 0 || ih == 0 || w <= 0.0 || h <= 0.0 || rgb.len() < 3 * iw * ih {
            return;
        }
        let (columns, rows) = self.reach(x.round(), y.round(), (x + w).round(), (y + h).round());
        for py in rows {
            let sy = (((py as f64 + 0.5 - y) / h * ih as f64).max(0.0) as usize).min(ih - 1);
            for px in columns.clone() {
                let sx = (((px as f64 + 0.5 - x) / w * iw as f64).max(0.0) as usize).min(iw - 1);
                let (from, to) = (3 * (sy * iw + sx), 4 * (py * self.width + px));
                self.pixels[to..to + 3].copy_from_slice(&rgb[from..from + 3]);
                self.pixels[to + 3] = 255;
            }
        }
    }
}
