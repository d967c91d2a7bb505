//! Runs the loop of the thread that writes.

use std::sync::Arc;

use evercore::engine::{IdBlock, TypeName};
use evercore::{AggregateId, CommitId, CommitOutcome, Committed, Error, Report, Result};
use rusqlite::Connection;
use tokio::sync::mpsc;
use tracing::warn;

use super::group_size::GroupSize;
use super::rows::{execute, positions, register_types};
use super::{Job, OtherJob};
use crate::database::Database;
use crate::error::Problem;
use crate::row::checked;
use crate::types::{Names, Types};

const RESERVE_IDS: &str = include_str!("reserve_ids.sql");
const SETTLE_COMMIT: &str = include_str!("settle_commit.sql");

/// The state of the thread: its queue and the only connection that writes.
#[derive(Debug)]
pub(super) struct WriterThread {
    pub(super) database: Arc<Database>,
    pub(super) types: Arc<Types>,
    /// `None` after a failure that leaves its state in doubt; the next job opens another.
    connection: Option<Connection>,
    pub(super) queue: mpsc::Receiver<Job>,
    pub(super) group_size: GroupSize,
}

impl WriterThread {
    pub(super) fn new(
        database: Arc<Database>,
        types: Arc<Types>,
        connection: Connection,
        queue: mpsc::Receiver<Job>,
    ) -> Self {
        Self {
            database,
            types,
            connection: Some(connection),
            queue,
            group_size: GroupSize::default(),
        }
    }

    /// Works until the queue is closed. Answers to callers that have stopped waiting are dropped.
    pub(super) fn run(mut self) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.queue.blocking_recv()) {
            match job {
                Job::Commit(first) => next = self.land_group(first),
                Job::Other(OtherJob(work)) => work(Ok(&mut self)),
                Job::Close { answer } => {
                    self.refuse_the_rest();
                    self.give_up_connection();
                    answer.send(Ok(())).ok();
                    return;
                }
            }
        }
    }

    /// Returns the connection, and opens one if necessary. Fails if the database's files were moved or replaced.
    pub(super) fn connection(&mut self) -> Result<&Connection> {
        match &mut self.connection {
            Some(connection) => {
                self.database.check_in_place()?;
                Ok(connection)
            }
            missing => Ok(missing.insert(self.database.open_writer()?)),
        }
    }

    /// Rolls back the transaction that a failed job may have left open. If that fails, the connection is closed;
    /// closing makes SQLite undo the transaction.
    pub(super) fn roll_back(&mut self) {
        let Some(connection) = &self.connection else { return };
        if connection.is_autocommit() {
            return;
        }
        if let Err(error) = execute(connection, "ROLLBACK") {
            warn!(error = %Report::new(&error), "the write connection is closed, and another one opened");
            self.give_up_connection();
        }
    }

    pub(super) fn give_up_connection(&mut self) {
        self.database.forget_files();
        self.connection = None;
    }

    /// Stores names in a transaction of its own, and caches them. A failure leaves the transaction open. The caller
    /// holds the write lock.
    pub(super) fn register(&mut self, names: &[TypeName]) -> Result<Arc<Names>, Problem> {
        let types = Arc::clone(&self.types);
        let connection = self.connection()?;
        execute(connection, "BEGIN IMMEDIATE")?;
        register_types(connection, names)?;
        execute(connection, "COMMIT")?;
        Ok(types.refresh(connection)?)
    }

    /// Runs `work` in a transaction of its own.
    pub(super) fn transact<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Problem>,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        let _turn = database.locks().write_blocking()?;
        let done = self.connection().map_err(Problem::from).and_then(|connection| {
            execute(connection, "BEGIN IMMEDIATE")?;
            let value = work(connection)?;
            execute(connection, "COMMIT")?;
            Ok(value)
        });
        if done.is_err() {
            self.roll_back();
        }
        done.map_err(|problem| problem.undone(database.name(), operation))
    }

    pub(super) fn register_alone(&mut self, names: &[TypeName]) -> Result<()> {
        let known = self.types.known();
        if names.iter().all(|name| known.knows(name.aggregate, name.event)) {
            return Ok(());
        }
        let database = Arc::clone(&self.database);
        let _turn = database.locks().write_blocking()?;
        let registered = self.register(names);
        if registered.is_err() {
            self.roll_back();
        }
        let operation = "store the names of types";
        registered.map(drop).map_err(|problem| problem.undone(database.name(), operation))
    }

    pub(super) fn reserve_ids(&mut self, count: u32) -> Result<IdBlock> {
        self.transact("reserve aggregate ids", |connection| {
            let first =
                connection.prepare_cached(RESERVE_IDS)?.query_one([count], |row| row.get(0))?;
            let first = checked(AggregateId::new(first), "aggregate_ids.next_id")?;
            Ok(IdBlock::new(first, count))
        })
    }

    pub(super) fn find_commit(&mut self, id: CommitId) -> Result<CommitOutcome> {
        self.transact("find a commit", |connection| {
            let (outcome, first, last): (i64, _, _) = connection
                .prepare_cached(SETTLE_COMMIT)?
                .query_one([id.as_uuid().as_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            if outcome == 0 {
                return Ok(CommitOutcome::NeverLands);
            }
            Ok(CommitOutcome::Landed(Committed::new(id, positions(first, last)?)))
        })
    }

    /// Refuses the jobs that were queued behind the last one.
    fn refuse_the_rest(&mut self) {
        self.queue.close();
        while let Some(job) = self.queue.blocking_recv() {
            match job {
                Job::Commit(job) => drop(job.answer.send(Err(Error::Closed))),
                Job::Other(OtherJob(work)) => work(Err(Error::Closed)),
                Job::Close { answer } => drop(answer.send(Ok(()))),
            }
        }
    }
}
