//! The figure: what every kind of plot has in common.

use std::path::Path;

use lathe_events::frame::{Bundle, Frame};
use serde_json::json;

use crate::axes::Axes;
use crate::canvas::{Anchor, Canvas, Type};
use crate::color::{self, GROUND, INK, SOFT};
use crate::error::FigureError;
use crate::grid::Grid;
use crate::matrix::Matrix;
use crate::panels::Panels;
use crate::{Rich, font, out, picture_file, terminal};

/// PNG pixels to a CSS pixel: crisp on today's screens.
const PNG_SCALE: f64 = 2.0;
/// A larger SVG slows front ends down and bloats notebooks; the PNG shows the same.
const SVG_LIMIT: usize = 300_000;

/// A plot: made by [`lines`](crate::lines), [`scatter`](crate::scatter) and their siblings, refined by the methods here,
/// shown as a cell's value, by [`display`](crate::display) or written by [`Figure::save`].
///
/// ```
/// let figure = display::lines_xy(&[0.0, 1.0, 2.0], &[("loss", &[1.0, 0.5, 0.25][..])])?
///     .title("Training")
///     .x_label("epoch")
///     .log_y();
/// assert!(figure.describe().contains("loss"));
/// # Ok::<(), display::FigureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Figure {
    pub(crate) title: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) body: Body,
    pub(crate) footer: Option<Footer>,
    pub(crate) alt: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Axes(Axes),
    Matrix(Matrix),
    Grid(Grid),
    Panels(Panels),
    /// Drawn by the caller with plotters: SVG text and PNG bytes.
    Free {
        svg: String,
        png: Vec<u8>,
    },
}

/// A line under the plot, with a progress bar when a share is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Footer {
    pub(crate) text: String,
    pub(crate) share: Option<f64>,
}

pub(crate) const TITLE_EM: f64 = 15.0;
pub(crate) const LABEL_EM: f64 = 12.5;
pub(crate) const TICK_EM: f64 = 11.5;

impl Figure {
    pub(crate) fn new(body: Body, width: u32, height: u32) -> Self {
        Self { title: String::new(), width, height, body, footer: None, alt: None }
    }

