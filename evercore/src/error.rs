//! The one error type, worded for what the caller can do next.

use std::convert::Infallible;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::evolution::upcast::Unreadable;
use crate::format::error::{DecodeError, MissingFeature};
use crate::{
    Aggregate, AggregateId, CommitId, EventFilter, NaturalKey, Position, RoundTripMismatch,
    Sequence, SubscriptionName,
};

/// What every fallible function of Evercore returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, as engines hand it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, and what to do next.
///
/// Unless a variant says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another writer was faster. [`with_context`](crate::EventStore::with_context) retries this by itself; you see it
    /// when its attempts are used up. The writer may be a task that the closure has started and waits for: it comes first
    /// in each attempt.
    #[error("{aggregate} {id} was changed by another writer ({reason}); load it again and retry")]
    Conflict {
        /// The aggregate's type.
        aggregate: String,
        /// The aggregate.
        id: AggregateId,
        /// What had changed.
        reason: ConflictReason,
    },

    /// The natural key belongs to another aggregate of the type.
    #[error(
        "the key `{key}` belongs to another {aggregate}; choose another key, or load that aggregate by it"
    )]
    KeyTaken {
        /// The aggregate type.
        aggregate: String,
        /// The key.
        key: String,
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
    #[error("aggregate {id} is a {found}, not a {expected}; load it as what it is")]
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
        /// The aggregate.
        id: AggregateId,
    },

    /// Events were applied through another handle of the same aggregate.
    #[error(
        "{aggregate} {id} is at sequence {current} in this context and at {handle} in this handle: events were applied through another one, or a decision was refused; load it again"
    )]
    StaleHandle {
        /// The aggregate's type.
        aggregate: String,
        /// The aggregate.
        id: AggregateId,
        /// Where the handle stands.
        handle: Sequence,
        /// Where the context stands.
        current: Sequence,
    },

    /// An idempotency key that no engine would store.
    #[error("`{key}` cannot be an idempotency key: {problem}")]
    InvalidIdempotencyKey {
        /// The head of the key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A commit with this idempotency key has landed before; this one has not.
    #[error(
        "a commit with the idempotency key `{key}` has landed already; `find_first` says what came of it"
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
        "the idempotency key `{key}` was used for {used_for}, and cannot be used for {wanted}; give each request its own"
    )]
    IdempotencyKeyReused {
        /// The key.
        key: String,
        /// What it was used for.
        used_for: String,
        /// What it was to be used for now.
        wanted: String,
    },

    /// A value over [`Limits::max_result_bytes`](crate::Limits::max_result_bytes).
    #[error(
        "the result of `once` is {bytes} bytes long, and {limit} is the limit; return what identifies it and load the rest, or raise `Limits::max_result_bytes`"
    )]
    ResultTooLarge {
        /// Its length, as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },

    /// A result that [`EventStore::once`](crate::EventStore::once) has stored does not fit its type any more.
    #[error(
        "the result that is stored with the idempotency key `{key}` is no `{rust_type}`; let the type read what it has written before"
    )]
    UnreadableResult {
        /// The key.
        key: String,
        /// The Rust type that it should have become.
        rust_type: &'static str,
        /// Where reading stopped.
        source: BoxError,
    },

    /// A natural key that no engine would store.
    #[error("`{key}` cannot be a natural key: {problem}")]
    InvalidKey {
        /// The head of the key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A number out of its range.
    #[error("{value} is no {what}: the least is {least}")]
    InvalidNumber {
        /// What the number stands for.
        what: &'static str,
        /// The least value.
        least: i64,
        /// The value given.
        value: i64,
    },

    /// Metadata or a reference that no engine would store.
    #[error("the metadata cannot be stored: {problem}")]
    InvalidMetadata {
        /// What is wrong with it.
        problem: String,
    },

    /// An append without an event.
    #[error(
        "an append to {aggregate} without an event; leave the call out where there is nothing to say"
    )]
    EmptyAppend {
        /// The aggregate type.
        aggregate: String,
    },

    /// A payload over [`Limits::max_payload_bytes`](crate::Limits).
    #[error(
        "the payload of `{event}` is {bytes} bytes long, and {limit} is the limit; store large data elsewhere and keep a reference, or raise `Limits::max_payload_bytes`"
    )]
    PayloadTooLarge {
        /// The event's name.
        event: String,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },

    /// A commit over one of the [`Limits`](crate::Limits).
    #[error(
        "the context holds more than {limit} {what}; split the work into several contexts, or raise the limit"
    )]
    CommitTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },

    /// An event, or the result of a [`once`](crate::EventStore::once), that cannot be written: its own `Serialize`
    /// refuses, or the codec has no form for what it holds.
    #[error("`{name}` cannot be encoded as its `Serialize` writes it: {source}")]
    Encode {
        /// The event's name, or the result's Rust type.
        name: String,
        /// What its `Serialize` or the codec said.
        source: BoxError,
    },

    /// An event, or the result of a [`once`](crate::EventStore::once), that its codec would not give back as it is: a replay
    /// would see another event than the state has seen.
    #[error(
        "`{name}` would not come back as it is: {mismatch}; use a type that reads what it writes, or for an event a codec that keeps it"
    )]
    NotRoundTrip {
        /// The event's name, or the result's Rust type.
        name: String,
        /// Where it would differ.
        mismatch: Box<RoundTripMismatch>,
    },

    /// A stored event that does not fit its type.
    #[error(transparent)]
    Decode(Box<UndecodableEvent>),

    /// A stored event that an upcaster, or the way in which it is split, refuses.
    #[error("{event} cannot be read: {} failed; correct it, since the event stays as it is", step(*.from, *.to))]
    Upcast {
        /// The event.
        event: Box<EventPlace>,
        /// The version of the shape that it had got to.
        from: u32,
        /// The version that it was to get to; `None` if it was to be split.
        to: Option<u32>,
        /// What the upcaster said.
        source: BoxError,
    },

    /// A codec that this program was built without: an event was written in it, or a store is to write in it.
    #[error("{}{format} is not built into this program; switch on the feature `{feature}` of the crate `evercore`", written_in(.event.as_deref()))]
    MissingCodec {
        /// The event; `None` where a store was opened.
        event: Option<Box<EventPlace>>,
        /// The codec, or the compression.
        format: &'static str,
        /// The feature of `evercore`.
        feature: &'static str,
    },

    /// A stored event whose name or version no linked type carries.
    #[error(
        "{0}: no type is registered for it; is the crate that defines it linked into this program?"
    )]
    UnknownEvent(Box<EventPlace>),

    /// A recorded event was decoded as a type that it is not.
    #[error("{event} is not a `{wanted}`; ask `is::<E>()` first")]
    WrongEventType {
        /// The event.
        event: Box<EventPlace>,
        /// The name of the type asked for.
        wanted: &'static str,
    },

    /// A type that the store's registry does not hold.
    #[error("`{rust_type}` is not in the store's registry; add it where the registry is built")]
    Unregistered {
        /// The Rust type.
        rust_type: &'static str,
    },

    /// Two types claim one name. Types that only tests declare count as well: see [`Registry`](crate::Registry).
    #[error(
        "{what} is claimed by both `{first}` and `{second}`; give one of them another `name` or `version`; where both are meant, as in two modules of unit tests, open the store with the types it needs: `EventStore::builder().registry(Registry::builder().event::<…>().build()?)`"
    )]
    DuplicateName {
        /// The aggregate or event that is claimed twice.
        what: String,
        /// One Rust type.
        first: String,
        /// The other.
        second: String,
    },

    /// A database that knows an aggregate type under two of its names. Loading it under one would miss the other's.
    #[error(
        "the database knows both `{first}` and `{second}`, and `{rust_type}` claims both; take one of them out of its `aliases`, and read it by a type of its own"
    )]
    AmbiguousAlias {
        /// The Rust type.
        rust_type: &'static str,
        /// One name that is stored.
        first: &'static str,
        /// Another.
        second: &'static str,
    },

    /// A version of an event's shape that has no way up to the present one.
    #[error(
        "version {missing} of the event `{event}` of `{aggregate}` has no way up to version {version}: add its shape to the `upcast_from` of `{rust_type}`; if no database holds that version, say from which on they do by `oldest_version`"
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

    /// A name or number in a type's declaration that cannot be stored.
    #[error("`{rust_type}` cannot be registered: {problem}")]
    InvalidDeclaration {
        /// The Rust type.
        rust_type: &'static str,
        /// What is wrong with it.
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

    /// A text is no [`LogDigest`](crate::LogDigest).
    #[error("`{text}` is no digest of a log; copy it as `VerifyReport::digest` has shown it")]
    InvalidDigest {
        /// The head of the text.
        text: String,
    },

    /// A URL or an engine option that makes no sense.
    #[error("the storage URL or its options cannot be used: {problem}")]
    InvalidUrl {
        /// What is wrong. Holds no password.
        problem: String,
    },

    /// The database cannot be opened as it is.
    #[error("cannot open {database}: {problem}")]
    CannotOpen {
        /// The database, without secrets.
        database: String,
        /// What stands in the way.
        problem: OpenProblem,
        /// What the driver said.
        source: Option<BoxError>,
    },

    /// The database stayed busy for longer than the engine waits, or has too little memory. Can be retried.
    #[error(
        "the database was busy for longer than the engine waits; retry, or look for a writer that holds it"
    )]
    Busy {
        /// What the driver said.
        source: BoxError,
    },

    /// As many commands wait for the aggregate, in this process, as its queue lets wait. Can be retried.
    #[error(
        "the queue for {target} is full ({waiting} wait in it); retry when fewer do, or let it hold more"
    )]
    QueueFull {
        /// The aggregate, by the id or the key that the command names.
        target: String,
        /// How many commands wait.
        waiting: usize,
    },

    /// The database could not be reached, or its system failed; nothing has landed. Can be retried.
    #[error("the database cannot be reached; check that it runs, then retry")]
    Unavailable {
        /// What the driver said.
        source: BoxError,
    },

    /// The disk of the database is full. Can be retried: what was refused may land once there is room. Reads go on.
    #[error(
        "the disk of the database is full, and nothing was written; make room on it, then retry"
    )]
    DiskFull {
        /// What the driver said.
        source: BoxError,
    },

    /// The server is a standby: it takes no writes, and cannot know how far the log may be read. Aggregates can be
    /// loaded from it.
    #[error("a standby cannot {operation}; connect to the primary for that")]
    Standby {
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the driver said.
        source: BoxError,
    },

    /// The commit was sent and its answer was lost: **it may have landed**. `with_context` finds out by itself before
    /// it reruns anything; you see this when finding out failed as well.
    #[error(
        "commit {commit} may or may not have landed; ask `EventStore::find_commit` before you do the work again"
    )]
    OutcomeUnknown {
        /// The commit.
        commit: CommitId,
        /// What the driver said.
        source: BoxError,
    },

    /// A filter that names a type which the store's registry does not hold. It would never match.
    #[error(
        "the filter names {name}, which no registered type is called; check the spelling, or link the crate that defines it"
    )]
    UnknownFilterName {
        /// What it names.
        name: String,
    },

    /// A subscription that cannot be run as it is set up.
    #[error("the subscription `{name}` cannot be run: {problem}")]
    InvalidSubscription {
        /// Its name, or the head of it.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// No subscription has this name.
    #[error(
        "there is no subscription `{name}`; it is stored when it is first run, and gone once it is deleted"
    )]
    UnknownSubscription {
        /// The name.
        name: String,
    },

    /// A subscription is stored under this name with other options.
    #[error(
        "the subscription `{name}` is stored with {stored}, and this worker wants {wanted}; choose another name, or call `replace_stored` to change the stored one"
    )]
    SubscriptionDiffers {
        /// The name.
        name: String,
        /// What is stored.
        stored: String,
        /// What is wanted.
        wanted: String,
    },

    /// A subscription whose number of partitions is to change is at work.
    #[error(
        "the number of partitions of `{name}` cannot change now: {problem}; let its workers reach the end of the log, stop them, and try again"
    )]
    SubscriptionNotIdle {
        /// The name.
        name: String,
        /// What stands in the way.
        problem: String,
    },

    /// Another worker owns the subscription.
    #[error(
        "the subscription `{name}` is owned by `{owner}` until {until} at least; stop that worker, or call `wait_for_lease` to stand by"
    )]
    SubscriptionOwned {
        /// The name.
        name: String,
        /// Who owns it.
        owner: String,
        /// When its lease ends, if it is not renewed.
        until: chrono::DateTime<chrono::Utc>,
    },

    /// The subscription that is waited for was not handled so far, its worker has failed, and no other one runs it.
    #[error(
        "the subscription `{name}` has failed and no worker runs it: {failure}; mend what it failed with, and run it again"
    )]
    SubscriptionFailed {
        /// The name.
        name: String,
        /// What its worker has ended with, with all causes.
        failure: String,
    },

    /// The lease of a subscription went to another worker, or the subscription was reset or replaced. What the handler
    /// was doing is not recorded; in a transaction, it is undone.
    #[error(
        "the lease of the subscription `{name}` (partition {partition}) was lost; run it again"
    )]
    LeaseLost {
        /// The name.
        name: String,
        /// The partition.
        partition: u32,
    },

    /// An event that is to be redriven or discarded, and is not parked.
    #[error(
        "the subscription `{name}` has no parked event at position {position}; it may have been handled or discarded meanwhile, `parked` lists those that are left"
    )]
    NotParked {
        /// The subscription.
        name: String,
        /// Where the event is, or would be.
        position: Position,
    },

    /// A parked event that is to be redriven, and waits for an earlier one of its aggregate.
    #[error(
        "the event at position {position} waits for the one at position {first} of its aggregate; redrive or discard that one first"
    )]
    ParkedBehind {
        /// The subscription.
        name: String,
        /// Where the event is.
        position: Position,
        /// Where the first parked event of its aggregate is.
        first: Position,
    },

    /// A parked event that cannot be discarded so.
    #[error("the event at position {position} cannot be discarded: {problem}")]
    InvalidDiscard {
        /// Where the event is.
        position: Position,
        /// What is wrong.
        problem: String,
    },

    /// A start beyond the last event of the log.
    #[error(
        "position {position} lies beyond the end of the log, {end}; use `Start::End` to start with what comes next"
    )]
    StartBeyondEnd {
        /// Where it was to start.
        position: Position,
        /// The last event there is.
        end: Position,
    },

    /// A start at a time that has not come.
    #[error(
        "events from {time} on cannot be started with before that time, and the store's clock says {now}; start then, or use `Start::End` to start with what comes next"
    )]
    StartAhead {
        /// When it was to start.
        time: DateTime<Utc>,
        /// What the store's clock says.
        now: DateTime<Utc>,
    },

    /// The handler of a subscription failed, and its policy says to stop. The event comes again when it is run again.
    #[error("the handler of `{name}` failed at position {position}")]
    HandlerFailed {
        /// The subscription; `an ephemeral one` if it has no name.
        name: String,
        /// The first event that is not handled.
        position: Position,
        /// What the handler said.
        source: BoxError,
    },

    /// A commit inside the closure of a context or a transaction of the same store: it would not be part of it, and on
    /// SQLite it would wait for the transaction that runs it.
    #[error(
        "a commit inside the closure of a context of the same store would be no part of it; use the context that the closure was given, or commit after it; where it is to land on its own, whatever becomes of the context, call `detached()` on the store (not in a transaction on SQLite, which such a commit would wait for)"
    )]
    NestedCommit,

    /// The transaction was ended while its closure still ran.
    #[error(
        "the closure's transaction was ended before its time, by COMMIT, by ROLLBACK or by a statement whose failure undid it all; leave both to the store, and return what a statement fails with"
    )]
    TransactionEnded,

    /// The store is on another engine than the call is for.
    #[error("the store is not on {wanted}; open it with a URL of that engine")]
    WrongEngine {
        /// The engine that the call is for.
        wanted: &'static str,
    },

    /// A time that not every engine could store.
    #[error(
        "the {what} {time} is before 1 January 4713 BC, with which the times begin that a store keeps"
    )]
    TimeOutOfRange {
        /// What it is the time of.
        what: &'static str,
        /// The time.
        time: chrono::DateTime<chrono::Utc>,
    },

    /// The store was closed.
    #[error("the store is closed; open another one")]
    Closed,

    /// There is no tokio runtime to work on.
    #[error("there is no tokio runtime to work on: {problem}")]
    NoRuntime {
        /// What has become of it.
        problem: RuntimeProblem,
    },

    /// The stored data breaks a rule that every write keeps. Someone else wrote to the tables, or the file is damaged.
    #[error("the stored {what} is damaged: {problem}; restore it from a backup")]
    Corrupt {
        /// The table, column or record.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },

    /// Anything else that the storage said: a lost permission, a statement that it does not take.
    #[error("the storage failed while it was asked to {operation}")]
    Storage {
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the driver said.
        source: BoxError,
    },
}

