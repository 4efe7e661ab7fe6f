//! Dense layers as batch-reduce products, also straight on the channel-last output of a convolution.
//!
//! The input is `[pixel][row][channel]`; a plain table is the case of one pixel. Weights are `[output][pixel][channel]`: for a
//! plain table PyTorch's `(out, in)`, else [`ordered`] makes them from it.

use crate::{
    Real,
    brgemm::{self, DEPTH, Element, Finish, Left, PANEL, Right, Seg, Shape},
    dispatch::{Work, wide},
    par::{self, Shared},
    pool::Buf,
    transpose::transpose,
};

/// Fewer rows are computed as dot products: packing the weights would cost more than it saves.
const FEW_ROWS: usize = 4;
/// Rows of a task where the columns alone do not keep all threads busy.
const ROWS: usize = 64;

/// Elements of an input that does not fit into the caches: it is then read once, not once for each panel of outputs.
const LARGE: usize = 1 << 20;
/// Rows whose part of a weight gradient is summed before the next rows are read.
const SUM_ROWS: usize = 256;

/// Sizes of a dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of the batch.
    pub rows: usize,
    /// Pixels of the input; 1 for a table.
    pub pixels: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Values of an output row.
    pub outputs: usize,
}

impl Sizes {
    /// Values of an input row.
    pub fn inputs(&self) -> usize {
        self.pixels * self.channels
    }

    fn check(&self, x: usize, weight: usize, y: usize) {
        assert_eq!(x, self.rows * self.inputs(), "linear: elements of the input");
        assert_eq!(weight, self.outputs * self.inputs(), "linear: elements of the weight");
        assert_eq!(y, self.rows * self.outputs, "linear: elements of the output");
    }
}

/// `[output][channel][pixel]`, as PyTorch flattens an image, to `[output][pixel][channel]`.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn ordered<R: Element>(sizes: Sizes, weight: &[R], out: &mut [R]) {
    each_output(sizes, weight, out, |from, to| {
        transpose((sizes.channels, sizes.pixels), (from, sizes.pixels), (to, sizes.channels));
    });
}

/// Adds `[output][pixel][channel]` to `[output][channel][pixel]`.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn add_ordered<R: Element>(sizes: Sizes, ordered: &[R], sum: &mut [R]) {
    each_output(sizes, ordered, sum, |from, to| {
        let mut turned = Buf::any(to.len());
        transpose((sizes.pixels, sizes.channels), (from, sizes.channels), (&mut turned, sizes.pixels));
        to.iter_mut().zip(&*turned).for_each(|(to, from)| *to += *from);
    });
}

fn each_output<R: Element>(sizes: Sizes, x: &[R], y: &mut [R], work: impl Fn(&[R], &mut [R]) + Sync + Send) {
    let size = sizes.inputs();
    assert_eq!((x.len(), y.len()), (sizes.outputs * size, sizes.outputs * size), "linear: elements of the weight");
    let out = Shared::new(y);
    par::each(sizes.outputs, |i| {
        // SAFETY: each output's weights are written by one call.
        work(&x[i * size..(i + 1) * size], unsafe { out.part(i * size, size) });
    });
}

/// y = max(z, slope z) with z = x W^T + bias.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn forward<R: Element>(sizes: Sizes, x: &[R], weight: &[R], y: &mut [R], finish: Finish<'_, R>) {
    sizes.check(x.len(), weight.len(), y.len());
    let Sizes { rows, pixels, channels, outputs } = sizes;
    let inputs = sizes.inputs();
    if rows == 0 || outputs == 0 {
        return;
    }
    let out = Shared::new(y);
    if rows < FEW_ROWS {
        return by_dots(sizes, x, weight, &out, finish);
    }
    if rows * inputs >= LARGE && channels <= DEPTH {
        return by_chunks(sizes, x, weight, &out, finish);
    }
    let panels = outputs.div_ceil(PANEL);
    let (blocks, height) = if panels >= 4 { (1, rows) } else { (rows.div_ceil(ROWS), ROWS) };
    par::each(panels * blocks, |task| {
        let (first, row) = (task / blocks * PANEL, task % blocks * height);
        let (n, m) = (PANEL.min(outputs - first), height.min(rows - row));
        let mut packed = Buf::<R>::any(inputs * PANEL);
        if n < PANEL {
            packed.fill(R::default());
        }
        transpose((n, inputs), (&weight[first * inputs..], inputs), (&mut packed, PANEL));
        let segs: Vec<Seg> =
            (0..pixels).map(|p| Seg { a: (p * rows + row) * channels, b: p * channels * PANEL }).collect();
        let bias = finish.bias.map(|bias| &bias[first..first + n]);
        let left = Left { data: x, row: channels, column: 1 };
        let right = Right::Panels { data: &packed, panel: packed.len() };
        let shape = Shape { m, n, k: channels, ldc: outputs };
        // SAFETY: each block of rows and columns is written by one call and lies inside of y.
        unsafe {
            brgemm::product_raw(shape, &segs, left, right, out.at(row * outputs + first), Finish { bias, ..finish });
        }
    });
}

