//! The connections that read.
//!
//! A pool of our own, and a small one: whenever a connection comes back, sqlx's spawns a task that sends it a ping, which
//! costs as much as a short read itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::{Error, Result};
use sqlx::SqliteConnection;
use tokio::sync::{
    AcquireError, Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore,
};
use tokio::time::timeout;

use crate::database::{self, Database};
use crate::error::{Problem, because};
use crate::turns::MayRead;

/// The connections that read, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    database: Arc<Database>,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
    /// What is read instead of a database in memory while a transaction is open: the database as it was before.
    frozen: Mutex<Option<Arc<AsyncMutex<SqliteConnection>>>>,
}

/// While it is there, reads see the database as it was before.
#[derive(Debug)]
pub(crate) struct Frozen(Arc<Readers>);

/// A connection that goes back when it is dropped, whatever it was doing: the driver stops a query whose rows nobody
/// takes.
#[derive(Debug)]
pub(crate) struct Reading {
    /// `None` after it was lost.
    source: Option<Source>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Source {
    /// One of several, and the turn to read.
    Pooled(SqliteConnection, MayRead),
    /// The only one to what is frozen.
    Frozen(OwnedMutexGuard<SqliteConnection>),
}

impl Readers {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        // No platform that tokio runs on has a `usize` of less than 32 bits.
        let readers = usize::try_from(database.options().get_readers()).unwrap_or(usize::MAX);
        let permits = Arc::new(Semaphore::new(readers));
        Self { database, idle: Mutex::default(), permits, frozen: Mutex::default() }
    }

    /// A connection for one read.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Reading> {
        let permit = self.wait().await?;
        let source = Some(self.source().await?);
        Ok(Reading { source, readers: Arc::clone(self), _permit: permit })
    }

    /// Has reads see a database in memory as it is now, so that they do not wait for a transaction that user code
    /// takes part in. The caller has the turn to write.
    pub(crate) async fn freeze(self: &Arc<Self>) -> Result<Frozen> {
        let copy = self.copy().await?;
        // Those that read the database itself would keep the transaction from landing.
        let _gate = self.database.turns().without_readers().await?;
        *lock(&self.frozen) = Some(Arc::new(AsyncMutex::new(copy)));
        Ok(Frozen(Arc::clone(self)))
    }

    /// A copy of a database in memory, which keeps one version only.
    pub(crate) async fn copy(self: &Arc<Self>) -> Result<SqliteConnection> {
        let mut reading = self.acquire().await?;
        let mut copy = self.database.open_copy().await?;
        let copied = async {
            let bytes = reading.connection().serialize(None).await?;
            copy.deserialize(None, bytes, true).await?;
            Ok::<_, Problem>(())
        };
        match copied.await {
            Ok(()) => Ok(copy),
            Err(problem) => Err(reading.failed("copy the database", problem)),
        }
    }

    /// Lets go of the idle connections now, and of the others when they come back.
    pub(crate) async fn close(&self) -> Result<()> {
        self.permits.close();
        let idle = std::mem::take(&mut *lock(&self.idle));
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

    async fn source(&self) -> Result<Source> {
        let turn = self.database.turns().read().await;
        // Looked at in turn, so that the database is not read once it is frozen.
        let frozen = lock(&self.frozen).clone();
        if let Some(frozen) = frozen {
            drop(turn);
            return Ok(Source::Frozen(frozen.lock_owned().await));
        }
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.database.open_reader().await?,
        };
        Ok(Source::Pooled(connection, turn))
    }
}

impl Reading {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        match self.source.as_mut().expect("BUG: a connection is there until it is lost or dropped")
        {
            Source::Pooled(connection, _) => connection,
            Source::Frozen(connection) => connection,
        }
    }

    /// What a failed read means. A connection that is lost does not go back.
    pub(crate) fn failed(&mut self, operation: &'static str, problem: Problem) -> Error {
        if problem.is_connection_lost() {
            self.source = None;
        }
        problem.undone(self.readers.database.name(), operation)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(Source::Pooled(connection, _turn)) = self.source.take() {
            let mut idle = lock(&self.readers.idle);
            // Looked at under the lock, so that `close` misses no connection.
            if !self.readers.permits.is_closed() {
                idle.push(connection);
            }
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        *lock(&self.0.frozen) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