/// What a conflicting writer had changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictReason {
    /// The aggregate has other events than the decision was made on.
    Sequence {
        /// Where the decision was made.
        expected: Sequence,
        /// Where the aggregate stands.
        actual: Sequence,
    },
    /// The aggregate has another natural key than the decision was made on.
    Key,
    /// Another writer created the aggregate that [`load_or_create`](crate::Context::load_or_create) was about to.
    Created,
    /// Each of two transactions waited for the other, and the database let the other one go on.
    Deadlock,
}

/// Why there is no tokio runtime to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeProblem {
    /// The call is made outside of a runtime.
    #[error(
        "the call is made outside of one; make it in `#[tokio::main]`, or in `Runtime::block_on`"
    )]
    Missing,
    /// The runtime in which the store was opened has ended.
    #[error(
        "the one in which the store was opened has ended, and the store's connections with it; \
         open a store in the runtime that uses it, or keep that one for as long as the store is used"
    )]
    Ended,
}

/// What stands in the way of opening a database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenProblem {
    /// The path is a directory.
    IsDirectory,
    /// The folder of the file does not exist.
    NoSuchFolder,
    /// The file or its folder cannot be written.
    ReadOnly,
    /// The file, or one that belongs to it, was moved, replaced or deleted while it was open.
    Moved,
    /// The file is something else than a database of this engine.
    NotADatabase,
    /// The schema was made by a newer Evercore.
    SchemaTooNew {
        /// The migration that this build does not know.
        found: i64,
    },
    /// The schema is missing or older than this build needs.
    SchemaOutdated,
    /// It may lose commits that it has acknowledged, and nobody has said that this is accepted.
    LosesCommits {
        /// Which setting is to blame, and what to do about it.
        setting: &'static str,
    },
    /// Its encoding is not UTF-8, so that it cannot keep every text.
    NotUtf8 {
        /// The encoding that it has.
        encoding: String,
    },
    /// Nothing answers where the server should be, or it is starting or ending. Can be retried.
    Unreachable,
    /// Nothing listens where the server should be. Can be retried.
    ConnectionRefused,
    /// The name of the server's host cannot be looked up. Can be retried.
    UnknownHost,
    /// The server does not let the user in: an unknown name, a wrong password, or a rule of the server.
    AccessDenied,
    /// The server has no database of this name.
    NoSuchDatabase,
    /// Anything else.
    Other,
}

