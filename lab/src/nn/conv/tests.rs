use dfdx::prelude::*;

use crate::{
    nn::{
        self, AdaptiveAvgPool2d, AvgPool2d, CausalConv1d, Conv1d, Conv2d, ConvTranspose2d, Flatten, Forward,
        GlobalAvgPool, LeakyRelu, Linear, MaxPool2d, Sequential, Tanh, UnbiasedConv1d, UnbiasedConv2d,
        UnbiasedConvTranspose2d, Unflatten, UpsampleNearest,
    },
    ops::Want,
    rng::Init,
    testing::{check_layer, edit, torch::check_case, weighted},
};

/// Builds a layer with random weights and biases.
fn build<M: BuildModule<Cpu, f64> + TensorCollection<f64, Cpu>>(seed: u64) -> M {
    let mut layer: M = nn::build(&Cpu::default(), seed, Init::Normal { std: 0.5 }).expect("builds");
    edit(&mut layer, |name, values: &mut Vec<f64>| {
        if name.ends_with("bias") {
            values.iter_mut().enumerate().for_each(|(i, b)| *b = 0.3 - 0.1 * i as f64);
        }
    });
    layer
}

type Image<const C: usize, const H: usize, const W: usize> = (usize, Const<C>, Const<H>, Const<W>);

type Sequence<const C: usize, const L: usize> = (usize, Const<C>, Const<L>);

macro_rules! gradients {
    ($($name:ident: $layer:ty, $shape:ty, $images:expr;)*) => {$(
        #[test]
        fn $name() {
            let mut shape = <$shape>::default();
            for (seed, images) in $images.into_iter().enumerate() {
                shape.0 = images;
                check_layer(&mut build::<$layer>(seed as u64), shape, seed as u64);
            }
        }
    )*};
}

gradients! {
    plain: Conv2d<3, 5, 3, 1, 0, 1, 1, f64>, Image<3, 6, 5>, [1, 2, 9];
    one_channel_stride_two: Conv2d<1, 40, 5, 2, 2, 1, 1, f64>, Image<1, 9, 7>, [1, 8];
    stride_beyond_kernel: Conv2d<2, 3, 2, 3, 0, 1, 1, f64>, Image<2, 8, 11>, [1, 3];
    padding_beyond_half: Conv2d<2, 3, 3, 1, 3, 1, 1, f64>, Image<2, 3, 4>, [1, 10];
    groups: Conv2d<6, 4, 3, 2, 1, 1, 2, f64>, Image<6, 5, 6>, [1, 8];
    depthwise: UnbiasedConv2d<4, 8, 3, 1, 1, 1, 4, f64>, Image<4, 4, 5>, [1, 9];
    dilated: Conv2d<2, 35, 3, 2, 2, 2, 1, f64>, Image<2, 9, 6>, [2, 12];
    dilated_groups: UnbiasedConv2d<4, 4, 2, 1, 1, 3, 2, f64>, Image<4, 6, 7>, [1, 3];
    one_pixel: Conv2d<3, 2, 1, 1, 0, 1, 1, f64>, Image<3, 1, 1>, [1, 4];
    up: ConvTranspose2d<5, 3, 4, 2, 1, 0, 1, 1, f64>, Image<5, 3, 4>, [1, 2, 9];
    up_to_one_channel: UnbiasedConvTranspose2d<20, 1, 5, 2, 2, 1, 1, 1, f64>, Image<20, 4, 3>, [1, 8];
    up_with_gaps: ConvTranspose2d<2, 3, 2, 3, 0, 2, 1, 1, f64>, Image<2, 3, 2>, [1, 3];
    up_padding_beyond_half: ConvTranspose2d<2, 6, 3, 1, 2, 0, 1, 1, f64>, Image<2, 5, 4>, [1, 10];
    up_groups: ConvTranspose2d<6, 4, 3, 2, 1, 1, 1, 2, f64>, Image<6, 3, 4>, [1, 8];
    up_dilated: UnbiasedConvTranspose2d<3, 34, 3, 2, 2, 1, 2, 1, f64>, Image<3, 4, 3>, [2, 12];
    time: Conv1d<3, 4, 3, 2, 1, 2, 1, f64>, Sequence<3, 11>, [1, 9];
    time_groups: UnbiasedConv1d<4, 6, 2, 3, 1, 1, 2, f64>, Sequence<4, 9>, [1, 2];
    causal: CausalConv1d<2, 3, 3, 2, f64>, Sequence<2, 7>, [1, 8];
    causal_shorter_than_the_kernel: CausalConv1d<1, 2, 4, 3, f64>, Sequence<1, 5>, [1, 3];
    // The input's gradient alone is checked where there are no weights before it.
    largest: Sequential<(Conv2d<1, 3, 1, 1, 0, 1, 1, f64>, MaxPool2d<3, 2, 1>)>, Image<1, 6, 7>, [1, 5];
    largest_with_gaps: Sequential<(MaxPool2d<2, 3>, Conv2d<2, 3, 1, 1, 0, 1, 1, f64>)>, Image<2, 5, 6>, [1, 3];
    means: Sequential<(AvgPool2d<3, 2, 1>, Conv2d<2, 3, 1, 1, 0, 1, 1, f64>)>, Image<2, 6, 5>, [1, 3];
    adaptive: Sequential<(Conv2d<2, 3, 2, 1, 0, 1, 1, f64>, AdaptiveAvgPool2d<2, 3>)>, Image<2, 6, 5>, [1, 3];
    global: Sequential<(Conv2d<2, 3, 2, 1, 0, 1, 1, f64>, GlobalAvgPool, Linear<3, 2, f64>)>, Image<2, 4, 5>, [1, 3];
    repeated: Sequential<(UpsampleNearest<3>, Conv2d<2, 3, 3, 1, 1, 1, 1, f64>)>, Image<2, 2, 3>, [1, 3];
    stack: Sequential<(
        Conv2d<2, 6, 4, 2, 1, 1, 1, f64>,
        LeakyRelu<30>,
        ConvTranspose2d<6, 3, 3, 1, 1, 0, 1, 1, f64>,
        Tanh,
        Flatten<36>,
        Linear<36, 8, f64>,
    )>, Image<2, 6, 8>, [1, 9];
    generator: Sequential<(Linear<4, 24, f64>, Tanh, Unflatten<6, 2, 2>, ConvTranspose2d<6, 2, 4, 2, 1, 0, 1, 1, f64>)>,
        (usize, Const<4>), [1, 8];
    // Flattened and cut anew: the same numbers as other images.
    recut: Sequential<(
        Conv2d<1, 2, 3, 1, 1, 1, 1, f64>,
        Flatten<24>,
        Unflatten<3, 2, 4>,
        Conv2d<3, 2, 3, 1, 1, 1, 1, f64>,
    )>, Image<1, 3, 4>, [1, 3];
}

