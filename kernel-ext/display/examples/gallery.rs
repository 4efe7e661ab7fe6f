//! Draws every kind of figure into a folder: `cargo run -p lathe-display --example gallery -- target/gallery`.

use std::f64::consts::TAU;

use display::{Figure, Picture, Table};
use lathe_events::{Event, Watcher};
use polars::prelude::{DataFrame, DataType, IntoColumn as _, NamedFrom as _, Series, TimeUnit, df};

/// A repeatable wiggle in `[-1, 1]`.
fn noise(i: usize) -> f64 {
    let x = ((i as f64 * 12.9898).sin() * 43_758.547).fract();
    2.0 * x.abs() - 1.0
}

fn curves(n: usize) -> Result<DataFrame, Box<dyn std::error::Error>> {
    let epochs: Vec<f64> = (0..n).map(|i| i as f64 / 10.0).collect();
    let loss: Vec<f64> = (0..n).map(|i| 2.0 * (-(i as f64) / 60.0).exp() + 0.1 + 0.05 * noise(i)).collect();
    let val: Vec<Option<f64>> = (0..n)
        .map(|i| (!(80..110).contains(&i)).then(|| 2.1 * (-(i as f64) / 70.0).exp() + 0.2 + 0.02 * noise(i + 7)))
        .collect();
    Ok(df!["epoch" => epochs, "loss" => loss, "val" => val]?)
}

/// A year of minutes with a season, days, noise and a gap.
fn year() -> Result<DataFrame, Box<dyn std::error::Error>> {
    let minutes: Vec<i64> = (0..525_600).map(|m| 1_735_689_600_000 + m * 60_000).collect();
    let value = |m: usize| {
        let day = m as f64 / 1440.0;
        62.0 + 4.0 * (day / 365.0 * TAU).sin() + 2.0 * (day * TAU).sin() + 0.6 * noise(m)
    };
    let temperature: Vec<Option<f64>> = (0..525_600)
        .map(|m| {
            if (200_000..230_000).contains(&m) { None } else { Some(value(m) + if m == 400_123 { 25.0 } else { 0.0 }) }
        })
        .collect();
    let time = Series::new("time".into(), minutes).cast(&DataType::Datetime(TimeUnit::Milliseconds, None))?;
    let temperature = Series::new("temperature".into(), temperature);
    Ok(DataFrame::new(time.len(), vec![time.into_column(), temperature.into_column()])?)
}

fn joint(i: usize) -> Picture {
    let pixels: Vec<f32> = (0..28 * 28)
        .map(|p| {
            let (x, y) = ((p % 28) as f64 - 13.5, (p / 28) as f64 - 13.5);
            let r = x.hypot(y) / (8.0 + 3.0 * noise(i));
            ((1.4 - r).clamp(0.0, 1.0) + 0.08 * noise(p + i * 31)) as f32
        })
        .collect();
    Picture::grey(28, 28, &pixels)
}

