use dfdx::{
    nn::{BuildModule, Module},
    shapes::{Const, Dtype, HasShape, Rank3},
    tensor::{AsArray, Cpu, Tensor, TensorFrom, TensorFromVec, Trace},
    tensor_ops::{Backward, Device, SumTo},
};

use super::{
    AttentionMask, Elu, Embedding, Forward, Gelu, GeluTanh, LearnedPositions, Linear, LogSoftmax, Masked,
    MultiheadAttention, Relu, Residual, SelectStep, Sequential, Silu, SinusoidalPositions, Softmax, Softplus,
    TransformerEncoder, TransformerEncoderLayer, build,
};
use crate::{
    Error,
    ops::Want,
    rng::Init,
    testing::{check_layer, check_training, edit, gradients, torch::check_case},
};

fn make<M: BuildModule<Cpu, E>, E: Dtype>() -> M
where
    Cpu: Device<E>,
{
    build(&Cpu::default(), 3, Init::Xavier).unwrap_or_else(|e| panic!("{e:?}"))
}

type Block<const NORM_FIRST: bool = false, A = Relu, E = f64> = TransformerEncoderLayer<6, 2, 9, 0, NORM_FIRST, A, E>;

#[test]
fn activations_are_pytorchs() {
    let shape = Rank3::<2, 3, 7>::default();
    check_case::<_, f64, _>("gelu", &mut Sequential((Gelu,)), shape, true, 1e-10);
    check_case::<_, f32, _>("gelu", &mut Sequential((Gelu,)), shape, true, 1e-6);
    check_case::<_, f64, _>("gelu_tanh", &mut Sequential((GeluTanh,)), shape, true, 1e-10);
    check_case::<_, f64, _>("silu", &mut Sequential((Silu,)), shape, true, 1e-10);
    check_case::<_, f64, _>("elu", &mut Sequential((Elu::<100>,)), shape, true, 1e-10);
    check_case::<_, f64, _>("elu_half", &mut Sequential((Elu::<50>,)), shape, true, 1e-10);
    check_case::<_, f64, _>("softplus", &mut Sequential((Softplus,)), shape, true, 1e-10);
    check_case::<_, f64, _>("softmax", &mut Sequential((Softmax,)), shape, true, 1e-10);
    check_case::<_, f64, _>("log_softmax", &mut Sequential((LogSoftmax,)), shape, true, 1e-10);
    check_case::<_, f32, _>("log_softmax", &mut Sequential((LogSoftmax,)), shape, true, 1e-6);
}

/// PyTorch's cases for two sequences of five steps, the second with two hidden ones.
fn padding() -> AttentionMask {
    AttentionMask::lengths(&[5, 3], 5)
}

#[test]
fn attention_is_pytorchs() {
    let shape = Rank3::<2, 5, 6>::default();
    check_case("attention", &mut make::<MultiheadAttention<6, 2, 0, f64>, f64>(), shape, true, 1e-10);
    check_case("attention", &mut make::<MultiheadAttention<6, 2>, f32>(), shape, true, 1e-5);
    for (name, mask) in [
        ("attention_causal", AttentionMask::causal()),
        ("attention_padding", padding()),
        ("attention_both", padding().and_causal()),
    ] {
        check_case(name, &mut Masked::new(make::<MultiheadAttention<6, 2, 0, f64>, f64>(), mask), shape, true, 1e-10);
    }
}

#[test]
fn encoder_layers_are_pytorchs() {
    let shape = Rank3::<2, 5, 6>::default();
    check_case("encoder_layer", &mut make::<Block, f64>(), shape, true, 1e-10);
    check_case("encoder_layer", &mut make::<Block<false, Relu, f32>, f32>(), shape, true, 2e-5);
    check_case("encoder_layer", &mut make::<Block, f64>(), shape, false, 1e-10);
    check_case("encoder_layer_norm_first", &mut make::<Block<true>, f64>(), shape, true, 1e-10);
    check_case("encoder_layer_gelu", &mut make::<Block<false, Gelu>, f64>(), shape, true, 1e-10);
    check_case("encoder", &mut make::<TransformerEncoder<2, Block>, f64>(), shape, true, 1e-10);
    let mut masked = Masked::new(make::<Block, f64>(), padding().and_causal());
    check_case("encoder_layer_masked", &mut masked, shape, true, 1e-10);
}

