//! Lends connections that user code holds, for views and transactions.

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::timeout;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::opening::opened;

/// The connections. Callers wait for a free one at a semaphore and not in the pool, which waits by tokio's clock.
#[derive(Debug)]
pub(crate) struct Held {
    pool: PgPool,
    places: Arc<Semaphore>,
}

/// The right to a connection. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
}

impl Held {
    /// Wraps a pool that has no other user, with a place for each of its connections.
    pub(crate) fn new(pool: PgPool) -> Self {
        let most = pool.options().get_max_connections() as usize;
        Self { pool, places: Arc::new(Semaphore::new(most)) }
    }

    /// Lends a connection that works, as far as that can be known.
    pub(crate) async fn acquire(&self) -> Result<(PoolConnection<Postgres>, Place), sqlx::Error> {
        let patience = self.patience();
        let place = timeout(patience, Arc::clone(&self.places).acquire_owned())
            .await
            .map_err(|_elapsed| sqlx::Error::PoolTimedOut)?
            .map_err(|_closed| sqlx::Error::PoolClosed)?;
        let connection = opened(patience, self.pool.acquire()).await?;
        Ok((connection, Place { _place: place }))
    }

    /// Waits for connections on loan and closes all.
    pub(crate) async fn close(&self) {
        self.places.close();
        self.pool.close().await;
    }

    fn patience(&self) -> Duration {
        self.pool.options().get_acquire_timeout()
    }
}
