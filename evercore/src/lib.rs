//! Event sourcing for Rust: annotate structs, change them in transactional closures, follow the log.
//!
//! # A first look
//!
//! An **aggregate** is a state that only its own **events** change. Annotate both:
//!
//! ```standalone_crate
//! use evercore::{Aggregate, Apply, EventMeta, event, state_event};
//!
//! #[derive(Aggregate, Default)]
//! struct Account { owner: String, balance: i64 }
//!
//! /// Copies its fields into the state.
//! #[state_event(aggregate = Account)]
//! struct AccountOpened { owner: String, balance: i64 }
//!
//! /// Changes the state by code.
//! #[event(aggregate = Account)]
//! struct MoneyDeposited { amount: i64 }
//!
//! impl Apply<MoneyDeposited> for Account {
//!     fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
//!         self.balance += event.amount;
//!     }
//! }
//! ```
//!
//! An [`EventStore`] runs closures in a [`Context`]. The events that a closure applies are committed together or not at
//! all:
//!
//! ```standalone_crate
//! # use evercore::{Aggregate, Apply, EventMeta, event, state_event};
//! # #[derive(Aggregate, Default)]
//! # struct Account { owner: String, balance: i64 }
//! # #[state_event(aggregate = Account)]
//! # struct AccountOpened { owner: String, balance: i64 }
//! # #[event(aggregate = Account)]
//! # struct MoneyDeposited { amount: i64 }
//! # impl Apply<MoneyDeposited> for Account {
//! #     fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) { self.balance += event.amount; }
//! # }
//! use evercore::{Error, EventStore};
//! use evercore_memory as _; // links the engine that serves `memory:`
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let store = EventStore::connect("memory:").await?;
//! store
//!     .with_context(async |ctx| {
//!         let mut account = ctx.load_or_create::<Account>("NL91ABNA0417164300").await?;
//!         ctx.apply(&mut account, AccountOpened { owner: "Ada".into(), balance: 0 })?;
//!         ctx.apply(&mut account, MoneyDeposited { amount: 100 })
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go on
//!
//! - **Writing**: [`EventStore::with_context`] and [`Context`]; conflicts and reruns in [`RetryPolicy`]; time,
//!   reference and [`Metadata`] of an event in [`EventOptions`].
//! - **Deciding**: [`Decide`] for domain logic that knows nothing of storage, [`EventStore::execute`] to load, decide
//!   and commit, with [idempotency keys](command::Execute::idempotency_key); [`Decider`] for functions instead of
//!   traits. `evercore-tower` adds layers around commands: tracing, metrics, checks, queues.
//! - **Boundaries**: [`macro@Boundary`] and [`Context::read`] for rules over many aggregates or none, whose events are
//!   found by their tags; [`Context::emit`], [`EventStore::execute_on`], and more in [`boundary`].
//! - **Reading**: [`EventStore::with_readonly_context`] and [`ReadContext`], states [as of](AsOf) a sequence or a time,
//!   [`history`](EventStore::history) and [`read_log`](EventStore::read_log) with [`RecordedEvent`]s.
//! - **Following**: [`EventStore::subscription`] for durable workers, [`EventStore::ephemeral`] for subscriptions
//!   whose position is only in memory, [`Router`] and other [`Handler`]s, [`EventStore::subscriptions`] to administer
//!   them, and [`EventStore::wait_for`] to read your own writes. `evercore-services` runs subscriptions and other
//!   [services](service::Service), restarts those that fail, and stops all of them on a signal.
//! - **Doing later**: [`macro@task`] and [`Context::enqueue`] for work that exists if its commit lands,
//!   [`EventStore::queue`] for the workers that do it, [`EventStore::queues`] to administer them, and more in [`mod@task`].
//! - **Tags on old events**: [`EventStore::backfill_tags`], with the rest in [`tagging`].
//! - **Verifying**: [`EventStore::verify`] reports inconsistent data; [`EventStoreBuilder::chain_events`] chains events
//!   by hashes.
//! - **Types**: [`macro@Aggregate`], [`macro@event`], [`macro@state_event`]; by hand with [`trait@Aggregate`],
//!   [`Event`], [`Apply`]; the types that a store knows in [`Registry`].
//! - **Formats**: [`Codec`] for a store or an event type, [`Encoding`] by hand, [`RecordedEvent::to_json`] for tools.
//! - **Evolving**: older shapes by [`Upcast`], retired events by [`macro@retired_event`] and [`Split`], other names by
//!   `aliases`, and [`UnknownEvents`].
//! - **Errors**: [`Error`] says what to do next, [`ErrorKind`] sorts errors for a match, and [`Report`] shows an error
//!   with its causes.
//! - **Bounds**: [`Limits`], and those that are fixed in [`limits`]; states in memory:
//!   [`EventStoreBuilder::cache_aggregates`].
//! - **Modules**: the root has what most programs name. [`boundary`], [`mod@command`], [`subscription`], [`evolution`], [`mod@format`],
//!   [`registry`], [`mod@task`], [`verify`], [`observer`], [`error`] and [`limits`] have the other types of their subjects.
//! - **Features**, all off by default: `cbor`, `messagepack`, `protobuf`, `zstd`.
//! - **Engines**: `evercore-postgres`, `evercore-sqlite`, `evercore-memory`; the contract for your own in [`engine`].

