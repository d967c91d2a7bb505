//! The one thread that writes.

mod append;
mod group;
mod group_size;
mod land;
mod outcome;
mod preconditions;
mod rows;
mod thread;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::Builder;

use evercore::engine::{Commit, CommitOutcome, Committed, IdBlock, TypeName};
use evercore::{CommitId, Error, Result};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::database::Database;
use crate::error::{Problem, because};
use crate::types::Types;
use thread::WriterThread;

pub(crate) use land::land_within;
pub(crate) use rows::positions;

/// Callers beyond this many wait until there is room.
const QUEUE: usize = 1024;

/// Hands work to the thread that writes. The thread ends when this is dropped, after what it has been given.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// What the thread is asked to do.
#[derive(Debug)]
enum Job {
    Commit(CommitJob),
    Other(OtherJob),
    Close { answer: Answer<()> },
}

/// A commit and where its verdict goes.
#[derive(Debug)]
struct CommitJob {
    commit: Commit,
    answer: Answer<Committed>,
}

/// Something else that writes. It is told why, if it is not to be done.
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
                let scribe = WriterThread::new(database, types, connection, queue);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scribe.run())) {
                    error!("{STOPPED}; the store takes no more writes");
                    resume_unwind(panic);
                }
            })
            .map_err(|error| Error::storage("start the thread that writes", error))?;
        Ok(Self { jobs })
    }

    /// Lands a commit. If this is dropped before the thread takes the commit up, it is left out.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed> {
        let id = commit.id;
        let (answer, verdict) = oneshot::channel();
        self.send(Job::Commit(CommitJob { commit, answer })).await?;
        verdict
            .await
            .unwrap_or_else(|_| Err(Error::OutcomeUnknown { commit: id, source: because(STOPPED) }))
    }

    pub(crate) async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.ask(move |scribe| scribe.find_commit(id)).await
    }

    pub(crate) async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.ask(move |scribe| scribe.reserve_ids(count)).await
    }

    pub(crate) async fn register(&self, names: Vec<TypeName>) -> Result<()> {
        self.ask(move |scribe| scribe.register_alone(&names)).await
    }

    /// Does something in a transaction of its own. If this is dropped before the thread takes it up, it may be done all
    /// the same.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        self.ask(move |scribe| scribe.transact(operation, work)).await
    }

    /// Finishes what was handed over before, then ends the thread. Once more does nothing.
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
        let job = OtherJob(Box::new(move |scribe| {
            // Whoever does not wait any more does not want to know.
            answer.send(scribe.and_then(work)).ok();
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

const STOPPED: &str = "the thread that writes has panicked";
