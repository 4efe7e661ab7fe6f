//! The classical multivariate alarm: Hotelling's T².

use crate::CaseError;

/// Squared Mahalanobis distance from what is normal: `T² = (x - μ)ᵀ (Σ + ridge I)⁻¹ (x - μ)`, μ and Σ from normal rows
/// (Hotelling 1947; MacGregor and Kourti, *Statistical process control of multivariate processes*, 1995). The baseline that
/// every learnt model has to beat.
///
/// ```
/// use case::HotellingT2;
/// // Two sensors that always agree.
/// let rows: Vec<f32> = (0..50).flat_map(|i| { let v = (i as f32 * 0.7).sin(); [v, v + 0.01 * (i % 3) as f32] }).collect();
/// let t2 = HotellingT2::fit(&rows, 2, 1e-6)?;
/// assert!(t2.score(&[0.5, -0.5]) > 100.0 * t2.score(&[0.9, 0.9])); // disagreement is odd, a high value is not
/// assert!(HotellingT2::fit(&rows[..3], 2, 1e-6).is_err());
/// # Ok::<(), case::CaseError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HotellingT2 {
    mean: Vec<f64>,
    /// Lower Cholesky factor of the covariance, row after row.
    factor: Vec<Vec<f64>>,
}

impl HotellingT2 {
    /// Fits on normal rows of `width` values each; `ridge` (in squared units of the values) keeps nearly collinear sensors from
    /// dominating.
    ///
    /// # Errors
    /// [`CaseError::BadRows`] for no whole rows, values that are not numbers, or a covariance that is not positive definite
    /// (a constant sensor without ridge).
    pub fn fit(values: &[f32], width: usize, ridge: f64) -> Result<Self, CaseError> {
        let bad = |why| CaseError::BadRows { values: values.len(), width, why };
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(bad("the number of values is not a multiple of the width"));
        }
        if values.len() < 2 * width {
            return Err(bad("at least two rows are needed"));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(bad("some values are missing or infinite: fill or drop them first"));
        }
        let n = (values.len() / width) as f64;
        let mut mean = vec![0.0; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v) / n);
        }
        let mut factor = vec![vec![0.0; width]; width];
        for row in values.chunks_exact(width) {
            let centred: Vec<f64> = row.iter().zip(&mean).map(|(&v, m)| f64::from(v) - m).collect();
            for (i, line) in factor.iter_mut().enumerate() {
                line[..=i].iter_mut().zip(&centred).for_each(|(c, x)| *c += centred[i] * x / n);
            }
        }
        for i in 0..width {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
                let rest = factor[i][j] + if i == j { ridge } else { 0.0 } - known;
                if i == j && rest <= 0.0 {
                    return Err(bad("a column is constant or a sum of others: use a ridge above 0"));
                }
                factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
            }
        }
        Ok(Self { mean, factor })
    }

    /// T² of one row; NaN if the row has another width.
    pub fn score(&self, row: &[f32]) -> f32 {
        if row.len() != self.mean.len() {
            return f32::NAN;
        }
        let mut solved: Vec<f64> = Vec::with_capacity(row.len());
        for (i, line) in self.factor.iter().enumerate() {
            let known: f64 = line[..i].iter().zip(&solved).map(|(l, s)| l * s).sum();
            solved.push((f64::from(row[i]) - self.mean[i] - known) / line[i]);
        }
        solved.iter().map(|s| s * s).sum::<f64>() as f32
    }
}