/// [`forward`] for an input larger than the caches: part after part of it meets all outputs.
fn by_chunks<R: Element>(sizes: Sizes, x: &[R], weight: &[R], out: &Shared<R>, finish: Finish<'_, R>) {
    let Sizes { rows, pixels, channels, outputs } = sizes;
    let inputs = sizes.inputs();
    let group = DEPTH / channels;
    // All tasks read all weights, so a few tall ones.
    let height = (rows / 2).clamp(ROWS, 4 * ROWS);
    par::each(rows.div_ceil(height), |task| {
        let (row, m) = (task * height, height.min(rows - task * height));
        for from in (0..pixels).step_by(group) {
            let to = pixels.min(from + group);
            let (width, last) = ((to - from) * channels, to == pixels);
            let segs: Vec<Seg> =
                (from..to).map(|p| Seg { a: (p * rows + row) * channels, b: (p - from) * channels * PANEL }).collect();
            let mut packed = Buf::<R>::zeros(width * PANEL);
            for first in (0..outputs).step_by(PANEL) {
                let n = PANEL.min(outputs - first);
                let part = &weight[first * inputs + from * channels..];
                transpose((n, width), (part, inputs), (&mut packed, PANEL));
                let finish = Finish {
                    add: finish.add || from > 0,
                    bias: finish.bias.filter(|_| last).map(|bias| &bias[first..first + n]),
                    slope: if last { finish.slope } else { R::ONE },
                };
                let left = Left { data: x, row: channels, column: 1 };
                let right = Right::Panels { data: &packed, panel: packed.len() };
                let shape = Shape { m, n, k: channels, ldc: outputs };
                // SAFETY: each block of rows is written by one call and lies inside of y.
                unsafe {
                    brgemm::product_raw(shape, &segs, left, right, out.at(row * outputs + first), finish);
                }
            }
        }
    });
}

/// dx = dz W.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn input_gradient<R: Element>(sizes: Sizes, dz: &[R], weight: &[R], dx: &mut [R]) {
    sizes.check(dx.len(), weight.len(), dz.len());
    let Sizes { rows, pixels, channels, outputs } = sizes;
    if rows == 0 || channels == 0 {
        return;
    }
    let inputs = sizes.inputs();
    let panels = channels.div_ceil(PANEL);
    let out = Shared::new(dx);
    let (blocks, height) = if panels * pixels >= 4 { (1, rows) } else { (rows.div_ceil(ROWS), ROWS) };
    par::each(pixels * panels * blocks, |task| {
        let (part, row) = (task / blocks, task % blocks * height);
        let (pixel, first) = (part / panels, part % panels * PANEL);
        let (n, m) = (PANEL.min(channels - first), height.min(rows - row));
        let mut packed = Buf::<R>::any(outputs * PANEL);
        copy_panel(&weight[pixel * channels + first..], inputs, outputs, n, &mut packed);
        let left = Left { data: &dz[row * outputs..], row: outputs, column: 1 };
        let right = Right::Panels { data: &packed, panel: packed.len() };
        let shape = Shape { m, n, k: outputs, ldc: channels };
        let place = out.at((pixel * rows + row) * channels + first);
        // SAFETY: each block of a pixel's rows and columns is written by one call and lies inside of dx.
        unsafe { brgemm::product_raw(shape, &[Seg { a: 0, b: 0 }], left, right, place, Finish::set()) };
    });
}

