//! What has happened: events, and what is known about each when it is applied.

use chrono::{DateTime, Utc};

use crate::{Aggregate, AggregateId, Encoding, Metadata, Sequence};

/// Something that has happened to an aggregate.
///
/// `#[event]` and `#[state_event]` write this implementation. The name and the version are stored with every event, so
/// they stay as they are once something was written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "put `#[evercore::event(aggregate = …)]` on `{Self}`"
)]
pub trait Event: Sized + Send + Sync + 'static {
    /// What it happens to.
    type Aggregate: Aggregate;

    /// The stored name, unique among the events of the aggregate.
    const NAME: &'static str;

    /// The version of the event's shape, from 1.
    const VERSION: u32 = 1;

    /// Names under which older programs wrote it.
    const ALIASES: &'static [&'static str] = &[];

    /// How it becomes bytes and back: [`Encoding::serde`] for a type that serde knows.
    const ENCODING: Encoding<Self>;
}

/// What is known about an event when it is applied. The same when it is first applied and at each replay.
#[derive(Clone, Debug, PartialEq)]
pub struct EventMeta {
    pub(crate) aggregate_id: AggregateId,
    pub(crate) sequence: Sequence,
    pub(crate) event_time: DateTime<Utc>,
    pub(crate) reference: Option<Box<str>>,
    pub(crate) metadata: Option<Box<Metadata>>,
}

/// What can be said of an event beside its fields, for [`Context::apply_with`](crate::Context::apply_with).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventOptions {
    pub(crate) event_time: Option<DateTime<Utc>>,
    pub(crate) reference: Option<Box<str>>,
    pub(crate) metadata: Option<Metadata>,
}

impl EventMeta {
    /// The aggregate.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        self.aggregate_id
    }

    /// The event's number within the aggregate.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// When it happened, to the microsecond: what the writer said, or else when it was staged.
    #[must_use]
    pub const fn event_time(&self) -> DateTime<Utc> {
        self.event_time
    }

    /// The writer's own reference, such as the number of an order in another system.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// Who caused it and what it belongs to.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        static NONE: std::sync::LazyLock<Metadata> = std::sync::LazyLock::new(Metadata::new);
        self.metadata.as_deref().unwrap_or(&NONE)
    }
}

impl EventOptions {
    /// Nothing beside the event's fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when it happened. Kept to the microsecond. The default is the store's clock.
    #[must_use]
    pub const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.event_time = Some(time);
        self
    }

    /// Sets the writer's own reference: up to [`MAX_LABEL_BYTES`](crate::MAX_LABEL_BYTES) bytes without a NUL.
    #[must_use]
    pub fn reference(mut self, reference: impl Into<Box<str>>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// Sets the event's own metadata. The context's and the task's are added to it, where it says nothing itself.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }
}
