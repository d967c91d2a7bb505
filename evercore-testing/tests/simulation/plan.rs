//! What a seed decides before a run.

use std::time::Duration;

/// How a run is set up. What happens in it is drawn from [`Plan::seed`] as well, as it goes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) sabotage: Sabotage,
    pub(crate) handling: Handling,
    pub(crate) workers: u64,
    pub(crate) writers: u64,
    /// Commits of each writer.
    pub(crate) commits: u32,
    pub(crate) partitions: u32,
    pub(crate) batch_size: u32,
    /// How long the workers are troubled before they are let be.
    pub(crate) trouble: Duration,
    pub(crate) lease: Duration,
    /// The longest way to the database, or back.
    pub(crate) distance: Duration,
    /// Of 1,000 calls, how many are lost on the way there, and how many on the way back.
    pub(crate) lost: u32,
    /// Of 1,000 batches, on how many the handler fails.
    pub(crate) failing: u32,
    pub(crate) does_clock_jump: bool,
    /// Whether what happens is written down.
    pub(crate) is_traced: bool,
}

/// What handles the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// At least once, and again when the handler fails.
    Plain,
    /// As [`Plain`](Self::Plain), and events on which it fails are parked.
    Parking,
    /// In the transaction that records it: exactly once.
    Transactional,
}

/// What the engine does wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    /// Reads up to the last event that is there.
    NaiveFrontier,
    /// Takes the snapshot that it reads from before it looks for the frontier.
    FrontierOfOneSnapshot,
    /// Moves the cursor whoever asks, from wherever it stands.
    UnconditionalCursor,
    /// Moves the cursor for those that have lost the lease.
    NoToken,
    /// Moves the cursor from wherever it stands.
    NoPlace,
    /// Renews no lease.
    NoRenewal,
    /// Forgets what was parked.
    DropsParked,
}

impl Plan {
    pub(crate) fn of(seed: u64, sabotage: Sabotage) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // In calm weather no lease is to be lost for no reason; only in rough weather are calls lost.
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

    /// The same, with what happens written down.
    pub(crate) const fn traced(mut self) -> Self {
        self.is_traced = true;
        self
    }

    /// Whether a worker that is alive and awake keeps its lease.
    pub(crate) fn is_calm(&self) -> bool {
        self.lost == 0 && !self.does_clock_jump && self.distance <= Duration::from_millis(8)
    }
}