fn figures() -> Result<Vec<(&'static str, Figure)>, Box<dyn std::error::Error>> {
    let curve = curves(400)?;
    let year = year()?;
    let day = 86_400.0;
    let t0 = 1_735_689_600.0;
    let groups = df!["machine" => ["press A", "press B", "press C"], "failures" => [7, 3, 5], "repairs" => [9, 4, 4]]?;
    let spread: Vec<f64> = (0..3000).map(|i| (0..6).map(|k| noise(i * 7 + k)).sum::<f64>()).collect();
    let shifted: Vec<f64> = spread.iter().take(1500).map(|v| v * 0.7 + 2.5).collect();
    let cloud = |n: usize, dx: f64, k: usize| -> Vec<[f64; 2]> {
        (0..n).map(|i| [dx + noise(i * 3 + k) + noise(i + 99 + k), noise(i * 5 + 1 + k) + noise(i * 2 + k)]).collect()
    };
    let (a, b, c) = (cloud(250, 0.0, 0), cloud(250, 2.2, 11), cloud(250, -2.2, 23));
    let wave: Vec<Vec<f64>> =
        (0..40).map(|r| (0..60).map(|c| (f64::from(r) / 6.0).sin() * (f64::from(c) / 9.0).cos()).collect()).collect();
    let small: Vec<Vec<f64>> = (0..5).map(|r| (0..6).map(|c| 10.0 + f64::from(r * 6 + c) * 1.7).collect()).collect();
    let joints: Vec<Picture> = (0..24).map(joint).collect();
    let names: Vec<String> = (0..24).map(|i| format!("joint {i}")).collect();
    let decay: Vec<f64> = (0..200).map(|i| 10f64.powf(-f64::from(i) / 40.0)).collect();
    let steps: Vec<f64> = (0..200).map(f64::from).collect();
    let fades: Vec<Vec<f64>> = (0..6)
        .map(|k| {
            (0..200).map(|i| (-f64::from(i) / (20.0 + 15.0 * k as f64)).exp() + 0.02 * noise(i as usize + k)).collect()
        })
        .collect();
    let seeds = |more: f64| -> Vec<Vec<f64>> {
        (0..5)
            .map(|s| {
                (0..200)
                    .map(|i| {
                        (-f64::from(i) / (40.0 + 8.0 * noise(s * 13 + 5))).exp()
                            + more * 0.3
                            + 0.05 * noise(i as usize * 5 + s)
                    })
                    .collect()
            })
            .collect()
    };
    let disc = |i: usize| -> Vec<bool> {
        (0..28 * 28).map(|p| ((p % 28) as f64 - 13.5).hypot((p / 28) as f64 - 13.5) < 6.0 + noise(i)).collect()
    };
    Ok(vec![
        (
            "lines",
            display::lines(&curve, "epoch", ["loss", "val"])?
                .title("Training loss falls, validation follows")
                .y_label("ELBO, nats"),
        ),
        (
            "year",
            display::lines(&year, "time", "temperature")?
                .title("Press A: a year of minutes")
                .y_label("temperature, °C")
                .x_label("")
                .events(&[t0 + 70.0 * day, t0 + 190.0 * day, t0 + 300.0 * day], "failure")
                .band(t0 + 95.0 * day, t0 + 120.0 * day, "maintenance window")
                .hline(80.0, "alarm limit"),
        ),
        ("day", display::lines(&year.slice(1440, 2000), "time", "temperature")?.title("A day and a half")),
        ("log", display::lines_xy(&steps, &[("gap", &decay)])?.log_y().x_label("step").title("Five decades")),
        (
            "scatter",
            display::scatter_groups(&[("normal", &a[..]), ("worn", &b[..]), ("leaking", &c[..])])?
                .title("Latent space")
                .x_label("z₁")
                .y_label("z₂"),
        ),
        (
            "histogram",
            display::histogram_xy(&[("normal", &spread[..]), ("before failure", &shifted[..])], None)?
                .title("Anomaly score")
                .x_label("score")
                .vline(3.2, "threshold"),
        ),
        ("histogram1", display::histogram_xy(&[("score", &spread[..])], Some(30))?),
        ("bars", display::bars(&groups, "machine", ["failures", "repairs"])?.title("Failures and repairs in a year")),
        (
            "bars1",
            display::bars_xy(&["calendar", "alarm-driven", "oracle", "run to failure"], &[412.5, 388.2, 301.0, -57.3])?
                .title("Cost per policy")
                .y_label("k€ a year"),
        ),
        ("heatmap", display::heatmap(&wave)?.title("A standing wave").x_label("column").y_label("row")),
        ("heatmap1", display::heatmap(&small)?.title("Small matrix")),
        (
            "confusion",
            display::confusion_matrix(&["good", "bridge", "void"], &[[480, 15, 5], [22, 210, 8], [9, 4, 97]])?
                .title("What the classifier saw"),
        ),
        ("grid", display::image_grid(&joints, 8)?.title("Solder joints").captions(&names).caption("epoch 12/40")),
        (
            "styles",
            display::lines_xy(
                &steps,
                &(0..6)
                    .map(|k| ["adam", "sgd", "momentum", "rmsprop", "lamb", "none"][k])
                    .zip(fades.iter().map(|f| &f[..]))
                    .collect::<Vec<_>>(),
            )?
            .title("Six series, told apart without colour")
            .y_label("loss"),
        ),
        (
            "short",
            display::lines_xy(
                &[1, 2, 5, 10, 20, 50],
                &[
                    ("VAE", &[0.91, 0.93, 0.94, 0.96, 0.965, 0.97][..]),
                    ("LSTM", &[0.85, 0.9, 0.92, 0.93, 0.93, 0.94][..]),
                ],
            )?
            .log_x()
            .title("AUROC by size")
            .x_label("hidden units"),
        ),
        (
            "runs",
            display::lines_runs(&steps, &[("VAE", &seeds(0.0)[..]), ("GAN", &seeds(0.5)[..])])?
                .title("Five seeds each")
                .x_label("step")
                .y_label("loss"),
        ),
        (
            "events",
            display::lines(&year, "time", "temperature")?
                .title("March and April")
                .x_label("")
                .x_range("2025-03-01", "2025-05-01")
                .event("2025-03-12", "failure")
                .event("2025-04-21 12:00", "failure")
                .event("2025-03-20", "oil change")
                .span("2025-04-06", "2025-04-10", "maintenance"),
        ),
        (
            "panels",
            display::figures([
                display::lines(&curve, "epoch", ["loss", "val"])?.title("Loss"),
                display::histogram_xy(&[("score", &spread[..])], None)?.title("Scores"),
                display::scatter_groups(&[("normal", &a[..]), ("worn", &b[..])])?.title("Latent space"),
                display::heatmap(&small)?.title("Weights"),
            ])?
            .title("One experiment, four views")
            .caption("seed 7"),
        ),
        (
            "masks",
            display::image_grid(
                joints[..10].iter().enumerate().map(|(i, p)| if i < 5 { p.clone() } else { p.with_mask(&disc(i)) }),
                5,
            )?
            .title("Where the model looks")
            .names(["picture", "with mask"])
            .scale_bar(0, 250, "µm of solder"),
        ),
        (
            "narrow",
            display::lines(&curve, "epoch", ["loss", "val"])?
                .size(260, 180)
                .title("A title that is much too long for this width"),
        ),
        (
            "plotters",
            display::plot(480, 300, "A sine drawn with plotters", |area| {
                use plotters::prelude::*;
                let mut chart = ChartBuilder::on(area)
                    .caption("plotters directly", ("sans-serif", 20))
                    .margin(12)
                    .x_label_area_size(30)
                    .y_label_area_size(40)
                    .build_cartesian_2d(0.0..6.3, -1.1..1.1)?;
                chart.configure_mesh().x_desc("x").y_desc("sin x").draw()?;
                chart
                    .draw_series(LineSeries::new(
                        (0..630).map(|i| f64::from(i) / 100.0).map(|x| (x, x.sin())),
                        BLUE.stroke_width(2),
                    ))?
                    .label("sin");
                chart.draw_series((0..7).map(|i| Circle::new((f64::from(i), f64::from(i).sin()), 5, RED.filled())))?;
                Ok(())
            })?,
        ),
    ])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| String::from("target/gallery")));
    std::fs::create_dir_all(&folder)?;
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><style>body{font:13px sans-serif}.d{background:#111;color:#eee}</style>\n",
    );
    for (name, figure) in figures()? {
        let start = std::time::Instant::now();
        let svg = figure.svg();
        let middle = std::time::Instant::now();
        let png = figure.png();
        let (fast, slow) = (middle - start, middle.elapsed());
        println!(
            "{name}: svg {fast:.1?} {} kB, png {slow:.1?} {} kB\n  {}",
            svg.len() / 1000,
            png.len() / 1000,
            figure.describe()
        );
        if display::place() == display::Place::Terminal {
            figure.show();
        }
        figure.save(folder.join(format!("{name}.png")))?;
        figure.save(folder.join(format!("{name}.svg")))?;
        page.push_str(&format!("<div class={}>{svg}</div>\n", if name.len() % 2 == 0 { "d" } else { "l" }));
    }
    let wild = df![
        "time" => ["2025-01-01", "2025-01-02", "a much longer text than any cell should show in a table, really", "<b>x</b>"],
        "pressure, bar" => [Some(6.25), None, Some(6.0), Some(1234.5)],
        "n" => [1, 20, 300, -4000],
        "ok" => [true, false, true, true],
        "tiny" => [1e-9, 2e-9, f64::NAN, 0.0],
    ]?;
    for table in [Table::new(&wild).caption("Wild"), Table::new(&year()?)] {
        println!("{}", table.text());
        page.push_str(&table.html());
    }
    std::fs::write(folder.join("all.html"), page)?;

    live(&joints());
    Ok(())
}

