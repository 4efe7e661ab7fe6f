//! Tensors and matrices: shape, statistics, small values.

use std::fmt::{Debug, Write as _};

use dfdx::dtypes::Unit;
use dfdx::shapes::{HasShape as _, Shape};
use dfdx::tensor::{Cpu, Tensor};
use lathe_events::frame::Bundle;

use crate::Rich;
use crate::figure::Figure;
use crate::grid::Picture;
use crate::kinds::{Number, heatmap, image_grid};
use crate::picture_file::base64;
use crate::scale::number;
use crate::svg::escape;
use crate::table::grouped;
use crate::value_text::Limited;

/// Rows and columns beyond these are left out of the table of values.
const ROWS: usize = 8;
const COLUMNS: usize = 10;
/// Matrices of a stack that are drawn.
const PICTURES: usize = 16;

impl<S: Shape, E: Number + Unit, T> Rich for Tensor<S, E, Cpu, T> {
    fn bundle(&self) -> Bundle {
        let dims: Vec<usize> = self.shape().concrete().into_iter().collect();
        let values: Vec<f64> = self.as_vec().into_iter().map(Number::number).collect();
        summary("Tensor", &dims, short_type(std::any::type_name::<E>()), &values)
    }
}

/// Shows a dfdx tensor (or anything else that is [`Rich`]): shape, least, mean and largest value, small values in full.
///
/// ```
/// use dfdx::prelude::*;
/// let dev = Cpu::default();
/// let x: Tensor<Rank2<2, 3>, f32, _> = dev.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// display::show(&x);
/// ```
pub fn show(value: impl Rich) {
    crate::out::display(value);
}

pub(crate) fn matrix_bundle<N: Number>(rows: &[Vec<N>]) -> Bundle {
    let columns = rows.first().map_or(0, Vec::len);
    let values: Vec<f64> = rows.iter().flatten().map(|v| v.number()).collect();
    if rows.iter().any(|row| row.len() != columns) {
        let lengths: Vec<_> = rows.iter().take(20).map(|row| row.len().to_string()).collect();
        return Bundle::text(format!("{} rows of lengths {} …", rows.len(), lengths.join(", ")));
    }
    summary("Matrix", &[rows.len(), columns], short_type(std::any::type_name::<N>()), &values)
}

/// A list of numbers too long to be read whole: statistics, first and last values.
pub(crate) fn long_list<N: Number + Debug>(values: &[N]) -> Option<Bundle> {
    const WHOLE: usize = 100;
    if values.len() <= WHOLE {
        return None;
    }
    let numbers: Vec<f64> = values.iter().map(|v| v.number()).collect();
    let dtype = short_type(std::any::type_name::<N>());
    let head = format!("Vec of {} {dtype}{}", grouped(values.len()), statistics(&numbers));
    let list = |values: &[N]| values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ");
    Some(Bundle::text(format!("{head}\n[{}, …, {}]", list(&values[..10]), list(&values[values.len() - 5..]))))
}