#[test]
fn gradients_agree_with_central_differences() {
    // Several blocks of queries, and a head's width and length that fill no vector.
    type Attention = MultiheadAttention<6, 2, 30, f64>;
    check_training(&make::<Attention, f64>(), (2, 7, Const::<6>), 1);
    check_training(&make::<Attention, f64>(), (1, 70, Const::<6>), 2);
    check_training(&Masked::new(make::<Attention, f64>(), AttentionMask::causal()), (1, 70, Const::<6>), 3);
    check_training(&Masked::new(make::<Attention, f64>(), AttentionMask::lengths(&[3, 0], 4)), (2, 4, Const::<6>), 4);
    type Smooth = TransformerEncoderLayer<6, 3, 5, 20, true, Gelu, f64>;
    check_training(&make::<TransformerEncoder<2, Smooth>, f64>(), (2, 3, Const::<6>), 5);
    type Positions = Sequential<(LearnedPositions<4, 6, f64>, SinusoidalPositions, Softmax, SelectStep<2>)>;
    check_layer(&mut make::<Positions, f64>(), (3, Const::<4>, Const::<6>), 6);
    type Around = Sequential<(Linear<6, 4, f64>, Residual<Sequential<(Silu, Linear<4, 4, f64>)>>)>;
    check_layer(&mut make::<Around, f64>(), (3, Const::<6>), 7);
}

#[test]
fn embedding_reads_rows_adds_gradients_and_refuses_unknown_tokens() {
    let device = Cpu::default();
    let layer: Embedding<5, 3, f64> = make();
    let ids = device.tensor([[4usize, 0, 4, 2]]);
    let y = layer.try_forward(ids.leaky_trace()).unwrap();
    let table = layer.weight.array();
    assert_eq!(y.array(), [[table[4], table[0], table[4], table[2]]]);
    let factors = device.tensor([[[1.0; 3], [2.0; 3], [3.0; 3], [4.0; 3]]]);
    let dw = (y * factors).sum::<(), _>().backward().get(&layer.weight).array();
    assert_eq!(dw, [[2.0; 3], [0.0; 3], [4.0; 3], [0.0; 3], [4.0; 3]]);
    let error = layer.try_forward(device.tensor([1usize, 7])).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { row: 1, high, .. } if high == 4.0), "{error}");
    let none: Tensor<(usize,), usize, Cpu> = device.tensor_from_vec(Vec::new(), (0,));
    assert_eq!(layer.try_forward(none).unwrap().shape().0, 0);
}

#[test]
fn masks_and_positions_of_the_wrong_size_are_errors() {
    let layer: MultiheadAttention<4, 2> = make();
    let x = || crate::windows::<3, 4>(vec![1.0; 24]).unwrap();
    assert!(Masked::new(&layer, AttentionMask::lengths(&[3], 3)).run(x(), Want::All).is_err());
    assert!(Masked::new(&layer, AttentionMask::lengths(&[3, 2], 3)).run(x(), Want::All).is_ok());
    assert!(make::<LearnedPositions<2, 4>, f32>().run(x(), Want::All).is_err());
    // A sequence that may look at nothing: no NaN, the bias of the last layer alone.
    let y = Masked::new(&layer, AttentionMask::lengths(&[3, 0], 3)).run(x(), Want::All).unwrap().as_vec();
    assert!(y[12..].iter().all(|y| *y == 0.0) && y[0] != 0.0);
}

#[test]
fn hidden_steps_have_no_effect() {
    let layer: TransformerEncoderLayer<4, 2, 8, 0> = make();
    let mask = || AttentionMask::lengths(&[2], 3);
    let run = |last: f32| {
        let x =
            crate::windows::<3, 4>([0.1, 0.5, -1.0, 2.0, 1.0, 0.0, -0.3, 0.4, last, 1.0, last, 0.0].into()).unwrap();
        Masked::new(&layer, mask()).run(x, Want::All).unwrap().as_vec()[..8].to_vec()
    };
    assert_eq!(run(1.0), run(-50.0));
}

