use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::DateTime;

use super::*;
use crate::engine::Capability;
use crate::error::{ConflictReason, EventPlace, RuntimeProblem, UndecodableEvent};
use crate::{
    AggregateId, BoxError, Codec, CommandId, CommitId, DecodeError, Position, RoundTripMismatch,
    Sequence, TaskId,
};

/// The guide, whose last table lists the variants of each kind.
const GUIDE: &str = include_str!("../../../../docs/errors.md");

/// Builds one error of each variant, with the variant's name. The compiler checks that no variant is missing.
macro_rules! one_of_each {
    ($($variant:ident $({ $($field:ident: $value:expr),* })? $(($inner:expr))?;)*) => {{
        #[deny(unreachable_patterns)]
        fn is_listed(error: &Error) {
            match error { $(Error::$variant { .. } => (),)* }
        }
        let errors = vec![
            $((stringify!($variant), Error::$variant $({ $($field: $value),* })? $(($inner))?)),*
        ];
        errors.iter().for_each(|(_, error)| is_listed(error));
        errors
    }};
}

fn text() -> String {
    "text".to_owned()
}

fn cause() -> BoxError {
    "the cause".into()
}

fn place() -> EventPlace {
    EventPlace {
        position: Position::START,
        aggregate_type: text(),
        aggregate_id: AggregateId::FIRST,
        sequence: Sequence::ZERO,
        event_type: text(),
        version: 1,
    }
}

fn mismatch() -> RoundTripMismatch {
    RoundTripMismatch { codec: Codec::Json, field: text(), given: text(), read: text() }
}

fn undecodable() -> UndecodableEvent {
    UndecodableEvent { event: place(), rust_type: "T", source: DecodeError::whole("the cause") }
}

fn one_of_each() -> Vec<(&'static str, Error)> {
    let (id, sequence, position) = (AggregateId::FIRST, Sequence::ZERO, Position::START);
    let (time, task) = (DateTime::UNIX_EPOCH, TaskId::generate());
    let command = CommandId::from_uuid(*task.as_uuid());
    let unreachable = Error::CannotOpen {
        database: text(),
        problem: OpenProblem::ConnectionRefused,
        source: None,
    };
    let mut errors = one_of_each! {
        Conflict { aggregate: text(), id: id, reason: ConflictReason::Key };
        BoundaryConflict { boundary: text(), tags: text() };
        DeclarationsChanged;
        OlderProgram { aggregate: text(), event: text(), tag: text() };
        TagIncomplete { aggregate: text(), event: text(), tag: text() };
        TagRetired { aggregate: text(), event: text(), tag: text() };
        KeyTaken { aggregate: text(), key: text() };
        ValueTaken { aggregate: text(), name: text(), value: text(), holder: id };
        UnknownValue { aggregate: text(), name: text(), value: text() };
        InvalidValue { aggregate: text(), value: text(), problem: text() };
        ValuesIncomplete { aggregate: text(), name: text() };
        UndeclaredValues { aggregate: text(), name: text() };
        UnknownId { aggregate: text(), id: id };
        UnknownKey { aggregate: text(), key: text() };
        WrongAggregateType { id: id, expected: text(), found: text() };
        ForeignAggregate { aggregate: text(), id: id };
        StaleHandle { aggregate: text(), id: id, handle: sequence, current: sequence };
        InvalidIdempotencyKey { key: text(), problem: text() };
        IdempotencyKeyUsed { key: text() };
        IdempotencyKeyReused { key: text(), used_for: text(), wanted: text() };
        ResultTooLarge { bytes: 2, limit: 1 };
        UnreadableResult { key: text(), rust_type: "T", source: cause() };
        InvalidKey { key: text(), problem: text() };
        InvalidTag { tag: text(), problem: text() };
        EventOutsideBoundary { event: text(), tags: text(), boundary: text(), selected: text() };
        BoundaryTooLarge { boundary: text(), tags: text(), limit: 1 };
        InvalidNumber { what: "id", least: 1, value: 0 };
        InvalidMetadata { problem: text() };
        EmptyAppend { aggregate: text() };
        PayloadTooLarge { event: text(), bytes: 2, limit: 1 };
        CommitTooLarge { what: "events", limit: 1 };
        Encode { name: text(), source: cause() };
        NotRoundTrip { name: text(), mismatch: Box::new(mismatch()) };
        Decode(Box::new(undecodable()));
        Upcast { event: Box::new(place()), from: 1, to: None, source: cause() };
        MissingCodec { event: None, format: "CBOR", feature: "cbor" };
        UnknownEvent(Box::new(place()));
        WrongEventType { event: Box::new(place()), wanted: "T" };
        Unregistered { rust_type: "T" };
        DuplicateName { what: text(), first: text(), second: text() };
        AmbiguousAlias { rust_type: "T", first: "a", second: "b" };
        MissingUpcaster { event: "e", aggregate: "a", rust_type: "T", missing: 1, version: 2 };
        InvalidDeclaration { rust_type: "T", problem: text() };
        UnknownScheme { scheme: text(), linked: text() };
        InvalidDigest { text: text() };
        InvalidUrl { problem: text() };
        CannotOpen { database: text(), problem: OpenProblem::IsDirectory, source: None };
        Busy { source: cause() };
        QueueFull { target: text(), waiting: 1 };
        Unavailable { source: cause() };
        DiskFull { source: cause() };
        Standby { operation: "write", source: cause() };
        OutcomeUnknown { commit: CommitId::generate(), source: cause() };
        UnknownFilterName { name: text() };
        NoTags;
        InvalidFilterName { name: text(), problem: text() };
        NoLane { event: text(), tag: text(), problem: text() };
        InvalidSubscription { name: text(), problem: text() };
        UnknownSubscription { name: text() };
        SubscriptionDiffers { name: text(), stored: text(), wanted: text() };
        SubscriptionNotIdle { name: text(), problem: text() };
        SubscriptionOwned { name: text(), owner: text(), until: time };
        SubscriptionFailed { name: text(), failure: text() };
        LeaseLost { name: text(), partition: 0 };
        InvalidTask { what: "key of a task", value: text(), problem: text() };
        TaskKeyTaken { queue: text(), key: text() };
        TaskLeaseLost { queue: text(), id: task };
        UnknownTask { queue: text(), id: task };
        UnreadableTask { queue: text(), id: task, task_type: text(), version: 1, problem: text() };
        UnknownCommand { id: command };
        OutcomeTimedOut { id: command, limit: std::time::Duration::from_secs(1) };
        TaskTimedOut { limit: std::time::Duration::from_secs(1) };
        NotParked { name: text(), position: position };
        ParkedBehind { name: text(), position: position, first: position };
        InvalidDiscard { position: position, problem: text() };
        StartBeyondEnd { position: position, end: position };
        StartAhead { time: time, now: time };
        HandlerFailed { name: text(), position: position, source: cause() };
        HandlerTimedOut { limit: std::time::Duration::from_secs(1) };
        NestedCommit;
        TransactionEnded;
        Unsupported { operation: Capability::ReadViews, engine: "test" };
        WrongEngine { wanted: "test" };
        TimeOutOfRange { what: "time", time: time };
        Closed;
        NoRuntime { problem: RuntimeProblem::Missing };
        Corrupt { what: "row", problem: text() };
        Storage { operation: "read", source: cause() };
    };
    errors.push(("CannotOpen", unreachable));
    errors
}