/// Which event, for a message: its place and its stored type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPlace {
    /// The position in the global log.
    pub position: Position,
    /// The aggregate's stored type.
    pub aggregate_type: String,
    /// The aggregate.
    pub aggregate_id: AggregateId,
    /// The sequence within the aggregate.
    pub sequence: Sequence,
    /// The event's stored name.
    pub event_type: String,
    /// The version of the event's shape.
    pub version: u32,
}

/// Which event could not be decoded, as what, and where in it reading stopped.
#[derive(Debug, thiserror::Error)]
#[error(
    "{event} does not fit `{rust_type}` at field `{}`; give the type a new version if its shape changed",
    .source.field()
)]
#[non_exhaustive]
pub struct UndecodableEvent {
    /// The event.
    pub event: EventPlace,
    /// The Rust type that it should have become.
    pub rust_type: &'static str,
    /// The field, and what was wrong with it.
    pub source: DecodeError,
}

impl Error {
    /// Whether the same call may succeed if it is made again: a conflict, a full queue, a busy or unreachable
    /// database, a full disk.
    ///
    /// Not for [`Error::OutcomeUnknown`]: find out first.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
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

    /// Whether this is a lost race, as opposed to trouble with the database.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// For engines: a commit arrives after its outcome was asked for and given as
    /// [`NeverLands`](crate::engine::CommitOutcome::NeverLands).
    #[must_use]
    pub fn given_up(commit: CommitId) -> Self {
        Self::storage("commit", format!("commit {commit} was given up before it arrived"))
    }

