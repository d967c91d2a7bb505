//! Group commit: commits that wait at the same time share a transaction and its fsync.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use evercore::engine::{AggregateWrite, Commit, Committed, KeyChange, Precondition};
use evercore::{AggregateId, Error, IdempotencyKey, NaturalKey, Result};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::{debug, warn};

use crate::append::{Columns, One};
use crate::connect::RESTED;
use crate::error::{CommitFailure, classify, classify_commit};
use crate::notify::Notifications;
use crate::row::positions;
use crate::statements::Statements;
use crate::types::Types;
use crate::verdict;

/// The most commits that wait for a writer. More callers wait for a place.
pub(crate) const QUEUE: usize = 1_024;

/// The most commits of a group.
const GROUP: usize = 256;

/// The most bytes of payloads and snapshots of a group, unless a single commit has more.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// How often a group is sent again after it lost a race that the server settled.
const RACES: usize = 5;

/// A commit and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commit: Commit,
    pub(crate) answer: oneshot::Sender<Result<Committed>>,
}

/// What all writers take from.
pub(crate) type Queue = Arc<Mutex<mpsc::Receiver<Request>>>;

/// Owns a connection and lands what the queue brings, until the queue is closed and empty.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Queue,
    waiting: VecDeque<Request>,
    connect: PgConnectOptions,
    /// With the time of its last use.
    connection: Option<(PgConnection, Instant)>,
    statements: Statements,
    types: Arc<Types>,
    notifications: Arc<Notifications>,
}

/// What became of a group that was sent.
enum Sent {
    /// It went through, with an answer for each commit.
    Answered(Vec<Result<Committed>>),
    /// None of it landed.
    Refused(Error),
    /// It never left.
    Unreachable(sqlx::Error),
    /// The connection was lost before the answer.
    Unknown(sqlx::Error),
}

impl Writer {
    pub(crate) fn new(
        queue: Queue,
        connect: PgConnectOptions,
        statements: Statements,
        types: Arc<Types>,
        notifications: Arc<Notifications>,
    ) -> Self {
        let waiting = VecDeque::new();
        Self { queue, waiting, connect, connection: None, statements, types, notifications }
    }

    pub(crate) async fn run(mut self) {
        while !self.waiting.is_empty() || self.take().await {
            let group = next_group(&mut self.waiting);
            debug!(commits = group.len(), "sending a group");
            self.land(group).await;
        }
        if let Some((connection, _)) = self.connection {
            // Nothing is under way on it.
            let _: Result<(), sqlx::Error> = connection.close().await;
        }
    }

    /// Waits for commits. `false` if there will be none.
    async fn take(&mut self) -> bool {
        let mut taken = Vec::new();
        let count = self.queue.lock().await.recv_many(&mut taken, GROUP).await;
        self.waiting.extend(taken);
        count > 0
    }

    /// Lands a group and answers it.
    async fn land(&mut self, group: Vec<Request>) {
        match self.send(&group).await {
            Sent::Answered(answers) => {
                if answers.iter().any(Result::is_ok) {
                    self.notifications.committed();
                }
                for (request, answer) in group.into_iter().zip(answers) {
                    request.answer(answer);
                }
            }
            Sent::Refused(error) => match <[Request; 1]>::try_from(group) {
                Ok([request]) => request.answer(Err(error)),
                // One of them is at fault. Alone, each gets what is its own.
                Err(group) => {
                    for request in group {
                        Box::pin(self.land(vec![request])).await;
                    }
                }
            },
            Sent::Unreachable(error) => {
                let error = Arc::new(error);
                for request in group {
                    request.answer(Err(Error::Unavailable { source: Arc::clone(&error).into() }));
                }
            }
            Sent::Unknown(error) => {
                warn!(%error, commits = group.len(), "a connection was lost while it committed");
                let error = Arc::new(error);
                for request in group {
                    let commit = request.commit.id;
                    let source = Arc::clone(&error).into();
                    request.answer(Err(Error::OutcomeUnknown { commit, source }));
                }
            }
        }
    }

