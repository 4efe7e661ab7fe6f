//! The one-line constructors of figures.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use polars::prelude::DataFrame;

use crate::axes::{Axes, Look, Series};
use crate::canvas::{Canvas, Pen};
use crate::color::GROUND;
use crate::columns::{self, Names};
use crate::error::FigureError;
use crate::figure::{Body, Figure};
use crate::grid::{Grid, Picture};
use crate::matrix::Matrix;
use crate::scale::Kind;

const WIDTH: u32 = 680;
const HEIGHT: u32 = 340;

/// Anything that is a number: cells of a matrix, values of a series.
pub trait Number: Copy {
    /// The number as `f64`.
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($ty:ty)*) => {$(impl Number for $ty { fn number(self) -> f64 { self as f64 } })*};
}
numbers!(f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 usize isize);

impl<T: Number> Number for &T {
    fn number(self) -> f64 {
        (*self).number()
    }
}

/// Both axes' columns of a frame, as series of one look.
fn from_frame(df: &DataFrame, x: &str, ys: impl Names, look: Look) -> Result<Figure, FigureError> {
    let names = ys.names();
    if names.is_empty() {
        return Err(FigureError::Empty { what: String::from("the list of columns") });
    }
    let (xs, kind) = columns::values(df, x)?;
    let series = names
        .iter()
        .map(|name| Ok(Series::new(name.clone(), xs.clone(), columns::values(df, name)?.0, look)))
        .collect::<Result<Vec<_>, FigureError>>()?;
    if df.height() == 0 {
        return Err(FigureError::Empty { what: String::from("the frame") });
    }
    let mut axes = Axes::new(kind, series);
    axes.x_label = x.to_owned();
    axes.y_label = if let [name] = &names[..] { name.clone() } else { String::new() };
    Ok(Figure::new(Body::Axes(axes), WIDTH, HEIGHT))
}

/// Lines over a column `x` (numbers, dates or times); null and NaN leave gaps; any number of points.
///
/// ```
/// use polars::prelude::df;
/// let df = df!["t" => [0, 1, 2], "loss" => [1.0, 0.5, 0.3], "val" => [Some(1.1), None, Some(0.4)]]?;
/// let figure = display::lines(&df, "t", ["loss", "val"])?.title("Training");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`FigureError`] names a column that is missing or is no number, and says which ones would do.
pub fn lines(df: &DataFrame, x: &str, ys: impl Names) -> Result<Figure, FigureError> {
    from_frame(df, x, ys, Look::Line)
}

/// Dots at (`x`, `y`), one colour a column of `ys`.
///
/// # Errors
/// As [`lines`].
pub fn scatter(df: &DataFrame, x: &str, ys: impl Names) -> Result<Figure, FigureError> {
    from_frame(df, x, ys, Look::Dots)
}

