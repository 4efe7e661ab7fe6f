use dfdx::{
    nn::ModuleMut,
    shapes::{Const, HasShape, Rank2, Rank3, Rank4},
    tensor::{Cpu, Tensor, TensorFromVec, Trace},
    tensor_ops::{Backward, SumTo},
};

use super::{BatchNorm1d, BatchNorm2d, Dropout, Forward, LayerNorm, LeakyRelu, Linear, Sequential, Tanh, build};
use crate::{
    ops::Want,
    rng::Init,
    testing::{check_training, edit, snapshot, torch::check_case},
};

fn make<M: dfdx::nn::BuildModule<Cpu, E>, E: dfdx::shapes::Dtype>() -> M
where
    Cpu: dfdx::tensor_ops::Device<E>,
{
    build(&Cpu::default(), 3, Init::Xavier).unwrap_or_else(|e| panic!("{e:?}"))
}

#[test]
fn batch_norm_is_pytorchs() {
    check_case("batch_norm_1d", &mut make::<BatchNorm1d<5, f64>, f64>(), Rank2::<7, 5>::default(), true, 1e-10);
    check_case("batch_norm_1d", &mut make::<BatchNorm1d<5>, f32>(), Rank2::<7, 5>::default(), true, 1e-5);
    let shape = Rank3::<4, 3, 5>::default();
    check_case("batch_norm_1d_of_sequences", &mut make::<BatchNorm1d<3, f64>, f64>(), shape, true, 1e-10);
    let shape = Rank4::<2, 3, 4, 5>::default();
    check_case("batch_norm_2d", &mut make::<BatchNorm2d<3, f64>, f64>(), shape, true, 1e-10);
    check_case("batch_norm_2d", &mut make::<BatchNorm2d<3>, f32>(), shape, true, 1e-5);
    check_case("batch_norm_2d_evaluation", &mut make::<BatchNorm2d<3, f64>, f64>(), shape, false, 1e-10);
}

#[test]
fn running_statistics_after_three_steps_are_pytorchs() {
    let case = crate::testing::torch::case("batch_norm_1d_after_three_steps");
    let mut layer = make::<BatchNorm1d<5, f64>, f64>();
    for step in 0..3 {
        // The same waves as in torch_layers.py.
        let wave = |i: usize| (i as f64 * 0.7 + 0.1 + f64::from(step) + 0.01 * (i as f64).powf(1.5)).cos();
        let x: Tensor<Rank2<7, 5>, f64, Cpu> =
            Cpu::default().tensor_from_vec((0..35).map(wave).collect(), Default::default());
        layer.forward_mut(x.leaky_trace());
    }
    edit(&mut layer, |name, values: &mut Vec<f64>| {
        if let Some(want) = case.after.get(name) {
            assert!(values.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-10), "{name}: {values:?} {want:?}");
        }
    });
}

#[test]
fn layer_norm_is_pytorchs() {
    let shape = Rank3::<3, 4, 6>::default();
    check_case("layer_norm", &mut make::<LayerNorm<6, f64>, f64>(), shape, true, 1e-10);
    check_case("layer_norm", &mut make::<LayerNorm<6>, f32>(), shape, true, 1e-5);
}

#[test]
fn gradients_agree_with_central_differences() {
    for (seed, batch) in [(1, 2), (2, 5), (3, 19)] {
        check_training(&make::<BatchNorm1d<7, f64>, f64>(), (batch, Const::<7>), seed);
        check_training(&make::<LayerNorm<7, f64>, f64>(), (batch, Const::<7>), seed);
        check_training(&make::<BatchNorm1d<3, f64>, f64>(), (batch, Const::<3>, Const::<4>), seed);
        check_training(&make::<BatchNorm2d<3, f64>, f64>(), (batch, Const::<3>, Const::<2>, Const::<5>), seed);
        check_training(&make::<LayerNorm<40, f64>, f64>(), (batch, Const::<3>, Const::<40>), seed);
    }
    // One value a channel: the output is the bias, whatever the input.
    check_training(&make::<LayerNorm<5, f64>, f64>(), (1, Const::<5>), 4);
}

