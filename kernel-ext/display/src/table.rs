//! polars frames as HTML and text.

use std::fmt::Write as _;

use lathe_events::frame::Bundle;
use polars::prelude::{AnyValue, Column, DataFrame, DataType, TimeUnit};

use crate::Rich;
use crate::scale::date_time;
use crate::svg::escape;

/// A frame prepared for reading: head and tail of its rows, all or the outer columns.
///
/// ```
/// use polars::prelude::df;
/// let df = df!["machine" => ["A", "B"], "hours" => [Some(12.5), None]]?;
/// let table = display::Table::new(&df).caption("Machines").rows(20);
/// assert!(table.html().contains("12.5"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table<'a> {
    df: &'a DataFrame,
    rows: usize,
    columns: usize,
    caption: String,
}

/// Longer strings are cut in cells.
const CELL_LIMIT: usize = 48;

impl<'a> Table<'a> {
    /// At most 10 rows (5 first, 5 last) and 16 columns.
    pub fn new(df: &'a DataFrame) -> Self {
        Self { df, rows: 10, columns: 16, caption: String::new() }
    }

    /// How many rows to show (at least 2).
    #[must_use]
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = rows.max(2);
        self
    }

    /// How many columns to show (at least 2).
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(2);
        self
    }

    /// A heading before the shape.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Which of `total` are shown: the outer ones, `None` standing for what is left out between.
    fn outer(total: usize, shown: usize) -> Vec<Option<usize>> {
        if total <= shown {
            return (0..total).map(Some).collect();
        }
        let head = shown.div_ceil(2);
        (0..head).map(Some).chain([None]).chain((total - (shown - head)..total).map(Some)).collect()
    }

    fn heading(&self) -> String {
        let (rows, columns) = self.df.shape();
        let plural = |n: usize, what: &str| format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" });
        let nulls: usize = self.df.columns().iter().map(Column::null_count).sum();
        let mut text = if self.caption.is_empty() { String::new() } else { format!("{}: ", self.caption) };
        text.push_str(&format!("{} × {}", plural(rows, "row"), plural(columns, "column")));
        if nulls > 0 {
            text.push_str(&format!(", {}", plural(nulls, "null")));
        }
        text
    }

    /// The columns with their formatted cells, as far as they are shown.
    fn cells(&self) -> (Vec<Option<usize>>, Vec<Shown<'a>>) {
        let rows = Self::outer(self.df.height(), self.rows);
        let columns = Self::outer(self.df.columns().len(), self.columns);
        let cells = columns
            .into_iter()
            .map(|at| {
                let column = &self.df.columns()[at?];
                Some((column, column_cells(column, &rows)))
            })
            .collect();
        (rows, cells)
    }

    /// The table as HTML; names and strings are escaped.
    pub fn html(&self) -> String {
        let (rows, columns) = self.cells();
        let mut html = String::from("<table class=\"dataframe\" style=\"border-collapse:collapse\">\n");
        let _ = writeln!(
            html,
            "<caption style=\"caption-side:top;text-align:left;white-space:nowrap\">{}</caption>\n<thead>\n<tr>",
            escape(&self.heading())
        );
        for column in &columns {
            let _ = match column {
                Some((column, _)) => write!(
                    html,
                    "<th scope=\"col\" style=\"text-align:{};padding:2px 10px\">{}<br><span style=\"font-weight:normal;opacity:.8;white-space:nowrap\">{}</span></th>",
                    align(column.dtype()),
                    escape(column.name()),
                    escape(&kind(column))
                ),
                None => write!(html, "<th scope=\"col\" aria-label=\"columns left out\">…</th>"),
            };
        }
        html.push_str("\n</tr>\n</thead>\n<tbody>\n");
        for (line, row) in rows.iter().enumerate() {
            html.push_str("<tr>");
            for column in &columns {
                let _ = match column {
                    Some((column, cells)) if row.is_some() => {
                        let (text, faint, whole) = match &cells[line] {
                            Cell::Value(text) => (escape(text), "", String::new()),
                            Cell::Cut(text, whole) => (escape(text), "", format!(" title=\"{}\"", escape(whole))),
                            Cell::Null => (String::from("null"), ";opacity:.75;font-style:italic", String::new()),
                        };
                        let wrap = if column.dtype().is_temporal() { ";white-space:nowrap" } else { "" };
                        write!(
                            html,
                            "<td style=\"text-align:{};padding:2px 10px{wrap}{faint}\"{whole}>{text}</td>",
                            align(column.dtype())
                        )
                    }
                    _ => write!(html, "<td style=\"text-align:center\">…</td>"),
                };
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table>\n");
        html
    }

    /// The table as text with aligned columns.
    pub fn text(&self) -> String {
        let (rows, columns) = self.cells();
        let mut blocks: Vec<(Vec<String>, bool)> = Vec::new();
        for column in &columns {
            blocks.push(match column {
                Some((column, cells)) => {
                    let mut block = vec![column.name().to_string(), kind(column)];
                    block.extend(cells.iter().zip(&rows).map(|(cell, row)| match cell {
                        _ if row.is_none() => String::from("…"),
                        Cell::Value(text) | Cell::Cut(text, _) => text.replace('\n', "⏎"),
                        Cell::Null => String::from("null"),
                    }));
                    (block, align(column.dtype()) == "right")
                }
                None => (vec![String::from("…"); rows.len() + 2], false),
            });
        }
        let mut text = format!("{}\n", self.heading());
        for line in 0..rows.len() + 2 {
            let mut row = String::new();
            for (block, right) in &blocks {
                let width = block.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
                let cell = &block[line];
                let pad = " ".repeat(width - cell.chars().count());
                row.push_str(&if *right { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }

    /// The value of a cell that ends in a table.
    pub fn evcxr_display(&self) {
        crate::out::result(self.bundle());
    }
}

impl Rich for Table<'_> {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.text()).with("text/html", self.html())
    }
}

/// A column with its formatted cells, or `None` for those that are left out.
type Shown<'a> = Option<(&'a Column, Vec<Cell>)>;

enum Cell {
    Value(String),
    /// What is shown, and what is read when the pointer rests on it.
    Cut(String, String),
    Null,
}

/// Type, and how many values are missing: `f64, 3 null, 1 NaN`.
fn kind(column: &Column) -> String {
    let mut text = column.dtype().to_string();
    let nan = column.is_nan().map_or(0, |mask| mask.sum().unwrap_or(0));
    for (count, what) in [(column.null_count(), "null"), (nan as usize, "NaN")] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    text
}

fn align(dtype: &DataType) -> &'static str {
    if dtype.is_primitive_numeric() || dtype.is_temporal() { "right" } else { "left" }
}

/// The shown cells of a column; floats share their number of decimals, so that points stand below each other.
fn column_cells(column: &Column, rows: &[Option<usize>]) -> Vec<Cell> {
    let values: Vec<AnyValue<'_>> =
        rows.iter().map(|row| row.and_then(|row| column.get(row).ok()).unwrap_or(AnyValue::Null)).collect();
    let floats: Vec<f64> = values.iter().filter_map(float).filter(|v| v.is_finite()).collect();
    let decimals = decimals(&floats);
    values
        .iter()
        .map(|value| match value {
            AnyValue::Null => Cell::Null,
            AnyValue::String(text) => cut(text),
            AnyValue::StringOwned(text) => cut(text),
            AnyValue::Datetime(at, unit, _) => Cell::Value(moment(*at, *unit)),
            AnyValue::DatetimeOwned(at, unit, _) => Cell::Value(moment(*at, *unit)),
            value => match float(value) {
                Some(v) if !v.is_finite() => Cell::Value(v.to_string()),
                Some(0.0) => Cell::Value(decimals.map_or(String::from("0"), |decimals| format!("{:.decimals$}", 0.0))),
                Some(v) => Cell::Value(match decimals {
                    Some(decimals) => format!("{v:.decimals$}"),
                    None => format!("{v:.3e}"),
                }),
                None => cut(&value.to_string()),
            },
        })
        .collect()
}

fn float(value: &AnyValue<'_>) -> Option<f64> {
    match value {
        AnyValue::Float32(v) => Some(f64::from(*v)),
        AnyValue::Float64(v) => Some(*v),
        _ => None,
    }
}

/// Decimals that give about four significant digits to the smaller values, at most as many as any value needs; `None`:
/// the column needs exponents.
fn decimals(values: &[f64]) -> Option<usize> {
    let largest = values.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
    let mut sizes: Vec<f64> = values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).collect();
    if sizes.is_empty() {
        return Some(1);
    }
    sizes.sort_by(f64::total_cmp);
    let small = sizes[sizes.len() / 4];
    if largest >= 1e12 || small < 1e-6 {
        return None;
    }
    let wanted = (3.0 - small.log10().floor()).clamp(1.0, 8.0) as usize;
    let needed = (0..=wanted).find(|d| {
        let scale = 10f64.powi(*d as i32);
        values.iter().all(|v| ((v * scale).round() / scale - v).abs() <= 1e-6 * v.abs())
    });
    Some(needed.unwrap_or(wanted).max(1))
}

fn moment(at: i64, unit: TimeUnit) -> String {
    let per_second = match unit {
        TimeUnit::Nanoseconds => 1_000_000_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Milliseconds => 1_000,
    };
    let text = date_time(at.div_euclid(per_second) as f64, 1.0);
    let rest = at.rem_euclid(per_second);
    if rest == 0 {
        text.strip_suffix(":00").map(str::to_owned).unwrap_or(text)
    } else {
        format!("{text}.{:03}", rest * 1000 / per_second)
    }
}

/// A long text is cut; what is shown when the pointer rests on it has a limit too.
fn cut(text: &str) -> Cell {
    const WHOLE: usize = 1000;
    let shorten = |limit: usize| match text.char_indices().nth(limit - 1) {
        Some((end, _)) if text.chars().nth(limit).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    };
    let shown = shorten(CELL_LIMIT);
    if shown == text { Cell::Value(shown) } else { Cell::Cut(shown, shorten(WHOLE)) }
}

/// `525600` as `525,600`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}
