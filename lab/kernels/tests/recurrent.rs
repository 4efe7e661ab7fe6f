//! The recurrent kernels against two LSTM steps computed by hand, a slow reference, and central differences in `f64`.

use lathe_kernels::{
    Kernels,
    pool::Buf,
    recurrent::{Batch, Cell, Grads, Run, Sizes, State, Weights},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CELLS: [Cell; 4] = [Cell::Tanh, Cell::Relu, Cell::Lstm, Cell::Gru];

fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.gen_range(-0.8..0.8)).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

/// Input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0.
type Parts<R> = [Vec<R>; 7];

fn parts(rng: &mut ChaCha8Rng, s: Sizes, b: Batch) -> Parts<f64> {
    let g = s.cell.gates() * s.hidden;
    let c = if s.cell.has_cell_state() { b.rows * s.hidden } else { 0 };
    let mut parts =
        [b.rows * b.steps * s.input, g * s.input, g * s.hidden, g, g, b.rows * s.hidden, c].map(|n| random(rng, n));
    // Larger ones would make the network chaotic: every rounding error would double with each step.
    parts[2].iter_mut().for_each(|w| *w /= (s.hidden.max(1) as f64).sqrt());
    parts
}

fn weights<R>(p: &Parts<R>) -> Weights<'_, R> {
    Weights { weight_ih: &p[1], weight_hh: &p[2], bias_ih: &p[3], bias_hh: &p[4] }
}

fn state<R: Kernels>(p: &Parts<R>) -> State<R> {
    State { hidden: Buf::copy(&p[5]), cell: Buf::copy(&p[6]) }
}

fn forward<R: Kernels>(s: Sizes, b: Batch, p: &Parts<R>, keep: bool) -> Run<R> {
    R::recurrent_forward(b, &p[0], &R::recurrent_pack(s, weights(p)), &state(p), keep)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// hidden = input = 1: the formulas of the module's head, written out with plain numbers.
#[test]
fn two_lstm_steps_by_hand() {
    let s = Sizes { cell: Cell::Lstm, input: 1, hidden: 1 };
    let p: Parts<f64> = [
        vec![1.5, -0.5],
        vec![0.5, -0.3, 0.8, 0.1],
        vec![0.2, 0.4, -0.6, 0.7],
        vec![0.1, 0.75, -0.2, 0.1],
        vec![0.0, 0.25, 0.0, 0.2],
        vec![],
        vec![],
    ];
    let run = forward(s, Batch { rows: 1, steps: 2, reverse: false }, &p, false);
    // Step 1 (h = c = 0): i = s(0.85), f = s(0.55), g = tanh(1.0), o = s(0.45).
    let c1 = sigmoid(0.85) * 1.0f64.tanh();
    let h1 = sigmoid(0.45) * c1.tanh();
    // Step 2: x = -0.5.
    let i = sigmoid(-0.25 + 0.2 * h1 + 0.1);
    let f = sigmoid(0.15 + 0.4 * h1 + 1.0);
    let g = (-0.4 - 0.6 * h1 - 0.2).tanh();
    let o = sigmoid(-0.05 + 0.7 * h1 + 0.3);
    let c2 = f * c1 + i * g;
    let h2 = o * c2.tanh();
    for (got, want) in [(run.hidden[0], h1), (run.hidden[1], h2), (run.last.hidden[0], h2), (run.last.cell[0], c2)] {
        assert!((got - want).abs() < 1e-15, "{got} {want}");
    }
    // The numbers themselves, from Python's math module fed with the formulas, so that both sides cannot be wrong together.
    assert!((c1 - 0.533_547_8).abs() < 1e-7 && (h1 - 0.298_045_9).abs() < 1e-7, "{c1} {h1}");
}

/// One row and step with plain loops.
fn step(s: Sizes, p: &Parts<f64>, x: &[f64], h: &[f64], c: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = s.hidden;
    let dot = |w: &[f64], x: &[f64], g: usize| (0..x.len()).map(|k| w[g * x.len() + k] * x[k]).sum::<f64>();
    let from_x = |g: usize| dot(&p[1], x, g) + p[3][g];
    let from_h = |g: usize| dot(&p[2], h, g) + p[4][g];
    let z = |g: usize| from_x(g) + from_h(g);
    let (mut new, mut cell) = (vec![0.0; n], vec![0.0; if s.cell.has_cell_state() { n } else { 0 }]);
    for j in 0..n {
        new[j] = match s.cell {
            Cell::Tanh => z(j).tanh(),
            Cell::Relu => z(j).max(0.0),
            Cell::Lstm => {
                cell[j] = sigmoid(z(n + j)) * c[j] + sigmoid(z(j)) * z(2 * n + j).tanh();
                sigmoid(z(3 * n + j)) * cell[j].tanh()
            }
            Cell::Gru => {
                let (r, u) = (sigmoid(z(j)), sigmoid(z(n + j)));
                let candidate = (from_x(2 * n + j) + r * from_h(2 * n + j)).tanh();
                (1.0 - u) * candidate + u * h[j]
            }
        };
    }
    (new, cell)
}

const BATCHES: [(usize, usize, usize, usize); 6] =
    [(1, 1, 1, 1), (3, 4, 2, 5), (19, 3, 17, 4), (33, 2, 3, 16), (2, 7, 5, 33), (17, 1, 40, 21)];

fn cases() -> impl Iterator<Item = (Sizes, Batch)> {
    CELLS.into_iter().flat_map(|cell| {
        BATCHES.into_iter().flat_map(move |(rows, steps, input, hidden)| {
            [false, true].map(|reverse| (Sizes { cell, input, hidden }, Batch { rows, steps, reverse }))
        })
    })
}

#[test]
fn equals_the_formulas_step_by_step() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for (s, b) in cases() {
        let p = parts(&mut rng, s, b);
        let run = forward(s, b, &p, true);
        // Without a trace the same numbers come from other places.
        let bare = forward(s, b, &p, false);
        assert_eq!((&bare.hidden, &bare.last), (&run.hidden, &run.last), "{s:?} {b:?}");
        for row in 0..b.rows {
            let part = |x: &[f64], n: usize| x[(row * n).min(x.len())..((row + 1) * n).min(x.len())].to_vec();
            let (mut h, mut c) = (part(&p[5], s.hidden), part(&p[6], s.hidden));
            let mut order: Vec<usize> = (0..b.steps).collect();
            if b.reverse {
                order.reverse();
            }
            for t in order {
                (h, c) = step(s, &p, &p[0][(row * b.steps + t) * s.input..][..s.input], &h, &c);
                let got = &run.hidden[(row * b.steps + t) * s.hidden..][..s.hidden];
                assert!(got.iter().zip(&h).all(|(g, w)| (g - w).abs() < 1e-12), "{s:?} {b:?} {row} {t}: {got:?} {h:?}");
            }
            assert!(part(&run.last.hidden, s.hidden).iter().zip(&h).all(|(g, w)| (g - w).abs() < 1e-12));
            assert!(part(&run.last.cell, s.hidden).iter().zip(&c).all(|(g, w)| (g - w).abs() < 1e-12));
        }
    }
}

