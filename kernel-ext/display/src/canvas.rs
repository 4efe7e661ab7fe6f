//! One drawing surface with two forms, SVG text and pixels, and plotters' backend on it.

use image::ExtendedColorType;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};

use crate::color::Color;
use crate::raster::Raster;
use crate::svg::Svg;
use crate::{font, picture_file};

/// Where a line of text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line of text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub(crate) em: f64,
    pub(crate) bold: bool,
    pub(crate) upward: bool,
    pub(crate) anchor: Anchor,
    pub(crate) color: Color,
}

enum Surface {
    Svg(Svg),
    Pixels(Raster, f64),
}

/// A surface of `width` x `height` CSS pixels.
pub(crate) struct Canvas {
    width: f64,
    height: f64,
    surface: Surface,
}

impl Canvas {
    pub(crate) fn svg(width: u32, height: u32) -> Self {
        Self { width: f64::from(width), height: f64::from(height), surface: Surface::Svg(Svg::new()) }
    }

    /// Pixels, `scale` to a CSS pixel.
    pub(crate) fn pixels(width: u32, height: u32, scale: f64) -> Self {
        let side = |v: u32| (f64::from(v) * scale).round() as usize;
        let raster = Raster::new(side(width), side(height));
        Self { width: f64::from(width), height: f64::from(height), surface: Surface::Pixels(raster, scale) }
    }

    /// The drawing as SVG text, when it is one.
    pub(crate) fn into_svg(self, label: &str) -> String {
        match self.surface {
            Surface::Svg(svg) => svg.finish(self.width, self.height, label),
            Surface::Pixels(..) => String::new(),
        }
    }

    /// The drawing as PNG bytes, when it is pixels: `small` to be kept, else quickly made.
    pub(crate) fn into_png(self, small: bool) -> Vec<u8> {
        match self.surface {
            Surface::Pixels(raster, _) if small => {
                picture_file::encode_drawing(&raster.pixels, raster.width, raster.height)
            }
            Surface::Pixels(raster, _) => {
                picture_file::encode(&raster.pixels, raster.width, raster.height, ExtendedColorType::Rgba8)
            }
            Surface::Svg(_) => Vec::new(),
        }
    }

    pub(crate) fn clip(&mut self, area: Option<[f64; 4]>) {
        match &mut self.surface {
            Surface::Svg(svg) => svg.set_clip(area),
            Surface::Pixels(raster, scale) => raster.set_clip(area.map(|a| a.map(|v| v * *scale))),
        }
    }

    pub(crate) fn rect(&mut self, area: [f64; 4], radius: f64, color: Color) {
        match &mut self.surface {
            Surface::Svg(svg) => svg.rect(area, radius, color),
            Surface::Pixels(raster, scale) => raster.rect(area.map(|v| v * *scale), radius * *scale, color),
        }
    }

    pub(crate) fn circle(&mut self, center: (f64, f64), radius: f64, color: Color) {
        match &mut self.surface {
            Surface::Svg(svg) => svg.circle(center, radius, color),
            Surface::Pixels(raster, s) => raster.circle((center.0 * *s, center.1 * *s), radius * *s, color),
        }
    }

    pub(crate) fn line(&mut self, points: &[(f64, f64)], width: f64, dash: Option<f64>, color: Color) {
        match &mut self.surface {
            Surface::Svg(svg) => svg.polyline(points, width, dash, color),
            Surface::Pixels(raster, s) => {
                let points: Vec<_> = points.iter().map(|p| (p.0 * *s, p.1 * *s)).collect();
                match dash {
                    None => raster.polyline(&points, width * *s, color),
                    Some(dash) => {
                        for part in dashes(&points, dash * *s) {
                            raster.polyline(&part, width * *s, color);
                        }
                    }
                }
            }
        }
    }

    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], color: Color) {
        match &mut self.surface {
            Surface::Svg(svg) => svg.polygon(points, color),
            Surface::Pixels(raster, s) => {
                let points: Vec<_> = points.iter().map(|p| (p.0 * *s, p.1 * *s)).collect();
                raster.polygon(&points, color);
            }
        }
    }

    /// A line of text, its baseline through the point.
    pub(crate) fn text(&mut self, text: &str, (x, y): (f64, f64), style: Type) {
        let Type { em, bold, upward, anchor, color } = style;
        match &mut self.surface {
            Surface::Svg(svg) => svg.text(text, (x, y), style),
            Surface::Pixels(raster, s) => {
                let back = match anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => font::width(text, em, bold) / 2.0,
                    Anchor::End => font::width(text, em, bold),
                };
                let at = if upward { (x, y + back) } else { (x - back, y) };
                raster.text(text, (at.0 * *s, at.1 * *s), em * *s, bold, upward, color);
            }
        }
    }

    /// RGB pixels stretched over a rectangle, each becoming a block.
    pub(crate) fn image(&mut self, area: [f64; 4], size: (usize, usize), rgb: &[u8]) {
        match &mut self.surface {
            Surface::Svg(svg) => svg.image(area, &picture_file::encode(rgb, size.0, size.1, ExtendedColorType::Rgb8)),
            Surface::Pixels(raster, s) => raster.image(area.map(|v| v * *s), size, rgb),
        }
    }
}

