//! Adds metadata to the events that a task writes, and merges all sources of an event's metadata.

use std::fmt;

use super::Metadata;
use crate::recorded::page::PageEvent;

tokio::task_local! {
    static CURRENT: TaskMetadata;
}

/// The metadata that a task adds to the events that it writes.
enum TaskMetadata {
    Given(Metadata),
    /// The events are caused by another event. Metadata are built only when one is written, since most handlers write
    /// none.
    Caused {
        by: PageEvent,
        around: Option<Metadata>,
    },
}

/// Supplies default metadata for all events of a store.
pub(crate) struct MetadataSource(Box<dyn Fn() -> Metadata + Send + Sync>);

impl MetadataSource {
    pub(crate) fn new(source: impl Fn() -> Metadata + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

impl fmt::Debug for MetadataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataSource").finish_non_exhaustive()
    }
}

impl Metadata {
    /// Returns the metadata that [`with_metadata`] has set for the current task.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(TaskMetadata::metadata).ok()
    }

    /// Merges the metadata of an event, by precedence: its own, the context's, the task's, and the store's source.
    /// `None` if all are empty.
    pub(crate) fn of_event(
        own: Option<Self>,
        context: Option<&Self>,
        default_metadata: Option<&MetadataSource>,
    ) -> Option<Self> {
        if own.is_none() && context.is_none() && default_metadata.is_none() {
            return Self::current().filter(|current| !current.is_empty());
        }
        let levels =
            [own, context.cloned(), Self::current(), default_metadata.map(|source| (source.0)())];
        let all = levels.into_iter().flatten().reduce(Self::within);
        all.filter(|all| !all.is_empty())
    }
}

/// Adds metadata to all events that are staged while `work` runs: by contexts, decisions and appends at any depth. The
/// metadata of contexts and events takes precedence, field by field. Nested scopes are merged in the same way.
///
/// Tasks that `work` spawns do not inherit it: wrap them, too. Subscriptions wrap their handlers, so that events
/// written by a handler name the event that caused them.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceImported { balance: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// # let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
/// use evercore::{Metadata, Position, with_metadata};
///
/// let request = Metadata::new().correlation("request-17").principal("ada");
/// with_metadata(request, async {
///     store
///         .with_context(async |ctx| {
///             let mut account = ctx.create::<Account>().await?;
///             ctx.apply(&mut account, BalanceImported { balance: 7 })
///         })
///         .await
/// })
/// .await?;
///
/// let page = store.read_correlated("request-17", Position::START).await?;
/// assert_eq!(page.events[0].metadata().principal_id(), Some("ada"));
/// # Ok(())
/// # }
/// ```
pub async fn with_metadata<T>(metadata: Metadata, work: impl Future<Output = T>) -> T {
    let metadata = match Metadata::current() {
        Some(around) => metadata.within(around),
        None => metadata,
    };
    CURRENT.scope(TaskMetadata::Given(metadata), work).await
}

/// Adds metadata to all events that are staged while `work` runs, naming `event` as their cause.
pub(crate) async fn with_cause<T>(event: PageEvent, work: impl Future<Output = T>) -> T {
    let around = Metadata::current();
    CURRENT.scope(TaskMetadata::Caused { by: event, around }, work).await
}

impl TaskMetadata {
    fn metadata(&self) -> Metadata {
        match self {
            Self::Given(metadata) => metadata.clone(),
            Self::Caused { by, around: None } => Metadata::caused_by(by),
            Self::Caused { by, around: Some(around) } => {
                Metadata::caused_by(by).within(around.clone())
            }
        }
    }
}
