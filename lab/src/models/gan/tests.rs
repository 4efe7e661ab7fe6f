use dfdx::{
    nn::ZeroGrads,
    tensor::{Cpu, TensorFromVec, Trace},
    tensor_ops::{Backward, TryAdd},
};
use lathe_events::Silent;

use super::*;
use crate::{rng::Init, testing};

type Small = DenseGan<3, 32, 9>;

/// Pictures from a clear cross through grey to a clear frame on 3x3 pixels, a little noisy, in [-1, 1].
fn pictures(n: usize, seed: u64) -> Rows<9> {
    let noise = rng::normal(&mut rng::keyed(seed, "pictures", 0), n * 9);
    let cross = [-1.0, 1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0, -1.0f32];
    let value =
        |i: usize| (((i / 9 * 37 % 101) as f32 / 50.0 - 1.0) * 0.9 * cross[i % 9] + 0.05 * noise[i]).clamp(-1.0, 1.0);
    crate::rows((0..n * 9).map(value).collect()).unwrap()
}

fn at() -> At {
    At { epoch: 1, batch: 1, step: 0 }
}

/// What the source article gets wrong: D not frozen in G's step, G not detached in D's.
#[test]
fn each_step_moves_its_own_player_only() {
    let mut gan = Small::new(GanConfig::default()).unwrap();
    let z = crate::rows::<3>(rng::normal(&mut rng::keyed(1, "z", 0), 8 * 3)).unwrap();
    let (mut grads_d, mut grads_g) = (None, None);
    let own = gan.generator.alloc_grads();
    let (fake, tape) = gan.generator.forward(z.traced(own)).unwrap().split_tape();

    let (g, d) = (testing::snapshot(&gan.generator), testing::snapshot(&gan.discriminator));
    gan.step_d(pictures(8, 1), fake.clone(), &mut grads_d, at()).unwrap();
    let d_moved = testing::snapshot(&gan.discriminator);
    assert_eq!(testing::snapshot(&gan.generator), g, "D's step moved G");
    for (before, after) in d.iter().zip(&d_moved) {
        assert_ne!(before.1, after.1, "D's step left {} where it was", before.0);
    }

    gan.step_g(fake.put_tape(tape), &mut grads_g, at()).unwrap();
    assert_eq!(testing::snapshot(&gan.discriminator), d_moved, "G's step moved D");
    for (before, after) in g.iter().zip(&testing::snapshot(&gan.generator)) {
        assert_ne!(before.1, after.1, "G's step left {} where it was", before.0);
    }
}

/// Both losses in `f64` against central differences.
#[test]
fn gradients_of_both_players() {
    let device = Cpu::default();
    let draw =
        |n, step| rng::normal(&mut rng::keyed(2, "test", step), n).iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let label = |value: f64| device.tensor_from_vec(vec![value; 6], (6, Const::<1>));
    let mut g: Generator<3, 7, 5, f64, Cpu> = nn::build(&device, 1, Init::Kaiming).unwrap();
    let mut d: Discriminator<7, 5, f64, Cpu> = nn::build(&device, 2, Init::Kaiming).unwrap();
    let z = device.tensor_from_vec(draw(18, 0), (6, Const::<3>));
    let (real, fake) =
        (device.tensor_from_vec(draw(30, 1), (6, Const::<5>)), device.tensor_from_vec(draw(30, 2), (6, Const::<5>)));

    let loss_d = |d: &mut Discriminator<7, 5, f64, Cpu>| {
        let on_real = d.forward_learning(real.trace(d.alloc_grads())).unwrap();
        let on_fake = d.forward_learning(fake.leaky_trace()).unwrap();
        bce_with_logits(on_real, label(0.9)).unwrap().try_add(bce_with_logits(on_fake, label(0.0)).unwrap()).unwrap()
    };
    let grads = loss_d(&mut d).backward();
    testing::check_gradients(&mut d, grads, 20, |d| loss_d(d).as_vec()[0]);

    let loss_g = |g: &mut Generator<3, 7, 5, f64, Cpu>| {
        let own = g.alloc_grads();
        let fake = g.forward(z.trace(own)).unwrap();
        bce_with_logits(d.forward_frozen(fake).unwrap(), label(1.0)).unwrap()
    };
    let grads = loss_g(&mut g).backward();
    testing::check_gradients(&mut g, grads, 20, |g| loss_g(g).as_vec()[0]);
    // Neither frozen nor learning changes the answer itself.
    let free = d.forward(fake.clone()).unwrap().as_vec();
    assert_eq!(d.forward_frozen(fake.clone()).unwrap().as_vec(), free);
    assert_eq!(d.forward_learning(fake.clone()).unwrap().as_vec(), free);
}

