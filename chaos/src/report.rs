//! The report of a run.

use std::fmt;

use crate::plan::{Engine, Fence, Plan};
use crate::verdict::Evidence;
use crate::violation::Violation;
use crate::writer::{Attempt, Told};

/// The number of violations after which printing stops.
const MOST_PRINTED: usize = 10;

/// The report of a run.
#[derive(Clone, Debug)]
#[must_use]
pub struct Report {
    engine: Engine,
    fence: Fence,
    seed: u64,
    events: usize,
    moves: usize,
    attempts: Attempts,
    trouble: Trouble,
    parked: usize,
    /// The number of events that a plain handler received again after having handled them.
    again: usize,
    violations: Vec<Violation>,
}

/// The numbers of faults that were injected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The number of workers that were started.
    pub starts: usize,
    /// The number of workers that were killed.
    pub kills: usize,
    /// The number of workers that were stopped for longer than their lease lasted.
    pub stops: usize,
    /// The number of workers that were asked to leave.
    pub leaves: usize,
    /// The number of restarts of the database.
    pub restarts: usize,
}

/// The numbers of attempts by outcome.
#[derive(Clone, Copy, Debug)]
struct Attempts {
    landed: usize,
    rolled_back: usize,
    refused: usize,
    unknown: usize,
    reruns: u64,
}

impl Report {
    pub(crate) fn new(plan: &Plan, trouble: Trouble, reruns: u64, evidence: &Evidence) -> Self {
        let count = |told| {
            evidence.attempts.iter().filter(|attempt: &&Attempt| attempt.told == told).count()
        };
        let attempts = Attempts {
            landed: count(Told::Landed),
            rolled_back: count(Told::RolledBack),
            refused: count(Told::Refused),
            unknown: count(Told::Unknown),
            reruns,
        };
        let (events, moves) = (evidence.log.len(), evidence.moves.len());
        let handled = evidence.at_least_once.len();
        Self {
            engine: plan.engine,
            fence: plan.fence,
            seed: plan.seed,
            events,
            moves,
            attempts,
            trouble,
            parked: evidence.parked.len(),
            again: handled.saturating_sub(events),
            violations: evidence.violations(),
        }
    }

    /// Returns the promises that were broken.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The numbers of faults that were injected.
    #[must_use]
    pub const fn trouble(&self) -> Trouble {
        self.trouble
    }

    /// Returns the number of events in the log.
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// Returns the number of decisions on boundaries in the log.
    #[must_use]
    pub const fn moves(&self) -> usize {
        self.moves
    }

    /// Returns the number of events that were parked before they were redriven.
    #[must_use]
    pub const fn parked(&self) -> usize {
        self.parked
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            engine,
            fence,
            seed,
            events,
            moves,
            attempts,
            trouble,
            parked,
            again,
            violations,
        } = self;
        writeln!(f, "{engine}, fence {fence}, seed {seed}")?;
        if !engine.is_shared() {
            writeln!(
                f,
                "  workers are tasks: none is stopped, none has a transaction, nothing restarts"
            )?;
        }
        let Attempts { landed, rolled_back, refused, unknown, reruns } = attempts;
        writeln!(
            f,
            "  {events} events, {moves} of them decided on boundaries, of {landed} commits; {reruns} reruns on conflicts, {rolled_back} rolled back, {refused} refused, {unknown} unknown"
        )?;
        let Trouble { starts, kills, stops, leaves, restarts } = trouble;
        writeln!(
            f,
            "  {starts} workers: {kills} kills, {stops} stops, {leaves} left; {restarts} restarts of the database"
        )?;
        writeln!(
            f,
            "  {parked} parked and redriven; {again} times a plain handler was given an event again"
        )?;
        match &violations[..] {
            [] => write!(f, "  all promises held"),
            [first, rest @ ..] => {
                write!(f, "  {} VIOLATIONS, the first: {first}", violations.len())?;
                for violation in rest.iter().take(MOST_PRINTED - 1) {
                    write!(f, "\n    {violation}")?;
                }
                if violations.len() > MOST_PRINTED {
                    write!(f, "\n    …")?;
                }
                Ok(())
            }
        }
    }
}