/// Adds dz^T x to dw, in the weight's order.
///
/// # Panics
/// When a slice's length does not fit the sizes.
pub fn weight_gradient<R: Element>(sizes: Sizes, dz: &[R], x: &[R], dw: &mut [R]) {
    sizes.check(x.len(), dw.len(), dz.len());
    let Sizes { rows, pixels, channels, outputs } = sizes;
    if rows == 0 || channels == 0 || outputs == 0 {
        return;
    }
    let inputs = sizes.inputs();
    let panels = channels.div_ceil(PANEL);
    let out = Shared::new(dw);
    let (blocks, height) = if panels * pixels >= 4 { (1, outputs) } else { (outputs.div_ceil(ROWS), ROWS) };
    par::each(pixels * panels * blocks, |task| {
        let (part, row) = (task / blocks, task % blocks * height);
        let (pixel, first) = (part / panels, part % panels * PANEL);
        let (n, m) = (PANEL.min(channels - first), height.min(outputs - row));
        let mut packed = Buf::<R>::any(rows.min(SUM_ROWS) * PANEL);
        for from in (0..rows).step_by(SUM_ROWS) {
            let k = SUM_ROWS.min(rows - from);
            copy_panel(&x[(pixel * rows + from) * channels + first..], channels, k, n, &mut packed);
            let left = Left { data: &dz[from * outputs + row..], row: 1, column: outputs };
            let right = Right::Panels { data: &packed, panel: packed.len() };
            let shape = Shape { m, n, k, ldc: inputs };
            let place = out.at(row * inputs + pixel * channels + first);
            // SAFETY: each block of outputs and channels is written by one call and lies inside of dw.
            unsafe { brgemm::product_raw(shape, &[Seg { a: 0, b: 0 }], left, right, place, Finish::add()) };
        }
    });
}

/// `n` columns of `k` rows, `ldb` elements apart, as a panel.
fn copy_panel<R: Real>(from: &[R], ldb: usize, k: usize, n: usize, panel: &mut [R]) {
    for (p, row) in panel.chunks_exact_mut(PANEL).take(k).enumerate() {
        row[..n].copy_from_slice(&from[p * ldb..p * ldb + n]);
        row[n..].fill(R::default());
    }
}

/// Each output as a dot product of its weights with an input row.
fn by_dots<R: Element>(sizes: Sizes, x: &[R], weight: &[R], out: &Shared<R>, finish: Finish<'_, R>) {
    const OUTPUTS: usize = 64;
    let Sizes { rows, pixels, channels, outputs } = sizes;
    let inputs = sizes.inputs();
    let mut line = Buf::<R>::any(inputs);
    for row in 0..rows {
        for p in 0..pixels {
            line[p * channels..(p + 1) * channels].copy_from_slice(&x[(p * rows + row) * channels..][..channels]);
        }
        par::each(outputs.div_ceil(OUTPUTS), |task| {
            let first = task * OUTPUTS;
            let n = OUTPUTS.min(outputs - first);
            // SAFETY: each run of outputs of a row is written by one call.
            let y = unsafe { out.part(row * outputs + first, n) };
            let bias = finish.bias.map(|bias| &bias[first..first + n]);
            wide(Dots { x: &line, weight: &weight[first * inputs..], y, finish: Finish { bias, ..finish } });
        });
    }
}

struct Dots<'a, R> {
    x: &'a [R],
    weight: &'a [R],
    y: &'a mut [R],
    finish: Finish<'a, R>,
}