#[test]
fn draws_what_it_was_shown_in_all_its_variety() {
    let mut gan = Small::new(GanConfig { epochs: 100, ..GanConfig::default() }).unwrap();
    let history = gan.fit(&pictures(256, 1), &mut Silent).unwrap();
    let drawn = gan.sample(100, 7).unwrap().as_vec();
    assert!(drawn.iter().all(|x| (-1.0..=1.0).contains(x)));
    // The middle pixel tells cross from frame; of the training pictures 22 % are clearly the one, 22 % the other.
    let middles: Vec<f32> = drawn.chunks(9).map(|p| p[4]).collect();
    let (crosses, frames) =
        (middles.iter().filter(|m| **m > 0.5).count(), middles.iter().filter(|m| **m < -0.5).count());
    assert!((8..50).contains(&crosses) && (8..50).contains(&frames), "{crosses} crosses, {frames} frames of 100");
    // And the other pixels follow it, as the pattern demands.
    let (mut with, mut against) = (0.0, 0.0);
    for p in drawn.chunks(9) {
        with += (p[4] - p[1]).abs() + (p[4] - p[7]).abs();
        against += (p[4] + p[0]).abs() + (p[4] + p[8]).abs();
    }
    assert!(with / 200.0 < 0.2 && against / 200.0 < 0.2, "{} {}", with / 200.0, against / 200.0);
    assert_eq!(history.epochs(), 100);
    assert!((0.0..=1.0).contains(&history.last("d_real_accuracy")));
    assert_eq!(gan.sample(2, 1).unwrap().as_vec(), gan.sample(2, 1).unwrap().as_vec());
    assert_ne!(gan.sample(2, 1).unwrap().as_vec(), gan.sample(2, 2).unwrap().as_vec());
}

#[test]
fn the_same_seed_gives_the_same_pair_and_a_saved_one_trains_on() {
    let x = pictures(70, 1);
    let train = || {
        let mut gan = Small::new(GanConfig { epochs: 2, batch: 16, ..GanConfig::default() }).unwrap();
        let history = gan.fit(&x, &mut Silent).unwrap();
        (gan, history)
    };
    let ((mut gan, history), (again, same)) = (train(), train());
    assert_eq!(history, same);
    assert_eq!(testing::snapshot(&gan.generator), testing::snapshot(&again.generator));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gan.safetensors");
    gan.save(&path).unwrap();
    let mut loaded = Small::load(&path).unwrap();
    assert_eq!(loaded.sample(5, 1).unwrap().as_vec(), gan.sample(5, 1).unwrap().as_vec());
    assert_eq!(loaded.fit(&x, &mut Silent).unwrap(), gan.fit(&x, &mut Silent).unwrap());
    assert_eq!(loaded.discriminate(&x).unwrap(), gan.discriminate(&x).unwrap());
}

#[test]
fn shows_the_same_noise_after_each_epoch() {
    struct Grids(Vec<Vec<f32>>);
    impl Watcher for Grids {
        fn on(&mut self, event: &Event<'_>) {
            if let Event::Images { name, images } = event {
                assert_eq!((*name, images.len(), images[0].width, images[0].height), ("samples", 24, 3, 3));
                self.0.push(images.iter().flat_map(|i| i.pixels.to_vec()).collect());
            }
        }
    }
    let mut gan = Small::new(GanConfig { epochs: 3, batch: 16, ..GanConfig::default() }).unwrap();
    let mut grids = Grids(Vec::new());
    gan.fit(&pictures(64, 1), &mut grids).unwrap();
    assert_eq!(grids.0.len(), 3);
    assert_ne!(grids.0[0], grids.0[2], "the grid moves");
    assert!(grids.0.iter().flatten().all(|p| (0.0..=1.0).contains(p)));
}

#[test]
fn bad_input_is_named() {
    let new = |config| Small::new(config).map(drop).map_err(|e| e.to_string());
    assert!(new(GanConfig { batch: 0, ..GanConfig::default() }).unwrap_err().contains("batch"));
    assert!(new(GanConfig { width: Some(4), ..GanConfig::default() }).unwrap_err().contains("width"));
    assert!(new(GanConfig { real_label: 1.2, ..GanConfig::default() }).unwrap_err().contains("real_label"));
    assert!(
        new(GanConfig { discriminator_rate: 0.0, ..GanConfig::default() }).unwrap_err().contains("discriminator_rate")
    );
    let mut gan = Small::new(GanConfig::default()).unwrap();
    let bytes = crate::rows::<9>(vec![255.0; 18]).unwrap();
    assert!(gan.fit(&bytes, &mut Silent).unwrap_err().to_string().contains("to_signed"));
    assert!(matches!(gan.fit(&crate::rows(vec![]).unwrap(), &mut Silent), Err(Error::Empty { .. })));
    gan.fit(&pictures(1, 1), &mut Silent).unwrap();
}
