//! An LSTM reads how long a tool will still cut from thirty noisy measurements.
//!
//! `cargo run -p lathe-lab --example lstm` prints, after a few seconds, something like
//! `RMSE in hours: LSTM 6.4, last value 16.1, mean 24.6`.

use lab::{
    Column, Event, Result, Watcher, Windows, column,
    metrics::rmse,
    models::lstm::{LstmConfig, LstmRegressor},
    rng, windows,
};
use rand::Rng;

/// Steps of a window, one an hour.
const WINDOW: usize = 30;

/// One line an epoch, with its time.
struct Lines(std::time::Instant);

impl Watcher for Lines {
    fn on(&mut self, event: &Event<'_>) {
        if let Event::Scalar { series: "loss", step, value } = event
            && step.fract() == 0.0
        {
            println!("epoch {step:2}: loss {value:.5} after {:.1} s", self.0.elapsed().as_secs_f64());
        }
    }
}

/// Wear grows at a rate that differs from tool to tool until it reaches 1; the current shows wear, load and noise. Targets: hours left.
fn tools(n: usize, seed: u64) -> Result<(Windows<WINDOW, 2>, Column)> {
    let mut rng = rng::keyed(seed, "tools", 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let rate = rng.gen_range(0.006..0.02f32);
        let end = rng.gen_range(0.2..1.0f32).max(rate * WINDOW as f32);
        for t in 0..WINDOW {
            let wear = end - rate * (WINDOW - 1 - t) as f32;
            let load: f32 = rng.gen_range(-1.0..1.0);
            x.extend([3.0 * (wear - 0.5) + 0.5 * load + rng.gen_range(-0.3..0.3), load]);
        }
        y.push((1.0 - end) / rate);
    }
    Ok((windows(x)?, column(y)?))
}

fn main() -> Result<()> {
    let ((x, y), (test, truth)) = (tools(4_000, 1)?, tools(1_000, 2)?);
    let mut model = LstmRegressor::<WINDOW, 2, 32>::new(LstmConfig { epochs: 15, ..LstmConfig::default() })?;
    model.fit(&x, &y, &mut Lines(std::time::Instant::now()))?;

    let (y, truth) = (y.as_vec(), truth.as_vec());
    let mean = y.iter().sum::<f32>() / y.len() as f32;
    // A straight line through (last current, hours left), fitted by least squares on the training windows.
    let last = |x: &Windows<WINDOW, 2>| x.as_vec().chunks(2 * WINDOW).map(|w| w[2 * WINDOW - 2]).collect::<Vec<_>>();
    let (inputs, centre) = (last(&x), last(&x).iter().sum::<f32>() / y.len() as f32);
    let (above, below) = inputs
        .iter()
        .zip(&y)
        .fold((0.0, 0.0), |(a, b), (x, y)| (a + (x - centre) * (y - mean), b + (x - centre).powi(2)));
    let line: Vec<f32> = last(&test).iter().map(|x| mean + above / below * (x - centre)).collect();
    println!(
        "RMSE in hours: LSTM {:.1}, last value {:.1}, mean {:.1}",
        rmse(&model.predict(&test)?, &truth)?,
        rmse(&line, &truth)?,
        rmse(&vec![mean; truth.len()], &truth)?
    );
    Ok(())
}
