use dfdx::{
    nn::ZeroGrads,
    tensor::{Cpu, TensorFromVec},
    tensor_ops::{Backward, TryAdd},
};
use lathe_events::Silent;

use super::*;
use crate::{rng::Init, testing};

const LIKELIHOODS: [Likelihood; 3] =
    [Likelihood::GaussianLearned, Likelihood::Gaussian { sigma: 0.3 }, Likelihood::Bernoulli];

fn numbers(n: usize, seed: u64) -> Vec<f64> {
    rng::normal(&mut rng::keyed(seed, "test", 0), n).iter().map(|x| f64::from(*x)).collect()
}

/// The whole of −ELBO, through both networks, against central differences.
#[test]
fn gradients_of_every_parameter() {
    for likelihood in LIKELIHOODS {
        let device = Cpu::default();
        let mut net: Vae<6, 9, 3, f64, Cpu> = nn::build(&device, 3, Init::Kaiming).unwrap();
        // Away from zero, so that no parameter sits where its gradient happens to vanish.
        testing::edit(&mut net, |_, values| values.iter_mut().zip(numbers(100, 9)).for_each(|(v, x)| *v += 0.1 * x));
        let mut x = numbers(5 * 6, 1);
        if likelihood == Likelihood::Bernoulli {
            x.iter_mut().for_each(|x| *x = 1.0 / (1.0 + x.exp()));
        }
        let x = device.tensor_from_vec(x, (5, Const::<6>));
        let noise = device.tensor_from_vec(numbers(5 * 3, 2), (5, Const::<3>));
        let parts = |net: &mut Vae<6, 9, 3, f64, Cpu>| {
            let (a, b) = net.losses(x.clone(), noise.clone(), likelihood, net.alloc_grads()).unwrap();
            a.try_add(b).unwrap()
        };
        let grads = parts(&mut net).backward();
        if likelihood == Likelihood::GaussianLearned {
            testing::check_gradients(&mut net, grads, 12, |net| parts(net).as_vec()[0]);
        } else {
            // The noise parameter must stay out of it.
            let mut grads = grads;
            for (name, g) in testing::gradients(&mut net, &mut grads) {
                assert_eq!(g.iter().any(|g| *g != 0.0), name != "decoder.noise", "{likelihood:?} {name}");
            }
        }
    }
}

/// One batch, learnt by heart: every likelihood reconstructs it.
#[test]
fn learns_a_batch_by_heart() {
    let pattern: Vec<f32> =
        (0..8 * 12).map(|i| f32::from(u8::from(i % 12 % 4 < 2) ^ u8::from(i / 12 % 2 == 0) == 1)).collect();
    let x = crate::rows::<12>(pattern).unwrap();
    for likelihood in LIKELIHOODS {
        let config = VaeConfig { likelihood, epochs: 400, batch: 8, learning_rate: 1e-2, ..VaeConfig::default() };
        let mut vae = DenseVae::<12, 24, 2>::new(config).unwrap();
        let history = vae.fit(&x, &mut Silent).unwrap();
        let error = vae.reconstruction_error(&x).unwrap().iter().copied().fold(0.0, f32::max);
        assert!(error < 0.02, "{likelihood:?}: {error}");
        assert!(history.last("loss") < history.first("loss"));
        // One pattern and its inverse: about one bit has to go through the latent space.
        assert!(history.last("kl") > 0.4, "{likelihood:?}: kl {}", history.last("kl"));
    }
}

#[test]
fn scores_what_it_never_saw_as_strange() {
    let mut values = Vec::new();
    for i in 0..400 {
        let t = i as f32 * 0.37;
        values.extend([t.sin(), t.cos(), t.sin() + t.cos(), 0.5 * t.sin()]);
    }
    let train = crate::rows::<4>(values).unwrap();
    let mut vae =
        DenseVae::<4, 24, 2>::new(VaeConfig { epochs: 60, batch: 50, learning_rate: 5e-3, ..VaeConfig::default() })
            .unwrap();
    vae.fit(&train, &mut Silent).unwrap();
    let odd = crate::rows::<4>(
        (0..200).flat_map(|i| [(i as f32).sin(), (i as f32 * 1.7).cos(), (i as f32 * 0.9).sin(), 1.0]).collect(),
    )
    .unwrap();
    let scores: Vec<f32> = vae.score(&train).unwrap().into_iter().chain(vae.score(&odd).unwrap()).collect();
    let labels: Vec<bool> = (0..scores.len()).map(|i| i >= 400).collect();
    assert!(crate::metrics::auroc(&scores, &labels).unwrap() > 0.95);
    assert_eq!(vae.score(&train).unwrap(), vae.score(&train).unwrap());
}

#[test]
fn score_is_minus_elbo_at_the_mean() {
    let vae =
        DenseVae::<3, 8, 2>::new(VaeConfig { likelihood: Likelihood::Gaussian { sigma: 0.5 }, ..VaeConfig::default() })
            .unwrap();
    let x = crate::rows::<3>(vec![0.3, -1.2, 2.0]).unwrap();
    let (latent, back) = (vae.encode(&x).unwrap(), vae.reconstruct(&x).unwrap().as_vec());
    let kl: f32 =
        latent.mean.as_vec().iter().zip(latent.log_var.as_vec()).map(|(m, l)| 0.5 * (m * m + l.exp() - 1.0 - l)).sum();
    let log_density =
        |x: f32, m: f32| -0.5 * ((x - m) / 0.5).powi(2) - 0.5f32.ln() - 0.5 * (2.0 * std::f32::consts::PI).ln();
    let nll: f32 = -[0.3, -1.2, 2.0].iter().zip(&back).map(|(x, m)| log_density(*x, *m)).sum::<f32>();
    assert!((vae.score(&x).unwrap()[0] - (nll + kl)).abs() < 1e-4);
}

