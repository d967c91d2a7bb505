//! What has come of a verification.

use std::collections::BTreeMap;
use std::fmt;

use super::Finding;
use crate::LogDigest;

/// What has come of a verification.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifyReport {
    pub(super) verified: Verified,
    pub(super) findings: Vec<Finding>,
    pub(super) unknown: BTreeMap<UnknownKind, u64>,
    pub(super) digest: Option<LogDigest>,
}

/// How much was looked at so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Aggregates.
    pub aggregates: u64,
    /// Events.
    pub events: u64,
    /// Those among them of types that this program does not know, so that they were not decoded.
    pub unknown_events: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Those among them that were compared with a replay.
    pub compared_snapshots: u64,
    /// Natural keys.
    pub keys: u64,
    /// Commits.
    pub commits: u64,
    /// Durable subscriptions.
    pub subscriptions: u64,
    /// Events that subscriptions have parked.
    pub parked_events: u64,
    /// What was found wrong.
    pub findings: u64,
}

/// A type of events that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct UnknownKind {
    /// The stored name of the aggregate type.
    pub aggregate_type: String,
    /// The stored name of the event type.
    pub event_type: String,
    /// The version of its shape.
    pub version: u32,
}

impl VerifyReport {
    /// Whether nothing was found wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.verified.findings == 0
    }

    /// What was found wrong, in the order in which it was found; the first ones, if there are more than were to be
    /// [kept](super::Verify::keep_findings). [`Verified::findings`] is the number of all.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How much was looked at.
    #[must_use]
    pub const fn verified(&self) -> Verified {
        self.verified
    }

    /// The digest of all events that are [chained](crate::EventStoreBuilder::chain_events), as of the moment at which the
    /// verification began. Keep it elsewhere, and [expect](super::Verify::expect_digest) it when you verify again.
    ///
    /// `None` if no event is chained, where one type alone was looked at, and on a standby.
    #[must_use]
    pub const fn digest(&self) -> Option<LogDigest> {
        self.digest
    }

    /// The types of events that this program does not know, with the number of their events. 1000 types at most;
    /// [`Verified::unknown_events`] counts all.
    pub fn unknown_types(&self) -> impl Iterator<Item = (&UnknownKind, u64)> {
        self.unknown.iter().map(|(kind, count)| (kind, *count))
    }
}

/// For operators: a line for what was looked at, and one for each finding and unknown type.
impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verified)?;
        if let Some(digest) = self.digest {
            write!(f, "\ndigest {digest}")?;
        }
        for (kind, count) in self.unknown_types() {
            write!(f, "\nnot known to this program, and not decoded: {kind}, {count} events")?;
        }
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        match self.verified.findings - self.findings.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aggregates, events, snapshots, compared_snapshots, .. } = self;
        let Self { keys, commits, subscriptions, parked_events, findings, .. } = self;
        write!(
            f,
            "{findings} findings in {events} events of {aggregates} aggregates, {snapshots} snapshots ({compared_snapshots} compared), {keys} keys, {commits} commits, {subscriptions} subscriptions and {parked_events} parked events"
        )
    }
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aggregate_type, event_type, version } = self;
        write!(f, "`{aggregate_type}`.`{event_type}` version {version}")
    }
}