/// A loss that touches every hidden state and the last state differently.
fn loss(run: &Run<f64>, weight: &[f64]) -> f64 {
    let all = run.hidden.iter().chain(&*run.last.hidden).chain(&*run.last.cell);
    all.zip(weight).map(|(h, w)| h * w + 0.5 * h * h).sum()
}

fn backward(run: &Run<f64>, p: &Parts<f64>, weight: &[f64], input: bool, weights_too: bool) -> Grads<f64> {
    let (n, h) = (run.hidden.len(), run.last.hidden.len());
    let slope = |x: &[f64], w: &[f64]| Buf::from(x.iter().zip(w).map(|(h, w)| h + w).collect::<Vec<f64>>());
    let d_last = State { hidden: slope(&run.last.hidden, &weight[n..]), cell: slope(&run.last.cell, &weight[n + h..]) };
    let d_hidden = slope(&run.hidden, weight);
    f64::recurrent_backward(run.trace.clone().unwrap(), weights(p), &d_hidden, &d_last, input, weights_too)
}

#[test]
fn gradients_agree_with_central_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (s, b) in cases() {
        let mut p = parts(&mut rng, s, b);
        let run = forward(s, b, &p, true);
        let weight = random(&mut rng, run.hidden.len() + run.last.hidden.len() + run.last.cell.len());
        let Grads { input, initial, weight_ih, weight_hh, bias_ih, bias_hh } = backward(&run, &p, &weight, true, true);
        // What is not asked for is left out, the rest the same.
        let frozen = backward(&run, &p, &weight, true, false);
        assert!(frozen.weight_ih.is_empty() && frozen.bias_hh.is_empty() && frozen.input == input);
        let first = backward(&run, &p, &weight, false, true);
        assert!(first.input.is_empty() && first.weight_hh == weight_hh && first.initial == initial);
        let analytic = [input, weight_ih, weight_hh, bias_ih, bias_hh, initial.hidden, initial.cell];
        for part in 0..7 {
            assert_eq!(analytic[part].len(), p[part].len());
            for k in 0..p[part].len().min(20) {
                // Spread over the tensor, so that every gate and the last block of rows is met.
                let k = k * p[part].len() / p[part].len().min(20);
                let (x, e) = (p[part][k], 1e-5);
                p[part][k] = x + e;
                let up = loss(&forward(s, b, &p, false), &weight);
                p[part][k] = x - e;
                let down = loss(&forward(s, b, &p, false), &weight);
                p[part][k] = x;
                let numeric = (up - down) / (2.0 * e);
                let got = analytic[part][k];
                let close = (got - numeric).abs() < 2e-7 * (1.0 + numeric.abs());
                assert!(close, "{s:?} {b:?} part {part} [{k}]: {got} {numeric}");
            }
        }
    }
}

