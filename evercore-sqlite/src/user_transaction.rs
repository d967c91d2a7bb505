//! A transaction that user code writes in, on a connection of its own.
//!
//! The connection is opened for the transaction and closed with it. Whatever user code leaves on it, such as a pragma,
//! a temporary table or a hook, goes with it, and closing is what undoes a transaction that was not committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercore::engine::{Commit, Committed, Settled, Settlement};
use evercore::{AggregateId, Error, Report, Result};
use rusqlite::Connection as Handle;
use sqlx::{Connection, SqliteConnection};
use tracing::warn;

use crate::database::Database;
use crate::error::{Failure, Problem, passes};
use crate::handle::{Standing, standing, with_handle};
use crate::locks::WriteLock;
use crate::readers::{Frozen, Readers};
use crate::row::checked;
use crate::subscriptions::settle;
use crate::types::Types;
use crate::writer::land_within;

/// The savepoint is gone once the transaction has ended, even if another was begun in its place.
const BEGIN: &str = "BEGIN IMMEDIATE; SAVEPOINT evercore";
const END_OF_USER_CODE: &str = "RELEASE evercore";
const COMMIT: &str = "COMMIT";
const READ_NEXT_ID: &str = include_str!("read_next_id.sql");

/// The transaction and what it holds up meanwhile.
#[derive(Debug)]
pub(crate) struct UserTransaction {
    connection: SqliteConnection,
    first_id: AggregateId,
    /// Until it says so, SQLite turns a COMMIT into a ROLLBACK.
    may_commit: Arc<AtomicBool>,
    database: Arc<Database>,
    hold: Guards,
}

/// What others wait for, given up when the connection is closed, in this order.
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

    /// The first aggregate id that is the transaction's to give: nobody can reserve it while this is open.
    pub(crate) const fn first_id(&self) -> AggregateId {
        self.first_id
    }

    /// Whether the transaction has ended before its time, or its last statement has failed at what passes. SQLite ends it
    /// for most of that.
    pub(crate) async fn has_met_what_passes(&mut self) -> bool {
        match standing(&mut self.connection).await {
            Ok(Standing { is_open, last_code }) => !is_open || passes(last_code),
            Err(_) => true,
        }
    }

    /// Whether the connection takes no statement any more.
    pub(crate) async fn is_lost(&mut self) -> bool {
        self.connection.ping().await.is_err()
    }

    /// Lands a commit, a settlement and all that user code has written. Unless that succeeds, or if the settlement was
    /// recorded before, the transaction is still to be undone. Blocks, and so must not be on a thread of the runtime.
    pub(crate) fn land(
        &mut self,
        types: &Types,
        commit: &Commit,
        settlement: Option<&Settlement>,
    ) -> Result<Committed> {
        let (database, may_commit) = (&self.database, &self.may_commit);
        let landed = with_handle(&mut self.connection, |handle| {
            land(handle, database.name(), may_commit, types, commit, settlement)
        });
        landed.map_err(|problem| problem.undone(self.database.name(), "land a transaction"))?
    }

    /// Undoes the transaction unless it has landed.
    pub(crate) async fn close(self) {
        let Self { connection, hold, .. } = self;
        if let Err(error) = connection.close().await {
            warn!(error = %Report::new(&error), "the connection of a transaction was not closed well");
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
    settlement: Option<&Settlement>,
) -> Result<Committed> {
    let ended = connection.execute_batch(END_OF_USER_CODE).map_err(Failure::from);
    ended.map_err(|failure| {
        if failure.is_savepoint_gone() {
            Error::TransactionEnded
        } else {
            failure.undone(database, "end a transaction")
        }
    })?;
    if let Some(settlement) = settlement {
        let failed = |problem: Problem| problem.undone(database, "record a batch");
        let nothing = Committed { id: commit.id, positions: None };
        if settle(connection, settlement).map_err(failed)? == Settled::Before {
            return Ok(nothing);
        }
        if commit.writes.is_empty() {
            may_commit.store(true, Ordering::Release);
            let committed = connection.execute_batch(COMMIT);
            committed.map_err(|error| Problem::from(error).undone(database, "commit a batch"))?;
            return Ok(nothing);
        }
    }
    may_commit.store(true, Ordering::Release);
    land_within(connection, database, types, commit)
}

async fn begin(
    connection: &mut SqliteConnection,
    may_commit: Arc<AtomicBool>,
) -> Result<AggregateId, Problem> {
    connection.lock_handle().await?.set_commit_hook(move || may_commit.load(Ordering::Acquire));
    // Forgotten, it stays open; it borrows the connection and holds nothing else. Begun this way, the driver knows that
    // it is open, and makes a savepoint of what user code begins.
    std::mem::forget(connection.begin_with(BEGIN).await?);
    let next = sqlx::query_scalar(READ_NEXT_ID).fetch_one(connection).await?;
    Ok(checked(AggregateId::new(next), "aggregate_ids.next_id")?)
}
