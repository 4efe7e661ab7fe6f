//! Training follows PyTorch from the same weights and inputs (`fixtures/curves.py`), and a long one does not grow.

use dfdx::prelude::{AsArray, Backward, Const, Cpu, OwnedTape, Tensor, TensorFromVec, Trace, TryAdd, ZeroGrads};
use lab::{
    Rows, loss,
    models::vae::{Likelihood, Vae},
    nn::{self, Forward, Linear, Relu, Sequential},
    ops::Want,
    optim::{Adam, AdamConfig},
    parameters,
    rng::Init,
};

const ROWS: usize = 16;
type Mlp = Sequential<(Linear<40, 32>, Relu, Linear<32, 24>, Relu, Linear<24, 40>)>;
type Loss = Tensor<(), f32, Cpu, OwnedTape<f32, Cpu>>;

fn waves(n: usize, phase: f64) -> Vec<f32> {
    let at = |i: f64| (1.3 * i + phase + 0.001 * i * i).cos();
    (0..n).map(|i| at(i as f64) as f32).collect()
}

fn rows<const N: usize>(values: Vec<f32>) -> Rows<N> {
    Cpu::default().tensor_from_vec(values, (ROWS, Const))
}

/// The script's weights. Tensors whose name starts with `skip` keep their own.
fn fill<M: dfdx::nn::tensor_collection::TensorCollection<f32, Cpu>>(model: &mut M, skip: &str) {
    let mut number = 0.0;
    parameters::visit_mut(model, |mut tensor| {
        if tensor.name != skip {
            let scale = if tensor.shape.len() > 1 { 1.5 / (tensor.shape[1] as f64).sqrt() } else { 0.1 };
            let values = waves(tensor.shape.iter().product(), number);
            let scaled: Vec<f32> = values.iter().map(|x| (scale * f64::from(*x)) as f32).collect();
            tensor.write(&scaled);
            number += 1.0;
        }
        Ok::<_, lab::Error>(())
    })
    .expect("weights");
}

fn follows<M>(
    name: &str,
    mut model: M,
    skip: &str,
    loss: impl Fn(&M, dfdx::prelude::Gradients<f32, Cpu>, usize) -> Loss,
) where
    M: dfdx::nn::tensor_collection::TensorCollection<f32, Cpu> + ZeroGrads<f32, Cpu>,
{
    let all: serde_json::Value = serde_json::from_str(include_str!("fixtures/curves.json")).expect("JSON");
    fill(&mut model, skip);
    let mut adam = Adam::new(AdamConfig { learning_rate: 3e-3, ..AdamConfig::default() });
    let mut grads = model.alloc_grads();
    let want: Vec<f64> = all[name].as_array().expect(name).iter().map(|x| x.as_f64().expect("a number")).collect();
    assert!(want[49] < 0.95 * want[0], "{name} learns something");
    for (step, want) in want.into_iter().enumerate() {
        let loss = loss(&model, grads, step);
        let got = f64::from(loss.array());
        assert!((got / want - 1.0).abs() < 1e-3, "{name}, step {step}: {got}, PyTorch has {want}");
        grads = loss.backward();
        adam.step(&mut model, &mut grads).expect("a step");
    }
}

#[test]
fn an_mlp_learns_as_in_pytorch() {
    let net: Mlp = nn::build(&Cpu::default(), 1, Init::Kaiming).expect("a network");
    let x = rows::<40>(waves(ROWS * 40, 0.5));
    follows("mlp", net, "", |net, grads, _| {
        loss::mse(net.run(x.clone().traced(grads), Want::Weights).expect("runs"), x.clone()).expect("a loss")
    });
}

#[test]
fn a_vae_learns_as_in_pytorch() {
    let net: Vae<30, 24, 4, f32, Cpu> = nn::build(&Cpu::default(), 1, Init::Kaiming).expect("a network");
    let x = rows::<30>(waves(ROWS * 30, 0.25).iter().map(|x| 0.5 + 0.5 * x).collect());
    follows("vae", net, "decoder.noise", |net, grads, step| {
        let noise = rows::<4>(waves(ROWS * 4, 10.0 + step as f64));
        let (reconstruction, kl) = net.losses(x.clone(), noise, Likelihood::Bernoulli, grads).expect("losses");
        reconstruction.try_add(kl).expect("a sum")
    });
}

/// Resident memory in kilobytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).map_or(0, |pages: usize| pages * 4)
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_steps_need_no_more_memory_than_a_hundred() {
    type Net = Sequential<(Linear<200, 300>, Relu, Linear<300, 200>)>;
    let mut net: Net = nn::build(&Cpu::default(), 1, Init::Kaiming).expect("a network");
    let x = rows::<200>(waves(ROWS * 200, 0.5));
    let mut adam = Adam::new(AdamConfig::default());
    let mut grads = net.alloc_grads();
    let mut before = 0;
    for step in 0..1100 {
        if step == 100 {
            before = resident();
        }
        let y = net.run(x.clone().traced(grads), Want::Weights).expect("runs");
        grads = loss::mse(y, x.clone()).expect("a loss").backward();
        adam.step(&mut net, &mut grads).expect("a step");
    }
    // One forgotten weight-sized buffer a step would be 240 MB; the allocator may keep a few.
    let grown = resident().saturating_sub(before);
    assert!(grown < 30_000, "{grown} kB more after a thousand steps");
}
