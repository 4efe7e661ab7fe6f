//! What a run of the plant costs.

use data::plant::{LogKind, ObservedView};
use serde::{Deserialize, Serialize};

/// Prices. The defaults are those of the course's plant: a breakdown costs about four overhauls, lost production included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Costs {
    /// A planned overhaul: parts and labour, euro.
    pub overhaul: f64,
    /// A breakdown: express parts, overtime and the scrapped batch, euro.
    pub failure: f64,
    /// Margin of a unit that was not made, euro.
    pub lost_unit: f64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { overhaul: 2_000.0, failure: 9_000.0, lost_unit: 0.5 }
    }
}

/// A quantity by which runs are compared. All but [`Kpi::Made`] are better when smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kpi {
    /// Total cost, euro.
    Cost,
    /// Breakdowns.
    Failures,
    /// Planned overhauls.
    Overhauls,
    /// Machine hours of standing still.
    DownHours,
    /// Units made.
    Made,
}

impl Kpi {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 5] = [Self::Cost, Self::Failures, Self::Overhauls, Self::DownHours, Self::Made];

    /// The name of the column.
    pub fn name(self) -> &'static str {
        ["cost", "failures", "overhauls", "down_hours", "made"][self as usize]
    }

    /// The unit, empty for counts.
    pub fn unit(self) -> &'static str {
        ["€", "", "", "h", "units"][self as usize]
    }
}

/// What one plant did and cost under one policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Planned overhauls.
    pub overhauls: u32,
    /// Breakdowns.
    pub failures: u32,
    /// Machine hours of standing still, for either reason.
    pub down_hours: f64,
    /// Units made.
    pub made: f64,
    /// Units that were wanted but not made.
    pub lost: f64,
    /// Total cost, euro.
    pub cost: f64,
}

impl Ledger {
    /// Books everything up to now. Uses only what the plant itself knows.
    pub fn of(view: &ObservedView<'_>, costs: &Costs) -> Self {
        let mut ledger = Self::default();
        for machine in 0..view.machines() {
            for entry in view.log(machine) {
                match entry.kind {
                    LogKind::Failure => ledger.failures += 1,
                    LogKind::OverhaulStarted => ledger.overhauls += 1,
                    LogKind::Repaired | LogKind::Overhauled => {}
                }
            }
            let production = view.production(machine);
            ledger.made += production.made;
            ledger.lost += production.lost;
            ledger.down_hours += production.down_hours;
        }
        ledger.cost = costs.overhaul * f64::from(ledger.overhauls)
            + costs.failure * f64::from(ledger.failures)
            + costs.lost_unit * ledger.lost;
        ledger
    }

    /// One quantity.
    pub fn kpi(&self, kpi: Kpi) -> f64 {
        match kpi {
            Kpi::Cost => self.cost,
            Kpi::Failures => f64::from(self.failures),
            Kpi::Overhauls => f64::from(self.overhauls),
            Kpi::DownHours => self.down_hours,
            Kpi::Made => self.made,
        }
    }
}
