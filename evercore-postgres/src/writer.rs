//! Commits in groups: commits that wait at the same time share a transaction and its fsync.

mod append;
mod group;
mod outcomes;
mod task_columns;
pub(crate) mod verdict;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evercore::engine::{ObserverSlot, timeout};
use evercore::observer::Observation;
use evercore::{Committed, Error, Report, Result};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, select_all};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::error::{CommitFailure, classify, classify_commit, classify_shared, silence};
use crate::notify::Notifications;
use crate::readers::{RESTED, Readers};
use crate::row::positions;
use crate::statements::Statements;
use crate::types::Types;
pub(crate) use append::Columns;
use append::One;
pub(crate) use group::Request;
use group::{GROUP, Sending, next_group};

/// The most commits that wait for a writer. More callers wait for a place in the queue.
pub(crate) const QUEUE: usize = 1_024;

/// The number of waiting commits from which a second writer works beside a busy one: fewer are cheaper in the next
/// group than in one of their own.
const WORTH_ANOTHER: usize = 32;

/// The longest wait for fewer than [`WORTH_ANOTHER`] commits. The group that is under way may itself wait for a lock.
const PATIENCE: Duration = Duration::from_millis(5);

/// The most times that a group is sent again after the server rolled it back in favour of another transaction.
const RACES: usize = 5;

/// Hands queued commits to the writers, until the queue is closed and empty.
#[derive(Debug)]
pub(crate) struct Writers {
    queue: mpsc::Receiver<Request>,
    is_open: bool,
    waiting: VecDeque<Request>,
    /// The idle writers. The one that became idle last works first: its process at the server is warm.
    resting: Vec<Writer>,
    observer: ObserverSlot,
}

/// Owns a connection and commits one group at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    connect: PgConnectOptions,
    answer_timeout: Duration,
    /// The connections on which callers look up the outcome of commits without an answer. They are dropped when the
    /// server falls silent.
    readers: Readers,
    /// The connection, with the time of its last use.
    connection: Option<(PgConnection, Instant)>,
    statements: Statements,
    types: Arc<Types>,
    notifications: Arc<Notifications>,
}

/// The result of sending a group.
enum Sent {
    /// The server has processed it, with an answer for each commit.
    Answered(Vec<Result<Committed>>),
    /// None of it was committed.
    Refused(Error),
    /// It was never sent.
    Unreachable(sqlx::Error),
    /// The server had ended the session before it read the statement.
    NotRun(sqlx::Error),
    /// The connection was lost before the answer.
    Unknown(sqlx::Error),
}

impl Writers {
    pub(crate) fn new(
        queue: mpsc::Receiver<Request>,
        writers: Vec<Writer>,
        observer: ObserverSlot,
    ) -> Self {
        Self { queue, is_open: true, waiting: VecDeque::new(), resting: writers, observer }
    }

    pub(crate) async fn run(mut self) {
        let mut working = Vec::new();
        let mut is_patient = true;
        loop {
            self.take_what_is_there();
            while !self.waiting.is_empty()
                && (working.is_empty() || self.waiting.len() >= WORTH_ANOTHER || !is_patient)
                && let Some(writer) = self.resting.pop()
            {
                match next_group(&mut self.waiting) {
                    group if group.is_empty() => self.resting.push(writer),
                    group => working.push(writer.land_all(group, self.observer.clone()).boxed()),
                }
            }
            is_patient = true;
            let is_free = !self.resting.is_empty();
            tokio::select! {
                writer = next_of(&mut working), if !working.is_empty() => self.resting.push(writer),
                taken = self.queue.recv(), if self.is_open && is_free => {
                    self.is_open = taken.is_some();
                    self.waiting.extend(taken);
                }
                () = sleep(PATIENCE), if !self.waiting.is_empty() && is_free => is_patient = false,
                else => break,
            }
        }
        for writer in self.resting {
            writer.end().await;
        }
    }

    fn take_what_is_there(&mut self) {
        while self.waiting.len() < GROUP
            && let Ok(request) = self.queue.try_recv()
        {
            self.waiting.push_back(request);
        }
    }
}

impl Writer {
    pub(crate) fn new(
        connect: PgConnectOptions,
        answer_timeout: Duration,
        readers: Readers,
        statements: Statements,
        types: Arc<Types>,
        notifications: Arc<Notifications>,
    ) -> Self {
        Self {
            connect,
            answer_timeout,
            readers,
            connection: None,
            statements,
            types,
            notifications,
        }
    }

    async fn end(self) {
        if let Some((connection, _)) = self.connection {
            // A failure loses nothing: no statement is under way on it.
            let _: Result<(), sqlx::Error> = connection.close().await;
        }
    }

    /// Commits a group, and returns the writer for the next one.
    async fn land_all(mut self, group: Vec<Request>, observer: ObserverSlot) -> Self {
        let (commits, sending) = (group.len(), Sending { began: Instant::now(), observer });
        self.land(group, &sending).await;
        if let Some(observer) = sending.observer.get() {
            let duration = sending.began.elapsed();
            observer.observe(&Observation::Group { commits, duration });
        }
        self
    }

