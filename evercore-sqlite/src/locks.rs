//! Coordinates the writers and readers of a database among the tasks of this process.

use std::sync::Arc;
use std::time::Duration;

use evercore::Error;
use evercore::engine::timeout;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::block_on::block_on_timeout;
use crate::error::because;

/// The locks at which users of a database wait for each other, in order of arrival. SQLite would make them retry after
/// a sleep.
#[derive(Debug)]
pub(crate) struct Locks {
    /// Held by the one writer that SQLite allows.
    writer: Arc<Mutex<()>>,
    /// Keeps readers out while a database in memory is written, which has no write-ahead log.
    gate: Option<Arc<RwLock<()>>>,
    patience: Duration,
}

/// The lock held while a transaction of user code is open. Other writers wait; readers do not.
#[derive(Debug)]
pub(crate) struct WriteLock {
    _writer: OwnedMutexGuard<()>,
}

/// The locks held while a connection writes.
#[derive(Debug)]
pub(crate) struct WriteGuard {
    _turn: WriteLock,
    _gate: Option<OwnedRwLockWriteGuard<()>>,
}

/// The lock held while a connection reads.
#[derive(Debug)]
pub(crate) struct ReadLock {
    _gate: Option<OwnedRwLockReadGuard<()>>,
}

/// A lock was not released within the time-out. Its holder may be user code with a transaction, or a read that user
/// code has begun and does not continue, so the wait must be bounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overdue;

impl Locks {
    /// The locks of a database whose readers do not wait for writers.
    pub(crate) fn beside_readers(patience: Duration) -> Self {
        Self { writer: Arc::default(), gate: None, patience }
    }

    /// The locks of a database that is either written or read.
    pub(crate) fn instead_of_readers(patience: Duration) -> Self {
        Self { writer: Arc::default(), gate: Some(Arc::default()), patience }
    }

    /// Waits until there is no other writer.
    pub(crate) async fn take(&self) -> Result<WriteLock, Overdue> {
        let writer = self.wait(Arc::clone(&self.writer).lock_owned()).await?;
        Ok(WriteLock { _writer: writer })
    }

    /// Waits until there is no other writer, and no reader either if readers and writers exclude each other.
    pub(crate) async fn write(&self) -> Result<WriteGuard, Overdue> {
        let turn = self.take().await?;
        Ok(WriteGuard { _turn: turn, _gate: self.without_readers().await? })
    }

    /// Like [`write`](Self::write), but blocks the thread.
    pub(crate) fn write_blocking(&self) -> Result<WriteGuard, Overdue> {
        let writer = block_on_timeout(Arc::clone(&self.writer).lock_owned(), self.patience);
        let turn = WriteLock { _writer: writer.ok_or(Overdue)? };
        let gate = match &self.gate {
            Some(gate) => Some(
                block_on_timeout(Arc::clone(gate).write_owned(), self.patience).ok_or(Overdue)?,
            ),
            None => None,
        };
        Ok(WriteGuard { _turn: turn, _gate: gate })
    }

    /// Waits until there is no writer, if readers and writers exclude each other.
    pub(crate) async fn read(&self) -> ReadLock {
        match &self.gate {
            Some(gate) => ReadLock { _gate: Some(Arc::clone(gate).read_owned().await) },
            None => ReadLock { _gate: None },
        }
    }

    /// Waits until all reads have ended, if readers and writers exclude each other.
    pub(crate) async fn without_readers(
        &self,
    ) -> Result<Option<OwnedRwLockWriteGuard<()>>, Overdue> {
        match &self.gate {
            Some(gate) => self.wait(Arc::clone(gate).write_owned()).await.map(Some),
            None => Ok(None),
        }
    }

    async fn wait<T>(&self, turn: impl Future<Output = T>) -> Result<T, Overdue> {
        timeout(self.patience, turn).await.map_err(|_| Overdue)
    }
}

impl From<Overdue> for Error {
    fn from(Overdue: Overdue) -> Self {
        Self::Busy {
            source: because(
                "other users of the database in this process held its lock for too long",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_reader_keeps_writers_out_where_there_is_no_log_beside_the_file() {
        let turns = Locks::instead_of_readers(SOON);
        let reading = turns.read().await;
        assert!(turns.write().await.is_err());
        assert!(turns.write_blocking().is_err());
        let turn = turns.take().await.expect("there is no writer");
        assert!(turns.without_readers().await.is_err());
        drop((reading, turn));
        assert!(turns.write().await.is_ok());
        assert!(turns.write_blocking().is_ok());
    }

    #[tokio::test]
    async fn one_writer_at_a_time_does_not_block_readers_beside_it() {
        for turns in [Locks::beside_readers(SOON), Locks::instead_of_readers(SOON)] {
            let writing = turns.write().await.expect("there is no writer");
            assert!(turns.take().await.is_err());
            assert!(turns.write().await.is_err());
            assert!(turns.write_blocking().is_err());
            let may_read = timeout(SOON, turns.read()).await.is_ok();
            assert_eq!(may_read, turns.gate.is_none());
            drop(writing);
            let _reading = turns.read().await;
            assert_eq!(turns.write().await.is_ok(), turns.gate.is_none());
        }
    }
}
