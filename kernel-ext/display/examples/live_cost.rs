//! What watching costs a training: the same steps with `Silent` and with `live`, in turns, in one run.
//!
//! `LATHE_FRAME_NONCE=x cargo run -p lathe-display --example live_cost > /dev/null` (as under our kernel, frames thrown away).
//! CPU time of the training's thread is compared, so that a busy machine does not blur it.

use std::hint::black_box;

use lathe_events::{Event, Image, Silent, Watcher};

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and the struct is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Something like a small training step: about a third of a millisecond of arithmetic.
fn step(weights: &mut [f32], seed: u32) -> f32 {
    let mut sum = 0.0;
    for round in 0..12_u32 {
        for (i, w) in weights.iter_mut().enumerate() {
            *w += 1e-3 * ((seed + round) as f32 - *w * (i as f32).sqrt()).tanh();
            sum += *w * *w;
        }
    }
    black_box(sum)
}

/// CPU seconds of a training of `epochs` epochs of 100 steps, with four curves and a picture grid.
fn train(watcher: &mut impl Watcher, epochs: u32) -> f64 {
    let mut weights = vec![0.1_f32; 2000];
    let pixels: Vec<f32> = (0..784).map(|i| (i % 28) as f32 / 28.0).collect();
    let images = [Image { width: 28, height: 28, channels: 1, pixels: &pixels }; 16];
    let begin = cpu();
    watcher.on(&Event::Started { task: "fit", total: Some(u64::from(epochs)), unit: "epoch" });
    for epoch in 0..epochs {
        for i in 0..100 {
            let loss = f64::from(step(&mut weights, i));
            let at = f64::from(epoch) + f64::from(i) / 100.0;
            watcher.on(&Event::Scalar { series: "loss", step: at, value: loss });
        }
        for series in ["val", "kl", "rebuild"] {
            watcher.on(&Event::Scalar { series, step: f64::from(epoch + 1), value: 1.0 / f64::from(epoch + 1) });
        }
        watcher.on(&Event::Images { name: "drawn", images: &images });
        watcher.on(&Event::Progress { done: u64::from(epoch) + 1 });
    }
    watcher.on(&Event::Finished);
    cpu() - begin
}

fn main() {
    const EPOCHS: u32 = 120;
    train(&mut Silent, 5);
    let (mut silent, mut watched) = (Vec::new(), Vec::new());
    for round in 0..5 {
        silent.push(train(&mut Silent, EPOCHS));
        watched.push(train(&mut display::live(format!("round {round}")), EPOCHS));
    }
    for times in [&mut silent, &mut watched] {
        times.sort_by(f64::total_cmp);
    }
    let (without, with) = (silent[2], watched[2]);
    eprintln!(
        "{EPOCHS} epochs of 100 steps, median of 5: {without:.2} s without, {with:.2} s with live curves and pictures: {:+.1} %",
        100.0 * (with / without - 1.0)
    );
}
