//! Reads consistent views of the log.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::{
    HistoryRequest, LoadRequest, LoadedAggregate, LogQuery, Reader, TagPage, TagRequest,
};
use evercore::{LogPage, RecordedEvent, Result};
use rusqlite::Connection;
use tokio::sync::Mutex;

use crate::blocking::blocking;
use crate::database::Database;
use crate::error::Problem;
use crate::load::{load, read_history};
use crate::log::read_log;
use crate::pool::{Lent, Pool};
use crate::readers::Readers;
use crate::tags::read_tagged;
use crate::types::Types;

/// Begins a transaction and reads, because SQLite takes the snapshot at the first read and not at BEGIN.
const PIN: &str = "BEGIN; SELECT MAX(position) FROM events";

/// Opens views. They have connections of their own: otherwise, a task that holds a view and waits for another read
/// could wait for itself.
#[derive(Debug)]
pub(crate) struct Views {
    database: Arc<Database>,
    types: Arc<Types>,
    pool: Arc<Pool>,
}

/// The log as it was when the view was opened.
#[derive(Debug)]
struct View {
    /// Locked during a read: only one thread at a time may use a connection.
    source: Arc<Mutex<Source>>,
    database: Arc<Database>,
    types: Arc<Types>,
}

#[derive(Debug)]
enum Source {
    /// A connection in a transaction, which ends with the loan.
    Lent(Lent),
    /// A copy of a database in memory, of which SQLite keeps one version only.
    Copy(Connection),
}

impl Views {
    pub(crate) fn new(database: Arc<Database>, types: Arc<Types>) -> Self {
        let pool = Pool::new(Arc::clone(&database));
        Self { database, types, pool }
    }

    /// Opens a view as of now.
    pub(crate) async fn open(&self, readers: &Readers) -> Result<Box<dyn Reader>> {
        let source = if self.database.is_in_memory() {
            Source::Copy(readers.copy().await?)
        } else {
            Source::Lent(self.begin().await?)
        };
        let (database, types) = (Arc::clone(&self.database), Arc::clone(&self.types));
        Ok(Box::new(View { source: Arc::new(Mutex::new(source)), database, types }))
    }

    /// Refuses further views. Open ones keep their connections. Blocks.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    async fn begin(&self) -> Result<Lent> {
        let mut lent = self.pool.take().await?;
        let database = Arc::clone(&self.database);
        blocking(move || {
            let begun = lent.connection()?.execute_batch(PIN);
            begun.map_err(|error| Problem::from(error).undone(database.name(), "open a view"))?;
            Ok(lent)
        })
        .await?
    }
}

impl View {
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Types) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        let mut source = Arc::clone(&self.source).lock_owned().await;
        let (database, types) = (Arc::clone(&self.database), Arc::clone(&self.types));
        blocking(move || {
            let done = work(source.connection()?, &types);
            done.map_err(|problem| problem.undone(database.name(), operation))
        })
        .await?
    }
}

#[async_trait]
impl Reader for View {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.read("load an aggregate", move |connection, types| load(connection, types, &request))
            .await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        let read = move |connection: &_, types: &_| read_history(connection, types, request);
        self.read("read a history", read).await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let read = move |connection: &_, types: &_| read_log(connection, types, &query);
        self.read("read the log", read).await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        let read = move |connection: &_, types: &_| read_tagged(connection, types, &requests);
        self.read("read events by their tags", read).await
    }
}

impl Source {
    fn connection(&mut self) -> Result<&Connection> {
        match self {
            Self::Lent(lent) => lent.connection(),
            Self::Copy(connection) => Ok(connection),
        }
    }
}
