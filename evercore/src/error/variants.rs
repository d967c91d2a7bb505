//! Defines the one error type of Evercore. Each variant is worded by what the caller can do next.

use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{ConflictReason, EventPlace, OpenProblem, RuntimeProblem, UndecodableEvent};
use crate::format::error::{DecodeError, MissingFeature};
use crate::{
    Aggregate, AggregateId, CommandId, CommitId, EventFilter, NaturalKey, Position,
    RoundTripMismatch, Sequence, SubscriptionName, Tag, TaskId,
};

/// The result of every fallible function of Evercore.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A boxed error of any type: a driver's, a codec's or a handler's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The error of every Evercore call. Its message names the failure and what to do next.
///
/// Unless a variant says otherwise, nothing was written.
///
/// [`kind`](Self::kind) sorts the variants into a few kinds, and [`is_retryable`](Self::is_retryable) tells which calls
/// are worth making again. The guide [Errors](https://github.com/evercore-rs/evercore/blob/main/docs/errors.md) turns
/// them into HTTP responses.
///
/// `Display` shows the message, and [`Report`](crate::Report) adds the causes. `Debug` shows the message with all causes
/// and then the variant with its fields, so that `unwrap`, `expect` and a `main` that returns the error print a sentence.
#[derive(evercore_derive::ErrorDebug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another writer changed an aggregate that the commit depends on.
    /// [`with_context`](crate::EventStore::with_context) retries by itself and returns this once its attempts are used
    /// up. The other writer may be a task that the closure starts and awaits: it then commits first in each attempt.
    #[error("{aggregate} {id} was changed by another writer ({reason}); load it again and retry")]
    Conflict {
        /// The aggregate's type.
        aggregate: String,
        /// The aggregate's id.
        id: AggregateId,
        /// The change that the other writer made.
        reason: ConflictReason,
    },

    /// Another writer added an event to a boundary that the commit rests on. Like [`Conflict`](Self::Conflict), it is
    /// retried by [`with_context`](crate::EventStore::with_context).
    #[error(
        "an event with {tags} was added by another writer, so the decision on `{boundary}` may no longer hold; read it again and retry"
    )]
    BoundaryConflict {
        /// The name of the boundary.
        boundary: String,
        /// Its tags.
        tags: String,
    },

    /// Programs have declared other tags or unique values since this one looked. Nothing was written. Like
    /// [`Conflict`](Self::Conflict), it is retried by [`with_context`](crate::EventStore::with_context).
    #[error(
        "other programs have declared tags or unique values while the commit was on its way, so it was not stored; make the call again"
    )]
    DeclarationsChanged,

    /// This program writes events without a tag that a newer program has declared for their type. A decision by that tag
    /// would not see them.
    #[error(
        "this program is older than another one that has used the database: it writes the event `{event}` of `{aggregate}` without the tag `{tag}`; deploy the newer program, or, if the tag was removed on purpose, declare it with `retired_tags({tag})`"
    )]
    OlderProgram {
        /// The aggregate's type.
        aggregate: String,
        /// The event's stored name.
        event: String,
        /// The name of the tag.
        tag: String,
    },

    /// Events that were stored before their type had the tag are not found by it yet.
    #[error(
        "older events `{event}` of `{aggregate}` do not have the tag `{tag}` yet; once no older program runs any more, let `EventStore::backfill_tags` give it to them"
    )]
    TagIncomplete {
        /// The aggregate's type.
        aggregate: String,
        /// The event's stored name.
        event: String,
        /// The name of the tag.
        tag: String,
    },

    /// New events do not get the tag any more, by the declaration of a newer program.
    #[error(
        "a newer program has retired the tag `{tag}` of the event `{event}` of `{aggregate}`, so new events are not found by it; deploy the newer program, or give the tag another name"
    )]
    TagRetired {
        /// The aggregate's type.
        aggregate: String,
        /// The event's stored name.
        event: String,
        /// The name of the tag.
        tag: String,
    },

    /// The natural key belongs to another aggregate of the type.
    #[error(
        "the key `{key}` belongs to another {aggregate}; choose another key, or load that aggregate by this key"
    )]
    KeyTaken {
        /// The aggregate type.
        aggregate: String,
        /// The key.
        key: String,
    },

    /// The unique value belongs to another aggregate of the type.
    #[error(
        "the {name} `{value}` belongs to {aggregate} {holder}; choose another value, or change or close that {aggregate} first"
    )]
    ValueTaken {
        /// The aggregate type.
        aggregate: String,
        /// The name of the value.
        name: String,
        /// The value.
        value: String,
        /// The aggregate that has it.
        holder: AggregateId,
    },

    /// No aggregate of the type has this unique value.
    #[error(
        "there is no {aggregate} with the {name} `{value}`; use `find_by_unique` where it may be missing"
    )]
    UnknownValue {
        /// The aggregate type that was asked for.
        aggregate: String,
        /// The name of the value.
        name: String,
        /// The value.
        value: String,
    },

    /// Aggregates of the type were stored before it declared unique values of this name, and their values are not all
    /// claimed yet, so that none can be found by its value.
    #[error(
        "the {name} of {aggregate} does not find aggregates yet, since older ones have not claimed theirs; call `EventStore::claim_unique_values` once"
    )]
    ValuesIncomplete {
        /// The aggregate type.
        aggregate: String,
        /// The name of the values.
        name: String,
    },

    /// The database keeps unique values that this program does not declare: it would change aggregates without claiming
    /// their values. A program that was running when a newer one declared them is refused when it commits such a change.
    #[error(
        "the database keeps the {name} of {aggregate} unique, but this program does not declare it; deploy a program with `#[aggregate(unique({name}))]`, or see the guide on how to give it up"
    )]
    UndeclaredValues {
        /// The aggregate type.
        aggregate: String,
        /// The name of the values.
        name: String,
    },

    /// The text cannot be a unique value of an aggregate. No engine would store it.
    #[error("`{value}` cannot be a unique value of {aggregate}: {problem}")]
    InvalidValue {
        /// The aggregate type.
        aggregate: String,
        /// The beginning of the value, after its name and a colon.
        value: String,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// No aggregate has this id.
    #[error("there is no {aggregate} with id {id}; use `find` where it may be missing")]
    UnknownId {
        /// The aggregate type that was asked for.
        aggregate: String,
        /// The id.
        id: AggregateId,
    },

    /// No aggregate of the type has this natural key.
    #[error(
        "there is no {aggregate} with key `{key}`; use `find_by_key` or `load_or_create` where it may be missing"
    )]
    UnknownKey {
        /// The aggregate type that was asked for.
        aggregate: String,
        /// The key.
        key: String,
    },

    /// The id belongs to an aggregate of another type.
    #[error("aggregate {id} is of the type {found}, not {expected}; load it as {found}")]
    WrongAggregateType {
        /// The id.
        id: AggregateId,
        /// The type that was asked for.
        expected: String,
        /// The type that it has.
        found: String,
    },

    /// The handle comes from another context, or from one that has ended.
    #[error(
        "{aggregate} {id} was loaded in another context; load it in the context that changes it"
    )]
    ForeignAggregate {
        /// The aggregate's type.
        aggregate: String,
        /// The aggregate's id.
        id: AggregateId,
    },

    /// The handle does not match the aggregate in its context: events were applied through another handle of the
    /// aggregate, or a decision through this one was refused after it had emitted events.
    #[error(
        "{aggregate} {id} is at sequence {current} in this context and at {handle} in this handle: events were applied through another handle, or a decision was refused; load the aggregate again"
    )]
    StaleHandle {
        /// The aggregate's type.
        aggregate: String,
        /// The aggregate's id.
        id: AggregateId,
        /// The sequence of the handle.
        handle: Sequence,
        /// The aggregate's sequence in the context.
        current: Sequence,
    },

    /// The text cannot be an idempotency key. No engine would store it.
    #[error("`{key}` cannot be an idempotency key: {problem}")]
    InvalidIdempotencyKey {
        /// The beginning of the key.
        key: String,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// Another commit with this idempotency key is stored, and this one was not written.
    #[error(
        "a commit with the idempotency key `{key}` is already stored; look up its outcome with `StorageEngine::find_by_idempotency_key`"
    )]
    IdempotencyKeyUsed {
        /// The key.
        key: String,
    },

    /// The idempotency key belongs to another command, to another aggregate, or to a closure of [`once`] that returns
    /// another type.
    ///
    /// [`once`]: crate::EventStore::once
    #[error(
        "the idempotency key `{key}` was used for {used_for}, and cannot be used for {wanted}; use a new key for each request"
    )]
    IdempotencyKeyReused {
        /// The key.
        key: String,
        /// The earlier use of the key.
        used_for: String,
        /// The use that was refused.
        wanted: String,
    },

    /// The result of [`EventStore::once`](crate::EventStore::once) is longer than
    /// [`Limits::max_result_bytes`](crate::Limits::max_result_bytes).
    #[error(
        "the result of `once` is {bytes} bytes long, but the limit is {limit}; return an identifier and load the rest by it, or raise `Limits::max_result_bytes`"
    )]
    ResultTooLarge {
        /// The length of the result as JSON, in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },

    /// A result that [`EventStore::once`](crate::EventStore::once) stored earlier cannot be read as its present type.
    #[error(
        "the result that is stored with the idempotency key `{key}` cannot be read as `{rust_type}`; keep that type able to read its earlier results"
    )]
    UnreadableResult {
        /// The key.
        key: String,
        /// The Rust type that was asked for.
        rust_type: &'static str,
        /// The decoder's error, with the place where reading stopped.
        source: BoxError,
    },

    /// The text cannot be a natural key. No engine would store it.
    #[error("`{key}` cannot be a natural key: {problem}")]
    InvalidKey {
        /// The beginning of the key.
        key: String,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// The text cannot be a tag of an event. No engine would store it.
    #[error("`{tag}` cannot be a tag: {problem}")]
    InvalidTag {
        /// The beginning of the tag.
        tag: String,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// The events of a boundary are more than one read may hold.
    #[error(
        "`{boundary}` has more than {limit} events with {tags}; make the boundary smaller by its tags, or raise `Limits::max_boundary_events`"
    )]
    BoundaryTooLarge {
        /// The name of the boundary.
        boundary: String,
        /// Its tags.
        tags: String,
        /// The limit.
        limit: usize,
    },

    /// A decision on boundaries emits an event that they select by its type, but not by its tags, so it does not rest on
    /// what the event is about: most likely the keys are not those of the command.
    #[error(
        "the decision emits `{event}` with {tags}, but its boundary `{boundary}` is that of {selected}; make the keys from the command, or emit an event about something else in a context"
    )]
    EventOutsideBoundary {
        /// The stored name of the event.
        event: String,
        /// The tags of the event.
        tags: String,
        /// The name of a boundary that selects its type.
        boundary: String,
        /// The tags by which that one selects.
        selected: String,
    },

    /// A number is below its least value, or above a fixed upper bound.
    #[error("{value} is not a valid {what}: the minimum is {least}")]
    InvalidNumber {
        /// The quantity that the number stands for.
        what: &'static str,
        /// The least value.
        least: i64,
        /// The value given.
        value: i64,
    },

    /// The metadata or the reference of an event cannot be stored.
    #[error("the metadata cannot be stored: {problem}")]
    InvalidMetadata {
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// An append was called without any event.
    #[error("an append to {aggregate} has no events; skip the call if there is nothing to append")]
    EmptyAppend {
        /// The aggregate type.
        aggregate: String,
    },

    /// The payload of an event is longer than [`Limits::max_payload_bytes`](crate::Limits::max_payload_bytes).
    #[error(
        "the payload of `{event}` is {bytes} bytes long, but the limit is {limit}; store large data elsewhere and keep a reference, or raise `Limits::max_payload_bytes`"
    )]
    PayloadTooLarge {
        /// The event's name.
        event: String,
        /// The length of the payload in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },

    /// The commit exceeds one of the [`Limits`](crate::Limits).
    #[error(
        "the context holds more than {limit} {what}; split the work into several contexts, or raise the limit"
    )]
    CommitTooLarge {
        /// The things that there are too many of.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },

    /// An event, or the result of [`once`](crate::EventStore::once), cannot be encoded: its `Serialize` fails, or the
    /// codec has no form for a value in it.
    #[error("`{name}` cannot be encoded as its `Serialize` writes it: {source}")]
    Encode {
        /// The event's name, or the result's Rust type.
        name: String,
        /// The error of the `Serialize` or of the codec.
        source: BoxError,
    },

    /// An event, or the result of [`once`](crate::EventStore::once), would be read back as another value than was
    /// written. A replay would then apply another event than the state has seen.
    #[error(
        "`{name}` would not be read back unchanged: {mismatch}; use a type that reads back what it writes or, for an event, a codec that preserves the value"
    )]
    NotRoundTrip {
        /// The event's name, or the result's Rust type.
        name: String,
        /// The place where the two values differ.
        mismatch: Box<RoundTripMismatch>,
    },

    /// A stored event cannot be decoded as its type.
    #[error(transparent)]
    Decode(Box<UndecodableEvent>),

    /// An upcaster, or the [`Split`](crate::evolution::Split) of a retired event, fails on a stored event.
    #[error("{event} cannot be read: {} failed; correct that code, since the stored event cannot change", step(*.from, *.to))]
    Upcast {
        /// The position of the event.
        event: Box<EventPlace>,
        /// The version of the shape that the failing step takes.
        from: u32,
        /// The version of the shape that the failing step makes; `None` if the step is the split.
        to: Option<u32>,
        /// The error of the upcaster or of the split.
        source: BoxError,
    },

    /// A codec or compression is not built into this program. A stored event needs it to be read, or a store is to
    /// write in it.
    #[error("{}{format} is not built into this program; enable the feature `{feature}` of the crate `evercore`", written_in(.event.as_deref()))]
    MissingCodec {
        /// The event that needs it; `None` if opening the store does.
        event: Option<Box<EventPlace>>,
        /// The codec, or the compression.
        format: &'static str,
        /// The feature of `evercore`.
        feature: &'static str,
    },

    /// No registered type reads the name and version of a stored event.
    #[error(
        "{0} has no registered type; check that the crate that defines the type is linked into this program"
    )]
    UnknownEvent(Box<EventPlace>),

    /// A recorded event was decoded as a type that does not read it.
    #[error("{event} is not a `{wanted}`; check with `is::<E>()` first")]
    WrongEventType {
        /// The position of the event.
        event: Box<EventPlace>,
        /// The name of the type asked for.
        wanted: &'static str,
    },

    /// The type is not in the store's registry.
    #[error("`{rust_type}` is not in the store's registry; add it where the registry is built")]
    Unregistered {
        /// The Rust type.
        rust_type: &'static str,
    },

    /// Two types claim one name. Types that only tests declare count as well: see [`Registry`](crate::Registry).
    #[error(
        "{what} is claimed by both `{first}` and `{second}`; give one of them another `name` or `version`; if both are intended, as in two modules of unit tests, open the store with only the types that it needs: `EventStore::builder().registry(Registry::builder().event::<…>().build()?)`"
    )]
    DuplicateName {
        /// The aggregate or event that is claimed twice.
        what: String,
        /// One Rust type.
        first: String,
        /// The other.
        second: String,
    },

    /// The database knows an aggregate type under two of its names. A load under one name would miss the aggregates
    /// stored under the other.
    #[error(
        "the database knows both `{first}` and `{second}`, and `{rust_type}` claims both names; remove one of them from its `aliases`, and read that name with a separate type"
    )]
    AmbiguousAlias {
        /// The Rust type.
        rust_type: &'static str,
        /// One of the stored names.
        first: &'static str,
        /// Another stored name.
        second: &'static str,
    },

    /// A version of an event's shape has no chain of upcasters up to the present version.
    #[error(
        "version {missing} of the event `{event}` of `{aggregate}` cannot be upcast to version {version}: add its shape to the `upcast_from` of `{rust_type}`; if no database holds that version, set `oldest_version` to the first version that is stored"
    )]
    MissingUpcaster {
        /// The event's stored name.
        event: &'static str,
        /// The aggregate's name.
        aggregate: &'static str,
        /// The Rust type of the present shape.
        rust_type: &'static str,
        /// The version that cannot be read.
        missing: u32,
        /// The present version.
        version: u32,
    },

    /// A name or version in a type's declaration cannot be stored, or its upcasters do not fit each other.
    #[error("`{rust_type}` cannot be registered: {problem}")]
    InvalidDeclaration {
        /// The Rust type.
        rust_type: &'static str,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// No linked engine answers to the URL's scheme.
    #[error(
        "no storage engine for `{scheme}:` URLs is linked ({linked}); {}",
        engine_for(.scheme)
    )]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// The schemes that are linked.
        linked: String,
    },

    /// The text is not a [`LogDigest`](crate::verify::LogDigest).
    #[error(
        "`{text}` is not the digest of a log; copy the text exactly as `VerifyReport::digest` showed it"
    )]
    InvalidDigest {
        /// The beginning of the text.
        text: String,
    },

    /// The URL or one of its options cannot be used.
    #[error("the storage URL or its options cannot be used: {problem}")]
    InvalidUrl {
        /// The problem, as part of a sentence. Contains no password.
        problem: String,
    },

    /// The database cannot be opened.
    #[error("cannot open {database}: {problem} (see {})", .problem.guide())]
    CannotOpen {
        /// The database, without secrets.
        database: String,
        /// The reason.
        problem: OpenProblem,
        /// The driver's error.
        source: Option<BoxError>,
    },

    /// The database stayed busy for longer than the engine waits, or has too little memory. Can be retried.
    #[error(
        "the database was busy for longer than the engine waits; retry, or find the writer that blocks it"
    )]
    Busy {
        /// The driver's error.
        source: BoxError,
    },

    /// The queue of commands for the aggregate, within this process, is full. Can be retried.
    #[error(
        "the queue for {target} is full (waiting: {waiting}); retry when fewer commands wait, or raise its limit"
    )]
    QueueFull {
        /// The aggregate, by the id or the key that the command names.
        target: String,
        /// The number of commands that wait in the queue.
        waiting: usize,
    },

    /// The database cannot be reached, or the system that it runs on failed. Nothing was committed. Can be retried.
    #[error("the database cannot be reached; check that it runs, then retry")]
    Unavailable {
        /// The driver's error.
        source: BoxError,
    },

    /// The disk of the database is full. Can be retried: a write may succeed once there is room. Reads still work.
    #[error(
        "the disk of the database is full, and nothing was written; free some space, then retry"
    )]
    DiskFull {
        /// The driver's error.
        source: BoxError,
    },

    /// The server is a standby: it accepts no writes, and does not know up to which position the log can be read.
    /// Aggregates can be loaded from it.
    #[error("a standby cannot {operation}; connect to the primary for that")]
    Standby {
        /// The operation, as a verb: `read the log`.
        operation: &'static str,
        /// The driver's error.
        source: BoxError,
    },

    /// The commit was sent and its answer was lost: **it may have been stored**. `with_context` looks the outcome up
    /// before it reruns its closure, and returns this only if the look-up failed as well.
    #[error(
        "commit {commit} may or may not have been stored; look it up with `EventStore::find_commit` before you repeat the work"
    )]
    OutcomeUnknown {
        /// The commit.
        commit: CommitId,
        /// The driver's error.
        source: BoxError,
    },

    /// The filter names a type that is not in the store's registry, so it would never match.
    #[error(
        "the filter names {name}, but no registered type has that name; check the spelling, or link the crate that defines it; a tool that follows the events of other programs calls `EventFilter::allow_unlinked`"
    )]
    UnknownFilterName {
        /// The name in the filter.
        name: String,
    },

    /// Events are to be found by their tags, and no tags are given.
    #[error(
        "no tags are given, so there is nothing to find events by; give at least one, or read all events with `read_log`"
    )]
    NoTags,

    /// A subscription has [lanes by a tag](crate::subscription::SubscriptionBuilder::lane), and follows an event that
    /// does not have exactly one value of it.
    #[error("the event {event} has no lane by the tag `{tag}`: {problem}")]
    NoLane {
        /// The name of the event, and its position if it is stored.
        event: String,
        /// The name of the tag.
        tag: String,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// The filter has a name that no type can have.
    #[error("the filter has the name `{name}`, which {problem}, so that no type can have it")]
    InvalidFilterName {
        /// The name in the filter.
        name: String,
        /// The reason why no type can have it.
        problem: String,
    },

    /// The subscription cannot be run with the options that it was given.
    #[error("the subscription `{name}` cannot be run: {problem}")]
    InvalidSubscription {
        /// The name, or its beginning if it is too long.
        name: String,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// No subscription has this name.
    #[error(
        "there is no subscription `{name}`; a subscription is stored when it first runs, and removed when it is deleted"
    )]
    UnknownSubscription {
        /// The name that the type is stored under.
        name: String,
    },

    /// A subscription with other options is stored under this name.
    #[error(
        "the subscription `{name}` is stored with {stored}, but this worker wants {wanted}; choose another name, or call `replace_stored` to change the stored subscription"
    )]
    SubscriptionDiffers {
        /// The name that the type is stored under.
        name: String,
        /// The filter and the number of partitions that are stored.
        stored: String,
        /// The filter and the number of partitions that this worker was given.
        wanted: String,
    },

    /// The number of partitions, or the tag of the lanes, cannot be changed: a worker owns a partition, the cursors of the
    /// partitions differ, or events are parked in the lanes.
    #[error(
        "the partitions and lanes of `{name}` cannot change now: {problem}; let its workers reach the end of the log, stop them, and try again"
    )]
    SubscriptionNotIdle {
        /// The name that the type is stored under.
        name: String,
        /// The reason.
        problem: String,
    },

    /// Another worker owns the subscription.
    #[error(
        "the subscription `{name}` is owned by `{owner}` until {until} at least; stop that worker, or leave out `fail_if_owned` to stand by"
    )]
    SubscriptionOwned {
        /// The name that the type is stored under.
        name: String,
        /// The name of its owner.
        owner: String,
        /// The time when its lease ends, if it is not renewed.
        until: chrono::DateTime<chrono::Utc>,
    },

    /// A wait for the subscription ended early: it is not handled that far, its worker has failed, and no other worker
    /// runs it.
    #[error(
        "the subscription `{name}` has failed and no worker runs it: {failure}; fix the cause, then run it again"
    )]
    SubscriptionFailed {
        /// The name that the type is stored under.
        name: String,
        /// The worker's failure, with all causes.
        failure: String,
    },

    /// The lease of a subscription went to another worker, or the subscription was reset or replaced. The batch in
    /// progress is not recorded; in a transaction, it is rolled back.
    #[error(
        "the lease of the subscription `{name}` (partition {partition}) was lost; run the subscription again"
    )]
    LeaseLost {
        /// The name that the type is stored under.
        name: String,
        /// The partition.
        partition: u32,
    },

    /// A value that has to do with tasks cannot be used.
    #[error("the {what} `{value}` cannot be used: {problem}")]
    InvalidTask {
        /// The kind of value.
        what: &'static str,
        /// The value, or its beginning if it is too long.
        value: String,
        /// The problem, as a sentence.
        problem: String,
    },

    /// A task with the same key is in the queue already, waiting or claimed by a worker.
    #[error(
        "the queue `{queue}` already has a task with the key `{key}`; cancel that one, or say what is to happen with `Task::if_key_exists`"
    )]
    TaskKeyTaken {
        /// The queue.
        queue: String,
        /// The key.
        key: String,
    },

    /// The lease of a task was lost: the task was cancelled, replaced, or claimed by another worker. What the handler has
    /// committed with it was refused.
    #[error(
        "the lease of task {id} of the queue `{queue}` was lost, since the task was cancelled, replaced, or claimed by another worker"
    )]
    TaskLeaseLost {
        /// The queue.
        queue: String,
        /// The task.
        id: TaskId,
    },

    /// There is no such task to retry or discard.
    #[error(
        "the queue `{queue}` has no task {id} that waits or is dead; it may be done or discarded, or a worker has claimed it"
    )]
    UnknownTask {
        /// The queue.
        queue: String,
        /// The task.
        id: TaskId,
    },

    /// A task cannot be read as this program's types. The failure of an attempt at it.
    #[error(
        "task {id} of the queue `{queue}`, a `{task_type}` of version {version}, cannot be read: {problem}"
    )]
    UnreadableTask {
        /// The queue.
        queue: String,
        /// The task.
        id: TaskId,
        /// The stored name of its type.
        task_type: String,
        /// The version of its shape.
        version: u32,
        /// The problem, as a sentence.
        problem: String,
    },

    /// The handler of a task took longer than [`time_limit`](crate::task::QueueBuilder::time_limit) admits, and was
    /// dropped. The failure of an attempt.
    #[error(
        "the handler took longer than {limit:?} and was dropped; find out what it waits for, or raise the limit that `time_limit` sets"
    )]
    TaskTimedOut {
        /// The time that it may take.
        limit: Duration,
    },

    /// No command with this id is known: it was never sent, it was cancelled, or its outcome was removed from the log.
    #[error(
        "no command {id} is known; it was not sent by a commit that landed, or was cancelled, or its outcome is older than the log keeps it"
    )]
    UnknownCommand {
        /// The command.
        id: CommandId,
    },

    /// A command had no outcome within the time that a caller has waited for it.
    #[error(
        "command {id} had no outcome within {limit:?}; it is done later all the same: ask for its outcome again, and check that a worker of its queue runs"
    )]
    OutcomeTimedOut {
        /// The command.
        id: CommandId,
        /// The time that the caller has waited.
        limit: Duration,
    },

    /// The event to redrive or discard is not parked.
    #[error(
        "the subscription `{name}` has no parked event at position {position}; it may have been handled or discarded meanwhile; `parked` lists the events that are still parked"
    )]
    NotParked {
        /// The subscription.
        name: String,
        /// The position that was asked for.
        position: Position,
    },

    /// The event to redrive is parked behind an earlier event of its lane.
    #[error(
        "the event at position {position} waits for the parked event at position {first} of the same lane; redrive or discard that event first"
    )]
    ParkedBehind {
        /// The subscription.
        name: String,
        /// The position of the event.
        position: Position,
        /// The position of the first parked event of its lane.
        first: Position,
    },

    /// The name or the reason that was given for discarding a parked event is not valid.
    #[error("the event at position {position} cannot be discarded: {problem}")]
    InvalidDiscard {
        /// The position of the event.
        position: Position,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// The start position lies after the last event of the log.
    #[error(
        "position {position} is beyond the end of the log at {end}; use `Start::End` to start with the next event"
    )]
    StartBeyondEnd {
        /// The start position.
        position: Position,
        /// The position of the last event.
        end: Position,
    },

    /// The start time lies in the future.
    #[error(
        "the start time {time} is in the future, since the store's clock says {now}; start the subscription at that time, or use `Start::End` to start with the next event"
    )]
    StartAhead {
        /// The start time.
        time: DateTime<Utc>,
        /// The time of the store's clock.
        now: DateTime<Utc>,
    },

    /// The handler of a subscription failed, and its policy says to stop. The event is given again at the next run.
    #[error("the handler of `{name}` failed at position {position}")]
    HandlerFailed {
        /// The subscription; `an ephemeral one` if it has no name.
        name: String,
        /// The position of the first event that is not handled.
        position: Position,
        /// The handler's error.
        source: BoxError,
    },

    /// The handler of a subscription took longer than
    /// [`handle_within`](crate::subscription::SubscriptionBuilder::handle_within) admits, and was dropped. The source of
    /// [`HandlerFailed`](Self::HandlerFailed), and the reason why an event was parked.
    #[error(
        "the handler took longer than {limit:?} and was dropped; find out what it waits for, or raise the limit that `handle_within` sets"
    )]
    HandlerTimedOut {
        /// The time that it may take.
        limit: Duration,
    },

    /// A commit was made inside the closure of a context or a transaction of the same store. It would not be part of
    /// that context, and on SQLite it would wait for the transaction that runs the closure.
    #[error(
        "a commit inside the closure of a context of the same store would not be part of that context; use the context that the closure was given, or commit after the closure; to commit independently of the context, call `detached()` on the store (except in a transaction on SQLite, for which such a commit would wait)"
    )]
    NestedCommit,

    /// The transaction ended while its closure was still running.
    #[error(
        "the closure's transaction ended before its closure, by COMMIT, by ROLLBACK or by a failed statement that rolled it back; leave COMMIT and ROLLBACK to the store, and return the error of a failed statement"
    )]
    TransactionEnded,

    /// The engine lacks a part of the contract that the call needs.
    #[error("the {engine} engine does not support {operation}; {}", operation.alternative())]
    Unsupported {
        /// The part that it lacks.
        operation: crate::engine::Capability,
        /// The name of the engine.
        engine: &'static str,
    },

    /// The store runs on another engine than the call needs.
    #[error("the store is not on {wanted}; open it with a URL of that engine")]
    WrongEngine {
        /// The engine that the call needs.
        wanted: &'static str,
    },

    /// The time is before 1 January 4713 BC, which not every engine can store.
    #[error(
        "the {what} {time} is before 1 January 4713 BC, the earliest time that a store can hold"
    )]
    TimeOutOfRange {
        /// The quantity that the time belongs to.
        what: &'static str,
        /// The time.
        time: chrono::DateTime<chrono::Utc>,
    },

    /// The store was closed.
    #[error("the store is closed; open another one")]
    Closed,

    /// There is no tokio runtime to run on.
    #[error("there is no tokio runtime to run on: {problem}")]
    NoRuntime {
        /// The reason why there is none.
        problem: RuntimeProblem,
    },

    /// The stored data breaks a rule that every write keeps: another program wrote to the tables, or the file is
    /// damaged.
    #[error("the stored {what} is damaged: {problem}; restore it from a backup")]
    Corrupt {
        /// The table, column or record.
        what: &'static str,
        /// The problem, as part of a sentence.
        problem: String,
    },

    /// Any other failure of the storage, such as a statement that it rejects.
    #[error("the storage failed to {operation}")]
    Storage {
        /// The operation, as a verb: `read the log`.
        operation: &'static str,
        /// The driver's error.
        source: BoxError,
    },
}

