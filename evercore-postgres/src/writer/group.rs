//! Selects waiting commits that can share a transaction.

use std::collections::{HashSet, VecDeque};
use std::mem::take;
use std::time::Instant;

use evercore::engine::{Claim, Commit, ObserverSlot, TaskChange};
use evercore::{Committed, Result};
use tokio::sync::oneshot;

use crate::tags::{MOST_LOCKS, TagLocks};

/// The most commits of a group.
pub(crate) const GROUP: usize = 256;

/// The most bytes of payloads, snapshots and results of a group, unless a single commit has more.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// A commit and the channel for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commit: Commit,
    pub(crate) answer: oneshot::Sender<Result<Committed>>,
    pub(crate) locks: TagLocks,
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
        let tasks = commit.tasks.iter().filter_map(|change| match change {
            TaskChange::Enqueue(task) => Some(task.payload.stored_bytes().len()),
            TaskChange::Cancel { .. } => None,
        });
        let bytes = events.chain(snapshots).chain(result).chain(tasks).sum();
        let claims = commit.claims().collect();
        let locks = TagLocks::of(&commit);
        Self { commit, answer, locks, claims, bytes }
    }

    /// Sends the answer. If the caller has stopped waiting, it is only observed.
    pub(crate) fn answer(self, answer: Result<Committed>, sent: &Sending) {
        if let Err(unheard) = self.answer.send(answer) {
            sent.observer.unheard(&unheard, self.commit.events.len(), sent.began);
        }
    }
}

/// Takes commits that can share a transaction: no two of them have an equal claim, and no condition could match an event of
/// an earlier one, since all are judged before any is stored. Drops commits whose callers have stopped waiting.
pub(crate) fn next_group(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let mut group: Vec<Request> = Vec::new();
    let mut later = VecDeque::new();
    let mut claimed: HashSet<Claim> = HashSet::new();
    let mut written: HashSet<i64> = HashSet::new();
    let (mut bytes, mut locks) = (0, 0);
    for mut request in waiting.drain(..) {
        if request.answer.is_closed() {
            continue;
        }
        let has_room =
            bytes + request.bytes <= GROUP_BYTES && locks + request.locks.count() <= MOST_LOCKS;
        let fits = group.is_empty() || has_room;
        let shares = request.claims.iter().any(|claim| claimed.contains(claim))
            || request.locks.asked.iter().any(|asked| written.contains(asked));
        if shares || !fits || group.len() == GROUP {
            later.push_back(request);
            continue;
        }
        bytes += request.bytes;
        locks += request.locks.count();
        written.extend(&request.locks.written);
        // A request of a group is not grouped again.
        claimed.extend(take(&mut request.claims));
        group.push(request);
    }
    *waiting = later;
    group
}

#[cfg(test)]
mod tests;
