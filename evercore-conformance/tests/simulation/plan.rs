//! The decisions that a seed makes before a run.

use std::time::Duration;

/// The setup of a run. The events during the run are drawn from [`Plan::seed`] as well.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) sabotage: Sabotage,
    pub(crate) handling: Handling,
    pub(crate) workers: u64,
    pub(crate) writers: u64,
    /// The number of commits of each writer.
    pub(crate) commits: u32,
    pub(crate) partitions: u32,
    pub(crate) batch_size: u32,
    /// The time for which faults are injected into the workers.
    pub(crate) trouble: Duration,
    pub(crate) lease: Duration,
    /// The longest delay of a call in one direction.
    pub(crate) distance: Duration,
    /// Out of 1,000 calls, the number that are lost on the way there, and the number lost on the way back.
    pub(crate) lost: u32,
    /// Out of 1,000 batches, the number on which the handler fails.
    pub(crate) failing: u32,
    pub(crate) does_clock_jump: bool,
    /// Whether a trace of the run is kept.
    pub(crate) is_traced: bool,
}

/// The way in which events are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// At least once, and again after the handler fails.
    Plain,
    /// Like [`Plain`](Self::Plain), but events on which the handler fails are parked.
    Parking,
    /// In the transaction that settles the batch: exactly once.
    Transactional,
}

/// A fault of the engine, which the observer must detect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    /// Reads up to the last visible event.
    NaiveFrontier,
    /// Takes the snapshot that it reads from before it determines the frontier.
    FrontierOfOneSnapshot,
    /// Moves the cursor for any worker, whatever its current position.
    UnconditionalCursor,
    /// Moves the cursor for workers that have lost the lease.
    NoToken,
    /// Moves the cursor whatever its current position.
    NoPlace,
    /// Never renews a lease.
    NoRenewal,
    /// Forgets parked events.
    DropsParked,
}

impl Plan {
    pub(crate) fn of(seed: u64, sabotage: Sabotage) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // In a calm run no lease may be lost without a reason; calls are lost only in other runs.
        let is_calm = random.bool();
        let handling =
            [Handling::Plain, Handling::Parking, Handling::Transactional][random.usize(..3)];
        Self {
            seed,
            sabotage,
            handling,
            workers: random.u64(1..=3),
            writers: random.u64(1..=3),
            commits: random.u32(3..=6),
            partitions: random.u32(1..=3),
            batch_size: random.u32(1..=4),
            trouble: Duration::from_millis(random.u64(300..=800)),
            lease: Duration::from_millis(200),
            distance: Duration::from_millis(random.u64(1..=if is_calm { 8 } else { 60 })),
            lost: if is_calm { 0 } else { random.u32(0..=100) },
            failing: random.u32(0..=if handling == Handling::Parking { 500 } else { 200 }),
            does_clock_jump: !is_calm && random.bool(),
            is_traced: false,
        }
    }

    /// Returns the same plan with a trace.
    pub(crate) const fn traced(mut self) -> Self {
        self.is_traced = true;
        self
    }

    /// Returns whether a worker that is alive and awake keeps its lease.
    pub(crate) fn is_calm(&self) -> bool {
        self.lost == 0 && !self.does_clock_jump && self.distance <= Duration::from_millis(8)
    }
}
