//! Optimisers and schedules against PyTorch (`fixtures/optim.py` made the numbers), groups, clipping, averages.

use dfdx::prelude::{Cpu, Gradients, Rank1, Rank2, Tensor, TensorFrom, TensorFromVec, ZeroGrads};
use lab::{
    nn::{self, Linear, Relu, Sequential},
    optim::{
        Adam, AdamConfig, AdamW, AdamWConfig, Ema, Group, Method, Optimizer, Plateau, RmsPropConfig, Schedule, Sgd,
        SgdConfig, Statistics, StepError,
    },
    parameters,
    rng::Init,
};
use serde_json::Value;

type Vector = Tensor<Rank1<5>, f64, Cpu>;
type Net = Sequential<(Linear<3, 4>, Relu, Linear<4, 2>)>;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/optim.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn set(grads: &mut Gradients<f64, Cpu>, of: &Vector, values: &[f64]) {
    grads.get_or_alloc_mut(of).expect("a gradient").copy_from_slice(values);
}

fn gradient(step: usize) -> Vec<f64> {
    (0..5).map(|i| (0.9 * i as f64 + 1.3 * step as f64).sin() * (i as f64 + 1.0)).collect()
}

fn start() -> Vector {
    Cpu::default().tensor_from_vec((0..5).map(|i| (1.7 * f64::from(i)).cos()).collect(), (dfdx::prelude::Const,))
}

/// The parameter after each of six steps, as the script does it.
fn follow<C: Method>(name: &str, config: C) {
    let mut optimiser: Optimizer<C, f64> = Optimizer::new(config);
    let mut p = start();
    let mut grads = p.alloc_grads();
    for (step, want) in fixture()[name].as_array().expect(name).iter().enumerate() {
        set(&mut grads, &p, &gradient(step));
        let norm = optimiser.step(&mut p, &mut grads).expect("a step").expect("a norm");
        assert!(norm > 0.0);
        for (got, want) in p.as_vec().iter().zip(numbers(want)) {
            assert!((got - want).abs() < 1e-12, "{name}, step {step}: {got} {want}");
        }
        assert_eq!(grads.get(&p).as_vec(), [0.0; 5], "{name}: the gradient is left at zero");
    }
    assert_eq!(optimiser.steps(), 6);
}

#[test]
fn steps_are_those_of_pytorch() {
    follow("adam", AdamConfig { learning_rate: 0.05, ..AdamConfig::default() });
    let decayed = AdamConfig {
        learning_rate: 0.05,
        beta1: 0.5,
        beta2: 0.99,
        epsilon: 1e-3,
        weight_decay: 0.3,
        ..AdamConfig::default()
    };
    follow("adam_decay", decayed);
    follow("adamw", AdamWConfig { learning_rate: 0.05, ..AdamWConfig::default() });
    follow("adamw_decay", AdamWConfig { learning_rate: 0.05, weight_decay: 0.4, ..AdamWConfig::default() });
    let sgd = SgdConfig { learning_rate: 0.05, momentum: 0.9, ..SgdConfig::default() };
    follow("sgd", SgdConfig::default());
    follow("sgd_momentum", SgdConfig { dampening: 0.2, weight_decay: 0.1, ..sgd });
    follow("sgd_nesterov", SgdConfig { nesterov: true, ..sgd });
    let rms = RmsPropConfig { learning_rate: 0.05, ..RmsPropConfig::default() };
    follow("rmsprop", RmsPropConfig::default());
    follow("rmsprop_centred", RmsPropConfig { alpha: 0.9, centred: true, weight_decay: 0.1, ..rms });
    follow("rmsprop_momentum", RmsPropConfig { momentum: 0.8, ..rms });
    follow("rmsprop_both", RmsPropConfig { momentum: 0.8, centred: true, ..rms });
}

#[test]
fn clipping_is_that_of_pytorch() {
    let sgd = SgdConfig { learning_rate: 0.1, ..SgdConfig::default() };
    follow("clip_norm", SgdConfig { clip_norm: Some(2.0), ..sgd });
    follow("clip_value", SgdConfig { clip_value: Some(0.7), ..sgd });
}

