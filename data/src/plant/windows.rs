//! Sensor windows as typed tensors, with the labels that the log book gives them.

use super::config::PlantError;
use super::machine::{LogEntry, LogKind};
use super::observed::{HourlyReading, Observed};
use super::sensors::Channel;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

/// How a record is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowSpec {
    /// Minutes that one step averages, 1 to 1440.
    pub minutes_per_step: u32,
    /// Steps from one window to the next, at least 1.
    pub stride: u32,
    /// "Soon" in "fails soon", hours.
    pub horizon_hours: u32,
    /// Remaining lives are capped here, hours: a healthy machine looks the same whether it has 20 or 60 days left.
    pub rul_cap_hours: u32,
}

impl Default for WindowSpec {
    /// Hourly steps, a window every 4 hours, "soon" is 72 hours, remaining life capped at 20 days.
    fn default() -> Self {
        Self { minutes_per_step: 60, stride: 4, horizon_hours: 72, rul_cap_hours: 480 }
    }
}

/// Where a window comes from and what became of its machine, as far as the log book tells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Machine, from 0.
    pub machine: usize,
    /// First minute of the window.
    pub start: u32,
    /// First minute after the window: the "now" of a prediction.
    pub end: u32,
    /// The machine failed within the horizon.
    pub fails_soon: bool,
    /// An overhaul or the end of the record came within the horizon, before any failure: nobody knows `fails_soon`.
    pub censored: bool,
    /// Hours to the next failure, at most the cap.
    pub rul_hours: f32,
    /// False when an overhaul or the end of the record hid the failure before the cap: `rul_hours` is then a lower bound.
    pub rul_known: bool,
    /// Hours since the last overhaul or repair of the machine (or since the start).
    pub hours_since_service: f32,
}

/// Windows of `LEN` steps and `CH` sensors. The widths are part of the type:
///
/// ```
/// use data::plant::{Channel, Plant, PlantConfig, WindowSpec, SensorWindows};
/// use dfdx::prelude::*;
/// let plant = Plant::simulate(&PlantConfig { days: 20, ..PlantConfig::default() })?;
/// let windows: SensorWindows<24, 4> = SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default())?;
/// let dev = Cpu::default();
/// let rows: Tensor<(usize, Const<96>), f32, Cpu> = windows.flat(&dev)?; // for a VAE
/// let steps: Tensor<(usize, Const<24>, Const<4>), f32, Cpu> = windows.sequences(&dev)?; // for an LSTM
/// assert_eq!(rows.shape().0, steps.shape().0);
/// # Ok::<(), data::plant::PlantError>(())
/// ```
///
/// A wrong width does not compile:
///
/// ```compile_fail,E0080
/// use data::plant::SensorWindows;
/// use dfdx::prelude::*;
/// fn wrong(windows: &SensorWindows<24, 4>) -> Tensor<(usize, Const<100>), f32, Cpu> {
///     windows.flat(&Cpu::default()).unwrap() // 24 * 4 is 96
/// }
/// # fn main() { let _ = wrong as fn(&_) -> _; }
/// ```
///
/// Windows touch no hour in which the machine stood still or was warming up. A short gap (up to 6 h) is filled with
/// the last value before it, a longer one drops the window.
#[derive(Clone, Debug)]
pub struct SensorWindows<const LEN: usize, const CH: usize> {
    spec: WindowSpec,
    channels: [Channel; CH],
    /// Row after row, step after step, channel after channel.
    values: Vec<f32>,
    rows: Vec<WindowRow>,
}

/// Longest gap that is filled, minutes.
const FILL_MINUTES: u32 = 360;

