//! What is drawn over a plot, and the names in it.

use polars::prelude::DataFrame;

use crate::axes::Mark;
use crate::columns::{self, Names};
use crate::error::FigureError;
use crate::figure::{Body, Figure};
use crate::kinds::Number;

impl Figure {
    /// A dashed vertical line, explained in the legend; x is in the axis's own unit (seconds since 1970 for times).
    #[must_use]
    pub fn vline(self, x: impl Number, label: impl Into<String>) -> Self {
        self.events(&[x], label)
    }

    /// Dashed vertical lines of one colour, for example a machine's failures, explained in the legend.
    #[must_use]
    pub fn events(mut self, xs: &[impl Number], label: impl Into<String>) -> Self {
        let mark = Mark::Vertical { xs: xs.iter().map(|x| x.number()).collect(), label: label.into() };
        self.axes(|axes| axes.marks.push(mark));
        self
    }

    /// Dashed vertical lines at the values of a column, which may be times.
    ///
    /// # Errors
    /// As [`lines`](crate::lines).
    pub fn events_from(self, df: &DataFrame, column: &str, label: impl Into<String>) -> Result<Self, FigureError> {
        let xs = columns::values(df, column)?.0;
        Ok(self.events(&xs, label))
    }

    /// A dashed horizontal line with its label on it, for example a threshold.
    #[must_use]
    pub fn hline(mut self, y: impl Number, label: impl Into<String>) -> Self {
        let mark = Mark::Horizontal { y: y.number(), label: label.into() };
        self.axes(|axes| axes.marks.push(mark));
        self
    }

    /// A shaded span of the x axis, explained in the legend.
    #[must_use]
    pub fn band(mut self, from: impl Number, to: impl Number, label: impl Into<String>) -> Self {
        let mark = Mark::Band { from: from.number(), to: to.number(), label: label.into() };
        self.axes(|axes| axes.marks.push(mark));
        self
    }

    /// Other names for the series (in the legend and the description), or for the rows of a heat map.
    #[must_use]
    pub fn names(mut self, names: impl Names) -> Self {
        let names = names.names();
        match &mut self.body {
            Body::Axes(axes) => axes.series.iter_mut().zip(names).for_each(|(series, name)| series.name = name),
            Body::Matrix(matrix) if names.len() == matrix.rows => matrix.row_names = names,
            _ => {}
        }
        self
    }

    /// A caption under each picture of an image grid, in order.
    #[must_use]
    pub fn captions(mut self, captions: impl Names) -> Self {
        if let Body::Grid(grid) = &mut self.body {
            grid.captions = captions.names();
            grid.captions.resize(grid.pictures.len(), String::new());
        }
        self
    }
}
