//! Reads the log and the outcomes of commits from the store when all clients have finished.

use std::collections::HashMap;
use std::sync::Arc;

use evercore::{
    AggregateId, CommitId, CommitOutcome, EventStore, Position, RecordedEvent, Result, Sequence,
};
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;

use super::commits::Commits;
use super::observation::{EventBegun, Fingerprint, Handled};
use super::stamp::stamped;
use super::violation::Violation;

/// The number of events in a page of the log.
const PAGE: u32 = 1_000;

/// The number of outcomes that are asked for concurrently.
const AT_ONCE: usize = 16;

/// An event of the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Handled,
    pub(super) aggregate_type: Arc<str>,
    pub(super) event: EventBegun,
    pub(super) commit: Option<CommitId>,
}

impl From<&RecordedEvent> for Entry {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            place: event.into(),
            aggregate_type: event.aggregate_type().into(),
            event: EventBegun {
                aggregate: event.aggregate_id(),
                event_type: event.event_type().to_owned(),
                version: event.version(),
                payload: Fingerprint::of(event.payload()),
                tags: event.tags().clone(),
            },
            commit: stamped(event.metadata()),
        }
    }
}

/// Reads the whole log.
pub(super) async fn log(store: &EventStore) -> Result<Vec<Entry>> {
    let mut log = Vec::new();
    let mut after = Position::START;
    loop {
        let page = store.read_log(after, PAGE).await?;
        log.extend(page.events.iter().map(Entry::from));
        if page.at_end || page.end <= after {
            return Ok(log);
        }
        after = page.end;
    }
}

/// Asks the store for the outcomes of all commits that it did not refuse. Asking also prevents a commit that is still
/// under way from being committed later.
pub(super) async fn outcomes(
    store: &EventStore,
    commits: &Commits<'_>,
) -> Result<HashMap<CommitId, CommitOutcome>> {
    let asked = commits.sent.iter().filter(|sent| sent.refusal().is_none());
    let asked: Vec<CommitId> = asked.map(|sent| sent.begun.commit).collect();
    // Not a stream adapter: a closure that borrows the store would make the future not `Send`.
    let (mut asking, mut outcomes) = (FuturesUnordered::new(), HashMap::new());
    for commit in asked {
        asking.push(outcome(store, commit));
        if asking.len() == AT_ONCE {
            outcomes.extend(asking.try_next().await?);
        }
    }
    while let Some(answer) = asking.try_next().await? {
        outcomes.extend([answer]);
    }
    Ok(outcomes)
}

async fn outcome(store: &EventStore, commit: CommitId) -> Result<(CommitId, CommitOutcome)> {
    Ok((commit, store.find_commit(commit).await?))
}

/// Checks that positions increase and that the sequences of each aggregate are 1, 2, 3 …
pub(super) fn check_order(log: &[Entry]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last_position = Position::START;
    let mut sequences: HashMap<AggregateId, Sequence> = HashMap::new();
    for Entry { place, .. } in log {
        if place.position <= last_position {
            found.push(Violation::Unordered { position: place.position, after: last_position });
        }
        last_position = place.position;
        let last = sequences.entry(place.aggregate).or_default();
        if place.sequence != last.next() {
            found.push(Violation::Sequence { event: *place, expected: last.next() });
        }
        *last = place.sequence;
    }
    found
}
