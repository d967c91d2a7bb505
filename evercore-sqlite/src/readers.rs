//! Reads of what was committed.

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

/// Whoever reads what was committed, now.
#[derive(Debug)]
pub(crate) struct Readers {
    database: Arc<Database>,
    desk: Arc<ReaderThreads>,
    /// What is read instead of a database in memory while a transaction is open: the database as it was before.
    frozen: Mutex<Option<Arc<Mutex<Connection>>>>,
}

/// While it is there, reads see the database as it was before.
#[derive(Debug)]
pub(crate) struct Frozen(Arc<Readers>);

impl Readers {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        let desk = ReaderThreads::new(Arc::clone(&database));
        Self { database, desk, frozen: Mutex::default() }
    }

    /// Reads, on a thread that may block. If this is dropped, a read that has begun goes on to its end, and nobody is told.
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
        // Looked at in turn, so that the database is not read once it is frozen.
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
                self.desk.read(work).await
            }
        }
    }

    /// Has reads see a database in memory as it is now, so that they do not wait for a transaction that user code
    /// takes part in. The caller has the turn to write.
    pub(crate) async fn freeze(self: &Arc<Self>) -> Result<Frozen> {
        let copy = self.copy().await?;
        // Those that read the database itself would keep the transaction from landing.
        let _gate = self.database.locks().without_readers().await?;
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
                _ => Err(Error::Busy { source: because("it is being written") }.into()),
            }
        })
        .await
    }

    /// Refuses further reads. Blocks.
    pub(crate) fn close(&self) {
        self.desk.close();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // Threads hold the desk, and end when it is closed.
        self.desk.end();
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
