//! State dicts against PyTorch: a file that it wrote (`fixtures/state_dict.py`) loads here; what is written here is read again.
//! That PyTorch reads ours: `LATHE_STATE_DICT=FILE cargo test -p lathe-lab --test state_dict`, then `state_dict.py FILE`.

use dfdx::prelude::Cpu;
use lab::{
    Error,
    nn::{self, BatchNorm1d, Linear, Relu, Sequential},
    parameters,
    rng::Init,
    state_dict::{self, Names},
};

type Net = Sequential<(Linear<3, 4>, BatchNorm1d<4>, Relu, Linear<4, 2>)>;

fn fixture() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state_dict.safetensors")
}

fn net() -> Net {
    nn::build(&Cpu::default(), 1, Init::Pytorch).expect("a network")
}

/// Each tensor holds cos(1.7 i + k), k its number, as the script wrote it.
fn check(net: &Net) {
    let mut k = 0.0;
    parameters::visit(net, |tensor| {
        for (i, x) in tensor.read()?.iter().enumerate() {
            assert!((f64::from(*x) - (1.7 * i as f64 + k).cos()).abs() < 1e-6, "{} [{i}]", tensor.name);
        }
        k += 1.0;
        Ok::<_, Error>(())
    })
    .expect("values");
    assert_eq!(k, 8.0);
}

#[test]
fn pytorchs_file_loads_and_ours_is_the_same() {
    let mut first = net();
    assert_eq!(state_dict::load(&mut first, fixture(), Names::Same).expect("PyTorch's file"), Default::default());
    check(&first);
    let folder = tempfile::tempdir().expect("a folder");
    let path = std::env::var_os("LATHE_STATE_DICT").map_or(folder.path().join("own.safetensors"), Into::into);
    state_dict::save(&first, &path).expect("written");
    let mut second = net();
    state_dict::load(&mut second, &path, Names::Same).expect("our file");
    check(&second);
}

#[test]
fn differences_are_named_and_change_nothing() {
    let mut other: Sequential<(Linear<3, 4>, BatchNorm1d<4>)> =
        nn::build(&Cpu::default(), 1, Init::Pytorch).expect("a network");
    let before = other.0.0.weight.as_vec();
    let error = state_dict::load(&mut other, fixture(), Names::Same).expect_err("too many tensors").to_string();
    assert!(error.contains("the model has no 3.bias, 3.weight"), "{error}");
    assert_eq!(other.0.0.weight.as_vec(), before);
    let found = state_dict::load(&mut other, fixture(), Names::Common).expect("what both have");
    assert_eq!((found.unexpected.len(), found.missing.len()), (2, 0));
    assert_ne!(other.0.0.weight.as_vec(), before);

    let mut more: Sequential<(Linear<3, 4>, Relu, Linear<4, 2>)> =
        nn::build(&Cpu::default(), 1, Init::Pytorch).expect("a network");
    let error = state_dict::load(&mut more, fixture(), Names::Same).expect_err("other names").to_string();
    assert!(error.contains("it lacks 2.weight, 2.bias"), "{error}");

    let mut wide: Sequential<(Linear<3, 5>,)> = nn::build(&Cpu::default(), 1, Init::Pytorch).expect("a network");
    let error = state_dict::load(&mut wide, fixture(), Names::Common).expect_err("another width").to_string();
    assert!(error.contains("0.weight has shape [4, 3], [5, 3] was expected"), "{error}");

    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.safetensors");
    std::fs::write(&broken, b"not a file of tensors").expect("written");
    assert!(matches!(state_dict::load(&mut wide, &broken, Names::Same), Err(Error::Checkpoint { .. })));
    assert!(matches!(state_dict::load(&mut wide, folder.path().join("none"), Names::Same), Err(Error::Io { .. })));
}
