//! Runs the one thread that writes.

mod append;
mod commands;
mod group;
mod group_size;
mod index_tags;
mod land;
mod outcome;
mod preconditions;
mod rows;
mod tasks;
mod thread;
mod unique;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::Builder;

use evercore::engine::{Commit, IdBlock, TypeName};
use evercore::{CommitId, CommitOutcome, Committed, Error, Result};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::database::Database;
use crate::error::{Problem, because};
use crate::types::Types;
use thread::WriterThread;

pub(crate) use land::land_within;
pub(crate) use rows::{bump_version, declared_version, positions, register_names};
pub(crate) use tasks::{is_held, lease_lost};

/// The most jobs in the queue; further callers wait until there is room.
const QUEUE: usize = 1024;

/// Hands work to the thread that writes. When this is dropped, the thread finishes its queued work and ends.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// A request to the thread.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all jobs are commits")]
enum Job {
    Commit(CommitJob),
    Other(OtherJob),
    Close { answer: Answer<()> },
}

/// A commit and the channel for its result.
#[derive(Debug)]
struct CommitJob {
    commit: Commit,
    answer: Answer<Committed>,
}

/// Other work that writes. It gets an error if it will not be done.
struct OtherJob(Box<OtherWork>);

type OtherWork = dyn FnOnce(Result<&mut WriterThread>) + Send;
type Answer<T> = oneshot::Sender<Result<T>>;

impl Writer {
    /// Starts the thread on a connection.
    pub(crate) fn start(
        database: Arc<Database>,
        types: Arc<Types>,
        connection: Connection,
    ) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        Builder::new()
            .name("evercore-sqlite".to_owned())
            .spawn(move || {
                let thread = WriterThread::new(database, types, connection, queue);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| thread.run())) {
                    error!("{STOPPED}; the store accepts no more writes");
                    resume_unwind(panic);
                }
            })
            .map_err(|error| Error::storage("start the writer thread", error))?;
        Ok(Self { jobs })
    }

    /// Stores a commit. If this future is dropped before the thread takes the commit up, the commit is skipped.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed> {
        let id = commit.id;
        let (answer, verdict) = oneshot::channel();
        self.send(Job::Commit(CommitJob { commit, answer })).await?;
        verdict
            .await
            .unwrap_or_else(|_| Err(Error::OutcomeUnknown { commit: id, source: because(STOPPED) }))
    }

    pub(crate) async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.ask(move |thread| thread.find_commit(id)).await
    }

    pub(crate) async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.ask(move |thread| thread.reserve_ids(count)).await
    }

    pub(crate) async fn register(&self, names: Vec<TypeName>) -> Result<()> {
        self.ask(move |thread| thread.register_alone(&names)).await
    }

    /// Runs `work` in a transaction of its own. If this future is dropped before the thread takes the work up, it may
    /// still be done.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        self.ask(move |thread| thread.transact(operation, work)).await
    }

    /// Finishes the jobs queued before, then ends the thread. Does nothing if it has ended.
    pub(crate) async fn close(&self) -> Result<()> {
        let (answer, reply) = oneshot::channel();
        match self.send(Job::Close { answer }).await {
            Err(Error::Closed) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => reply.await.unwrap_or(Ok(())),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriterThread) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, reply) = oneshot::channel();
        let job = OtherJob(Box::new(move |thread| {
            // A caller that has stopped waiting does not need the answer.
            answer.send(thread.and_then(work)).ok();
        }));
        self.send(Job::Other(job)).await?;
        reply.await.unwrap_or_else(|_| Err(Error::storage("write", because(STOPPED))))
    }

    async fn send(&self, job: Job) -> Result<()> {
        self.jobs.send(job).await.map_err(|_| Error::Closed)
    }
}

impl fmt::Debug for OtherJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherJob")
    }
}

const STOPPED: &str = "the writer thread has panicked";