#[test]
fn threads_and_repetition_change_nothing() {
    type Net = Sequential<(TransformerEncoder<2, TransformerEncoderLayer<32, 4, 48>>, SelectStep<0>, Linear<32, 2>)>;
    let net: Net = make();
    let x: Vec<f32> = (0..5 * 70 * 32).map(|i| (i as f32 * 0.37).sin()).collect();
    let run = |threads| {
        let mut net = net.clone();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let x = crate::windows::<70, 32>(x.clone()).unwrap();
            let y = net.train(x.leaky_trace(), Want::All).unwrap();
            let mut grads = y.square().sum::<(), _>().backward();
            (grads.get(&x).as_vec(), gradients(&mut net, &mut grads))
        })
    };
    let (one, three) = (run(1), run(3));
    assert!(one == three);
    assert!(one.0.iter().all(|x| x.is_finite()));
}

#[test]
fn parameters_have_pytorchs_names() {
    let mut names = Vec::new();
    edit(&mut make::<TransformerEncoder<1, Block>, f64>(), |name, _: &mut Vec<f64>| names.push(name.to_owned()));
    names.retain(|name| !name.ends_with("rng_state"));
    names.sort();
    let mut want = vec!["self_attn.in_proj_weight", "self_attn.in_proj_bias"];
    for layer in ["self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"] {
        want.extend([format!("{layer}.weight"), format!("{layer}.bias")].map(|x| &*x.leak()));
    }
    let mut want: Vec<String> = want.into_iter().map(|name| format!("layers.0.{name}")).collect();
    want.sort();
    assert_eq!(names, want);
}

#[test]
fn group_norm_is_pytorchs() {
    use super::{GroupNorm, InstanceNorm2d};
    use dfdx::shapes::Rank4;
    let shape = Rank4::<2, 6, 3, 2>::default();
    check_case("group_norm", &mut make::<GroupNorm<3, 6, f64>, f64>(), shape, true, 1e-10);
    check_case("group_norm", &mut make::<GroupNorm<3, 6>, f32>(), shape, true, 1e-5);
    check_case::<_, f64, _>("instance_norm", &mut Sequential((InstanceNorm2d::<6>,)), shape, true, 1e-10);
    check_training(&make::<GroupNorm<2, 6, f64>, f64>(), (3, Const::<6>, Const::<5>), 1);
    check_training(&make::<GroupNorm<2, 6, f64>, f64>(), (3, Const::<6>), 2);
}

#[test]
fn spectral_norm_is_pytorchs() {
    use super::{SpectralConv2d, SpectralLinear};
    use dfdx::shapes::{Rank2, Rank4};
    check_case("spectral_linear", &mut make::<SpectralLinear<4, 3, f64>, f64>(), Rank2::<5, 4>::default(), true, 1e-9);
    type Conv = SpectralConv2d<2, 3, 3, 2, 1, f64>;
    check_case("spectral_conv", &mut make::<Conv, f64>(), Rank4::<2, 2, 5, 5>::default(), true, 1e-9);
    // Evaluation leaves the vectors alone, so that its gradient can be compared with differences (u and v are constants).
    let mut layer: SpectralLinear<4, 3, f64> = make();
    layer.train(Cpu::default().tensor_from_vec(vec![1.0; 8], (2, Const::<4>)), Want::All).unwrap();
    check_layer(&mut layer, (3, Const::<4>), 1);
}

