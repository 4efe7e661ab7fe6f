//! What has a richer form than text.

use lathe_events::frame::Bundle;
use polars::prelude::{Column, DataFrame, IntoColumn as _, LazyFrame, Series};
use serde_json::Value;

use crate::grid::Picture;
use crate::table::Table;
use crate::{kinds, picture_file};

/// A value that can be shown in several formats; the front end takes the richest that it knows.
///
/// Implement it for your own types and they work with [`display`](crate::display):
///
/// ```
/// use display::{Bundle, Rich};
/// struct Celsius(f64);
/// impl Rich for Celsius {
///     fn bundle(&self) -> Bundle {
///         Bundle::text(format!("{} °C", self.0)).with("text/html", format!("<b>{}</b> °C", self.0))
///     }
/// }
/// display::display(Celsius(21.5));
/// ```
pub trait Rich {
    /// The value in all its formats; `text/plain` should be among them.
    fn bundle(&self) -> Bundle;
}

impl<T: Rich + ?Sized> Rich for &T {
    fn bundle(&self) -> Bundle {
        (**self).bundle()
    }
}

impl Rich for Bundle {
    fn bundle(&self) -> Bundle {
        self.clone()
    }
}

impl Rich for str {
    fn bundle(&self) -> Bundle {
        Bundle::text(self)
    }
}

impl Rich for String {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.as_str())
    }
}

impl Rich for DataFrame {
    fn bundle(&self) -> Bundle {
        Table::new(self).bundle()
    }
}

impl Rich for Column {
    fn bundle(&self) -> Bundle {
        match DataFrame::new(self.len(), vec![self.clone()]) {
            Ok(df) => df.bundle(),
            Err(_) => Bundle::text(format!("{self:?}")),
        }
    }
}

impl Rich for Series {
    fn bundle(&self) -> Bundle {
        self.clone().into_column().bundle()
    }
}

impl Rich for LazyFrame {
    /// The optimised plan: nothing is computed.
    fn bundle(&self) -> Bundle {
        let plan = self.explain(true).or_else(|_| self.explain(false));
        let plan = plan.unwrap_or_else(|error| format!("the plan does not hold: {error}"));
        Bundle::text(format!(
            "LazyFrame, not computed yet: .collect()? computes it. Its plan, from the bottom up:\n{plan}"
        ))
    }
}

/// A picture on its own, without a frame.
fn picture(width: u32, height: u32, bytes: &[u8]) -> Bundle {
    Bundle::text(format!("A picture of {width} by {height} pixels.")).with("image/png", picture_file::base64(bytes))
}

impl Rich for image::DynamicImage {
    fn bundle(&self) -> Bundle {
        let rgba = self.to_rgba8();
        picture(
            rgba.width(),
            rgba.height(),
            &picture_file::encode(
                rgba.as_raw(),
                rgba.width() as usize,
                rgba.height() as usize,
                image::ExtendedColorType::Rgba8,
            ),
        )
    }
}

macro_rules! buffers {
    ($($ty:ty, $kind:ident;)*) => {$(impl Rich for $ty {
        fn bundle(&self) -> Bundle {
            let bytes = picture_file::encode(self.as_raw(), self.width() as usize, self.height() as usize, image::ExtendedColorType::$kind);
            picture(self.width(), self.height(), &bytes)
        }
    })*};
}
buffers! {
    image::RgbImage, Rgb8;
    image::RgbaImage, Rgba8;
    image::GrayImage, L8;
}

impl Rich for Picture {
    fn bundle(&self) -> Bundle {
        match kinds::image_grid([self], 1) {
            Ok(figure) => figure.bundle(),
            Err(error) => Bundle::text(error.to_string()),
        }
    }
}

impl Rich for Vec<Vec<f32>> {
    fn bundle(&self) -> Bundle {
        crate::tensor::matrix_bundle(self)
    }
}

impl Rich for Vec<Vec<f64>> {
    fn bundle(&self) -> Bundle {
        crate::tensor::matrix_bundle(self)
    }
}

/// Plain text.
pub fn text(text: impl Into<String>) -> Bundle {
    Bundle::text(text)
}

/// HTML; its source is the text form.
pub fn html(source: impl Into<String>) -> Bundle {
    written("text/html", source.into())
}

/// Markdown.
pub fn markdown(source: impl Into<String>) -> Bundle {
    written("text/markdown", source.into())
}

/// A LaTeX formula, with its dollar signs: `"$$ e^{i\\pi} = -1 $$"`.
pub fn latex(source: impl Into<String>) -> Bundle {
    written("text/latex", source.into())
}

/// An SVG document and the words for readers who cannot see it.
pub fn svg(source: impl Into<String>, alt: impl Into<String>) -> Bundle {
    Bundle::text(alt).with("image/svg+xml", source.into())
}

/// A tree of JSON values, which JupyterLab lets the reader unfold.
pub fn json(value: Value) -> Bundle {
    Bundle::text(serde_json::to_string_pretty(&value).unwrap_or_default()).with("application/json", value)
}

/// A Vega-Lite 5 specification, drawn by JupyterLab.
pub fn vega_lite(spec: Value) -> Bundle {
    json(spec.clone()).with("application/vnd.vegalite.v5+json", spec)
}

fn written(mime: &str, source: String) -> Bundle {
    Bundle::text(source.as_str()).with(mime, source)
}