#[test]
fn the_same_seed_gives_the_same_model_and_another_seed_another() {
    let x = crate::rows::<5>(rng::normal(&mut rng::keyed(1, "data", 0), 300)).unwrap();
    let train = |seed| {
        let mut vae =
            DenseVae::<5, 8, 2>::new(VaeConfig { epochs: 3, batch: 16, seed, ..VaeConfig::default() }).unwrap();
        (vae.fit(&x, &mut Silent).unwrap(), testing::snapshot(&vae.net), vae.sample(3, 1).unwrap().as_vec())
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1).1, train(2).1);
}

#[test]
fn a_saved_model_is_the_same_model_and_trains_on_as_if_nothing_happened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vae.safetensors");
    let x = crate::rows::<5>(rng::normal(&mut rng::keyed(1, "data", 0), 300)).unwrap();
    let mut vae = DenseVae::<5, 8, 2>::new(VaeConfig { epochs: 2, batch: 16, ..VaeConfig::default() }).unwrap();
    vae.fit(&x, &mut Silent).unwrap();
    vae.save(&path).unwrap();
    let mut loaded = DenseVae::<5, 8, 2>::load(&path).unwrap();
    assert_eq!(loaded.score(&x).unwrap(), vae.score(&x).unwrap());
    assert_eq!(loaded.config(), vae.config());
    assert_eq!(loaded.fit(&x, &mut Silent).unwrap(), vae.fit(&x, &mut Silent).unwrap());
    assert_eq!(testing::snapshot(&loaded.net), testing::snapshot(&vae.net));
    assert_eq!(loaded.epochs_done(), 4);

    // What does not fit says why.
    let text = |error: Error| error.to_string();
    let other = text(DenseVae::<5, 8, 3>::load(&path).unwrap_err());
    assert!(other.contains("DenseVae<5, 8, 2>") && other.contains("DenseVae<5, 8, 3>"), "{other}");
    assert!(
        text(crate::models::lstm::LstmRegressor::<5, 8, 2>::load(&path).unwrap_err())
            .contains("not a LstmRegressor<5, 8, 2>")
    );
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(text(DenseVae::<5, 8, 2>::load(&path).unwrap_err()).contains("not a whole safetensors file"));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(DenseVae::<5, 8, 2>::load(&path), Err(Error::Checkpoint { .. })));
    assert!(matches!(DenseVae::<5, 8, 2>::load(folder.path().join("none")), Err(Error::Io { .. })));
    assert!(matches!(vae.save(folder.path().join("no/such/folder")), Err(Error::Io { .. })));
}

#[test]
fn bad_input_is_named() {
    type Small = DenseVae<2, 4, 1>;
    let new = |config| Small::new(config).map(drop).map_err(|e| e.to_string());
    assert!(new(VaeConfig { batch: 0, ..VaeConfig::default() }).unwrap_err().contains("batch"));
    assert!(new(VaeConfig { learning_rate: f64::NAN, ..VaeConfig::default() }).unwrap_err().contains("learning_rate"));
    assert!(new(VaeConfig { beta: -1.0, ..VaeConfig::default() }).unwrap_err().contains("beta"));
    assert!(new(VaeConfig { likelihood: Likelihood::Gaussian { sigma: 0.0 }, ..VaeConfig::default() }).is_err());
    let mut vae = Small::new(VaeConfig { epochs: 2, ..VaeConfig::default() }).unwrap();
    let nan = crate::rows::<2>(vec![0.0, 1.0, 2.0, f32::NAN]).unwrap();
    assert!(matches!(vae.fit(&nan, &mut Silent), Err(Error::NotFinite { row: 1, column: 1, .. })));
    assert!(matches!(vae.score(&crate::rows::<2>(vec![]).unwrap()), Err(Error::Empty { .. })));
    let mut binary = Small::new(VaeConfig { likelihood: Likelihood::Bernoulli, ..VaeConfig::default() }).unwrap();
    let outside = crate::rows::<2>(vec![0.0, 1.5]).unwrap();
    assert!(matches!(binary.fit(&outside, &mut Silent), Err(Error::OutOfRange { row: 0, .. })));
    // Constant data, one row, a batch larger than the data, zero epochs: all fine.
    vae.fit(&crate::rows::<2>(vec![3.0; 2]).unwrap(), &mut Silent).unwrap();
    let mut none = Small::new(VaeConfig { epochs: 0, ..VaeConfig::default() }).unwrap();
    assert_eq!(none.fit(&crate::rows::<2>(vec![3.0; 2]).unwrap(), &mut Silent).unwrap().epochs(), 0);
}

#[test]
fn divergence_keeps_the_last_good_weights() {
    let config = VaeConfig { epochs: 50, learning_rate: 1e30, clip_norm: None, ..VaeConfig::default() };
    let mut vae = DenseVae::<2, 4, 1>::new(config).unwrap();
    let x = crate::rows::<2>(vec![1e3, -1e3, 5.0, 2.0]).unwrap();
    let error = vae.fit(&x, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    assert!(testing::snapshot(&vae.net).iter().all(|(_, values)| values.iter().all(|v| v.is_finite())));
}
