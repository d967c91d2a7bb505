//! Implements the storage engine with a pool of connections that read and a queue to the writers.

use std::fmt;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use evercore::engine::{
    Capabilities, Capability, CommandLogStorage, Commit, Declarations, HistoryRequest, IdBlock,
    IdempotentOutcome, Inspection, LoadRequest, LoadedAggregate, LogQuery, LogWatch, Reader,
    StorageEngine, TagPage, TagRequest, TaskStorage, TypeName, UniqueName,
};
use evercore::observer::Observer;
use evercore::{
    AggregateId, CommitId, CommitOutcome, Committed, Error, IdempotencyKey, LogPage, Migration,
    RecordedEvent, Result,
};
use sqlx::Row;
use tokio::sync::{mpsc, oneshot};

use crate::error::classify;
use crate::frontier::FrontierHolder;
use crate::options::PostgresOptions;
use crate::shared::Shared;
use crate::types::type_names;
use crate::view::View;
use crate::writer::Request;
use crate::{frontier, load, log, merging, row, schema, unique};

/// Evercore's engine on PostgreSQL.
///
/// Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct PostgresEngine {
    pub(crate) shared: Arc<Shared>,
}

impl PostgresEngine {
    /// Opens the engine. It does not change the schema: see [`StorageEngine::migrate`].
    ///
    /// # Errors
    /// - [`Error::CannotOpen`] if the database cannot be reached, or its settings break a guarantee of the engine.
    /// - [`Error::NoRuntime`] outside of a tokio runtime. The engine works on the one that it is opened in.
    pub async fn open(options: PostgresOptions) -> Result<Self> {
        let shared = Shared::open(options).await?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns the transactions that append and have not ended, the lowest floor first, at most 100. Readers of the log
    /// are shown nothing beyond the lowest floor.
    ///
    /// The engine looks for these transactions by itself, and logs a warning, when the log has not advanced for
    /// [`frontier_patience`](PostgresOptions::frontier_patience).
    ///
    /// # Errors
    /// The server's error if the query fails.
    pub async fn frontier_holders(&self) -> Result<Vec<FrontierHolder>> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let mut connection = readers.acquire().await?;
                let (_, drawn) = frontier::read(&mut connection, statements).await?;
                frontier::holders(&mut connection, statements, drawn).await
            })
            .await
    }

    fn queue(&self) -> Result<mpsc::Sender<Request>> {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clone().ok_or(Error::Closed)
    }

    /// Stores the names of types that are not stored yet.
    pub(crate) async fn store_types(&self, names: &[TypeName]) -> Result<()> {
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                types.store(readers, statements, names).await
            })
            .await
    }
}

