//! Collects the counts and findings of a verification as it runs.

use std::collections::BTreeMap;
use std::fmt;

use super::Finding;
use super::report::{UnknownKind, Verified, VerifyReport};
use crate::{LogDigest, RecordedEvent};

/// The most unknown event types that are counted apart.
const MOST_UNKNOWN_KINDS: usize = 1_000;

/// Collects findings, up to a bound, and passes each to the listener.
pub(super) struct Notes<'a> {
    pub(super) verified: Verified,
    findings: Vec<Finding>,
    unknown: BTreeMap<UnknownKind, u64>,
    most: usize,
    on_finding: Option<Listener<'a, Finding>>,
    on_progress: Option<Listener<'a, Verified>>,
}

/// A callback for findings or counts.
pub(super) type Listener<'a, T> = Box<dyn FnMut(&T) + Send + 'a>;

impl<'a> Notes<'a> {
    pub(super) fn new(
        most: usize,
        on_finding: Option<Listener<'a, Finding>>,
        on_progress: Option<Listener<'a, Verified>>,
    ) -> Self {
        let (verified, findings, unknown) = Default::default();
        Self { verified, findings, unknown, most, on_finding, on_progress }
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.verified.findings += 1;
        if let Some(tell) = &mut self.on_finding {
            tell(&finding);
        }
        if self.findings.len() < self.most {
            self.findings.push(finding);
        }
    }

    /// Counts an event of a type that this program does not know.
    pub(super) fn unknown(&mut self, event: &RecordedEvent) {
        self.verified.unknown_events += 1;
        let kind = UnknownKind {
            aggregate_type: event.aggregate_type().to_owned(),
            event_type: event.event_type().to_owned(),
            version: event.version(),
        };
        if self.unknown.len() < MOST_UNKNOWN_KINDS || self.unknown.contains_key(&kind) {
            *self.unknown.entry(kind).or_default() += 1;
        }
    }

    /// Passes the counts to the listener, and yields: with a store that never waits, other tasks on this thread would
    /// not run.
    pub(super) async fn page_done(&mut self) {
        if let Some(tell) = &mut self.on_progress {
            tell(&self.verified);
        }
        tokio::task::yield_now().await;
    }

    pub(super) fn into_report(self, digest: Option<LogDigest>) -> VerifyReport {
        let Self { verified, findings, unknown, .. } = self;
        VerifyReport { verified, findings, unknown, digest }
    }
}

impl fmt::Debug for Notes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("verified", &self.verified).finish_non_exhaustive()
    }
}
