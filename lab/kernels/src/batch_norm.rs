//! Batch normalisation: each column of a table is brought to mean 0 and variance 1, then scaled and shifted (Ioffe and Szegedy
//! 2015). The channels of an image `[pixel][image][channel]` are the columns of a table too.

// An index is a column of several slices at once.
#![allow(clippy::needless_range_loop)]

use crate::{
    Real,
    dense::{self, Activation},
    dispatch::{Work, wide},
    par::{self, Shared},
    pool::Buf,
};

/// Columns whose sums are kept in registers.
const BLOCK: usize = 32;
/// Columns of a task.
const COLUMNS: usize = 4 * BLOCK;
/// Rows of a task: what it reads twice stays in the second-level cache.
const ROWS: usize = 512;
/// Values of a task that goes through whole rows.
const PART: usize = 32 * 1024;

/// Mean and variance (divided by the number of rows) of each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments<R> {
    /// Mean.
    pub mean: Vec<R>,
    /// Variance.
    pub variance: Vec<R>,
}

/// What y = (x − mean) inverse weight + bias is made with, for each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm<R> {
    /// Mean.
    pub mean: Vec<R>,
    /// 1 / sqrt(variance + epsilon).
    pub inverse: Vec<R>,
    /// Scale.
    pub weight: Vec<R>,
    /// Shift.
    pub bias: Vec<R>,
}

impl<R: Real> Norm<R> {
    /// From a variance and what is added to it.
    pub fn new(moments: Moments<R>, epsilon: f64, weight: &[R], bias: &[R]) -> Self {
        let inverse = moments.variance.iter().map(|v| R::of(1.0 / (v.to_f64() + epsilon).sqrt())).collect();
        Self { mean: moments.mean, inverse, weight: weight.to_vec(), bias: bias.to_vec() }
    }
}

/// Mean and variance of the columns of rows of `width` values; zeros where there are no rows.
///
/// Each part of the rows is centred on its own mean, and the parts are put together in `f64` (Chan, Golub and LeVeque 1983):
/// a mean that is large against the deviation costs no digits.
///
/// # Panics
/// When `x` does not fill whole rows.
pub fn moments<R: Real>(x: &[R], width: usize) -> Moments<R> {
    let rows = rows(x.len(), width);
    let (bands, blocks) = (rows.div_ceil(ROWS), width.div_ceil(COLUMNS));
    let (mut means, mut squares) = (Buf::any(bands * width), Buf::any(bands * width));
    let (to_mean, to_squares) = (Shared::new(&mut means), Shared::new(&mut squares));
    par::each(bands * blocks, |task| {
        let (band, first) = (task / blocks, task % blocks * COLUMNS);
        let (row, n) = (band * ROWS, COLUMNS.min(width - first));
        // SAFETY: each band's columns are written by one call.
        let (mean, squares) =
            unsafe { (to_mean.part(band * width + first, n), to_squares.part(band * width + first, n)) };
        wide(Centre { x: &x[row * width + first..], width, rows: ROWS.min(rows - row), mean, squares });
    });
    let mut found = Moments { mean: vec![R::default(); width], variance: vec![R::default(); width] };
    for c in 0..width {
        let (mut n, mut mean, mut sum) = (0.0, 0.0, 0.0);
        for band in 0..bands {
            let m = ROWS.min(rows - band * ROWS) as f64;
            let (other, square) = (means[band * width + c].to_f64(), squares[band * width + c].to_f64());
            let apart = other - mean;
            sum += square + apart * apart * n * m / (n + m);
            mean += apart * m / (n + m);
            n += m;
        }
        if rows > 0 {
            (found.mean[c], found.variance[c]) = (R::of(mean), R::of(sum / n));
        }
    }
    found
}

/// Moves the running statistics by `momentum` towards those of a batch of `rows` rows, whose variance counts as
/// Σ(x − mean)² / (rows − 1). One row has no such variance: nothing changes then.
pub fn update_running<R: Real>(mean: &mut [R], variance: &mut [R], batch: &Moments<R>, rows: usize, momentum: f64) {
    if rows < 2 {
        return;
    }
    let unbiased = rows as f64 / (rows - 1) as f64;
    let move_to = |x: &mut R, to: f64| *x = R::of((1.0 - momentum) * x.to_f64() + momentum * to);
    mean.iter_mut().zip(&batch.mean).for_each(|(x, to)| move_to(x, to.to_f64()));
    variance.iter_mut().zip(&batch.variance).for_each(|(x, to)| move_to(x, to.to_f64() * unbiased));
}

