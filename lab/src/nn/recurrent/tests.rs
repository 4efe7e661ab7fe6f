use dfdx::prelude::*;

use super::*;
use crate::{
    loss,
    nn::{self, Linear, Sequential},
    rng::{self, Init},
    testing,
};

fn draw(n: usize, stream: u64) -> Vec<f64> {
    rng::normal(&mut rng::keyed(2, "recurrent test", stream), n).iter().map(|x| f64::from(*x)).collect()
}

/// Every parameter of a network against central differences, in `f64`; biases are drawn as well.
fn check<M>(x: Tensor<Rank3<3, 5, 3>, f64, Cpu>)
where
    M: Clone + BuildModule<Cpu, f64> + TensorCollection<f64, Cpu> + ZeroGrads<f64, Cpu>,
    M: Module<Tensor<Rank3<3, 5, 3>, f64, Cpu, OwnedTape<f64, Cpu>>>,
    M::Output: HasErr<Err = CpuError> + Into<Tensor<Rank2<3, 1>, f64, Cpu, OwnedTape<f64, Cpu>>>,
    M::Error: std::fmt::Debug,
{
    let mut net: M = nn::build(&Cpu::default(), 4, Init::Xavier).unwrap();
    let mut stream = 10;
    testing::edit(&mut net, |_, values: &mut Vec<f64>| {
        stream += 1;
        let drawn = draw(values.len(), stream);
        values.iter_mut().zip(drawn).for_each(|(v, d)| *v = 0.5 * d);
    });
    let y = Cpu::default().tensor_from_vec(draw(3, 1), (Const::<3>, Const::<1>));
    let loss = |net: &mut M| loss::mse(net.try_forward(x.trace(net.alloc_grads())).unwrap().into(), y.clone()).unwrap();
    let grads = loss(&mut net).backward();
    testing::check_gradients(&mut net, grads, 30, |net| loss(net).array());
}

#[test]
fn gradients_of_every_parameter() {
    let x = || Cpu::default().tensor_from_vec(draw(45, 0), (Const::<3>, Const::<5>, Const::<3>));
    type Behind<L, const H: usize> = Sequential<(L, LastStep, Linear<H, 1, f64>)>;
    check::<Behind<Rnn<3, 5, f64>, 5>>(x());
    check::<Behind<ReluRnn<3, 5, f64>, 5>>(x());
    check::<Behind<Lstm<3, 5, f64>, 5>>(x());
    check::<Behind<Gru<3, 5, f64>, 5>>(x());
    check::<Behind<Stacked<Bidirectional<Lstm<3, 3, f64>, 6>, Gru<6, 4, f64>>, 4>>(x());
}
