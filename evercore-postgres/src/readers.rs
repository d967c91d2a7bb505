//! Lends connections for one statement, or a few, at a time.
//!
//! The driver's pool pings every connection that comes back, which doubles the round trips of a load. So the pool only
//! opens connections; idle ones are kept here, and one with nothing under way comes back without a ping.

use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use evercore::Result;
use evercore::engine::{EngineRuntime, timeout};
use sqlx::{Connection, PgConnection, PgPool, PgTransaction};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::error::classify;
use crate::opening::opened;

/// The idle time after which a connection is pinged before its next use: the server may have been restarted.
pub(crate) const RESTED: Duration = Duration::from_millis(500);

/// The age up to which a connection is used: the memory of its server process grows with its age.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The connections that read. Cheap to clone; all clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pool: PgPool,
    places: Arc<Semaphore>,
    resting: Arc<Mutex<Vec<Resting>>>,
    /// The number of times that the server was found silent. Connections lent before the last time are not used again.
    silences: Arc<watch::Sender<u64>>,
    runtime: Arc<EngineRuntime>,
}

#[derive(Debug)]
struct Resting {
    connection: PgConnection,
    opened: Instant,
    since: Instant,
}

/// A connection on loan. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Lent(Option<Loan>);

#[derive(Debug)]
struct Loan {
    connection: PgConnection,
    opened: Instant,
    /// The value of `Readers::silences` when the connection was lent.
    silences: u64,
    readers: Readers,
    /// Set while a BEGIN is under way. The driver registers a transaction only once the server has confirmed it, and
    /// rolls back no other.
    is_beginning: bool,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    /// Wraps a pool that has no other user, with a place for each of its connections; the first one is open.
    pub(crate) fn new(pool: PgPool, first: PgConnection, runtime: Arc<EngineRuntime>) -> Self {
        let places = Arc::new(Semaphore::new(most(&pool) as usize));
        let now = Instant::now();
        let resting = vec![Resting { connection: first, opened: now, since: now }];
        let resting = Arc::new(Mutex::new(resting));
        Self { pool, places, resting, silences: Arc::default(), runtime }
    }

    /// Lends a connection that works, as far as that can be known.
    pub(crate) async fn acquire(&self) -> Result<Lent> {
        self.runtime.check()?;
        let loan = self.lend().await.map_err(|error| classify("get a connection", error))?;
        Ok(Lent(Some(loan)))
    }

    /// Like [`acquire`](Self::acquire), but pings the connection however briefly it was idle: for work that is not
    /// repeated on another connection.
    pub(crate) async fn acquire_tested(&self) -> Result<Lent> {
        let mut lent = self.acquire().await?;
        if lent.ping().await.is_err() {
            // If the server has ended one idle session, it has probably ended the others.
            self.resting().clear();
            drop(lent);
            lent = self.acquire().await?;
        }
        Ok(lent)
    }

    async fn lend(&self) -> Result<Loan, sqlx::Error> {
        let patience = self.pool.options().get_acquire_timeout();
        let place = timeout(patience, Arc::clone(&self.places).acquire_owned())
            .await
            .map_err(|_elapsed| sqlx::Error::PoolTimedOut)?
            .map_err(|_closed| sqlx::Error::PoolClosed)?;
        let silences = *self.silences.borrow();
        let resting = self.resting().pop();
        let (connection, opened) = match still_works(resting).await {
            Some(found) => found,
            None => (opened(patience, self.pool.acquire()).await?.detach(), Instant::now()),
        };
        let readers = self.clone();
        Ok(Loan { connection, opened, silences, readers, is_beginning: false, _place: place })
    }

    /// Drops all connections: the server at their other end has been silent for too long.
    pub(crate) fn let_go(&self) {
        self.silences.send_modify(|silences| *silences += 1);
        self.resting().clear();
    }

    /// Waits for connections on loan and closes all.
    pub(crate) async fn close(&self) {
        // Later callers queue behind this, and then find the semaphore closed.
        let all = self.places.acquire_many(most(&self.pool)).await;
        self.places.close();
        drop(all);
        let resting = std::mem::take(&mut *self.resting());
        for Resting { connection, .. } in resting {
            // A failure loses nothing: no statement is under way on it.
            let _: Result<(), sqlx::Error> = connection.close().await;
        }
        self.pool.close().await;
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn most(pool: &PgPool) -> u32 {
    pool.options().get_max_connections()
}

async fn still_works(resting: Option<Resting>) -> Option<(PgConnection, Instant)> {
    let Resting { mut connection, opened, since } = resting?;
    let works = since.elapsed() < RESTED || connection.ping().await.is_ok();
    works.then_some((connection, opened))
}

impl Loan {
    /// Gives the connection back, unless it is too old or was lent before the server fell silent. Nothing may be under
    /// way on it.
    fn end(self) {
        let Self { connection, opened, silences, readers, is_beginning: _, _place } = self;
        let since = Instant::now();
        let is_trusted = silences == *readers.silences.borrow();
        if is_trusted && since.duration_since(opened) < LIFETIME {
            readers.resting().push(Resting { connection, opened, since });
        }
    }
}

impl Lent {
    /// Begins a transaction. If this future is dropped before that is done, the connection is closed.
    pub(crate) async fn begin_with(
        &mut self,
        sql: &'static str,
    ) -> Result<PgTransaction<'_>, sqlx::Error> {
        let Loan { connection, is_beginning, .. } = self.0.as_mut().expect(TAKEN);
        *is_beginning = true;
        let begun = connection.begin_with(sql).await;
        *is_beginning = false;
        begun
    }
}

const TAKEN: &str = "BUG: the connection is only taken on drop";

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0.as_ref().expect(TAKEN).connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0.as_mut().expect(TAKEN).connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut loan) = self.0.take() else { return };
        if loan.is_beginning {
            return;
        }
        // If no answer is outstanding, this is ready at once.
        let rest = pin!(loan.connection.flush()).poll(&mut Context::from_waker(Waker::noop()));
        match rest {
            Poll::Ready(Ok(())) => loan.end(),
            // The connection is broken; dropping it closes it.
            Poll::Ready(Err(_)) => {}
            // A statement or a transaction was cut short, and a task waits for its end. Without a runtime there is no
            // task, and no user for the connection either: it is closed.
            Poll::Pending => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(async move {
                        let mut silences = loan.readers.silences.subscribe();
                        let since = loan.silences;
                        tokio::select! {
                            rested = loan.connection.flush() => if rested.is_ok() {
                                loan.end();
                            },
                            // The server fell silent: no answer will come.
                            _ = silences.wait_for(|now| *now > since) => {}
                        }
                    });
                }
            }
        }
    }
}
