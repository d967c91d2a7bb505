//! Defines [`EventStore`], the entry point for writing, reading and following events.

mod append;
pub(crate) mod attempt;
mod builder;
mod claim;
mod detached;
mod draft;
mod once;
mod transaction;
mod waiting;

use std::sync::Arc;

use tracing::{Instrument, debug_span, instrument};

use crate::context::Reading;
use crate::context::read_context::{
    HistoryPage, ReadContext, read_correlated, read_history, read_log, read_tagged, tagged,
};
use crate::engine::{Capability, StorageEngine, require};
use crate::shared::Shared;
use crate::{
    AggregateId, CommitId, CommitOutcome, Committed, Context, FromError, LogPage, Migration,
    Position, Registry, Rerun, Result, Sequence, Start, Tag,
};

#[cfg(doc)]
use crate::Error;
pub use append::{Appended, Expected, Stream};
use attempt::Attempt;
pub use builder::{EventStoreBuilder, Migrate};
pub use draft::EventDraft;
pub use once::Once;

/// A store of events, on any engine.
///
/// Cheap to clone; all clones are handles to the same store.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, Error, EventStore, state_event};
/// use evercore_memory as _;
///
/// #[derive(Aggregate, Default)]
/// struct Account { owner: String, balance: i64 }
///
/// #[state_event(aggregate = Account)]
/// struct AccountOpened { owner: String, balance: i64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let store = EventStore::connect("memory:").await?;
/// let id = store
///     .with_context(async |ctx| -> Result<_, Error> {
///         let mut account = ctx.create_with_key::<Account>("NL91ABNA0417164300").await?;
///         ctx.apply(&mut account, AccountOpened { owner: "Ada".into(), balance: 100 })?;
///         Ok(account.id())
///     })
///     .await?;
///
/// let account = store.with_readonly_context(async |ctx| ctx.load::<Account>(id).await).await?;
/// assert_eq!(account.state().balance, 100);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EventStore {
    pub(crate) inner: Arc<Shared>,
    is_detached: bool,
}

impl EventStore {
    pub(crate) const fn of(inner: Arc<Shared>) -> Self {
        Self { inner, is_detached: false }
    }

    /// Opens the store at a URL and brings its schema up to date. The URL's scheme selects the engine.
    ///
    /// An engine's crate is linked only if your program names it: `use evercore_sqlite as _;`.
    ///
    /// # Errors
    /// - [`Error::UnknownScheme`] if no linked engine serves the scheme.
    /// - [`Error::InvalidUrl`] or [`Error::CannotOpen`] if there is no such database.
    /// - [`Error::DuplicateName`] or [`Error::InvalidDeclaration`] if the declarations of the linked types contradict
    ///   each other.
    /// - [`Error::MissingUpcaster`] if an older version of an event has no chain of upcasters to the present one.
    /// - [`Error::AmbiguousAlias`] if the database knows an aggregate type under two of its names.
    /// - [`Error::OlderProgram`] or [`Error::TagRetired`] if a newer program has declared other tags for its events.
    /// - [`Error::UndeclaredValues`] if a newer program has declared unique values of its aggregates.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// Returns a builder to set what [`connect`](Self::connect) leaves at its defaults.
    pub fn builder() -> EventStoreBuilder {
        EventStoreBuilder::default()
    }

    /// Runs `work` in a context and commits the events that it applied, together or not at all.
    ///
    /// On a conflict, `work` **runs again** in a new context, as the store's [`RetryPolicy`](crate::RetryPolicy) says,
    /// so its side effects outside of the context must be harmless to repeat. If `work` fails, nothing is written. With
    /// [aggregates kept in memory](EventStoreBuilder::cache_aggregates), it may run once more for other reasons.
    ///
    /// Everything that belongs to one commit goes through the context that `work` is given. A second commit to the same
    /// store from inside the closure, by another [`with_context`](Self::with_context) or an [`execute`](Self::execute),
    /// is refused; reads are allowed.
    ///
    /// The future is `Send` if the closure's future is, even if the closure borrows what it captures: it can be awaited
    /// in an axum handler or a spawned task. A function of yours that is generic over the closure cannot state that the
    /// closure's future is `Send`. Let it take a closure that boxes its future,
    /// `F: for<'c> FnOnce(&'c mut Context) -> BoxFuture<'c, Result<T, E>> + Clone + Send`, and call it in a closure of
    /// its own: `with_context(async move |ctx| work(ctx).await)`.
    ///
    /// # Errors
    /// - Any error that `work` returns.
    /// - [`Error::NestedCommit`] inside the closure of another context of this store; use [`detached`](Self::detached)
    ///   if the second commit is deliberate.
    /// - [`Error::Conflict`] if the last attempt conflicted as well.
    /// - [`Error::KeyTaken`] if a staged key belongs to another aggregate.
    /// - [`Error::OutcomeUnknown`] if the commit may have succeeded and asking for its outcome failed, too.
    pub async fn with_context<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Rerun,
        E: FromError,
    {
        self.with_context_committed(work).await.map(|(value, _)| value)
    }

    /// Does the same as [`with_context`](Self::with_context), and also returns the commit, whose
    /// [`position`](Committed::position) is for [`wait_for`](Self::wait_for); `None` if the context neither changed nor
    /// guarded anything.
    ///
    /// # Errors
    /// As [`with_context`](Self::with_context).
    pub async fn with_context_committed<F, T, E>(
        &self,
        work: F,
    ) -> Result<(T, Option<Committed>), E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Rerun,
        E: FromError,
    {
        let run = async move {
            let mut reruns = self.begin(Reading::Cache)?;
            loop {
                match self.attempt(&mut reruns, work.clone()).await {
                    Ok(landed) => return Ok(landed),
                    Err(failure) => self.wait_to_rerun(&mut reruns, failure).await?,
                }
            }
        };
        run.instrument(debug_span!("with_context")).await
    }