#[test]
fn gradients_of_a_chain_agree_with_central_differences() {
    type Net = Sequential<(
        Linear<4, 9, f64>,
        BatchNorm1d<9, f64>,
        LeakyRelu<30>,
        Dropout<40, f64>,
        Linear<9, 6, f64>,
        BatchNorm1d<6, f64>,
        Tanh,
        LayerNorm<6, f64>,
    )>;
    let mut net: Net = make();
    // Scales away from 1, so that the activation has something to bend.
    edit(&mut net, |name, values: &mut Vec<f64>| {
        if !name.ends_with("rng_state") && !name.ends_with("running_var") {
            values.iter_mut().enumerate().for_each(|(i, x)| *x += 0.3 * (i as f64 * 1.7).sin());
        }
    });
    let weights_behind_a_norm: Vec<_> = ["0.bias", "4.bias"].into();
    // A bias before a batch norm has no effect: its gradient is zero up to rounding.
    let x: Tensor<Rank2<12, 4>, f64, Cpu> =
        Cpu::default().tensor_from_vec((0..48).map(|i| (f64::from(i) * 0.37).sin()).collect(), Default::default());
    let y = net.clone().train(x.leaky_trace(), Want::All).unwrap();
    let mut grads = y.square().sum::<(), _>().backward();
    for (name, gradient) in crate::testing::gradients(&mut net, &mut grads) {
        if weights_behind_a_norm.contains(&&*name) {
            assert!(gradient.iter().all(|g| g.abs() < 1e-10), "{name}: {gradient:?}");
        }
    }
    check_training(&net, (11, Const::<4>), 7);
}

#[test]
fn evaluation_of_batch_norm_has_gradients_and_changes_nothing() {
    let mut layer: BatchNorm2d<2, f64> = make();
    edit(&mut layer, |name, values: &mut Vec<f64>| match name {
        "running_mean" => values.copy_from_slice(&[1.0, -1.0]),
        "running_var" => values.copy_from_slice(&[4.0, 9.0]),
        _ => {}
    });
    let x: Tensor<Rank4<1, 2, 1, 1>, f64, Cpu> = Cpu::default().tensor_from_vec(vec![3.0, 2.0], Default::default());
    let y = layer.run(x.leaky_trace(), Want::All).unwrap();
    assert!((y.as_vec()[0] - 1.0).abs() < 1e-5 && (y.as_vec()[1] - 1.0).abs() < 1e-5);
    let grads = y.sum::<(), _>().backward();
    let dx = grads.get(&x).as_vec();
    assert!((dx[0] - 0.5).abs() < 1e-5 && (dx[1] - 1.0 / 3.0).abs() < 1e-5, "{dx:?}");
    assert_eq!(layer.running_mean.as_vec(), [1.0, -1.0]);
}

#[test]
fn dropout_repeats_goes_on_and_differs_between_layers() {
    type Net = Sequential<(Dropout<30>, Dropout<30>)>;
    let ones = || crate::rows::<64>(vec![1.0; 64 * 64]).unwrap();
    let mut net: Net = make();
    let mut again: Net = make();
    let mut seen = Vec::new();
    for step in 0..4 {
        let y = net.train(ones(), Want::All).unwrap().as_vec();
        assert_eq!(y, again.train(ones(), Want::All).unwrap().as_vec(), "step {step}");
        assert!(!seen.contains(&y), "step {step} repeats an earlier one");
        seen.push(y);
        if step == 1 {
            // Saved and restored: the parameters alone carry it on.
            let saved = snapshot(&net);
            again = build(&Cpu::default(), 99, Init::Xavier).unwrap();
            edit(&mut again, |name, values: &mut Vec<f32>| {
                values.clone_from(&saved.iter().find(|(n, _)| n == name).unwrap().1);
            });
        }
    }
    // Two layers with the same mask would keep 0.7 of all values, independent ones keep 0.49.
    let kept = seen[0].iter().filter(|y| **y > 0.0).count() as f64 / seen[0].len() as f64;
    assert!((kept - 0.49).abs() < 0.03, "{kept}");
}

#[test]
fn bad_values_and_empty_batches_pass_through() {
    let nan = crate::rows::<4>(vec![1.0, f32::NAN, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
    let y = make::<BatchNorm1d<4>, f32>().train(nan.clone(), Want::All).unwrap().as_vec();
    assert!(y[1].is_nan() && y[5].is_nan() && y[0].is_finite() && y[6].is_finite());
    let y = make::<LayerNorm<4>, f32>().train(nan, Want::All).unwrap().as_vec();
    assert!(y[..4].iter().all(|y| y.is_nan()) && y[4..].iter().all(|y| y.is_finite()));
    let empty = || crate::rows::<4>(Vec::new()).unwrap();
    let mut layer = make::<Sequential<(BatchNorm1d<4>, LayerNorm<4>, Dropout<50>)>, f32>();
    let y = layer.train(empty().leaky_trace(), Want::All).unwrap();
    assert_eq!(*y.shape(), (0, Const::<4>));
    assert_eq!(layer.0.0.running_var.as_vec(), [1.0; 4]);
    // One row: the batch has no variance, the running statistics stay.
    let one = crate::rows::<4>(vec![5.0; 4]).unwrap();
    assert_eq!(layer.train(one, Want::All).unwrap().as_vec(), [0.0; 4]);
    assert_eq!(layer.0.0.running_mean.as_vec(), [0.0; 4]);
}
