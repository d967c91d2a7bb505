//! One consistent view of the log.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::{HistoryRequest, LoadRequest, LoadedAggregate, LogPage, LogRequest, Reader};
use evercore::{Error, RecordedEvent, Result};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteTransaction};
use tokio::sync::Mutex;

use crate::database::Database;
use crate::error::{Problem, because};
use crate::load::{load, read_history};
use crate::log::read_log;
use crate::readers::Readers;
use crate::types::Types;

/// SQLite takes its snapshot at the first read, not at BEGIN.
pub(crate) const PIN: &str = "SELECT MAX(position) FROM events";

/// Opens views. They have connections of their own: a task that holds a view and waits for another read could
/// otherwise wait for itself.
#[derive(Debug)]
pub(crate) struct Views {
    database: Arc<Database>,
    types: Arc<Types>,
    pool: SqlitePool,
}

/// The log as it was when the view was opened.
#[derive(Debug)]
struct View {
    /// Held while a statement runs: a connection takes one at a time.
    source: Mutex<Source>,
    database: Arc<Database>,
    types: Arc<Types>,
}

#[derive(Debug)]
enum Source {
    /// Rolled back and given back when it is dropped, whatever it was doing.
    Transaction(SqliteTransaction<'static>),
    /// A database in memory keeps one version only, so the view has a copy.
    Copy(SqliteConnection),
}

impl Views {
    pub(crate) fn new(database: Arc<Database>, types: Arc<Types>) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(database.options().get_readers())
            .acquire_timeout(database.options().get_busy_timeout())
            .test_before_acquire(false)
            .connect_lazy_with(database.reading());
        Self { database, types, pool }
    }

    /// Opens a view as of now.
    pub(crate) async fn open(&self, readers: &Arc<Readers>) -> Result<Box<dyn Reader>> {
        let source = if self.database.is_in_memory() {
            Source::Copy(readers.copy().await?)
        } else {
            Source::Transaction(self.begin().await?)
        };
        let (database, types) = (Arc::clone(&self.database), Arc::clone(&self.types));
        Ok(Box::new(View { source: Mutex::new(source), database, types }))
    }

    /// Refuses further views. Those that are open keep what they have.
    pub(crate) async fn close(&self) {
        let closing = self.pool.close();
        if usize::try_from(self.pool.size()) == Ok(self.pool.num_idle()) {
            closing.await;
        }
    }

    async fn begin(&self) -> Result<SqliteTransaction<'static>> {
        let began = async {
            let mut transaction = self.pool.begin().await?;
            sqlx::query(PIN).fetch_one(&mut *transaction).await?;
            Ok(transaction)
        };
        began.await.map_err(|error| match error {
            sqlx::Error::PoolClosed => Error::Closed,
            sqlx::Error::PoolTimedOut => {
                Error::Busy { source: because("as many read contexts are open as may be") }
            }
            error => Problem::from(error).undone(self.database.name(), OPEN),
        })
    }
}

const OPEN: &str = "open a view";

#[async_trait]
impl Reader for View {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        let mut source = self.source.lock().await;
        load(source.connection(), &self.types, &request)
            .await
            .map_err(|problem| self.failed("load an aggregate", problem))
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        let mut source = self.source.lock().await;
        read_history(source.connection(), &self.types, request)
            .await
            .map_err(|problem| self.failed("read a history", problem))
    }

    async fn read_log(&self, request: LogRequest) -> Result<LogPage> {
        let mut source = self.source.lock().await;
        read_log(source.connection(), &self.types, &request)
            .await
            .map_err(|problem| self.failed("read the log", problem))
    }
}

impl View {
    fn failed(&self, operation: &'static str, problem: Problem) -> Error {
        problem.undone(self.database.name(), operation)
    }
}

impl Source {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Transaction(transaction) => transaction,
            Self::Copy(connection) => connection,
        }
    }
}
