//! What is hidden from the plant: wear, causes, onsets, remaining lives, injected sensor faults.

use super::config::PlantError;
use super::machine::{FailureMode, Life};
use super::sensors::{Channel, SensorFault};
use super::{frame, machine_name};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

/// Time left until a machine's next failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemainingLife {
    /// Minutes to the failure, or to the overhaul or end of record that hid it.
    pub minutes: u32,
    /// True when an overhaul or the end of the record came first: the life would have been longer than `minutes`.
    pub censored: bool,
}

/// A failure with its hidden history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Machine, from 0.
    pub machine: usize,
    /// What broke.
    pub mode: FailureMode,
    /// Minute at which the part began to show.
    pub onset: u32,
    /// Minute at which it failed.
    pub minute: u32,
}

/// The hidden side of a simulated plant: for grading, never for deciding.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Wear at the start of each hour, for each machine.
    pub(crate) wear: Vec<Vec<[f64; 3]>>,
    pub(crate) lives: Vec<Life>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) faults: Vec<SensorFault>,
    /// Minutes at which an overhaul began, per machine, sorted.
    pub(crate) overhauls: Vec<Vec<u32>>,
    pub(crate) minutes: u32,
}

impl Truth {
    /// Wear of bearing, heater and seal (1 = failure) at the start of an hour; `None` outside the record.
    pub fn wear(&self, machine: usize, hour: u32) -> Option<[f64; 3]> {
        self.wear.get(machine)?.get(hour as usize).copied()
    }

    /// Every part from fitting to failure or replacement.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// All failures, oldest first.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// All injected sensor faults, sorted by machine.
    pub fn sensor_faults(&self) -> &[SensorFault] {
        &self.faults
    }

    /// Time from `minute` to the next failure of the machine.
    pub fn remaining(&self, machine: usize, minute: u32) -> RemainingLife {
        let failure = self.failures.iter().find(|f| f.machine == machine && f.minute >= minute).map(|f| f.minute);
        let overhaul = self.overhauls.get(machine).and_then(|all| all.iter().copied().find(|&o| o >= minute));
        let hidden = overhaul.unwrap_or(self.minutes);
        match failure {
            Some(failure) if failure <= hidden => RemainingLife { minutes: failure - minute, censored: false },
            _ => RemainingLife { minutes: hidden.saturating_sub(minute), censored: true },
        }
    }

    /// Hourly truth as a frame: `time`, `machine`, `wear_bearing`, `wear_heater`, `wear_seal`, `rul_minutes`, `censored`.
    ///
    /// # Errors
    /// [`PlantError::Frame`] if polars refuses.
    pub fn frame(&self) -> Result<DataFrame, PlantError> {
        let hours = self.wear.first().map_or(0, Vec::len);
        let every = || (0..self.wear.len()).flat_map(move |m| (0..hours).map(move |h| (m, h)));
        let lives: Vec<RemainingLife> = every().map(|(m, h)| self.remaining(m, h as u32 * 60)).collect();
        let mut columns = vec![
            frame::time("time", every().map(|(_, h)| h as u32 * 60))?,
            Column::new("machine".into(), every().map(|(m, _)| machine_name(m)).collect::<Vec<String>>()),
        ];
        for mode in FailureMode::ALL {
            let wear: Vec<f64> = every().map(|(m, h)| self.wear[m][h][mode as usize]).collect();
            columns.push(Column::new(format!("wear_{}", mode.name()).into(), wear));
        }
        columns.push(Column::new("rul_minutes".into(), lives.iter().map(|r| r.minutes).collect::<Vec<u32>>()));
        columns.push(Column::new("censored".into(), lives.iter().map(|r| r.censored).collect::<Vec<bool>>()));
        Ok(DataFrame::new(lives.len(), columns)?)
    }

    /// Failures as a frame: `onset`, `time`, `machine`, `mode`.
    ///
    /// # Errors
    /// [`PlantError::Frame`] if polars refuses.
    pub fn failures_frame(&self) -> Result<DataFrame, PlantError> {
        let all = &self.failures;
        Ok(DataFrame::new(
            all.len(),
            vec![
                frame::time("onset", all.iter().map(|f| f.onset))?,
                frame::time("time", all.iter().map(|f| f.minute))?,
                Column::new("machine".into(), all.iter().map(|f| machine_name(f.machine)).collect::<Vec<String>>()),
                Column::new("mode".into(), all.iter().map(|f| f.mode.name()).collect::<Vec<&str>>()),
            ],
        )?)
    }

    /// Injected sensor faults as a frame: `start`, `end` (first minute after it), `machine`, `sensor`, `fault`, `size`.
    ///
    /// # Errors
    /// [`PlantError::Frame`] if polars refuses.
    pub fn sensor_faults_frame(&self) -> Result<DataFrame, PlantError> {
        let all = &self.faults;
        Ok(DataFrame::new(
            all.len(),
            vec![
                frame::time("start", all.iter().map(|f| f.start))?,
                frame::time("end", all.iter().map(|f| f.end))?,
                Column::new("machine".into(), all.iter().map(|f| machine_name(f.machine)).collect::<Vec<String>>()),
                Column::new("sensor".into(), all.iter().map(|f| Channel::name(f.channel)).collect::<Vec<&str>>()),
                Column::new("fault".into(), all.iter().map(|f| f.kind.name()).collect::<Vec<&str>>()),
                Column::new("size".into(), all.iter().map(|f| f.size).collect::<Vec<f32>>()),
            ],
        )?)
    }
}
