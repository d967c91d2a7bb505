//! The one task that writes.

mod group;
mod judge;
mod land;
mod outcome;
mod plan;
mod state;
mod statements;
mod task;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use evercore::engine::{Commit, CommitOutcome, Committed, IdBlock};
use evercore::{CommitId, Error, Result};
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::database::Database;
use crate::error::{Problem, because};
use crate::types::Types;
use task::Task;

pub(crate) use land::land_within;
pub(crate) use statements::MOST_ROWS;
pub(crate) use task::positions;

/// Callers beyond this many wait until there is room.
const QUEUE: usize = 1024;

/// Hands work to the task that writes. The task ends when this is dropped, after what it has been given.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// What the task is asked to do, and where the answer goes.
#[derive(Debug)]
enum Job {
    Commit(CommitJob),
    FindCommit { id: CommitId, answer: Answer<CommitOutcome> },
    ReserveIds { count: u32, answer: Answer<IdBlock> },
    Register { names: Vec<TypeName>, answer: Answer<()> },
    Transact(TransactJob),
    Close { answer: Answer<()> },
}

/// A commit and where its verdict goes.
#[derive(Debug)]
struct CommitJob {
    commit: Commit,
    answer: Answer<Committed>,
}

/// Something else that writes, in a transaction of its own.
struct TransactJob(Box<dyn for<'t> FnOnce(&'t mut Task) -> Transacting<'t> + Send>);

type Transacting<'t> = Pin<Box<dyn Future<Output = ()> + Send + 't>>;

/// What is done in a transaction.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'c>>;

type Answer<T> = oneshot::Sender<Result<T>>;

/// The name of a type that is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TypeName {
    pub(crate) aggregate: &'static str,
    pub(crate) event: Option<&'static str>,
}

impl Writer {
    /// Starts the task on a connection.
    pub(crate) fn start(
        database: Arc<Database>,
        types: Arc<Types>,
        connection: SqliteConnection,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(Task::new(database, types, connection, queue).run());
        Self { jobs }
    }

    /// Lands a commit. If this is dropped before the task takes the commit up, it is left out.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed> {
        let id = commit.id;
        let (answer, verdict) = oneshot::channel();
        self.send(Job::Commit(CommitJob { commit, answer })).await?;
        verdict
            .await
            .unwrap_or_else(|_| Err(Error::OutcomeUnknown { commit: id, source: because(STOPPED) }))
    }

    pub(crate) async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.ask(|answer| Job::FindCommit { id, answer }).await
    }

    pub(crate) async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.ask(|answer| Job::ReserveIds { count, answer }).await
    }

    pub(crate) async fn register(&self, names: Vec<TypeName>) -> Result<()> {
        self.ask(|answer| Job::Register { names, answer }).await
    }

    /// Does something in a transaction of its own. If this is dropped before the task takes it up, it may be done all
    /// the same.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    ) -> Result<T> {
        let (answer, reply) = oneshot::channel();
        let job = TransactJob(Box::new(move |task| {
            Box::pin(async move {
                answer.send(task.transact(operation, work).await).ok();
            })
        }));
        self.send(Job::Transact(job)).await?;
        reply.await.unwrap_or(Err(Error::Closed))
    }

    /// Finishes what was handed over before, then ends the task. Once more does nothing.
    pub(crate) async fn close(&self) -> Result<()> {
        match self.ask(|answer| Job::Close { answer }).await {
            Err(Error::Closed) => Ok(()),
            other => other,
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T> {
        let (answer, reply) = oneshot::channel();
        self.send(job(answer)).await?;
        reply.await.unwrap_or_else(|_| Err(Error::storage("write", because(STOPPED))))
    }

    async fn send(&self, job: Job) -> Result<()> {
        self.jobs.send(job).await.map_err(|_| Error::Closed)
    }
}

impl fmt::Debug for TransactJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactJob")
    }
}

const STOPPED: &str = "the task that writes has stopped; its runtime has ended, or it has panicked";