/// y = activation((x − mean) inverse weight + bias).
///
/// # Panics
/// When `x` does not fill whole rows or `y` has another length.
pub fn forward<R: Real>(x: &[R], norm: &Norm<R>, activation: Activation, y: &mut [R]) {
    let width = norm.mean.len();
    assert_eq!(x.len(), y.len(), "batch norm: input and output");
    let _ = rows(x.len(), width);
    let scale: Vec<R> = norm.inverse.iter().zip(&norm.weight).map(|(i, w)| *i * *w).collect();
    whole_rows(y, width, |from, y| {
        wide(Apply { x: &x[from..from + y.len()], mean: &norm.mean, scale: &scale, bias: &norm.bias, y });
        dense::forward(y, &[], activation);
    });
}

/// Which gradient of the input is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// None.
    Unwanted,
    /// The statistics are those of the input itself, and depend on it.
    Batch,
    /// The statistics are constants.
    Fixed,
}

/// Turns `dy` into the gradient of x (where it is wanted) and adds those of weight and bias to the two slices.
///
/// With x̂ = (x − mean) inverse and dz = dy activation'(y): d_bias = Σ dz, d_weight = Σ dz x̂ and, for a batch of n rows,
/// dx = inverse weight (dz − d_bias / n − x̂ d_weight / n).
///
/// # Panics
/// When the lengths differ.
pub fn backward<R: Real>(
    dy: &mut [R],
    y: &[R],
    x: &[R],
    norm: &Norm<R>,
    activation: Activation,
    input: Input,
    sums: (&mut [R], &mut [R]),
) {
    let width = norm.mean.len();
    assert!(dy.len() == x.len() && y.len() == x.len(), "batch norm: gradient, output and input");
    let rows = rows(x.len(), width);
    let slope = match activation {
        Activation::Identity => R::ONE,
        Activation::Leaky(slope) => R::of(slope),
        other => {
            dense::backward(dy, y, &mut [], other);
            R::ONE
        }
    };
    let (bands, blocks) = (rows.div_ceil(ROWS), width.div_ceil(COLUMNS));
    let (mut weights, mut biases) = (Buf::any(bands * width), Buf::any(bands * width));
    let (to_weight, to_bias, out) = (Shared::new(&mut weights), Shared::new(&mut biases), Shared::new(dy));
    par::each(bands * blocks, |task| {
        let (band, first) = (task / blocks, task % blocks * COLUMNS);
        let n = COLUMNS.min(width - first);
        // SAFETY: each band's columns are written by one call.
        let sums = unsafe { (to_weight.part(band * width + first, n), to_bias.part(band * width + first, n)) };
        let part =
            Sums { x, y, norm, slope, first, width, rows: band * ROWS..rows.min((band + 1) * ROWS), sums, dz: &out };
        wide(part);
    });
    let (mut d_weight, mut d_bias) = (vec![0.0; width], vec![0.0; width]);
    for (sum, parts) in [(&mut d_weight, &weights), (&mut d_bias, &biases)] {
        for part in parts.chunks(width.max(1)) {
            sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x.to_f64());
        }
    }
    sums.0.iter_mut().zip(&d_weight).for_each(|(to, x)| *to += R::of(*x));
    sums.1.iter_mut().zip(&d_bias).for_each(|(to, x)| *to += R::of(*x));
    let part = match input {
        Input::Unwanted => return,
        Input::Batch => 1.0 / rows.max(1) as f64,
        Input::Fixed => 0.0,
    };
    let scale: Vec<R> = norm.inverse.iter().zip(&norm.weight).map(|(i, w)| *i * *w).collect();
    let centre: Vec<R> = d_bias.iter().map(|x| R::of(x * part)).collect();
    let tilt: Vec<R> = d_weight.iter().zip(&norm.inverse).map(|(x, i)| R::of(x * part * i.to_f64())).collect();
    whole_rows(dy, width, |from, dz| {
        wide(Pull { x: &x[from..from + dz.len()], mean: &norm.mean, scale: &scale, centre: &centre, tilt: &tilt, dz });
    });
}