#[test]
fn decoder_is_pytorchs() {
    use super::TransformerDecoder;
    use crate::testing::torch::{case, close, set_parameters};
    type Decoder = TransformerDecoder<2, 6, 2, 9, 0, false, Relu, f64>;
    let case = case("decoder");
    let mut decoder: Decoder = make();
    set_parameters(&mut decoder, &case.parameters);
    let device = Cpu::default();
    // The fixture's x is the target (2, 5, 6) and, behind it, the memory (2, 4, 6).
    let (target, memory) = case.x.split_at(60);
    let target = device.tensor_from_vec(target.to_vec(), Rank3::<2, 5, 6>::default());
    let memory = device.tensor_from_vec(memory.to_vec(), Rank3::<2, 4, 6>::default());
    let mask = || (AttentionMask::causal(), AttentionMask::lengths(&[4, 3], 4));
    let evaluated = decoder.decode(target.clone(), memory.clone(), mask().0, mask().1).unwrap();
    close("evaluated", &evaluated.as_vec(), &case.y, 1e-10);
    let y = decoder.decode_mut(target.leaky_trace(), memory.leaky_trace(), mask().0, mask().1).unwrap();
    close("y", &y.as_vec(), &case.y, 1e-10);
    let dy = device.tensor_from_vec(case.dy.clone(), Rank3::<2, 5, 6>::default());
    let mut grads = (y * dy).sum::<(), _>().backward();
    close("d target", &grads.get(&target).as_vec(), &case.dx[..60], 1e-10);
    close("d memory", &grads.get(&memory).as_vec(), &case.dx[60..], 1e-10);
    for (name, got) in gradients(&mut decoder, &mut grads) {
        close(&name, &got, &case.gradients[&name], 1e-10);
    }
    assert!(decoder.decode(target, memory, mask().0, AttentionMask::lengths(&[4], 4)).is_err());
}

#[test]
fn straight_through_draws_are_one_hot_and_pass_the_soft_gradient() {
    use super::GumbelSoftmax;
    let x: Tensor<(usize, Const<3>), f64, Cpu> =
        Cpu::default().tensor_from_vec((0..30).map(|i| (f64::from(i) * 0.7).sin()).collect(), (10, Const));
    let factors = Cpu::default().tensor_from_vec((0..30).map(f64::from).collect(), (10, Const::<3>));
    let mut soft: GumbelSoftmax<50, 0, f64> = make();
    let mut hard: GumbelSoftmax<50, 1, f64> = make();
    let (s, h) = (soft.train(x.leaky_trace(), Want::All).unwrap(), hard.train(x.leaky_trace(), Want::All).unwrap());
    for (s, h) in s.as_vec().chunks(3).zip(h.as_vec().chunks(3)) {
        assert!((s.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let best = (0..3).max_by(|a, b| s[*a].total_cmp(&s[*b])).unwrap();
        assert!(h.iter().enumerate().all(|(j, h)| *h == f64::from(u8::from(j == best))));
    }
    let d =
        |y: Tensor<(usize, Const<3>), f64, Cpu, _>| (y * factors.clone()).sum::<(), _>().backward().get(&x).as_vec();
    assert_eq!(d(s), d(h));
    check_training(&soft, (4, Const::<3>), 9);
    let empty = crate::rows::<3>(Vec::new()).unwrap();
    assert_eq!(make::<GumbelSoftmax, f32>().train(empty, Want::All).unwrap().shape().0, 0);
}

#[test]
fn fifty_steps_of_training_follow_pytorch() {
    use crate::{
        loss::mse,
        optim::{Adam, AdamConfig},
        testing::torch::{case, close, set_parameters},
    };
    type Net = Sequential<(TransformerEncoder<2, Block>, SelectStep<0>, Linear<6, 2, f64>)>;
    let case = case("encoder_training");
    let mut net: Net = make();
    set_parameters(&mut net, &case.parameters);
    let device = Cpu::default();
    let x = device.tensor_from_vec(case.x, Rank3::<4, 5, 6>::default());
    let target = device.tensor_from_vec(case.dy, (Const::<4>, Const::<2>));
    let mut adam = Adam::new(AdamConfig { learning_rate: 1e-2, ..AdamConfig::default() });
    let mut losses = Vec::new();
    for _ in 0..50 {
        let y = net.train(x.leaky_trace(), Want::Weights).unwrap();
        let loss = mse(y, target.clone()).unwrap();
        losses.push(loss.array());
        adam.step(&mut net, &mut loss.backward()).unwrap();
    }
    assert!(losses[49] < 0.5 * losses[0], "{losses:?}");
    close("losses", &losses, &case.y, 1e-6);
}
