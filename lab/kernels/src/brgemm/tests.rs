use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A random problem with room around every matrix that must not be touched.
struct Problem {
    shape: Shape,
    segs: Vec<Seg>,
    a: Vec<f32>,
    row: usize,
    column: usize,
    b: Vec<f32>,
    ldb: usize,
    c: Vec<f32>,
    bias: Vec<f32>,
}

const ROOM: usize = 40;

impl Problem {
    fn new(rng: &mut ChaCha8Rng, (m, n, k): (usize, usize, usize), segments: usize, transposed: bool) -> Self {
        let (row, column) = if transposed { (1, m + 3) } else { (k + 2, 1) };
        let (ldb, ldc) = (n + 5, n + rng.gen_range(0..4));
        let size_a = m.max(1) * row.max(1) + k.max(1) * column;
        let mut draw = |len: usize| (0..len).map(|_| rng.gen_range(-1.0..1.0f32)).collect::<Vec<f32>>();
        let (a, b, c) = (draw(size_a * segments.max(1)), draw((k + 1) * ldb * segments.max(1)), draw(m * ldc + ROOM));
        let bias = draw(n);
        let segs = (0..segments).map(|s| Seg { a: s * size_a, b: (segments - 1 - s) * (k + 1) * ldb }).collect();
        Self { shape: Shape { m, n, k, ldc }, segs, a, row, column, b, ldb, c, bias }
    }

    fn left(&self) -> Left<'_, f32> {
        Left { data: &self.a, row: self.row, column: self.column }
    }

    fn solve(&self, finish: Finish<'_, f32>) -> Vec<f32> {
        let mut c = self.c.clone();
        product(self.shape, &self.segs, self.left(), Right::Rows { data: &self.b, ldb: self.ldb }, &mut c, finish);
        c
    }

    /// With B packed, one panel set for each segment.
    fn solve_packed(&self, finish: Finish<'_, f32>) -> Vec<f32> {
        let Shape { n, k, .. } = self.shape;
        let total = k * self.segs.len();
        let mut packed = vec![0.0; packed_len(total, n)];
        let at = |p: usize, j: usize| self.b[self.segs[p / k].b + p % k * self.ldb + j];
        pack(total, n, at, &mut packed);
        let segs: Vec<Seg> = self.segs.iter().enumerate().map(|(s, g)| Seg { a: g.a, b: s * k * PANEL }).collect();
        let mut c = self.c.clone();
        let right = Right::Panels { data: &packed, panel: total * PANEL };
        product(self.shape, &segs, self.left(), right, &mut c, finish);
        c
    }

    /// In double precision, and the sum of the magnitudes, which bounds the error.
    fn reference(&self, i: usize, j: usize, finish: Finish<'_, f32>) -> (f64, f64) {
        let (mut sum, mut size) = (0.0, 0.0);
        for seg in &self.segs {
            for p in 0..self.shape.k {
                let x = f64::from(self.a[seg.a + i * self.row + p * self.column]);
                let y = f64::from(self.b[seg.b + p * self.ldb + j]);
                sum += x * y;
                size += (x * y).abs();
            }
        }
        let old = if finish.add { f64::from(self.c[i * self.shape.ldc + j]) } else { 0.0 };
        let z = sum + old + finish.bias.map_or(0.0, |bias| f64::from(bias[j]));
        (if z > 0.0 { z } else { f64::from(finish.slope) * z }, size + old.abs() + 1.0)
    }

    fn check(&self, c: &[f32], finish: Finish<'_, f32>) {
        let Shape { m, n, ldc, .. } = self.shape;
        for (at, (new, old)) in c.iter().zip(&self.c).enumerate() {
            let (i, j) = (at / ldc.max(1), at % ldc.max(1));
            if i < m && j < n {
                let (want, size) = self.reference(i, j, finish);
                assert!((f64::from(*new) - want).abs() < 2e-6 * size, "{:?} ({i}, {j}): {new} {want}", self.shape);
            } else {
                assert_eq!(new, old, "{:?}: wrote outside, at {at}", self.shape);
            }
        }
    }
}

