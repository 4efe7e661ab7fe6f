//! Recurrent layers beside PyTorch 2.15: outputs, last states, all gradients, and fifty steps of training.
//! `fixtures/recurrent.py` made the numbers.

use dfdx::prelude::*;
use lab::{
    loss,
    nn::{self, Bidirectional, Forward, Gru, LastStep, Linear, Lstm, Recurrent, ReluRnn, Rnn, Sequential, Stacked},
    ops::Want,
    optim::{Adam, AdamConfig},
    rng::Init,
};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

fn fixture(name: &str) -> Value {
    let text: Value = serde_json::from_str(include_str!("fixtures/recurrent.json")).expect("JSON");
    text.as_array().expect("a list").iter().find(|case| case["name"] == name).expect("the case").clone()
}

fn build<M: BuildModule<Cpu, f32>>() -> M {
    nn::build(&Cpu::default(), 1, Init::Xavier).expect("a layer")
}

fn close(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let size = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for (k, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= 2e-6 * size.max(1.0), "{what}[{k}]: {g}, PyTorch {w}");
    }
}

/// Sets a layer's parameters, whose names in PyTorch end with `$suffix`.
macro_rules! load {
    ($layer:expr, $parameters:expr, $prefix:literal, $suffix:literal) => {
        $layer.weight_ih_l0.copy_from(&numbers(&$parameters[concat!($prefix, "weight_ih", $suffix)]));
        $layer.weight_hh_l0.copy_from(&numbers(&$parameters[concat!($prefix, "weight_hh", $suffix)]));
        $layer.bias_ih_l0.copy_from(&numbers(&$parameters[concat!($prefix, "bias_ih", $suffix)]));
        $layer.bias_hh_l0.copy_from(&numbers(&$parameters[concat!($prefix, "bias_hh", $suffix)]));
    };
}

macro_rules! same_gradients {
    ($grads:expr, $layer:expr, $case:expr, $suffix:literal) => {
        let want = |name: &str| numbers(&$case["gradients"][name]);
        close("weight_ih", &$grads.get(&$layer.weight_ih_l0).as_vec(), &want(concat!("weight_ih", $suffix)));
        close("weight_hh", &$grads.get(&$layer.weight_hh_l0).as_vec(), &want(concat!("weight_hh", $suffix)));
        close("bias_ih", &$grads.get(&$layer.bias_ih_l0).as_vec(), &want(concat!("bias_ih", $suffix)));
        close("bias_hh", &$grads.get(&$layer.bias_hh_l0).as_vec(), &want(concat!("bias_hh", $suffix)));
    };
}

type States = Vec<Tensor<Rank2<4, 5>, f32, Cpu>>;

/// Compares one layer with its case; `$split` cuts PyTorch's states `(layers or directions, batch, H)` into ours.
macro_rules! compare {
    ($name:literal, $batch:literal, $steps:literal, $out:literal, $layer:expr, [$(($part:expr, $suffix:literal)),+],
     |$states:ident| $pack:expr, |$last:ident| $unpack:expr) => {{
        type State = Tensor<Rank2<$batch, 5>, f32, Cpu>;
        let (case, device) = (fixture($name), Cpu::default());
        let mut layer = $layer;
        $(load!($part(&mut layer), case["parameters"], "", $suffix);)+
        let x: Tensor<Rank3<$batch, $steps, 3>, f32, Cpu> =
            device.tensor_from_vec(numbers(&case["x"]), (Const, Const, Const));
        // One tensor for each layer (or direction) of h, then of c.
        let $states: Vec<State> = case["first"]
            .as_array()
            .expect("states")
            .iter()
            .flat_map(|all| numbers(all).chunks($batch * 5).map(|s| s.to_vec()).collect::<Vec<_>>())
            .map(|values| device.tensor_from_vec(values, (Const, Const)))
            .collect();
        let first = $states.clone();
        let (y, $last) = layer.forward_with(x.leaky_trace(), Some($pack)).expect("a forward pass");
        let last: Vec<State> = $unpack;
        close("y", &y.as_vec(), &numbers(&case["y"]));
        let flat = |list: &Value| list.as_array().expect("a list").iter().flat_map(numbers).collect::<Vec<f32>>();
        close("last", &last.iter().flat_map(|s| s.as_vec()).collect::<Vec<_>>(), &flat(&case["last"]));

        let weights = &case["loss_weights"];
        let of_y: Tensor<Rank3<$batch, $steps, $out>, f32, Cpu> =
            device.tensor_from_vec(numbers(&weights[0]), (Const, Const, Const));
        let mut loss = (y.with_empty_tape() * of_y).sum::<Rank0, _>() + (y.square() * 0.5).sum::<Rank0, _>();
        let of_states: Vec<f32> = weights.as_array().expect("a list")[1..].iter().flat_map(numbers).collect();
        for (state, weight) in last.iter().zip(of_states.chunks($batch * 5)) {
            let weight: State = device.tensor_from_vec(weight.to_vec(), (Const, Const));
            let part = (state.leaky_trace() * weight).sum::<Rank0, _>()
                + (state.leaky_trace().square() * 0.5).sum::<Rank0, _>();
            loss = loss + part;
        }
        let grads = loss.backward();
        close("dx", &grads.get(&x).as_vec(), &numbers(&case["x_gradient"]));
        let of_first: Vec<f32> = first.iter().flat_map(|s| grads.get(s).as_vec()).collect();
        close("d first", &of_first, &flat(&case["first_gradients"]));
        $({
            let part = $part(&mut layer);
            same_gradients!(grads, part, case, $suffix);
        })+
    }};
}

