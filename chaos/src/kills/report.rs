//! The report of a run of kills.

use std::fmt;
use std::time::Duration;

use super::{Acknowledge, Kills, Reported};
use crate::plan::Engine;
use crate::violation::Violation;
use crate::writer::Told;

/// The number of violations after which printing stops.
const MOST_PRINTED: usize = 10;

/// The report of a run of kills.
#[derive(Clone, Debug)]
#[must_use]
pub struct KillReport {
    engine: Engine,
    acknowledge: Acknowledge,
    seed: u64,
    kills: usize,
    early: usize,
    acknowledged: usize,
    unknown: usize,
    events: usize,
    moves: usize,
    handled: usize,
    violations: Vec<Violation>,
    took: Duration,
}

impl KillReport {
    pub(super) fn new(
        kills: &Kills,
        reported: &Reported,
        (events, moves): (usize, usize),
        handled: usize,
        violations: Vec<Violation>,
        took: Duration,
    ) -> Self {
        let count = |told| reported.attempts.iter().filter(|attempt| attempt.told == told).count();
        Self {
            engine: kills.engine,
            acknowledge: kills.acknowledge,
            seed: kills.seed,
            kills: reported.kills,
            early: reported.early,
            acknowledged: count(Told::Landed),
            unknown: count(Told::Unknown),
            events,
            moves,
            handled,
            violations,
            took,
        }
    }

    /// Returns the promises that were broken.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Returns the number of processes that were killed.
    #[must_use]
    pub const fn kills(&self) -> usize {
        self.kills
    }

    /// Returns the number of acknowledged commits.
    #[must_use]
    pub const fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// Returns the number of attempts that were under way when their process was killed.
    #[must_use]
    pub const fn unknown(&self) -> usize {
        self.unknown
    }

    /// Returns the number of decisions on boundaries in the log.
    #[must_use]
    pub const fn moves(&self) -> usize {
        self.moves
    }

    /// Returns the number of events that the transactional handler has handled.
    #[must_use]
    pub const fn handled(&self) -> usize {
        self.handled
    }
}

impl fmt::Display for KillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, acknowledge, seed, kills, early, violations, took, .. } = self;
        let acknowledge = acknowledge.name();
        writeln!(f, "{engine}, acknowledged {acknowledge}, seed {seed}")?;
        writeln!(f, "  {kills} kills in {took:.1?}, {early} of them before the database was open")?;
        let Self { acknowledged, unknown, events, moves, handled, .. } = self;
        writeln!(
            f,
            "  {acknowledged} commits acknowledged, {unknown} attempts cut off; {events} events, {moves} of them decided on boundaries; {handled} handled in transactions"
        )?;
        match &violations[..] {
            [] => write!(f, "  all promises held"),
            found => {
                write!(f, "  {} VIOLATIONS", found.len())?;
                found.iter().take(MOST_PRINTED).try_for_each(|found| write!(f, "\n    {found}"))
            }
        }
    }
}
