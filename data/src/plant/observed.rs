//! What the plant sees of itself.

use super::config::PlantError;
use super::machine::{LogEntry, LogKind};
use super::outside::Product;
use super::sensors::Channel;
use super::{frame, machine_name};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

/// Minutes a press needs after a stop until its mould is warm and its readings mean something.
pub const STEADY_MINUTES: u32 = 180;

/// The mean readings of one machine in one hour.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HourlyReading {
    /// Hours since the start of the simulation.
    pub hour: u32,
    /// Machine, from 0.
    pub machine: usize,
    /// What it moulded.
    pub product: Product,
    /// Share of the hour it ran, 0 to 1.
    pub up: f32,
    /// True when it has run without a stop in this hour and the three before: only then do readings compare.
    pub steady: bool,
    /// Mean of the minutes that arrived, in the order of [`Channel::ALL`]; NaN when none did.
    pub values: [f32; 4],
}

impl PartialEq for HourlyReading {
    /// Bit by bit, so that two missing values are equal.
    fn eq(&self, other: &Self) -> bool {
        let key = |r: &Self| (r.hour, r.machine, r.product, r.up.to_bits(), r.steady, r.values.map(f32::to_bits));
        key(self) == key(other)
    }
}

/// Mean of the finite readings of each channel, NaN without any.
pub(crate) fn means(minutes: &[[f32; 4]]) -> [f32; 4] {
    core::array::from_fn(|c| {
        let (mut sum, mut n) = (0.0_f64, 0_u32);
        for minute in minutes {
            if minute[c].is_finite() {
                sum += f64::from(minute[c]);
                n += 1;
            }
        }
        if n == 0 { f32::NAN } else { (sum / f64::from(n)) as f32 }
    })
}

/// The record of one machine, a row a minute.
#[derive(Clone, Debug)]
pub struct MachineRecord {
    /// Readings in the order of [`Channel::ALL`]; NaN where a reading is missing.
    pub readings: Vec<[f32; 4]>,
    /// Minutes run in each hour, 0 to 60 from the start of the hour.
    pub up: Vec<u8>,
    /// Product of each hour.
    pub product: Vec<Product>,
}

impl MachineRecord {
    /// Whether the press ran in this minute (false outside the record).
    pub fn running(&self, minute: usize) -> bool {
        self.up.get(minute / 60).is_some_and(|&up| minute % 60 < usize::from(up))
    }
}

/// Everything the plant knows about its year: sensors and log book, and nothing of what is hidden.
///
/// A function that takes `&Observed` cannot look at the truth; there is no way from one to the other:
///
/// ```compile_fail,E0599
/// fn cheat(observed: &data::plant::Observed) -> usize {
///     observed.truth().failures().len()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Observed {
    pub(crate) machines: Vec<MachineRecord>,
    pub(crate) log: Vec<LogEntry>,
}

impl Observed {
    /// Number of machines.
    pub fn machines(&self) -> usize {
        self.machines.len()
    }

    /// Length of the record in minutes.
    pub fn minutes(&self) -> u32 {
        self.machines.first().map_or(0, |m| m.readings.len() as u32)
    }

    /// The record of one machine.
    ///
    /// # Errors
    /// [`PlantError::NoSuchMachine`].
    pub fn machine(&self, machine: usize) -> Result<&MachineRecord, PlantError> {
        self.machines.get(machine).ok_or(PlantError::NoSuchMachine { machine, machines: self.machines.len() })
    }

    /// The log book of all machines, oldest first.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// All minute readings as a frame, machine after machine: `time` (datetime, UTC), `machine` ("M1", ...), `running`,
    /// `product`, `temperature` (°C), `pressure` (bar), `vibration` (mm/s), `current` (A); null where a reading is missing.
    ///
    /// # Errors
    /// [`PlantError::Frame`] if polars refuses.
    pub fn sensors(&self) -> Result<DataFrame, PlantError> {
        let minutes = self.minutes() as usize;
        let rows = minutes * self.machines.len();
        let every =
            || self.machines.iter().enumerate().flat_map(move |(m, record)| (0..minutes).map(move |t| (m, record, t)));
        let time = frame::time("time", every().map(|(_, _, t)| t as u32))?;
        let names: Vec<String> = (0..self.machines.len()).map(machine_name).collect();
        let mut columns = vec![
            time,
            Column::new(
                "machine".into(),
                every().map(|(m, _, _)| names[m].as_str()).collect::<StringChunked>().into_series(),
            ),
            Column::new("running".into(), every().map(|(_, r, t)| r.running(t)).collect::<Vec<bool>>()),
            Column::new(
                "product".into(),
                every().map(|(_, r, t)| r.product[t / 60].name()).collect::<StringChunked>().into_series(),
            ),
        ];
        for channel in Channel::ALL {
            let values = every().map(|(_, r, t)| Some(r.readings[t][channel as usize]).filter(|v| !v.is_nan()));
            columns
                .push(values.collect::<Float32Chunked>().into_series().with_name(channel.name().into()).into_column());
        }
        Ok(DataFrame::new(rows, columns)?)
    }

