//! Our training steps beside PyTorch's, alternately in one run.
//!
//! ```text
//! cargo bench -p lathe-lab --bench vs_pytorch --profile dev -- [--only NAME,..] [--rounds 5] [--scaling] [--infer] [--memory]
//! ```
//!
//! `LATHE_TORCH_PYTHON` names a Python that has PyTorch 2.15 (default `python3`); without one only our times are printed.
//! Each round measures a few steps of one side, then of the other; a row gives the median over all steps. Ratios are PyTorch's
//! time divided by ours, so more is better; `tuned` is PyTorch with channels_last, fused Adam and, in a GAN's generator step, a
//! frozen discriminator.

mod models;
mod peer;
mod recurrent;

use std::time::{Duration, Instant};

use models::{Model, Task, What};
use peer::Peer;

/// What issue 4 asks of the training step: (model, batch, PyTorch's time / ours).
const TARGETS: [(&str, usize, f64); 10] = [
    ("mlp", 128, 2.5),
    ("dense_vae", 128, 2.5),
    ("conv_vae", 256, 2.2),
    ("dcgan28_k4", 128, 2.0),
    ("dcgan28_k5", 128, 2.0),
    ("dcgan16", 128, 2.0),
    ("lstm", 128, 1.8),
    ("lstm_2x100", 128, 2.0),
    ("gru", 128, 3.0),
    ("encoder", 32, 2.0),
];

/// Threads of both sides.
const THREADS: usize = 2;

struct Options {
    only: Vec<String>,
    rounds: usize,
    scaling: bool,
    infer: bool,
    memory: bool,
}

fn options() -> Options {
    let mut options = Options { only: Vec::new(), rounds: 5, scaling: false, infer: false, memory: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--only" => options.only = arguments.next().unwrap_or_default().split(',').map(str::to_owned).collect(),
            "--rounds" => options.rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(options.rounds),
            "--scaling" => options.scaling = true,
            "--infer" => options.infer = true,
            "--memory" => options.memory = true,
            // What cargo adds.
            "--bench" => {}
            other => eprintln!("vs_pytorch: {other} is not an option (see the head of main.rs)"),
        }
    }
    options
}

fn main() {
    // One model alone in this process: how much memory it takes.
    if let Some(name) = std::env::var_os("LATHE_BENCH_ALONE") {
        return alone(&name.to_string_lossy());
    }
    let options = options();
    let chosen = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let mut peer = Peer::start();
    match peer.as_mut().and_then(|peer| peer.version()) {
        Some(version) => println!("PyTorch {version}, {THREADS} threads each"),
        None => println!("no PyTorch (LATHE_TORCH_PYTHON names a Python that has it): only our times"),
    }
    println!("{}", ceiling());
    println!("load of the machine before: {}", load());
    println!();
    println!("training step, ms{:>26} {:>9} {:>9} {:>7} {:>7}", "ours", "PyTorch", "tuned", "ratio", "tuned");
    for (name, batch, target) in TARGETS.into_iter().filter(|(name, ..)| chosen(name)) {
        let task = Task { batch, ..Task::new(name) };
        let Some(row) = measure(&task, peer.as_mut(), options.rounds) else { continue };
        let verdict = match row.ratio() {
            Some(ratio) if ratio >= target => format!("ok (>= {target})"),
            Some(_) => format!("MISS (>= {target})"),
            None => String::new(),
        };
        println!("{row} {verdict}");
    }
    if options.infer {
        println!("\ninference, ms{:>30} {:>9} {:>9} {:>7} {:>7}", "ours", "PyTorch", "tuned", "ratio", "tuned");
        for (name, ..) in TARGETS.into_iter().filter(|(name, ..)| chosen(name)) {
            for batch in [1, 128] {
                let task = Task { batch, what: What::Infer, ..Task::new(name) };
                if let Some(row) = measure(&task, peer.as_mut(), options.rounds) {
                    println!("{row}");
                }
            }
        }
    }
    if options.scaling {
        scaling(&chosen, peer.as_mut(), options.rounds);
    }
    if options.memory {
        memory(&chosen);
    }
    println!("\nload of the machine after: {}", load());
}

/// How the cost grows with batch, width, length and threads.
fn scaling(chosen: &dyn Fn(&str) -> bool, mut peer: Option<&mut Peer>, rounds: usize) {
    println!(
        "\nscaling of the training step, ms{:>12} {:>9} {:>9} {:>7} {:>7}",
        "ours", "PyTorch", "tuned", "ratio", "tuned"
    );
    let mut tasks = Vec::new();
    for batch in [16, 64, 256, 512] {
        tasks.push(Task { batch, ..Task::new("mlp") });
        tasks.push(Task { batch, ..Task::new("lstm") });
        tasks.push(Task { batch, ..Task::new("dcgan16") });
    }
    tasks.extend([128, 256, 1024, 2048].map(|width| Task { width, ..Task::new("mlp") }));
    tasks.extend([10, 60, 120].map(|length| Task { length, ..Task::new("lstm") }));
    tasks.extend([16, 128].map(|length| Task { batch: 32, length, ..Task::new("encoder") }));
    for threads in [1, 2, 4] {
        tasks.extend(["mlp", "lstm", "dcgan16"].map(|name| Task { threads, ..Task::new(name) }));
    }
    for task in tasks.iter().filter(|task| chosen(task.name)) {
        if let Some(row) = measure(task, peer.as_deref_mut(), rounds.min(3)) {
            println!("{row}");
        }
    }
}

