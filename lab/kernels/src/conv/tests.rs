use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A convolution written down as its definition, in `f64`, on HWNC data.
struct Naive<'a> {
    sizes: Sizes<'a>,
    axes: (Axis, Axis),
}

impl Naive<'_> {
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (big, small, sizes) = (self.sizes.plan.big, self.sizes.plan.small, self.sizes);
        let (down, across) = self.axes;
        let groups = sizes.groups;
        let (nb, ns) = (sizes.big / groups, sizes.small / groups);
        for sy in 0..small.0 {
            for sx in 0..small.1 {
                for ky in 0..down.kernel {
                    for kx in 0..across.kernel {
                        let y = (sy * down.stride.get() + ky * down.dilation.get()) as i64 - down.padding as i64;
                        let x = (sx * across.stride.get() + kx * across.dilation.get()) as i64 - across.padding as i64;
                        if y < 0 || x < 0 || y >= big.0 as i64 || x >= big.1 as i64 {
                            continue;
                        }
                        let (b, s) = (y as usize * big.1 + x as usize, sy * small.1 + sx);
                        for image in 0..sizes.images {
                            for o in 0..sizes.small {
                                for i in 0..nb {
                                    let channel = o / ns * nb + i;
                                    f(
                                        (b * sizes.images + image) * sizes.big + channel,
                                        (s * sizes.images + image) * sizes.small + o,
                                        (o * nb + i) * sizes.plan.taps + ky * across.kernel + kx,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn draw(rng: &mut ChaCha8Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| rng.gen_range(-1.0..1.0)).collect()
}

fn close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance, "{what}, element {i}: {got} instead of {want}");
    }
}

fn single(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

fn double(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn all_three_passes_agree_with_the_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..60 {
        let axis = |rng: &mut ChaCha8Rng| {
            let kernel = rng.gen_range(1..5);
            Axis::new(kernel, rng.gen_range(1..4), rng.gen_range(0..=kernel)).dilated(rng.gen_range(1..3))
        };
        let axes = (axis(&mut rng), axis(&mut rng));
        let big = (rng.gen_range(1..9), rng.gen_range(1..9));
        let Some(plan) = Geometry::new(big, axes) else { continue };
        let groups = [1, 1, 2, 3][round % 4];
        let images = [1, 2, 7, 8, 13, 130][round % 6];
        let channels = [1, 3, 5, 17, 40];
        let sizes = Sizes {
            plan: &plan,
            images,
            big: groups * channels[rng.gen_range(0..if images > 100 { 3 } else { 5 })],
            small: groups * channels[rng.gen_range(0..if images > 100 { 3 } else { 5 })],
            groups,
        };
        let naive = Naive { sizes, axes };
        let (x, s, w) =
            (draw(&mut rng, sizes.big_len()), draw(&mut rng, sizes.small_len()), draw(&mut rng, sizes.filter_len()));
        let (bias_s, bias_b) = (draw(&mut rng, sizes.small), draw(&mut rng, sizes.big));
        let (mut small, mut big, mut dw) = (vec![0.0; s.len()], vec![0.0; x.len()], w.clone());
        naive.each(|b, o, t| {
            small[o] += x[b] * w[t];
            big[b] += s[o] * w[t];
            dw[t] += x[b] * s[o];
        });
        for (i, z) in small.iter_mut().enumerate() {
            *z += bias_s[i % sizes.small];
            *z = if *z > 0.0 { *z } else { 0.2 * *z };
        }
        let terms = (sizes.plan.taps * sizes.big.max(sizes.small)) as f64;
        let what = format!("{axes:?} {:?} images {images}", (sizes.big, sizes.small, groups));

        let mut got = vec![f64::NAN; s.len()];
        let finish = Finish { add: false, bias: Some(&bias_s[..]), slope: 0.2 };
        small_from_big(sizes, &x, &w, &mut got, finish);
        close(&got, &small, 1e-12 * terms, &what);
        let (x4, s4, w4) = (single(&x), single(&s), single(&w));
        let mut got4 = vec![f32::NAN; s.len()];
        let bias4 = single(&bias_s);
        small_from_big(sizes, &x4, &w4, &mut got4, Finish { add: false, bias: Some(&bias4), slope: 0.2 });
        close(&double(&got4), &small, 1e-6 * terms.max(4.0), &what);

        let mut got = vec![0.5; x.len()];
        big_from_small(sizes, &s, &w, &mut got, Finish::add());
        let want: Vec<f64> = big.iter().map(|z| z + 0.5).collect();
        close(&got, &want, 1e-12 * terms, &what);
        let mut got4 = vec![f32::NAN; x.len()];
        let bias4 = single(&bias_b);
        big_from_small(sizes, &s4, &w4, &mut got4, Finish { add: false, bias: Some(&bias4), slope: 1.0 });
        let want: Vec<f64> = big.iter().enumerate().map(|(i, z)| z + bias_b[i % sizes.big]).collect();
        close(&double(&got4), &want, 1e-6 * terms.max(4.0), &what);

        let mut got = w.clone();
        filter_gradient(sizes, &x, &s, &mut got);
        let count = (images * plan.small_pixels()) as f64;
        close(&got, &dw, 1e-12 * count, &what);
        let mut got4 = w4.clone();
        filter_gradient(sizes, &x4, &s4, &mut got4);
        close(&double(&got4), &dw, 1e-6 * count.max(4.0), &what);
    }
}

#[test]
fn threads_and_batch_do_not_change_a_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let axis = Axis::new(5, 2, 2);
    let plan = Geometry::new((14, 14), (axis, axis)).expect("it fits");
    let sizes = Sizes { plan: &plan, images: 24, big: 20, small: 36, groups: 1 };
    let (x, s, w) = (
        single(&draw(&mut rng, sizes.big_len())),
        single(&draw(&mut rng, sizes.small_len())),
        single(&draw(&mut rng, sizes.filter_len())),
    );
    let all = || {
        let (mut y, mut dx, mut dw) = (vec![0.0; s.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        small_from_big(sizes, &x, &w, &mut y, Finish::set());
        big_from_small(sizes, &s, &w, &mut dx, Finish::set());
        filter_gradient(sizes, &x, &s, &mut dw);
        (y, dx, dw)
    };
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a thread pool");
    let one = pool(1).install(all);
    for threads in [2, 3, 8] {
        assert_eq!(pool(threads).install(all), one, "{threads} threads");
    }
    // An image alone takes another path (rows from pixels) to the same result.
    let alone = Sizes { images: 1, ..sizes };
    let first: Vec<f32> = x.chunks(20).step_by(24).flatten().copied().collect();
    let mut y = vec![0.0; alone.small_len()];
    small_from_big(alone, &first, &w, &mut y, Finish::set());
    let want: Vec<f32> = one.0.chunks(36).step_by(24).flatten().copied().collect();
    assert_eq!(y, want);
}

#[test]
fn layouts_are_turned_and_turned_back() {
    for (n, c, p) in [(3, 5, 37), (0, 2, 3), (1, 1, 1), (70, 9, 70), (2, 300, 33)] {
        let x: Vec<f32> = (0..n * c * p).map(|i| i as f32).collect();
        let (mut y, mut back) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        to_hwnc((n, c, p), &x, &mut y);
        for (i, y) in y.iter().enumerate() {
            assert_eq!(*y, x[i % (n * c) * p + i / (n * c)], "{n} x {c} x {p}: {i}");
        }
        from_hwnc((n, c, p), &y, &mut back);
        assert_eq!(back, x);
    }
}
