//! What the sensors of a press show in one hour: a pure function of the hidden hour and of keyed noise.

use super::config::PlantConfig;
use super::machine::{FailureMode, Hour, Machine, symptom};
use crate::noise::{Noise, stream};
use serde::{Deserialize, Serialize};

/// A sensor of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// Mould temperature, degrees Celsius.
    Temperature,
    /// Transfer pressure, bar.
    Pressure,
    /// Vibration of the pump housing, mm/s RMS.
    Vibration,
    /// Supply current of the press, A.
    Current,
}

impl Channel {
    /// All channels, in the order of every array indexed by channel.
    pub const ALL: [Self; 4] = [Self::Temperature, Self::Pressure, Self::Vibration, Self::Current];

    /// The name of the column.
    pub fn name(self) -> &'static str {
        ["temperature", "pressure", "vibration", "current"][self as usize]
    }

    /// The unit of the values.
    pub fn unit(self) -> &'static str {
        ["°C", "bar", "mm/s", "A"][self as usize]
    }

    /// Standard deviation of the noise of one reading, in the unit of the channel.
    pub(crate) fn noise(self) -> f64 {
        [0.7, 0.9, 0.16, 0.8][self as usize]
    }

    /// Slow drift of the sensor, one standard deviation, in the unit of the channel.
    fn drift(self) -> f64 {
        [0.8, 0.5, 0.05, 0.3][self as usize]
    }
}

/// Minute readings of one press in one hour; NaN where a reading is missing.
pub(crate) type Minutes = [[f32; 4]; 60];

/// What is wrong with a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SensorFaultKind {
    /// No readings arrive.
    Gap,
    /// One reading is far off.
    Spike,
    /// The sensor repeats its last value.
    Stuck,
}

impl SensorFaultKind {
    /// A lower-case word.
    pub fn name(self) -> &'static str {
        ["gap", "spike", "stuck"][self as usize]
    }
}

/// An injected sensor fault: truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorFault {
    /// Machine, from 0.
    pub machine: usize,
    /// Which sensor.
    pub channel: Channel,
    /// What is wrong.
    pub kind: SensorFaultKind,
    /// First minute.
    pub start: u32,
    /// First minute after it.
    pub end: u32,
    /// Size of a spike in the unit of the channel; 0 otherwise.
    pub size: f32,
}

/// Mean minutes of a gap: lengths are uniform on 5 to 95.
const GAP_MINUTES: f64 = 50.0;

/// The sensors of one press.
#[derive(Clone, Debug)]
pub(crate) struct Sensors {
    noise: Noise,
    scale: f64,
    /// Drift of each channel at the start of each month-long section.
    drift: [Vec<f64>; 4],
    /// Sorted by kind of effect: stuck first, then spikes, then gaps, so that later ones win.
    pub faults: Vec<SensorFault>,
    /// For each hour, the faults that touch it.
    by_hour: std::collections::HashMap<u32, Vec<u32>>,
}

/// Minutes over which the drift moves from one random level to the next.
const DRIFT_HOURS: u32 = 24 * 30;

impl Sensors {
    pub fn new(config: &PlantConfig, machine: usize) -> Self {
        let drift = Channel::ALL.map(|c| {
            let noise = Noise::new(config.seed, stream::DRIFT, (machine * 8 + c as usize) as u64);
            let sections = u64::from(config.hours() / DRIFT_HOURS + 2);
            (0..sections).map(|s| if s == 0 { 0.0 } else { c.drift() * noise.at(s).normal() }).collect()
        });
        let mut faults = Vec::new();
        for channel in Channel::ALL {
            let noise = Noise::new(config.seed, stream::FAULT, (machine * 8 + channel as usize) as u64);
            for hour in 0..config.hours() {
                let mut draws = noise.at(u64::from(hour));
                let mut fault = |kind, per_hour: f64, low: f64, high: f64, size: f64| {
                    // All numbers are drawn whether or not the fault happens: rates can change without moving others.
                    let (happens, at, long, sign) =
                        (draws.uniform(), draws.uniform(), draws.uniform(), draws.uniform());
                    if happens < per_hour {
                        let start = hour * 60 + (at * 60.0) as u32;
                        let end = start + (low + (high + 1.0 - low) * long) as u32;
                        let size = if sign < 0.5 { -size } else { size } * (1.0 + 1.5 * long);
                        faults.push(SensorFault { machine, channel, kind, start, end, size: size as f32 });
                    }
                };
                fault(SensorFaultKind::Stuck, config.stuck_per_day / 24.0, 30.0, 240.0, 0.0);
                fault(SensorFaultKind::Spike, config.spikes_per_day / 24.0, 1.0, 1.0, 8.0 * channel.noise());
                fault(SensorFaultKind::Gap, config.gap_share * 60.0 / GAP_MINUTES, 5.0, 95.0, 0.0);
            }
        }
        let total = config.hours() * 60;
        faults.iter_mut().for_each(|f| f.end = f.end.min(total));
        faults.sort_by_key(|f| {
            let order = match f.kind {
                SensorFaultKind::Stuck => 0,
                SensorFaultKind::Spike => 1,
                SensorFaultKind::Gap => 2,
            };
            (order, f.start, f.channel as usize)
        });
        let mut by_hour: std::collections::HashMap<u32, Vec<u32>> = std::collections::HashMap::new();
        for (index, fault) in faults.iter().enumerate() {
            for hour in fault.start / 60..=(fault.end - 1) / 60 {
                by_hour.entry(hour).or_default().push(index as u32);
            }
        }
        let noise = Noise::new(config.seed, stream::SENSOR, machine as u64);
        Self { noise, scale: config.noise, drift, faults, by_hour }
    }

