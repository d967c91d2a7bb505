//! The loop of the task that writes.

use std::sync::Arc;

use evercore::engine::{CommitOutcome, Committed, IdBlock};
use evercore::{AggregateId, CommitId, Error, Position, Result};
use sqlx::{Row, SqliteConnection};
use tokio::sync::mpsc;
use tracing::debug;

use super::land::rows;
use super::statements::{REGISTER_TYPES_ALONE, RESERVE_IDS, SETTLE_COMMIT};
use super::{Job, TransactJob, TypeName, Work};
use crate::database::{self, Database};
use crate::error::Problem;
use crate::page::checked;
use crate::types::{Names, Types};

/// The task's own: the queue and the one connection that writes.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) database: Arc<Database>,
    pub(super) types: Arc<Types>,
    /// `None` after a failure that leaves its state in doubt; the next job opens another.
    connection: Option<SqliteConnection>,
    pub(super) queue: mpsc::Receiver<Job>,
}

impl Task {
    pub(super) fn new(
        database: Arc<Database>,
        types: Arc<Types>,
        connection: SqliteConnection,
        queue: mpsc::Receiver<Job>,
    ) -> Self {
        Self { database, types, connection: Some(connection), queue }
    }

    /// Works until the queue is closed. An answer that nobody waits for any more is lost, as it should be.
    pub(super) async fn run(mut self) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => Some(job),
                None => self.queue.recv().await,
            };
            match job {
                Some(Job::Commit(first)) => next = self.land_group(first).await,
                Some(Job::FindCommit { id, answer }) => {
                    answer.send(self.find_commit(id).await).ok();
                }
                Some(Job::ReserveIds { count, answer }) => {
                    answer.send(self.reserve_ids(count).await).ok();
                }
                Some(Job::Register { names, answer }) => {
                    answer.send(self.register_alone(&names).await).ok();
                }
                Some(Job::Transact(TransactJob(work))) => work(&mut self).await,
                Some(Job::Close { answer }) => {
                    self.refuse_the_rest().await;
                    answer.send(self.close().await).ok();
                    return;
                }
                None => {
                    if let Err(error) = self.close().await {
                        debug!(%error, "the connection that writes was not closed well");
                    }
                    return;
                }
            }
        }
    }

    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection> {
        if self.connection.is_none() {
            self.connection = Some(self.database.open_writer().await?);
        }
        Ok(self.connection.as_mut().expect("BUG: it was opened just now"))
    }

    /// Ends what a failed job may have left open. Without an answer to that, the connection is given up; SQLite undoes
    /// what was open when it closes.
    pub(super) async fn roll_back(&mut self) {
        if let Some(connection) = &mut self.connection {
            match sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await {
                Ok(_) => {}
                Err(sqlx::Error::Database(error)) if is_nothing_open(error.message()) => {}
                Err(error) => {
                    debug!(%error, "the connection that writes is given up");
                    self.connection = None;
                }
            }
        }
    }

    /// Stores names, in a transaction of its own, and knows them from then on. A failure leaves it open. The caller has
    /// the turn to write.
    pub(super) async fn register(&mut self, names: &[TypeName]) -> Result<Arc<Names>, Problem> {
        let known = self.types.known();
        if names.iter().all(|name| is_known(&known, name)) {
            return Ok(known);
        }
        let types = Arc::clone(&self.types);
        let connection = self.connection().await?;
        sqlx::query(REGISTER_TYPES_ALONE).bind(rows(names)).execute(&mut *connection).await?;
        Ok(types.refresh(connection).await?)
    }

    /// The answer to a job that has a transaction of its own.
    async fn conclude<T>(
        &mut self,
        result: Result<T, Problem>,
        operation: &'static str,
    ) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(problem) => {
                self.roll_back().await;
                Err(problem.undone(self.database.name(), operation))
            }
        }
    }

    pub(super) async fn transact<T>(
        &mut self,
        operation: &'static str,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T>,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        let _turn = database.turns().write().await?;
        let done = async {
            let connection = self.connection().await?;
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            let value = work(connection).await?;
            sqlx::raw_sql("COMMIT").execute(connection).await?;
            Ok::<_, Problem>(value)
        };
        let done = done.await;
        self.conclude(done, operation).await
    }

    async fn register_alone(&mut self, names: &[TypeName]) -> Result<()> {
        let database = Arc::clone(&self.database);
        let _turn = database.turns().write().await?;
        let registered = self.register(names).await.map(drop);
        self.conclude(registered, "store the names of types").await
    }

    async fn reserve_ids(&mut self, count: u32) -> Result<IdBlock> {
        let database = Arc::clone(&self.database);
        let _turn = database.turns().write().await?;
        let reserved = async {
            // All rows, so that the statement runs to its end and says how its commit went.
            let rows = sqlx::query(RESERVE_IDS)
                .bind(i64::from(count))
                .fetch_all(self.connection().await?)
                .await?;
            let row = rows.first().ok_or_else(|| Error::corrupt("aggregate_ids", "it is empty"))?;
            let first = checked(AggregateId::new(row.try_get(0)?), "aggregate_ids.next_id")?;
            Ok::<_, Problem>(IdBlock { first, count })
        };
        let reserved = reserved.await;
        self.conclude(reserved, "reserve aggregate ids").await
    }

    async fn find_commit(&mut self, id: CommitId) -> Result<CommitOutcome> {
        let database = Arc::clone(&self.database);
        let _turn = database.turns().write().await?;
        let settled = async {
            let rows = sqlx::query(SETTLE_COMMIT)
                .bind(id.as_uuid().as_bytes().as_slice())
                .fetch_all(self.connection().await?)
                .await?;
            let row = rows.first().ok_or_else(|| Error::corrupt("commits", "a row is gone"))?;
            if row.try_get::<i64, _>(0)? == 0 {
                return Ok(CommitOutcome::NeverLands);
            }
            let positions = positions(row.try_get(1)?, row.try_get(2)?)?;
            Ok::<_, Problem>(CommitOutcome::Landed(Committed { id, positions }))
        };
        let settled = settled.await;
        self.conclude(settled, "look for a commit").await
    }

    /// Whoever got into the queue behind the last job.
    async fn refuse_the_rest(&mut self) {
        self.queue.close();
        while let Some(job) = self.queue.recv().await {
            match job {
                Job::Commit(job) => drop(job.answer.send(Err(Error::Closed))),
                Job::FindCommit { answer, .. } => drop(answer.send(Err(Error::Closed))),
                Job::ReserveIds { answer, .. } => drop(answer.send(Err(Error::Closed))),
                // Whoever waits finds that there will be no answer.
                Job::Transact(job) => drop(job),
                Job::Register { answer, .. } | Job::Close { answer } => {
                    drop(answer.send(Err(Error::Closed)));
                }
            }
        }
    }

    async fn close(&mut self) -> Result<()> {
        match self.connection.take() {
            Some(connection) => database::close(connection).await,
            None => Ok(()),
        }
    }
}

/// Positions as a row of `commits` has them.
pub(crate) fn positions(
    first: Option<i64>,
    last: Option<i64>,
) -> Result<Option<(Position, Position)>> {
    match (first, last) {
        (Some(first), Some(last)) => Ok(Some((
            checked(Position::new(first), "commits.first_position")?,
            checked(Position::new(last), "commits.last_position")?,
        ))),
        _ => Ok(None),
    }
}

/// A list for `json_each`.
pub(super) fn json(list: &impl serde::Serialize) -> String {
    serde_json::to_string(list).expect("BUG: lists of numbers and texts have a JSON form")
}

fn is_known(names: &Names, name: &TypeName) -> bool {
    names.aggregate(name.aggregate).is_some_and(|aggregate| {
        name.event.is_none_or(|event| names.event(aggregate, event).is_some())
    })
}

fn is_nothing_open(message: &str) -> bool {
    message.contains("no transaction is active")
}
