//! Fewer points, same picture.

use std::collections::HashSet;

/// Cuts a line at every point that has no place (NaN) and thins each part.
pub(crate) fn strokes(points: impl Iterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let mut parts = Vec::new();
    let mut current: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if point.0.is_finite() && point.1.is_finite() {
            // Far outside the picture a coordinate only needs its direction; this keeps drawing bounded.
            current.push((point.0.clamp(-1e5, 1e5), point.1.clamp(-1e5, 1e5)));
        } else if !current.is_empty() {
            parts.push(thin(&std::mem::take(&mut current)));
        }
    }
    if !current.is_empty() {
        parts.push(thin(&current));
    }
    parts
}

/// At most four points for each pixel column: first, lowest, highest, last. A line through them covers the same pixels.
/// A line that runs back and forth is left as it is.
pub(crate) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let columns = (last.0 - first.0).abs().ceil() as usize + 1;
    if points.len() <= 4 * columns || points.windows(2).any(|pair| pair[1].0 < pair[0].0) {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(4 * columns);
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by_height = |a: &&usize, b: &&usize| column[**a].1.total_cmp(&column[**b].1);
        let places: Vec<usize> = (0..column.len()).collect();
        let low = places.iter().min_by(by_height).copied().unwrap_or(0);
        let high = places.iter().max_by(by_height).copied().unwrap_or(0);
        let mut keep = [0, low, high, column.len() - 1];
        keep.sort_unstable();
        for (i, at) in keep.into_iter().enumerate() {
            if i == 0 || at != keep[i - 1] {
                kept.push(column[at]);
            }
        }
    }
    kept
}

/// Points that can be told apart at a quarter of a pixel, in order.
pub(crate) fn distinct(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut seen = HashSet::new();
    points
        .filter(|p| p.0.is_finite() && p.1.is_finite())
        .filter(|p| seen.insert(((p.0 * 4.0).round() as i64, (p.1 * 4.0).round() as i64)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_extremes_ends_and_few_points() {
        let mut points: Vec<(f64, f64)> =
            (0..100_000).map(|i| (f64::from(i) / 200.0, (f64::from(i) * 0.37).sin())).collect();
        points[31_417].1 = 9.0;
        points[77_777].1 = -9.0;
        let kept = thin(&points);
        assert!(kept.len() <= 4 * 501, "{}", kept.len());
        assert!(kept.contains(&points[31_417]) && kept.contains(&points[77_777]));
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn a_curve_that_turns_back_is_kept() {
        let circle: Vec<(f64, f64)> = (0..5000).map(|i| f64::from(i) / 100.0).map(|t| (t.cos(), t.sin())).collect();
        assert_eq!(thin(&circle), circle);
    }

    #[test]
    fn gaps_cut_the_line() {
        let nan = f64::NAN;
        let parts = strokes([(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 1.0), (4.0, nan), (nan, 0.0)].into_iter());
        assert_eq!(parts, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 1.0)]]);
    }
}
