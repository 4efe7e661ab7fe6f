//! Recurrent layers: gradients of inputs and states against central differences, the readable cell, empty batches.

use dfdx::prelude::*;
use lab::{
    nn::{self, Bidirectional, Gru, LastStep, Lstm, LstmCell, Recurrent, Sequential, StackedLstm},
    rng::{self, Init},
};

fn draw(n: usize, stream: u64) -> Vec<f64> {
    rng::normal(&mut rng::keyed(2, "recurrent test", stream), n).iter().map(|x| f64::from(*x)).collect()
}

/// The gradient for an input that is broadcast, whose storage is short.
#[test]
fn gradient_of_the_input() {
    let device = Cpu::default();
    let layer: Bidirectional<Lstm<2, 3, f64>, 6> = nn::build(&device, 4, Init::Xavier).unwrap();
    let one: Tensor<Rank1<2>, f64, Cpu> = device.tensor([0.4, -0.7]);
    let loss = |one: Tensor<Rank1<2>, f64, Cpu>| {
        let x = one.leaky_trace().broadcast_like::<_, Axes2<0, 1>>(&(3usize, Const::<4>, Const::<2>));
        layer.forward(x).square().sum::<Rank0, _>()
    };
    let grads = loss(one.clone()).backward().get(&one).array();
    for k in 0..2 {
        let at = |delta: f64| {
            let mut values = one.array();
            values[k] += delta;
            loss(device.tensor(values)).array()
        };
        let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
        assert!((grads[k] - numeric).abs() < 1e-7, "{} {numeric}", grads[k]);
    }
}

/// Only the last state is used: its gradient goes back to the first state, through two layers.
#[test]
fn gradients_from_state_to_state() {
    let device = Cpu::default();
    let layer: StackedLstm<2, 3, f64> = nn::build(&device, 4, Init::Xavier).unwrap();
    let x = device.tensor_from_vec(draw(24, 5), (Const::<3>, Const::<4>, Const::<2>));
    let states: [Tensor<Rank2<3, 3>, f64, Cpu>; 4] =
        [6, 7, 8, 9].map(|stream| device.tensor_from_vec(draw(9, stream), (Const, Const)));
    let loss = |[h0, c0, h1, c1]: [Tensor<Rank2<3, 3>, f64, Cpu>; 4]| {
        let (y, ((ha, ca), (_, cb))) = layer.forward_with(x.leaky_trace(), Some(((h0, c0), (h1, c1)))).unwrap();
        let (_, tape) = y.split_tape();
        (ca.put_tape(tape).sin() * ha + cb).square().sum::<Rank0, _>()
    };
    let grads = loss(states.clone()).backward();
    for s in 0..4 {
        let analytic = grads.get(&states[s]).as_vec();
        for k in 0..9 {
            let at = |delta: f64| {
                let mut states = states.clone();
                let mut values = states[s].as_vec();
                values[k] += delta;
                states[s] = device.tensor_from_vec(values, (Const, Const));
                loss(states).array()
            };
            let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((analytic[k] - numeric).abs() < 1e-7, "state {s} [{k}]: {} {numeric}", analytic[k]);
        }
    }
}

/// The readable cell, step by step, is the layer: outputs, states and gradients.
#[test]
fn the_cell_and_the_layer_agree() {
    let device = Cpu::default();
    let cell: LstmCell<2, 3, f64> = nn::build(&device, 4, Init::Xavier).unwrap();
    let mut layer: Lstm<2, 3, f64> = nn::build(&device, 5, Init::Xavier).unwrap();
    assert_eq!(cell.bias_ih.as_vec(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    (layer.weight_ih_l0, layer.weight_hh_l0) = (cell.weight_ih.clone(), cell.weight_hh.clone());
    (layer.bias_ih_l0, layer.bias_hh_l0) = (cell.bias_ih.clone(), cell.bias_hh.clone());
    let x: Tensor<Rank3<4, 3, 2>, f64, Cpu> = device.tensor_from_vec(draw(24, 5), (Const, Const, Const));
    let (h0, c0): (Tensor<Rank2<4, 3>, f64, Cpu>, Tensor<Rank2<4, 3>, f64, Cpu>) =
        (device.tensor_from_vec(draw(12, 6), (Const, Const)), device.tensor_from_vec(draw(12, 7), (Const, Const)));

    let (y, (h, c)) = layer.forward_with(x.leaky_trace(), Some((h0.clone(), c0.clone()))).unwrap();
    let (y, tape) = y.split_tape();
    let grads = (h.clone().put_tape(tape).square() + c.clone()).square().mean().backward();

    let (mut hs, mut cs) = (h0.clone(), c0.clone());
    let mut tape = h0.leaky_trace().split_tape().1;
    for t in 0..3 {
        let step: Tensor<Rank2<4, 2>, f64, Cpu> = x.clone().slice((.., t..t + 1, ..)).reshape_like(&(Const, Const));
        let (new, cell_state) = cell.step(step.put_tape(tape), hs, cs).unwrap();
        (hs, tape) = new.split_tape();
        cs = cell_state;
        let got: Vec<f64> = y.as_vec().chunks(9).flat_map(|y| y[3 * t..3 * t + 3].to_vec()).collect();
        assert!(got.iter().zip(hs.as_vec()).all(|(a, b)| (a - b).abs() < 1e-14));
    }
    assert!(c.as_vec().iter().zip(cs.as_vec()).all(|(a, b)| (a - b).abs() < 1e-14));
    let slow = (hs.put_tape(tape).square() + cs).square().mean().backward();
    let same = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-14 && *a != 0.0);
    assert!(same(grads.get(&layer.weight_hh_l0).as_vec(), slow.get(&cell.weight_hh).as_vec()));
    assert!(same(grads.get(&layer.bias_ih_l0).as_vec(), slow.get(&cell.bias_ih).as_vec()));
    assert!(same(grads.get(&h0).as_vec(), slow.get(&h0).as_vec()));
    assert!(same(grads.get(&c0).as_vec(), slow.get(&c0).as_vec()));
}

#[test]
fn nothing_in_nothing_out() {
    let device = Cpu::default();
    let net: Sequential<(Bidirectional<Gru<2, 3>, 6>, LastStep)> = nn::build(&device, 4, Init::Xavier).unwrap();
    let x: Tensor<(usize, Const<4>, Const<2>), f32, Cpu> = device.tensor_from_vec(Vec::new(), (0, Const, Const));
    assert_eq!(net.forward(x).shape().0, 0);
    let x: Tensor<(usize, usize, Const<2>), f32, Cpu> = device.tensor_from_vec(Vec::new(), (2, 0, Const));
    assert_eq!(net.forward(x).as_vec(), [0.0; 12]);
}
