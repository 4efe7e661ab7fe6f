//! A model as a table of its layers, read from its `Debug` form: a trait for every `Debug` type cannot walk through fields.

use lathe_events::frame::Bundle;

use crate::scale::number;
use crate::svg::escape;
use crate::table::grouped;

/// What every dfdx tensor's `Debug` form begins with.
const TENSOR: &str = "Tensor { id: UniqueId(";
/// More layers than this are not listed.
const LAYERS: usize = 60;

/// A layer: where it is, what it is, its tensors' names and shapes, how many numbers they hold.
struct Layer {
    path: String,
    kind: String,
    tensors: Vec<String>,
    count: usize,
    /// Sums for mean and spread of the values.
    sum: f64,
    squares: f64,
}

pub(crate) fn holds_tensors(debug: &str) -> bool {
    debug.contains(TENSOR)
}

/// The table, or `None` when the text is not read to its end.
pub(crate) fn layers(debug: &str) -> Option<Bundle> {
    let mut reader = Reader { rest: debug, layers: Vec::new() };
    reader.value("", "")?;
    let layers = reader.layers;
    let name =
        debug.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|n| !n.is_empty()).unwrap_or("Model");
    let total: usize = layers.iter().map(|layer| layer.count).sum();
    let tensors: usize = layers.iter().map(|layer| layer.tensors.len()).sum();
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (tensors, count) = (plural(tensors, "tensor"), plural(layers.len(), "layer"));
    let head = format!("{name}: {} numbers in {tensors}, {count} with parameters", grouped(total));
    let cells = |layer: &Layer| {
        let n = layer.count.max(1) as f64;
        let mean = layer.sum / n;
        let spread = (layer.squares / n - mean * mean).max(0.0).sqrt();
        let path = if layer.path.is_empty() { String::from("\u{b7}") } else { layer.path.clone() };
        [path, layer.kind.clone(), layer.tensors.join(", "), grouped(layer.count), number(mean), number(spread)]
    };
    let names = ["layer", "type", "tensors", "numbers", "mean", "std"];
    let rows: Vec<[String; 6]> = layers.iter().take(LAYERS).map(cells).collect();
    let more = layers.len().saturating_sub(LAYERS);
    let mut widths = names.map(|name| name.chars().count());
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let mut text = format!("{head}\n");
    let mut html = format!(
        "<table class=\"dataframe\"><caption style=\"caption-side:top;text-align:left;white-space:nowrap\">{}</caption><thead><tr>",
        escape(&head)
    );
    let side = |column: usize| if column >= 3 { "right" } else { "left" };
    let header = names.map(str::to_owned);
    for (line, row) in std::iter::once(&header).chain(&rows).enumerate() {
        let tag = if line == 0 { "th scope=\"col\"" } else { "td" };
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            text.push_str(&if column >= 3 { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
            html.push_str(&format!("<{tag} style=\"text-align:{}\">{}</{}>", side(column), escape(cell), &tag[..2]));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        html.push_str(if line == 0 { "</tr></thead><tbody>" } else { "</tr>" });
        html.push_str("<tr>");
    }
    html.truncate(html.len() - "<tr>".len());
    html.push_str("</tbody></table>");
    if more > 0 {
        text.push_str(&format!("… and {more} more layers\n"));
        html.push_str(&format!("… and {more} more layers"));
    }
    Some(Bundle::text(text).with("text/html", html))
}

/// Walks through a `Debug` text, remembering the path of field names.
struct Reader<'a> {
    rest: &'a str,
    layers: Vec<Layer>,
}