#[test]
fn schedules_are_those_of_pytorch() {
    let fixture = fixture();
    let check = |name: &str, schedule: Schedule| {
        for (step, want) in numbers(&fixture[name]).into_iter().enumerate() {
            let got = schedule.rate(0.5, step as u64);
            assert!((got - want).abs() < 1e-12, "{name}, step {step}: {got} {want}");
        }
        let text = serde_json::to_string(&schedule).expect("JSON");
        assert_eq!(serde_json::from_str::<Schedule>(&text).expect("the same"), schedule);
    };
    check("step", Schedule::Step { every: 3, factor: 0.3 });
    check("exponential", Schedule::Exponential { factor: 0.8 });
    check("cosine", Schedule::Cosine { steps: 10, floor: 0.1 });
    check("one_cycle", Schedule::OneCycle { steps: 20, rise: 0.3 });

    let mut plateau = Plateau { factor: 0.5, patience: 2, cooldown: 1, floor: 0.1, ..Plateau::default() };
    let want = numbers(&fixture["plateau"]);
    for (epoch, loss) in numbers(&fixture["plateau_losses"]).into_iter().enumerate() {
        // A copy through JSON in every epoch: where it stands is saved.
        plateau = serde_json::from_str(&serde_json::to_string(&plateau).expect("JSON")).expect("the same");
        let got = 0.5 * plateau.observe(loss);
        assert!((got - want[epoch + 1]).abs() < 1e-12, "epoch {epoch}: {got} {}", want[epoch + 1]);
    }
}

#[test]
fn warm_up_rises_in_a_line_and_meets_the_cosine() {
    let schedule = Schedule::WarmupCosine { warmup: 4, steps: 14, floor: 0.2 };
    let rates: Vec<f64> = (0..16).map(|step| schedule.rate(2.0, step)).collect();
    assert_eq!(rates[..5], [0.5, 1.0, 1.5, 2.0, 2.0]);
    assert!((rates[9] - 1.2).abs() < 1e-12 && (rates[14] - 0.4).abs() < 1e-12 && (rates[15] - 0.4).abs() < 1e-12);
    assert!(rates[4..].windows(2).all(|pair| pair[1] <= pair[0]));
}

fn net() -> Net {
    nn::build(&Cpu::default(), 3, Init::Kaiming).expect("a network")
}

fn values(net: &Net) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    parameters::visit(net, |tensor| {
        all.push((tensor.name.to_owned(), tensor.read()?.to_vec()));
        Ok::<_, lab::Error>(())
    })
    .expect("values");
    all
}

