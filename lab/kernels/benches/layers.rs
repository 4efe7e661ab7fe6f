//! Speed of single layers, in GF/s of useful work (padding is not counted), beside the product's ceiling.
//!
//! ```text
//! cargo bench -p lathe-kernels --bench layers --profile dev -- [part of a name]
//! ```

use std::time::Instant;

use lathe_kernels::{
    Kernels,
    brgemm::{Finish, Left, Right, Seg, Shape, packed_len, product},
    conv::{self, Axis, Geometry},
    linear,
};

/// Best of several runs, in seconds.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    let mut least = f64::INFINITY;
    let mut runs = 0;
    while runs < 5 || start.elapsed().as_millis() < 300 {
        let one = Instant::now();
        work();
        least = least.min(one.elapsed().as_secs_f64());
        runs += 1;
    }
    least
}

fn show(name: &str, flops: f64, passes: [f64; 3]) {
    let text: Vec<String> =
        passes.iter().map(|s| format!("{:>8.3} ms {:>5.0} GF/s", s * 1e3, flops / s / 1e9)).collect();
    println!("{name:<40} {}", text.join(" | "));
}

fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect()
}

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    let wanted = |name: &str| name.contains(&filter);
    let (m, n, k) = (96, 128, 256);
    let (a, b, mut c) = (values(m * k), values(packed_len(k, n)), vec![0.0; m * n]);
    let s = best(|| {
        let right = Right::Panels { data: &b, panel: packed_len(k, 1) };
        let left = Left { data: &a, row: k, column: 1 };
        product(Shape { m, n, k, ldc: n }, &[Seg { a: 0, b: 0 }], left, right, &mut c, Finish::set());
    });
    println!(
        "one thread, in the cache: {:.0} GF/s; {} threads",
        (2 * m * n * k) as f64 / s / 1e9,
        rayon::current_num_threads()
    );
    println!("{:<40} {:^22} | {:^22} | {:^22}", "layer", "forward", "input gradient", "weight gradient");
    for (rows, inputs, outputs) in [
        (128, 784, 512),
        (128, 512, 256),
        (128, 256, 784),
        (128, 784, 400),
        (128, 400, 20),
        (128, 100, 12544),
        (2048, 128, 384),
        (2048, 128, 512),
        (2048, 512, 128),
        (1, 784, 512),
    ] {
        let name = format!("linear {inputs} > {outputs} B{rows}");
        if wanted(&name) {
            dense(&name, linear::Sizes { rows, pixels: 1, channels: inputs, outputs });
        }
    }
    if wanted("linear 64x784 > 128 B256") {
        dense("linear 64x784 > 128 B256", linear::Sizes { rows: 256, pixels: 784, channels: 64, outputs: 128 });
    }
    let up = |size: usize, axis: Axis, extra: usize| Geometry::transposed((size, size), (axis, axis), (extra, extra));
    let down = |size: usize, axis: Axis| Geometry::new((size, size), (axis, axis));
    let (k3, k4, k5, k5s1) = (Axis::new(3, 1, 1), Axis::new(4, 2, 1), Axis::new(5, 2, 2), Axis::new(5, 1, 2));
    for (name, plan, big, small, images, transposed) in [
        ("CT 256>128 k5s1 7>7 B128", up(7, k5s1, 0), 128, 256, 128, true),
        ("CT 128>64 k5s2 7>14 B128", up(7, k5, 1), 64, 128, 128, true),
        ("CT 64>1 k5s2 14>28 B128", up(14, k5, 1), 1, 64, 128, true),
        ("CT 128>64 k4s2 7>14 B128", up(7, k4, 0), 64, 128, 128, true),
        ("CT 64>1 k4s2 14>28 B128", up(14, k4, 0), 1, 64, 128, true),
        ("C 1>64 k5s2 28>14 B128", down(28, k5), 1, 64, 128, false),
        ("C 64>128 k5s2 14>7 B128", down(14, k5), 64, 128, 128, false),
        ("C 3>64 k5s2 16>8 B128", down(16, k5), 3, 64, 128, false),
        ("CT 64>3 k4s2 8>16 B128", up(8, k4, 0), 3, 64, 128, true),
        ("C 1>32 k3s1 28>28 B256", down(28, k3), 1, 32, 256, false),
        ("C 32>64 k3s1 28>28 B256", down(28, k3), 32, 64, 256, false),
        ("CT 64>64 k4s2 7>14 B256", up(7, k4, 0), 64, 64, 256, true),
        ("CT 64>32 k4s2 14>28 B256", up(14, k4, 0), 32, 64, 256, true),
        ("CT 32>1 k3s1 28>28 B256", up(28, k3, 0), 1, 32, 256, true),
    ] {
        let Some(plan) = plan.filter(|_| wanted(name)) else { continue };
        let sizes = conv::Sizes { plan: &plan, images, big, small, groups: 1 };
        let (x, y) = (values(sizes.big_len()), values(sizes.small_len()));
        let (filter, mut dw) = (values(sizes.filter_len()), vec![0.0; sizes.filter_len()]);
        let (mut dx, mut dy) = (x.clone(), y.clone());
        let small = best(|| f32::conv_small_from_big(sizes, &x, &filter, &mut dy, Finish::set()));
        let large = best(|| f32::conv_big_from_small(sizes, &y, &filter, &mut dx, Finish::set()));
        let weight = best(|| f32::conv_filter_gradient(sizes, &x, &y, &mut dw));
        let flops = (2 * plan.pairs() * images * sizes.big * sizes.small) as f64;
        show(name, flops, if transposed { [large, small, weight] } else { [small, large, weight] });
    }
}

fn dense(name: &str, s: linear::Sizes) {
    let (x, dz) = (values(s.rows * s.inputs()), values(s.rows * s.outputs));
    let (w, mut y) = (values(s.outputs * s.inputs()), vec![0.0; dz.len()]);
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    let forward = best(|| f32::linear_forward(s, &x, &w, &mut y, Finish::set()));
    let input = best(|| f32::linear_input_gradient(s, &dz, &w, &mut dx));
    let weight = best(|| f32::linear_weight_gradient(s, &dz, &x, &mut dw));
    show(name, (2 * s.rows * s.inputs() * s.outputs) as f64, [forward, input, weight]);
}
