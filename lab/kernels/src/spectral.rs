//! The largest singular value of a weight by power iteration, and weights divided by it (Miyato et al. 2018).

use crate::{Real, layer_norm::sum};

/// Norms are kept away from zero by this.
const TINY: f64 = 1e-12;

/// Makes one power iteration for W, a table of `u.len()` rows and `v.len()` columns: v = Wᵀu / |Wᵀu|, u = W v / |W v|.
///
/// # Panics
/// When the weight has another length.
pub fn iterate<R: Real>(weight: &[R], u: &mut [R], v: &mut [R]) {
    right(weight, u, v);
    let rows = weight.chunks_exact(v.len().max(1));
    u.iter_mut().zip(rows).for_each(|(u, row)| *u = sum(row.len(), |j| row[j] * v[j]));
    unit(u);
}

/// v = Wᵀu / |Wᵀu| alone.
///
/// # Panics
/// When the weight has another length.
pub fn right<R: Real>(weight: &[R], u: &[R], v: &mut [R]) {
    assert_eq!(weight.len(), u.len() * v.len(), "spectral norm: elements of the weight");
    v.fill(R::default());
    for (u, row) in u.iter().zip(weight.chunks_exact(v.len().max(1))) {
        v.iter_mut().zip(row).for_each(|(v, w)| *v += *u * *w);
    }
    unit(v);
}

fn unit<R: Real>(x: &mut [R]) {
    let norm = sum(x.len(), |i| x[i] * x[i]).to_f64().sqrt().max(TINY);
    let scale = R::of(1.0 / norm);
    x.iter_mut().for_each(|x| *x = *x * scale);
}

/// `out` = W / σ with σ = uᵀ W v, which is returned.
///
/// # Panics
/// When the lengths do not fit.
pub fn divide<R: Real>(weight: &[R], u: &[R], v: &[R], out: &mut [R]) -> R {
    assert!(weight.len() == u.len() * v.len() && out.len() == weight.len(), "spectral norm: elements of the weight");
    let rows = weight.chunks_exact(v.len().max(1));
    let sigma = u.iter().zip(rows).fold(R::default(), |total, (u, row)| total + *u * sum(v.len(), |j| row[j] * v[j]));
    let scale = R::ONE / sigma;
    out.iter_mut().zip(weight).for_each(|(out, w)| *out = *w * scale);
    sigma
}

/// Adds the gradient of W to `dw`, given `d`, that of W / σ, with u and v as constants: (d − <d, W / σ> u vᵀ) / σ.
///
/// # Panics
/// When the lengths do not fit.
pub fn divide_back<R: Real>(d: &[R], divided: &[R], (u, v): (&[R], &[R]), sigma: R, dw: &mut [R]) {
    assert!(
        d.len() == u.len() * v.len() && d.len() == divided.len() && d.len() == dw.len(),
        "spectral norm: gradients"
    );
    let (along, scale) = (sum(d.len(), |i| d[i] * divided[i]), R::ONE / sigma);
    let n = v.len().max(1);
    for ((u, dw), d) in u.iter().zip(dw.chunks_exact_mut(n)).zip(d.chunks_exact(n)) {
        for ((dw, d), v) in dw.iter_mut().zip(d).zip(v) {
            *dw += (*d - along * *u * *v) * scale;
        }
    }
}