#[test]
fn groups_have_their_own_rate_and_decay() {
    let mut net = net();
    net.0.0.bias.copy_from(&[1.0; 4]);
    net.0.2.bias.copy_from(&[1.0; 2]);
    let before = values(&net);
    let mut adam: AdamW =
        Optimizer::new(AdamWConfig { learning_rate: 0.1, weight_decay: 0.5, ..AdamWConfig::default() });
    adam.groups = vec![Group::new("0.*").rate(0.0), Group::new("*.bias").weight_decay(0.0)];
    // Without a gradient nothing but the decay moves: not the first layer (rate 0), not the second's bias.
    adam.step(&mut net, &mut Gradients::leaky()).expect("a step");
    let after = values(&net);
    for (i, ((name, old), (_, new))) in before.iter().zip(&after).enumerate() {
        let want: Vec<f32> = old.iter().map(|x| if i == 2 { x * 0.95 } else { *x }).collect();
        assert!(new.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
    }
    adam.groups = vec![Group::new("decoder.*")];
    let error = adam.step(&mut net, &mut Gradients::leaky()).expect_err("no such group").to_string();
    assert!(error.contains("decoder.*") && error.contains("0.weight, 0.bias, 2.weight, 2.bias"), "{error}");
    assert_eq!(values(&net), after);
}

#[test]
fn vectors_can_be_spared_from_decay() {
    let mut net = net();
    net.0.0.bias.copy_from(&[1.0; 4]);
    let before = values(&net);
    let config = AdamConfig { weight_decay: 0.1, exclude_vectors: true, ..AdamConfig::default() };
    Adam::<f32>::new(config).step(&mut net, &mut Gradients::leaky()).expect("a step");
    let after = values(&net);
    assert_eq!(before[1], after[1]);
    assert_ne!(before[0], after[0]);
}

#[test]
fn accumulated_gradients_are_averaged() {
    let (mut p, mut q) = (start(), start());
    let sgd = SgdConfig { clip_norm: Some(3.0), clip_value: Some(2.0), ..SgdConfig::default() };
    let (mut whole, mut parts) = (Optimizer::new(sgd), Optimizer::new(sgd));
    parts.accumulate = 3;
    let mean: Vec<f64> = (0..5).map(|i| (0..3).map(|step| gradient(step)[i]).sum::<f64>() / 3.0).collect();
    let mut grads = p.alloc_grads();
    set(&mut grads, &p, &mean);
    let norm = whole.step(&mut p, &mut grads).expect("a step").expect("a norm");
    let mut grads = q.alloc_grads();
    let mut sum = vec![0.0; 5];
    for step in 0..3 {
        sum.iter_mut().zip(gradient(step)).for_each(|(sum, g)| *sum += g);
        set(&mut grads, &q, &sum);
        let done = parts.step(&mut q, &mut grads).expect("a step");
        assert_eq!(done.is_some(), step == 2);
        assert!(done.is_none_or(|found| (found - norm).abs() < 1e-12));
    }
    assert!(p.as_vec().iter().zip(q.as_vec()).all(|(a, b)| (a - b).abs() < 1e-14));
    assert_eq!(parts.steps(), 1);
}

#[test]
fn a_bad_gradient_or_setting_changes_nothing() {
    let mut p = start();
    let mut adam = Optimizer::<AdamConfig, f64>::new(AdamConfig::default());
    let mut grads = p.alloc_grads();
    set(&mut grads, &p, &gradient(0));
    adam.step(&mut p, &mut grads).expect("a step");
    for bad in [f64::NAN, f64::INFINITY] {
        let (old, state) = (p.as_vec(), adam.clone());
        set(&mut grads, &p, &[0.0, 1.0, bad, 1.0, 1.0]);
        let error = adam.step(&mut p, &mut grads).expect_err("a bad gradient");
        assert!(matches!(error, StepError::BadGradient { value, .. } if value.is_nan() == bad.is_nan()));
        assert_eq!((p.as_vec(), adam.clone()), (old, state));
        assert_eq!(grads.get(&p).as_vec()[1], 1.0, "the gradients are still there to be looked at");
    }
    adam.config.beta1 = 1.0;
    let error = adam.step(&mut p, &mut grads).expect_err("a bad setting");
    assert!(matches!(error, StepError::Config { field: "beta1", .. }), "{error}");
}

#[test]
fn an_average_keeps_or_averages_what_is_not_trained() {
    use dfdx::nn::modules::BatchNorm1D;
    let mut norm: BatchNorm1D<2, f32, Cpu> = dfdx::nn::BuildModule::build(&Cpu::default());
    for (statistics, want) in [(Statistics::Copy, 4.0), (Statistics::Average, 1.0)] {
        let mut ema = Ema::new(0.75).statistics(statistics);
        for value in [0.0, 4.0] {
            norm.scale.copy_from(&[value; 2]);
            norm.running_mean.copy_from(&[value; 2]);
            ema.update(&norm).expect("an update");
        }
        ema.swap(&mut norm).expect("a swap");
        assert_eq!(norm.scale.array_of(), [1.0; 2]);
        assert_eq!(norm.running_mean.array_of(), [want; 2]);
    }
}

trait ArrayOf {
    fn array_of(&self) -> [f32; 2];
}

impl ArrayOf for Tensor<Rank1<2>, f32, Cpu> {
    fn array_of(&self) -> [f32; 2] {
        dfdx::prelude::AsArray::array(self)
    }
}

#[test]
fn sgd_moves_f32_tensors_of_any_rank() {
    let mut x: Tensor<Rank2<1, 1>, f32, Cpu> = Cpu::default().tensor([[2.0]]);
    let mut sgd: Sgd = Sgd::new(SgdConfig { learning_rate: 0.5, ..SgdConfig::default() });
    let mut grads = x.alloc_grads();
    grads.get_or_alloc_mut(&x).expect("a gradient")[0] = 1.0;
    sgd.step(&mut x, &mut grads).expect("a step");
    assert_eq!(x.as_vec(), [1.5]);
}
