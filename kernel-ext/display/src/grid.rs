//! Pictures in rows, with captions.

use lathe_events::Image;

use crate::canvas::{Anchor, Canvas, Type};
use crate::color::SOFT;
use crate::figure::{TICK_EM, shorten};

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

    /// Values to bytes: 0 is black, 1 is white, NaN is mid-grey.
    fn rgb(&self) -> Vec<u8> {
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
}

const GAP: f64 = 6.0;
const MARGIN: f64 = 14.0;
const CAPTION: f64 = 18.0;

impl Grid {
    /// Picks a zoom at which a 28 x 28 picture is about 64 wide and the grid fits a notebook's width.
    pub(crate) fn new(pictures: Vec<Picture>, columns: usize) -> Self {
        let columns = columns.clamp(1, pictures.len().max(1));
        let side = pictures.iter().map(|p| p.width).max().unwrap_or(1).max(1) as f64;
        let room = (760.0 / columns as f64 - GAP).max(8.0);
        let wanted = (room.min(84.0) / side).max(room.min(side) / side);
        // Whole pixels look best when pictures are enlarged.
        let zoom = if wanted >= 1.5 { wanted.floor() } else { wanted.min(1.0) };
        Self { pictures, captions: Vec::new(), columns, zoom }
    }

    fn cell(&self) -> (f64, f64) {
        let width = self.pictures.iter().map(|p| p.width).max().unwrap_or(1) as f64 * self.zoom;
        let height = self.pictures.iter().map(|p| p.height).max().unwrap_or(1) as f64 * self.zoom;
        (width, height + if self.captions.is_empty() { 0.0 } else { CAPTION })
    }

    /// The size of the grid without title and footer.
    pub(crate) fn size(&self) -> (u32, u32) {
        let (w, h) = self.cell();
        let (columns, rows) = (self.columns as f64, self.pictures.len().div_ceil(self.columns) as f64);
        let side = |cells: f64, cell: f64| (2.0 * MARGIN + cells * (cell + GAP) - GAP).ceil() as u32;
        (side(columns, w).max(200), side(rows, h).max(40))
    }

    pub(crate) fn paint(&self, canvas: &mut Canvas, [left, top, ..]: [f64; 4]) {
        let (w, h) = self.cell();
        for (i, picture) in self.pictures.iter().enumerate() {
            let x = left + MARGIN + (i % self.columns) as f64 * (w + GAP);
            let y = top + (i / self.columns) as f64 * (h + GAP);
            let area = [x, y, picture.width as f64 * self.zoom, picture.height as f64 * self.zoom];
            canvas.image(area, (picture.width, picture.height), &picture.rgb());
            if let Some(caption) = self.captions.get(i) {
                let style = Type { em: TICK_EM, bold: false, upward: false, anchor: Anchor::Middle, color: SOFT };
                canvas.text(&shorten(caption, w + GAP - 2.0, TICK_EM, false), (x + w / 2.0, y + h - 4.0), style);
            }
        }
    }

    pub(crate) fn describe(&self) -> String {
        let size = self.pictures.first().map_or(String::new(), |p| format!(" of {} by {} pixels", p.width, p.height));
        let captions = if self.captions.is_empty() { String::new() } else { format!(": {}", self.captions.join(", ")) };
        format!("{} pictures{size} in {} columns{captions}.", self.pictures.len(), self.columns)
    }
}
