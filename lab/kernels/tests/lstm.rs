//! The LSTM kernel against a two-step trace computed by hand, an unrolled reference and central differences in `f64`.

use lathe_kernels::{
    Kernels,
    lstm::{Grads, Sizes, Trace, Weights},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn forward<R: Kernels>(s: Sizes, x: &[R], weights: Weights<'_, R>) -> Trace<R> {
    R::lstm_forward(s, x, weights)
}

fn backward<R: Kernels>(
    s: Sizes,
    x: &[R],
    weights: Weights<'_, R>,
    trace: &Trace<R>,
    d: &[R],
    want_input: bool,
) -> Grads<R> {
    R::lstm_backward(s, x, weights, trace, d, want_input)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// hidden = input = 1: the formulas of the module's head, written out with plain numbers.
#[test]
fn two_steps_by_hand() {
    let (wx, wh, b) = ([0.5, -0.3, 0.8, 0.1], [0.2, 0.4, -0.6, 0.7], [0.1, 1.0, -0.2, 0.3]);
    let x = [1.5, -0.5];
    let s = Sizes { rows: 1, steps: 2, input: 1, hidden: 1 };
    let trace = forward::<f64>(s, &x, Weights { input: &wx, hidden: &wh, bias: &b });

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
    for (got, want) in [(trace.cells[0], c1), (trace.hidden[0], h1), (trace.cells[1], c2), (trace.hidden[1], h2)] {
        assert!((got - want).abs() < 1e-15, "{got} {want}");
    }
    // The numbers themselves, from Python's math module fed with the formulas, so that both sides cannot be wrong together.
    assert!((c1 - 0.533_547_8).abs() < 1e-7 && (h1 - 0.298_045_9).abs() < 1e-7, "{c1} {h1}");
}

fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.gen_range(-0.8..0.8)).collect()
}

/// A loss that touches every hidden state differently.
fn loss(trace: &Trace<f64>, weight: &[f64]) -> f64 {
    trace.hidden.iter().zip(weight).map(|(h, w)| h * w + 0.5 * h * h).sum()
}

#[test]
fn gradients_agree_with_central_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for s in [
        Sizes { rows: 1, steps: 1, input: 1, hidden: 1 },
        Sizes { rows: 3, steps: 4, input: 2, hidden: 5 },
        Sizes { rows: 19, steps: 3, input: 17, hidden: 4 },
        Sizes { rows: 33, steps: 2, input: 3, hidden: 16 },
    ] {
        let mut parts = [
            random(&mut rng, s.rows * s.steps * s.input),
            random(&mut rng, 4 * s.hidden * s.input),
            random(&mut rng, 4 * s.hidden * s.hidden),
            random(&mut rng, 4 * s.hidden),
        ];
        let weight = random(&mut rng, s.rows * s.steps * s.hidden);
        let value =
            |p: &[Vec<f64>; 4]| loss(&forward(s, &p[0], Weights { input: &p[1], hidden: &p[2], bias: &p[3] }), &weight);
        let weights = Weights { input: &parts[1], hidden: &parts[2], bias: &parts[3] };
        let trace = forward(s, &parts[0], weights);
        let d: Vec<f64> = trace.hidden.iter().zip(&weight).map(|(h, w)| h + w).collect();
        let grads = backward(s, &parts[0], weights, &trace, &d, true);
        let analytic = [grads.input, grads.weight_input, grads.weight_hidden, grads.bias];
        for part in 0..4 {
            for k in 0..parts[part].len().min(40) {
                // Spread over the tensor, so that every gate and the last block of rows is met.
                let k = k * parts[part].len() / parts[part].len().min(40);
                let (x, e) = (parts[part][k], 1e-6);
                parts[part][k] = x + e;
                let up = value(&parts);
                parts[part][k] = x - e;
                let down = value(&parts);
                parts[part][k] = x;
                let numeric = (up - down) / (2.0 * e);
                let got = analytic[part][k];
                assert!(
                    (got - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
                    "{s:?} part {part} [{k}]: {got} {numeric}"
                );
            }
        }
    }
}

#[test]
fn single_precision_follows_double() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let s = Sizes { rows: 40, steps: 24, input: 4, hidden: 32 };
    let sizes = [s.rows * s.steps * s.input, 4 * s.hidden * s.input, 4 * s.hidden * s.hidden, 4 * s.hidden];
    let [x, wx, wh, b] = sizes.map(|n| random(&mut rng, n).iter().map(|v| *v as f32).collect::<Vec<f32>>());
    let [x64, wx64, wh64, b64] = [&x, &wx, &wh, &b].map(|v| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>());
    let (weights, weights64) =
        (Weights { input: &wx, hidden: &wh, bias: &b }, Weights { input: &wx64, hidden: &wh64, bias: &b64 });
    let (trace, trace64) = (forward(s, &x, weights), forward(s, &x64, weights64));
    let worst = |a: &[f32], b: &[f64]| a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    assert!(worst(&trace.hidden, &trace64.hidden) < 1e-5);
    let grads = backward(s, &x, weights, &trace, &vec![0.1; trace.hidden.len()], false);
    let grads64 = backward(s, &x64, weights64, &trace64, &vec![0.1; trace.hidden.len()], false);
    assert!(grads.input.is_empty());
    let size = grads64.weight_hidden.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(worst(&grads.weight_hidden, &grads64.weight_hidden) < 1e-4 * size);
}

#[test]
fn threads_do_not_change_a_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let s = Sizes { rows: 70, steps: 5, input: 3, hidden: 8 };
    let sizes = [s.rows * s.steps * s.input, 4 * s.hidden * s.input, 4 * s.hidden * s.hidden, 4 * s.hidden];
    let [x, wx, wh, b] = sizes.map(|n| random(&mut rng, n).iter().map(|v| *v as f32).collect::<Vec<f32>>());
    let weights = Weights { input: &wx, hidden: &wh, bias: &b };
    let run = || {
        let trace = forward(s, &x, weights);
        let grads = backward(s, &x, weights, &trace, &trace.hidden, true);
        (trace, grads)
    };
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(run);
    let many = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap().install(run);
    assert_eq!(alone, many);
    // And rows do not see each other.
    let first = forward(Sizes { rows: 1, ..s }, &x[..s.steps * s.input], weights);
    assert_eq!(first.hidden, alone.0.hidden[..s.steps * s.hidden]);
}

#[test]
fn nothing_in_nothing_out() {
    let s = Sizes { rows: 0, steps: 3, input: 2, hidden: 2 };
    let weights = Weights { input: &[0.0f32; 16], hidden: &[0.0; 16], bias: &[0.0; 8] };
    let trace = forward(s, &[], weights);
    let grads = backward(s, &[], weights, &trace, &[], true);
    assert!(trace.hidden.is_empty() && grads.weight_input == [0.0; 16]);
}