    /// The readings as they arrive, faults included.
    pub fn hour(&self, machine: &Machine, hour: u32) -> Minutes {
        let mut minutes = self.clean(machine, hour);
        for &index in self.by_hour.get(&hour).into_iter().flatten() {
            let fault = &self.faults[index as usize];
            let c = fault.channel as usize;
            let range = fault.start.max(hour * 60)..fault.end.min(hour * 60 + 60);
            let held = match fault.kind {
                SensorFaultKind::Stuck if fault.start / 60 == hour => minutes[(fault.start % 60) as usize][c],
                SensorFaultKind::Stuck => self.clean(machine, fault.start / 60)[(fault.start % 60) as usize][c],
                _ => f32::NAN,
            };
            for minute in range {
                let reading = &mut minutes[(minute % 60) as usize][c];
                *reading = if fault.kind == SensorFaultKind::Spike { *reading + fault.size } else { held };
            }
        }
        minutes
    }

    /// The readings without faults.
    pub fn clean(&self, machine: &Machine, hour: u32) -> Minutes {
        let state: &Hour = &machine.hours[hour as usize];
        let build = &machine.build;
        let [b, h, s] = state.wear.map(symptom);
        debug_assert_eq!(FailureMode::ALL.map(|m| m as usize), [0, 1, 2]);
        let Hour { outside, up, mut mould, target, .. } = *state;
        let (u, product) = (outside.load, outside.product);
        let relax = MINUTE_DECAY;
        let section = (hour / DRIFT_HOURS) as usize;
        let share = f64::from(hour % DRIFT_HOURS) / f64::from(DRIFT_HOURS);
        let drift: [f64; 4] =
            core::array::from_fn(|c| self.drift[c][section] * (1.0 - share) + self.drift[c][section + 1] * share);
        let pressure = product.pressure() + build.pressure - 4.0 * (u - 0.65) - 9.0 * s * (0.5 + 0.5 * u);
        let vibration = build.vibration * (0.35 + 1.15 * u) * product.shake() + 1.7 * b * (0.3 + 0.7 * u) + 0.25 * s;
        let current = 9.0 + build.current + 24.0 * u * (product.pressure() / 78.0) + 6.0 * (1.0 - 0.5 * h)
            - 0.08 * (outside.ambient - 23.0)
            + 1.5 * b * u
            + 2.2 * s;
        let noise = [
            self.scale * Channel::Temperature.noise() * (1.0 + 0.5 * h),
            self.scale * Channel::Pressure.noise() * (1.0 + 1.2 * s),
            self.scale * Channel::Vibration.noise() * (1.0 + 1.0 * b),
            self.scale * Channel::Current.noise(),
        ];
        let mut draws = self.noise.at(u64::from(hour));
        let mut minutes = [[0.0; 4]; 60];
        for (minute, reading) in minutes.iter_mut().enumerate() {
            let (n0, n1) = draws.normals();
            let (n2, n3) = draws.normals();
            // When it stops within the hour the mould starts to cool: towards the hall, from where it is.
            let towards = if minute < usize::from(up) { target } else { outside.ambient };
            mould = towards + (mould - towards) * relax;
            *reading = if minute < usize::from(up) {
                [
                    (mould + drift[0] + noise[0] * n0) as f32,
                    (pressure + drift[1] + noise[1] * n1) as f32,
                    (vibration + drift[2] + noise[2] * n2).max(0.01) as f32,
                    (current + drift[3] + noise[3] * n3) as f32,
                ]
            } else {
                [
                    (mould + drift[0] + 0.2 * noise[0] * n0) as f32,
                    (0.05 * n1).abs() as f32,
                    (0.03 + 0.01 * n2).max(0.0) as f32,
                    (1.2 + 0.1 * n3).max(0.0) as f32,
                ]
            };
        }
        minutes
    }
}

/// `exp(-1/40)`: what remains of a temperature difference after a minute.
const MINUTE_DECAY: f64 = 0.975_309_912_028_332_6;
