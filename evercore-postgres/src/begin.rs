//! Beginning a transaction on a connection of a pool.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{PgPool, PgTransaction, SqlSafeStr, Transaction};
use tokio::runtime::Handle;

/// A call that goes on to its end if nobody waits for it any more.
struct ToItsEnd<T: Send + 'static>(Option<BoxFuture<'static, T>>);

/// Begins a transaction. If this is dropped, what was begun is rolled back.
///
/// The driver takes note of a transaction when it hears that it has begun, and rolls back no other: a connection whose
/// BEGIN was cut short would be back in the pool with a transaction that nobody knows of.
pub(crate) async fn begin(
    pool: &PgPool,
    sql: impl SqlSafeStr,
) -> Result<PgTransaction<'static>, sqlx::Error> {
    let connection = pool.acquire().await?;
    ToItsEnd(Some(Transaction::begin(connection, Some(sql.into_sql_str())).boxed())).done().await
}

impl<T: Send + 'static> ToItsEnd<T> {
    async fn done(mut self) -> T {
        let call = self.0.as_mut().expect("BUG: it is taken when it is dropped");
        let done = call.await;
        self.0 = None;
        done
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(call);
        }
    }
}
