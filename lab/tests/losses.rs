//! Losses: closed forms, published values, and gradients in `f64` against central differences.

use dfdx::prelude::*;
use lab::{loss, rng};

type Batch<const N: usize> = Tensor<(usize, Const<N>), f64, Cpu>;

fn batch<const N: usize>(values: &[f64]) -> Batch<N> {
    Cpu::default().tensor_from_vec(values.to_vec(), (values.len() / N, Const))
}

fn numbers(n: usize, step: u64) -> Vec<f64> {
    rng::normal(&mut rng::keyed(11, "losses", step), n).iter().map(|x| f64::from(*x)).collect()
}

/// Compares a gradient with central differences of `value`.
fn check(name: &str, at: &[f64], gradient: &[f64], value: impl Fn(&[f64]) -> f64) {
    assert_eq!(at.len(), gradient.len());
    for k in 0..at.len() {
        let moved = |delta: f64| {
            let mut x = at.to_vec();
            x[k] += delta;
            value(&x)
        };
        let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((gradient[k] - numeric).abs() < 1e-7 * (1.0 + numeric.abs()), "{name}[{k}]: {} {numeric}", gradient[k]);
    }
}

#[test]
fn kl_of_standard_normals_is_exactly_zero() {
    assert_eq!(loss::gaussian_kl(batch::<3>(&[0.0; 12]), batch::<3>(&[0.0; 12])).unwrap().array(), 0.0);
}

#[test]
fn kl_is_summed_over_columns_and_averaged_over_rows() {
    // Row 1: KL(N(1, 1) || N(0, 1)) = 1/2 in each of two columns; row 2: KL(N(0, 4)) = (4 - 1 - ln 4) / 2 once.
    let kl = loss::gaussian_kl(batch::<2>(&[1.0, -1.0, 0.0, 0.0]), batch::<2>(&[0.0, 0.0, 4.0f64.ln(), 0.0]))
        .unwrap()
        .array();
    assert!((kl - (1.0 + (3.0 - 4.0f64.ln()) / 2.0) / 2.0).abs() < 1e-15, "{kl}");
}

#[test]
fn kl_agrees_with_monte_carlo() {
    let (mean, log_var) = (0.8, -0.6f64);
    let kl = loss::gaussian_kl(batch::<1>(&[mean]), batch::<1>(&[log_var])).unwrap().array();
    // E_q[ln q(z) - ln p(z)] over 200 000 draws; the standard error is about 0.0025.
    let n = 200_000;
    let log_ratio = |e: f64| {
        let z = mean + (log_var / 2.0).exp() * e;
        -0.5 * (log_var + e * e) + 0.5 * z * z
    };
    let sampled = numbers(n, 0).into_iter().map(log_ratio).sum::<f64>() / n as f64;
    assert!((kl - sampled).abs() < 0.01, "closed form {kl}, sampled {sampled}");
}

#[test]
fn bce_equals_its_definition_and_survives_large_logits() {
    let (logits, targets) = ([0.3, -1.2, 2.5, 0.0], [1.0, 0.0, 0.7, 0.5]);
    let direct: f64 = logits
        .iter()
        .zip(targets)
        .map(|(l, t): (&f64, f64)| {
            let p = 1.0 / (1.0 + (-l).exp());
            -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
        })
        .sum();
    assert!((loss::bce_with_logits(batch::<4>(&logits), batch(&targets)).unwrap().array() - direct).abs() < 1e-14);
    // A confident mistake costs its logit, and its gradient is still there (a clipped probability has none).
    let logits = batch::<2>(&[1000.0, -1000.0]);
    let taped = loss::bce_with_logits(logits.leaky_trace(), batch(&[0.0, 1.0])).unwrap();
    assert_eq!(taped.array(), 2000.0);
    assert_eq!(taped.backward().get(&logits).as_vec(), [1.0, -1.0]);
}

#[test]
fn squared_errors() {
    let (a, b) = (batch::<2>(&[1.0, 2.0, 3.0, 4.0]), batch::<2>(&[1.0, 0.0, 0.0, 4.0]));
    assert_eq!(loss::squared_error(a.clone(), b.clone()).unwrap().array(), 13.0 / 2.0);
    assert_eq!(loss::mse(a.clone(), b.clone()).unwrap().array(), 13.0 / 4.0);
    // With variance 1 the Gaussian likelihood is half the squared error plus its constant.
    let nll = loss::gaussian_nll(a, b, Cpu::default().zeros::<Rank1<2>>()).unwrap().array();
    assert!((nll - (13.0 / 4.0 + (2.0 * std::f64::consts::PI).ln())).abs() < 1e-14);
}

