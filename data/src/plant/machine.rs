//! One press, hour by hour: wear, failure, repair, overhaul. The equations are in the [module documentation](super).

use super::config::PlantConfig;
use super::outside::{Outside, schedule};
use crate::noise::{Noise, stream};
use serde::{Deserialize, Serialize};

/// What can break. Each part wears by its own gamma process and shows by its own signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureMode {
    /// Pump bearing: vibration grows, current a little.
    Bearing,
    /// Heater: the mould falls short of its temperature, the more the higher the load; less current.
    Heater,
    /// Hydraulic seal: pressure is lost and unsteady, the pump draws more current.
    Seal,
}

impl FailureMode {
    /// All modes, in the order of every array indexed by mode.
    pub const ALL: [Self; 3] = [Self::Bearing, Self::Heater, Self::Seal];

    /// A lower-case word.
    pub fn name(self) -> &'static str {
        ["bearing", "heater", "seal"][self as usize]
    }

    /// Mean life at nominal stress, hours.
    pub(crate) fn life_hours(self) -> f64 {
        [95.0 * 24.0, 120.0 * 24.0, 85.0 * 24.0][self as usize]
    }

    /// Mean hours of an unplanned repair, diagnosis and waiting for the part included.
    pub(crate) fn repair_hours(self) -> f64 {
        [30.0, 18.0, 12.0][self as usize]
    }
}

/// Wear at which a part begins to show (1 = failure).
pub const ONSET: f64 = 0.7;
/// Hours of a planned overhaul.
pub const OVERHAUL_HOURS: u32 = 6;
/// Gamma shape collected over a mean life: the coefficient of variation of a life is `1/sqrt(SHAPE)` plus the spread of parts.
const SHAPE: f64 = 60.0;
/// Standard deviation of the log wear rate from part to part.
const PART_SPREAD: f64 = 0.25;
/// Time constant of the mould, minutes.
const THERMAL_MINUTES: f64 = 40.0;

/// How strongly a part shows at this wear: 0 up to [`ONSET`], then quadratic to 1 at failure.
pub(crate) fn symptom(wear: f64) -> f64 {
    let x = ((wear - ONSET) / (1.0 - ONSET)).clamp(0.0, 1.0);
    x * x
}

/// Properties of one press that never change: keyed by the fleet, not by the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build {
    pub temperature: f64,
    pub pressure: f64,
    pub vibration: f64,
    pub current: f64,
    rate: [f64; 3],
}

impl Build {
    fn new(config: &PlantConfig, machine: usize) -> Self {
        let mut draws = Noise::new(config.fleet, stream::MACHINE, machine as u64).at(0);
        Self {
            temperature: 1.5 * draws.normal(),
            pressure: 1.0 * draws.normal(),
            vibration: 1.5 * libm::exp(0.08 * draws.normal()),
            current: 1.0 * draws.normal(),
            rate: [0; 3].map(|_| libm::exp(0.12 * draws.normal())),
        }
    }
}

/// The hidden state of a press during one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hour {
    pub outside: Outside,
    /// Minutes `0..up` of the hour the press runs; it fails or is stopped at minute `up`.
    pub up: u8,
    /// Wear of bearing, heater, seal at the start of the hour.
    pub wear: [f64; 3],
    /// Mould temperature at the start of the hour, and where it tends to, degrees Celsius.
    pub mould: f64,
    pub target: f64,
}

/// What happened to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LogKind {
    /// It broke down while running.
    Failure,
    /// The broken part has been replaced; it runs again. The other parts are as worn as before.
    Repaired,
    /// A planned overhaul began.
    OverhaulStarted,
    /// The overhaul is done; all wearing parts are new.
    Overhauled,
}

/// One line of the plant's log book: known to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogEntry {
    /// Minutes since the start of the simulation.
    pub minute: u32,
    /// Machine, from 0.
    pub machine: usize,
    /// What happened.
    pub kind: LogKind,
}