    async fn send(&mut self, group: &[Request]) -> Sent {
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return Sent::Unreachable(error),
        };
        let sent = match self.send_one(&mut connection, group).await {
            Some(sent) => sent,
            None => self.send_group(&mut connection, group).await,
        };
        if !matches!(sent, Sent::Unknown(_)) {
            self.connection = Some((connection, Instant::now()));
        }
        sent
    }

    /// The short way of the usual commit, if it is that and comes alone. `None` if it has to be judged as a group is:
    /// nothing of it landed.
    async fn send_one(&self, connection: &mut PgConnection, group: &[Request]) -> Option<Sent> {
        let [Request { commit, .. }] = group else { return None };
        let one = One::new(commit, &self.types.known());
        let one = match one {
            Ok(one) => one?,
            Err(error) => return Some(Sent::Refused(error)),
        };
        match one.send(connection, &self.statements).await.map_err(classify_commit) {
            Ok(row) => match positions(&row, 0, 1) {
                Ok(None) => None,
                Ok(positions) => {
                    Some(Sent::Answered(vec![Ok(Committed { id: commit.id, positions })]))
                }
                Err(error) => Some(Sent::Refused(error)),
            },
            Err(CommitFailure::LostRace(_)) => None,
            Err(CommitFailure::RolledBack(sqlx::Error::Database(error)))
                if error.is_unique_violation() =>
            {
                None
            }
            Err(CommitFailure::RolledBack(error)) => Some(Sent::Refused(classify("commit", error))),
            Err(CommitFailure::Unknown(error)) => Some(Sent::Unknown(error)),
        }
    }

    /// Sends a group, and again while it loses races that the server settled.
    async fn send_group(&self, connection: &mut PgConnection, group: &[Request]) -> Sent {
        let commits = group.iter().map(|request| &request.commit);
        let columns = Columns::new(commits, &self.types.known());
        let columns = match columns {
            Ok(columns) => columns,
            Err(error) => return Sent::Refused(error),
        };
        let mut races = 0;
        loop {
            match columns.send(connection, &self.statements).await.map_err(classify_commit) {
                Ok(rows) => {
                    return answers(&rows, group).map_or_else(Sent::Refused, Sent::Answered);
                }
                Err(CommitFailure::LostRace(error)) if races < RACES => {
                    races += 1;
                    debug!(%error, races, "sending a group again");
                }
                Err(CommitFailure::LostRace(error) | CommitFailure::RolledBack(error)) => {
                    return Sent::Refused(classify("commit", error));
                }
                Err(CommitFailure::Unknown(error)) => return Sent::Unknown(error),
            }
        }
    }

    /// A connection that works, as far as that can be known.
    async fn connection(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some((mut connection, used)) = self.connection.take()
            && (used.elapsed() < RESTED || connection.ping().await.is_ok())
        {
            return Ok(connection);
        }
        self.connect.connect().await
    }
}

impl Request {
    /// Whoever stopped waiting does not need the answer.
    fn answer(self, answer: Result<Committed>) {
        let _: Result<(), Result<Committed>> = self.answer.send(answer);
    }

    fn bytes(&self) -> usize {
        let events = self.commit.events.iter().map(|event| event.payload.bytes().len());
        let snapshots = self.commit.snapshots.iter().map(|snapshot| snapshot.state.len());
        events.chain(snapshots).sum()
    }
}

/// Takes commits that can share a transaction: none names an aggregate or a key, of either kind, of another.
fn next_group(waiting: &mut VecDeque<Request>) -> Vec<Request> {
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
        let fits = group.is_empty() || bytes + request.bytes() <= GROUP_BYTES;
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
        bytes += request.bytes();
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

/// The keys that a write takes or may give up.
fn claims(write: &AggregateWrite) -> impl Iterator<Item = &NaturalKey> {
    let taken = match &write.key {
        KeyChange::Set(key) => Some(key),
        KeyChange::Keep | KeyChange::Clear => None,
    };
    let held = match &write.precondition {
        Precondition::Unchanged { key, .. } if write.key != KeyChange::Keep => key.as_ref(),
        _ => None,
    };
    taken.into_iter().chain(held)
}

/// The answers in the order of the group.
fn answers(rows: &[PgRow], group: &[Request]) -> Result<Vec<Result<Committed>>> {
    let mut answers: Vec<Option<Result<Committed>>> = group.iter().map(|_| None).collect();
    for row in rows {
        let index = verdict::commit_index(row)?;
        let (Some(request), Some(answer)) = (group.get(index), answers.get_mut(index)) else {
            return Err(Error::corrupt("verdict", format!("about commit {index} of the group")));
        };
        *answer = Some(verdict::read(row, &request.commit));
    }
    answers
        .into_iter()
        .map(|answer| answer.ok_or_else(|| Error::corrupt("verdict", "one is missing")))
        .collect()
}
