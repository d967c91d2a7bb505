//! Gives user code connections that read its own tables beside the store, and that never write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::engine::timeout;
use evercore::error::OpenProblem;
use evercore::{Error, Result};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use tracing::warn;

use crate::blocking::current;
use crate::database::Database;
use crate::engine::SqliteEngine;

/// The pool for the reads of user code, opened when it is first asked for.
#[derive(Debug)]
pub(crate) struct ReadPool {
    database: Arc<Database>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Unopened,
    Open(SqlitePool),
    Closed,
}

impl SqliteEngine {
    /// Returns a pool of connections that read the same file, for queries on your own tables: lists, searches and
    /// reports on read models. A query does not wait for the writer, and no commit waits for a query. A statement that
    /// writes is refused by SQLite (`attempt to write a readonly database`); writes belong to
    /// [`with_transaction`](evercore::EventStore::with_transaction).
    ///
    /// All calls return the same pool. It has up to [`readers`](crate::SqliteOptions::readers) connections, opened when
    /// they are needed; a query that finds none free waits up to [`busy_timeout`](crate::SqliteOptions::busy_timeout)
    /// and then fails with [`sqlx::Error::PoolTimedOut`]. A connection reads what was committed when its statement or
    /// its transaction began. Keep read transactions short: while one is open, the write-ahead log beside the file
    /// grows with each commit. Closing the store closes the pool.
    ///
    /// # Errors
    /// - [`Error::CannotOpen`] with [`OpenProblem::InMemory`] for a database in memory, where each read would block the
    ///   writer.
    /// - [`Error::Closed`] once the engine is closed.
    /// - [`Error::NoRuntime`] outside of a tokio runtime.
    ///
    /// # Example
    /// ```
    /// use std::any::Any;
    ///
    /// use evercore::EventStore;
    /// use evercore_sqlite::SqliteEngine;
    ///
    /// # #[derive(Debug)]
    /// # enum BankError { Sql(sqlx::Error), Store(evercore::Error) }
    /// # impl From<sqlx::Error> for BankError { fn from(e: sqlx::Error) -> Self { Self::Sql(e) } }
    /// # impl From<evercore::Error> for BankError { fn from(e: evercore::Error) -> Self { Self::Store(e) } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BankError> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let url = format!("sqlite://{}", folder.path().join("bank.db").display());
    /// let store = EventStore::connect(url).await?;
    /// # store
    /// #     .with_transaction(async |ctx: &mut evercore_sqlite::SqliteContext| {
    /// #         let create = sqlx::query("CREATE TABLE balances (account INTEGER, balance INTEGER)");
    /// #         create.execute(&mut **ctx.transaction()).await.map(drop).map_err(BankError::Sql)
    /// #     })
    /// #     .await?;
    /// let engine = (store.engine() as &dyn Any).downcast_ref::<SqliteEngine>().expect("it is SQLite");
    /// let pool = engine.read_pool()?;
    /// let rich: i64 = sqlx::query_scalar("SELECT count(*) FROM balances WHERE balance > 1000")
    ///     .fetch_one(&pool)
    ///     .await?;
    /// # assert_eq!(rich, 0);
    /// # store.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_pool(&self) -> Result<SqlitePool> {
        self.read_pool.get()
    }
}

impl ReadPool {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database, state: Mutex::new(State::Unopened) }
    }

    fn get(&self) -> Result<SqlitePool> {
        let mut state = self.state();
        match &*state {
            State::Open(pool) => Ok(pool.clone()),
            State::Closed => Err(Error::Closed),
            State::Unopened => {
                let pool = self.open()?;
                *state = State::Open(pool.clone());
                Ok(pool)
            }
        }
    }

    fn open(&self) -> Result<SqlitePool> {
        let Some(connecting) = self.database.reading_options() else {
            let (database, problem) = (self.database.name().to_owned(), OpenProblem::InMemory);
            return Err(Error::CannotOpen { database, problem, source: None });
        };
        // The pool needs a runtime for its own tasks.
        current()?;
        let (options, database) = (self.database.options(), Arc::clone(&self.database));
        let pool = SqlitePoolOptions::new()
            .max_connections(options.get_readers())
            .acquire_timeout(options.get_busy_timeout())
            .after_connect(move |_, _| {
                let in_place = database.check_in_place();
                Box::pin(async {
                    in_place.map_err(|error| sqlx::Error::Configuration(error.into()))
                })
            });
        Ok(pool.connect_lazy_with(connecting))
    }

    /// Closes the connections, and waits for those that user code holds, up to the busy timeout.
    pub(crate) async fn close(&self) {
        let former = std::mem::replace(&mut *self.state(), State::Closed);
        let State::Open(pool) = former else { return };
        let patience = self.database.options().get_busy_timeout();
        if timeout(patience, pool.close()).await.is_err() {
            let (database, connections) = (self.database.name(), pool.size());
            warn!(
                database,
                connections,
                "connections of the read pool are still in use; each is closed when it is given back"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
