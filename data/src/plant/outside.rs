//! The world outside the machines: weather, orders, shifts, products. No action changes it.

use super::config::PlantConfig;
use crate::noise::{Noise, stream};
use serde::{Deserialize, Serialize};

/// What a press moulds in a shift. Each product has its own set points, so a reading means little without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Product {
    /// Small outline package: the reference recipe (175 °C, 78 bar).
    A,
    /// Flat package: gentle and fast (171 °C, 70 bar).
    B,
    /// Power package: hot, hard and slow (179 °C, 86 bar).
    C,
}

impl Product {
    /// All products.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    /// One letter.
    pub fn name(self) -> &'static str {
        ["A", "B", "C"][self as usize]
    }

    /// Mould temperature, degrees Celsius.
    pub(crate) fn temperature(self) -> f64 {
        [175.0, 171.0, 179.0][self as usize]
    }

    /// Transfer pressure, bar.
    pub(crate) fn pressure(self) -> f64 {
        [78.0, 70.0, 86.0][self as usize]
    }

    /// Vibration of a healthy press relative to product A (cycle speed).
    pub(crate) fn shake(self) -> f64 {
        [1.0, 1.18, 0.86][self as usize]
    }
}

/// What the outside asks of one machine in one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// Air in the hall, degrees Celsius.
    pub ambient: f64,
    /// Load asked for, 0.15 to 1.1 (1 = nominal rate of [`UNITS_PER_HOUR`](super::UNITS_PER_HOUR)).
    pub load: f64,
    /// Recipe of the shift.
    pub product: Product,
}

fn sin_turns(turns: f64) -> f64 {
    libm::sin(core::f64::consts::TAU * turns)
}

/// A first-order autoregression with unit variance, one value a step.
fn autoregression(noise: &Noise, steps: usize, phi: f64) -> Vec<f64> {
    let kick = libm::sqrt(1.0 - phi * phi);
    let mut value = noise.at(0).normal();
    (0..steps)
        .map(|step| {
            if step > 0 {
                value = phi * value + kick * noise.at(step as u64).normal();
            }
            value
        })
        .collect()
}

/// Tables for one machine, an entry an hour.
pub(crate) fn schedule(config: &PlantConfig, machine: usize) -> Vec<Outside> {
    let days = config.days as usize;
    let entity = machine as u64;
    let weather = autoregression(&Noise::new(config.seed, stream::WEATHER, 0), days + 1, 0.8);
    let orders = autoregression(&Noise::new(config.seed, stream::DEMAND, 0), days, 0.7);
    let mix = Noise::new(config.seed, stream::PRODUCT, entity);
    let fast = Noise::new(config.seed, stream::LOAD, entity);
    let slow = autoregression(&Noise::new(config.seed, stream::LOAD, 1_000 + entity), days * 24, 0.95);
    let mut product = Product::A;
    (0..days * 24)
        .map(|hour| {
            let (day, of_day) = (hour / 24, hour % 24);
            let (year, share) = (day as f64 / 365.25, of_day as f64 / 24.0);
            let sky = weather[day] * (1.0 - share) + weather[day + 1] * share;
            let ambient = 23.0 + 6.0 * sin_turns(year - 0.30) + 2.0 * sin_turns(share - 0.375) + 1.5 * sky;
            if of_day % 8 == 6 || hour == 0 {
                let mut draws = mix.at(hour as u64);
                if draws.uniform() < 0.45 {
                    let pick = draws.uniform();
                    product = if pick < 0.5 {
                        Product::A
                    } else if pick < 0.8 {
                        Product::B
                    } else {
                        Product::C
                    };
                }
            }
            let shift = match of_day {
                6..14 => 0.84,
                14..22 => 0.76,
                _ => 0.60,
            };
            let week = [1.0, 1.0, 1.0, 1.0, 1.0, 0.80, 0.60][day % 7];
            let demand = 1.0 + 0.10 * sin_turns(year - 0.55) + 0.05 * orders[day];
            let wobble = 0.04 * fast.at(hour as u64).normal() + 0.05 * slow[hour];
            Outside { ambient, load: (shift * week * demand + wobble).clamp(0.15, 1.1), product }
        })
        .collect()
}