/// Largest memory of a process that trains one model.
fn memory(chosen: &dyn Fn(&str) -> bool) {
    println!("\nlargest memory of a process that trains only this model, MB{:>12} {:>9}", "ours", "PyTorch");
    for (name, batch, _) in TARGETS.into_iter().filter(|(name, ..)| chosen(name)) {
        let ours = std::env::current_exe().ok().and_then(|program| {
            let out = std::process::Command::new(program).env("LATHE_BENCH_ALONE", format!("{name},{batch}")).output();
            String::from_utf8(out.ok()?.stdout).ok()?.trim().parse::<f64>().ok()
        });
        let theirs = Peer::start().and_then(|mut peer| {
            peer.steps(&Task { batch, ..Task::new(name) }, false, 5)?;
            Some(peer.peak_kb() / 1024.0)
        });
        let text = |mb: Option<f64>| mb.map_or_else(|| String::from("-"), |mb| format!("{mb:.0}"));
        println!("{name:<24} {:>6} {:>40} {:>9}", batch, text(ours), text(theirs));
    }
}

fn alone(task: &str) {
    let (name, batch) = task.split_once(',').unwrap_or((task, "128"));
    let task = Task { batch: batch.parse().unwrap_or(128), ..Task::new(models::known(name).unwrap_or("mlp")) };
    if let Some(mut model) = Model::new(&task) {
        (0..8).for_each(|_| model.step());
        println!("{:.1}", peer::own_peak_kb() / 1024.0);
    }
}

/// Times of one task.
struct Row {
    label: String,
    ours: f64,
    usual: Option<f64>,
    tuned: Option<f64>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        Some(self.usual? / self.ours)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |x: Option<f64>| x.map_or_else(|| String::from("-"), |x| format!("{x:.2}"));
        write!(
            f,
            "{:<32} {:>11.3} {:>9} {:>9} {:>7} {:>7}",
            self.label,
            self.ours,
            text(self.usual),
            text(self.tuned),
            text(self.ratio()),
            text(self.tuned.map(|tuned| tuned / self.ours)),
        )
    }
}

fn measure(task: &Task, mut peer: Option<&mut Peer>, rounds: usize) -> Option<Row> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(task.threads).build().ok()?;
    let mut model = Model::new(task)?;
    let (mut ours, mut usual, mut tuned) = (Vec::new(), Vec::new(), Vec::new());
    let once = |model: &mut Model| {
        let start = Instant::now();
        pool.install(|| model.step());
        start.elapsed()
    };
    for _ in 0..3 {
        once(&mut model);
    }
    // Steps of a round: a quarter of a second, but not fewer than three.
    let single = once(&mut model).max(Duration::from_micros(20));
    let steps = (0.25 / single.as_secs_f64()).clamp(3.0, 400.0) as usize;
    for _ in 0..rounds {
        for _ in 0..steps {
            ours.push(once(&mut model).as_secs_f64() * 1e3);
        }
        if let Some(peer) = peer.as_deref_mut() {
            usual.extend(peer.steps(task, false, steps.div_ceil(2)).into_iter().flatten());
            tuned.extend(peer.steps(task, true, steps.div_ceil(2)).into_iter().flatten());
        }
    }
    Some(Row { label: task.label(), ours: median(ours)?, usual: median(usual), tuned: median(tuned) })
}

fn median(mut x: Vec<f64>) -> Option<f64> {
    x.sort_by(f64::total_cmp);
    x.get(x.len() / 2).copied()
}

/// The matrix product's speed with everything in the cache: no layer can be faster.
fn ceiling() -> String {
    use lathe_kernels::brgemm::{Finish, Left, Right, Seg, Shape, packed_len, product};
    let (m, n, k) = (96, 128, 256);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok()?;
        let flops = pool.broadcast(|_| {
            let (a, b) = (vec![0.5_f32; m * k], vec![0.5_f32; packed_len(k, n)]);
            let mut c = vec![0.0_f32; m * n];
            let (start, mut calls) = (Instant::now(), 0);
            while start.elapsed() < Duration::from_millis(300) {
                let left = Left { data: &a, row: k, column: 1 };
                let right = Right::Panels { data: &b, panel: packed_len(k, 1) };
                let shape = Shape { m, n, k, ldc: n };
                product(shape, &[Seg { a: 0, b: 0 }], left, right, &mut c, Finish::set());
                calls += 1;
            }
            (2 * m * n * k * calls) as f64 / start.elapsed().as_secs_f64() / 1e9
        });
        Some(flops.iter().sum::<f64>())
    };
    let text = |gf: Option<f64>| gf.map_or_else(|| String::from("?"), |gf| format!("{gf:.0}"));
    format!("matrix product in the cache: {} GF/s on one thread, {} on {THREADS}", text(run(1)), text(run(THREADS)))
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .map_or_else(|_| String::from("unknown"), |text| text.split_whitespace().take(1).collect::<Vec<_>>().join(" "))
}
