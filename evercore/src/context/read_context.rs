//! Reads aggregates and the log on one consistent view.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use tracing::instrument;

use crate::context::rehydrate::rehydrate;
use crate::context::state_aggregate::ContextId;
use crate::engine::{
    Capability, HistoryRequest, LoadTarget, LogQuery, Reader, StoredEvent, TagAtom, TagQuery,
    TagRequest, require,
};
use crate::error::{unknown_id, unknown_key, unknown_value};
use crate::metadata::check_label;
use crate::shared::Shared;
use crate::shared::declared::Declared;
use crate::shared::known_tags::KnownTags;
use crate::shared::state::State;
use crate::unique::UniqueKey;
use crate::{
    Aggregate, AggregateId, AsOf, Error, Limits, LogPage, NaturalKey, Position, RecordedEvent,
    Result, Sequence, StateAggregate, Tag,
};

/// A page of the events of one aggregate.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, AggregateId, EventStore, RecordedEvent, Result, Sequence};
/// /// All events of an aggregate, however many there are.
/// async fn whole_history(store: &EventStore, id: AggregateId) -> Result<Vec<RecordedEvent>> {
///     let mut events = Vec::new();
///     let mut next = Sequence::FIRST;
///     loop {
///         let page = store.history(id, next..).await?;
///         events.extend(page.events);
///         if page.at_end {
///             return Ok(events);
///         }
///         next = page.end.next();
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    /// The events, in sequence order.
    pub events: Vec<RecordedEvent>,
    /// The sequence of the last of these events, or the one before the range if there are none. The next page starts
    /// after it.
    pub end: Sequence,
    /// Whether the range has no further events now.
    pub at_end: bool,
}

/// One consistent view of the log, inside
/// [`EventStore::with_readonly_context`](crate::EventStore::with_readonly_context).
///
/// All reads see the log as it was when the view was opened.
#[derive(Debug)]
pub struct ReadContext {
    store: Arc<Shared>,
    id: ContextId,
    reader: Box<dyn Reader>,
    /// The declarations before the view was opened.
    declared: Arc<Declared>,
}

impl ReadContext {
    /// Opens a view.
    pub(crate) async fn open(store: Arc<Shared>) -> Result<Self> {
        let declared = store.declared_before_view().await?;
        let reader = store.engine.begin_read().await?;
        Ok(Self { store, id: ContextId::next(), reader, declared })
    }

    pub(super) fn parts(&self) -> (&dyn Reader, &Shared, &KnownTags) {
        (&*self.reader, &self.store, &self.declared.tags)
    }

    /// Loads an aggregate by its id.
    ///
    /// # Errors
    /// As [`Context::load`](crate::Context::load).
    pub async fn load<T: Aggregate>(&self, id: AggregateId) -> Result<StateAggregate<T>> {
        self.find(id).await?.ok_or_else(|| unknown_id::<T>(id))
    }

