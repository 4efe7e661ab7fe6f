//! Several figures as one.

use crate::axes::Axes;
use crate::canvas::Canvas;
use crate::error::FigureError;
use crate::figure::{Body, Figure};
use crate::scale::Scale;

/// Figures in rows, with a title over all.
#[derive(Debug, Clone)]
pub(crate) struct Panels {
    figures: Vec<Figure>,
    columns: usize,
}

/// Panels side by side share this width.
const ROOM: u32 = 900;

/// Several figures as one, two in a row unless [`Figure::columns`] says otherwise: `figures([a, b])`.
///
/// ```
/// let loss = display::lines_xy(&[1, 2, 3], &[("loss", &[3.0, 2.0, 1.5][..])])?;
/// let error = display::lines_xy(&[1, 2, 3], &[("error", &[0.3, 0.2, 0.1][..])])?;
/// let both = display::figures([loss, error])?.share_x().title("Two views");
/// assert!(both.describe().contains("2 panels"));
/// # Ok::<(), display::FigureError>(())
/// ```
///
/// # Errors
/// [`FigureError::Empty`] without figures.
pub fn figures(figures: impl IntoIterator<Item = Figure>) -> Result<Figure, FigureError> {
    let figures: Vec<Figure> = figures.into_iter().collect();
    if figures.is_empty() {
        return Err(FigureError::Empty { what: String::from("the list of figures") });
    }
    let columns = figures.len().min(2);
    Ok(Figure::new(Body::Panels(Panels { figures, columns }), 0, 0).columns(columns))
}

impl Figure {
    /// How many panels stand in a row of [`figures`], or pictures in a row of an image grid.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        match &mut self.body {
            Body::Panels(panels) => panels.arrange(columns),
            Body::Grid(grid) => grid.columns = columns.clamp(1, grid.pictures.len().max(1)),
            _ => {}
        }
        self
    }

    /// The same horizontal range in all panels of [`figures`].
    #[must_use]
    pub fn share_x(mut self) -> Self {
        self.share(|axes| axes.scales().0, |axes, range| axes.x_range = Some(range));
        self
    }

    /// The same vertical range in all panels of [`figures`].
    #[must_use]
    pub fn share_y(mut self) -> Self {
        self.share(|axes| axes.scales().1, |axes, range| axes.y_range = Some(range));
        self
    }

    fn share(&mut self, scale: impl Fn(&Axes) -> Scale, set: impl Fn(&mut Axes, (f64, f64))) {
        let Body::Panels(panels) = &mut self.body else { return };
        let scales = panels.figures.iter().filter_map(|figure| match &figure.body {
            Body::Axes(axes) => Some(scale(axes)),
            _ => None,
        });
        let range = scales.map(|s| (s.low, s.high)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        if let Some(range) = range {
            panels.figures.iter_mut().for_each(|figure| figure.axes(|axes| set(axes, range)));
        }
    }
}

impl Panels {
    /// Plots take an equal part of the width; pictures and drawings keep their size.
    fn arrange(&mut self, columns: usize) {
        self.columns = columns.clamp(1, self.figures.len().max(1));
        let width = (ROOM / self.columns as u32).clamp(220, 680);
        for figure in &mut self.figures {
            if matches!(figure.body, Body::Axes(_) | Body::Matrix(_)) {
                let height = if self.columns == 1 { 250 } else { (width * 2 / 3).clamp(190, 320) };
                (figure.width, figure.height) = (width, height);
            }
        }
    }

    /// The place of each panel, `[x, y, width, height]`, and the size of all.
    fn places(&self) -> (Vec<[f64; 4]>, (u32, u32)) {
        let sizes: Vec<(u32, u32)> = self.figures.iter().map(Figure::dimensions).collect();
        let mut widths = vec![0; self.columns];
        let mut heights = vec![0; sizes.len().div_ceil(self.columns)];
        for (i, (w, h)) in sizes.iter().enumerate() {
            let (column, row) = (i % self.columns, i / self.columns);
            (widths[column], heights[row]) = (widths[column].max(*w), heights[row].max(*h));
        }
        let before = |sides: &[u32], at: usize| f64::from(sides[..at].iter().sum::<u32>());
        let places = sizes.iter().enumerate().map(|(i, (w, h))| {
            let (x, y) = (before(&widths, i % self.columns), before(&heights, i / self.columns));
            [x, y, f64::from(*w), f64::from(*h)]
        });
        (places.collect(), (widths.iter().sum(), heights.iter().sum()))
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        self.places().1
    }

    pub(crate) fn paint(&self, canvas: &mut Canvas, [left, top, ..]: [f64; 4]) {
        for (figure, [x, y, w, h]) in self.figures.iter().zip(self.places().0) {
            figure.paint(canvas, [left + x, top + y, w, h]);
        }
    }

    pub(crate) fn describe(&self) -> String {
        let parts: Vec<String> =
            self.figures.iter().enumerate().map(|(i, figure)| format!("\n{}. {}", i + 1, figure.describe())).collect();
        format!("{} panels in {} columns.{}", self.figures.len(), self.columns, parts.concat())
    }
}