impl<R: Real> Work for Dots<'_, R> {
    #[inline(always)]
    fn run(self) {
        const LANES: usize = 32;
        let n = self.x.len();
        for (o, y) in self.y.iter_mut().enumerate() {
            let weight = &self.weight[o * n..(o + 1) * n];
            let mut sums = [R::default(); LANES];
            let (x, w) = (self.x.chunks_exact(LANES), weight.chunks_exact(LANES));
            let rest = x.remainder().iter().zip(w.remainder()).fold(R::default(), |sum, (x, w)| sum + *x * *w);
            for (x, w) in x.zip(w) {
                for ((sum, x), w) in sums.iter_mut().zip(x).zip(w) {
                    *sum += *x * *w;
                }
            }
            let mut z = sums.iter().fold(rest, |sum, x| sum + *x);
            if self.finish.add {
                z += *y;
            }
            if let Some(bias) = self.finish.bias {
                z += bias[o];
            }
            *y = if z <= R::default() { z * self.finish.slope } else { z };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
        (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect()
    }

    fn close(got: &[f32], want: &[f64], terms: usize, what: &str) {
        assert_eq!(got.len(), want.len());
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((f64::from(*g) - w).abs() < 1e-6 * (terms as f64).sqrt().max(1.0) * 4.0, "{what}[{i}]: {g} {w}");
        }
    }

    #[test]
    fn forward_and_gradients_equal_the_sums_in_f64() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (rows, pixels, channels, outputs) in [
            (1, 1, 7, 3),
            (3, 4, 5, 40),
            (128, 1, 100, 70),
            (9, 6, 33, 1),
            (130, 3, 1, 200),
            (5, 1, 1, 5),
            (300, 5, 700, 9),
        ] {
            let s = Sizes { rows, pixels, channels, outputs };
            let (x, w) = (random(&mut rng, rows * s.inputs()), random(&mut rng, outputs * s.inputs()));
            let (bias, dz) = (random(&mut rng, outputs), random(&mut rng, rows * outputs));
            let at = |b: usize, f: usize| f64::from(x[(f / channels * rows + b) * channels + f % channels]);
            let (mut y, mut dx, mut dw) = (vec![9.0; rows * outputs], vec![9.0; x.len()], vec![1.0; w.len()]);
            forward(s, &x, &w, &mut y, Finish { bias: Some(&bias), slope: 0.25, ..Finish::set() });
            input_gradient(s, &dz, &w, &mut dx);
            weight_gradient(s, &dz, &x, &mut dw);
            let (mut want_y, mut want_dx) = (vec![0.0; y.len()], vec![0.0; x.len()]);
            let mut want_dw = vec![1.0; w.len()];
            for b in 0..rows {
                for o in 0..outputs {
                    let mut z = f64::from(bias[o]);
                    for f in 0..s.inputs() {
                        z += at(b, f) * f64::from(w[o * s.inputs() + f]);
                        let place = (f / channels * rows + b) * channels + f % channels;
                        want_dx[place] += f64::from(dz[b * outputs + o]) * f64::from(w[o * s.inputs() + f]);
                        want_dw[o * s.inputs() + f] += f64::from(dz[b * outputs + o]) * at(b, f);
                    }
                    want_y[b * outputs + o] = if z > 0.0 { z } else { 0.25 * z };
                }
            }
            let what = format!("{s:?}");
            close(&y, &want_y, s.inputs(), &format!("y {what}"));
            close(&dx, &want_dx, outputs, &format!("dx {what}"));
            close(&dw, &want_dw, rows, &format!("dw {what}"));
        }
    }

    #[test]
    fn order_goes_there_and_back() {
        let s = Sizes { rows: 0, pixels: 6, channels: 4, outputs: 3 };
        let w: Vec<f32> = (0..72).map(|i| i as f32).collect();
        let (mut there, mut back) = (vec![0.0; 72], vec![1.0; 72]);
        ordered(s, &w, &mut there);
        // Pixel 1, channel 2.
        assert_eq!(there[4 + 2], w[2 * 6 + 1]);
        add_ordered(s, &there, &mut back);
        assert!(back.iter().zip(&w).all(|(b, w)| *b == w + 1.0));
    }

    #[test]
    fn threads_change_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let s = Sizes { rows: 37, pixels: 2, channels: 50, outputs: 90 };
        let (x, w, dz) = (random(&mut rng, 37 * 100), random(&mut rng, 90 * 100), random(&mut rng, 37 * 90));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let (mut y, mut dx, mut dw) = (vec![0.0; 37 * 90], vec![0.0; x.len()], vec![0.0; w.len()]);
                forward(s, &x, &w, &mut y, Finish::set());
                input_gradient(s, &dz, &w, &mut dx);
                weight_gradient(s, &dz, &x, &mut dw);
                (y, dx, dw)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