fn joints() -> Vec<Picture> {
    (0..16).map(joint).collect()
}

/// Two seconds of training; under a kernel every frame goes to standard output.
fn live(pictures: &[Picture]) {
    let begin = std::time::Instant::now();
    let mut inside = std::time::Duration::ZERO;
    let mut steps = 0_u32;
    let mut watcher = display::live("Dense VAE on sensor windows");
    watcher.on(&Event::Started { task: "fit", total: Some(40), unit: "epoch" });
    while begin.elapsed().as_secs_f64() < 2.0 {
        // A step of training takes a while.
        std::thread::sleep(std::time::Duration::from_micros(500));
        let start = std::time::Instant::now();
        let epoch = f64::from(steps) / 100.0;
        watcher.on(&Event::Scalar {
            series: "loss",
            step: epoch,
            value: (-epoch / 5.0).exp() + 0.1 * noise(steps as usize) + 0.3,
        });
        if steps % 100 == 99 {
            watcher.on(&Event::Scalar { series: "val", step: epoch, value: (-epoch / 5.5).exp() + 0.4 });
            watcher.on(&Event::Progress { done: u64::from(steps) / 100 + 1 });
            let images: Vec<_> = pictures
                .iter()
                .map(|p| lathe_events::Image { width: 28, height: 28, channels: 1, pixels: &p.pixels })
                .collect();
            watcher.on(&Event::Images { name: "drawn from fixed noise", images: &images });
        }
        inside += start.elapsed();
        steps += 1;
    }
    let share = 100.0 * inside.as_secs_f64() / begin.elapsed().as_secs_f64();
    eprintln!(
        "{steps} steps of training: {share:.2} % of the time went to the watcher, {:.1?} an event",
        inside / steps
    );
    watcher.on(&Event::Finished);
}
