//! What a cell can write with nothing but the prelude in scope.

use lathe_prelude::prelude::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn frames_without_imports() -> Tested {
    let frame = df!["machine" => ["A", "B", "A"], "hours" => [1.0, 2.0, 4.0]]?;
    let sums = frame
        .clone()
        .lazy()
        .filter(col("hours").gt(lit(0.5)))
        .group_by([col("machine")])
        .agg([col("hours").sum().alias("total"), len().alias("n")])
        .sort(["machine"], SortMultipleOptions::default())
        .collect()?;
    assert_eq!(sums.column("total")?.f64()?.get(0), Some(5.0));
    let series: Series = Series::new("x".into(), [1, 2, 3]);
    assert_eq!(series.len(), 3);
    bars(&sums, "machine", "total")?.title("Hours").evcxr_display();
    sums.evcxr_display();
    let _: Vec<Column> = frame.columns().to_vec();
    Ok(())
}

#[test]
fn polars_prelude_can_still_be_imported() -> Tested {
    use polars::prelude::*;
    let frame = df!["a" => [1, 2]]?;
    assert_eq!(frame.height(), 2);
    let _ = DataType::Int32;
    lines(&frame, "a", "a")?.show();
    Ok(())
}

#[test]
fn a_dfdx_network_trains_without_imports() -> Tested {
    type Net = (Linear<2, 8>, Tanh, Linear<8, 1>);
    let dev = Cpu::default();
    let mut net = dev.build_module::<Net, f32>();
    let x: Tensor<Rank2<4, 2>, f32, _> = dev.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let y: Tensor<Rank2<4, 1>, f32, _> = dev.tensor([[0.0], [1.0], [1.0], [2.0]]);
    let mut adam = Adam::new(&net, AdamConfig { lr: 0.05, ..AdamConfig::default() });
    let mut grads = net.alloc_grads();
    let mut watcher = live("sum");
    watcher.on(&Event::Started { task: "fit", total: Some(200), unit: "step" });
    let mut losses = Vec::new();
    for step in progress(0..200_u32) {
        let loss = mse_loss(net.forward_mut(x.trace(grads)), y.clone());
        losses.push(loss.array());
        watcher.on(&Event::Scalar { series: "loss", step: f64::from(step), value: f64::from(loss.array()) });
        grads = loss.backward();
        adam.update(&mut net, &grads)?;
        net.zero_grads(&mut grads);
    }
    watcher.on(&Event::Finished);
    assert!(losses[199] < 0.3 * losses[0], "{} {}", losses[0], losses[199]);
    let prediction = net.forward(x);
    show(&prediction);
    prediction.evcxr_display();
    Ok(())
}

#[test]
fn the_lab_and_the_plant_are_in_scope() -> Tested {
    let plant = Plant::simulate(&PlantConfig { days: quick(3, 2), ..PlantConfig::default() })?;
    plant.observed().sensors()?.evcxr_display();
    let normal: Rows<3> = rows((0..90).map(|i| (i as f32 * 0.7).sin()).collect())?;
    let mut vae = DenseVae::<3, 8, 2>::new(VaeConfig { epochs: 2, batch: 10, ..VaeConfig::default() })?;
    vae.fit(&normal, &mut live("VAE"))?;
    let noise: f64 = ChaCha8Rng::seed_from_u64(1).sample(StandardNormal);
    assert!(noise.is_finite() && auroc(&[0.1, 0.9], &[false, true])? == 1.0);
    Ok(())
}

#[test]
fn display_is_a_function_and_a_module() -> Tested {
    let frame = df!["t" => [1, 2], "loss" => [0.5, 0.25]]?;
    display(&frame);
    display(lines(&frame, "t", "loss")?.event(1.5, "stop"));
    display(markdown("**done**"));
    assert!(display::place() == display::place(), "the module is in scope too");
    let handle = display_live(text("0"));
    handle.update(text("1"));
    Ok(())
}
