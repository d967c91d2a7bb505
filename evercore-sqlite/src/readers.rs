//! Reads of what was committed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::Result;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::blocking::blocking;
use crate::database::Database;
use crate::error::{Problem, because};
use crate::pool::{Lent, Pool};
use crate::turns::MayRead;

/// The connections that read.
#[derive(Debug)]
pub(crate) struct Readers {
    database: Arc<Database>,
    pool: Arc<Pool>,
    /// What is read instead of a database in memory while a transaction is open: the database as it was before.
    frozen: Mutex<Option<Arc<Mutex<Connection>>>>,
}

/// While it is there, reads see the database as it was before.
#[derive(Debug)]
pub(crate) struct Frozen(Arc<Readers>);

enum Source {
    /// One of several, and the turn to read.
    Pooled(Lent, MayRead),
    /// The only one to what is frozen.
    Frozen(Arc<Mutex<Connection>>),
}

impl Readers {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        let pool = Pool::new(Arc::clone(&database), "all connections that read are taken");
        Self { database, pool, frozen: Mutex::default() }
    }

    /// Reads, on a thread that may block. If this is dropped, the read goes on to its end, and nobody is told.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        let mut source = self.source().await?;
        let database = Arc::clone(&self.database);
        blocking(move || {
            source.read(work).map_err(|found| found.undone(database.name(), operation))
        })
        .await?
    }

    /// Has reads see a database in memory as it is now, so that they do not wait for a transaction that user code
    /// takes part in. The caller has the turn to write.
    pub(crate) async fn freeze(self: &Arc<Self>) -> Result<Frozen> {
        let copy = self.copy().await?;
        // Those that read the database itself would keep the transaction from landing.
        let _gate = self.database.turns().without_readers().await?;
        *lock(&self.frozen) = Some(Arc::new(Mutex::new(copy)));
        Ok(Frozen(Arc::clone(self)))
    }

    /// A copy of a database in memory, which keeps one version only.
    pub(crate) async fn copy(&self) -> Result<Connection> {
        self.read("copy the database", |connection| {
            let mut copy = Connection::open_in_memory()?;
            let copied = Backup::new(connection, &mut copy)?.step(ALL_PAGES)?;
            match copied {
                StepResult::Done => Ok(copy),
                _ => Err(evercore::Error::Busy { source: because("it is being written") }.into()),
            }
        })
        .await
    }

    /// Lets go of the idle connections now, and of the others when they come back. Blocks.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    async fn source(&self) -> Result<Source> {
        let lent = self.pool.take().await?;
        let turn = self.database.turns().read().await;
        // Looked at in turn, so that the database is not read once it is frozen.
        let frozen = lock(&self.frozen).clone();
        Ok(match frozen {
            Some(frozen) => Source::Frozen(frozen),
            None => Source::Pooled(lent, turn),
        })
    }
}

const ALL_PAGES: std::ffi::c_int = -1;

impl Source {
    fn read<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        match self {
            Self::Pooled(lent, _turn) => work(lent.connection()?),
            Self::Frozen(connection) => work(&lock(connection)),
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