impl Error {
    /// Returns whether the same call may succeed if it is made again: a conflict, a full queue, a busy or unreachable
    /// database, a full disk.
    ///
    /// `false` for [`Error::OutcomeUnknown`]: look up the outcome first.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
                | Self::BoundaryConflict { .. }
                | Self::DeclarationsChanged
                | Self::Busy { .. }
                | Self::QueueFull { .. }
                | Self::Unavailable { .. }
                | Self::DiskFull { .. }
                | Self::CannotOpen {
                    problem: OpenProblem::Unreachable
                        | OpenProblem::ConnectionRefused
                        | OpenProblem::UnknownHost,
                    ..
                }
        )
    }

    /// Returns whether another writer was faster, as opposed to trouble with the database.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::BoundaryConflict { .. } | Self::DeclarationsChanged
        )
    }

    /// For engines: the error for a commit that arrives after its outcome was asked for and answered with
    /// [`NeverLands`](crate::CommitOutcome::NeverLands).
    #[must_use]
    pub fn given_up(commit: CommitId) -> Self {
        Self::storage("commit", format!("commit {commit} was given up before it arrived"))
    }

    /// For engines: compares the stored filter and number of partitions with the wanted ones.
    ///
    /// # Errors
    /// [`Error::SubscriptionDiffers`] unless they are the same.
    pub fn check_subscription(
        name: &SubscriptionName,
        stored: (&EventFilter, u32),
        wanted: (&EventFilter, u32),
    ) -> Result<()> {
        if stored == wanted {
            return Ok(());
        }
        let describe = |(filter, partitions): (&EventFilter, u32)| match partitions {
            1 => format!("{filter}"),
            _ => format!("{filter} in {partitions} partitions"),
        };
        Err(Self::SubscriptionDiffers {
            name: name.to_string(),
            stored: describe(stored),
            wanted: describe(wanted),
        })
    }

    /// Makes the error for a subscription whose lanes are to change while events are parked. For engines.
    #[must_use]
    pub fn parked_in_lanes(name: &SubscriptionName) -> Self {
        let problem =
            "events are parked in its lanes, which are to change; redrive or discard them"
                .to_owned();
        Self::SubscriptionNotIdle { name: name.to_string(), problem }
    }

    /// Makes the error for an event that was not encoded: its `Serialize` or the codec fails, or it would be read back
    /// as another value.
    pub(crate) fn unencodable(name: &str, problem: BoxError) -> Self {
        let name = name.to_owned();
        match problem.downcast() {
            Ok(mismatch) => Self::NotRoundTrip { name, mismatch },
            Err(source) => Self::Encode { name, source },
        }
    }

    /// Makes the error for an event that was not decoded: it does not fit its type, or its codec is not built in.
    pub(crate) fn undecodable(
        event: EventPlace,
        rust_type: &'static str,
        source: DecodeError,
    ) -> Self {
        match source.missing_feature() {
            Some(missing) => {
                let MissingFeature { format, feature } = missing;
                Self::MissingCodec { event: Some(Box::new(event)), format, feature }
            }
            None => Self::Decode(Box::new(UndecodableEvent { event, rust_type, source })),
        }
    }

    /// For engines: the error for stored data that breaks a rule.
    pub fn corrupt(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Corrupt { what, problem: problem.into() }
    }

    /// For engines: the error for a failure of no finer class, during `operation` (a verb: `read the log`).
    pub fn storage(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Storage { operation, source: source.into() }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Names the step that an event failed at: an upcaster, or its `Split` if `to` is `None`.
fn step(from: u32, to: Option<u32>) -> String {
    match to {
        Some(to) => format!("its upcaster from version {from} to {to}"),
        None => "its `Split`".to_owned(),
    }
}

/// The beginning of a message that may be about an event: empty without one.
fn written_in(event: Option<&EventPlace>) -> String {
    event.map(|event| format!("{event} cannot be read: ")).unwrap_or_default()
}

/// Says how to link the engine that serves a scheme, or lists the known schemes if none does.
fn engine_for(scheme: &str) -> String {
    let engine = match scheme {
        "memory" | "sqlite" | "postgres" => scheme,
        "postgresql" => "postgres",
        _ => {
            return "evercore's own engines serve `memory:`, `sqlite:`, `postgres:` and `postgresql:`"
                .to_owned();
        }
    };
    format!(
        "run `cargo add evercore-{engine}`, and name the crate once in your program: `use evercore_{engine} as _;`"
    )
}

pub(crate) fn unknown_id<T: Aggregate>(id: AggregateId) -> Error {
    Error::UnknownId { aggregate: T::NAME.to_owned(), id }
}

pub(crate) fn unknown_value<T: Aggregate>(value: &Tag) -> Error {
    Error::UnknownValue {
        aggregate: T::NAME.to_owned(),
        name: value.name().to_owned(),
        value: value.value().to_owned(),
    }
}

pub(crate) fn unknown_key<T: Aggregate>(key: &NaturalKey) -> Error {
    Error::UnknownKey { aggregate: T::NAME.to_owned(), key: key.to_string() }
}
