//! The connections that read.
//!
//! A pool of our own, and a small one: whenever a connection comes back, sqlx's spawns a task that sends it a ping, which
//! costs as much as a short read itself.

use std::sync::{Arc, Mutex, PoisonError};

use evercore::{Error, Result};
use sqlx::SqliteConnection;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::database::{self, Database, MayRead};
use crate::error::{Problem, because};

/// The connections that read, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    database: Arc<Database>,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
}

/// A connection that goes back when it is dropped, whatever it was doing: the driver stops a query whose rows nobody
/// takes.
#[derive(Debug)]
pub(crate) struct Reading {
    connection: Option<SqliteConnection>,
    readers: Arc<Readers>,
    _turn: MayRead,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        // No platform that tokio runs on has a `usize` of less than 32 bits.
        let readers = usize::try_from(database.options().get_readers()).unwrap_or(usize::MAX);
        Self { database, idle: Mutex::default(), permits: Arc::new(Semaphore::new(readers)) }
    }

    /// A connection for one read.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Reading> {
        let permit = self.wait().await?;
        let turn = self.database.may_read().await;
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.database.open_reader().await?,
        };
        let readers = Arc::clone(self);
        Ok(Reading { connection: Some(connection), readers, _turn: turn, _permit: permit })
    }

    /// Lets go of the idle connections now, and of the others when they come back.
    pub(crate) async fn close(&self) -> Result<()> {
        self.permits.close();
        let idle = std::mem::take(&mut *self.lock());
        for connection in idle {
            database::close(connection).await?;
        }
        Ok(())
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit> {
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match timeout(self.database.options().get_busy_timeout(), acquire).await {
            Ok(permit) => permit.map_err(|_: AcquireError| Error::Closed),
            Err(_) => Err(Error::Busy { source: because("all connections that read are taken") }),
        }
    }

    fn take_idle(&self) -> Option<SqliteConnection> {
        self.lock().pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("BUG: a connection is there until it is dropped")
    }

    /// What a failed read means. A connection that is lost does not go back.
    pub(crate) fn failed(&mut self, operation: &'static str, problem: Problem) -> Error {
        if problem.is_connection_lost() {
            self.connection = None;
        }
        problem.undone(self.readers.database.name(), operation)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let mut idle = self.readers.lock();
            // Looked at under the lock, so that `close` misses no connection.
            if !self.readers.permits.is_closed() {
                idle.push(connection);
            }
        }
    }
}
