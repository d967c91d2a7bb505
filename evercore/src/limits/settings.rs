//! Defines the limits that keep memory bounded and that a store can set.

use crate::{Error, Result};

/// Limits for a context, a commit or a page. All of them are finite.
///
/// # Example
/// ```
/// use evercore::Limits;
///
/// let limits = Limits::default().max_payload_bytes(64 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_payload_bytes: usize,
    pub(crate) max_commit_events: usize,
    pub(crate) max_commit_bytes: usize,
    pub(crate) max_commit_aggregates: usize,
    pub(crate) max_boundary_events: usize,
    pub(crate) max_snapshot_bytes: usize,
    pub(crate) max_result_bytes: usize,
    pub(crate) page_events: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload_bytes: 1024 * 1024,
            max_commit_events: 10_000,
            max_commit_bytes: 64 * 1024 * 1024,
            max_commit_aggregates: 10_000,
            max_boundary_events: 100_000,
            max_snapshot_bytes: 8 * 1024 * 1024,
            max_result_bytes: 64 * 1024,
            page_events: 2_000,
        }
    }
}

impl Limits {
    /// Sets the largest payload of one event, in bytes of the encoded event before compression. Default: 1 MiB.
    #[must_use]
    pub const fn max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// Sets the largest number of events in one context. Default: 10,000.
    #[must_use]
    pub const fn max_commit_events(mut self, events: usize) -> Self {
        self.max_commit_events = events;
        self
    }

    /// Sets the largest size of one context or append, in bytes: payloads as they are stored, metadata and references.
    /// Snapshots have a separate budget of the same size. Default: 64 MiB.
    #[must_use]
    pub const fn max_commit_bytes(mut self, bytes: usize) -> Self {
        self.max_commit_bytes = bytes;
        self
    }

    /// Sets the largest number of aggregates that one context loads or creates, and boundaries that its commit rests on. Default: 10,000.
    #[must_use]
    pub const fn max_commit_aggregates(mut self, aggregates: usize) -> Self {
        self.max_commit_aggregates = aggregates;
        self
    }

    /// Sets the largest number of events that one read of a boundary folds into its state. Default: 100,000.
    #[must_use]
    pub const fn max_boundary_events(mut self, events: usize) -> Self {
        self.max_boundary_events = events;
        self
    }

    /// Sets the largest snapshot, in bytes of the encoded state. If a state is larger, or the commit has no room left
    /// for it, no snapshot is taken, and the state is replayed from its events; a warning is logged. Default: 8 MiB.
    #[must_use]
    pub const fn max_snapshot_bytes(mut self, bytes: usize) -> Self {
        self.max_snapshot_bytes = bytes;
        self
    }

    /// Sets the largest value that [`EventStore::once`](crate::EventStore::once) stores with a commit, in bytes of
    /// JSON. Default: 64 KiB.
    #[must_use]
    pub const fn max_result_bytes(mut self, bytes: usize) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// Sets the largest number of events that are read at a time while an aggregate is replayed, and that one call for
    /// a history or a page of the log returns. At least 1. Default: 2,000.
    #[must_use]
    pub const fn page_events(mut self, events: u32) -> Self {
        self.page_events = if events == 0 { 1 } else { events };
        self
    }
}

impl Limits {
    /// Checks the size that a commit is about to have.
    pub(crate) fn check_commit(
        &self,
        aggregates: usize,
        events: usize,
        bytes: usize,
    ) -> Result<()> {
        let checks = [
            ("aggregates and boundaries", self.max_commit_aggregates, aggregates),
            ("events", self.max_commit_events, events),
            ("bytes of payload and metadata", self.max_commit_bytes, bytes),
        ];
        match checks.into_iter().find(|(_, limit, wanted)| wanted > limit) {
            Some((what, limit, _)) => Err(Error::CommitTooLarge { what, limit }),
            None => Ok(()),
        }
    }

    /// Returns whether a snapshot fits into a commit that already holds `held` bytes of snapshots.
    pub(crate) const fn has_room(&self, held: usize, snapshot: usize) -> bool {
        snapshot <= self.max_snapshot_bytes
            && held.saturating_add(snapshot) <= self.max_commit_bytes
    }
}