/// Values of the definitions (those of PyTorch's `binary_cross_entropy_with_logits` and `gaussian_nll_loss(full=True)`, summed
/// and halved) in plain Python:
/// ```python
/// x = [.5, -1.5, 2., 0., 3., -.7]; t = [1., 0., .2, .9, .4, 0.]; v = [.5, 1., 2.] * 2
/// sum(max(l, 0) - l * y + log1p(exp(-abs(l))) for l, y in zip(x, t)) / 2
/// sum(.5 * (log(s) + (a - b)**2 / s) + .5 * log(2 * pi) for a, b, s in zip(x, t, v)) / 2
/// ```
#[test]
fn equal_to_the_definitions_elsewhere() {
    let (x, t) = (batch::<3>(&[0.5, -1.5, 2.0, 0.0, 3.0, -0.7]), batch::<3>(&[1.0, 0.0, 0.2, 0.9, 0.4, 0.0]));
    let bce = loss::bce_with_logits(x.clone(), t.clone()).unwrap().array();
    assert!((bce - 2.673_669_427_112_488_3).abs() < 1e-12, "{bce}");
    let log_var = Cpu::default().tensor([0.5f64.ln(), 0.0, 2.0f64.ln()]);
    let nll = loss::gaussian_nll(x, t, log_var).unwrap().array();
    assert!((nll - 6.005_565_599_614_018).abs() < 1e-12, "{nll}");
}

#[test]
fn gradients_agree_with_central_differences() {
    let (a, b) = (numbers(12, 1), numbers(12, 2));
    let probabilities: Vec<f64> = b.iter().map(|x| 1.0 / (1.0 + x.exp())).collect();
    let (x, y) = (batch::<3>(&a), batch::<3>(&b));

    let (mean, log_var) = (x.clone(), y.clone());
    let grads = loss::gaussian_kl(mean.leaky_trace(), log_var.leaky_trace()).unwrap().backward();
    check("kl mean", &a, &grads.get(&mean).as_vec(), |m| loss::gaussian_kl(batch::<3>(m), y.clone()).unwrap().array());
    check("kl log_var", &b, &grads.get(&log_var).as_vec(), |l| {
        loss::gaussian_kl(x.clone(), batch::<3>(l)).unwrap().array()
    });

    let target = batch::<3>(&probabilities);
    let grads = loss::bce_with_logits(x.leaky_trace(), target.clone()).unwrap().backward();
    check("bce", &a, &grads.get(&x).as_vec(), |l| {
        loss::bce_with_logits(batch::<3>(l), target.clone()).unwrap().array()
    });

    let grads = loss::mse(x.leaky_trace(), y.clone()).unwrap().backward();
    check("mse", &a, &grads.get(&x).as_vec(), |p| loss::mse(batch::<3>(p), y.clone()).unwrap().array());

    let noise: Tensor<Rank1<3>, f64, Cpu> = Cpu::default().tensor([0.3, -0.8, 1.1]);
    let of = |values: &[f64]| Cpu::default().tensor_from_vec(values.to_vec(), (Const::<3>,));
    let grads = loss::gaussian_nll(x.leaky_trace(), y.clone(), noise.leaky_trace()).unwrap().backward();
    let nll = |p: Batch<3>, l| loss::gaussian_nll(p, y.clone(), l).unwrap().array();
    check("nll prediction", &a, &grads.get(&x).as_vec(), |p| nll(batch(p), noise.clone()));
    check("nll log_var", &noise.as_vec(), &grads.get(&noise).as_vec(), |l| nll(x.clone(), of(l)));
}

#[test]
fn nothing_flows_through_a_detached_tensor() {
    let x = batch::<2>(&[1.0, 2.0]);
    let doubled = x.leaky_trace() * 2.0;
    let constant = loss::detach(&doubled).unwrap();
    // d/dx sum(2x * c) with c = 2x held fixed is 2c = 4x, not 8x.
    let grads = (doubled * constant).sum::<Rank0, _>().backward();
    assert_eq!(grads.get(&x).as_vec(), [4.0, 8.0]);
}

/// Value and gradient of a loss as `fixtures/losses.py` wrote them.
fn fixture(name: &str) -> (f64, Vec<f64>) {
    let all: serde_json::Value = serde_json::from_str(include_str!("fixtures/losses.json")).expect("JSON");
    let gradient = all[name]["gradient"].as_array().expect(name).iter().map(|x| x.as_f64().expect("a number"));
    (all[name]["value"].as_f64().expect(name), gradient.collect())
}

/// The numbers of the script.
fn waves(step: f64) -> Vec<f64> {
    (0..20).map(|i| 3.0 * (0.7 * f64::from(i) + step).sin()).collect()
}

type Taped = Tensor<Rank0, f64, Cpu, OwnedTape<f64, Cpu>>;

