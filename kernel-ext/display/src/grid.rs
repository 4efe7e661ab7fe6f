//! Pictures in rows, with captions.

use lathe_events::Image;

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::SOFT;
use crate::figure::{TICK_EM, shorten};
use crate::font;
use crate::scale::number;

/// A picture that owns its pixels: row-major, 1 (grey) or 3 (RGB) values a pixel, each in `[0, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// `width * height * channels` values.
    pub pixels: Vec<f32>,
}

impl Picture {
    /// A grey picture from `width * height` values in `[0, 1]`; missing ones are black, surplus ones are dropped.
    pub fn grey(width: usize, height: usize, pixels: &[f32]) -> Self {
        let mut pixels: Vec<f32> = pixels.iter().copied().take(width * height).collect();
        pixels.resize(width * height, 0.0);
        Self { width, height, channels: 1, pixels }
    }

    /// A grey picture from values of any range: `low` is black, `high` is white. [`Figure::scale_bar`](crate::Figure::scale_bar)
    /// tells the reader.
    ///
    /// ```
    /// let heat = display::Picture::between(2, 1, &[20.0, 80.0], 20.0, 80.0);
    /// assert_eq!(heat.pixels, [0.0, 1.0]);
    /// ```
    pub fn between(width: usize, height: usize, values: &[f32], low: f32, high: f32) -> Self {
        let span = if high == low { 1.0 } else { high - low };
        let pixels: Vec<f32> = values.iter().map(|v| (v - low) / span).collect();
        Self::grey(width, height, &pixels)
    }

    /// The picture with a mask over it: its area tinted, its border drawn, so that it is seen without colours too. `mask` has
    /// one value for each pixel; surplus ones are ignored.
    ///
    /// ```
    /// let joint = display::Picture::grey(3, 3, &[0.5; 9]);
    /// let marked = joint.with_mask(&[false, false, false, true, true, true, false, false, false]);
    /// assert_eq!(marked.channels, 3);
    /// ```
    #[must_use]
    pub fn with_mask(&self, mask: &[bool]) -> Self {
        let inside = |x: isize, y: isize| {
            let within = x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height;
            within && mask.get(y as usize * self.width + x as usize).copied().unwrap_or(false)
        };
        let mut pixels: Vec<f32> = self.rgb().into_iter().map(|byte| f32::from(byte) / 255.0).collect();
        for y in 0..self.height as isize {
            for x in 0..self.width as isize {
                if !inside(x, y) {
                    continue;
                }
                let border = [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().any(|(dx, dy)| !inside(x + dx, y + dy));
                let share = if border { 0.9 } else { 0.3 };
                let at = 3 * (y as usize * self.width + x as usize);
                for (pixel, ink) in pixels[at..at + 3].iter_mut().zip(MASK) {
                    *pixel += share * (ink - *pixel);
                }
            }
        }
        Self { width: self.width, height: self.height, channels: 3, pixels }
    }

    /// Values to bytes: 0 is black, 1 is white, NaN is mid-grey.
    pub(crate) fn rgb(&self) -> Vec<u8> {
        let byte = |v: f32| if v.is_nan() { 128 } else { (v.clamp(0.0, 1.0) * 255.0).round() as u8 };
        let mut rgb = Vec::with_capacity(3 * self.width * self.height);
        for at in 0..self.width * self.height {
            for channel in 0..3 {
                let channel = if self.channels >= 3 { channel } else { 0 };
                rgb.push(byte(self.pixels.get(at * self.channels.max(1) + channel).copied().unwrap_or(0.0)));
            }
        }
        rgb
    }
}

/// Vermilion, seen on grey with every colour blindness.
const MASK: [f32; 3] = [0.9, 0.42, 0.0];

impl From<Image<'_>> for Picture {
    fn from(image: Image<'_>) -> Self {
        Self { width: image.width, height: image.height, channels: image.channels, pixels: image.pixels.to_vec() }
    }
}

impl From<&Image<'_>> for Picture {
    fn from(image: &Image<'_>) -> Self {
        (*image).into()
    }
}

impl From<&Picture> for Picture {
    fn from(picture: &Picture) -> Self {
        picture.clone()
    }
}

impl From<&image::RgbImage> for Picture {
    fn from(image: &image::RgbImage) -> Self {
        let pixels = image.as_raw().iter().map(|v| f32::from(*v) / 255.0).collect();
        Self { width: image.width() as usize, height: image.height() as usize, channels: 3, pixels }
    }
}

impl From<&image::GrayImage> for Picture {
    fn from(image: &image::GrayImage) -> Self {
        let pixels = image.as_raw().iter().map(|v| f32::from(*v) / 255.0).collect();
        Self { width: image.width() as usize, height: image.height() as usize, channels: 1, pixels }
    }
}

impl From<&image::DynamicImage> for Picture {
    fn from(image: &image::DynamicImage) -> Self {
        (&image.to_rgb8()).into()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) captions: Vec<String>,
    pub(crate) columns: usize,
    /// CSS pixels to a picture pixel.
    pub(crate) zoom: f64,
    /// Names before the rows.
    pub(crate) row_names: Vec<String>,
    /// What black and white stand for.
    pub(crate) scale: Option<(f64, f64, String)>,
}

