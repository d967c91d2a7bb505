//! Begins transactions so that a dropped future leaves none open.

use std::time::Duration;

use evercore::engine::timeout;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{PgTransaction, Postgres, SqlSafeStr, Transaction};
use tokio::runtime::Handle;

/// Begins a transaction in which decisions made under a lock see what was committed before the lock was taken.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A call that, when its caller stops waiting, continues in the background for up to `patience`.
struct ToItsEnd<T: Send + 'static> {
    call: Option<BoxFuture<'static, T>>,
    patience: Duration,
}

/// Begins a transaction on a pool's connection. If this future is dropped, the transaction is rolled back.
///
/// The driver registers a transaction only once the server has confirmed it, and rolls back no other. A connection
/// whose BEGIN was cut short would return to the pool with an open transaction unknown to the driver.
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
        let call = self.call.as_mut().expect("BUG: the connection is only taken on drop");
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