// The macros write absolute paths; this makes `::evercore` resolve in this crate's own tests.
extern crate self as evercore;

mod aggregate;
pub mod boundary;
mod chain;
mod clock;
pub mod command;
mod const_text;
mod context;
mod decide;
mod decider;
pub mod engine;
pub mod error;
mod event;
pub mod evolution;
mod filter;
pub mod format;
mod id;
mod idempotency;
mod key;
pub mod limits;
mod metadata;
pub mod observer;
mod recorded;
pub mod registry;
mod report;
mod retry;
pub mod service;
mod shared;
mod snapshot;
mod store;
pub mod subscription;
mod tag;
pub mod tagging;
pub mod task;
mod time_range;
mod turns;
pub mod unique;
pub mod verify;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// Re-exported, since times in the interface are of its types: `evercore::chrono::DateTime`.
pub use chrono;

pub use aggregate::{Aggregate, Apply};
pub use boundary::Boundary;
pub use clock::{Clock, ManualClock, SystemClock};
pub use command::target::Target;
pub use context::read_context::{HistoryPage, ReadContext};
pub use context::rehydrate::AsOf;
pub use context::state_aggregate::StateAggregate;
pub use context::{Context, TransactionContext};
pub use decide::{CommandError, Decide, Decision};
pub use decider::Decider;
pub use engine::commit::{CommitOutcome, Committed};
pub use engine::log_query::LogPage;
pub use engine::migration::Migration;
pub use error::kind::ErrorKind;
pub use error::variants::{BoxError, Error, Result};
pub use event::{Event, EventMeta, EventOptions};
pub use evercore_derive::{Aggregate, Boundary, command, event, retired_event, state_event, task};
pub use filter::EventFilter;
pub use format::codec::Codec;
pub use id::{AggregateId, CommitId, Position, Sequence};
pub use idempotency::IdempotencyKey;
pub use key::NaturalKey;
pub use limits::settings::Limits;
pub use metadata::{Metadata, with_metadata};
pub use recorded::RecordedEvent;
pub use registry::lookup::Registry;
pub use report::Report;
pub use retry::{HandlerRetry, RetryPolicy};
pub use snapshot::{Fingerprint, SnapshotPolicy};
pub use store::{Appended, EventDraft, EventStore, EventStoreBuilder, Expected, Migrate, Stream};
pub use subscription::failure::FailurePolicy;
pub use subscription::handler::{Batch, Handler, HandlerError, each};
pub use subscription::name::SubscriptionName;
pub use subscription::router::{Received, Router};
pub use subscription::start::Start;

// Public elsewhere, and named here for the modules of this crate: the words that all of them may use.
pub(crate) use boundary::Facts;
pub(crate) use boundary::states::{BoundaryStates, Scope};
pub(crate) use chain::LogDigest;
pub(crate) use command::CommandLog;
pub(crate) use context::rerun::Rerun;
pub(crate) use decide::Emitted;
pub(crate) use error::{ConflictReason, EventPlace, FromError, OpenProblem, RuntimeProblem};
pub(crate) use event::EventOf;
pub(crate) use evolution::{RetiredEvent, Shape, Split, UnknownEvents, Upcast, Upcaster};
pub(crate) use format::{DecodeError, Encoding, Payload, RoundTripMismatch};
pub(crate) use id::CommandId;
pub(crate) use limits::MAX_PARTITIONS;
pub(crate) use registry::{AggregateType, EventType, RetiredType};
pub(crate) use subscription::{DiscardedEvent, ParkedEvent, Partition};
pub(crate) use tag::{Tag, TagName, Tags};
pub(crate) use task::body::TaskType;
pub(crate) use task::{
    IfKeyExists, Priority, QueueName, Task, TaskBodies, TaskBody, TaskId, TaskKey, TaskOptions,
};
pub(crate) use turns::{Turn, Turns};