/// One part from fitting to failure or replacement: truth, not known to the plant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Machine, from 0.
    pub machine: usize,
    /// Which part.
    pub mode: FailureMode,
    /// Fitted at this minute.
    pub start: u32,
    /// Minute at which wear passed [`ONSET`], if it did.
    pub onset: Option<u32>,
    /// Minute at which it failed or was taken out; `None` while it still runs at the end.
    pub end: Option<u32>,
    /// True when it ended by its own failure.
    pub failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    Running,
    /// Until the start of this hour; then the log entry of this kind is written.
    Down {
        until: u32,
        then: LogKind,
    },
}

/// One press with its past. Stepping is the only way forward; `Clone` forks it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub index: usize,
    pub build: Build,
    pub hours: Vec<Hour>,
    pub log: Vec<LogEntry>,
    pub lives: Vec<Life>,
    schedule: std::sync::Arc<[Outside]>,
    wear_noise: [Noise; 3],
    part_noise: [Noise; 3],
    repair_noise: Noise,
    wear_rate: f64,
    wear: [f64; 3],
    part_rate: [f64; 3],
    fitted: [u64; 3],
    current_life: [usize; 3],
    status: Status,
    mould: f64,
    last_overhaul: u32,
}

impl Machine {
    pub fn new(config: &PlantConfig, index: usize) -> Self {
        let noise = |stream, mode: usize| Noise::new(config.seed, stream, (index * 8 + mode) as u64);
        let build = Build::new(config, index);
        let mut machine = Self {
            index,
            build,
            hours: Vec::with_capacity(config.hours() as usize),
            log: Vec::new(),
            lives: Vec::new(),
            schedule: schedule(config, index).into(),
            wear_noise: [0, 1, 2].map(|m| noise(stream::WEAR, m)),
            part_noise: [0, 1, 2].map(|m| noise(stream::PART, m)),
            repair_noise: noise(stream::REPAIR, 0),
            wear_rate: config.wear_rate,
            wear: [0.0; 3],
            part_rate: [1.0; 3],
            fitted: [0; 3],
            current_life: [0; 3],
            status: Status::Running,
            mould: 25.0,
            last_overhaul: 0,
        };
        for mode in FailureMode::ALL {
            machine.fit(mode, 0);
            // The plant was not built yesterday: parts start somewhere in the first half of their lives.
            machine.wear[mode as usize] = 0.5 * machine.part_noise[mode as usize].at(0).uniform();
        }
        machine.mould = machine.target(&machine.schedule[0]);
        machine
    }

    /// A new part. Its quality is drawn by its number, so the k-th bearing is the same bearing under every policy.
    fn fit(&mut self, mode: FailureMode, minute: u32) {
        let m = mode as usize;
        self.fitted[m] += 1;
        self.wear[m] = 0.0;
        self.part_rate[m] = libm::exp(PART_SPREAD * self.part_noise[m].at(self.fitted[m]).normal());
        self.current_life[m] = self.lives.len();
        self.lives.push(Life { machine: self.index, mode, start: minute, onset: None, end: None, failed: false });
    }

    pub fn now(&self) -> u32 {
        self.hours.len() as u32
    }

    pub fn hours_since_overhaul(&self) -> u32 {
        self.now() - self.last_overhaul
    }

    pub fn is_running(&self) -> bool {
        match self.status {
            Status::Running => true,
            Status::Down { until, .. } => until <= self.now(),
        }
    }

    fn target(&self, outside: &Outside) -> f64 {
        let u = outside.load;
        outside.product.temperature() + self.build.temperature + 0.12 * (outside.ambient - 23.0) + 2.5 * (u - 0.65)
            - 9.0 * symptom(self.wear[FailureMode::Heater as usize]) * (0.4 + 0.6 * u)
            + 1.2 * symptom(self.wear[FailureMode::Bearing as usize])
    }

    /// Begins an overhaul in the coming hour. False when the machine is down already.
    pub fn overhaul(&mut self) -> bool {
        if !self.is_running() {
            return false;
        }
        self.come_back();
        let now = self.now();
        self.log.push(LogEntry { minute: now * 60, machine: self.index, kind: LogKind::OverhaulStarted });
        self.status = Status::Down { until: now + OVERHAUL_HOURS, then: LogKind::Overhauled };
        true
    }