    /// Loads an aggregate by its natural key.
    ///
    /// # Errors
    /// As [`Context::load_by_key`](crate::Context::load_by_key).
    pub async fn load_by_key<T: Aggregate>(
        &self,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<StateAggregate<T>> {
        let key = key.try_into().map_err(Into::into)?;
        self.read_aggregate(LoadTarget::Key(key.clone()), None)
            .await?
            .ok_or_else(|| unknown_key::<T>(&key))
    }

    /// Loads an aggregate by its id, if there is one.
    ///
    /// # Errors
    /// As [`Context::find`](crate::Context::find).
    pub async fn find<T: Aggregate>(&self, id: AggregateId) -> Result<Option<StateAggregate<T>>> {
        self.read_aggregate(LoadTarget::Id(id), None).await
    }

    /// Loads an aggregate by its natural key, if there is one.
    ///
    /// # Errors
    /// As [`Context::find_by_key`](crate::Context::find_by_key).
    pub async fn find_by_key<T: Aggregate>(
        &self,
        key: impl TryInto<NaturalKey, Error: Into<Error>>,
    ) -> Result<Option<StateAggregate<T>>> {
        let key = key.try_into().map_err(Into::into)?;
        self.read_aggregate(LoadTarget::Key(key), None).await
    }

    /// Loads the aggregate that has a unique value.
    ///
    /// # Errors
    /// As [`Context::load_by_unique`](crate::Context::load_by_unique).
    pub async fn load_by_unique<T: Aggregate>(
        &self,
        key: UniqueKey<T>,
    ) -> Result<StateAggregate<T>> {
        let value = key.checked()?;
        self.find_value(&value).await?.ok_or_else(|| unknown_value::<T>(&value))
    }

    /// Loads the aggregate that has a unique value, if there is one.
    ///
    /// # Errors
    /// As [`Context::find_by_unique`](crate::Context::find_by_unique).
    pub async fn find_by_unique<T: Aggregate>(
        &self,
        key: UniqueKey<T>,
    ) -> Result<Option<StateAggregate<T>>> {
        let value = key.checked()?;
        self.find_value(&value).await
    }

    async fn find_value<T: Aggregate>(&self, value: &Tag) -> Result<Option<StateAggregate<T>>> {
        require(&*self.store.engine, Capability::UniqueValues)?;
        let aggregate_type = self.store.stored_name::<T>().await?;
        self.declared.unique.require_complete(aggregate_type, value.name())?;
        self.read_aggregate(LoadTarget::Unique(value.clone()), None).await
    }

    /// Loads an aggregate as it was at an earlier sequence or time.
    ///
    /// # Errors
    /// As [`load`](Self::load).
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
    /// use evercore::{AsOf, Error, Sequence};
    ///
    /// let id = store
    ///     .with_context(async |ctx| -> Result<_, Error> {
    ///         let mut account = ctx.create::<Account>().await?;
    ///         ctx.apply(&mut account, BalanceImported { balance: 7 })?;
    ///         ctx.apply(&mut account, BalanceImported { balance: 9 })?;
    ///         Ok(account.id())
    ///     })
    ///     .await?;
    /// let first = AsOf::Sequence(Sequence::FIRST);
    /// let before =
    ///     store.with_readonly_context(async |ctx| ctx.load_as_of::<Account>(id, first).await).await?;
    /// assert_eq!(before.state().balance, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn load_as_of<T: Aggregate>(
        &self,
        id: AggregateId,
        as_of: AsOf,
    ) -> Result<StateAggregate<T>> {
        self.read_aggregate(LoadTarget::Id(id), Some(as_of))
            .await?
            .ok_or_else(|| unknown_id::<T>(id))
    }

    /// Reads a page of the events of one aggregate, in sequence order: those in `range`, at most
    /// [`Limits::page_events`](crate::Limits::page_events) of them. The page tells whether there are more, and where
    /// the next one starts.
    ///
    /// # Errors
    /// The engine's error if it cannot read.
    #[instrument(level = "debug", skip_all, fields(%id), err(level = "debug"))]
    pub async fn history(
        &self,
        id: AggregateId,
        range: impl RangeBounds<Sequence> + Send,
    ) -> Result<HistoryPage> {
        read_history(&*self.reader, &self.store.limits, id, range).await
    }

    /// Reads a page of the global log: up to `limit` events after a position, in position order. The page tells where
    /// the next one starts.
    ///
    /// `limit` is at least 1; values above [`Limits::page_events`](crate::Limits::page_events) are reduced to it.
    ///
    /// # Errors
    /// - [`Error::InvalidNumber`] for a limit of 0.
    /// - The engine's error if it cannot read.
    #[instrument(level = "debug", skip_all, fields(%after, limit), err(level = "debug"))]
    pub async fn read_log(&self, after: Position, limit: u32) -> Result<LogPage> {
        read_log(&*self.reader, &self.store.limits, after, limit).await
    }

    /// Reads a page of the events with a [correlation id](crate::Metadata::correlation), in position order: those after
    /// a position, at most [`Limits::page_events`](crate::Limits::page_events) of them. The page tells where the next
    /// one starts.
    ///
    /// # Errors
    /// - [`Error::InvalidMetadata`] if the text is not a valid correlation id.
    /// - The engine's error if it cannot read.
    #[instrument(level = "debug", skip_all, fields(correlation_id, %after), err(level = "debug"))]
    pub async fn read_correlated(&self, correlation_id: &str, after: Position) -> Result<LogPage> {
        read_correlated(&*self.reader, &self.store.limits, correlation_id, after).await
    }

    /// Reads a page of the events that have all of these tags, in position order: those after a position, at most
    /// [`Limits::page_events`](crate::Limits::page_events) of them. The page tells whether there are more, and where the
    /// next one starts.
    ///
    /// The events are found by an index, of the types that declare tags of these names.
    ///
    /// # Errors
    /// - [`Error::NoTags`] if there are no tags.
    /// - [`Error::UnknownFilterName`] if no event type declares all of the tags.
    /// - [`Error::Unsupported`] if the engine has no tags.
    /// - The engine's error if it cannot read.
    #[instrument(level = "debug", skip_all, fields(?tags, %after), err(level = "debug"))]
    pub async fn read_tagged(&self, tags: &[Tag], after: Position) -> Result<LogPage> {
        let request = tagged(&self.store, tags, after)?;
        self.declared.tags.check_complete(std::slice::from_ref(&request.query))?;
        read_tagged(&*self.reader, request).await
    }