    /// For engines: compares the filter and the number of partitions that are stored with those that are wanted.
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

    /// An event that was not encoded: its own `Serialize` or the codec refuses it, or it would not come back.
    pub(crate) fn unencodable(name: &str, problem: BoxError) -> Self {
        let name = name.to_owned();
        match problem.downcast() {
            Ok(mismatch) => Self::NotRoundTrip { name, mismatch },
            Err(source) => Self::Encode { name, source },
        }
    }

    /// An event that was not decoded: it does not fit, or the program was not built for it.
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

    /// For engines: stored data that breaks a rule.
    pub fn corrupt(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Corrupt { what, problem: problem.into() }
    }

    /// For engines: a failure of no finer class, while doing `operation` (a verb: `read the log`).
    pub fn storage(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Storage { operation, source: source.into() }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for ConflictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence { expected, actual } => {
                write!(f, "expected sequence {expected}, found {actual}")
            }
            Self::Key => f.write_str("its natural key is another one now"),
            Self::Created => f.write_str("it was created meanwhile"),
            Self::Deadlock => f.write_str("in a transaction that was let go first"),
        }
    }
}

impl fmt::Display for OpenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsDirectory => f.write_str("it is a directory; name a file in it"),
            Self::NoSuchFolder => f.write_str("its folder does not exist; create it first"),
            Self::ReadOnly => f.write_str(
                "it cannot be written; check the permissions of the file and of its folder",
            ),
            Self::Moved => f.write_str(
                "it was moved, replaced or deleted while it was open, so nothing is written to it any more; put it back with the files beside it, or restore a backup, then open another store",
            ),
            Self::NotADatabase => f.write_str(
                "it is not a database of this engine; name another file, it was left as it is",
            ),
            Self::SchemaTooNew { found } => {
                write!(
                    f,
                    "its schema has migration {found}, which this build does not know; update evercore"
                )
            }
            Self::SchemaOutdated => f.write_str(
                "its schema is missing or older than this build needs; run `store.migrate()`",
            ),
            Self::LosesCommits { setting } => {
                write!(f, "it may lose commits that it has acknowledged: {setting}")
            }
            Self::NotUtf8 { encoding } => write!(
                f,
                "its encoding is {encoding}, in which it cannot keep every text; create one with \
                 `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`, and copy what is in this one by `pg_dump`"
            ),
            Self::Unreachable => {
                f.write_str("it does not answer; check its address and that it runs, then retry")
            }
            Self::ConnectionRefused => f.write_str(
                "nothing listens at its address; check host and port, start the server, then retry",
            ),
            Self::UnknownHost => {
                f.write_str("the name of its host is unknown; check how it is spelled, then retry")
            }
            Self::AccessDenied => f.write_str(
                "the server does not let this user in; check the name and the password, and which users it accepts from here",
            ),
            Self::NoSuchDatabase => {
                f.write_str("the server has no such database; create it, or name another")
            }
            Self::Other => f.write_str("the database refused; see the source of this error"),
        }
    }
}