    /// Ends a downtime that is over.
    fn come_back(&mut self) {
        let now = self.now();
        let Status::Down { until, then } = self.status else { return };
        if until > now {
            return;
        }
        self.status = Status::Running;
        self.log.push(LogEntry { minute: now * 60, machine: self.index, kind: then });
        if then == LogKind::Overhauled {
            self.last_overhaul = now;
            for mode in FailureMode::ALL {
                let life = &mut self.lives[self.current_life[mode as usize]];
                life.end = Some(now * 60);
                self.fit(mode, now * 60);
            }
        } else {
            for mode in FailureMode::ALL {
                if self.lives[self.current_life[mode as usize]].failed {
                    self.fit(mode, now * 60);
                }
            }
        }
    }

    /// One hour forward. The caller sees to it that the schedule reaches that far.
    pub fn step(&mut self) {
        self.come_back();
        let now = self.now();
        let outside = self.schedule[now as usize];
        let wear = self.wear;
        let mould = self.mould;
        let mut up = 0;
        let mut target = outside.ambient;
        if self.status == Status::Running {
            up = 60;
            target = self.target(&outside);
            if let Some(minute) = self.wear_on(&outside) {
                up = minute;
            }
        }
        let relax = |from: f64, to: f64, minutes: f64| to + (from - to) * libm::exp(-minutes / THERMAL_MINUTES);
        let hot = relax(mould, target, f64::from(up));
        self.mould = relax(hot, outside.ambient, 60.0 - f64::from(up));
        self.hours.push(Hour { outside, up, wear, mould, target });
    }

    /// One hour of wear; the minute of failure if a part fails.
    fn wear_on(&mut self, outside: &Outside) -> Option<u8> {
        let now = self.now();
        let u = outside.load / 0.65;
        let press = outside.product.pressure() / 78.0;
        let stress =
            [u * libm::sqrt(u), 0.6 + 0.4 * u + 0.01 * (23.0 - outside.ambient), 0.3 + 0.7 * u * press * press * press];
        let mut first: Option<(u8, usize)> = None;
        for mode in FailureMode::ALL {
            let m = mode as usize;
            let rate = self.wear_rate * self.build.rate[m] * self.part_rate[m] * stress[m];
            let step = self.wear_noise[m].at(u64::from(now)).gamma(SHAPE / mode.life_hours() * rate) / SHAPE;
            if step <= 0.0 {
                continue;
            }
            let before = self.wear[m];
            let minute_of = |level: f64| ((level - before) / step * 60.0).clamp(0.0, 59.0) as u8;
            let life = &mut self.lives[self.current_life[m]];
            if before < ONSET && before + step >= ONSET {
                life.onset = Some(now * 60 + u32::from(minute_of(ONSET)));
            }
            self.wear[m] = (before + step).min(1.0);
            if before + step >= 1.0 {
                let minute = minute_of(1.0);
                if first.is_none_or(|(earliest, _)| minute < earliest) {
                    first = Some((minute, m));
                }
            }
        }
        let (minute, broken) = first?;
        for m in 0..3 {
            // Two parts in one hour: the later one is left at the brink and fails when the press runs again.
            if m != broken {
                self.wear[m] = self.wear[m].min(1.0 - 1e-9);
            }
        }
        let at = now * 60 + u32::from(minute);
        let life = &mut self.lives[self.current_life[broken]];
        life.end = Some(at);
        life.failed = true;
        self.log.push(LogEntry { minute: at, machine: self.index, kind: LogKind::Failure });
        let spread = self.repair_noise.at(u64::from(now)).between(0.75, 1.25);
        let repair = (FailureMode::ALL[broken].repair_hours() * spread) as u32;
        self.status = Status::Down { until: now + 1 + repair, then: LogKind::Repaired };
        Some(minute)
    }
}