/// Returns the names in backticks of a cell.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

#[test]
fn the_guide_lists_every_variant_under_its_kind() {
    let (_, table) = GUIDE.split_once("| kind | variants |").expect("the guide has the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let listed: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            (cells[1].trim().trim_matches('`').to_owned(), names(cells[2]))
        })
        .collect();
    let mut sorted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (variant, error) in one_of_each() {
        sorted.entry(format!("{:?}", error.kind())).or_default().insert(variant.to_owned());
    }
    assert_eq!(listed, sorted);
}

/// Returns the variant's name. The compiler checks that the guide's table is looked through for each.
fn name(problem: &OpenProblem) -> &'static str {
    match problem {
        OpenProblem::IsDirectory => "IsDirectory",
        OpenProblem::NoSuchFolder => "NoSuchFolder",
        OpenProblem::NoSuchFile => "NoSuchFile",
        OpenProblem::ReadOnly => "ReadOnly",
        OpenProblem::Moved => "Moved",
        OpenProblem::NotADatabase => "NotADatabase",
        OpenProblem::SchemaTooNew { .. } => "SchemaTooNew",
        OpenProblem::SchemaOutdated => "SchemaOutdated",
        OpenProblem::LosesCommits { .. } => "LosesCommits",
        OpenProblem::NotUtf8 { .. } => "NotUtf8",
        OpenProblem::Unreachable => "Unreachable",
        OpenProblem::ConnectionRefused => "ConnectionRefused",
        OpenProblem::UnknownHost => "UnknownHost",
        OpenProblem::AccessDenied => "AccessDenied",
        OpenProblem::NoSuchDatabase => "NoSuchDatabase",
        OpenProblem::InMemory => "InMemory",
        OpenProblem::NoPermission => "NoPermission",
        OpenProblem::Other => "Other",
    }
}

