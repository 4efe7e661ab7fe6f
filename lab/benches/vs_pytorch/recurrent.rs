//! Our recurrent models: a layer on windows of 14 sensors, its last step, and a linear head.

use dfdx::{nn::ZeroGrads, prelude::*};
use lab::{
    Cpu, loss,
    nn::{self, Forward, Gru, LastStep, Layer, Linear, Lstm, Sequential, StackedLstm},
    ops::Want,
    optim::{Adam, AdamConfig},
    rng::{self, Init},
};

use super::models::{Task, What};

/// The step of a model that is known here.
pub fn step(task: &Task) -> Option<Box<dyn FnMut() + Send>> {
    Some(match (task.name, task.width) {
        ("lstm", 0 | 64) => remaining_life::<Lstm<14, 64>, 64>(task),
        ("lstm", 256) => remaining_life::<Lstm<14, 256>, 256>(task),
        ("lstm_2x100", _) => remaining_life::<StackedLstm<14, 100>, 100>(task),
        ("gru", _) => remaining_life::<Gru<14, 64>, 64>(task),
        _ => return None,
    })
}

type Sensors = Tensor<(usize, usize, Const<14>), f32, Cpu>;

fn remaining_life<L, const H: usize>(task: &Task) -> Box<dyn FnMut() + Send>
where
    L: BuildModule<Cpu, f32> + TensorCollection<f32, Cpu, To<f32, Cpu> = L> + Send + 'static,
    L: Layer<(usize, usize, Const<14>), f32, Cpu, Output = (usize, usize, Const<H>)>,
{
    let (batch, steps) = (task.batch, if task.length > 0 { task.length } else { 30 });
    let mut net: Sequential<(L, LastStep, Linear<H, 1>)> =
        nn::build(&Cpu::default(), 1, Init::Uniform).expect("a network");
    let values = rng::normal(&mut rng::keyed(1, "data", 0), batch * steps * 14);
    let x: Sensors = Cpu::default().tensor_from_vec(values, (batch, steps, Const));
    let y = lab::rows::<1>(rng::normal(&mut rng::keyed(1, "data", 1), batch)).expect("whole rows");
    if task.what == What::Infer {
        return Box::new(move || drop(net.run(x.clone(), Want::All).expect("a forward pass")));
    }
    let config = AdamConfig { learning_rate: 1e-3, ..AdamConfig::default() };
    let (mut adam, mut grads) = (Adam::new(config), Some(net.alloc_grads()));
    Box::new(move || {
        let guess = net.train(x.clone().traced(grads.take().expect("kept")), Want::Weights).expect("a forward pass");
        let mut found = loss::mse(guess, y.clone()).expect("a loss").backward();
        adam.step(&mut net, &mut found).expect("a step");
        grads = Some(found);
    })
}
