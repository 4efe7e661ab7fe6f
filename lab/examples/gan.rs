//! A GAN learns to draw rings of all sizes.
//!
//! `cargo run -p lathe-lab --example gan` shows, every ten epochs, three pictures drawn from the same noise: clouds at first, rings
//! with a dark middle after about 20 epochs (some three seconds).

use lab::{
    Event, Image, Result, Rows, Watcher,
    models::gan::{DenseGan, GanConfig, to_signed},
    rng, rows,
};
use rand::Rng;

const SIDE: usize = 16;

/// Draws the first pictures in the terminal.
#[derive(Default)]
struct Terminal {
    epoch: usize,
}

impl Watcher for Terminal {
    fn on(&mut self, event: &Event<'_>) {
        if let Event::Images { images, .. } = event {
            self.epoch += 1;
            if self.epoch == 1 || self.epoch.is_multiple_of(10) {
                println!("epoch {}:\n{}", self.epoch, text(&images[..3]));
            }
        }
    }
}

fn text(images: &[Image<'_>]) -> String {
    let shade = |p: f32| b" .:-=+*#%@"[(p * 9.99) as usize % 10] as char;
    let line = |y: usize| {
        let row = |image: &Image<'_>| {
            image.pixels[y * SIDE..(y + 1) * SIDE].iter().flat_map(|p| [shade(*p); 2]).collect::<String>()
        };
        images.iter().map(row).collect::<Vec<_>>().join("   ")
    };
    (0..SIDE).map(line).collect::<Vec<_>>().join("\n")
}

/// Rings of random size and place, in [0, 1].
fn rings(n: usize) -> Result<Rows<{ SIDE * SIDE }>> {
    let mut rng = rng::keyed(1, "rings", 0);
    let mut values = Vec::with_capacity(n * SIDE * SIDE);
    for _ in 0..n {
        let (x0, y0) = (rng.gen_range(6.5..8.5f32), rng.gen_range(6.5..8.5f32));
        let radius = rng.gen_range(3.0..6.0f32);
        for i in 0..SIDE * SIDE {
            let distance = ((i % SIDE) as f32 - x0).hypot((i / SIDE) as f32 - y0);
            values.push((1.2 - (distance - radius).abs() * 0.8).clamp(0.0, 1.0));
        }
    }
    rows(values)
}

fn main() -> Result<()> {
    let mut gan = DenseGan::<16, 128, { SIDE * SIDE }>::new(GanConfig { epochs: 30, ..GanConfig::default() })?;
    let history = gan.fit(&to_signed(&rings(2_000)?)?, &mut Terminal::default())?;
    println!(
        "D takes {:.0} % of the real and {:.0} % of the drawn pictures for what they are (50 % each: it cannot tell).",
        100.0 * history.last("d_real_accuracy"),
        100.0 * history.last("d_fake_accuracy")
    );
    Ok(())
}
