//! Reads a consistent view of the log: a transaction on one snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::{
    HistoryRequest, LoadRequest, LoadedAggregate, LogQuery, Reader, TagPage, TagRequest,
};
use evercore::{Error, LogPage, Position, RecordedEvent, Result};
use sqlx::{Postgres, Transaction};
use tokio::sync::Mutex;

use crate::begin::begin;
use crate::error::classify;
use crate::held::Place;
use crate::shared::Shared;
use crate::{load, log, tags};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A `REPEATABLE READ READ ONLY` transaction. Dropping it ends it.
///
/// States and histories are those of the transaction's snapshot, so everything acknowledged before the view was opened
/// is in them. Pages of the log end at the frontier that was read before the snapshot was taken.
#[derive(Debug)]
pub(crate) struct View {
    shared: Arc<Shared>,
    transaction: Mutex<Transaction<'static, Postgres>>,
    _place: Place,
    /// The frontier read before the snapshot; `None` on a standby, which does not know it.
    frontier: Option<Position>,
}

impl View {
    pub(crate) async fn open(shared: Arc<Shared>) -> Result<Self> {
        let shared = &shared;
        shared
            .answered(|| async move {
                let failed = |error| classify("open a view of the log", error);
                let (mut connection, place) = shared.held.acquire().await.map_err(failed)?;
                let frontier = match shared.frontier.read(&mut connection, &shared.statements).await
                {
                    Err(Error::Standby { .. }) => None,
                    frontier => Some(frontier?),
                };
                let patience = shared.options.answer_timeout;
                let mut transaction = begin(connection, BEGIN, patience).await.map_err(failed)?;
                // PostgreSQL takes the snapshot at the first statement, so one runs now.
                sqlx::query("SELECT pg_current_snapshot()")
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
                let shared = Arc::clone(shared);
                Ok(Self { shared, transaction: Mutex::new(transaction), _place: place, frontier })
            })
            .await
    }
}

#[async_trait]
impl Reader for View {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        let request = &request;
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                let type_id = load::type_id(request, types, readers, statements).await?;
                let fetched = {
                    let mut transaction = self.transaction.lock().await;
                    load::fetch(&mut **transaction, types, statements, request, type_id).await?
                };
                load::aggregate(fetched, types, readers, statements).await
            })
            .await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                let fetched = {
                    let mut transaction = self.transaction.lock().await;
                    log::fetch_history(&mut **transaction, types, statements, request).await?
                };
                fetched.events(types, readers, statements).await
            })
            .await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let query = &query;
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                // Not read again, even if the standby was promoted meanwhile: a new frontier would be later than the
                // snapshot.
                let frontier = self.frontier.ok_or_else(|| Error::Standby {
                    operation: "read the log in a view",
                    source: "the view was opened on a standby".into(),
                })?;
                let fetched = {
                    let mut transaction = self.transaction.lock().await;
                    log::fetch_page(&mut **transaction, types, statements, query, frontier).await?
                };
                log::page(fetched, query, frontier, types, readers, statements).await
            })
            .await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        let requests = &requests;
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                // A standby does not know the frontier; everything is after the start.
                let frontier = self.frontier.unwrap_or(Position::START);
                let rows = {
                    let mut transaction = self.transaction.lock().await;
                    let known = Some(frontier);
                    tags::fetch(&mut **transaction, types, statements, requests, known).await?
                };
                tags::pages(rows, requests, types, readers, statements).await
            })
            .await
    }
}