/// A polyline cut into dashes of equal length and gap.
fn dashes(points: &[(f64, f64)], length: f64) -> Vec<Vec<(f64, f64)>> {
    let (mut parts, mut current, mut left, mut on) = (Vec::new(), Vec::new(), length, true);
    let Some(&first) = points.first() else { return parts };
    current.push(first);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        let mut rest = (to.0 - from.0).hypot(to.1 - from.1);
        while rest > left && parts.len() < 10_000 {
            from = (from.0 + (to.0 - from.0) * left / rest, from.1 + (to.1 - from.1) * left / rest);
            rest -= left;
            left = length;
            if on {
                current.push(from);
                parts.push(std::mem::take(&mut current));
            } else {
                current = vec![from];
            }
            on = !on;
        }
        left -= rest;
        if on {
            current.push(to);
        }
    }
    if on && current.len() > 1 {
        parts.push(current);
    }
    parts
}

fn color_of(color: BackendColor) -> Color {
    let (r, g, b) = color.rgb;
    Color { rgb: [r, g, b], alpha: color.alpha }
}

fn at(point: BackendCoord) -> (f64, f64) {
    (f64::from(point.0), f64::from(point.1))
}

type Drawn = Result<(), DrawingErrorKind<std::io::Error>>;

/// The plotters backend behind [`plot`](crate::plot): draws on SVG text or antialiased pixels, with the embedded font.
pub struct Pen<'a>(pub(crate) &'a mut Canvas);

impl DrawingBackend for Pen<'_> {
    type ErrorType = std::io::Error;

    fn get_size(&self) -> (u32, u32) {
        (self.0.width as u32, self.0.height as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = at(point);
        self.0.rect([x, y, 1.0, 1.0], 0.0, color_of(color));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.0.line(&[at(from), at(to)], f64::from(style.stroke_width()), None, color_of(style.color()));
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Drawn {
        let ((x0, y0), (x1, y1)) = (at(a), at(b));
        if fill {
            let area = [x0.min(x1), y0.min(y1), (x1 - x0).abs(), (y1 - y0).abs()];
            self.0.rect(area, 0.0, color_of(style.color()));
        } else {
            let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
            self.0.line(&corners, f64::from(style.stroke_width()), None, color_of(style.color()));
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let points: Vec<_> = path.into_iter().map(at).collect();
        self.0.line(&points, f64::from(style.stroke_width()), None, color_of(style.color()));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (cx, cy) = at(center);
        let radius = f64::from(radius);
        if fill {
            self.0.circle((cx, cy), radius, color_of(style.color()));
        } else {
            let turn = |i: i32| std::f64::consts::TAU * f64::from(i) / 48.0;
            let ring: Vec<_> = (0..=48).map(|i| (cx + radius * turn(i).cos(), cy + radius * turn(i).sin())).collect();
            self.0.line(&ring, f64::from(style.stroke_width()), None, color_of(style.color()));
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, vert: I, style: &S) -> Drawn {
        let points: Vec<_> = vert.into_iter().map(at).collect();
        self.0.polygon(&points, color_of(style.color()));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, pos: BackendCoord) -> Drawn {
        // plotters' size is a line height of 1.24 em; our baseline lies 0.73 em below the top of capitals.
        let em = style.size() / 1.24;
        let (mut x, mut y) = at(pos);
        let upward = matches!(style.transform(), FontTransform::Rotate270 | FontTransform::Rotate90);
        let drop = match style.anchor().v_pos {
            VPos::Top => 0.8 * em,
            VPos::Center => 0.36 * em,
            VPos::Bottom => -0.1 * em,
        };
        if upward {
            x += drop
        } else {
            y += drop
        }
        let anchor = match style.anchor().h_pos {
            HPos::Left => Anchor::Start,
            HPos::Center => Anchor::Middle,
            HPos::Right => Anchor::End,
        };
        let bold = matches!(style.style(), FontStyle::Bold);
        self.0.text(text, (x, y), Type { em, bold, upward, anchor, color: color_of(style.color()) });
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<std::io::Error>> {
        let em = style.size() / 1.24;
        Ok((font::width(text, em, matches!(style.style(), FontStyle::Bold)).ceil() as u32, (em * 1.1).ceil() as u32))
    }

    fn blit_bitmap(&mut self, pos: BackendCoord, size: (u32, u32), src: &[u8]) -> Drawn {
        let (x, y) = at(pos);
        self.0.image([x, y, f64::from(size.0), f64::from(size.1)], (size.0 as usize, size.1 as usize), src);
        Ok(())
    }
}
