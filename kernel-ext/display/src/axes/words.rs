//! A plot in words.

use super::{Axes, Look, Mark, Series};
use crate::scale::{Kind, Scale, number};

impl Axes {
    pub(crate) fn describe(&self) -> String {
        let (x, y) = self.scales();
        let extent = |scale: &Scale, values: &mut dyn Iterator<Item = f64>| {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            values.filter(|v| v.is_finite()).for_each(|v| (low, high) = (low.min(v), high.max(v)));
            if low <= high {
                format!("from {} to {}", scale.say(low), scale.say(high))
            } else {
                String::from("without values")
            }
        };
        let named =
            |axis: &str, label: &str| if label.is_empty() { axis.to_owned() } else { format!("{axis}: {label}") };
        let mut text = match &x.kind {
            Kind::Names(names) => format!("{}, {} groups", named("x", &self.x_label), names.len()),
            _ => format!(
                "{} {}",
                named("x", &self.x_label),
                extent(&x, &mut self.series.iter().flat_map(|s| s.xs.iter().copied()))
            ),
        };
        let range = extent(&y, &mut self.series.iter().flat_map(|s| s.ys.iter().copied()));
        let log = if self.log_y { ", logarithmic" } else { "" };
        if x.kind == Kind::Log {
            text.push_str(", logarithmic");
        }
        text.push_str(&format!("; {} {range}{log}.", named("y", &self.y_label)));
        for series in &self.series {
            // The values of a single unnamed series follow without a name.
            text.push_str(&format!("\n- {}", describe_series(series, &x).trim_start_matches(": ")));
        }
        for mark in &self.marks {
            text.push_str(&match mark {
                Mark::Vertical { xs, label } => {
                    let at: Vec<_> = xs.iter().take(12).map(|v| x.say(*v)).collect();
                    format!("\n- {} at {}{}", or_line(label), at.join(", "), if xs.len() > 12 { ", …" } else { "" })
                }
                Mark::Horizontal { y: level, label } => format!("\n- {} at y = {}", or_line(label), number(*level)),
                Mark::Band { from, to, label } => {
                    format!("\n- {} from {} to {}", or_line(label), x.say(*from), x.say(*to))
                }
            });
        }
        text
    }
}

fn or_line(label: &str) -> &str {
    if label.is_empty() { "mark" } else { label }
}

fn describe_series(series: &Series, x: &Scale) -> String {
    let finite = || series.ys.iter().enumerate().filter(|(_, v)| v.is_finite());
    let total = series.ys.len();
    let (Some(first), Some(last)) = (finite().next(), finite().next_back()) else {
        return format!("{}: no values", series.name);
    };
    let low = finite().min_by(|a, b| a.1.total_cmp(b.1)).unwrap_or(first);
    let high = finite().max_by(|a, b| a.1.total_cmp(b.1)).unwrap_or(first);
    if series.look == Look::Bars && total <= 12 {
        let values: Vec<_> =
            series.xs.iter().zip(&series.ys).map(|(at, v)| format!("{} {}", x.say(*at), number(*v))).collect();
        return format!("{}: {}", series.name, values.join(", "));
    }
    let missing = total - finite().count();
    let gaps = if missing > 0 { format!(", {missing} missing") } else { String::new() };
    let at = |point: (usize, &f64)| {
        format!("{} at {}", number(*point.1), series.xs.get(point.0).map_or(String::new(), |v| x.say(*v)))
    };
    let course = if series.look == Look::Line {
        format!(", first {}, last {}{}", number(*first.1), number(*last.1), trend(series))
    } else {
        String::new()
    };
    let spread = series.spread.as_ref().map_or(String::new(), |band| {
        let ends = band.low.iter().zip(&band.high).rev().find(|(low, high)| low.is_finite() && high.is_finite());
        ends.map_or(String::new(), |(low, high)| {
            format!(", {} from {} to {} at the end", band.what, number(*low), number(*high))
        })
    });
    let unit = if series.look == Look::Bins { "bins" } else { "points" };
    format!("{}: {total} {unit}{gaps}{course}{spread}, lowest {}, highest {}", series.name, at(low), at(high))
}

/// Which way a line goes, as far as it goes one way: the correlation of height and place.
fn trend(series: &Series) -> &'static str {
    let points = || series.xs.iter().zip(&series.ys).filter(|(x, y)| x.is_finite() && y.is_finite());
    let n = points().count() as f64;
    if n < 4.0 {
        return "";
    }
    let mean = |value: &dyn Fn((&f64, &f64)) -> f64| points().map(value).sum::<f64>() / n;
    let (mx, my) = (mean(&|p| *p.0), mean(&|p| *p.1));
    let (sx, sy) = (mean(&|p| (p.0 - mx).powi(2)).sqrt(), mean(&|p| (p.1 - my).powi(2)).sqrt());
    match mean(&|p| (p.0 - mx) * (p.1 - my)) / (sx * sy) {
        r if r > 0.5 => " (rises)",
        r if r < -0.5 => " (falls)",
        _ => "",
    }
}
