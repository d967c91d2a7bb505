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
//!   and commit, with [idempotency keys](Execute::idempotency_key); [`Decider`] for functions instead of traits.
//!   `evercore-tower` adds layers around commands: tracing, metrics, checks, queues.
//! - **Reading**: [`EventStore::with_readonly_context`] and [`ReadContext`], states [as of](AsOf) a sequence or a time,
//!   [`history`](EventStore::history) and [`read_log`](EventStore::read_log) with [`RecordedEvent`]s.
//! - **Following**: [`EventStore::subscription`] for durable workers, [`EventStore::ephemeral`] for subscriptions
//!   whose position is only in memory, [`Router`] and other [`Handler`]s, [`EventStore::subscriptions`] to administer
//!   them, and [`EventStore::wait_for`] to read your own writes.
//! - **Verifying**: [`EventStore::verify`] reports inconsistent data; [`EventStoreBuilder::chain_events`] chains events
//!   by hashes.
//! - **Types**: [`macro@Aggregate`], [`macro@event`], [`macro@state_event`]; by hand with [`trait@Aggregate`],
//!   [`Event`], [`Apply`]; the types that a store knows in [`Registry`].
//! - **Formats**: [`Codec`] for a store or an event type, [`Encoding`] by hand, [`RecordedEvent::to_json`] for tools.
//! - **Evolving**: older shapes by [`Upcast`], retired events by [`macro@retired_event`] and [`Split`], other names by
//!   `aliases`, and [`UnknownEvents`].
//! - **Errors**: [`Error`] says what to do next, and [`Report`] shows it with its causes.
//! - **Bounds**: [`Limits`]; states in memory: [`EventStoreBuilder::cache_aggregates`].
//! - **Features**, all off by default: `cbor`, `messagepack`, `protobuf`, `zstd`.
//! - **Engines**: `evercore-postgres`, `evercore-sqlite`, `evercore-memory`; the contract for your own in [`engine`].

// The macros write absolute paths; this makes `::evercore` resolve in this crate's own tests.
extern crate self as evercore;

mod aggregate;
mod chain;
mod clock;
mod command;
mod context;
mod decide;
mod decider;
pub mod engine;
mod error;
mod event;
mod evolution;
mod filter;
mod format;
mod id;
mod idempotency;
mod key;
mod limits;
mod metadata;
pub mod observer;
mod recorded;
mod registry;
mod report;
mod retry;
mod shared;
mod snapshot;
mod store;
mod subscription;
mod time_range;
mod turns;
mod verify;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use aggregate::{Aggregate, Apply};
pub use chain::LogDigest;
pub use clock::{Clock, ManualClock, SystemClock};
pub use command::{CommittedEvent, Execute, Executed, Target, command_name};
pub use context::read_context::{HistoryPage, ReadContext};
pub use context::rehydrate::AsOf;
pub use context::state_aggregate::StateAggregate;
pub use context::{CommitReceipt, Context, TransactionContext};
pub use decide::{CommandError, Decide, Decision, Emitted};
pub use decider::Decider;
pub use engine::{CommitOutcome, Committed, LogPage, Migration};
pub use error::{
    BoxError, ConflictReason, Error, ErrorKind, EventPlace, OpenProblem, Result, RuntimeProblem,
    UndecodableEvent,
};
pub use event::{Event, EventMeta, EventOptions};
pub use evercore_derive::{Aggregate, event, retired_event, state_event};
pub use evolution::retired::{Parts, RetiredEvent, Split, SplitInto};
pub use evolution::shape::Shape;
pub use evolution::unknown::UnknownEvents;
pub use evolution::upcast::{Upcast, Upcaster};
pub use filter::EventFilter;
pub use format::codec::Codec;
pub use format::compression::{Compression, MAX_INFLATED_BYTES};
pub use format::encoding::Encoding;
pub use format::error::DecodeError;
pub use format::payload::Payload;
pub use format::round_trip::RoundTripMismatch;
pub use id::{AggregateId, CommitId, Position, Sequence};
pub use idempotency::{IdempotencyKey, MAX_IDEMPOTENCY_KEY_BYTES};
pub use key::{MAX_NATURAL_KEY_BYTES, NaturalKey};
pub use limits::Limits;
pub use metadata::{MAX_LABEL_BYTES, MAX_METADATA_BYTES, Metadata, with_metadata};
pub use recorded::RecordedEvent;
pub use registry::{AggregateType, EventType, Registry, RegistryBuilder, RetiredType};
pub use report::Report;
pub use retry::{HandlerRetry, RetryPolicy};
pub use snapshot::{Fingerprint, SnapshotPolicy};
pub use store::{
    Appended, EventDraft, EventStore, EventStoreBuilder, Expected, Migrate, Once, Stream,
};
pub use subscription::{
    Batch, Condition, DiscardedEvent, Each, EphemeralBuilder, FailurePolicy, Handler, HandlerError,
    Interrupt, MAX_PARTITIONS, MAX_SUBSCRIPTION_NAME_BYTES, Page, ParkedEvent, Partition,
    PartitionInfo, Received, Router, Start, SubscriptionBuilder, SubscriptionHandle,
    SubscriptionInfo, SubscriptionName, SubscriptionProgress, SubscriptionState,
    SubscriptionStatus, Subscriptions, each,
};
pub use time_range::MIN_EVENT_TIME;
pub use turns::{Place, Turn, Turns};
pub use verify::{
    AggregateAt, EventAt, Finding, Numbered, UnknownKind, Verified, Verify, VerifyReport,
};
