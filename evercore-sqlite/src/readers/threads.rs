//! Runs reads on a few threads.
//!
//! A caller leaves its work here instead of claiming a connection: a thread that has finished a read takes the next one
//! without being woken for it. SQLite's calls block, and a read takes less time than waking a thread.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use evercore::engine::timeout;
use evercore::{Error, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::error;

use super::queue::{Queue, Refused};
use crate::database::Database;
use crate::error::because;

/// The queue of reads, and the threads that run them.
#[derive(Debug)]
pub(crate) struct ReaderThreads {
    queue: Queue<Read>,
    database: Arc<Database>,
}

/// A read that a caller has left, which is withdrawn if this is dropped before a thread has begun it.
struct PendingRead<'a> {
    threads: &'a ReaderThreads,
    number: Option<u64>,
}

/// A read that waits for a thread.
struct Read(Box<Work>);

/// The closure of a read. It gets an error if there is no connection.
type Work = dyn FnOnce(Result<&Connection>) + Send;

impl ReaderThreads {
    pub(crate) fn new(database: Arc<Database>) -> Arc<Self> {
        let queue = Queue::new(database.options().get_readers());
        Arc::new(Self { queue, database })
    }

    /// Runs `work` on a thread. Waits up to the busy timeout for a thread, and then without a limit for the result.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, mut reply) = oneshot::channel();
        let mut left = self.leave(Read(Box::new(move |connection| {
            // Skipped if the caller has stopped waiting.
            if !answer.is_closed() {
                answer.send(connection.and_then(work)).ok();
            }
        })))?;
        let patience = self.database.options().get_busy_timeout();
        let read = match timeout(patience, &mut reply).await {
            Ok(read) => read,
            Err(_) if left.take_back() => {
                return Err(Error::Busy { source: because("all read connections are in use") });
            }
            Err(_) => reply.await,
        };
        left.number = None;
        read.unwrap_or_else(|_| Err(Error::storage("read", because("the read has panicked"))))
    }

    /// Refuses further reads, and lets the threads end. Waiting reads fail with [`Error::Closed`].
    pub(crate) fn end(&self) {
        for Read(work) in self.queue.close() {
            work(Err(Error::Closed));
        }
    }

    /// Like [`end`](Self::end), and waits for reads that are under way, up to the busy timeout. Blocks.
    pub(crate) fn close(&self) {
        self.end();
        self.queue.wait_for_threads(self.database.options().get_busy_timeout());
    }

    fn leave(self: &Arc<Self>, read: Read) -> Result<PendingRead<'_>> {
        let start = || {
            let threads = Arc::clone(self);
            let thread = thread::Builder::new().name("evercore-sqlite-read".to_owned());
            thread.spawn(move || threads.work()).map(drop)
        };
        let number = self.queue.leave(read, start).map_err(|refused| match refused {
            Refused::Closed => Error::Closed,
            Refused::NoThread(error) => Error::storage("start a reader thread", error),
        })?;
        Ok(PendingRead { threads: self, number: Some(number) })
    }

    /// Runs reads on the current thread until reads are refused.
    fn work(&self) {
        let _leaving = Leaving(self);
        let mut connection = None;
        while let Some(Read(work)) = self.queue.next() {
            let opened = match &mut connection {
                Some(connection) => Ok(&*connection),
                missing => self.database.open_reader().map(|opened| &*missing.insert(opened)),
            };
            // The caller gets an error because the answer's sender is dropped. The thread continues with the next read.
            if catch_unwind(AssertUnwindSafe(|| work(opened))).is_err() {
                error!("a read has panicked; its connection is closed");
                connection = None;
            }
        }
    }
}

impl PendingRead<'_> {
    /// Withdraws the read. Returns whether it was still waiting.
    fn take_back(&mut self) -> bool {
        self.number.take().is_some_and(|number| self.threads.queue.take_back(number))
    }
}

impl Drop for PendingRead<'_> {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Records the end of a thread when it is dropped.
struct Leaving<'a>(&'a ReaderThreads);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.queue.leave_thread();
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Read")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;
    use crate::options::SqliteOptions;
    use crate::url::Location;

    fn threads(patience: Duration) -> Arc<ReaderThreads> {
        let options = SqliteOptions::default().readers(1).busy_timeout(patience);
        ReaderThreads::new(Arc::new(Database::new(Location::Memory, options)))
    }

    #[tokio::test]
    async fn a_read_that_no_thread_takes_up_in_time_is_busy_and_never_done() {
        let threads = threads(Duration::from_millis(20));
        let _anchor = threads.database.create().expect("it opens");
        let (started, has_started) = oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let long = threads.read(move |_| {
            started.send(()).expect("a caller waits");
            released.recv().expect("it is released");
            Ok(17)
        });
        let (done, has_been_done) = mpsc::channel();
        let other = async {
            has_started.await.expect("the first read begins");
            let mut dropped = Box::pin(threads.read(|_| Ok(())));
            let polled =
                std::future::poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context))).await;
            assert!(polled.is_pending());
            drop(dropped);
            assert_eq!(threads.queue.counts().0, 0, "a read without a caller is not queued");
            let refused = threads.read(move |_| Ok(done.send(()))).await;
            assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
            release.send(()).expect("the first read waits");
        };
        let (long, ()) = tokio::join!(long, other);
        assert_eq!(long.expect("once it has begun, it is not busy"), 17);
        assert_eq!(threads.read(|_| Ok(18)).await.expect("the thread is free"), 18);
        has_been_done.try_recv().expect_err("who was told that it is busy may ask again");
    }

    #[tokio::test]
    async fn closed_reader_threads_end_and_refuse_reads() {
        let threads = threads(Duration::from_secs(60));
        let _anchor = threads.database.create().expect("it opens");
        assert_eq!(threads.read(|_| Ok(17)).await.expect("it is open"), 17);
        threads.close();
        assert_eq!(threads.queue.counts().1, 0);
        let refused = threads.read(|_| Ok(18)).await;
        assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_read_that_panics_fails_alone() {
        let threads = threads(Duration::from_secs(60));
        let _anchor = threads.database.create().expect("it opens");
        let failed = threads.read(|_| -> Result<()> { panic!("a bug") }).await;
        assert!(matches!(failed, Err(Error::Storage { .. })), "{failed:?}");
        assert_eq!(threads.read(|_| Ok(17)).await.expect("the thread goes on"), 17);
    }
}
