//! The engine: what the contract asks for, and where each part of it is done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    Commit, CommitOutcome, Committed, FirstOutcome, HistoryRequest, IdBlock, LoadRequest,
    LoadedAggregate, LogPage, LogRequest, LogWatch, Migration, Reader, StorageEngine,
};
use evercore::{CommitId, Error, IdempotencyKey, RecordedEvent, Registry, Result};
use sqlx::SqliteConnection;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::database::{self, Database};
use crate::first::find_first;
use crate::load::{load, read_history};
use crate::log::read_log;
use crate::nesting;
use crate::options::SqliteOptions;
use crate::readers::Readers;
use crate::schema;
use crate::types::Types;
use crate::url::{self, Location};
use crate::view::Views;
use crate::writer::{TypeName, Work, Writer};

/// How soon the commits of other processes are found.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// An event log in a SQLite database.
///
/// It commits on a task of its own, in the tokio runtime that it was opened in; the task ends with
/// [`close`](StorageEngine::close), or when the engine is dropped.
#[derive(Debug)]
pub struct SqliteEngine {
    pub(crate) database: Arc<Database>,
    pub(crate) types: Arc<Types>,
    pub(crate) readers: Arc<Readers>,
    /// The one that it was opened in.
    pub(crate) runtime: Handle,
    writer: Writer,
    views: Views,
    /// A database in memory lives as long as a connection to it.
    anchor: Mutex<Option<SqliteConnection>>,
    is_closed: AtomicBool,
}

impl SqliteEngine {
    /// Opens the database that a URL names: `sqlite://bank.db`, `sqlite:///var/lib/bank.db`, `sqlite::memory:`.
    ///
    /// Options follow a `?`, as in `sqlite://bank.db?busy_timeout_ms=500&synchronous=normal`: `busy_timeout_ms`,
    /// `synchronous` (`full`, `normal`), `readers`, and `mode` (`rwc`, or `rw` to refuse a missing file).
    ///
    /// # Errors
    /// - [`Error::InvalidUrl`] if the URL makes no sense.
    /// - As [`open`](Self::open).
    pub async fn connect(url: &str) -> Result<Self> {
        let (location, options) = url::parse(url)?;
        Self::start(location, options).await
    }

    /// Opens a database in a file, and creates it if it is missing.
    ///
    /// # Errors
    /// - [`Error::CannotOpen`] if the file cannot be used; it stays as it was.
    /// - [`Error::Busy`] if another process holds it for too long.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        Self::start(Location::File(path.as_ref().to_owned()), options).await
    }

    /// Opens a database in memory. It is this engine's alone, and is gone with it.
    ///
    /// SQLite keeps one version of such a database: writers and readers wait for each other, and a read context works on
    /// a copy of it, as do all reads while a transaction is open. For tests and small data.
    ///
    /// # Errors
    /// [`Error::CannotOpen`] if SQLite refuses.
    pub async fn in_memory(options: SqliteOptions) -> Result<Self> {
        Self::start(Location::Memory, options).await
    }

    async fn start(location: Location, options: SqliteOptions) -> Result<Self> {
        let database = Arc::new(Database::new(location, options));
        let mut connection = database.create().await?;
        schema::check(&database, &mut connection).await?;
        let types: Arc<Types> = Arc::default();
        let anchor =
            if database.is_in_memory() { Some(database.open_reader().await?) } else { None };
        Ok(Self {
            writer: Writer::start(Arc::clone(&database), Arc::clone(&types), connection),
            readers: Arc::new(Readers::new(Arc::clone(&database))),
            views: Views::new(Arc::clone(&database), Arc::clone(&types)),
            anchor: Mutex::new(anchor),
            is_closed: AtomicBool::new(false),
            runtime: Handle::current(),
            database,
            types,
        })
    }

    /// Does something in a transaction of its own, on the connection that writes.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    ) -> Result<T> {
        self.check_may_write()?;
        self.writer.transact(operation, work).await
    }

    /// Refuses work after the close, and a write that would wait for the transaction that it is made in.
    pub(crate) fn check_may_write(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        nesting::check(&self.database)
    }
}

#[async_trait]
impl StorageEngine for SqliteEngine {
    async fn migrate(&self) -> Result<()> {
        self.check_may_write()?;
        let _turn = self.database.turns().write().await?;
        let mut connection = self.database.open_writer().await?;
        schema::migrate(&self.database, &mut connection).await?;
        database::close(connection).await
    }

    fn migrations(&self) -> Vec<Migration> {
        schema::migrations()
    }

    async fn warmup(&self, registry: &Registry) -> Result<()> {
        self.check_may_write()?;
        let aggregates = registry
            .aggregates()
            .map(|aggregate| TypeName { aggregate: aggregate.name(), event: None });
        let events = registry.events().map(|event| TypeName {
            aggregate: event.aggregate().name(),
            event: Some(event.name()),
        });
        self.writer.register(aggregates.chain(events).collect()).await?;
        self.readers.acquire().await.map(drop)
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.check_may_write()?;
        self.writer.reserve_ids(count).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.check_may_write()?;
        self.writer.commit(commit).await
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.check_may_write()?;
        self.writer.find_commit(id).await
    }

    async fn find_first(&self, key: &IdempotencyKey) -> Result<Option<FirstOutcome>> {
        let mut reading = self.readers.acquire().await?;
        let result = find_first(reading.connection(), key).await;
        result.map_err(|problem| reading.failed("find a commit by its idempotency key", problem))
    }

    fn watch_log(&self) -> LogWatch {
        self.database.grown().watch(POLL_INTERVAL)
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        self.views.open(&self.readers).await
    }

    async fn close(&self) -> Result<()> {
        nesting::check(&self.database)?;
        self.is_closed.store(true, Ordering::Release);
        self.writer.close().await?;
        // Until a transaction that is open has ended.
        drop(self.database.turns().take().await?);
        self.views.close().await;
        self.readers.close().await?;
        match self.anchor.lock().await.take() {
            Some(anchor) => database::close(anchor).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Reader for SqliteEngine {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        let mut reading = self.readers.acquire().await?;
        let result = load(reading.connection(), &self.types, &request).await;
        result.map_err(|problem| reading.failed("load an aggregate", problem))
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        let mut reading = self.readers.acquire().await?;
        let result = read_history(reading.connection(), &self.types, request).await;
        result.map_err(|problem| reading.failed("read a history", problem))
    }

    async fn read_log(&self, request: LogRequest) -> Result<LogPage> {
        let mut reading = self.readers.acquire().await?;
        let result = read_log(reading.connection(), &self.types, &request).await;
        result.map_err(|problem| reading.failed("read the log", problem))
    }
}
