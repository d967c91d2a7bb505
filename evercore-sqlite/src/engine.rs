//! Implements the storage engine, by calls into the modules that do the work.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    Capabilities, Capability, CommandLogStorage, Commit, Declarations, HistoryRequest, IdBlock,
    IdempotentOutcome, Inspection, LoadRequest, LoadedAggregate, LogQuery, LogWatch, Reader,
    StorageEngine, TagPage, TagRequest, TaskStorage, TypeName, UniqueName,
};
use evercore::observer::Observer;
use evercore::{
    CommitId, CommitOutcome, Committed, Error, IdempotencyKey, LogPage, Migration, RecordedEvent,
    Result,
};
use rusqlite::Connection;
use sqlx::SqlitePool;
use tokio::runtime::Handle;

use crate::blocking::blocking;
use crate::database::Database;
use crate::error::Problem;
use crate::idempotency::find_by_idempotency_key;
use crate::load::{load, read_history};
use crate::log::read_log;
use crate::options::SqliteOptions;
use crate::read_pool::ReadPool;
use crate::readers::Readers;
use crate::tags::read_tagged;
use crate::types::Types;
use crate::url::{self, Location};
use crate::view::Views;
use crate::writer::Writer;
use crate::{declarations, nesting, schema, unique};

/// The interval of the polls that find commits of other processes.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// An event log in a SQLite database.
///
/// It commits on a thread of its own, which ends with [`close`](StorageEngine::close), or when the engine is dropped.
/// It reads on up to [`readers`](SqliteOptions::readers) further threads; read contexts run on the tokio runtime's
/// threads for blocking work.
#[derive(Debug)]
pub struct SqliteEngine {
    pub(crate) database: Arc<Database>,
    pub(crate) types: Arc<Types>,
    pub(crate) readers: Arc<Readers>,
    read_pool: ReadPool,
    /// The runtime in which the engine was opened.
    pub(crate) runtime: Handle,
    writer: Writer,
    views: Arc<Views>,
    /// Keeps a database in memory alive, which ends with its last connection.
    anchor: Mutex<Option<Connection>>,
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
    /// - The errors of [`open`](Self::open).
    pub async fn connect(url: &str) -> Result<Self> {
        let (location, options) = url::parse(url)?;
        Self::start(location, options).await
    }

    /// Opens a database in a file, and creates it if it is missing.
    ///
    /// # Errors
    /// - [`Error::CannotOpen`] if the file cannot be used; the file is unchanged.
    /// - [`Error::Busy`] if another process locks it for too long.
    /// - [`Error::NoRuntime`] outside of a tokio runtime.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        Self::start(Location::File(path.as_ref().to_owned()), options).await
    }

    /// Opens a database in memory. It belongs to this engine alone, and is gone with it.
    ///
    /// SQLite keeps one version of such a database: writers and readers wait for each other, and a read context works on
    /// a copy of it, as do all reads while a transaction is open. For tests and small data.
    ///
    /// # Errors
    /// [`Error::CannotOpen`] if SQLite refuses.
    pub async fn in_memory(options: SqliteOptions) -> Result<Self> {
        Self::start(Location::Memory, options).await
    }

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
    /// - [`Error::CannotOpen`] with [`OpenProblem::InMemory`](evercore::error::OpenProblem::InMemory) for a database in memory, where each read would block the
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

    async fn start(location: Location, options: SqliteOptions) -> Result<Self> {
        let database = Arc::new(Database::new(location, options));
        let opened = Arc::clone(&database);
        let (connection, anchor) = blocking(move || {
            let connection = opened.create()?;
            schema::check(&opened, &connection)?;
            opened.remember_files();
            let anchor = if opened.is_in_memory() { Some(opened.open_reader()?) } else { None };
            Ok::<_, Error>((connection, anchor))
        })
        .await??;
        let types: Arc<Types> = Arc::default();
        Ok(Self {
            writer: Writer::start(Arc::clone(&database), Arc::clone(&types), connection)?,
            readers: Arc::new(Readers::new(Arc::clone(&database))),
            read_pool: ReadPool::new(Arc::clone(&database)),
            views: Arc::new(Views::new(Arc::clone(&database), Arc::clone(&types))),
            anchor: Mutex::new(anchor),
            is_closed: AtomicBool::new(false),
            runtime: Handle::current(),
            database,
            types,
        })
    }

    /// Reads committed data on a thread that reads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Types) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        let types = Arc::clone(&self.types);
        self.readers.read(operation, move |connection| work(connection, &types)).await
    }

    /// Runs `work` in a transaction of its own, on the connection that writes.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        self.check_may_write()?;
        self.writer.transact(operation, work).await
    }

    /// Refuses writes after the engine was closed, and writes from inside a transaction's closure, which would wait for
    /// that transaction.
    pub(crate) fn check_may_write(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        nesting::check(&self.database)
    }
}

#[async_trait]
impl StorageEngine for SqliteEngine {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.database.observer().set(observer);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
            .with(Capability::ReadViews)
            .with(Capability::Inspection)
            .with(Capability::Transactions)
            .with(Capability::Tags)
            .with(Capability::Tasks)
            .with(Capability::UniqueValues)
            .with(Capability::CommandLog)
    }

    async fn migrate(&self) -> Result<()> {
        self.check_may_write()?;
        let turn = self.database.locks().write().await?;
        let database = Arc::clone(&self.database);
        blocking(move || {
            let connection = database.open_writer()?;
            schema::migrate(&database, &connection)?;
            drop((connection, turn));
            Ok(())
        })
        .await?
    }

    fn migrations(&self) -> Vec<Migration> {
        schema::migrations()
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.check_may_write()?;
        self.writer.register(types.to_vec()).await?;
        self.read("open a read connection", |_, _| Ok(())).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.read("read the names of types", |connection, types| {
            Ok(types.refresh(connection)?.aggregates().cloned().collect())
        })
        .await
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

    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        let key = key.clone();
        let find = move |connection: &_, _: &_| find_by_idempotency_key(connection, &key);
        self.read("find a commit by its idempotency key", find).await
    }

    async fn declarations(&self) -> Result<Declarations> {
        self.read("read the declarations", |connection, _| declarations::read(connection)).await
    }

    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        let names = unique::to_json(names)?;
        self.write("declare unique values", move |connection| unique::declare(connection, &names))
            .await
    }

    async fn begin_claiming(&self) -> Result<()> {
        // There is one writer at a time, so no commit is on its way.
        Ok(())
    }

    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        self.check_may_write()?;
        let names = unique::to_json(names)?;
        self.writer
            .transact("record claimed unique values", move |connection| {
                unique::record_claimed(connection, &names, up_to, is_complete)
            })
            .await
    }

    fn watch_log(&self) -> LogWatch {
        self.database.grown().watch(POLL_INTERVAL)
    }

    fn tasks(&self) -> Option<&dyn TaskStorage> {
        Some(self)
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        Some(self)
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        self.views.open(&self.readers).await
    }

    fn inspection(&self) -> &dyn Inspection {
        self
    }

    async fn close(&self) -> Result<()> {
        nesting::check(&self.database)?;
        self.is_closed.store(true, Ordering::Release);
        self.writer.close().await?;
        self.read_pool.close().await;
        // Waits until an open transaction has ended.
        drop(self.database.locks().take().await?);
        let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (views, readers) = (Arc::clone(&self.views), Arc::clone(&self.readers));
        blocking(move || {
            views.close();
            readers.close();
            drop(anchor);
        })
        .await
    }
}

#[async_trait]
impl Reader for SqliteEngine {
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