    /// The heading above the plot.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What the horizontal axis shows, with its unit.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        match &mut self.body {
            Body::Axes(axes) => axes.x_label = label.into(),
            Body::Matrix(matrix) => matrix.x_label = label.into(),
            _ => {}
        }
        self
    }

    /// What the vertical axis shows, with its unit.
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        match &mut self.body {
            Body::Axes(axes) => axes.y_label = label.into(),
            Body::Matrix(matrix) => matrix.y_label = label.into(),
            _ => {}
        }
        self
    }

    /// Width and height in CSS pixels (the PNG has twice as many each way); kept within 120 to 4000.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        if !matches!(self.body, Body::Free { .. } | Body::Panels(_)) {
            (self.width, self.height) = (width.clamp(120, 4000), height.clamp(120, 4000));
        }
        self
    }

    /// A logarithmic vertical axis; values that are not positive are left out.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.axes(|axes| axes.log_y = true);
        self
    }

    /// A fixed vertical range instead of one that fits the data.
    #[must_use]
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        if low.is_finite() && high.is_finite() && low != high {
            self.axes(|axes| axes.y_range = Some((low.min(high), low.max(high))));
        }
        self
    }

    /// A description for readers who cannot see the picture, instead of the one made from the data.
    #[must_use]
    pub fn alt(mut self, text: impl Into<String>) -> Self {
        self.alt = Some(text.into());
        self
    }

    /// A line of text under the plot.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.footer = Some(Footer { text: text.into(), share: None });
        self
    }

    pub(crate) fn footer(mut self, footer: Option<Footer>) -> Self {
        self.footer = footer;
        self
    }

    pub(crate) fn axes(&mut self, change: impl FnOnce(&mut Axes)) {
        if let Body::Axes(axes) = &mut self.body {
            change(axes);
        }
    }

    /// The space that the footer takes.
    fn footer_height(&self) -> f64 {
        if self.footer.is_some() { 32.0 } else { 0.0 }
    }

    /// Width and height; those of grids and panels follow their content, title and footer come on top.
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        let (width, height) = match &self.body {
            Body::Grid(grid) => grid.size(),
            Body::Panels(panels) => (panels.size().0, panels.size().1 + 8),
            _ => return (self.width, self.height),
        };
        (width, height + if self.title.is_empty() { 0 } else { 24 } + self.footer_height() as u32)
    }

    /// The whole surface: a ground of its own, whatever the page's colour, then the figure.
    fn paint_all(&self, canvas: &mut Canvas) {
        let (width, height) = self.dimensions();
        let area = [0.0, 0.0, f64::from(width), f64::from(height)];
        canvas.rect(area, 8.0, GROUND);
        self.paint(canvas, area);
    }

    pub(crate) fn paint(&self, canvas: &mut Canvas, [left, above, width, height]: [f64; 4]) {
        let panels = matches!(self.body, Body::Panels(_));
        let em = if panels { TITLE_EM + 2.0 } else { TITLE_EM };
        let mut top = if panels { 6.0 } else { 14.0 };
        if !self.title.is_empty() {
            // Somewhat less than the room: where a reader has no Inter, SVG text is set in a wider font.
            let style = Type { em, bold: true, upward: false, anchor: Anchor::Start, color: INK };
            let title = shorten(&self.title, 0.92 * (width - 28.0), em, true);
            canvas.text(&title, (left + 14.0, above + 25.0), style);
            top += 24.0;
        }
        let area = [left, above + top, width, height - top - self.footer_height()];
        match &self.body {
            Body::Axes(axes) => axes.paint(canvas, area),
            Body::Matrix(matrix) => matrix.paint(canvas, area),
            Body::Grid(grid) => grid.paint(canvas, area),
            Body::Panels(panels) => panels.paint(canvas, area),
            // Only as a panel: elsewhere the drawing itself is shown.
            Body::Free { png, .. } => {
                if let Ok(picture) = image::load_from_memory(png) {
                    let rgb = picture.to_rgb8();
                    canvas.image(area, (rgb.width() as usize, rgb.height() as usize), rgb.as_raw());
                }
            }
        }
        if let Some(footer) = &self.footer {
            paint_footer(canvas, footer, [left, above, width, height]);
        }
    }

    /// The figure as SVG text.
    pub fn svg(&self) -> String {
        match &self.body {
            Body::Free { svg, .. } => svg.clone(),
            _ => {
                let (width, height) = self.dimensions();
                let mut canvas = Canvas::svg(width, height);
                self.paint_all(&mut canvas);
                canvas.into_svg(&self.describe())
            }
        }
    }

    /// The figure as a PNG file's bytes, two pixels to a CSS pixel.
    pub fn png(&self) -> Vec<u8> {
        match &self.body {
            Body::Free { png, .. } => png.clone(),
            _ => {
                let (width, height) = self.dimensions();
                let mut canvas = Canvas::pixels(width, height, PNG_SCALE);
                self.paint_all(&mut canvas);
                canvas.into_png(true)
            }
        }
    }

    /// The figure in words: kind, title, axes with their ranges, each series with its extremes, marks.
    pub fn describe(&self) -> String {
        if let Some(alt) = &self.alt {
            return alt.clone();
        }
        let (kind, rest) = match &self.body {
            Body::Axes(axes) => (axes.kind_name(), axes.describe()),
            Body::Matrix(matrix) => (matrix.kind_name(), matrix.describe()),
            Body::Grid(grid) => ("Image grid", grid.describe()),
            Body::Panels(panels) => ("Figure", panels.describe()),
            Body::Free { .. } => ("Plot", String::new()),
        };
        let title = if self.title.is_empty() { String::new() } else { format!(" \u{201c}{}\u{201d}", self.title) };
        let caption = self.footer.as_ref().map_or(String::new(), |footer| format!("\n{}", footer.text));
        format!("{kind}{title}{}{rest}{caption}", if rest.is_empty() { "." } else { ". " })
    }

    /// Only what a live update needs: SVG and text, no PNG, which costs ten times as much to make; of pictures a PNG of
    /// single resolution.
    pub(crate) fn light_bundle(&self) -> Bundle {
        if !matches!(self.body, Body::Grid(_)) {
            return Bundle::text(self.describe()).with("image/svg+xml", self.svg());
        }
        let (width, height) = self.dimensions();
        let mut canvas = Canvas::pixels(width, height, 1.0);
        self.paint_all(&mut canvas);
        self.with_size(Bundle::text(self.describe()).with("image/png", picture_file::base64(&canvas.into_png(false))))
    }

    fn with_size(&self, mut bundle: Bundle) -> Bundle {
        let (width, height) = self.dimensions();
        bundle.metadata.insert("image/png".into(), json!({"width": width, "height": height, "alt": self.describe()}));
        bundle
    }

    /// Writes the figure as PNG or SVG, by the name's ending; all or nothing.
    ///
    /// # Errors
    /// [`FigureError::FileKind`] for another ending, [`FigureError::Save`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let bytes = match ending.as_str() {
            "png" => self.png(),
            "svg" => self.svg().into_bytes(),
            _ => return Err(FigureError::FileKind(path.to_owned())),
        };
        write_whole(path, &bytes).map_err(|source| FigureError::Save { path: path.to_owned(), source })
    }

    /// Shows the figure below the cell, now.
    pub fn show(&self) {
        out::display(self);
    }

    /// The value of a cell that ends in a figure.
    pub fn evcxr_display(&self) {
        out::send(&Frame::Result { bundle: self.bundle() });
    }
}