fn pytorch(name: &str, loss: impl Fn(Tensor<(usize, Const<4>), f64, Cpu, OwnedTape<f64, Cpu>>) -> Taped) {
    let x = batch::<4>(&waves(0.0));
    let loss = loss(x.leaky_trace());
    let (value, gradient) = fixture(name);
    assert!((loss.array() - value).abs() < 1e-12 * (1.0 + value.abs()), "{name}: {} {value}", loss.array());
    for (i, (got, want)) in loss.backward().get(&x).as_vec().iter().zip(gradient).enumerate() {
        assert!((got - want).abs() < 1e-12, "{name}[{i}]: {got} {want}");
    }
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let t = || batch::<4>(&waves(1.0));
    let p = || batch::<4>(&waves(1.0).iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect::<Vec<_>>());
    let labels = [2, 0, 3, 1, 2];
    let weights = [0.5, 1.0, 2.0, 3.0];
    pytorch("bce", |x| loss::bce_with_logits(x, p()).unwrap());
    pytorch("bce_weighted", |x| loss::weighted_bce_with_logits(x, p(), weights).unwrap());
    pytorch("mse", |x| loss::mse(x, t()).unwrap());
    pytorch("mae", |x| loss::mae(x, t()).unwrap());
    pytorch("huber", |x| loss::huber(x, t(), 0.8).unwrap());
    pytorch("smooth_l1", |x| loss::smooth_l1(x, t(), 0.8).unwrap());
    pytorch("cross_entropy", |x| loss::cross_entropy(x, &labels).unwrap());
    let settings = loss::CrossEntropy { label_smoothing: 0.1, ignore_index: Some(0), weights: Some(weights.to_vec()) };
    pytorch("cross_entropy_all", |x| loss::cross_entropy_with(x, &labels, &settings).unwrap());
    pytorch("nll", |x| {
        let log_var = Cpu::default().tensor(weights.map(f64::ln));
        loss::gaussian_nll(x, t(), log_var.leaky_trace()).unwrap()
    });
    let halves = |x: Tensor<(usize, Const<4>), f64, Cpu, OwnedTape<f64, Cpu>>| {
        let other = x.with_empty_tape();
        let half = |x: Tensor<(usize, Const<4>), f64, Cpu, OwnedTape<f64, Cpu>>, from: usize| {
            x.slice((.., from..from + 2)).realize::<(usize, Const<2>)>()
        };
        (half(x, 0), half(other, 2))
    };
    pytorch("hinge", |x| {
        let (real, fake) = halves(x);
        loss::hinge_discriminator(real, fake).unwrap()
    });
    pytorch("critic", |x| {
        let (real, fake) = halves(x);
        loss::wasserstein_critic(real, fake).unwrap()
    });
}

#[test]
fn wrong_classes_are_refused_and_ignored_ones_cost_nothing() {
    let x = batch::<3>(&[0.0; 6]);
    let error = loss::cross_entropy(x.clone(), &[0, 3]).unwrap_err().to_string();
    assert!(error.contains("row 1") && error.contains("class 3"), "{error}");
    assert!(matches!(loss::cross_entropy(x.clone(), &[0]), Err(lab::Error::Length { got: 1, expected: 2, .. })));
    let padding = loss::CrossEntropy { ignore_index: Some(99), ..Default::default() };
    let none = loss::cross_entropy_with(x.leaky_trace(), &[99, 99], &padding).unwrap();
    assert_eq!(none.array(), 0.0);
    assert_eq!(none.backward().get(&x).as_vec(), [0.0; 6]);
    assert_eq!(loss::cross_entropy(batch::<3>(&[]), &[]).unwrap().array(), 0.0);
}

#[test]
fn elbo_is_the_sum_of_its_parts() {
    let (m, l) = (batch::<2>(&[1.0, -1.0, 0.5, 0.0]), batch::<2>(&[0.3, 0.0, -0.2, 0.1]));
    let (x, t) = (batch::<1>(&[1.0, 2.0]), batch::<1>(&[0.0, 0.0]));
    let kl = loss::gaussian_kl(m.clone(), l.clone()).unwrap().array();
    let reconstruction = loss::squared_error(x.leaky_trace(), t).unwrap();
    let want = reconstruction.array() + 0.5 * kl;
    let elbo = loss::elbo(reconstruction, m.leaky_trace(), l.leaky_trace(), 0.5).unwrap();
    assert!((elbo.array() - want).abs() < 1e-14);
    let grads = elbo.backward();
    assert_eq!(grads.get(&m).as_vec()[0], 0.25);
    assert_eq!(grads.get(&x).as_vec(), [1.0, 2.0]);
}
