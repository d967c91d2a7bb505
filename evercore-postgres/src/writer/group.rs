//! Selects waiting commits that can share a transaction.

use std::collections::{HashSet, VecDeque};

use evercore::engine::{AggregateWrite, Commit, Committed, KeyChange, Precondition};
use evercore::{AggregateId, IdempotencyKey, NaturalKey, Result};
use tokio::sync::oneshot;

use super::append::new_key;

/// The most commits of a group.
pub(crate) const GROUP: usize = 256;

/// The most bytes of payloads, snapshots and results of a group, unless a single commit has more.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// A commit and the channel for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commit: Commit,
    pub(crate) answer: oneshot::Sender<Result<Committed>>,
    /// The size of its payloads, snapshots and result.
    bytes: usize,
}

impl Request {
    pub(crate) fn new(commit: Commit, answer: oneshot::Sender<Result<Committed>>) -> Self {
        let events = commit.events.iter().map(|event| event.payload.stored_bytes().len());
        let snapshots = commit.snapshots.iter().map(|snapshot| snapshot.state.len());
        let result = commit.idempotency.as_ref().map(|given| given.result.len());
        let bytes = events.chain(snapshots).chain(result).sum();
        Self { commit, answer, bytes }
    }

    /// Sends the answer. A caller that has stopped waiting does not need it.
    pub(crate) fn answer(self, answer: Result<Committed>) {
        let _: Result<(), Result<Committed>> = self.answer.send(answer);
    }
}

/// Takes commits that can share a transaction: no two of them name the same aggregate, natural key or idempotency key.
/// Drops commits whose callers have stopped waiting.
pub(crate) fn next_group(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let mut group: Vec<Request> = Vec::new();
    let mut later = VecDeque::new();
    let mut aggregates: HashSet<AggregateId> = HashSet::new();
    let mut keys: HashSet<(&'static str, NaturalKey)> = HashSet::new();
    let mut idempotency_keys: HashSet<IdempotencyKey> = HashSet::new();
    let mut bytes = 0;
    for request in waiting.drain(..) {
        if request.answer.is_closed() {
            continue;
        }
        let fits = group.is_empty() || bytes + request.bytes <= GROUP_BYTES;
        let writes = &request.commit.writes;
        let idempotency_key = request.commit.idempotency.as_ref().map(|given| &given.key);
        let shares = writes.iter().any(|write| {
            aggregates.contains(&write.id)
                || claims(write).any(|key| keys.contains(&(write.aggregate_type, key.clone())))
        }) || idempotency_key.is_some_and(|key| idempotency_keys.contains(key));
        if shares || !fits || group.len() == GROUP {
            later.push_back(request);
            continue;
        }
        bytes += request.bytes;
        for write in writes {
            aggregates.insert(write.id);
            keys.extend(claims(write).map(|key| (write.aggregate_type, key.clone())));
        }
        idempotency_keys.extend(idempotency_key.cloned());
        group.push(request);
    }
    *waiting = later;
    group
}

/// The natural keys that a write takes or may give up.
fn claims(write: &AggregateWrite) -> impl Iterator<Item = &NaturalKey> {
    let held = match &write.precondition {
        Precondition::Unchanged { key, .. } if write.key != KeyChange::Keep => key.as_ref(),
        _ => None,
    };
    new_key(write).into_iter().chain(held)
}

#[cfg(test)]
mod tests;
