use dfdx::{
    nn::ZeroGrads,
    tensor::{Cpu, TensorFromVec, Trace},
    tensor_ops::Backward,
};
use lathe_events::Silent;

use super::*;
use crate::{metrics, rng, rng::Init, testing};

/// Whole model in `f64` against central differences, memory and head.
#[test]
fn gradients_of_every_parameter() {
    let device = Cpu::default();
    let mut net: Regressor<3, 5, f64, Cpu> = nn::build(&device, 4, Init::Xavier).unwrap();
    let draw =
        |n, step| rng::normal(&mut rng::keyed(2, "test", step), n).iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let x = device.tensor_from_vec(draw(4 * 6 * 3, 0), (4, Const::<6>, Const::<3>));
    let y = device.tensor_from_vec(draw(4, 1), (4, Const::<1>));
    let loss = |net: &mut Regressor<3, 5, f64, Cpu>| {
        loss::mse(net.forward(x.trace(net.alloc_grads())).unwrap(), y.clone()).unwrap()
    };
    let grads = loss(&mut net).backward();
    testing::check_gradients(&mut net, grads, 25, |net| loss(net).as_vec()[0]);
}

/// Windows whose target is the mean of their first feature ten steps ago: needs memory, not the last step.
fn remember(n: usize, seed: u64) -> (Windows<12, 2>, Vec<f32>) {
    let values = rng::normal(&mut rng::keyed(seed, "remember", 0), n * 24);
    let y = values.chunks(24).map(|w| 50.0 + 10.0 * (w[0] + w[2]) - 5.0 * w[1]).collect();
    (crate::windows(values).unwrap(), y)
}

#[test]
fn remembers_the_start_of_the_window() {
    let (x, y) = remember(800, 1);
    let config = LstmConfig { epochs: 25, batch: 32, learning_rate: 1e-2, ..LstmConfig::default() };
    let mut model = LstmRegressor::<12, 2, 16>::new(config).unwrap();
    let history = model.fit(&x, &crate::column(y.clone()).unwrap(), &mut Silent).unwrap();
    let (test, truth) = remember(200, 2);
    let mean = y.iter().sum::<f32>() / y.len() as f32;
    let trivial = metrics::rmse(&vec![mean; truth.len()], &truth).unwrap();
    let ours = metrics::rmse(&model.predict(&test).unwrap(), &truth).unwrap();
    assert!(ours < 0.4 * trivial, "rmse {ours}, mean predictor {trivial}");
    assert!(
        (history.last("rmse") - history.last("loss").sqrt() * f64::from(y.iter().copied().fold(0.0, f32::max))).abs()
            < 1e-3
    );
}

#[test]
fn learns_a_batch_by_heart() {
    let (x, y) = remember(16, 3);
    let config = LstmConfig { epochs: 300, batch: 16, learning_rate: 1e-2, ..LstmConfig::default() };
    let mut model = LstmRegressor::<12, 2, 16>::new(config).unwrap();
    model.fit(&x, &crate::column(y.clone()).unwrap(), &mut Silent).unwrap();
    let error = metrics::rmse(&model.predict(&x).unwrap(), &y).unwrap();
    assert!(error < 0.5, "{error}");
}

#[test]
fn targets_above_the_cap_count_as_it() {
    let (x, y) = remember(64, 4);
    let config = LstmConfig { cap: Some(45.0), epochs: 2, ..LstmConfig::default() };
    let fit = |y: Vec<f32>| {
        let mut model = LstmRegressor::<12, 2, 4>::new(config).unwrap();
        model.fit(&x, &crate::column(y).unwrap(), &mut Silent).unwrap();
        model.predict(&x).unwrap()
    };
    let capped = fit(y.iter().map(|y| y.min(45.0)).collect());
    assert_eq!(fit(y), capped);
    assert!(capped.iter().all(|p| (0.0..=45.0).contains(p)));
}

#[test]
fn the_same_seed_gives_the_same_model_and_a_saved_one_trains_on() {
    let (x, y) = remember(100, 5);
    let y = crate::column(y).unwrap();
    let train = || {
        let mut model =
            LstmRegressor::<12, 2, 6>::new(LstmConfig { epochs: 2, batch: 16, ..LstmConfig::default() }).unwrap();
        let history = model.fit(&x, &y, &mut Silent).unwrap();
        (model, history)
    };
    let ((mut model, history), (again, same)) = (train(), train());
    assert_eq!(history, same);
    assert_eq!(testing::snapshot(&model.net), testing::snapshot(&again.net));
    let path = tempfile::tempdir().unwrap().keep().join("lstm.safetensors");
    model.save(&path).unwrap();
    let mut loaded = LstmRegressor::<12, 2, 6>::load(&path).unwrap();
    assert_eq!(loaded.predict(&x).unwrap(), model.predict(&x).unwrap());
    assert_eq!(loaded.fit(&x, &y, &mut Silent).unwrap(), model.fit(&x, &y, &mut Silent).unwrap());
    assert_eq!(loaded.predict(&x).unwrap(), model.predict(&x).unwrap());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn bad_input_is_named() {
    let (x, y) = remember(10, 6);
    let mut model = LstmRegressor::<12, 2, 4>::new(LstmConfig::default()).unwrap();
    let short = crate::column(y[..9].to_vec()).unwrap();
    assert!(matches!(model.fit(&x, &short, &mut Silent), Err(Error::Length { got: 9, expected: 10, .. })));
    let zero = crate::column(vec![0.0; 10]).unwrap();
    assert!(model.fit(&x, &zero, &mut Silent).unwrap_err().to_string().contains("no target is positive"));
    let nan = crate::column(vec![f32::NAN; 10]).unwrap();
    assert!(matches!(model.fit(&x, &nan, &mut Silent), Err(Error::NotFinite { row: 0, .. })));
    assert!(LstmRegressor::<12, 2, 4>::new(LstmConfig { cap: Some(-1.0), ..LstmConfig::default() }).is_err());
}