macro_rules! pytorch {
    ($($name:ident: $layer:ty, $shape:ty;)*) => {
        #[test]
        fn outputs_and_gradients_are_pytorchs() {$(
            check_case::<_, f64, _>(stringify!($name), &mut build::<$layer>(1), <$shape>::default(), false, 1e-10);
        )*}
    };
}

pytorch! {
    conv2d: Conv2d<3, 4, 3, 2, 1, 1, 1, f64>, Rank4<2, 3, 6, 5>;
    conv2d_one_channel: Conv2d<1, 5, 5, 2, 2, 1, 1, f64>, Rank4<9, 1, 6, 7>;
    conv2d_groups_dilated: UnbiasedConv2d<4, 6, 3, 1, 2, 2, 2, f64>, Rank4<1, 4, 5, 6>;
    conv2d_stride_beyond_kernel: Conv2d<2, 3, 2, 3, 0, 1, 1, f64>, Rank4<3, 2, 7, 9>;
    conv_transpose2d: ConvTranspose2d<5, 3, 4, 2, 1, 0, 1, 1, f64>, Rank4<2, 5, 3, 4>;
    conv_transpose2d_output_padding: UnbiasedConvTranspose2d<6, 1, 5, 2, 2, 1, 1, 1, f64>, Rank4<9, 6, 3, 2>;
    conv_transpose2d_groups_dilated: ConvTranspose2d<4, 6, 3, 2, 1, 1, 2, 2, f64>, Rank4<1, 4, 3, 4>;
    conv1d: Conv1d<3, 4, 3, 2, 1, 2, 1, f64>, Rank3<2, 3, 11>;
    causal_conv1d: CausalConv1d<2, 3, 3, 2, f64>, Rank3<2, 2, 7>;
    max_pool2d: Sequential<(MaxPool2d<3, 2, 1>,)>, Rank4<2, 2, 6, 7>;
    max_pool2d_default_stride: Sequential<(MaxPool2d<2>,)>, Rank4<1, 3, 5, 4>;
    avg_pool2d: Sequential<(AvgPool2d<3, 2, 1>,)>, Rank4<2, 2, 6, 7>;
    adaptive_avg_pool2d: Sequential<(AdaptiveAvgPool2d<3, 2>,)>, Rank4<2, 3, 7, 5>;
    global_avg_pool: Sequential<(GlobalAvgPool,)>, Rank4<2, 3, 4, 5>;
    upsample_nearest: Sequential<(UpsampleNearest<3>,)>, Rank4<2, 2, 2, 3>;
}