/// The values of consecutive steps, gaps filled from the past; `None` if a step is not steady or a gap is too long.
fn fill<const CH: usize>(steps: &[HourlyReading], channels: [Channel; CH], minutes: u32) -> Option<Vec<f32>> {
    let mut values: Vec<f32> = Vec::with_capacity(steps.len() * CH);
    let mut missing = [0_u32; CH];
    for (i, step) in steps.iter().enumerate() {
        if !step.steady {
            return None;
        }
        for (c, channel) in channels.iter().enumerate() {
            let mut value = step.values[*channel as usize];
            if value.is_nan() {
                missing[c] += minutes;
                if i == 0 || missing[c] > FILL_MINUTES {
                    return None;
                }
                value = values[(i - 1) * CH + c];
            } else {
                missing[c] = 0;
            }
            values.push(value);
        }
    }
    Some(values)
}

impl<const LEN: usize, const CH: usize> SensorWindows<LEN, CH> {
    /// Cuts the record of every machine into windows, ordered by machine and time.
    ///
    /// # Errors
    /// [`PlantError::NoWindows`] when the record is too short or the spec makes no sense.
    pub fn cut(observed: &Observed, channels: [Channel; CH], spec: &WindowSpec) -> Result<Self, PlantError> {
        let minutes = spec.minutes_per_step;
        let none = |why| PlantError::NoWindows { len: LEN, minutes, why };
        if LEN == 0 || CH == 0 || !(1..=1440).contains(&minutes) || spec.stride == 0 {
            return Err(none("length, channels and stride must be at least 1, minutes_per_step 1 to 1440"));
        }
        let mut windows = Self { spec: *spec, channels, values: Vec::new(), rows: Vec::new() };
        for machine in 0..observed.machines() {
            let steps = observed.steps(machine, minutes)?;
            let log: Vec<LogEntry> = observed.log().iter().copied().filter(|e| e.machine == machine).collect();
            for first in (0..(steps.len() + 1).saturating_sub(LEN)).step_by(spec.stride as usize) {
                if let Some(values) = fill(&steps[first..first + LEN], channels, minutes) {
                    let start = first as u32 * minutes;
                    windows.values.extend(values);
                    windows.rows.push(label(
                        spec,
                        &log,
                        machine,
                        start,
                        start + LEN as u32 * minutes,
                        observed.minutes(),
                    ));
                }
            }
        }
        if windows.rows.is_empty() {
            return Err(none("the record is too short or its machines never run that long: simulate more days"));
        }
        Ok(windows)
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without windows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How it was cut.
    pub fn spec(&self) -> &WindowSpec {
        &self.spec
    }

    /// The sensors, in order.
    pub fn channels(&self) -> [Channel; CH] {
        self.channels
    }

    /// Origin and label of each window.
    pub fn rows(&self) -> &[WindowRow] {
        &self.rows
    }

    /// The `LEN * CH` values of one window, step after step (empty for a number that does not exist).
    pub fn row(&self, index: usize) -> &[f32] {
        self.values.get(index * LEN * CH..(index + 1) * LEN * CH).unwrap_or(&[])
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The windows at these positions, in this order; positions that do not exist are skipped. For minibatches.
    pub fn select(&self, indices: &[usize]) -> Self {
        let indices = indices.iter().copied().filter(|&i| i < self.len());
        let mut picked = Self { values: Vec::new(), rows: Vec::new(), ..*self };
        for index in indices {
            picked.values.extend_from_slice(self.row(index));
            picked.rows.push(self.rows[index]);
        }
        picked
    }

    /// The windows whose row satisfies a condition.
    pub fn filter(&self, keep: impl Fn(&WindowRow) -> bool) -> Self {
        let indices: Vec<usize> = (0..self.len()).filter(|&i| keep(&self.rows[i])).collect();
        self.select(&indices)
    }

    /// Windows of machines that are known to have run on for at least the cap: what "normal" looks like.
    pub fn healthy(&self) -> Self {
        let cap = self.spec.rul_cap_hours as f32;
        self.filter(|row| row.rul_known && row.rul_hours >= cap)
    }

    /// Windows whose `fails_soon` is known.
    pub fn labelled(&self) -> Self {
        self.filter(|row| !row.censored)
    }

    /// Windows before and after a day. The first part leaves out windows whose labels look beyond the day, the second those
    /// that begin before it: nothing of the second part leaks into the first.
    pub fn split_at_day(&self, day: u32) -> (Self, Self) {
        let at = day * 1440;
        let reach = self.spec.horizon_hours.max(self.spec.rul_cap_hours) * 60;
        (self.filter(|row| row.end + reach <= at), self.filter(|row| row.start >= at))
    }

    /// Puts windows of another plant behind these (labels keep their own machine and time).
    pub fn extend(&mut self, other: &Self) {
        self.values.extend_from_slice(&other.values);
        self.rows.extend_from_slice(&other.rows);
    }

    /// `fails_soon` of each window.
    pub fn labels(&self) -> Vec<bool> {
        self.rows.iter().map(|row| row.fails_soon).collect()
    }

    /// Each window as one row of `FLAT = LEN * CH` values (step after step); another `FLAT` does not compile.
    ///
    /// # Errors
    /// [`PlantError::Tensor`].
    pub fn flat<const FLAT: usize>(&self, dev: &Cpu) -> Result<Tensor<(usize, Const<FLAT>), f32, Cpu>, PlantError> {
        const { assert!(FLAT == LEN * CH, "the row width is not LEN * CH") };
        let shape = (self.len(), Const::<FLAT>);
        dev.try_tensor_from_vec(self.values.clone(), shape).map_err(|e| self.refused(e))
    }

    /// Each window as a sequence of `LEN` steps of `CH` values.
    ///
    /// # Errors
    /// [`PlantError::Tensor`].
    #[allow(clippy::type_complexity)]
    pub fn sequences(&self, dev: &Cpu) -> Result<Tensor<(usize, Const<LEN>, Const<CH>), f32, Cpu>, PlantError> {
        let shape = (self.len(), Const::<LEN>, Const::<CH>);
        dev.try_tensor_from_vec(self.values.clone(), shape).map_err(|e| self.refused(e))
    }

    /// Remaining life of each window in hours, capped: one number a window, as `lab`'s regressors take their targets.
    ///
    /// # Errors
    /// [`PlantError::Tensor`].
    pub fn rul(&self, dev: &Cpu) -> Result<Tensor<(usize,), f32, Cpu>, PlantError> {
        let hours = self.rows.iter().map(|row| row.rul_hours).collect();
        dev.try_tensor_from_vec(hours, (self.len(),)).map_err(|e| self.refused(e))
    }

    fn refused(&self, error: CpuError) -> PlantError {
        PlantError::Tensor { rows: self.len(), width: LEN * CH, reason: format!("{error:?}") }
    }
}

/// What the log book says about a window.
fn label(spec: &WindowSpec, log: &[LogEntry], machine: usize, start: u32, end: u32, minutes: u32) -> WindowRow {
    let next = |kind| log.iter().find(|e| e.minute >= end && e.kind == kind).map(|e| e.minute);
    let hidden = next(LogKind::OverhaulStarted).unwrap_or(minutes);
    let failure = next(LogKind::Failure).filter(|&f| f <= hidden);
    let hours = (failure.unwrap_or(hidden) - end) as f32 / 60.0;
    let (horizon, cap) = (spec.horizon_hours as f32, spec.rul_cap_hours as f32);
    let service = |e: &&LogEntry| e.minute <= start && matches!(e.kind, LogKind::Overhauled | LogKind::Repaired);
    let since = log.iter().rev().find(service).map_or(0, |e| e.minute);
    WindowRow {
        machine,
        start,
        end,
        fails_soon: failure.is_some() && hours <= horizon,
        censored: failure.is_none() && hours < horizon,
        rul_hours: hours.min(cap),
        rul_known: failure.is_some() || hours >= cap,
        hours_since_service: (end - since) as f32 / 60.0,
    }
}

/// Mean and standard deviation of each channel, fitted on training data and then frozen.
///
/// ```
/// use data::plant::{Channel, Plant, PlantConfig, Scaler, WindowSpec, SensorWindows};
/// let plant = Plant::simulate(&PlantConfig { days: 90, ..PlantConfig::default() })?;
/// let all: SensorWindows<24, 4> = SensorWindows::cut(plant.observed(), Channel::ALL, &WindowSpec::default())?;
/// let (train, test) = all.split_at_day(60);
/// let scaler = Scaler::fit(&train);
/// let (train, test) = (scaler.transform(&train), scaler.transform(&test));
/// assert!(train.values().iter().sum::<f32>().abs() < 1e-2 * train.values().len() as f32);
/// assert!(!test.is_empty());
/// # Ok::<(), data::plant::PlantError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaler<const CH: usize> {
    #[serde(with = "arrays")]
    mean: [f32; CH],
    #[serde(with = "arrays")]
    std: [f32; CH],
}

impl<const CH: usize> Scaler<CH> {
    /// Fits on these windows only: give it the training part. Without windows it changes nothing.
    pub fn fit<const LEN: usize>(windows: &SensorWindows<LEN, CH>) -> Self {
        let n = (windows.len() * LEN) as f64;
        if n == 0.0 {
            return Self { mean: [0.0; CH], std: [1.0; CH] };
        }
        let channel = |c: usize| windows.values.iter().skip(c).step_by(CH).map(|&v| f64::from(v));
        let mean: [f64; CH] = core::array::from_fn(|c| channel(c).sum::<f64>() / n);
        let std = core::array::from_fn(|c| {
            let variance = channel(c).map(|v| (v - mean[c]) * (v - mean[c])).sum::<f64>() / n;
            // A constant channel becomes 0, not NaN.
            (libm::sqrt(variance) as f32).max(1e-6)
        });
        Self { mean: mean.map(|m| m as f32), std }
    }