#[async_trait]
impl StorageEngine for PostgresEngine {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.observer.set(observer);
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
        schema::migrate(&self.shared.readers, &self.shared.options).await
    }

    fn migrations(&self) -> Vec<Migration> {
        schema::migrations(self.shared.options.schema_name())
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.store_types(types).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                types.refresh(readers, statements).await?;
                Ok(types.known().aggregates().cloned().collect())
            })
            .await
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.shared
            .answered(|| async move {
                let failed = |error| classify("reserve aggregate ids", error);
                let rows = sqlx::query(self.shared.statements.reserve_ids.sql())
                    .bind(i64::from(count))
                    .fetch_all(&mut *self.shared.readers.acquire().await?)
                    .await
                    .map_err(failed)?;
                let row =
                    rows.first().ok_or_else(|| Error::corrupt("aggregate_ids", "it has no row"))?;
                let last: i64 = row.try_get(0).map_err(failed)?;
                Ok(IdBlock::new(AggregateId::new(last - i64::from(count) + 1)?, count))
            })
            .await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.store_types(&type_names(&commit)).await?;
        let id = commit.id;
        let (answer, answered) = oneshot::channel();
        self.queue()?
            .send(Request::new(commit, answer))
            .await
            .map_err(|_closed| self.shared.runtime.reason(Error::Closed))?;
        answered.await.unwrap_or_else(|lost| {
            // The writer ended while it held the commit.
            Err(Error::OutcomeUnknown { commit: id, source: lost.into() })
        })
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.shared
            .answered(|| async move {
                let failed = |error| classify("find a commit", error);
                let Shared { readers, statements, .. } = &*self.shared;
                sqlx::query(statements.give_up.sql())
                    .bind(id.as_uuid())
                    .execute(&mut *readers.acquire().await?)
                    .await
                    .map_err(failed)?;
                let row = sqlx::query(statements.find_commit.sql())
                    .bind(id.as_uuid())
                    .fetch_one(&mut *readers.acquire().await?)
                    .await
                    .map_err(failed)?;
                if !row::get::<bool>(&row, 0)? {
                    return Ok(CommitOutcome::NeverLands);
                }
                let positions = row::positions(&row, [1, 2, 3])?;
                Ok(CommitOutcome::Landed(Committed::new(id, positions)))
            })
            .await
    }

    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let rows = sqlx::query(statements.find_by_idempotency_key.sql())
                    .bind(key.as_str())
                    .fetch_all(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("find a commit by its idempotency key", error))?;
                let Some(row) = rows.first() else { return Ok(None) };
                let id = CommitId::from_uuid(row::get(row, 0)?);
                Ok(Some(IdempotentOutcome::new(
                    Committed::new(id, row::positions(row, [1, 2, 5])?),
                    row::get::<String>(row, 3)?.into(),
                    row::get::<String>(row, 4)?.into(),
                )))
            })
            .await
    }

    async fn declarations(&self) -> Result<Declarations> {
        self.read_declarations().await
    }

    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        let Shared { readers, statements, .. } = &*self.shared;
        self.shared.answered(|| unique::declare(readers, statements, names)).await
    }

    async fn begin_claiming(&self) -> Result<()> {
        self.outlast_older("unique values of older aggregates are claimed").await
    }

    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        let Shared { readers, statements, .. } = &*self.shared;
        let record = || unique::record_claimed(readers, statements, names, up_to, is_complete);
        self.shared.answered(record).await
    }

    fn watch_log(&self) -> LogWatch {
        self.shared.notifications.watch()
    }

    fn tasks(&self) -> Option<&dyn TaskStorage> {
        Some(self)
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        Some(self)
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(View::open(Arc::clone(&self.shared)).await?))
    }

    fn inspection(&self) -> &dyn Inspection {
        self
    }

    async fn close(&self) -> Result<()> {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(queue);
        // The handle stays in place until the task has ended: if this future is dropped, the next close waits for the
        // task.
        let mut writers = self.shared.writers.lock().await;
        if let Some(task) = &mut *writers {
            let ended = task.await;
            *writers = None;
            match ended {
                Err(panic) if panic.is_panic() => {
                    return Err(Error::storage("stop the writers", panic));
                }
                // Otherwise the writers have ended, by themselves or with their runtime.
                _ => {}
            }
        }
        self.shared.notifications.stop();
        self.shared.held.close().await;
        self.shared.readers.close().await;
        Ok(())
    }
}

#[async_trait]
impl Reader for PostgresEngine {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        let request = &request;
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                let type_id = load::type_id(request, types, readers, statements).await?;
                let mut connection = readers.acquire().await?;
                let fetched =
                    load::fetch(&mut *connection, types, statements, request, type_id).await?;
                drop(connection);
                load::aggregate(fetched, types, readers, statements).await
            })
            .await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                let mut connection = readers.acquire().await?;
                let fetched =
                    log::fetch_history(&mut *connection, types, statements, request).await?;
                drop(connection);
                fetched.events(types, readers, statements).await
            })
            .await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let query = &query;
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, frontier, .. } = &*self.shared;
                let mut connection = readers.acquire().await?;
                let frontier = frontier.read(&mut connection, statements).await?;
                let fetched =
                    log::fetch_page(&mut *connection, types, statements, query, frontier).await?;
                drop(connection);
                log::page(fetched, query, frontier, types, readers, statements).await
            })
            .await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        merging::read_tagged(&self.shared, requests).await
    }
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