    /// Commits a group and answers its callers.
    async fn land(&mut self, group: Vec<Request>, sending: &Sending) {
        debug!(commits = group.len(), "sending a group of commits");
        match self.send(&group).await {
            Sent::Answered(answers) => {
                if answers.iter().any(Result::is_ok) {
                    self.notifications.committed();
                }
                if group.iter().any(|request| request.commit.enqueues()) {
                    self.notifications.enqueued();
                }
                for (request, answer) in group.into_iter().zip(answers) {
                    request.answer(answer, sending);
                }
            }
            Sent::Refused(error) => match <[Request; 1]>::try_from(group) {
                Ok([request]) => request.answer(Err(error), sending),
                // One commit is at fault. Sent alone, each gets its own answer.
                Err(group) => {
                    for request in group {
                        Box::pin(self.land(vec![request], sending)).await;
                    }
                }
            },
            Sent::Unreachable(error) | Sent::NotRun(error) => {
                let error = Arc::new(error);
                for request in group {
                    request.answer(Err(classify_shared("connect", &error)), sending);
                }
            }
            Sent::Unknown(error) => {
                warn!(error = %Report::new(&error), commits = group.len(), "a connection was lost during a commit");
                let error = Arc::new(error);
                for request in group {
                    let commit = request.commit.id;
                    let source = Arc::clone(&error).into();
                    request.answer(Err(Error::OutcomeUnknown { commit, source }), sending);
                }
            }
        }
    }

    async fn send(&mut self, group: &[Request]) -> Sent {
        match self.send_once(group).await {
            Sent::NotRun(error) => {
                debug!(error = %Report::new(&error), "an idle connection was closed by the server; sending the group on another one");
                self.send_once(group).await
            }
            sent => sent,
        }
    }

    async fn send_once(&mut self, group: &[Request]) -> Sent {
        let answer_timeout = self.answer_timeout;
        let mut connection = match timeout(answer_timeout, self.connection()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Sent::Unreachable(error),
            Err(_elapsed) => return Sent::Unreachable(silence()),
        };
        let sending = async {
            match self.send_one(&mut connection, group).await {
                Some(sent) => sent,
                None => self.send_group(&mut connection, group).await,
            }
        };
        let sent = timeout(answer_timeout, sending).await.unwrap_or_else(|_elapsed| {
            self.readers.let_go();
            Sent::Unknown(silence())
        });
        if !matches!(sent, Sent::Unknown(_) | Sent::NotRun(_)) {
            self.connection = Some((connection, Instant::now()));
        }
        sent
    }

    /// Sends a single commit through `append_one`, if it is of the kind which that function takes. `None` if it must be
    /// sent as a group instead; then none of it was committed.
    async fn send_one(&self, connection: &mut PgConnection, group: &[Request]) -> Option<Sent> {
        let [Request { commit, locks, .. }] = group else { return None };
        let one = One::new(commit, locks, &self.types.known());
        let one = match one {
            Ok(one) => one?,
            Err(error) => return Some(Sent::Refused(error)),
        };
        match one.send(connection, &self.statements).await.map_err(classify_commit) {
            Ok(row) => match positions(&row, [0, 1, 2]) {
                Ok(positions) if positions.is_empty() => None,
                Ok(positions) => {
                    Some(Sent::Answered(vec![Ok(Committed::new(commit.id, positions))]))
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
            Err(CommitFailure::NotRun(error)) => Some(Sent::NotRun(error)),
            Err(CommitFailure::Unknown(error)) => Some(Sent::Unknown(error)),
        }
    }

    /// Sends a group, and again if the server rolls it back in favour of another transaction, up to [`RACES`] times.
    async fn send_group(&self, connection: &mut PgConnection, group: &[Request]) -> Sent {
        let commits = group.iter().map(|request| &request.commit);
        let locks: Vec<_> = group.iter().map(|request| &request.locks).collect();
        let columns = Columns::new(commits, &locks, &self.types.known());
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
                    debug!(error = %Report::new(&error), races, "sending a group of commits again");
                }
                Err(CommitFailure::LostRace(error) | CommitFailure::RolledBack(error)) => {
                    return Sent::Refused(classify("commit", error));
                }
                Err(CommitFailure::NotRun(error)) => return Sent::NotRun(error),
                Err(CommitFailure::Unknown(error)) => return Sent::Unknown(error),
            }
        }
    }

    /// Lends a connection that works, as far as that can be known.
    async fn connection(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some((mut connection, used)) = self.connection.take()
            && (used.elapsed() < RESTED || connection.ping().await.is_ok())
        {
            return Ok(connection);
        }
        self.connect.connect().await
    }
}

/// Waits for the next writer that is done. Few are at work, so all are polled: `FuturesUnordered` would yield to the
/// runtime each time, which wakes another thread.
async fn next_of(working: &mut Vec<BoxFuture<'static, Writer>>) -> Writer {
    let (writer, index, _) = select_all(working.iter_mut()).await;
    drop(working.swap_remove(index));
    writer
}

/// Returns the answers in the order of the group.
fn answers(rows: &[PgRow], group: &[Request]) -> Result<Vec<Result<Committed>>> {
    let mut answers: Vec<Option<Result<Committed>>> = group.iter().map(|_| None).collect();
    for row in rows {
        let index = verdict::commit_index(row)?;
        let (Some(request), Some(answer)) = (group.get(index), answers.get_mut(index)) else {
            return Err(Error::corrupt(
                "verdict",
                format!("it names commit {index}, which is not in the group"),
            ));
        };
        *answer = Some(verdict::read(row, &request.commit));
    }
    answers
        .into_iter()
        .map(|answer| {
            answer.ok_or_else(|| Error::corrupt("verdict", "a commit of the group has no row"))
        })
        .collect()
}