fn rows(len: usize, width: usize) -> usize {
    assert!(len == 0 || (width > 0 && len.is_multiple_of(width)), "batch norm: {len} values in rows of {width}");
    len.checked_div(width).unwrap_or(0)
}

/// Calls `work` for parts of whole rows, with the index of their first value.
fn whole_rows<R: Real>(values: &mut [R], width: usize, work: impl Fn(usize, &mut [R]) + Sync + Send) {
    let size = (PART / width.max(1)).max(1) * width;
    let (len, out) = (values.len(), Shared::new(values));
    par::each(len.div_ceil(size.max(1)), |i| {
        // SAFETY: each part is changed by one call.
        work(i * size, unsafe { out.part(i * size, size.min(len - i * size)) });
    });
}

/// Mean, and squares around it, of some rows of some columns.
struct Centre<'a, R> {
    x: &'a [R],
    width: usize,
    rows: usize,
    mean: &'a mut [R],
    squares: &'a mut [R],
}

impl<R: Real> Work for Centre<'_, R> {
    #[inline(always)]
    fn run(self) {
        let share = R::of(1.0 / self.rows as f64);
        for (b, (mean, squares)) in self.mean.chunks_mut(BLOCK).zip(self.squares.chunks_mut(BLOCK)).enumerate() {
            let x = &self.x[b * BLOCK..];
            if let (Ok(mean), Ok(squares)) = (<&mut [R; BLOCK]>::try_from(&mut *mean), (&mut *squares).try_into()) {
                centre::<R, BLOCK>(x, self.width, self.rows, share, mean, squares);
                continue;
            }
            for (c, (mean, square)) in mean.iter_mut().zip(squares).enumerate() {
                centre::<R, 1>(
                    &x[c..],
                    self.width,
                    self.rows,
                    share,
                    std::array::from_mut(mean),
                    std::array::from_mut(square),
                );
            }
        }
    }
}

#[inline(always)]
fn centre<R: Real, const N: usize>(
    x: &[R],
    width: usize,
    rows: usize,
    share: R,
    mean: &mut [R; N],
    squares: &mut [R; N],
) {
    let mut first = [R::default(); N];
    first.copy_from_slice(&x[..N]);
    let mut sum = [R::default(); N];
    for r in 0..rows {
        let row = &x[r * width..r * width + N];
        for j in 0..N {
            sum[j] += row[j] - first[j];
        }
    }
    for j in 0..N {
        sum[j] = first[j] + sum[j] * share;
    }
    let mut square = [R::default(); N];
    for r in 0..rows {
        let row = &x[r * width..r * width + N];
        for j in 0..N {
            let apart = row[j] - sum[j];
            square[j] += apart * apart;
        }
    }
    (*mean, *squares) = (sum, square);
}

struct Apply<'a, R> {
    x: &'a [R],
    mean: &'a [R],
    scale: &'a [R],
    bias: &'a [R],
    y: &'a mut [R],
}

impl<R: Real> Work for Apply<'_, R> {
    #[inline(always)]
    fn run(self) {
        let n = self.mean.len();
        let (mean, scale, bias) = (&self.mean[..n], &self.scale[..n], &self.bias[..n]);
        for (y, x) in self.y.chunks_exact_mut(n).zip(self.x.chunks_exact(n)) {
            for j in 0..n {
                y[j] = (x[j] - mean[j]) * scale[j] + bias[j];
            }
        }
    }
}

/// dz = dy activation'(y), and its sums over some rows of some columns.
struct Sums<'a, R> {
    x: &'a [R],
    y: &'a [R],
    norm: &'a Norm<R>,
    slope: R,
    first: usize,
    width: usize,
    rows: std::ops::Range<usize>,
    sums: (&'a mut [R], &'a mut [R]),
    dz: &'a Shared<R>,
}

