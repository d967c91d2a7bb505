//! The report of a run.

use std::fmt;
use std::time::Duration;

use crate::gauge::{Kind, Sample};
use crate::plan::{Engine, Plan};

/// The minimum number of rounds; with fewer, the thirds are too short to compare.
const FEWEST_ROUNDS: usize = 9;

/// The number of samples that are printed.
const PRINTED: usize = 6;

/// The report of a run.
#[derive(Clone, Debug)]
#[must_use]
pub struct Report {
    engine: Engine,
    seed: u64,
    took: Duration,
    events: usize,
    handled: u64,
    samples: Vec<Sample>,
}

/// A resource of which the last third of a run held more than the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The kind of resource.
    pub kind: Kind,
    /// The median of the second third.
    pub before: u64,
    /// The median of the last third.
    pub after: u64,
}

impl Report {
    pub(crate) const fn new(
        plan: &Plan,
        took: Duration,
        events: usize,
        handled: u64,
        samples: Vec<Sample>,
    ) -> Self {
        Self { engine: plan.engine, seed: plan.seed, took, events, handled, samples }
    }

    /// Returns whether there were enough rounds for a result.
    #[must_use]
    pub const fn is_long_enough(&self) -> bool {
        self.samples.len() >= FEWEST_ROUNDS
    }

    /// The kind of resource.
    #[must_use]
    pub fn growths(&self) -> Vec<Growth> {
        let has_grown = |growth: &Growth| {
            growth.after > growth.before.saturating_add(growth.kind.slack(growth.before))
        };
        Kind::ALL.map(|kind| self.growth(kind)).into_iter().filter(has_grown).collect()
    }

    /// Compares the last two thirds. The first third is for warming up: pools, caches and the allocator fill.
    fn growth(&self, kind: Kind) -> Growth {
        let third = self.samples.len() / 3;
        let (_, rest) = self.samples.split_at(third);
        let (second, last) = rest.split_at(rest.len() / 2);
        Growth { kind, before: median(second, kind), after: median(last, kind) }
    }
}

fn median(samples: &[Sample], kind: Kind) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(|sample| sample.of(kind)).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.samples.len();
        writeln!(
            f,
            "{}: {rounds} rounds in {:.0?}, {} events written, {} handled by the long-running subscription, seed {}",
            self.engine, self.took, self.events, self.handled, self.seed
        )?;
        write!(f, "{:>12}", "round")?;
        let moments: Vec<usize> =
            (1..=PRINTED).map(|part| (rounds * part / PRINTED).max(1) - 1).collect();
        for moment in &moments {
            write!(f, "{:>9}", moment + 1)?;
        }
        writeln!(f, "{:>11}{:>11}{:>9}", "2nd third", "3rd third", "allowed")?;
        let growths = self.growths();
        for kind in Kind::ALL {
            write!(f, "{kind:>12}")?;
            for moment in &moments {
                write!(f, "{:>9}", self.samples.get(*moment).map_or(0, |sample| sample.of(kind)))?;
            }
            let Growth { before, after, .. } = self.growth(kind);
            write!(f, "{before:>11}{after:>11}{:>9}", before + kind.slack(before))?;
            let has_grown = growths.iter().any(|growth| growth.kind == kind);
            writeln!(f, "{}", if has_grown { "  GREW" } else { "" })?;
        }
        Ok(())
    }
}
