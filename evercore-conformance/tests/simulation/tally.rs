//! The counts of a run.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;
use std::time::Duration;

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    /// Virtual time, summed over the runs.
    pub(crate) time: Duration,
    pub(crate) events: u64,
    pub(crate) deliveries: u64,
    pub(crate) grants: u64,
    /// The number of leases that were granted before their owner had released them.
    pub(crate) take_overs: u64,
    pub(crate) settlements: u64,
    pub(crate) parked: u64,
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
    pub(crate) calls: u64,
}

impl Tally {
    /// Returns whether the run had all kinds of faults.
    pub(crate) fn is_rough(&self) -> bool {
        self.kills > 0
            && self.freezes > 0
            && self.parked > 0
            && self.deliveries > self.events
            && self.take_overs > 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.time += other.time;
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.grants += other.grants;
        self.take_overs += other.take_overs;
        self.settlements += other.settlements;
        self.parked += other.parked;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.calls += other.calls;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut total, tally| {
            total += tally;
            total
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} s of virtual time, {} calls, {} events, {} deliveries, {} settlements, {} parked, {} leases, \
             {} take-overs, {} kills, {} freezes",
            self.time.as_secs(),
            self.calls,
            self.events,
            self.deliveries,
            self.settlements,
            self.parked,
            self.grants,
            self.take_overs,
            self.kills,
            self.freezes,
        )
    }
}