impl Reader<'_> {
    fn eat(&mut self, mark: char) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(mark);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    /// One value at `path`, a field of a `parent`.
    fn value(&mut self, path: &str, parent: &str) -> Option<()> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(TENSOR) {
            return self.tensor(path, parent);
        }
        if self.rest.starts_with('"') {
            return self.string();
        }
        let end = self.rest.find(|c| "{}()[],:".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let kind = word.trim().to_owned();
        self.rest = rest;
        // `path::Type` and times of day: not a field.
        while self.rest.starts_with(':') {
            self.rest = self.rest.trim_start_matches(':');
            let end = self.rest.find(|c| "{}()[],:".contains(c)).unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
        match self.rest.chars().next() {
            Some('{') => self.members('}', path, &kind),
            Some('(') => self.members(')', path, &kind),
            Some('[') => self.members(']', path, if kind.is_empty() { parent } else { &kind }),
            _ => Some(()),
        }
    }

    fn members(&mut self, close: char, path: &str, kind: &str) -> Option<()> {
        self.rest = &self.rest[1..];
        // `Some(x)`, `Ok(x)` and pointers are transparent.
        let transparent = close == ')' && matches!(kind, "Some" | "Ok" | "Box" | "PhantomData");
        for index in 0.. {
            if self.eat(close) {
                return Some(());
            }
            if close == '}' && self.eat('.') {
                // `..` of a non-exhaustive struct.
                self.rest = self.rest.trim_start_matches('.');
                continue;
            }
            let mut name = if transparent { String::new() } else { index.to_string() };
            if close == '}' && !self.rest.starts_with(['"', '[', '(', '{']) {
                let colon = self.rest.find(": ")?;
                name = self.rest[..colon].trim().to_owned();
                self.rest = &self.rest[colon + 1..];
            }
            let joined =
                if path.is_empty() || name.is_empty() { format!("{path}{name}") } else { format!("{path}.{name}") };
            self.value(&joined, if kind.is_empty() { "tuple" } else { kind })?;
            if close == '}' && self.eat(':') {
                // A map's value, whose key was just read.
                self.value(&joined, kind)?;
            }
            self.eat(',');
            if self.rest.is_empty() {
                return None;
            }
        }
        None
    }

    fn string(&mut self) -> Option<()> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            if c == '"' && !escaped {
                self.rest = &self.rest[at + 1..];
                return Some(());
            }
            escaped = c == '\\' && !escaped;
        }
        None
    }

    fn tensor(&mut self, path: &str, parent: &str) -> Option<()> {
        let after = |key: &str| self.rest.find(key).map(|at| &self.rest[at + key.len()..]);
        let data = after("data: [")?;
        let data = &data[..data.find(']')?];
        let strides = after("strides: [")?;
        let strides: Vec<usize> =
            strides[..strides.find(']')?].split(", ").filter_map(|s| s.trim().parse().ok()).collect();
        let (mut count, mut sum, mut squares) = (0, 0.0, 0.0);
        for value in data.split(',').filter_map(|v| v.trim().parse::<f64>().ok()) {
            count += 1;
            sum += value;
            squares += value * value;
        }
        // Sizes are in the type only; parameters are contiguous, so strides tell them.
        let mut sizes = Vec::new();
        let mut above = count;
        for stride in &strides {
            sizes.push((above / stride.max(&1)).to_string());
            above = *stride;
        }
        let (layer, field) = path.rsplit_once('.').unwrap_or(("", path));
        let shape = format!("{field} {}", sizes.join(" × "));
        match self.layers.last_mut() {
            Some(last) if last.path == layer => {
                last.tensors.push(shape);
                last.count += count;
                last.sum += sum;
                last.squares += squares;
            }
            _ => {
                let (path, kind) = (layer.to_owned(), parent.to_owned());
                self.layers.push(Layer { path, kind, tensors: vec![shape], count, sum, squares });
            }
        }
        let mut depth = 0;
        for (at, c) in self.rest.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if c == '}' && depth == 0 {
                self.rest = &self.rest[at + 1..];
                return Some(());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::*;

    use super::*;

    #[derive(Debug)]
    #[allow(dead_code, reason = "only its Debug form is read")]
    struct Wrapped<N: std::fmt::Debug> {
        name: String,
        range: std::ops::Range<f32>,
        unit: (),
        net: Option<N>,
        seeds: std::collections::BTreeMap<String, Vec<u8>>,
    }

    #[test]
    fn a_network_is_a_table_of_layers() {
        let dev = Cpu::default();
        let net = dev.build_module::<(Linear<4, 8>, ReLU, (Linear<8, 2>, BatchNorm1D<2>)), f32>();
        let text = layers(&format!("{net:?}")).unwrap().data["text/plain"].as_str().unwrap().to_owned();
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
        assert!(
            text.starts_with("tuple: 66 numbers in 8 tensors") || text.starts_with("Model: 66 numbers in 8 tensors"),
            "{text}"
        );
        assert_eq!(rows[2][..4], ["0", "Linear", "weight 8 × 4, bias 8", "40"], "{text}");
        assert_eq!(rows[3][..4], ["2.0", "Linear", "weight 2 × 8, bias 2", "18"], "{text}");
        assert!(rows[4][0] == "2.1" && rows[4][1] == "BatchNorm1D", "{text}");
    }

    #[test]
    fn fields_of_other_kinds_are_passed_by() {
        let dev = Cpu::default();
        let seeds =
            std::collections::BTreeMap::from([(String::from("a, {b"), vec![1, 2]), (String::from("c"), vec![])]);
        let name = String::from("with \"quotes\", {braces} and Tensor");
        let wrapped =
            Wrapped { name, range: 0.5..1.5, unit: (), net: Some(dev.build_module::<Linear<3, 1>, f32>()), seeds };
        let text = layers(&format!("{wrapped:?}")).unwrap().data["text/plain"].as_str().unwrap().to_owned();
        assert!(text.starts_with("Wrapped: 4 numbers in 2 tensors, 1 layer with parameters"), "{text}");
        assert!(text.contains("net    Linear  weight 1 × 3, bias 1"), "{text}");
        assert!(!holds_tensors("Tensor") && layers("Broken { a: [1, 2").is_none());
    }
}
