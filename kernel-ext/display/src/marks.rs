//! What is drawn over a plot, and the names in it.

use polars::prelude::DataFrame;

use crate::axes::{Mark, Spread};
use crate::columns::{self, Names};
use crate::error::FigureError;
use crate::figure::{Body, Figure};
use crate::kinds::Number;
use crate::scale::Kind;
use crate::when::When;

/// The place on the axis; a text that is no date is said in the label instead of being dropped in silence.
fn known(when: &impl When, label: &mut String) -> Option<f64> {
    match when.place() {
        Ok(place) => Some(place),
        Err(text) => {
            label.push_str(&format!(" (\u{201c}{text}\u{201d} is not a date)"));
            None
        }
    }
}

impl Mark {
    /// The places of a vertical mark with that label.
    fn joins(&mut self, name: &str) -> Option<&mut Vec<f64>> {
        match self {
            Self::Vertical { xs, label } if label == name && !name.is_empty() => Some(xs),
            _ => None,
        }
    }
}

impl Figure {
    /// A dashed vertical line, explained in the legend; x is in the axis's own unit, on time axes also a date: "2025-03-12".
    #[must_use]
    pub fn vline(self, x: impl When, label: impl Into<String>) -> Self {
        self.events(&[x], label)
    }

    /// Something that happened at one moment: `.event("2025-03-12", "failure")`. The same as [`Figure::vline`].
    #[must_use]
    pub fn event(self, at: impl When, label: impl Into<String>) -> Self {
        self.events(&[at], label)
    }

    /// Dashed vertical lines of one colour, for example a machine's failures, explained in the legend.
    #[must_use]
    pub fn events(mut self, xs: &[impl When], label: impl Into<String>) -> Self {
        let mut label = label.into();
        let xs = xs.iter().filter_map(|x| known(x, &mut label)).collect();
        self.axes(|axes| match axes.marks.iter_mut().find_map(|mark| mark.joins(&label)) {
            // The same thing again: one entry in the legend.
            Some(before) => before.extend(xs),
            None => axes.marks.push(Mark::Vertical { xs, label }),
        });
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
    pub fn band(mut self, from: impl When, to: impl When, label: impl Into<String>) -> Self {
        let mut label = label.into();
        if let (Some(from), Some(to)) = (known(&from, &mut label), known(&to, &mut label)) {
            self.axes(|axes| axes.marks.push(Mark::Band { from, to, label }));
        } else {
            self.axes(|axes| axes.marks.push(Mark::Vertical { xs: Vec::new(), label }));
        }
        self
    }

    /// Something that lasted: `.span("2025-04-06", "2025-05-01", "maintenance")`. The same as [`Figure::band`].
    #[must_use]
    pub fn span(self, from: impl When, to: impl When, label: impl Into<String>) -> Self {
        self.band(from, to, label)
    }

    /// A shaded band around a line, one low and one high value for each of its points; `what` says what the band is, for
    /// example "5 % to 95 %".
    ///
    /// # Errors
    /// [`FigureError::MissingSeries`] names the series that exist, [`FigureError::Length`] a list of another length.
    pub fn spread<N: Number>(
        mut self,
        series: &str,
        low: &[N],
        high: &[N],
        what: impl Into<String>,
    ) -> Result<Self, FigureError> {
        let Body::Axes(axes) = &mut self.body else { return Ok(self) };
        let available = axes.series.iter().map(|s| format!("{:?}", s.name)).collect::<Vec<_>>().join(", ");
        let Some(found) = axes.series.iter_mut().find(|s| s.name == series) else {
            return Err(FigureError::MissingSeries { series: series.to_owned(), available });
        };
        for (name, values) in [("the lower edge", low), ("the upper edge", high)] {
            if values.len() != found.xs.len() {
                let (got, expected) = (values.len(), found.xs.len());
                return Err(FigureError::Length { what: name.to_owned(), got, expected, each: "point of the line" });
            }
        }
        let numbers = |values: &[N]| values.iter().map(|v| v.number()).collect();
        found.spread = Some(Spread { low: numbers(low), high: numbers(high), what: what.into() });
        Ok(self)
    }

    /// A logarithmic horizontal axis; values that are not positive are left out.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.axes(|axes| {
            if axes.x_kind == Kind::Linear {
                axes.x_kind = Kind::Log;
            }
        });
        self
    }

    /// A fixed horizontal range, for example a part of a long series: `.x_range("2025-03-01", "2025-03-08")`. The vertical
    /// axis fits what is seen.
    #[must_use]
    pub fn x_range(mut self, low: impl When, high: impl When) -> Self {
        if let (Ok(low), Ok(high)) = (low.place(), high.place())
            && low.is_finite()
            && high.is_finite()
            && low != high
        {
            self.axes(|axes| axes.x_range = Some((low.min(high), low.max(high))));
        }
        self
    }

    /// Other names for the series (in the legend and the description), or for the rows of a heat map or an image grid.
    #[must_use]
    pub fn names(mut self, names: impl Names) -> Self {
        let names = names.names();
        match &mut self.body {
            Body::Axes(axes) => axes.series.iter_mut().zip(names).for_each(|(series, name)| series.name = name),
            Body::Matrix(matrix) if names.len() == matrix.rows => matrix.row_names = names,
            Body::Grid(grid) => grid.row_names = names,
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

    /// Names under the columns of a heat map.
    #[must_use]
    pub fn column_names(mut self, names: impl Names) -> Self {
        let names = names.names();
        if let Body::Matrix(matrix) = &mut self.body
            && names.len() == matrix.columns
        {
            matrix.column_names = names;
        }
        self
    }

    /// A key under an image grid: what black and white stand for, with the unit.
    #[must_use]
    pub fn scale_bar(mut self, black: impl Number, white: impl Number, unit: &str) -> Self {
        if let Body::Grid(grid) = &mut self.body {
            grid.scale = Some((black.number(), white.number(), unit.to_owned()));
        }
        self
    }
}