#[test]
fn single_precision_follows_double() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for cell in [Cell::Tanh, Cell::Lstm, Cell::Gru] {
        let s = Sizes { cell, input: 14, hidden: 37 };
        let b = Batch { rows: 40, steps: 24, reverse: false };
        let p = parts(&mut rng, s, b).map(|x| narrow(&x));
        let wide = p.clone().map(|x| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>());
        let (run, run64) = (forward(s, b, &p, true), forward(s, b, &wide, true));
        let worst = |a: &[f32], b: &[f64]| a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst(&run.hidden, &run64.hidden) < 2e-5, "{cell:?} {}", worst(&run.hidden, &run64.hidden));
        let d = vec![0.1; run.hidden.len()];
        let d64 = vec![0.1; d.len()];
        let none = State::default();
        let grads = f32::recurrent_backward(run.trace.unwrap(), weights(&p), &d, &none, false, true);
        let grads64 =
            f64::recurrent_backward(run64.trace.unwrap(), weights(&wide), &d64, &State::default(), false, true);
        for (got, want) in [(&grads.weight_hh, &grads64.weight_hh), (&grads.bias_ih, &grads64.bias_ih)] {
            let size = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(worst(got, want) < 1e-4 * size, "{cell:?}");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_and_rows_do_not_see_each_other() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for cell in CELLS {
        let s = Sizes { cell, input: 3, hidden: 40 };
        let b = Batch { rows: 70, steps: 5, reverse: false };
        let p = parts(&mut rng, s, b).map(|x| narrow(&x));
        let run = || {
            let run = forward(s, b, &p, true);
            let trace = run.trace.clone().unwrap();
            let grads = f32::recurrent_backward(trace, weights(&p), &run.hidden, &run.last, true, true);
            (run, grads)
        };
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let alone = pool(1).install(run);
        assert_eq!(alone, pool(3).install(run));
        let mut first = p.clone();
        first[0].truncate(b.steps * s.input);
        first[5].truncate(s.hidden);
        first[6].truncate(if cell == Cell::Lstm { s.hidden } else { 0 });
        let first = forward(s, Batch { rows: 1, ..b }, &first, false);
        assert_eq!(first.hidden[..], alone.0.hidden[..b.steps * s.hidden]);
    }
}

/// A sequence cut in two, with the state handed over, is the same sequence.
#[test]
fn a_state_continues_where_it_was_left() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for cell in CELLS {
        let s = Sizes { cell, input: 3, hidden: 9 };
        let p = parts(&mut rng, s, Batch { rows: 1, steps: 7, reverse: false }).map(|x| narrow(&x));
        let whole = forward(s, Batch { rows: 1, steps: 7, reverse: false }, &p, false);
        let packed = f32::recurrent_pack(s, weights(&p));
        let (mut state, mut hidden) = (state(&p), Vec::new());
        for x in [&p[0][..6], &p[0][6..9], &p[0][9..9], &p[0][9..]] {
            let b = Batch { rows: 1, steps: x.len() / 3, reverse: false };
            let run = f32::recurrent_forward(b, x, &packed, &state, false);
            hidden.extend_from_slice(&run.hidden);
            state = run.last;
        }
        assert_eq!(hidden[..], whole.hidden[..], "{cell:?}");
        assert_eq!(state, whole.last);
    }
}

#[test]
fn nan_stays_in_its_row_and_spreads_in_time() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for cell in CELLS {
        let s = Sizes { cell, input: 2, hidden: 18 };
        let b = Batch { rows: 3, steps: 4, reverse: false };
        let mut p = parts(&mut rng, s, b).map(|x| narrow(&x));
        p[0][(4 + 2) * 2] = f32::NAN;
        let run = forward(s, b, &p, true);
        for (t, h) in run.hidden.chunks(18).enumerate() {
            let bad = (6..8).contains(&t);
            assert!(h.iter().all(|h| h.is_nan() == bad), "{cell:?} {t} {h:?}");
        }
        let trace = run.trace.unwrap();
        let grads = f32::recurrent_backward(trace, weights(&p), &[1.0; 12 * 18], &State::default(), true, true);
        assert!(grads.weight_hh.iter().any(|g| g.is_nan()), "{cell:?}");
        assert!(grads.input[..8].iter().all(|g| !g.is_nan()));
    }
}

#[test]
fn nothing_in_nothing_out() {
    for cell in CELLS {
        for (rows, steps, input) in [(0, 3, 2), (2, 0, 2), (2, 3, 0)] {
            let (s, b) = (Sizes { cell, input, hidden: 2 }, Batch { rows, steps, reverse: true });
            let mut p: Parts<f32> = parts(&mut ChaCha8Rng::seed_from_u64(8), s, b).map(|x| narrow(&x));
            p[6].truncate(if cell == Cell::Lstm { rows * 2 } else { 0 });
            let run = forward(s, b, &p, true);
            assert_eq!(run.hidden.len(), rows * steps * 2);
            let grads = f32::recurrent_backward(run.trace.unwrap(), weights(&p), &run.hidden, &run.last, true, true);
            assert_eq!(grads.weight_hh.len(), cell.gates() * 4);
            assert!(grads.weight_hh.iter().all(|g| *g == 0.0) == (rows * steps == 0), "{cell:?}");
            if steps == 0 {
                assert_eq!(run.last.hidden[..], p[5][..]);
                assert_eq!(grads.initial.hidden[..], p[5][..]);
            }
        }
    }
}
