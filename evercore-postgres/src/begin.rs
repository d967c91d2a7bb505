//! Begins transactions.

use std::time::Duration;

use evercore::engine::timeout;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{PgTransaction, Postgres, SqlSafeStr, Transaction};
use tokio::runtime::Handle;

/// What is decided under a lock must see what was committed before the lock.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A call that goes on to its end if nobody waits for it any more, for as long as an answer can be hoped for.
struct ToItsEnd<T: Send + 'static> {
    call: Option<BoxFuture<'static, T>>,
    patience: Duration,
}

/// Begins a transaction on a connection that a pool has given. If this is dropped, what was begun is rolled back.
///
/// The driver takes note of a transaction when it hears that it has begun, and rolls back no other: a connection whose
/// BEGIN was cut short would be back in the pool with a transaction that nobody knows of.
pub(crate) async fn begin(
    connection: PoolConnection<Postgres>,
    sql: impl SqlSafeStr,
    patience: Duration,
) -> Result<PgTransaction<'static>, sqlx::Error> {
    let call = Some(Transaction::begin(connection, Some(sql.into_sql_str())).boxed());
    ToItsEnd { call, patience }.done().await
}

impl<T: Send + 'static> ToItsEnd<T> {
    async fn done(mut self) -> T {
        let call = self.call.as_mut().expect("BUG: it is taken when it is dropped");
        let done = call.await;
        self.call = None;
        done
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(self.patience, call));
        }
    }
}