const GAP: f64 = 6.0;
const MARGIN: f64 = 14.0;
const CAPTION: f64 = 18.0;
const SCALE: f64 = 22.0;

impl Grid {
    /// Picks a zoom at which a 28 x 28 picture is about 64 wide and the grid fits a notebook's width.
    pub(crate) fn new(pictures: Vec<Picture>, columns: usize) -> Self {
        let columns = columns.clamp(1, pictures.len().max(1));
        let side = pictures.iter().map(|p| p.width).max().unwrap_or(1).max(1) as f64;
        let room = (760.0 / columns as f64 - GAP).max(8.0);
        let wanted = (room.min(84.0) / side).max(room.min(side) / side);
        // Whole pixels look best when pictures are enlarged.
        let zoom = if wanted >= 1.5 { wanted.floor() } else { wanted.min(1.0) };
        Self { pictures, captions: Vec::new(), columns, zoom, row_names: Vec::new(), scale: None }
    }

    fn cell(&self) -> (f64, f64) {
        let width = self.pictures.iter().map(|p| p.width).max().unwrap_or(1) as f64 * self.zoom;
        let height = self.pictures.iter().map(|p| p.height).max().unwrap_or(1) as f64 * self.zoom;
        (width, height + if self.captions.is_empty() { 0.0 } else { CAPTION })
    }

    /// The space for the names of rows.
    fn names_room(&self) -> f64 {
        let widest = self.row_names.iter().map(|name| font::width(name, TICK_EM, false)).fold(0.0, f64::max);
        if widest > 0.0 { widest.min(180.0) + 10.0 } else { 0.0 }
    }

    /// The size of the grid without title and footer.
    pub(crate) fn size(&self) -> (u32, u32) {
        let (w, h) = self.cell();
        let (columns, rows) = (self.columns as f64, self.pictures.len().div_ceil(self.columns) as f64);
        let side = |cells: f64, cell: f64, more: f64| (2.0 * MARGIN + cells * (cell + GAP) - GAP + more).ceil() as u32;
        let scale = if self.scale.is_some() { SCALE } else { 0.0 };
        (side(columns, w, self.names_room()).max(200), side(rows, h, scale).max(40))
    }

    pub(crate) fn paint(&self, canvas: &mut Canvas, [left, top, ..]: [f64; 4]) {
        let (w, h) = self.cell();
        let style = |anchor| Type { em: TICK_EM, bold: false, upward: false, anchor, color: SOFT };
        let x0 = left + MARGIN + self.names_room();
        for (i, picture) in self.pictures.iter().enumerate() {
            let x = x0 + (i % self.columns) as f64 * (w + GAP);
            let y = top + (i / self.columns) as f64 * (h + GAP);
            let area = [x, y, picture.width as f64 * self.zoom, picture.height as f64 * self.zoom];
            canvas.image(area, (picture.width, picture.height), &picture.rgb());
            if let Some(caption) = self.captions.get(i) {
                let caption = shorten(caption, w + GAP - 2.0, TICK_EM, false);
                canvas.text(&caption, (x + w / 2.0, y + h - 4.0), style(Anchor::Middle));
            }
        }
        let bare = h - if self.captions.is_empty() { 0.0 } else { CAPTION };
        for (row, name) in self.row_names.iter().enumerate() {
            let y = top + row as f64 * (h + GAP) + bare / 2.0 + 4.0;
            canvas.text(&shorten(name, 180.0, TICK_EM, false), (x0 - 10.0, y), style(Anchor::End));
        }
        if let Some((low, high, what)) = &self.scale {
            let y = top + self.pictures.len().div_ceil(self.columns) as f64 * (h + GAP) - GAP + 8.0;
            let (low, high) = (number(*low), format!("{} {what}", number(*high)));
            canvas.text(&low, (x0, y + 10.0), style(Anchor::Start));
            let x = x0 + font::width(&low, TICK_EM, false) + 6.0;
            let greys: Vec<u8> = (0..32_u8).flat_map(|i| [i * 8 + i / 4; 3]).collect();
            canvas.image([x, y, 96.0, 12.0], (32, 1), &greys);
            canvas.text(high.trim_end(), (x + 102.0, y + 10.0), style(Anchor::Start));
        }
    }

    pub(crate) fn describe(&self) -> String {
        let size = self.pictures.first().map_or(String::new(), |p| format!(" of {} by {} pixels", p.width, p.height));
        let captions = if self.captions.is_empty() { String::new() } else { format!(": {}", self.captions.join(", ")) };
        let rows =
            if self.row_names.is_empty() { String::new() } else { format!("; rows: {}", self.row_names.join(", ")) };
        let scale = self.scale.as_ref().map_or(String::new(), |(low, high, what)| {
            format!("; black is {}, white is {} {what}", number(*low), number(*high)).trim_end().to_owned()
        });
        format!("{} pictures{size} in {} columns{rows}{captions}{scale}.", self.pictures.len(), self.columns)
    }
}