#[test]
fn agrees_with_double_precision_and_touches_nothing_else() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..120 {
        let sizes = (rng.gen_range(0..30), rng.gen_range(1..80), rng.gen_range(0..20));
        let segments = rng.gen_range(0..6);
        let problem = Problem::new(&mut rng, sizes, segments, round % 2 == 0);
        let bias = problem.bias.clone();
        for finish in [Finish::set(), Finish::add(), Finish { add: round % 3 == 0, bias: Some(&bias), slope: 0.2 }] {
            problem.check(&problem.solve(finish), finish);
            if sizes.2 > 0 && segments > 0 {
                assert_eq!(problem.solve_packed(finish), problem.solve(finish), "{sizes:?}");
            }
        }
    }
}

#[test]
fn long_sums_are_cut_in_the_same_way_however_they_are_given() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (k, segments) in [(DEPTH, 2), (DEPTH + 1, 2), (3 * DEPTH + 7, 1), (100, 30), (1, 2000)] {
        let problem = Problem::new(&mut rng, (14, 33, k), segments, false);
        problem.check(&problem.solve(Finish::add()), Finish::add());
        assert_eq!(problem.solve_packed(Finish::set()), problem.solve(Finish::set()));
    }
}

/// Whatever kernel the machine has: rows and columns do not depend on their neighbours.
#[test]
fn an_element_does_not_depend_on_its_block() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let problem = Problem::new(&mut rng, (29, 70, 50), 3, false);
    let whole = problem.solve(Finish::set());
    for (i, j) in [(0, 0), (28, 69), (13, 31), (12, 32), (5, 47)] {
        let a = &problem.a[i * problem.row..];
        let b = &problem.b[j..];
        let mut one = [0.0];
        let shape = Shape { m: 1, n: 1, k: 50, ldc: 1 };
        let left = Left { data: a, row: problem.row, column: 1 };
        product(shape, &problem.segs, left, Right::Rows { data: b, ldb: problem.ldb }, &mut one, Finish::set());
        assert_eq!(one[0], whole[i * problem.shape.ldc + j], "({i}, {j})");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn every_vector_width_gives_the_same_bits() {
    if !(std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("fma")) {
        eprintln!("skipped: this processor has no AVX-512");
        return;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for sizes in [(1, 1, 1), (12, 32, 40), (13, 17, 9), (25, 31, 64), (7, 16, 3)] {
        let problem = Problem::new(&mut rng, sizes, 2, false);
        let block = Block {
            m: sizes.0,
            n: sizes.1,
            k: sizes.2,
            segs: &problem.segs,
            row: problem.row,
            column: 1,
            ldb: problem.ldb,
            ldc: problem.shape.ldc,
            add: true,
            finish: Some((Some(&problem.bias), 0.3)),
        };
        let (mut wide, mut narrow) = (problem.c.clone(), problem.c.clone());
        // SAFETY: both instruction sets were asked for, and the problem's matrices are as large as it says.
        unsafe {
            x86::avx512(&block, problem.a.as_ptr(), problem.b.as_ptr(), wide.as_mut_ptr());
            x86::avx2(&block, problem.a.as_ptr(), problem.b.as_ptr(), narrow.as_mut_ptr());
        }
        assert_eq!(wide, narrow, "{sizes:?}");
    }
}

#[test]
fn nan_goes_through_every_epilogue() {
    for slope in [0.0, 0.2, 1.0] {
        let mut c = [0.0f32; 2];
        let finish = Finish { add: false, bias: Some(&[1.0, 2.0]), slope };
        let left = Left { data: &[f32::NAN], row: 1, column: 1 };
        let shape = Shape { m: 1, n: 2, k: 1, ldc: 2 };
        product(shape, &[Seg { a: 0, b: 0 }], left, Right::Rows { data: &[1.0, 0.0], ldb: 2 }, &mut c, finish);
        assert!(c[0].is_nan() && c[1].is_nan(), "{slope}");
    }
}

#[test]
#[should_panic(expected = "outside of its matrix")]
fn a_segment_outside_of_its_matrix_is_refused() {
    let left = Left { data: &[1.0f64; 4], row: 2, column: 1 };
    let right = Right::Rows { data: &[1.0; 4], ldb: 2 };
    let shape = Shape { m: 2, n: 2, k: 2, ldc: 2 };
    product(shape, &[Seg { a: 1, b: 0 }], left, right, &mut [0.0; 4], Finish::set());
}