impl Rich for Figure {
    fn bundle(&self) -> Bundle {
        if out::place() == out::Place::Terminal {
            let (width, color) = terminal::terminal();
            let drawn = terminal::drawing(self, width, color).map_or(String::new(), |drawn| drawn + "\n");
            return Bundle::text(drawn + &self.describe());
        }
        let mut bundle = Bundle::text(self.describe()).with("image/png", picture_file::base64(&self.png()));
        // A picture of pixels gains nothing from SVG.
        if !matches!(self.body, Body::Grid(_)) {
            let svg = self.svg();
            if svg.len() <= SVG_LIMIT {
                bundle = bundle.with("image/svg+xml", svg);
            }
        }
        self.with_size(bundle)
    }
}

fn paint_footer(canvas: &mut Canvas, footer: &Footer, [left, above, width, height]: [f64; 4]) {
    if let Some(share) = footer.share {
        let bar = [left + 14.0, above + height - 27.0, width - 28.0, 4.0];
        canvas.rect(bar, 2.0, color::GRID);
        canvas.rect([bar[0], bar[1], bar[2] * share.clamp(0.0, 1.0), bar[3]], 2.0, color::PALETTE[0]);
    }
    let style = Type { em: TICK_EM, bold: false, upward: false, anchor: Anchor::Start, color: SOFT };
    let text = shorten(&footer.text, width - 28.0, TICK_EM, false);
    canvas.text(&text, (left + 14.0, above + height - 9.0), style);
}

/// The text, cut with an ellipsis where it is wider than `room`.
pub(crate) fn shorten(text: &str, room: f64, em: f64, bold: bool) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    if font::width(&text, em, bold) <= room {
        return text;
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if font::width(&cut, em, bold) + font::width("…", em, bold) > room {
            cut.pop();
            break;
        }
    }
    format!("{}…", cut.trim_end())
}

/// Writes beside the target and renames, so that a reader never sees half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", out::fresh_id()));
    let written = std::fs::File::create_new(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