    /// The log book as a frame: `time`, `machine`, `event` ("failure", "repaired", "overhaul started", "overhauled").
    ///
    /// # Errors
    /// [`PlantError::Frame`] if polars refuses.
    pub fn log_frame(&self) -> Result<DataFrame, PlantError> {
        let name = |kind| match kind {
            LogKind::Failure => "failure",
            LogKind::Repaired => "repaired",
            LogKind::OverhaulStarted => "overhaul started",
            LogKind::Overhauled => "overhauled",
        };
        let machine: Vec<String> = self.log.iter().map(|e| machine_name(e.machine)).collect();
        let event: Vec<&str> = self.log.iter().map(|e| name(e.kind)).collect();
        Ok(DataFrame::new(
            self.log.len(),
            vec![
                frame::time("time", self.log.iter().map(|e| e.minute))?,
                Column::new("machine".into(), machine),
                Column::new("event".into(), event),
            ],
        )?)
    }

    /// The hourly means of one machine, oldest first: the same values a [`World`](super::World) shows to a policy.
    ///
    /// # Errors
    /// [`PlantError::NoSuchMachine`].
    pub fn readings(&self, machine: usize) -> Result<Vec<HourlyReading>, PlantError> {
        self.steps(machine, 60)
    }

    /// The mean readings of `minutes`-minute steps (1 to 1440; the last, incomplete step is left out); `hour` counts steps.
    pub(crate) fn steps(&self, machine: usize, minutes: u32) -> Result<Vec<HourlyReading>, PlantError> {
        let record = self.machine(machine)?;
        let width = minutes.max(1) as usize;
        // Minutes of running without a stop; before the start it has run for ever.
        let mut run = STEADY_MINUTES;
        Ok(record
            .readings
            .chunks_exact(width)
            .enumerate()
            .map(|(step, chunk)| {
                let first = step * width;
                let mut up = 0;
                for minute in first..first + width {
                    let runs = record.running(minute);
                    up += u32::from(runs);
                    run = if runs { (run + 1).min(2 * STEADY_MINUTES + 1440) } else { 0 };
                }
                HourlyReading {
                    hour: step as u32,
                    machine,
                    product: record.product[first / 60],
                    up: up as f32 / width as f32,
                    steady: run >= STEADY_MINUTES + minutes,
                    values: means(chunk),
                }
            })
            .collect())
    }

    /// The hourly means of all machines as a frame: `time`, `machine`, `product`, `up`, `steady` and the four sensors.
    ///
    /// # Errors
    /// [`PlantError::Frame`] if polars refuses.
    pub fn hourly(&self) -> Result<DataFrame, PlantError> {
        let mut all = Vec::new();
        for machine in 0..self.machines.len() {
            all.extend(self.readings(machine)?);
        }
        let machine: Vec<String> = all.iter().map(|r| machine_name(r.machine)).collect();
        let product: Vec<&str> = all.iter().map(|r| r.product.name()).collect();
        let mut columns = vec![
            frame::time("time", all.iter().map(|r| r.hour * 60))?,
            Column::new("machine".into(), machine),
            Column::new("product".into(), product),
            Column::new("up".into(), all.iter().map(|r| r.up).collect::<Vec<f32>>()),
            Column::new("steady".into(), all.iter().map(|r| r.steady).collect::<Vec<bool>>()),
        ];
        for channel in Channel::ALL {
            let values = all.iter().map(|r| Some(r.values[channel as usize]).filter(|v| !v.is_nan()));
            columns
                .push(values.collect::<Float32Chunked>().into_series().with_name(channel.name().into()).into_column());
        }
        Ok(DataFrame::new(all.len(), columns)?)
    }

    /// A number that changes when any reading, stop or log entry changes (FNV-1a, 64 bit): for tests and records.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |word: u32| hash = (hash ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3);
        for record in &self.machines {
            record.readings.iter().flatten().for_each(|v| eat(if v.is_nan() { u32::MAX } else { v.to_bits() }));
            record.up.iter().zip(&record.product).for_each(|(&up, &p)| eat(u32::from(up) * 4 + p as u32));
        }
        for entry in &self.log {
            eat(entry.minute);
            eat(entry.machine as u32 * 4 + entry.kind as u32);
        }
        hash
    }
}