impl EventPlace {
    /// Why this event cannot be read.
    pub(crate) fn unreadable(self, problem: Unreadable) -> Error {
        let event = Box::new(self);
        match problem {
            Unreadable::Decode { rust_type, source } => {
                Error::undecodable(*event, rust_type, source)
            }
            Unreadable::Upcast { from, to, source } => {
                Error::Upcast { event, from, to: Some(to), source }
            }
            Unreadable::Split { source } => {
                let from = event.version;
                Error::Upcast { event, from, to: None, source }
            }
        }
    }
}

impl fmt::Display for EventPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "event `{}` version {} at position {} ({} {}, sequence {})",
            self.event_type,
            self.version,
            self.position,
            self.aggregate_type,
            self.aggregate_id,
            self.sequence
        )
    }
}

/// What an event did not get through.
fn step(from: u32, to: Option<u32>) -> String {
    match to {
        Some(to) => format!("its upcaster from version {from} to {to}"),
        None => "its `Split`".to_owned(),
    }
}

/// How a message begins that may be about an event.
fn written_in(event: Option<&EventPlace>) -> String {
    event.map(|event| format!("{event} cannot be read: ")).unwrap_or_default()
}

/// How to get the engine that serves a scheme, or which schemes there are.
fn engine_for(scheme: &str) -> String {
    let engine = match scheme {
        "memory" | "sqlite" | "postgres" => scheme,
        "postgresql" => "postgres",
        _ => {
            return "evercore's own engines have `memory:`, `sqlite:`, `postgres:` and `postgresql:`"
                .to_owned();
        }
    };
    format!(
        "add the engine's crate and name it once in your program, as in `use evercore_{engine} as _;`"
    )
}

pub(crate) fn unknown_id<T: Aggregate>(id: AggregateId) -> Error {
    Error::UnknownId { aggregate: T::NAME.to_owned(), id }
}

pub(crate) fn unknown_key<T: Aggregate>(key: &NaturalKey) -> Error {
    Error::UnknownKey { aggregate: T::NAME.to_owned(), key: key.to_string() }
}
