//! What a cell shows: figures, tables, picture grids, tensors, live training curves, progress bars.
//!
//! The same calls work under our kernel (any number of displays, updated in place), under stock `evcxr_jupyter` (shown when
//! the cell ends), in a terminal (curves of
//! braille dots, pictures of half blocks, progress lines) and in a pipe (text). Under a kernel call [`cell::init`] first.
//!
//! ```
//! use polars::prelude::df;
//! let df = df!["epoch" => [1, 2, 3], "loss" => [0.9, 0.4, 0.2], "val" => [1.0, 0.6, 0.5]]?;
//! display::lines(&df, "epoch", ["loss", "val"])?.title("Training").show();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod axes;
mod canvas;
pub mod cell;
mod color;
mod columns;
mod crash;
mod decimate;
mod error;
mod figure;
mod font;
mod grid;
mod inbox;
mod input;
mod kinds;
mod legend;
mod live;
mod marks;
mod matrix;
mod media;
mod model;
mod out;
mod pace;
mod panels;
mod picture_file;
mod progress;
mod raster;
mod rich;
mod scale;
mod show;
mod stock;
mod style;
mod svg;
mod table;
mod tensor;
mod terminal;
mod value_text;
mod when;
mod widgets;

pub use lathe_events::frame::Bundle;

pub use canvas::Pen;
pub use cell::check;
pub use color::Color;
pub use columns::Names;
pub use error::FigureError;
pub use figure::Figure;
pub use grid::Picture;
pub use input::{InputError, input, password};
pub use kinds::{
    Number, bars, bars_xy, confusion_matrix, heatmap, histogram, histogram_xy, image_grid, lines, lines_runs, lines_xy,
    pictures, plot, scatter, scatter_groups, scatter_xy,
};
pub use live::{LiveCurves, live};
pub use media::{audio, jpeg, plotly, png, video};
pub use out::{Handle, Place, clear_output, display, display_as, display_live, place, update};
pub use panels::figures;
pub use progress::{Progress, progress};
pub use rich::{Rich, html, json, latex, markdown, svg, text, vega_lite};
pub use scale::number;
pub use show::{CellValue, PlanValue};
pub use table::Table;
pub use tensor::show;
pub use when::{When, moment};
pub use widgets::{
    Button, Checkbox, Control, Select, Slider, SliderNumber, TextField, button, checkbox, interact, select, slider,
    text_field,
};

/// `full` normally, `small` when the environment variable `LATHE_QUICK` is set: tests run every cell with fewer epochs and
/// less data, never with less code.
///
/// ```
/// let epochs = display::quick(40, 2);
/// assert!(epochs == 40 || epochs == 2);
/// ```
pub fn quick<T>(full: T, small: T) -> T {
    if std::env::var_os("LATHE_QUICK").is_some_and(|value| !value.is_empty() && value != "0") { small } else { full }
}
