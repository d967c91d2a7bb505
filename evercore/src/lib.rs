//! Event sourcing for Rust: annotate structs, change them in transactional closures, follow the log.

// The macros write absolute paths; inside this crate's own tests they lead here.
extern crate self as evercore;

mod aggregate;
mod clock;
mod context;
pub mod engine;
mod error;
mod event;
mod id;
mod ids;
mod key;
mod limits;
mod metadata;
mod payload;
mod read_context;
mod recorded;
mod register;
mod registry;
mod rehydrate;
mod retry;
mod snapshot;
mod state_aggregate;
mod store;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use aggregate::{Aggregate, Apply};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::Context;
pub use error::{
    BoxError, ConflictReason, Error, EventPlace, OpenProblem, Result, UndecodableEvent,
};
pub use event::{Event, EventMeta, EventOptions};
pub use evercore_derive::{Aggregate, event, state_event};
pub use id::{AggregateId, CommitId, Position, Sequence};
pub use key::{MAX_NATURAL_KEY_BYTES, NaturalKey};
pub use limits::Limits;
pub use metadata::{MAX_LABEL_BYTES, MAX_METADATA_BYTES, Metadata};
pub use payload::{Codec, DecodeError, Payload};
pub use read_context::ReadContext;
pub use recorded::RecordedEvent;
pub use registry::{AggregateType, EventType, Registry, RegistryBuilder};
pub use rehydrate::AsOf;
pub use retry::RetryPolicy;
pub use snapshot::{Fingerprint, SnapshotPolicy};
pub use state_aggregate::StateAggregate;
pub use store::{Appended, EventDraft, EventStore, EventStoreBuilder, Expected, Migrate, Stream};
