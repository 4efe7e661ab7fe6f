//! `lathe-data`: the plant's data as files.

use clap::{Parser, Subcommand, ValueEnum};
use data::plant::{Plant, PlantConfig};
use data::write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Data of Lathe's simulated electronics plant.
#[derive(Parser)]
#[command(name = "lathe-data", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate the plant and write sensors, log book and hidden truth, a file each
    Plant {
        /// Which plant: the same seed gives the same files everywhere
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Days to simulate, from Monday 2024-01-01
        #[arg(long, default_value_t = 365)]
        days: u32,
        /// Number of presses
        #[arg(long, default_value_t = 3)]
        machines: usize,
        /// Folder to write to (made if absent)
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// File format
        #[arg(long, value_enum, default_value_t = Format::Parquet)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Parquet,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lathe-data: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let Command::Plant { seed, days, machines, out, format } = command;
    let plant = Plant::simulate(&PlantConfig { seed, days, machines, ..PlantConfig::default() })?;
    std::fs::create_dir_all(&out).map_err(|e| format!("could not make the folder {}: {e}", out.display()))?;
    let (observed, truth) = (plant.observed(), plant.truth());
    let frames = [
        ("sensors", observed.sensors()?),
        ("log", observed.log_frame()?),
        ("truth_hourly", truth.frame()?),
        ("truth_failures", truth.failures_frame()?),
        ("truth_sensor_faults", truth.sensor_faults_frame()?),
    ];
    for (name, frame) in &frames {
        let path = match format {
            Format::Csv => out.join(format!("{name}.csv")),
            Format::Parquet => out.join(format!("{name}.parquet")),
        };
        match format {
            Format::Csv => write::csv(frame, &path)?,
            Format::Parquet => write::parquet(frame, &path)?,
        }
        println!("{:>9} rows  {}", frame.height(), path.display());
    }
    Ok(())
}
