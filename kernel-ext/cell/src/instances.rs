//! Code as cells write it; nobody calls it.
//!
//! What a cell uses of generic libraries the compiler translates again in every cell, unless a library that it links
//! holds the same instance already: `Vec<i64>` into a frame's column, how a frame is put into the store of variables,
//! the graph behind `backward()`. The kernel compiles this crate at a level at which rustc exports such instances, and
//! cells below level 2 then take them from here. A frame or a figure needs half the time, a model without its sizes
//! two thirds.

use crate::display::cell::store::VariableStore;
use crate::prelude::*;

/// How a cell ends early.
type Failure = Box<dyn std::error::Error>;

fn stored<T: 'static>(store: &mut VariableStore, value: T) {
    if store.check_variable::<T>("x") {
        let old: T = store.take_variable::<T>("x");
        drop(old);
        store.put_variable::<T>("x", value);
    }
}

/// Variables that most notebooks have.
pub fn variables(store: &mut VariableStore) {
    stored(store, DataFrame::default());
    stored(store, Cpu::default());
    stored(store, Vec::<f32>::new());
    stored(store, Vec::<f64>::new());
    stored(store, Vec::<i32>::new());
    stored(store, Vec::<i64>::new());
    stored(store, Vec::<usize>::new());
    stored(store, Vec::<String>::new());
    stored(store, String::new());
    stored(store, 0_i32);
    stored(store, 0_i64);
    stored(store, 0_u64);
    stored(store, 0_usize);
    stored(store, 0_f32);
    stored(store, 0_f64);
    stored(store, true);
    stored(store, std::time::Instant::now());
}

/// Frames, figures and values as results.
///
/// # Errors
/// None that anybody sees.
pub fn shown() -> Result<(), Failure> {
    let arrays = df!(
        "i64" => [1_i64, 2], "f64" => [0.5, 0.25], "text" => ["x", "y"], "i32" => [1, 2], "f32" => [1.0_f32, 2.0]
    )?;
    let vectors = df!(
        "i64" => (0..100_i64).collect::<Vec<_>>(), "f64" => vec![1.5_f64; 100], "i32" => vec![1_i32],
        "f32" => vec![1.0_f32], "text" => vec!["a"], "owned" => vec![String::new()]
    )?;
    arrays.evcxr_display();
    lines(&vectors, "t", ["x"])?.title("sine").evcxr_display();
    lines(&vectors, "t", "x")?.evcxr_display();
    vectors.evcxr_display();
    let sines = (0..200).map(|i| (f64::from(i) / 20.0).sin()).collect::<Vec<f64>>();
    println!("{sines:?} {}", sines.len());
    0_i32.evcxr_display();
    0_i64.evcxr_display();
    0_usize.evcxr_display();
    0_f32.evcxr_display();
    0_f64.evcxr_display();
    true.evcxr_display();
    "text".evcxr_display();
    String::new().evcxr_display();
    sines.evcxr_display();
    Ok(())
}

/// A model and its training; what does not depend on its sizes is the same for all models.
///
/// # Errors
/// None that anybody sees.
pub fn trained(store: &mut VariableStore) -> Result<(), Failure> {
    type Net = (Linear<3, 5>, ReLU, Linear<5, 5>, ReLU, Linear<5, 2>);
    let dev = Cpu::default();
    let mut model = dev.build_module::<Net, f32>();
    let mut optimiser: Adam<_, f32, Cpu> = Adam::new(&model, AdamConfig::default());
    let x: Tensor<Rank2<7, 3>, f32, Cpu> = dev.sample_normal();
    let y: Tensor<Rank2<7, 2>, f32, Cpu> = dev.sample_normal();
    let mut grads = model.alloc_grads();
    for _ in 0..20 {
        let loss = mse_loss(model.forward(x.clone().traced(grads)), y.clone());
        println!("{}", loss.array());
        grads = loss.backward();
        optimiser.update(&mut model, &grads)?;
        model.zero_grads(&mut grads);
    }
    drop(grads);
    store.put_variable("x", x);
    store.put_variable("model", model);
    store.put_variable("optimiser", optimiser);
    Ok(())
}
