//! Runs a transaction of user code, on a connection of its own.
//!
//! The connection is opened for the transaction and closed with it. Whatever user code leaves on it, such as a pragma,
//! a temporary table or a hook, ends with it, and closing undoes a transaction that was not committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercore::engine::{Commit, Completion, Positions, Settled};
use evercore::{AggregateId, Committed, Error, Report, Result};
use rusqlite::Connection as Handle;
use sqlx::{Connection, SqliteConnection};
use tracing::warn;

use crate::database::Database;
use crate::error::{Failure, Problem, passes};
use crate::handle::{ConnectionStatus, connection_status, with_handle};
use crate::locks::WriteLock;
use crate::readers::{Frozen, Readers};
use crate::row::checked;
use crate::subscriptions::settle;
use crate::types::Types;
use crate::writer::land_within;

/// Begins the transaction and sets a savepoint, which is gone once the transaction has ended, even if user code has
/// begun another one in its place.
const BEGIN: &str = "BEGIN IMMEDIATE; SAVEPOINT evercore";
const END_OF_USER_CODE: &str = "RELEASE evercore";
const COMMIT: &str = "COMMIT";
const READ_NEXT_ID: &str = include_str!("read_next_id.sql");

/// A transaction, and the locks that it holds meanwhile.
#[derive(Debug)]
pub(crate) struct UserTransaction {
    connection: SqliteConnection,
    first_id: AggregateId,
    /// Until it is set, the commit hook turns a COMMIT into a ROLLBACK.
    may_commit: Arc<AtomicBool>,
    database: Arc<Database>,
    hold: Guards,
}

/// The locks that other callers wait for, released in this order after the connection was closed.
#[derive(Debug)]
struct Guards {
    _frozen: Option<Frozen>,
    _turn: WriteLock,
}

impl UserTransaction {
    /// Opens a transaction.
    pub(crate) async fn begin(
        database: &Arc<Database>,
        readers: &Arc<Readers>,
        turn: WriteLock,
    ) -> Result<Self> {
        let frozen = if database.is_in_memory() { Some(readers.freeze().await?) } else { None };
        let hold = Guards { _frozen: frozen, _turn: turn };
        let mut connection = database.open_shared().await?;
        let may_commit = Arc::default();
        let begun = begin(&mut connection, Arc::clone(&may_commit)).await;
        let first_id =
            begun.map_err(|problem| problem.undone(database.name(), "begin a transaction"))?;
        let database = Arc::clone(database);
        Ok(Self { connection, first_id, may_commit, database, hold })
    }

    pub(crate) const fn connection(&self) -> &SqliteConnection {
        &self.connection
    }

    pub(crate) const fn connection_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The first aggregate id that the transaction may give: no other caller can reserve it while the transaction is
    /// open.
    pub(crate) const fn first_id(&self) -> AggregateId {
        self.first_id
    }

    /// Whether the transaction has ended prematurely, or its last statement failed for a reason that passes. For most
    /// such reasons, SQLite ends the transaction.
    pub(crate) async fn has_met_what_passes(&mut self) -> bool {
        match connection_status(&mut self.connection).await {
            Ok(ConnectionStatus { is_open, last_code }) => !is_open || passes(last_code),
            Err(_) => true,
        }
    }

    /// Whether the connection no longer accepts statements.
    pub(crate) async fn is_lost(&mut self) -> bool {
        self.connection.ping().await.is_err()
    }

    /// Commits the commit, what it completes, and everything that user code has written. If this fails, or if a
    /// settlement was recorded before, the transaction must still be undone. Blocks, so it must not run on a thread of
    /// the runtime.
    pub(crate) fn land(&mut self, types: &Types, commit: &Commit) -> Result<Committed> {
        let (database, may_commit) = (&self.database, &self.may_commit);
        let landed = with_handle(&mut self.connection, |handle| {
            land(handle, database.name(), may_commit, types, commit)
        });
        landed.map_err(|problem| problem.undone(self.database.name(), "commit a transaction"))?
    }

    /// Closes the connection, which undoes the transaction unless it was committed.
    pub(crate) async fn close(self) {
        let Self { connection, hold, .. } = self;
        if let Err(error) = connection.close().await {
            warn!(error = %Report::new(&error), "the connection of a transaction could not be closed cleanly");
        }
        drop(hold);
    }
}

fn land(
    connection: &Handle,
    database: &str,
    may_commit: &AtomicBool,
    types: &Types,
    commit: &Commit,
) -> Result<Committed> {
    let ended = connection.execute_batch(END_OF_USER_CODE).map_err(Failure::from);
    ended.map_err(|failure| {
        if failure.is_savepoint_gone() {
            Error::TransactionEnded
        } else {
            failure.undone(database, "end a transaction")
        }
    })?;
    let nothing = Committed::new(commit.id, Positions::NONE);
    for completion in &commit.completes {
        // Tasks are completed with the rest of the commit.
        let Completion::Settlement(settlement) = completion else { continue };
        let failed = |problem: Problem| problem.undone(database, "record a batch");
        if settle(connection, settlement).map_err(failed)? == Settled::Before {
            return Ok(nothing);
        }
    }
    let only_settles =
        commit.completes.iter().all(|done| matches!(done, Completion::Settlement(_)))
            && commit.tasks.is_empty()
            && commit.writes.is_empty();
    if !commit.completes.is_empty() && only_settles && commit.conditions.is_empty() {
        may_commit.store(true, Ordering::Release);
        let committed = connection.execute_batch(COMMIT);
        committed.map_err(|error| Problem::from(error).undone(database, "commit a batch"))?;
        return Ok(nothing);
    }
    may_commit.store(true, Ordering::Release);
    land_within(connection, database, types, commit)
}

async fn begin(
    connection: &mut SqliteConnection,
    may_commit: Arc<AtomicBool>,
) -> Result<AggregateId, Problem> {
    connection.lock_handle().await?.set_commit_hook(move || may_commit.load(Ordering::Acquire));
    // Forgetting the driver's transaction leaves it open; it only borrows the connection. Since it was begun through
    // the driver, the driver knows about it, and makes a savepoint of any transaction that user code begins.
    std::mem::forget(connection.begin_with(BEGIN).await?);
    let next = sqlx::query_scalar(READ_NEXT_ID).fetch_one(connection).await?;
    Ok(checked(AggregateId::new(next), "aggregate_ids.next_id")?)
}
