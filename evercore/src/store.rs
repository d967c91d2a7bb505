//! The store: where contexts begin and commits end.

mod append;
pub(crate) mod attempt;
mod builder;
mod detached;
mod draft;
mod once;
mod transaction;

use std::sync::Arc;

use tracing::{Instrument, debug_span, instrument};

use crate::context::Reading;
use crate::context::read_context::{
    HistoryPage, ReadContext, read_correlated, read_history, read_log,
};
use crate::engine::{CommitOutcome, LogPage, Migration, StorageEngine};
use crate::shared::Shared;
use crate::{
    AggregateId, CommitId, Context, Error, Landed, Position, Registry, Result, Sequence, Start,
};

pub use append::{Appended, Expected, Stream};
use attempt::Attempt;
pub use builder::{EventStoreBuilder, Migrate};
pub use draft::EventDraft;
pub use once::Once;

/// A store of events, on whichever engine.
///
/// Cheap to clone; all clones are one store.
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
///     .with_context(async |ctx| {
///         let mut account = ctx.create_with_key::<Account>("NL91ABNA0417164300").await?;
///         ctx.apply(&mut account, AccountOpened { owner: "Ada".into(), balance: 100 })?;
///         Ok::<_, Error>(account.id())
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

    /// Opens the store at a URL and brings its schema up to date. The engine is found by the URL's scheme.
    ///
    /// An engine's crate is linked only if your program names it: `use evercore_sqlite as _;`.
    ///
    /// # Errors
    /// - [`Error::UnknownScheme`] if no linked engine serves the scheme.
    /// - [`Error::InvalidUrl`] or [`Error::CannotOpen`] if there is no such database.
    /// - [`Error::DuplicateName`] or [`Error::InvalidDeclaration`] if the linked types cannot live together.
    /// - [`Error::MissingUpcaster`] if a version of an event has no way up to the present one.
    /// - [`Error::AmbiguousAlias`] if the database knows an aggregate type under two of its names.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// Sets what [`connect`](Self::connect) leaves at its defaults.
    pub fn builder() -> EventStoreBuilder {
        EventStoreBuilder::default()
    }

    /// Runs `work` in a context and lands what it applied, together or not at all.
    ///
    /// On a conflict, `work` **runs again** in a new context, as the store's [`RetryPolicy`](crate::RetryPolicy) says:
    /// keep what it does outside of the context harmless to repeat. If it fails, nothing is written. Where
    /// [aggregates are kept in memory](EventStoreBuilder::cache_aggregates), it may run once more for other reasons.
    ///
    /// What is to land together goes through the context that `work` is given. A commit of the same store beside it, by
    /// another [`with_context`](Self::with_context) or an [`execute`](Self::execute), is refused; reads are not.
    ///
    /// The future is `Send` if that of the closure is, also where the closure borrows what it captures: it can be awaited in
    /// an axum handler and in a spawned task. A function of yours over **any** closure cannot say that the closure's future
    /// is `Send`; let it take one that boxes its future,
    /// `F: for<'c> FnOnce(&'c mut Context) -> BoxFuture<'c, Result<T, E>> + Clone + Send`, and call it in a closure of its
    /// own: `with_context(async move |ctx| work(ctx).await)`.
    ///
    /// # Errors
    /// - What `work` returns.
    /// - [`Error::NestedCommit`] inside the closure of another context of this store; [`detached`](Self::detached) is the
    ///   way out.
    /// - [`Error::Conflict`] if the last attempt met one as well.
    /// - [`Error::KeyTaken`] if a key that was staged belongs to another aggregate.
    /// - [`Error::OutcomeUnknown`] if the commit may have landed and asking for it failed, too.
    pub async fn with_context<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Clone,
        E: From<Error>,
    {
        self.with_context_committed(work).await.map(|(value, _)| value)
    }

    /// As [`with_context`](Self::with_context), and says where it landed: for [`wait_for`](Self::wait_for).
    ///
    /// # Errors
    /// As [`with_context`](Self::with_context).
    pub async fn with_context_committed<F, T, E>(&self, work: F) -> Result<(T, Landed), E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Clone,
        E: From<Error>,
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

    /// Runs `work` in a context once, whatever happens. For closures that cannot be cloned.
    ///
    /// # Errors
    /// As [`with_context`](Self::with_context), with the first conflict.
    pub async fn with_context_once<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
        E: From<Error>,
    {
        let run = async move {
            let answer = self.attempt(&mut self.begin(Reading::Storage)?, work).await;
            answer.map(|(value, _)| value).map_err(Attempt::into_error)
        };
        run.instrument(debug_span!("with_context_once")).await
    }

    /// Runs `work` on one consistent view of the log: later commits do not show in it.
    ///
    /// # Errors
    /// - What `work` returns.
    /// - What the engine says if it cannot open the view.
    pub async fn with_readonly_context<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&ReadContext) -> Result<T, E>,
        E: From<Error>,
    {
        let run = async move {
            let reader = self.inner.engine.begin_read().await?;
            let context = ReadContext::new(Arc::clone(&self.inner), reader);
            work(&context).await
        };
        run.instrument(debug_span!("with_readonly_context")).await
    }

    /// Reads a page of the events of one aggregate, as [`ReadContext::history`].
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

    /// A page of the global log, as [`ReadContext::read_log`].
    ///
    /// # Errors
    /// As [`ReadContext::read_log`].
    #[instrument(level = "debug", skip_all, fields(%after, limit), err(level = "debug"))]
    pub async fn read_log(&self, after: Position, limit: u32) -> Result<LogPage> {
        read_log(&*self.inner.engine, &self.inner.limits, after, limit).await
    }

    /// A page of the events with a correlation id, as [`ReadContext::read_correlated`].
    ///
    /// # Errors
    /// As [`ReadContext::read_correlated`].
    #[instrument(level = "debug", skip_all, fields(correlation_id, %after), err(level = "debug"))]
    pub async fn read_correlated(&self, correlation_id: &str, after: Position) -> Result<LogPage> {
        read_correlated(&*self.inner.engine, &self.inner.limits, correlation_id, after).await
    }

    /// The position of the last event of the log that can be read now; [`Position::START`] if there is none. A
    /// subscription that starts [after](Start::After) it is given all that comes later.
    ///
    /// # Errors
    /// What the engine says.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn head(&self) -> Result<Position> {
        self.inner.engine.resolve_start(Start::End).await
    }

    /// Finds out about a commit whose answer was lost ([`Error::OutcomeUnknown`]).
    ///
    /// # Errors
    /// What the engine says if it cannot be asked.
    #[instrument(level = "debug", skip_all, fields(%commit), err(level = "debug"))]
    pub async fn find_commit(&self, commit: CommitId) -> Result<CommitOutcome> {
        self.inner.engine.find_commit(commit).await
    }

    /// Opens connections, stores the names of the types and reserves ids, so that the first context finds it done.
    ///
    /// # Errors
    /// What the engine says if it cannot.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn warmup(&self) -> Result<()> {
        self.inner.engine.warmup(&self.inner.type_names().await?).await?;
        self.inner.ids.warmup(&*self.inner.engine).await
    }

    /// Brings the schema up to what this build needs. Safe to call again, and from several processes at once.
    ///
    /// # Errors
    /// - [`Error::CannotOpen`] if the schema is newer than this build.
    /// - What the engine says if it cannot.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn migrate(&self) -> Result<()> {
        self.inner.engine.migrate().await
    }

    /// The schema's migrations as SQL, for people who run them by other means.
    #[must_use]
    pub fn migrations(&self) -> Vec<Migration> {
        self.inner.engine.migrations()
    }

    /// The types that this store knows.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// The engine, for what only it can do.
    #[must_use]
    pub fn engine(&self) -> &dyn StorageEngine {
        &*self.inner.engine
    }

    /// Finishes what is under way and releases everything, for all clones of this store. Later calls answer
    /// [`Error::Closed`].
    ///
    /// # Errors
    /// What the engine says if it cannot finish.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn close(&self) -> Result<()> {
        self.inner.engine.close().await
    }
}
