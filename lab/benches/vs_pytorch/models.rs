//! Our side: the same models, losses and optimisers as in `peer.py`.

use dfdx::{nn::ZeroGrads, prelude::*};
use lab::{
    Cpu, Rows, loss,
    nn::{
        self, As, BatchNorm1d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Embedding, Flatten, Forward, Gru,
        LastStep, LeakyRelu, LearnedPositions, Linear, Lstm, Relu, SelectStep, Sequential, Tanh, TransformerEncoder,
        TransformerEncoderLayer, UnbiasedConvTranspose2d, UnbiasedLinear, Unflatten,
    },
    ops::Want,
    optim::{Adam, AdamConfig, AdamW, AdamWConfig},
    rng::{self, Init},
};

/// Training step or prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Train,
    Infer,
}

/// What is measured.
#[derive(Debug, Clone)]
pub struct Task {
    pub name: &'static str,
    pub what: What,
    pub batch: usize,
    /// 0: the model's own.
    pub width: usize,
    /// 0: the model's own.
    pub length: usize,
    pub threads: usize,
}

impl Task {
    pub fn new(name: &'static str) -> Self {
        Self { name, what: What::Train, batch: 128, width: 0, length: 0, threads: super::THREADS }
    }

    pub fn label(&self) -> String {
        let mut label = format!("{} batch {}", self.name, self.batch);
        for (what, n) in [("width", self.width), ("length", self.length)] {
            if n > 0 {
                label += &format!(" {what} {n}");
            }
        }
        if self.threads != super::THREADS {
            label += &format!(" threads {}", self.threads);
        }
        label
    }
}

/// The name as the tables know it.
pub fn known(name: &str) -> Option<&'static str> {
    super::TARGETS.iter().map(|(known, ..)| *known).find(|known| *known == name)
}

/// A model with its data and optimiser.
pub struct Model(Box<dyn FnMut() + Send>);

impl Model {
    pub fn new(task: &Task) -> Option<Self> {
        let (batch, infer) = (task.batch, task.what == What::Infer);
        let step: Box<dyn FnMut() + Send> = match (task.name, task.width) {
            ("mlp", 0 | 512) => mlp::<512, 256>(batch, infer),
            ("mlp", 128) => mlp::<128, 64>(batch, infer),
            ("mlp", 256) => mlp::<256, 128>(batch, infer),
            ("mlp", 1024) => mlp::<1024, 512>(batch, infer),
            ("mlp", 2048) => mlp::<2048, 1024>(batch, infer),
            ("dense_vae", _) => dense_vae(batch, infer),
            ("conv_vae", _) => conv_vae(batch, infer),
            ("lstm", _) => lstm(batch, task.length, infer),
            ("lstm_2x100", _) => lstm_2x100(batch, infer),
            ("gru", _) => gru(batch, infer),
            ("encoder", _) => encoder(batch, task.length, infer),
            ("dcgan28_k4", _) => dcgan28_k4(batch, infer),
            ("dcgan28_k5", _) => dcgan28_k5(batch, infer),
            ("dcgan16", _) => dcgan16(batch, infer),
            _ => super::recurrent::step(task)?,
        };
        Some(Self(step))
    }

    pub fn step(&mut self) {
        (self.0)();
    }
}

fn adam(learning_rate: f64) -> Adam {
    Adam::new(AdamConfig { learning_rate, ..AdamConfig::default() })
}

