//! Gives events that are stored already the tags that their types were given later.
//!
//! [`EventStore::backfill_tags`] makes a [`TagBackfill`]. The guide
//! [Tags on old events](https://github.com/evercore-rs/evercore/blob/main/docs/tagging-old-events.md) shows the whole
//! migration.

use std::fmt;
use std::sync::Arc;

use tracing::{Instrument, debug_span, info};

use crate::engine::{
    Capability, LogQuery, RetaggedEvent, StoredEvent, StoredTag, TagBatch, require,
};
use crate::shared::Shared;
use crate::shared::known_tags::OpenTag;
use crate::{Error, EventFilter, EventStore, Position, RecordedEvent, Result};

impl EventStore {
    /// Gives events that are stored already the tags that their types were given later. Until it has run, boundaries,
    /// pages and subscriptions by such a tag are refused with [`Error::TagIncomplete`].
    ///
    /// It does so for all types of this store's [registry](Self::registry). Run it once no older program writes events
    /// of these types any more: from its first moment on, commits of such a program are refused with
    /// [`Error::OlderProgram`]. Other programs may write meanwhile.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # use evercore::EventStore;
    /// # use evercore_memory as _;
    /// # let store = EventStore::connect("memory:").await?;
    /// let done = store
    ///     .backfill_tags()
    ///     .on_progress(|progress| println!("{progress}"))
    ///     .run()
    ///     .await?;
    /// println!("{} events have new tags", done.changed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn backfill_tags<'a>(&self) -> TagBackfill<'a> {
        TagBackfill { store: Arc::clone(&self.inner), batch_size: None, on_progress: None }
    }
}

/// Gives older events the tags of their types. Made by [`EventStore::backfill_tags`].
///
/// It reads the events of the types in pages, decodes them in their present shape, and stores the tags that they lack,
/// page by page. It may be dropped or killed at any time: the next run goes on where the last one ended. Several may run
/// at once.
#[must_use = "no event gets a tag before it is run"]
pub struct TagBackfill<'a> {
    store: Arc<Shared>,
    batch_size: Option<u32>,
    on_progress: Option<Listener<'a>>,
}

type Listener<'a> = Box<dyn FnMut(&TagProgress) + Send + 'a>;

/// How far a [`TagBackfill`] has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagProgress {
    /// The tags that are not complete yet, or that the run has completed: each with the names of its aggregate and event
    /// type.
    pub tags: Vec<StoredTag>,
    /// The position up to which events were looked at.
    pub position: Position,
    /// The position of the last event to look at.
    pub end: Position,
    /// The number of events of the types that were looked at.
    pub events: u64,
    /// The number of events that were given tags.
    pub changed: u64,
}

impl<'a> TagBackfill<'a> {
    /// Sets how many events are read and changed at a time, at least 1. Default:
    /// [`Limits::page_events`](crate::Limits::page_events).
    pub fn batch_size(mut self, events: u32) -> Self {
        self.batch_size = Some(events);
        self
    }

    /// Calls `tell` after each page.
    pub fn on_progress(mut self, tell: impl FnMut(&TagProgress) + Send + 'a) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    /// Runs until all tags are complete. Does nothing if they are.
    ///
    /// It waits for commits that are on their way, so a transaction that a program has left open holds it up.
    ///
    /// # Errors
    /// What was stored up to then stays, and the next run goes on from there.
    /// - [`Error::Decode`], [`Error::Upcast`], [`Error::UnknownEvent`] or [`Error::MissingCodec`] with the position of an
    ///   event that cannot be read.
    /// - [`Error::InvalidTag`] with the position of an event that has a value which cannot be that of a tag.
    /// - [`Error::InvalidNumber`] for a batch of no events.
    /// - [`Error::Unsupported`] if the engine has no tags.
    /// - The engine's errors.
    pub async fn run(self) -> Result<TagProgress> {
        self.fill().instrument(debug_span!("backfill_tags")).await
    }

    async fn fill(self) -> Result<TagProgress> {
        let Self { store, batch_size, mut on_progress } = self;
        require(&*store.engine, Capability::Tags)?;
        let batch_size = batch_size.unwrap_or(store.limits.page_events);
        if batch_size == 0 {
            return Err(Error::InvalidNumber { what: "batch size", least: 1, value: 0 });
        }
        let declared = store.reload_declared().await?;
        let open = store.open_tags_of(&declared.tags).await?;
        let Some(done) = open.iter().map(|(_, done)| *done).min() else {
            return Ok(TagProgress::default());
        };
        info!(tags = %Names(&open), from = %done, "giving tags to older events");
        let tags: Vec<_> = open.into_iter().map(|(tag, _)| tag).collect();
        let end = store.engine.begin_tagging(&tags).await?;
        let mut progress = TagProgress { tags, position: done, end, ..TagProgress::default() };
        let filter = Arc::new(filter(&progress.tags));
        let mut grown = store.engine.watch_log();
        loop {
            let query = LogQuery::new(progress.position, batch_size).filter(Arc::clone(&filter));
            let page = store.engine.read_log(query).await?;
            let is_last = page.end >= end;
            let events = lacking(&store, &progress.tags, &page.events)?;
            let changed = events.len();
            let (of, up_to) = (progress.tags.clone(), page.end);
            if !store.engine.add_tags(&TagBatch { events, of, up_to, is_last }).await? {
                // Another run has changed some of the events since they were read.
                continue;
            }
            progress.position = page.end;
            progress.events += count(page.events.len());
            progress.changed += count(changed);
            if let Some(tell) = &mut on_progress {
                tell(&progress);
            }
            if is_last {
                break;
            }
            if page.at_end {
                // The last event is visible, and events before it are still on their way.
                grown.notified().await;
            }
            tokio::task::yield_now().await;
        }
        store.reload_declared().await?;
        info!(
            events = progress.events,
            changed = progress.changed,
            "older events have all tags of their types"
        );
        Ok(progress)
    }
}

/// Makes a filter for the events that may lack tags.
fn filter(tags: &[StoredTag]) -> EventFilter {
    tags.iter().fold(EventFilter::new(), |filter, tag| {
        let StoredEvent { aggregate, event } = &tag.event;
        filter.event_named(&**aggregate, &**event)
    })
}

/// Finds the events of a page that lack some of the tags, and computes those that they get.
fn lacking(
    store: &Shared,
    tags: &[StoredTag],
    events: &[RecordedEvent],
) -> Result<Vec<RetaggedEvent>> {
    let mut lacking = Vec::new();
    for event in events {
        let is_of_event = |tag: &&StoredTag| {
            *tag.event.aggregate == *event.aggregate_type()
                && *tag.event.event == *event.event_type()
        };
        let names: Vec<_> = tags.iter().filter(is_of_event).map(|tag| &*tag.name).collect();
        let own = store.registry.tags_of(event)?;
        let after = event.tags().with(&own, |name| names.contains(&name))?;
        if after != *event.tags() {
            let before = event.tags().clone();
            lacking.push(RetaggedEvent { position: event.position(), before, after });
        }
    }
    Ok(lacking)
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}

/// Shows tags with their types: `region of order/placed`.
struct Names<'a>(&'a [OpenTag]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (StoredTag { event, name }, _)) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{name} of {}/{}", event.aggregate, event.event)?;
        }
        Ok(())
    }
}

impl fmt::Display for TagProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, end, events, changed, .. } = self;
        write!(f, "{events} events up to position {position} of {end}, {changed} with new tags")
    }
}

impl fmt::Debug for TagBackfill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TagBackfill").field("batch_size", &self.batch_size).finish_non_exhaustive()
    }
}
