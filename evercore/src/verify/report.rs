//! Reports the results of a verification.

use std::collections::BTreeMap;
use std::fmt;

use super::Finding;
use crate::LogDigest;

/// The results of a verification.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifyReport {
    pub(super) verified: Verified,
    pub(super) findings: Vec<Finding>,
    pub(super) unknown: BTreeMap<UnknownKind, u64>,
    pub(super) digest: Option<LogDigest>,
}

/// The counts of a verification, so far or in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The number of aggregates.
    pub aggregates: u64,
    /// The number of events.
    pub events: u64,
    /// The number of those events that were not decoded, since this program does not know their types.
    pub unknown_events: u64,
    /// The number of snapshots.
    pub snapshots: u64,
    /// The number of those snapshots that were compared with a replay.
    pub compared_snapshots: u64,
    /// The number of natural keys.
    pub keys: u64,
    /// The number of commits.
    pub commits: u64,
    /// The number of durable subscriptions.
    pub subscriptions: u64,
    /// The number of parked events.
    pub parked_events: u64,
    /// The number of findings.
    pub findings: u64,
}

/// An event type, in one version, that this program does not know.
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
    /// Returns whether there is no finding.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.verified.findings == 0
    }

    /// Returns the findings in the order in which they were made, up to the number that the report
    /// [keeps](super::Verify::keep_findings). [`Verified::findings`] counts all.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the counts.
    #[must_use]
    pub const fn verified(&self) -> Verified {
        self.verified
    }

    /// Returns the digest of all events that are [chained](crate::EventStoreBuilder::chain_events), as of the moment at
    /// which the verification began. Keep it elsewhere, and [expect](super::Verify::expect_digest) it at the next
    /// verification.
    ///
    /// `None` if no event is chained, if only one type was checked, and on a standby.
    #[must_use]
    pub const fn digest(&self) -> Option<LogDigest> {
        self.digest
    }

    /// Returns the event types that this program does not know, each with the number of its events. At most 1000 types;
    /// [`Verified::unknown_events`] counts all events.
    pub fn unknown_types(&self) -> impl Iterator<Item = (&UnknownKind, u64)> {
        self.unknown.iter().map(|(kind, count)| (kind, *count))
    }
}

/// Shows operators a line with the counts, and one for each finding and unknown type.
impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verified)?;
        if let Some(digest) = self.digest {
            write!(f, "\ndigest {digest}")?;
        }
        for (kind, count) in self.unknown_types() {
            write!(f, "\nunknown to this program, and not decoded: {kind}, {count} events")?;
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