impl<R: Real> Work for Sums<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (weights, biases) = self.sums;
        for (b, (weight, bias)) in weights.chunks_mut(BLOCK).zip(biases.chunks_mut(BLOCK)).enumerate() {
            let first = self.first + b * BLOCK;
            let n = weight.len();
            let (mean, inverse) = (&self.norm.mean[first..first + n], &self.norm.inverse[first..first + n]);
            let mut sums = [[R::default(); BLOCK]; 2];
            for r in self.rows.clone() {
                let at = r * self.width + first;
                // SAFETY: these columns of these rows belong to this call alone.
                let dz = unsafe { self.dz.part(at, n) };
                let (x, y) = (&self.x[at..at + n], &self.y[at..at + n]);
                if n == BLOCK {
                    add_row::<R>(&mut sums, dz, x, y, mean, self.slope, BLOCK);
                } else {
                    add_row::<R>(&mut sums, dz, x, y, mean, self.slope, n);
                }
            }
            for j in 0..n {
                (weight[j], bias[j]) = (sums[0][j] * inverse[j], sums[1][j]);
            }
        }
    }
}

#[inline(always)]
fn add_row<R: Real>(sums: &mut [[R; BLOCK]; 2], dz: &mut [R], x: &[R], y: &[R], mean: &[R], slope: R, n: usize) {
    let (dz, x, y, mean) = (&mut dz[..n], &x[..n], &y[..n], &mean[..n]);
    for j in 0..n {
        let d = if y[j] > R::default() { dz[j] } else { slope * dz[j] };
        dz[j] = d;
        sums[0][j] += d * (x[j] - mean[j]);
        sums[1][j] += d;
    }
}

/// dx = scale (dz − centre − (x − mean) tilt).
struct Pull<'a, R> {
    x: &'a [R],
    mean: &'a [R],
    scale: &'a [R],
    centre: &'a [R],
    tilt: &'a [R],
    dz: &'a mut [R],
}

impl<R: Real> Work for Pull<'_, R> {
    #[inline(always)]
    fn run(self) {
        let n = self.mean.len();
        let (mean, scale, centre, tilt) = (&self.mean[..n], &self.scale[..n], &self.centre[..n], &self.tilt[..n]);
        for (dz, x) in self.dz.chunks_exact_mut(n).zip(self.x.chunks_exact(n)) {
            for j in 0..n {
                dz[j] = scale[j] * (dz[j] - centre[j] - (x[j] - mean[j]) * tilt[j]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn moments_equal_the_sums_in_f64_even_far_from_zero() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (rows, width, far) in [(1, 3, 0.0), (7, 33, 5.0), (1200, 70, 1000.0), (3, 200, 0.0), (600, 1, -300.0)] {
            let x: Vec<f32> = (0..rows * width).map(|_| far + rng.gen_range(-1.0..1.0f32)).collect();
            // The sums of up to 512 rows are made in single precision.
            let found = moments(&x, width);
            for c in 0..width {
                let column: Vec<f64> = (0..rows).map(|r| f64::from(x[r * width + c])).collect();
                let mean = column.iter().sum::<f64>() / rows as f64;
                let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
                assert!((f64::from(found.mean[c]) - mean).abs() < 2e-6 + 1e-7 * mean.abs(), "mean {rows} {width}");
                assert!(
                    (f64::from(found.variance[c]) - variance).abs() < 1e-5 * (0.01 + variance),
                    "variance {rows} {width}"
                );
            }
        }
        assert_eq!(moments::<f32>(&[], 2), Moments { mean: vec![0.0; 2], variance: vec![0.0; 2] });
    }

    #[test]
    fn threads_change_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (rows, width) = (1300, 67);
        let x: Vec<f32> = (0..rows * width).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let (mut y, mut dy) = (vec![0.0; x.len()], x.clone());
                let norm = Norm::new(moments(&x, width), 1e-5, &vec![1.5; width], &vec![0.5; width]);
                forward(&x, &norm, Activation::Leaky(0.2), &mut y);
                let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
                backward(&mut dy, &y, &x, &norm, Activation::Leaky(0.2), Input::Batch, (&mut dw, &mut db));
                (y, dy, dw, db)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
