//! Library calls and a learner's own loops, timed: the same text is a program and a cell.

// cells: from here
use lathe::prelude::*;

/// polars: group and aggregate two million rows.
fn library_polars() -> f64 {
    let rows = 2_000_000i64;
    let keys: Vec<i64> = (0..rows).map(|i| (i * 7919) % 1000).collect();
    let values: Vec<f64> = (0..rows).map(|i| (i % 1013) as f64).collect();
    let frame = df!("k" => keys, "v" => values).unwrap();
    let clock = std::time::Instant::now();
    let mut found = 0;
    for _ in 0..5 {
        let means = frame.clone().lazy().group_by([col("k")]).agg([col("v").mean(), col("v").std(1).alias("s")]);
        found += means.collect().unwrap().height();
    }
    assert_eq!(found, 5000);
    clock.elapsed().as_secs_f64()
}

/// lab: train an autoencoder.
fn library_lab() -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let images: Vec<f32> = (0..1024 * 144).map(|_| random.r#gen()).collect();
    let data = rows::<144>(images).unwrap();
    let mut vae = DenseVae::<144, 64, 8>::new(VaeConfig { epochs: 400, ..VaeConfig::default() }).unwrap();
    let clock = std::time::Instant::now();
    vae.fit(&data, &mut Silent).unwrap();
    clock.elapsed().as_secs_f64()
}

/// A learner's loop over floats: heat in a rod.
fn own_floats() -> f64 {
    let clock = std::time::Instant::now();
    let mut rod = vec![0.0f64; 2000];
    rod[1000] = 1000.0;
    for _ in 0..200_000 {
        let mut next = rod.clone();
        for i in 1..rod.len() - 1 {
            next[i] = rod[i] + 0.25 * (rod[i - 1] - 2.0 * rod[i] + rod[i + 1]);
        }
        rod = next;
    }
    assert!(rod.iter().sum::<f64>() > 0.0);
    clock.elapsed().as_secs_f64()
}

/// A learner's loop over integers: longest Collatz chain.
fn own_integers() -> f64 {
    let clock = std::time::Instant::now();
    let mut best = (0u64, 0u64);
    for start in 1..1_000_000u64 {
        let (mut n, mut length) = (start, 0u64);
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            length += 1;
        }
        if length > best.1 {
            best = (start, length);
        }
    }
    assert_eq!(best, (837_799, 524));
    clock.elapsed().as_secs_f64()
}

fn all() -> String {
    let runs = [
        ("library: polars group_by", library_polars()),
        ("library: lab, fit of a VAE", library_lab()),
        ("own loop over floats", own_floats()),
        ("own loop over integers", own_integers()),
    ];
    let parts: Vec<String> = runs.iter().map(|(name, seconds)| format!("\"{name}\": {seconds}")).collect();
    format!("{{{}}}", parts.join(", "))
}
// cells: to here

fn main() {
    println!("{}", all());
}