fn uniform<const N: usize>(batch: usize) -> Rows<N> {
    use rand::Rng;
    let mut rng = rng::keyed(1, "data", 0);
    lab::rows((0..batch * N).map(|_| rng.r#gen()).collect()).expect("whole rows")
}

fn mlp<const W: usize, const H: usize>(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    type Mlp<const W: usize, const H: usize> = Sequential<(Linear<784, W>, Relu, Linear<W, H>, Relu, Linear<H, 784>)>;
    let mut net: Mlp<W, H> = nn::build(&Cpu::default(), 1, Init::Uniform).expect("a network");
    let x = uniform::<784>(batch);
    if infer {
        return Box::new(move || drop(net.forward(x.clone())));
    }
    let (mut adam, mut grads) = (adam(1e-3), Some(net.alloc_grads()));
    Box::new(move || {
        let y = net.train(x.clone().traced(grads.take().expect("kept")), Want::Weights).expect("a forward pass");
        let mut found = loss::mse(y, x.clone()).expect("a loss").backward();
        adam.step(&mut net, &mut found).expect("a step");
        grads = Some(found);
    })
}

/// A VAE's training step, for any shapes of its four parts.
macro_rules! vae {
    ($batch:expr, $infer:expr, $latent:literal, $x:expr, $body:ty, $width:literal, $decoder:ty) => {{
        type Net = ($body, Linear<$width, $latent>, Linear<$width, $latent>, $decoder);
        let mut net: Net = nn::build(&Cpu::default(), 1, Init::Uniform).expect("a network");
        let (batch, x) = ($batch, $x);
        let noise = move |step: u64| {
            lab::rows::<$latent>(rng::normal(&mut rng::keyed(1, "noise", step), batch * $latent)).expect("noise")
        };
        if $infer {
            return Box::new(move || {
                let h = net.0.forward(x.clone());
                let (mean, log_var) = (net.1.forward(h.clone()), net.2.forward(h));
                drop(net.3.forward(loss::reparameterise(mean, log_var, noise(0)).expect("a draw")));
            });
        }
        let (mut adam, mut grads, mut steps) = (adam(1e-3), Some(net.alloc_grads()), 0);
        Box::new(move || {
            steps += 1;
            let h = net.0.train(x.clone().traced(grads.take().expect("kept")), Want::Weights).expect("a forward pass");
            let log_var = net.2.forward_mut(h.with_empty_tape());
            let mean = net.1.forward_mut(h);
            let z =
                loss::reparameterise(mean.with_empty_tape(), log_var.with_empty_tape(), noise(steps)).expect("a draw");
            let bce = loss::bce_with_logits(net.3.forward_mut(z), x.clone()).expect("a loss");
            let mut found = (bce + loss::gaussian_kl(mean, log_var).expect("a loss")).backward();
            adam.step(&mut net, &mut found).expect("a step");
            grads = Some(found);
        })
    }};
}

fn dense_vae(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    type Body = Sequential<(Linear<784, 400>, Relu)>;
    type Decoder = Sequential<(Linear<20, 400>, Relu, Linear<400, 784>)>;
    vae!(batch, infer, 20, uniform::<784>(batch), Body, 400, Decoder)
}

fn images<const C: usize, const H: usize>(batch: usize) -> Tensor<(usize, Const<C>, Const<H>, Const<H>), f32, Cpu> {
    use rand::Rng;
    let mut rng = rng::keyed(1, "data", 0);
    let values = (0..batch * C * H * H).map(|_| rng.r#gen()).collect();
    Cpu::default().tensor_from_vec(values, (batch, Const, Const, Const))
}

fn conv_vae(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    type Body = Sequential<(
        Conv2d<1, 32, 3, 1, 1>,
        Relu,
        Conv2d<32, 64, 3, 1, 1>,
        Relu,
        Flatten<50176>,
        Linear<50176, 128>,
        Relu,
    )>;
    type Decoder = Sequential<(
        Linear<32, 128>,
        Relu,
        Linear<128, 3136>,
        Relu,
        Unflatten<64, 7, 7>,
        ConvTranspose2d<64, 64, 4, 2, 1>,
        Relu,
        ConvTranspose2d<64, 32, 4, 2, 1>,
        Relu,
        ConvTranspose2d<32, 1, 3, 1, 1>,
        As<28, 28>,
    )>;
    vae!(batch, infer, 32, images::<1, 28>(batch), Body, 128, Decoder)
}

/// Hidden layers of a generator that starts from `S` x `S` pixels.
macro_rules! generator {
    ($size:literal, $width:literal, $channels:literal, $end:literal, $($k:literal)+) => {
        Sequential<(
            UnbiasedLinear<100, $width>,
            BatchNorm1d<$width>,
            LeakyRelu<30>,
            Unflatten<256, $size, $size>,
            UnbiasedConvTranspose2d<256, 128, 5, 1, 2>,
            BatchNorm2d<128>,
            LeakyRelu<30>,
            UnbiasedConvTranspose2d<128, 64, $($k),+>,
            BatchNorm2d<64>,
            LeakyRelu<30>,
            UnbiasedConvTranspose2d<64, $channels, $($k),+>,
            Tanh,
            As<$end, $end>,
        )>
    };
}

type Judge28 = Sequential<(
    Conv2d<1, 64, 5, 2, 2>,
    LeakyRelu<30>,
    Dropout<30>,
    Conv2d<64, 128, 5, 2, 2>,
    LeakyRelu<30>,
    Dropout<30>,
    Flatten<6272>,
    Linear<6272, 1>,
)>;
type Judge16 = Sequential<(
    Conv2d<3, 64, 5, 2, 2>,
    LeakyRelu<30>,
    Dropout<30>,
    Conv2d<64, 128, 5, 2, 2>,
    LeakyRelu<30>,
    Flatten<2048>,
    Linear<2048, 1>,
)>;

/// A GAN's training step: the discriminator on real and drawn pictures, then the generator against it.
macro_rules! gan {
    ($batch:expr, $infer:expr, $real:expr, $generator:ty, $judge:ty) => {{
        let mut g: $generator = nn::build(&Cpu::default(), 1, Init::Normal { std: 0.02 }).expect("a generator");
        let mut d: $judge = nn::build(&Cpu::default(), 2, Init::Normal { std: 0.02 }).expect("a discriminator");
        let (batch, real) = ($batch, $real);
        let z = move |step| lab::rows::<100>(rng::normal(&mut rng::keyed(1, "z", step), batch * 100)).expect("noise");
        if $infer {
            let z = z(0);
            return Box::new(move || drop(g.forward(z.clone())));
        }
        let column = |x: f32| Cpu::default().tensor_from_vec(vec![x; batch], (batch, Const::<1>));
        let (ones, zeros) = (column(1.0), column(0.0));
        let (mut for_g, mut for_d) = (adam(1e-4), adam(1e-4));
        let (mut g_grads, mut d_grads, mut steps) = (Some(g.alloc_grads()), Some(d.alloc_grads()), 0);
        Box::new(move || {
            steps += 1;
            let fake = g.train(z(steps).traced(g_grads.take().expect("kept")), Want::Weights).expect("pictures");
            let still = loss::detach(&fake).expect("a copy");
            let on_real = d.train(real.clone().traced(d_grads.take().expect("kept")), Want::Weights).expect("logits");
            let on_fake = d.train(still.leaky_trace(), Want::Weights).expect("logits");
            let loss = loss::bce_with_logits(on_real, ones.clone()).expect("a loss")
                + loss::bce_with_logits(on_fake, zeros.clone()).expect("a loss");
            let mut found = loss.backward();
            for_d.step(&mut d, &mut found).expect("a step");
            d_grads = Some(found);
            let judged = d.train(fake, Want::Input).expect("logits");
            let mut found = loss::bce_with_logits(judged, ones.clone()).expect("a loss").backward();
            for_g.step(&mut g, &mut found).expect("a step");
            g_grads = Some(found);
        })
    }};
}

fn dcgan28_k4(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    gan!(batch, infer, images::<1, 28>(batch), generator!(7, 12544, 1, 28, 4 2 1), Judge28)
}

fn dcgan28_k5(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    gan!(batch, infer, images::<1, 28>(batch), generator!(7, 12544, 1, 28, 5 2 2 1), Judge28)
}

fn dcgan16(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    gan!(batch, infer, images::<3, 16>(batch), generator!(4, 4096, 3, 16, 4 2 1), Judge16)
}

/// A regression from windows of 14 sensors.
macro_rules! recurrent {
    ($batch:expr, $infer:expr, $steps:literal, $net:ty) => {{
        let mut net: $net = nn::build(&Cpu::default(), 1, Init::Uniform).expect("a network");
        let mut rng = rng::keyed(1, "data", 0);
        let x = lab::windows::<$steps, 14>(rng::normal(&mut rng, $batch * $steps * 14)).expect("windows");
        let y = lab::rows::<1>(rng::normal(&mut rng, $batch)).expect("rows");
        if $infer {
            return Box::new(move || drop(net.forward(x.clone())));
        }
        let (mut adam, mut grads) = (adam(1e-3), Some(net.alloc_grads()));
        Box::new(move || {
            let found =
                net.train(x.clone().traced(grads.take().expect("kept")), Want::Weights).expect("a forward pass");
            let mut found = loss::mse(found, y.clone()).expect("a loss").backward();
            adam.step(&mut net, &mut found).expect("a step");
            grads = Some(found);
        })
    }};
}

type LstmNet = Sequential<(Lstm<14, 64>, LastStep, Linear<64, 1>)>;

fn lstm(batch: usize, steps: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    match steps {
        10 => recurrent!(batch, infer, 10, LstmNet),
        60 => recurrent!(batch, infer, 60, LstmNet),
        120 => recurrent!(batch, infer, 120, LstmNet),
        _ => recurrent!(batch, infer, 30, LstmNet),
    }
}

fn lstm_2x100(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    recurrent!(batch, infer, 30, Sequential<(Lstm<14, 100>, Lstm<100, 100>, LastStep, Linear<100, 1>)>)
}

fn gru(batch: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    recurrent!(batch, infer, 30, Sequential<(Gru<14, 64>, LastStep, Linear<64, 1>)>)
}

/// A Transformer encoder that classifies sequences of tokens.
macro_rules! encoder {
    ($batch:expr, $infer:expr, $steps:literal) => {{
        type Rest = Sequential<(
            LearnedPositions<$steps, 128>,
            TransformerEncoder<2, TransformerEncoderLayer<128, 4, 512>>,
            SelectStep<0>,
            Linear<128, 2>,
        )>;
        let mut net: (Embedding<1000, 128>, Rest) = nn::build(&Cpu::default(), 1, Init::Uniform).expect("a network");
        let mut order = rng::permutation(&mut rng::keyed(1, "data", 0), $batch * $steps);
        order.iter_mut().for_each(|id| *id %= 1000);
        let x = Cpu::default().tensor_from_vec(order, ($batch, Const::<$steps>));
        let y: Vec<usize> = (0..$batch).map(|i| i % 2).collect();
        if $infer {
            return Box::new(move || drop(net.1.forward(net.0.forward(x.clone()))));
        }
        let settings = AdamWConfig { learning_rate: 2e-4, ..AdamWConfig::default() };
        let (mut adam, mut grads) = (AdamW::new(settings), Some(net.alloc_grads()));
        Box::new(move || {
            let words = net.0.try_forward(x.clone().traced(grads.take().expect("kept"))).expect("known tokens");
            let logits = net.1.train(words, Want::All).expect("a forward pass");
            let mut found = loss::cross_entropy(logits, &y).expect("a loss").backward();
            adam.step(&mut net, &mut found).expect("a step");
            grads = Some(found);
        })
    }};
}

fn encoder(batch: usize, steps: usize, infer: bool) -> Box<dyn FnMut() + Send> {
    match steps {
        16 => encoder!(batch, infer, 16),
        128 => encoder!(batch, infer, 128),
        _ => encoder!(batch, infer, 64),
    }
}