    #[instrument(level = "debug", name = "load", skip_all, fields(aggregate = T::NAME), err(level = "debug"))]
    async fn read_aggregate<T: Aggregate>(
        &self,
        target: LoadTarget,
        as_of: Option<AsOf>,
    ) -> Result<Option<StateAggregate<T>>> {
        let name = self.store.stored_name::<T>().await?;
        let found = rehydrate(&*self.reader, &self.store, name, target, as_of).await?;
        Ok(found.map(|found| StateAggregate {
            context: self.id,
            id: found.id,
            key: found.key,
            sequence: found.sequence,
            state: State::Own(found.state),
            has_unknown: found.has_unknown,
            is_new: false,
        }))
    }
}

pub(crate) async fn read_history(
    reader: &dyn Reader,
    limits: &Limits,
    id: AggregateId,
    range: impl RangeBounds<Sequence> + Send,
) -> Result<HistoryPage> {
    let after = match range.start_bound() {
        Bound::Unbounded => Sequence::ZERO,
        Bound::Excluded(after) => *after,
        Bound::Included(first) => first.previous(),
    };
    let up_to = match range.end_bound() {
        Bound::Unbounded => None,
        Bound::Included(last) => Some(*last),
        Bound::Excluded(end) => Some(end.previous()),
    };
    let size = limits.page_events;
    let request = HistoryRequest { id, after, up_to, limit: one_more(size) };
    let mut events = reader.read_history(request).await?;
    let at_end = cut_to_page(&mut events, size);
    let end = events.last().map_or(after, RecordedEvent::sequence);
    Ok(HistoryPage { events, end, at_end })
}

/// Returns the number of items to read for a page of this size: one more, which tells whether there are more.
pub(crate) const fn one_more(size: u32) -> u32 {
    size.saturating_add(1)
}

/// Removes items beyond a page of this size. Returns whether there were none, so that the page is the last one.
pub(crate) fn cut_to_page<T>(read: &mut Vec<T>, size: u32) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let at_end = read.len() <= size;
    read.truncate(size);
    at_end
}

pub(crate) async fn read_log(
    reader: &dyn Reader,
    limits: &Limits,
    after: Position,
    limit: u32,
) -> Result<LogPage> {
    if limit == 0 {
        return Err(Error::InvalidNumber { what: "page size", least: 1, value: 0 });
    }
    reader.read_log(LogQuery::new(after, limit.min(limits.page_events))).await
}

pub(crate) async fn read_correlated(
    reader: &dyn Reader,
    limits: &Limits,
    correlation_id: &str,
    after: Position,
) -> Result<LogPage> {
    check_label("correlation id", Some(correlation_id))?;
    reader.read_log(LogQuery::new(after, limits.page_events).correlation(correlation_id)).await
}

/// Makes the request for the events that have all of these tags.
pub(crate) fn tagged(store: &Shared, tags: &[Tag], after: Position) -> Result<TagRequest> {
    require(&*store.engine, Capability::Tags)?;
    if tags.is_empty() {
        return Err(Error::NoTags);
    }
    let types: Vec<_> = store
        .registry
        .declaring(tags)
        .flat_map(|event| store.registry.stored_events(event))
        .map(|(aggregate, event)| StoredEvent { aggregate, event })
        .collect();
    if types.is_empty() {
        let names: Vec<_> = tags.iter().map(|tag| format!("`{}`", tag.name())).collect();
        return Err(Error::UnknownFilterName {
            name: format!("an event with the tags {}", names.join(" and ")),
        });
    }
    let mut tags = tags.to_vec();
    tags.sort_unstable();
    tags.dedup();
    let query = Arc::new(TagQuery { atoms: vec![TagAtom { types, tags }] });
    Ok(TagRequest { after, ..TagRequest::new(query, store.limits.page_events) })
}

/// Reads a page of events by their tags.
pub(crate) async fn read_tagged(reader: &dyn Reader, request: TagRequest) -> Result<LogPage> {
    let after = request.after;
    let page = reader.read_tagged(vec![request]).await?.pop();
    let mut page = page.ok_or_else(|| Error::corrupt("tagged events", "there is no page"))?;
    // Beyond the frontier, events may still appear before those that are there.
    let readable = page.events.partition_point(|event| event.position() <= page.frontier);
    let at_end = page.at_end || readable < page.events.len();
    page.events.truncate(readable);
    let end = page.events.last().map_or(after, RecordedEvent::position);
    Ok(LogPage::new(page.events, end, at_end))
}