#[test]
fn the_guide_lists_every_reason_why_a_store_does_not_open_and_their_messages_link_to_it() {
    let (_, table) = GUIDE.split_once("| `OpenProblem` |").expect("the guide has the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let listed: BTreeSet<String> =
        rows.flat_map(|row| names(row.split('|').nth(1).expect("a first cell"))).collect();
    let problems = [
        OpenProblem::IsDirectory,
        OpenProblem::NoSuchFolder,
        OpenProblem::NoSuchFile,
        OpenProblem::ReadOnly,
        OpenProblem::Moved,
        OpenProblem::NotADatabase,
        OpenProblem::SchemaTooNew { found: 9 },
        OpenProblem::SchemaOutdated,
        OpenProblem::LosesCommits { setting: "a setting" },
        OpenProblem::NotUtf8 { encoding: text() },
        OpenProblem::Unreachable,
        OpenProblem::ConnectionRefused,
        OpenProblem::UnknownHost,
        OpenProblem::AccessDenied,
        OpenProblem::NoSuchDatabase,
        OpenProblem::InMemory,
        OpenProblem::NoPermission,
        OpenProblem::Other,
    ];
    assert_eq!(listed, problems.iter().map(|problem| name(problem).to_owned()).collect());
    for problem in problems {
        let page = match problem {
            OpenProblem::NoPermission => "postgresql.md#roles-and-grants",
            _ => "errors.md#a-store-that-does-not-open",
        };
        let error = Error::CannotOpen { database: text(), problem, source: None }.to_string();
        let link = format!(" (see https://github.com/evercore-rs/evercore/blob/main/docs/{page})");
        assert!(error.ends_with(&link), "{error}");
    }
    assert!(GUIDE.contains("\n## A store that does not open\n"));
    assert!(include_str!("../../../../docs/postgresql.md").contains("\n## Roles and grants\n"));
}

#[test]
fn a_text_for_clients_has_no_part_of_the_message_and_no_advice_to_programmers() {
    let mut texts = BTreeSet::new();
    for (variant, error) in one_of_each() {
        let public = error.kind().public_message();
        assert!(!public.contains(['`', ':', '{']) && !public.is_empty(), "{variant}: {public}");
        assert_ne!(public, error.to_string(), "{variant}");
        texts.insert(public);
    }
    texts.insert(ErrorKind::Rejected.public_message());
    // One for each kind that a client can react to, and one for all others.
    assert_eq!(texts.len(), 7, "{texts:?}");
    let internal = ErrorKind::Misuse.public_message();
    for kind in [ErrorKind::Configuration, ErrorKind::Unreadable, ErrorKind::HandlerFailed] {
        assert_eq!(kind.public_message(), internal);
    }
}

#[test]
fn a_subscription_that_the_program_has_named_wrongly_is_no_fault_of_a_client() {
    for error in [
        Error::UnknownSubscription { name: text() },
        Error::InvalidSubscription { name: text(), problem: text() },
        Error::UnknownFilterName { name: text() },
        Error::NoTags,
        Error::InvalidFilterName { name: text(), problem: text() },
        Error::NoLane { event: text(), tag: text(), problem: text() },
    ] {
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    }
}

#[test]
fn the_debug_output_of_every_variant_has_its_message_and_its_name() {
    for (variant, error) in one_of_each() {
        let shown = format!("{error:?}");
        assert!(shown.starts_with(&crate::Report::new(&error).to_string()), "{shown}");
        assert!(shown.contains(&format!(" [{variant}")) && shown.ends_with(']'), "{shown}");
    }
}

#[test]
fn an_unwrap_prints_the_message_with_its_causes_and_the_variant() {
    let error = Error::HandlerFailed {
        name: "mails".to_owned(),
        position: Position::START,
        source: Error::storage("send", std::io::Error::other("no route")).into(),
    };
    let failed: Result<(), _> = std::convert::identity(Err(error));
    let panic = catch_unwind(AssertUnwindSafe(|| failed.unwrap())).expect_err("it panics");
    assert_eq!(
        panic.downcast_ref::<String>().map(String::as_str),
        Some(
            "called `Result::unwrap()` on an `Err` value: the handler of `mails` failed at position 0: the storage \
             failed to send: no route [HandlerFailed { name: \"mails\", position: Position(0), source: the storage \
             failed to send: no route [Storage { operation: \"send\", source: Custom { kind: Other, error: \
             \"no route\" } }] }]"
        )
    );
}

#[test]
fn a_command_error_shows_the_message_and_has_the_kind_of_its_cause() {
    let rejected = CommandError::Rejected("no money");
    assert_eq!((rejected.kind(), rejected.is_retryable()), (ErrorKind::Rejected, false));
    let error: CommandError<String> = Error::Busy { source: cause() }.into();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    let shown = format!("{error:?}");
    assert!(shown.starts_with("Store(the database was busy"), "{shown}");
    assert!(shown.contains("blocks it: the cause [Busy { source: \"the cause\" }]"), "{shown}");
}