    /// Runs `work` in a context exactly once, without reruns after a conflict. For closures that cannot be cloned.
    ///
    /// # Errors
    /// As [`with_context`](Self::with_context), with the first conflict.
    pub async fn with_context_once<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
        E: FromError,
    {
        let run = async move {
            let answer = self.attempt(&mut self.begin(Reading::Storage)?, work).await;
            answer.map(|(value, _)| value).map_err(Attempt::into_error)
        };
        run.instrument(debug_span!("with_context_once")).await
    }

    /// Runs `work` on one consistent view of the log: later commits are not visible in it.
    ///
    /// # Errors
    /// - Any error that `work` returns.
    /// - [`Error::Unsupported`] if the engine has no views.
    /// - The engine's error if it cannot open the view.
    pub async fn with_readonly_context<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&ReadContext) -> Result<T, E>,
        E: FromError,
    {
        let run = async move {
            let engine = &*self.inner.engine;
            require(engine, Capability::ReadViews)?;
            let context = ReadContext::open(Arc::clone(&self.inner)).await?;
            work(&context).await
        };
        run.instrument(debug_span!("with_readonly_context")).await
    }

    /// Reads a page of the events of one aggregate, as [`ReadContext::history`] does.
    ///
    /// # Errors
    /// As [`ReadContext::history`].
    #[instrument(level = "debug", skip_all, fields(%id), err(level = "debug"))]
    pub async fn history(
        &self,
        id: AggregateId,
        range: impl std::ops::RangeBounds<Sequence> + Send,
    ) -> Result<HistoryPage> {
        read_history(&*self.inner.engine, &self.inner.limits, id, range).await
    }

    /// Reads a page of the global log, as [`ReadContext::read_log`] does.
    ///
    /// # Errors
    /// As [`ReadContext::read_log`].
    #[instrument(level = "debug", skip_all, fields(%after, limit), err(level = "debug"))]
    pub async fn read_log(&self, after: Position, limit: u32) -> Result<LogPage> {
        read_log(&*self.inner.engine, &self.inner.limits, after, limit).await
    }

    /// Reads a page of the events with a correlation id, as [`ReadContext::read_correlated`] does.
    ///
    /// # Errors
    /// As [`ReadContext::read_correlated`].
    #[instrument(level = "debug", skip_all, fields(correlation_id, %after), err(level = "debug"))]
    pub async fn read_correlated(&self, correlation_id: &str, after: Position) -> Result<LogPage> {
        read_correlated(&*self.inner.engine, &self.inner.limits, correlation_id, after).await
    }

    /// Reads a page of the events that have all of these tags, as [`ReadContext::read_tagged`] does.
    ///
    /// # Errors
    /// As [`ReadContext::read_tagged`].
    #[instrument(level = "debug", skip_all, fields(?tags, %after), err(level = "debug"))]
    pub async fn read_tagged(&self, tags: &[Tag], after: Position) -> Result<LogPage> {
        let request = tagged(&self.inner, tags, after)?;
        self.inner.check_complete(std::slice::from_ref(&request.query)).await?;
        read_tagged(&*self.inner.engine, request).await
    }

    /// Returns the position of the last event of the log that can be read now; [`Position::START`] if the log is empty.
    /// A subscription that starts [after](Start::After) this position receives all later events.
    ///
    /// # Errors
    /// The engine's error if it cannot read the log.
    /// The engine's error if it cannot read the log.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn head(&self) -> Result<Position> {
        self.inner.engine.resolve_start(Start::End).await
    }

    /// Looks up the outcome of a commit whose answer was lost ([`Error::OutcomeUnknown`]).
    ///
    /// # Errors
    /// The engine's error if it cannot be asked.
    #[instrument(level = "debug", skip_all, fields(%commit), err(level = "debug"))]
    pub async fn find_commit(&self, commit: CommitId) -> Result<CommitOutcome> {
        self.inner.engine.find_commit(commit).await
    }

    /// Opens connections, stores the names of the types and reserves ids ahead of time, so that the first context need
    /// not.
    ///
    /// # Errors
    /// The engine's error if any of these steps fails.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn warmup(&self) -> Result<()> {
        self.inner.engine.warmup(&self.inner.type_names().await?).await?;
        self.inner.ids.warmup(&*self.inner.engine).await
    }

    /// Brings the schema up to the version that this build needs. Safe to call again, and from several processes at
    /// once.
    ///
    /// # Errors
    /// - [`Error::CannotOpen`] if the schema is newer than this build.
    /// - The engine's error if a migration fails.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn migrate(&self) -> Result<()> {
        self.inner.engine.migrate().await
    }

    /// Returns the schema's migrations as SQL, to be run by other means.
    #[must_use]
    pub fn migrations(&self) -> Vec<Migration> {
        self.inner.engine.migrations()
    }

    /// Returns the types that this store knows.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Returns the engine, to be downcast for features that only that engine has.
    #[must_use]
    pub fn engine(&self) -> &dyn StorageEngine {
        &*self.inner.engine
    }

    /// Finishes work in progress and releases all resources, for all clones of this store. Later calls return
    /// [`Error::Closed`].
    ///
    /// # Errors
    /// The engine's error if work in progress cannot be finished.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn close(&self) -> Result<()> {
        self.inner.engine.close().await
    }
}