#[test]
fn the_last_nan_and_the_first_of_equal_values_win() {
    let x: Tensor<Rank4<1, 1, 2, 4>, f64, Cpu> =
        Cpu::default().tensor([[[[7.0, f64::NAN, 3.0, 3.0], [f64::NAN, 9.0, 3.0, f64::NEG_INFINITY]]]]);
    let y = MaxPool2d::<2>.forward(x.leaky_trace());
    assert!(y.as_vec()[0].is_nan());
    assert_eq!(y.as_vec()[1], 3.0);
    // torch.nn.functional.max_pool2d of the same, with return_indices=True: [4, 2].
    assert_eq!(y.sum().backward().get(&x).array(), [[[[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]]]);
}

/// The definition, written as sums over everything.
#[test]
fn forward_is_the_formula() {
    let layer: Conv2d<4, 6, 3, 2, 1, 2, 2, f64> = build(3);
    let x: Tensor<Rank4<3, 4, 7, 8>, f64, Cpu> = Cpu::default().sample_normal();
    let y = layer.forward(x.clone());
    assert_eq!(y.shape().concrete(), [3, 6, 3, 3]);
    let (weight, bias, y, x) = (layer.weight.as_vec(), layer.bias.array(), y.as_vec(), x.array());
    for (at, y) in y.iter().enumerate() {
        let (b, o, i, j) = (at / 54, at / 9 % 6, at / 3 % 3, at % 3);
        let mut want = bias[o];
        for (c, u, v) in (0..18).map(|k| (k / 9, k / 3 % 3, k % 3)) {
            let (row, column) = ((2 * i + 2 * u).wrapping_sub(1), (2 * j + 2 * v).wrapping_sub(1));
            if row < 7 && column < 8 {
                want += weight[((o * 2 + c) * 3 + u) * 3 + v] * x[b][o / 3 * 2 + c][row][column];
            }
        }
        assert!((y - want).abs() < 1e-12, "{at}: {y} {want}");
    }
}

#[test]
fn a_tuple_computes_what_a_sequential_does() {
    let (conv, up): (Conv2d<1, 4, 4, 2, 1>, ConvTranspose2d<4, 1, 4, 2, 1>) = (
        nn::build(&Cpu::default(), 1, Init::Kaiming).expect("builds"),
        nn::build(&Cpu::default(), 2, Init::Kaiming).expect("builds"),
    );
    let x: Tensor<Rank4<5, 1, 8, 6>, f32, Cpu> = Cpu::default().sample_normal();
    let apart = (conv.clone(), LeakyRelu::<20>, up.clone());
    let together = Sequential(apart.clone());
    let (a, b) = (Module::forward(&apart, x.leaky_trace()), Module::forward(&together, x.leaky_trace()));
    assert_eq!(a.as_vec(), b.as_vec());
    let (a, b) = (a.square().mean().backward(), b.square().mean().backward());
    assert_eq!(a.get(&x).as_vec(), b.get(&x).as_vec());
    assert_eq!(a.get(&conv.weight).as_vec(), b.get(&conv.weight).as_vec());
    assert_eq!(a.get(&up.bias).as_vec(), b.get(&up.bias).as_vec());
}

#[test]
fn an_empty_batch_and_nan() {
    let layer: Conv2d<2, 3, 3, 1, 1, 1, 1, f64> = build(1);
    let none: Tensor<Image<2, 4, 4>, f64, Cpu> = Cpu::default().zeros_like(&(0, Const, Const, Const));
    let y = layer.run(none.leaky_trace(), Want::All).expect("runs");
    assert_eq!(y.shape().concrete(), [0, 3, 4, 4]);
    assert!(weighted(y, Vec::new()).backward().get(&layer.weight).as_vec().iter().all(|d| *d == 0.0));
    let mut values = vec![1.0; 32];
    values[0] = f64::NAN;
    let x: Tensor<Image<2, 4, 4>, f64, Cpu> = Cpu::default().tensor_from_vec(values, (1, Const, Const, Const));
    let relu = Sequential((layer, LeakyRelu::<0>));
    let y = relu.forward(x).as_vec();
    let touched = |i: usize| i % 16 / 4 < 2 && i % 4 < 2;
    assert!(
        y.iter().enumerate().all(|(i, y)| y.is_nan() == touched(i)),
        "the neighbours of pixel (0, 0) and no others"
    );
}

#[test]
fn threads_change_nothing() {
    let layer: Sequential<(Conv2d<1, 40, 5, 2, 2>, LeakyRelu<30>, ConvTranspose2d<40, 3, 4, 2, 1>)> =
        nn::build(&Cpu::default(), 4, Init::Kaiming).expect("builds");
    let values: Vec<f32> = (0..9 * 14 * 10).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let run = || {
        let x: Tensor<Rank4<9, 1, 14, 10>, f32, Cpu> =
            Cpu::default().tensor_from_vec(values.clone(), Default::default());
        let y = layer.forward(x.leaky_trace());
        let out = y.as_vec();
        let grads = y.square().mean().backward();
        (out, grads.get(&x).as_vec(), grads.get(&layer.0.0.weight).as_vec(), grads.get(&layer.0.2.bias).as_vec())
    };
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool");
    assert_eq!(pool(1).install(run), pool(3).install(run));
}
