//! Connections for one statement, or a few, at a time.
//!
//! The driver's pool asks every connection that comes back for a sign of life, which makes two round trips of a load.
//! So the pool only opens them; they are kept here, and one that comes back at rest is asked nothing.

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

/// A connection that was not used for so long is asked whether it still works before it is: the server may have been
/// restarted.
pub(crate) const RESTED: Duration = Duration::from_millis(500);

/// How long a connection is used: what its server process keeps in memory grows with its age.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The connections that read. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pool: PgPool,
    places: Arc<Semaphore>,
    resting: Arc<Mutex<Vec<Resting>>>,
    /// How often the server was found to be silent. Connections from before are not used again.
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
    /// How often the server had been silent when it was lent.
    silences: u64,
    readers: Readers,
    /// While a BEGIN is under way. The driver takes note of a transaction when it hears that it has begun, and rolls back
    /// no other.
    is_beginning: bool,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    /// As many as the pool has, which nobody else uses; the first one is open.
    pub(crate) fn new(pool: PgPool, first: PgConnection, runtime: Arc<EngineRuntime>) -> Self {
        let places = Arc::new(Semaphore::new(most(&pool) as usize));
        let now = Instant::now();
        let resting = vec![Resting { connection: first, opened: now, since: now }];
        let resting = Arc::new(Mutex::new(resting));
        Self { pool, places, resting, silences: Arc::default(), runtime }
    }

    /// A connection that works, as far as that can be known.
    pub(crate) async fn acquire(&self) -> Result<Lent> {
        self.runtime.check()?;
        let loan = self.lend().await.map_err(|error| classify("get a connection", error))?;
        Ok(Lent(Some(loan)))
    }

    /// As [`acquire`](Self::acquire), of one that is asked whether it works however short it has rested: for work that is
    /// not done again where it does not.
    pub(crate) async fn acquire_tested(&self) -> Result<Lent> {
        let mut lent = self.acquire().await?;
        if lent.ping().await.is_err() {
            // Of several that have rested for too long, each is gone once it is asked.
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

    /// Lets go of all connections: the server on their other end has been silent for too long.
    pub(crate) fn let_go(&self) {
        self.silences.send_modify(|silences| *silences += 1);
        self.resting().clear();
    }

    /// Waits for those on loan and closes all.
    pub(crate) async fn close(&self) {
        // Whoever asks from now on stands behind this, and then before a closed door.
        let all = self.places.acquire_many(most(&self.pool)).await;
        self.places.close();
        drop(all);
        let resting = std::mem::take(&mut *self.resting());
        for Resting { connection, .. } in resting {
            // Nothing is under way on it.
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
    /// Gives the connection back if nothing is under way on it.
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
    /// Begins a transaction. If this is dropped before it has begun, so is the connection.
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

const TAKEN: &str = "BUG: it is taken when it is dropped";

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
        // Without an answer that is still to come, this does nothing and is done at once.
        let rest = pin!(loan.connection.flush()).poll(&mut Context::from_waker(Waker::noop()));
        match rest {
            Poll::Ready(Ok(())) => loan.end(),
            // Broken, and closed by this.
            Poll::Ready(Err(_)) => {}
            // A statement or a transaction was cut short. Without a runtime there is nobody to see to it, or to use it.
            Poll::Pending => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(async move {
                        let mut silences = loan.readers.silences.subscribe();
                        let since = loan.silences;
                        tokio::select! {
                            rested = loan.connection.flush() => if rested.is_ok() {
                                loan.end();
                            },
                            // There is no answer to come.
                            _ = silences.wait_for(|now| *now > since) => {}
                        }
                    });
                }
            }
        }
    }
}