/// `: min 0, mean 1, max 2, std 0.5; 3 NaN`, as far as there is something to say.
fn statistics(values: &[f64]) -> String {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (n, mut text) = (finite().count(), String::new());
    if let (Some(low), Some(high)) = (finite().reduce(f64::min), finite().reduce(f64::max)) {
        let mean = finite().sum::<f64>() / n as f64;
        let spread = (finite().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        let _ =
            write!(text, ": min {}, mean {}, max {}, std {}", number(low), number(mean), number(high), number(spread));
    }
    let nan = values.iter().filter(|v| v.is_nan()).count();
    for (count, what) in [(nan, "NaN"), (values.len() - n - nan, "infinite")] {
        if count > 0 {
            let _ = write!(text, "; {} {what}", grouped(count));
        }
    }
    text
}

/// What numbers do not show: a matrix as a heat map, stacks of matrices as pictures. Only where the table is cut.
fn look(dims: &[usize], values: &[f64]) -> Option<Figure> {
    let [.., rows, columns] = *dims else { return None };
    if rows < 4 || columns < 4 || (rows <= ROWS && columns <= COLUMNS) || rows.max(columns) > 2000 {
        return None;
    }
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
    if dims.len() == 2 {
        let lines: Vec<&[f64]> = values.chunks_exact(columns).collect();
        return Some(heatmap(&lines).ok()?.size(420, 260));
    }
    let pictures = values.chunks_exact(rows * columns).take(PICTURES).map(|values| {
        let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        Picture::between(columns, rows, &values, low as f32, high as f32)
    });
    Some(image_grid(pictures, PICTURES / 2).ok()?.scale_bar(low, high, ""))
}

fn short_type(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

/// The last two dimensions are a table; of further ones the first entry is shown. Values are in row-major order.
fn summary(kind: &str, dims: &[usize], dtype: &str, values: &[f64]) -> Bundle {
    let shape = dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
    let shape = if dims.is_empty() { String::from("scalar") } else { shape };
    let device = if kind == "Tensor" { " on the CPU" } else { "" };
    let mut head = format!("{kind} {shape} of {dtype}");
    if dims.is_empty() && values.len() == 1 {
        return Bundle::text(format!("{}  ({head}{device})", number(values[0])));
    }
    head.push_str(device);
    head.push_str(&statistics(values));
    let (rows, columns) = match dims {
        [] => (1, 1),
        [n] => (1, *n),
        [.., rows, columns] => (*rows, *columns),
    };
    let outer = dims.len().saturating_sub(2);
    let place = if outer > 0 { format!("[{}, .., ..]", vec!["0"; outer].join(", ")) } else { String::new() };
    let mut cells: Vec<Vec<String>> = Vec::new();
    for row in 0..rows.min(ROWS) {
        let line = values.get(row * columns..).unwrap_or_default().iter().take(columns.min(COLUMNS));
        cells.push(line.map(|v| number(*v)).collect());
    }
    let (more_rows, more_columns) = (rows > ROWS, columns > COLUMNS);
    let width = cells.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(1);
    let mut text = format!("{head}\n");
    if !place.is_empty() {
        let _ = writeln!(text, "{place} =");
    }
    let mut html = format!(
        "<table class=\"dataframe\"><caption style=\"caption-side:top;text-align:left\">{}{}</caption><tbody>",
        escape(&head),
        if place.is_empty() { String::new() } else { format!("<br>{place}") }
    );
    for row in &cells {
        html.push_str("<tr>");
        for cell in row {
            let _ = write!(text, " {cell:>width$}");
            let _ = write!(html, "<td style=\"text-align:right\">{}</td>", escape(cell));
        }
        text.push_str(if more_columns { " …\n" } else { "\n" });
        html.push_str(if more_columns { "<td>…</td></tr>" } else { "</tr>" });
    }
    if more_rows {
        text.push_str(" …\n");
        html.push_str("<tr><td>…</td></tr>");
    }
    html.push_str("</tbody></table>");
    if let Some(figure) = look(dims, values) {
        let (data, (width, _)) = (base64(&figure.png()), figure.dimensions());
        let alt = escape(&figure.describe());
        let _ = write!(html, "<img width=\"{width}\" alt=\"{alt}\" src=\"data:image/png;base64,{data}\">");
    }
    Bundle::text(text).with("text/html", html)
}

pub(crate) fn is_tensor(type_name: &str) -> bool {
    type_name.trim_start_matches('&').starts_with("dfdx::tensor::") && type_name.contains("Tensor<")
}

/// A tensor known only by its `Debug` form, as in the value of a cell: a trait for every `Debug` type cannot name its shape.
pub(crate) fn from_debug(value: &dyn Debug, type_name: &str) -> Bundle {
    let mut all = Limited::new(40_000_000);
    let _ = write!(all, "{value:?}");
    parse_debug(&all.text, type_name).filter(|_| !all.cut).unwrap_or_else(|| {
        let name: String = type_name.replace("dfdx::shapes::shape::", "").replace("dfdx::tensor::", "");
        Bundle::text(format!("{name}\n(use `show(&tensor)` to see shape, statistics and values)"))
    })
}

/// The bracketed list that follows `key` (and anything up to its `[`).
fn list_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = &text[text.find(key)? + key.len()..];
    let rest = &rest[rest.find('[')? + 1..];
    Some(&rest[..rest.find(']')?])
}

fn parse_debug(text: &str, type_name: &str) -> Option<Bundle> {
    let numbers = |list: &str| {
        list.split(',')
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .map(|v| v.parse::<f64>().ok())
            .collect::<Option<Vec<f64>>>()
    };
    let data = numbers(list_after(text, "data: ")?)?;
    let strides: Vec<usize> = list_after(text, "strides: ")?.split(',').filter_map(|v| v.trim().parse().ok()).collect();
    // Compile-time sizes are only in the type's name, run-time sizes only in the value.
    let start = type_name.find("Tensor<")? + "Tensor<".len();
    let mut depth = 0;
    let end = type_name[start..].find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })?;
    let shape_type = type_name[start..start + end].trim_start_matches('(').trim_end_matches(')');
    let shape_value = text.split("shape: (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let run_time: Vec<&str> = shape_value.split(',').map(str::trim).collect();
    let mut dims = Vec::new();
    for (i, dim) in shape_type.split(',').map(str::trim).filter(|dim| !dim.is_empty()).enumerate() {
        let fixed = dim.split("Const<").nth(1).and_then(|rest| rest.trim_end_matches('>').parse().ok());
        dims.push(fixed.or_else(|| run_time.get(i).and_then(|v| v.parse().ok()))?);
    }
    if dims.len() != strides.len() {
        return None;
    }
    let total: usize = dims.iter().product();
    let mut values = Vec::with_capacity(total);
    for flat in 0..total {
        let (mut rest, mut at) = (flat, 0);
        for (dim, stride) in dims.iter().zip(&strides).rev() {
            at += rest % dim * stride;
            rest /= dim;
        }
        values.push(*data.get(at)?);
    }
    let after = type_name[start + end + 1..].trim_start();
    let dtype = after.split([',', '>']).next().unwrap_or("f32");
    Some(summary("Tensor", &dims, dtype, &values))
}