    /// Mean of each channel.
    pub fn mean(&self) -> [f32; CH] {
        self.mean
    }

    /// Standard deviation of each channel.
    pub fn std(&self) -> [f32; CH] {
        self.std
    }

    /// Standardised windows: `(x - mean) / std`.
    pub fn transform<const LEN: usize>(&self, windows: &SensorWindows<LEN, CH>) -> SensorWindows<LEN, CH> {
        let mut scaled = windows.clone();
        self.apply(&mut scaled.values);
        scaled
    }

    /// Back to units: `x * std + mean`.
    pub fn inverse<const LEN: usize>(&self, windows: &SensorWindows<LEN, CH>) -> SensorWindows<LEN, CH> {
        let mut values = windows.clone();
        values.values.iter_mut().enumerate().for_each(|(i, v)| *v = *v * self.std[i % CH] + self.mean[i % CH]);
        values
    }

    /// One standardised window from hourly readings, as a policy sees them; `None` when they are not a whole, steady window (fewer
    /// than `LEN`, a stop or warm-up within, a long gap). The same values as [`SensorWindows::cut`] and [`transform`](Self::transform).
    pub fn window<const LEN: usize>(&self, readings: &[HourlyReading], channels: [Channel; CH]) -> Option<Vec<f32>> {
        let last = readings.len().checked_sub(LEN)?;
        let mut values = fill(&readings[last..], channels, 60)?;
        self.apply(&mut values);
        Some(values)
    }

    fn apply(&self, values: &mut [f32]) {
        values.iter_mut().enumerate().for_each(|(i, v)| *v = (*v - self.mean[i % CH]) / self.std[i % CH]);
    }
}

/// serde has no arrays of generic length.
mod arrays {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer, const N: usize>(array: &[f32; N], serializer: S) -> Result<S::Ok, S::Error> {
        array.as_slice().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[f32; N], D::Error> {
        let values = Vec::<f32>::deserialize(deserializer)?;
        let n = values.len();
        values.try_into().map_err(|_| D::Error::custom(format!("a scaler of {N} channels needs {N} values, found {n}")))
    }
}