fn from_slices<X: Number, Y: Number>(xs: &[X], ys: &[(&str, &[Y])], look: Look) -> Result<Figure, FigureError> {
    if xs.is_empty() || ys.is_empty() {
        return Err(FigureError::Empty {
            what: String::from(if xs.is_empty() { "the list of x values" } else { "the list of series" }),
        });
    }
    let xs: Vec<f64> = xs.iter().map(|v| v.number()).collect();
    let series = ys
        .iter()
        .map(|(name, values)| {
            if values.len() != xs.len() {
                let what = format!("series {name:?}");
                return Err(FigureError::Length { what, got: values.len(), expected: xs.len(), each: "x value" });
            }
            let ys = values.iter().map(|v| v.number()).collect();
            Ok(Series::new(*name, xs.clone(), ys, look))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut axes = Axes::new(Kind::Linear, series);
    axes.y_label = if let [(name, _)] = ys { (*name).to_owned() } else { String::new() };
    Ok(Figure::new(Body::Axes(axes), WIDTH, HEIGHT))
}

/// Lines from slices: common x values, then name and values of each series.
///
/// # Errors
/// [`FigureError::Empty`], or [`FigureError::Length`] when a series does not have one value for each x.
pub fn lines_xy<X: Number, Y: Number>(xs: &[X], ys: &[(&str, &[Y])]) -> Result<Figure, FigureError> {
    from_slices(xs, ys, Look::Line)
}

/// What several runs (seeds) of the same thing have in common: a line of the mean and a band of one standard deviation each
/// way, for each `(name, runs)`; each run has one value for each x.
///
/// ```
/// let runs = [vec![1.0, 0.5, 0.3], vec![1.2, 0.6, 0.2]];
/// let figure = display::lines_runs(&[1, 2, 3], &[("VAE", &runs[..])])?.title("Two seeds");
/// assert!(figure.describe().contains("mean ± 1 std of 2 runs"));
/// # Ok::<(), display::FigureError>(())
/// ```
///
/// # Errors
/// [`FigureError::Empty`] without runs, [`FigureError::Length`] when a run does not have one value for each x.
pub fn lines_runs<X: Number, Y: Number, R: AsRef<[Y]>>(
    xs: &[X],
    groups: &[(&str, &[R])],
) -> Result<Figure, FigureError> {
    let mut means: Vec<(&str, Vec<f64>)> = Vec::new();
    let mut bands = Vec::new();
    for (name, runs) in groups {
        let (mut mean, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        for (i, run) in runs.iter().enumerate() {
            let got = run.as_ref().len();
            if got != xs.len() {
                let what = format!("run {i} of {name:?}");
                return Err(FigureError::Length { what, got, expected: xs.len(), each: "x value" });
            }
        }
        for at in 0..xs.len() {
            let values: Vec<f64> = runs.iter().map(|run| run.as_ref()[at].number()).filter(|v| v.is_finite()).collect();
            let n = values.len() as f64;
            let center = values.iter().sum::<f64>() / n;
            // The sample's standard deviation; of a single run there is none.
            let spread = (values.iter().map(|v| (v - center).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
            mean.push(center);
            low.push(center - spread);
            high.push(center + spread);
        }
        means.push((name, mean));
        bands.push((low, high, format!("mean ± 1 std of {} runs", runs.len())));
    }
    let lines: Vec<(&str, &[f64])> = means.iter().map(|(name, ys)| (*name, &ys[..])).collect();
    let mut figure = lines_xy(xs, &lines)?;
    for ((name, _), (low, high, what)) in means.iter().zip(&bands) {
        figure = figure.spread(name, low, high, what)?;
    }
    Ok(figure)
}

/// Dots from slices: common x values, then name and values of each series.
///
/// # Errors
/// As [`lines_xy`].
pub fn scatter_xy<X: Number, Y: Number>(xs: &[X], ys: &[(&str, &[Y])]) -> Result<Figure, FigureError> {
    from_slices(xs, ys, Look::Dots)
}

/// One dot cloud per group, each with its own x and y values: `(name, points)`.
///
/// # Errors
/// [`FigureError::Empty`] when there is no point at all.
pub fn scatter_groups<N: Number>(groups: &[(&str, &[[N; 2]])]) -> Result<Figure, FigureError> {
    if groups.iter().all(|(_, points)| points.is_empty()) {
        return Err(FigureError::Empty { what: String::from("every group") });
    }
    let series = groups
        .iter()
        .map(|(name, points)| {
            let side = |axis: usize| points.iter().map(|p| p[axis].number()).collect();
            Series::new(*name, side(0), side(1), Look::Dots)
        })
        .collect();
    Ok(Figure::new(Body::Axes(Axes::new(Kind::Linear, series)), WIDTH, HEIGHT + 60))
}

/// Vertical bars: one group per row, named by column `x` (of any type), one colour a column of `ys`.
///
/// # Errors
/// As [`lines`].
pub fn bars(df: &DataFrame, x: &str, ys: impl Names) -> Result<Figure, FigureError> {
    let groups = columns::labels(df, x)?;
    let names = ys.names();
    let mut series = Vec::new();
    for name in &names {
        series.push((name.clone(), columns::values(df, name)?.0));
    }
    let mut figure = bar_figure(groups, series)?;
    figure.axes(|axes| axes.x_label = x.to_owned());
    Ok(figure)
}

/// Vertical bars from slices: the groups' names and their values.
///
/// # Errors
/// [`FigureError::Empty`], or [`FigureError::Length`] when names and values differ in number.
pub fn bars_xy<N: Number>(groups: &[&str], values: &[N]) -> Result<Figure, FigureError> {
    let names = groups.iter().map(|name| (*name).to_owned()).collect();
    bar_figure(names, vec![(String::new(), values.iter().map(|v| v.number()).collect())])
}

fn bar_figure(groups: Vec<String>, series: Vec<(String, Vec<f64>)>) -> Result<Figure, FigureError> {
    if groups.is_empty() || series.is_empty() {
        return Err(FigureError::Empty { what: String::from("the list of bars") });
    }
    let xs: Vec<f64> = (0..groups.len()).map(|i| i as f64).collect();
    for (name, values) in &series {
        if values.len() != groups.len() {
            let what = format!("series {name:?}");
            return Err(FigureError::Length { what, got: values.len(), expected: groups.len(), each: "bar" });
        }
    }
    let y_label = if let [(name, _)] = &series[..] { name.clone() } else { String::new() };
    let series = series.into_iter().map(|(name, ys)| Series::new(name, xs.clone(), ys, Look::Bars)).collect();
    let mut axes = Axes::new(Kind::Names(groups), series);
    axes.y_label = y_label;
    Ok(Figure::new(Body::Axes(axes), WIDTH, HEIGHT))
}

/// How often values fall into each of up to 60 bins (as many as the data supports), common to all columns.
///
/// # Errors
/// As [`lines`].
pub fn histogram(df: &DataFrame, columns: impl Names) -> Result<Figure, FigureError> {
    let mut series = Vec::new();
    for name in columns.names() {
        let values = columns::values(df, &name)?.0;
        series.push((name, values));
    }
    histogram_figure(series, None)
}

/// A histogram from slices: name and values of each series; `bins` of equal width, or as many as the data supports.
///
/// # Errors
/// [`FigureError::Empty`] when there is no finite value.
pub fn histogram_xy<N: Number>(series: &[(&str, &[N])], bins: Option<usize>) -> Result<Figure, FigureError> {
    histogram_figure(
        series.iter().map(|(n, v)| ((*n).to_owned(), v.iter().map(|v| v.number()).collect())).collect(),
        bins,
    )
}

fn histogram_figure(series: Vec<(String, Vec<f64>)>, bins: Option<usize>) -> Result<Figure, FigureError> {
    let mut all: Vec<f64> = series.iter().flat_map(|s| s.1.iter().copied()).filter(|v| v.is_finite()).collect();
    if all.is_empty() {
        return Err(FigureError::Empty { what: String::from("the data of the histogram") });
    }
    all.sort_by(f64::total_cmp);
    let (mut low, mut high) = (all[0], all[all.len() - 1]);
    if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    // Freedman and Diaconis: the width follows the middle half of the data, so outliers do not flatten the rest.
    let quartile = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    let width = 2.0 * (quartile(0.75) - quartile(0.25)) / (all.len() as f64).cbrt();
    let natural = if width > 0.0 { ((high - low) / width).ceil().clamp(5.0, 60.0) as usize } else { 12 };
    let bins = bins.unwrap_or(natural).clamp(1, 400);
    let edges: Vec<f64> = (0..=bins).map(|i| low + (high - low) * i as f64 / bins as f64).collect();
    let x_label = if let [(name, _)] = &series[..] { name.clone() } else { String::new() };
    let series = series
        .into_iter()
        .map(|(name, values)| {
            let mut counts = vec![0.0; bins];
            for v in values.into_iter().filter(|v| v.is_finite()) {
                counts[(((v - low) / (high - low) * bins as f64) as usize).min(bins - 1)] += 1.0;
            }
            Series::new(name, edges.clone(), counts, Look::Bins)
        })
        .collect();
    let mut axes = Axes::new(Kind::Linear, series);
    (axes.x_label, axes.y_label) = (x_label, String::from("count"));
    Ok(Figure::new(Body::Axes(axes), WIDTH, HEIGHT))
}

fn matrix_of<R: AsRef<[N]>, N: Number>(rows: &[R]) -> Result<Matrix, FigureError> {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    if columns == 0 {
        return Err(FigureError::Empty { what: String::from("the matrix") });
    }
    let mut values = Vec::with_capacity(rows.len() * columns);
    for (i, row) in rows.iter().enumerate() {
        let row = row.as_ref();
        if row.len() != columns {
            return Err(FigureError::Length {
                what: format!("row {i}"),
                got: row.len(),
                expected: columns,
                each: "column",
            });
        }
        values.extend(row.iter().map(|v| v.number()));
    }
    let (x_label, y_label) = (String::new(), String::new());
    let (row_names, column_names) = (Vec::new(), Vec::new());
    Ok(Matrix { rows: rows.len(), columns, values, row_names, column_names, x_label, y_label, confusion: false })
}

/// A matrix as colours with a colour bar; diverging around zero when it has values of both signs. NaN is grey.
///
/// # Errors
/// [`FigureError::Empty`], or [`FigureError::Length`] naming the row that has not as many values as the first.
pub fn heatmap<R: AsRef<[N]>, N: Number>(rows: &[R]) -> Result<Figure, FigureError> {
    Ok(Figure::new(Body::Matrix(matrix_of(rows)?), 560, 380))
}

/// Counts of what was (rows) against what was predicted (columns), coloured by share of the row.
///
/// # Errors
/// [`FigureError::Length`] when the matrix is not one row and one column for each label.
pub fn confusion_matrix<R: AsRef<[N]>, N: Number>(labels: &[&str], counts: &[R]) -> Result<Figure, FigureError> {
    let mut matrix = matrix_of(counts)?;
    for (what, got) in [("the list of rows", matrix.rows), ("each row", matrix.columns)] {
        if got != labels.len() {
            return Err(FigureError::Length { what: what.to_owned(), got, expected: labels.len(), each: "label" });
        }
    }
    matrix.row_names = labels.iter().map(|name| (*name).to_owned()).collect();
    matrix.column_names.clone_from(&matrix.row_names);
    (matrix.y_label, matrix.x_label) = (String::from("actual"), String::from("predicted"));
    matrix.confusion = true;
    let side = |cell: u32, other: u32| (cell * labels.len() as u32 + other).clamp(240, 760);
    let (width, height) = (side(110, 150), side(64, 100));
    Ok(Figure::new(Body::Matrix(matrix), width, height))
}

/// Pictures in rows of `columns`, enlarged to whole multiples.
///
/// ```
/// use display::{Picture, image_grid};
/// let pictures: Vec<_> = (0..6).map(|i| Picture::grey(4, 4, &[i as f32 / 6.0; 16])).collect();
/// let figure = image_grid(&pictures, 3)?.title("Six greys").captions(["a", "b", "c", "d", "e", "f"]);
/// # Ok::<(), display::FigureError>(())
/// ```
///
/// # Errors
/// [`FigureError::Empty`] without pictures, [`FigureError::Length`] when one has not as many values as its size says.
pub fn image_grid<P: Into<Picture>>(
    pictures: impl IntoIterator<Item = P>,
    columns: usize,
) -> Result<Figure, FigureError> {
    let pictures: Vec<Picture> = pictures.into_iter().map(Into::into).collect();
    for (i, picture) in pictures.iter().enumerate() {
        let expected = picture.width * picture.height * picture.channels;
        if picture.pixels.len() != expected || expected == 0 || !matches!(picture.channels, 1 | 3) {
            return Err(FigureError::Length {
                what: format!("picture {i}"),
                got: picture.pixels.len(),
                expected,
                each: "pixel and channel",
            });
        }
    }
    if pictures.is_empty() {
        return Err(FigureError::Empty { what: String::from("the list of pictures") });
    }
    let grid = Grid::new(pictures, columns);
    let (width, height) = grid.size();
    Ok(Figure::new(Body::Grid(grid), width, height))
}

/// Cuts a flat buffer into grey pictures of `width * height` values in `[0, 1]`; an incomplete last one is dropped.
pub fn pictures(flat: &[f32], width: usize, height: usize) -> Vec<Picture> {
    flat.chunks_exact((width * height).max(1)).map(|pixels| Picture::grey(width, height, pixels)).collect()
}

/// A figure of your own, drawn with plotters; the closure runs twice, for SVG and for PNG.
///
/// ```
/// use plotters::prelude::*;
/// let figure = display::plot(320, 200, "A circle", |area| {
///     area.draw(&Circle::new((160, 100), 60, BLUE.filled()))?;
///     Ok(())
/// })?;
/// assert_eq!(figure.describe(), "A circle");
/// # Ok::<(), display::FigureError>(())
/// ```
///
/// # Errors
/// [`FigureError::Drawing`] with what the closure reports.
pub fn plot(
    width: u32,
    height: u32,
    alt: impl Into<String>,
    draw: impl Fn(&DrawingArea<Pen<'_>, Shift>) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<Figure, FigureError> {
    crate::font::register();
    let (width, height) = (width.clamp(16, 4000), height.clamp(16, 4000));
    let paint = |mut canvas: Canvas| {
        canvas.rect([0.0, 0.0, f64::from(width), f64::from(height)], 8.0, GROUND);
        draw(&Pen(&mut canvas).into_drawing_area()).map_err(|error| FigureError::Drawing(error.to_string()))?;
        Ok(canvas)
    };
    let alt = alt.into();
    let svg = paint(Canvas::svg(width, height))?.into_svg(&alt);
    let png = paint(Canvas::pixels(width, height, 2.0))?.into_png(true);
    Ok(Figure::new(Body::Free { svg, png }, width, height).alt(alt))
}
