//! Keeps idle connections for read contexts, which hold one for long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::engine::timeout;
use evercore::{Error, Result};
use rusqlite::Connection;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::database::Database;
use crate::error::because;

/// The connections of read contexts, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Pool {
    database: Arc<Database>,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// A connection on loan, which returns to the pool when this is dropped. A transaction that is open on it ends then.
#[derive(Debug)]
pub(crate) struct Lent {
    /// `None` until it is opened.
    connection: Option<Connection>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(database: Arc<Database>) -> Arc<Self> {
        // Cannot fail: a `usize` has at least 32 bits on every platform that tokio supports.
        let readers = usize::try_from(database.options().get_readers()).unwrap_or(usize::MAX);
        let permits = Arc::new(Semaphore::new(readers));
        Arc::new(Self { database, idle: Mutex::default(), permits })
    }

    /// Waits for a connection, up to the busy timeout.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Lent> {
        let acquire = Arc::clone(&self.permits).acquire_owned();
        let permit = match timeout(self.database.options().get_busy_timeout(), acquire).await {
            Ok(permit) => permit.map_err(|_: AcquireError| Error::Closed)?,
            Err(_) => return Err(Error::Busy { source: because(ALL_TAKEN) }),
        };
        let connection = self.idle().pop();
        Ok(Lent { connection, pool: Arc::clone(self), _permit: permit })
    }

    /// Closes the idle connections now, and the others when they come back. Blocks.
    pub(crate) fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ALL_TAKEN: &str = "the maximum number of read contexts is open";

impl Lent {
    /// Returns the connection, and opens it if necessary. Blocks.
    pub(crate) fn connection(&mut self) -> Result<&Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            missing => Ok(missing.insert(self.pool.database.open_reader()?)),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let mut idle = self.pool.idle();
        // Checked under the lock, so that `close` misses no connection.
        if !self.pool.permits.is_closed() {
            idle.push(connection);
        }
    }
}
