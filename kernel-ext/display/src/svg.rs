//! SVG text, written by hand: short, deterministic, readable by a screen reader.

use std::fmt::Write as _;

use crate::canvas::{Anchor, Type};
use crate::color::Color;
use crate::font::FAMILY;

/// The elements drawn so far.
pub(crate) struct Svg {
    body: String,
    clips: usize,
    open: bool,
}

/// A coordinate with at most one decimal.
fn short(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    if tenths % 10 == 0 { (tenths / 10).to_string() } else { format!("{:.1}", tenths as f64 / 10.0) }
}

/// Text that is safe between tags and in quoted attributes, of HTML and XML.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML forbids control characters even when escaped.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

fn opacity(kind: &str, color: Color) -> String {
    if color.alpha < 1.0 { format!(" {kind}-opacity=\"{:.2}\"", color.alpha) } else { String::new() }
}

impl Svg {
    pub(crate) fn new() -> Self {
        Self { body: String::new(), clips: 0, open: false }
    }

    pub(crate) fn set_clip(&mut self, area: Option<[f64; 4]>) {
        if std::mem::take(&mut self.open) {
            self.body.push_str("</g>\n");
        }
        if let Some([x, y, w, h]) = area {
            // A nested <svg> would clip without an id; a clip path keeps coordinates as they are. Ids need only be unique in
            // this document: front ends show it as an image or in its own frame; the geometry in the id makes reuse harmless.
            let id = format!("c{}-{}-{}-{}-{}", self.clips, short(x), short(y), short(w), short(h));
            self.clips += 1;
            let _ = writeln!(
                self.body,
                "<clipPath id=\"{id}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath><g clip-path=\"url(#{id})\">",
                short(x),
                short(y),
                short(w),
                short(h)
            );
            self.open = true;
        }
    }

    pub(crate) fn rect(&mut self, [x, y, w, h]: [f64; 4], radius: f64, color: Color) {
        let round = if radius > 0.0 { format!(" rx=\"{}\"", short(radius)) } else { String::new() };
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{round} fill=\"{}\"{}/>",
            short(x),
            short(y),
            short(w),
            short(h),
            color.css(),
            opacity("fill", color)
        );
    }

    pub(crate) fn circle(&mut self, (x, y): (f64, f64), radius: f64, color: Color) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"{}/>",
            short(x),
            short(y),
            short(radius),
            color.css(),
            opacity("fill", color)
        );
    }

    fn points(points: &[(f64, f64)]) -> String {
        let mut list = String::with_capacity(points.len() * 10);
        for (x, y) in points {
            if !list.is_empty() {
                list.push(' ');
            }
            let _ = write!(list, "{},{}", short(*x), short(*y));
        }
        list
    }

    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], width: f64, dash: Option<f64>, color: Color) {
        let dash = dash.map_or(String::new(), |d| format!(" stroke-dasharray=\"{}\"", short(d)));
        let _ = writeln!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dash}{}/>",
            Self::points(points),
            color.css(),
            short(width),
            opacity("stroke", color)
        );
    }

    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], color: Color) {
        let _ = writeln!(
            self.body,
            "<polygon points=\"{}\" fill=\"{}\" fill-rule=\"evenodd\"{}/>",
            Self::points(points),
            color.css(),
            opacity("fill", color)
        );
    }

    pub(crate) fn text(&mut self, text: &str, (x, y): (f64, f64), style: Type) {
        let (x, y) = (short(x), short(y));
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let turn = if style.upward { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{weight}{anchor}{turn} fill=\"{}\">{}</text>",
            short(style.em),
            style.color.css(),
            escape(text)
        );
    }

    /// A PNG stretched over a rectangle, its pixels becoming blocks.
    pub(crate) fn image(&mut self, [x, y, w, h]: [f64; 4], png: &[u8]) {
        let _ = writeln!(
            self.body,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
             href=\"data:image/png;base64,{}\"/>",
            short(x),
            short(y),
            short(w),
            short(h),
            crate::picture_file::base64(png)
        );
    }

    /// The document; `label` is read out by screen readers.
    pub(crate) fn finish(mut self, width: f64, height: f64, label: &str) -> String {
        self.set_clip(None);
        let (w, h, label) = (short(width), short(height), escape(label));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
             aria-label=\"{label}\" font-family=\"{FAMILY}\">\n<desc>{label}</desc>\n{}</svg>\n",
            self.body
        )
    }
}