#[cfg(test)]
mod tests {
    use dfdx::shapes::Rank2;
    use dfdx::tensor::{TensorFrom as _, Trace};
    use dfdx::tensor_ops::PermuteTo as _;

    use super::*;

    #[test]
    fn a_tensor_as_a_cell_value_is_read_as_by_show() {
        let dev = Cpu::default();
        let fixed: Tensor<Rank2<2, 3>, f32, _> = dev.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, -6.5]]);
        let turned: Tensor<Rank2<3, 2>, f32, _> = fixed.clone().permute();
        let run_time = dev.tensor((vec![1.0_f64, 2.0, 3.0, 4.0], (2_usize, 2_usize)));
        fn by_name<T: Debug>(value: &T) -> Bundle {
            let name = std::any::type_name::<T>();
            assert!(is_tensor(name), "{name}");
            from_debug(value, name)
        }
        assert_eq!(by_name(&fixed), fixed.bundle());
        assert_eq!(by_name(&turned), turned.bundle());
        assert_eq!(by_name(&run_time), run_time.bundle());
        assert_eq!(by_name(&Trace::<f32, Cpu>::leaky_trace(&fixed)), fixed.bundle());
        let text = fixed.bundle().data["text/plain"].to_string();
        assert!(text.contains("2 × 3 of f32 on the CPU: min -6.5, mean 1.417, max 5"), "{text}");
    }

    #[test]
    fn ragged_rows_and_missing_values_are_said() {
        let text = matrix_bundle(&[vec![1.0_f32, f32::NAN], vec![0.0, 2.0]]).data["text/plain"].to_string();
        assert!(text.contains("; 1 NaN") && text.contains("mean 1,"), "{text}");
        assert!(matrix_bundle(&[vec![1.0_f32], vec![]]).data["text/plain"].to_string().contains("lengths 1, 0"));
    }
}
