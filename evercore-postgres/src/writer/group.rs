//! Selects waiting commits that can share a transaction.

use std::collections::{HashSet, VecDeque};
use std::mem::take;
use std::time::Instant;

use evercore::engine::{Claim, Commit, ObserverSlot};
use evercore::{Committed, Result};
use tokio::sync::oneshot;

/// The most commits of a group.
pub(crate) const GROUP: usize = 256;

/// The most bytes of payloads, snapshots and results of a group, unless a single commit has more.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// A commit and the channel for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commit: Commit,
    pub(crate) answer: oneshot::Sender<Result<Committed>>,
    claims: Vec<Claim>,
    /// The size of its payloads, snapshots and result.
    bytes: usize,
}

/// A group that is being sent.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) began: Instant,
    pub(crate) observer: ObserverSlot,
}

impl Request {
    pub(crate) fn new(commit: Commit, answer: oneshot::Sender<Result<Committed>>) -> Self {
        let events = commit.events.iter().map(|event| event.payload.stored_bytes().len());
        let snapshots = commit.snapshots.iter().map(|snapshot| snapshot.state.len());
        let result = commit.idempotency.as_ref().map(|given| given.result.len());
        let bytes = events.chain(snapshots).chain(result).sum();
        let claims = commit.claims().collect();
        Self { commit, answer, claims, bytes }
    }

    /// Sends the answer. If the caller has stopped waiting, it is only observed.
    pub(crate) fn answer(self, answer: Result<Committed>, sent: &Sending) {
        if let Err(unheard) = self.answer.send(answer) {
            sent.observer.unheard(&unheard, self.commit.events.len(), sent.began);
        }
    }
}

/// Takes commits that can share a transaction: no two of them have an equal claim. Drops commits whose callers have
/// stopped waiting.
pub(crate) fn next_group(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let mut group: Vec<Request> = Vec::new();
    let mut later = VecDeque::new();
    let mut claimed: HashSet<Claim> = HashSet::new();
    let mut bytes = 0;
    for mut request in waiting.drain(..) {
        if request.answer.is_closed() {
            continue;
        }
        let fits = group.is_empty() || bytes + request.bytes <= GROUP_BYTES;
        let shares = request.claims.iter().any(|claim| claimed.contains(claim));
        if shares || !fits || group.len() == GROUP {
            later.push_back(request);
            continue;
        }
        bytes += request.bytes;
        // A request of a group is not grouped again.
        claimed.extend(take(&mut request.claims));
        group.push(request);
    }
    *waiting = later;
    group
}

#[cfg(test)]
mod tests;