fn whole<L>(layer: &mut L) -> &mut L {
    layer
}

fn first<A, B>(layer: &mut Stacked<A, B>) -> &mut A {
    &mut layer.l0
}

fn second<A, B>(layer: &mut Stacked<A, B>) -> &mut B {
    &mut layer.l1
}

fn forward<L>(layer: &mut Bidirectional<L, 10>) -> &mut L {
    &mut layer.forward
}

fn reverse<L>(layer: &mut Bidirectional<L, 10>) -> &mut L {
    &mut layer.reverse
}

#[test]
fn rnn() {
    compare!("rnn", 4, 6, 5, build::<Rnn<3, 5>>(), [(whole, "_l0")], |s| s[0].clone(), |h| vec![h]);
    compare!("relu_rnn", 4, 6, 5, build::<ReluRnn<3, 5>>(), [(whole, "_l0")], |s| s[0].clone(), |h| vec![h]);
}

#[test]
fn lstm() {
    let pair = |s: &States| (s[0].clone(), s[1].clone());
    compare!("lstm", 4, 6, 5, build::<Lstm<3, 5>>(), [(whole, "_l0")], |s| pair(&s), |l| vec![l.0, l.1]);
    compare!(
        "lstm_2",
        3,
        4,
        5,
        build::<nn::StackedLstm<3, 5>>(),
        [(first, "_l0"), (second, "_l1")],
        |s| ((s[0].clone(), s[2].clone()), (s[1].clone(), s[3].clone())),
        |l| vec![l.0.0, l.1.0, l.0.1, l.1.1]
    );
    compare!(
        "lstm_bidirectional",
        3,
        4,
        10,
        build::<Bidirectional<Lstm<3, 5>, 10>>(),
        [(forward, "_l0"), (reverse, "_l0_reverse")],
        |s| ((s[0].clone(), s[2].clone()), (s[1].clone(), s[3].clone())),
        |l| vec![l.0.0, l.1.0, l.0.1, l.1.1]
    );
}

#[test]
fn gru() {
    compare!("gru", 4, 6, 5, build::<Gru<3, 5>>(), [(whole, "_l0")], |s| s[0].clone(), |h| vec![h]);
    compare!(
        "gru_2",
        3,
        4,
        5,
        build::<nn::StackedGru<3, 5>>(),
        [(first, "_l0"), (second, "_l1")],
        |s| (s[0].clone(), s[1].clone()),
        |l| vec![l.0, l.1]
    );
    compare!(
        "gru_bidirectional",
        3,
        4,
        10,
        build::<Bidirectional<Gru<3, 5>, 10>>(),
        [(forward, "_l0"), (reverse, "_l0_reverse")],
        |s| (s[0].clone(), s[1].clone()),
        |l| vec![l.0, l.1]
    );
}

/// From PyTorch's weights, on its data, the loss follows PyTorch's through fifty steps of Adam.
macro_rules! follows {
    ($name:literal, $layer:ty) => {{
        let all: Value = serde_json::from_str(include_str!("fixtures/recurrent_training.json")).expect("JSON");
        let (case, device) = (&all[$name], Cpu::default());
        let mut net = build::<Sequential<($layer, LastStep, Linear<8, 1>)>>();
        load!(net.0.0, case["parameters"], "", "_l0");
        net.0.2.weight.copy_from(&numbers(&case["parameters"]["head.weight"]));
        net.0.2.bias.copy_from(&numbers(&case["parameters"]["head.bias"]));
        let x: Tensor<Rank3<16, 12, 3>, f32, Cpu> = device.tensor_from_vec(numbers(&case["x"]), (Const, Const, Const));
        let y: Tensor<Rank2<16, 1>, f32, Cpu> = device.tensor_from_vec(numbers(&case["y"]), (Const, Const));
        let mut adam = Adam::new(AdamConfig { learning_rate: 1e-2, ..AdamConfig::default() });
        let mut grads = net.alloc_grads();
        let losses = numbers(&case["losses"]);
        assert_eq!(losses.len(), 50);
        for (step, want) in losses.into_iter().enumerate() {
            let guess = net.train(x.trace(grads), Want::Weights).expect("a forward pass");
            let loss = loss::mse(guess, y.clone()).expect("a loss");
            let got = loss.array();
            assert!((got / want - 1.0).abs() < 1e-3, "{} step {step}: {got}, PyTorch {want}", $name);
            grads = loss.backward();
            adam.step(&mut net, &mut grads).expect("a step");
        }
    }};
}

#[test]
fn training_follows_pytorch() {
    follows!("lstm", Lstm<3, 8>);
    follows!("gru", Gru<3, 8>);
}
