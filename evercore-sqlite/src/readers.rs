//! Reads committed data.

mod queue;
mod threads;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::{Error, Result};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::blocking::blocking;
use crate::database::Database;
use crate::error::{Problem, because};
use threads::ReaderThreads;

/// The readers of the newest committed data.
#[derive(Debug)]
pub(crate) struct Readers {
    database: Arc<Database>,
    threads: Arc<ReaderThreads>,
    /// A copy of a database in memory from before the open transaction, which is read while that is open.
    frozen: Mutex<Option<Arc<Mutex<Connection>>>>,
}

/// A guard during whose lifetime reads see the database as it was before.
#[derive(Debug)]
pub(crate) struct Frozen(Arc<Readers>);

impl Readers {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        let threads = ReaderThreads::new(Arc::clone(&database));
        Self { database, threads, frozen: Mutex::default() }
    }

    /// Runs `work` on a thread that may block. If this future is dropped, a read that has begun runs to its end, and
    /// its result is dropped.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        let work = move |connection: &Connection| {
            work(connection).map_err(|found| found.undone(database.name(), operation))
        };
        let turn = self.database.locks().read().await;
        // Checked under the lock, so that the database itself is not read once it is frozen.
        let frozen = lock(&self.frozen).clone();
        match frozen {
            Some(frozen) => {
                drop(turn);
                blocking(move || work(&lock(&frozen))).await?
            }
            None => {
                let work = move |connection: &Connection| {
                    let done = work(connection);
                    drop(turn);
                    done
                };
                self.threads.read(work).await
            }
        }
    }

    /// Makes reads see a database in memory as it is now, so that they do not wait for a transaction of user code. The
    /// caller holds the write lock.
    pub(crate) async fn freeze(self: &Arc<Self>) -> Result<Frozen> {
        let copy = self.copy().await?;
        // Waits for reads of the database itself, which would block the commit of the transaction.
        let _gate = self.database.locks().without_readers().await?;
        *lock(&self.frozen) = Some(Arc::new(Mutex::new(copy)));
        Ok(Frozen(Arc::clone(self)))
    }

    /// Copies a database in memory, of which SQLite keeps one version only.
    pub(crate) async fn copy(&self) -> Result<Connection> {
        self.read("copy the database", |connection| {
            let mut copy = Connection::open_in_memory()?;
            let copied = Backup::new(connection, &mut copy)?.step(ALL_PAGES)?;
            match copied {
                StepResult::Done => Ok(copy),
                _ => Err(Error::Busy { source: because("the database is being written") }.into()),
            }
        })
        .await
    }

    /// Refuses further reads. Blocks.
    pub(crate) fn close(&self) {
        self.threads.close();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // The threads hold a reference to `self.threads`, and end when it is closed.
        self.threads.end();
    }
}

const ALL_PAGES: std::ffi::c_int = -1;

impl Drop for Frozen {
    fn drop(&mut self) {
        *lock(&self.0.frozen) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
