//! Provides the macros of [evercore](https://docs.rs/evercore). Use them through that crate: the generated code refers
//! to it.
//!
//! Each macro is a pipeline of files: `input` holds what the user wrote, `model` the rules and the mistakes against
//! them, and `expand` writes code. Independent mistakes are reported together, along with an implementation that keeps
//! the rest of the program from adding errors of its own.

mod aggregate;
mod boundary;
mod command;
mod conditional;
mod deprecated;
mod error_debug;
mod event;
#[cfg(test)]
mod expansions;
mod option_type;
mod options;
mod parts;
mod retired_event;
mod rules;
mod state_event;
mod task;
mod value;

use proc_macro::TokenStream;

/// Makes a struct or an enum an aggregate, and registers it for `Registry::linked`.
///
/// Implements the trait `Aggregate`. The type needs `Default`, which is the state before the first event. With
/// `snapshot_every` it also needs serde's `Serialize` and `Deserialize`. It cannot be generic, since its name stands
/// for exactly one type.
///
/// # Options
///
/// In `#[aggregate(…)]`, all of them optional:
///
/// | option | default | |
/// |---|---|---|
/// | `name = "account"` | the type's name | The stored name: 1 to 255 bytes without a NUL, unique in a program. It must not change once an event was stored. |
/// | `aliases = ["client"]` | none | Names that older programs used. A database that has stored one of them keeps it. |
/// | `snapshot_every = 100` | no snapshots | The number of events from one snapshot to the next, from 1. |
/// | `snapshot_version = 2` | 1 | A number to raise when old snapshots are no longer valid although the fields look the same. Needs `snapshot_every`. |
/// | `unique(email, seat = seat_number)` | none | The fields whose values no other aggregate of the type may have, each under its name or another one. A value is the field's `Display`; an `Option` gives one or none, a `Vec`, `VecDeque`, `BTreeSet`, `HashSet` or array any number. A function finds the aggregate by each: `Account::by_email("ada@example.org")`. |
/// | `unknown_events = skip` | `fail` | The treatment of stored events that the program does not know, when the aggregate is loaded: `fail`, `skip`, or `hand_to(f)` with a `fn(&mut Self, &RecordedEvent)`. |
/// | `crate = "facade::evercore"` | `::evercore` | The path of the crate `evercore`, for a crate that re-exports the macros. |
///
/// # Snapshots
///
/// A snapshot is only read back into the shape that it was taken of. The derive computes a fingerprint of the shape:
/// the names, order and types of the fields and variants, their `#[serde(…)]` options, and `snapshot_version`. The
/// types are compared as they are written: when a type *inside* the state changes its own shape, raise
/// `snapshot_version`. Comments, layout and the name of the type do not matter.
///
/// # Example
/// ```
/// use evercore::Aggregate;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Aggregate, Debug, Default, Serialize, Deserialize)]
/// #[aggregate(name = "account", snapshot_every = 100)]
/// struct Account {
///     owner: String,
///     balance: i64,
/// }
///
/// assert_eq!(Account::NAME, "account");
/// ```
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(item: TokenStream) -> TokenStream {
    aggregate::derive(item.into()).into()
}

/// Makes a struct or an enum a boundary: a state that is built from all events of some types with the same tags.
///
/// Implements the trait `Boundary`, and adds a function `of` that makes a `BoundaryKey` from the values of the tags. The
/// type needs `Default`, which is the state before the first event, and an `impl Apply<TheEvent>` for each event.
///
/// # Options
///
/// In `#[boundary(…)]`:
///
/// | option | default | |
/// |---|---|---|
/// | `key(course: String)` | required | The tags that select the events, each with the type of its value. An event is found if it has all of them. `key("gift-card" = card: String)` is for a tag whose name is no name of Rust. |
/// | `events(CourseDefined, StudentSubscribed)` | required | The events. `CourseDefined(course)` names the tags by which one is found, if it does not have all of the key. A tag that an event does not have is a compile error. |
/// | `name = "seats"` | the type's name | The name in messages. |
/// | `crate = "facade::evercore"` | `::evercore` | The path of the crate `evercore`, for a crate that re-exports the macros. |
///
/// # Example
/// ```
/// use evercore::{Apply, Boundary, EventMeta, event};
///
/// #[event(tags(course, student))]
/// struct StudentSubscribed { course: u32, student: String }
///
/// /// The students of a course.
/// #[derive(Boundary, Default)]
/// #[boundary(key(course: u32), events(StudentSubscribed))]
/// struct Seats { taken: u32 }
///
/// impl Apply<StudentSubscribed> for Seats {
///     fn apply(&mut self, _: &StudentSubscribed, _: &EventMeta) {
///         self.taken += 1;
///     }
/// }
///
/// let key = Seats::of(42);
/// ```
#[proc_macro_derive(Boundary, attributes(boundary))]
pub fn boundary(item: TokenStream) -> TokenStream {
    boundary::derive(item.into()).into()
}

/// Makes a struct or an enum an event, and registers it for `Registry::linked`.
///
/// Implements the trait `Event`, and derives serde's `Serialize` and `Deserialize`; the crate that uses it needs no
/// serde of its own. How the event changes the state is written by hand, as `impl Apply<TheEvent> for TheAggregate`. An
/// event that only copies its fields into the state can be a [`macro@state_event`].
///
/// Structs with named fields, tuple structs, unit structs and enums can be events; generic types and unions cannot.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `aggregate = Account` | none, with `tags` | The type of the event's aggregate. An event without one belongs to no aggregate, only to its tags. |
/// | `tags(course, student = student_id)` | none | The fields by whose values the event is found beside its aggregate, as tags: `course:42`. The value of a tag is the field's `Display`; an `Option` gives one or none, a `Vec`, `VecDeque`, `BTreeSet`, `HashSet` or array any number. A tag has the field's name, unless it is given another one. Names of tags must not change once an event was stored. Events that were stored before get a tag by `EventStore::backfill_tags`. |
/// | `retired_tags(region, "gift-card")` | none | The names of tags that the event had, and that new ones do not get. Programs that still declare them are refused. A retired name is not used again. |
/// | `name = "money-deposited"` | the type's name | The stored name: 1 to 255 bytes without a NUL. An aggregate has one event of each name and version; opening a store fails if two types claim the same. It must not change once an event was stored. |
/// | `version = 2` | 1 | The version of the event's shape, from 1. |
/// | `upcast_from = [DepositedV1, DepositedV2]` | none | The older shapes, the oldest first; the last is that of the version before this one. Each is a type that derives serde's `Deserialize`, or `raw(f)` for a shape that has no type any more, with a `fn(serde_json::Value) -> Result<serde_json::Value, BoxError>`. Each turns into the next, and the last into the event, by the trait `Upcast`. |
/// | `oldest_version = 2` | 1 | The oldest version that any database holds. Each version from there on needs an upcast, or an event type of its own; opening a store fails if one is missing. |
/// | `aliases = ["Deposited"]` | none | Other names under which older programs stored the event. |
/// | `codec = cbor` | the store's | The codec that encodes the event: `json`, `cbor`, `messagepack` or `protobuf`. All but `json` are features of `evercore`. |
/// | `crate = "facade::evercore"` | `::evercore` | The path of the crate `evercore`, for a crate that re-exports the macros. |
///
/// # Messages of Protocol Buffers
///
/// With `codec = protobuf` the type is a message made with prost: put the attribute above `#[derive(prost::Message)]`.
/// Serde is not derived for it. If it implements serde's traits nevertheless, it can be shown as JSON, and read from
/// rows of other codecs.
///
/// # With other attributes
///
/// Put the attribute **above** `#[derive(Serialize)]` and `#[derive(Deserialize)]`, if you write them yourself: it adds
/// only derives that it does not see, and it sees only those below it. Otherwise the compiler finds `conflicting
/// implementations of trait`. Other derives may stand on either side. `#[serde(…)]` works as always, and all of them
/// may stand in a `cfg_attr`.
///
/// An `Option<Option<T>>` in a named field, of a struct or of a variant, is written so that it reads back unchanged:
/// `None` as an absent field, `Some(None)` as null. A field whose `#[serde(…)]` says how it is written is left alone.
/// In a tuple, where no field can be absent, both are written as null and read back as `None`.
///
/// If the serde implementations are written by hand, implement `Event` by hand as well and register it with
/// `register_event!`.
///
/// # Example
/// ```
/// use evercore::{Aggregate, Apply, Event, EventMeta, event};
///
/// #[derive(Aggregate, Default)]
/// struct Account {
///     balance: i64,
/// }
///
/// #[event(aggregate = Account, name = "money-moved", aliases = ["MoneyMoved"])]
/// #[derive(Debug)]
/// enum MoneyMoved {
///     In { amount: i64 },
///     Out { amount: i64 },
/// }
///
/// impl Apply<MoneyMoved> for Account {
///     fn apply(&mut self, event: &MoneyMoved, _meta: &EventMeta) {
///         match event {
///             MoneyMoved::In { amount } => self.balance += amount,
///             MoneyMoved::Out { amount } => self.balance -= amount,
///         }
///     }
/// }
///
/// assert_eq!((MoneyMoved::NAME, MoneyMoved::VERSION), ("money-moved", 1));
/// ```
#[proc_macro_attribute]
pub fn event(args: TokenStream, item: TokenStream) -> TokenStream {
    event::attribute(args.into(), item.into()).into()
}

/// Makes a struct with named fields an event that copies them into the state.
///
/// It is an [`macro@event`], with the same options, that also implements `Apply`: each field is copied into the state's
/// field of the same name. If the state has no such field, or one of another type, the error is shown at the field.
///
/// | the event's field | the state's field | |
/// |---|---|---|
/// | `T` | `T` | is set |
/// | `T` | `Option<T>` | is set to `Some` |
/// | `Option<T>` | `T` or `Option<T>` | is set by `Some`, and left as it is by `None` |
/// | `Option<Option<T>>` | `Option<T>` | is set by `Some(Some(…))`, cleared by `Some(None)`, and left as it is by `None` |
/// | `#[state(skip)]` | | is stored with the event only |
///
/// `T` must be `Clone`. An `Option` is recognised by how it is written, as `Option`, `std::option::Option` or
/// `core::option::Option`; an alias of it counts as a `T`.
///
/// An `Option<Option<T>>` is written so that it reads back unchanged: `None` as an absent field, `Some(None)` as null.
/// A field that has one of serde's options `with`, `serialize_with`, `deserialize_with`, `flatten`, `skip` or
/// `skip_serializing` is left alone.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, Error, EventStore, state_event};
/// use evercore_memory as _; // links the engine that serves `memory:`
///
/// #[derive(Aggregate, Default)]
/// struct Account {
///     owner: String,
///     limit: Option<i64>,
/// }
///
/// #[state_event(aggregate = Account, name = "account-opened")]
/// struct AccountOpened {
///     owner: String,
///     limit: i64,
///     #[state(skip)]
///     branch: String,
/// }
///
/// #[state_event(aggregate = Account, name = "account-changed")]
/// #[derive(Default)]
/// struct AccountChanged {
///     owner: Option<String>,
///     limit: Option<Option<i64>>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let store = EventStore::connect("memory:").await?;
/// store
///     .with_context(async |ctx| -> Result<(), Error> {
///         let mut account = ctx.create::<Account>().await?;
///         let (owner, branch) = ("Ada".to_owned(), "Utrecht".to_owned());
///         ctx.apply(&mut account, AccountOpened { owner, limit: 500, branch })?;
///         ctx.apply(&mut account, AccountChanged { limit: Some(None), ..Default::default() })?;
///
///         assert_eq!(account.state().owner, "Ada");
///         assert_eq!(account.state().limit, None);
///         Ok(())
///     })
///     .await
/// # }
/// ```
#[proc_macro_attribute]
pub fn state_event(args: TokenStream, item: TokenStream) -> TokenStream {
    state_event::attribute(args.into(), item.into()).into()
}

/// Makes a struct or an enum the shape of an event that is no longer emitted, and registers it for `Registry::linked`.
///
/// Stored events of this type are split into other events when they are read, or dropped. Implements the trait
/// `RetiredEvent`, and derives serde's `Deserialize`. With `into`, how the event is split is written by hand, as `impl
/// Split for TheEvent`.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `aggregate = Account` | required | The type of the event's aggregate. |
/// | `into = [MoneyWithdrawn, FeeCharged]` | none | The events that it may be split into, all of the same aggregate. Without any, stored events of this type are dropped when they are read. |
/// | `name`, `version`, `oldest_version`, `upcast_from`, `aliases`, `crate` | | As in [`macro@event`]; `version` is the last version that was written. A dropped event is not decoded, whatever its version. |
///
/// # Example
/// ```standalone_crate
/// use evercore::evolution::{Parts, Split};
/// use evercore::{Aggregate, BoxError, retired_event, state_event};
///
/// #[derive(Aggregate, Default)]
/// struct Customer { name: String, city: String }
///
/// #[state_event(aggregate = Customer)]
/// struct Renamed { name: String }
///
/// #[state_event(aggregate = Customer)]
/// struct Moved { city: String }
///
/// #[retired_event(aggregate = Customer, name = "customer-changed", into = [Renamed, Moved])]
/// struct Changed { name: String, city: String }
///
/// impl Split for Changed {
///     fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
///         parts.push(Renamed { name: self.name });
///         parts.push(Moved { city: self.city });
///         Ok(())
///     }
/// }
///
/// #[retired_event(aggregate = Customer, name = "statement-printed")]
/// struct StatementPrinted;
/// ```
#[proc_macro_attribute]
pub fn retired_event(args: TokenStream, item: TokenStream) -> TokenStream {
    retired_event::attribute(args.into(), item.into()).into()
}

/// Makes a struct or an enum the body of tasks, and registers it for `Registry::linked`.
///
/// Implements the traits `TaskBody` and `Event`, and derives serde's `Serialize` and `Deserialize`: a body is encoded,
/// named, versioned and upcast as an event is.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `queue = "mail"` | required | The queue to which the tasks go: 1 to 128 bytes without control characters. |
/// | `name`, `version`, `oldest_version`, `upcast_from`, `aliases`, `codec`, `crate` | | As in [`macro@event`]. Names are unique among the tasks of a program. |
///
/// # Example
/// ```
/// use evercore::task;
/// use evercore::task::TaskBody;
///
/// #[task(queue = "mail", name = "send-receipt", version = 1)]
/// struct SendReceipt {
///     order: u32,
///     to: String,
/// }
///
/// assert_eq!(SendReceipt::QUEUE, "mail");
/// ```
#[proc_macro_attribute]
pub fn task(args: TokenStream, item: TokenStream) -> TokenStream {
    task::attribute(args.into(), item.into()).into()
}

/// Makes a struct a command that names its aggregate, and registers it for `Handlers::commands`.
///
/// Implements the trait `Command`, with which a store dispatches it, and sends it to be done later. It is the body of a
/// task then, as with [`macro@task`]: the traits `TaskBody` and `Event` are implemented, and serde's `Serialize` and
/// `Deserialize` are derived. The decision is written by hand, as `impl Decide<TheCommand> for TheAggregate`.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `aggregate = Account` | required | The type of the aggregate that decides on it. |
/// | `target = account` | required | The field that names the aggregate: an `AggregateId`, a `NaturalKey`, the key as a `String`, or a `Target`. The aggregate has to exist. With `target = new()`, the command creates one; with `new_with_key(iban)`, one with the key in that field; with `key_or_new(iban)`, one unless there is one with the key. |
/// | `queue = "payments"` | `"commands"` | The queue to which commands are sent: 1 to 128 bytes without control characters. |
/// | `name`, `version`, `oldest_version`, `upcast_from`, `aliases`, `codec`, `crate` | | As in [`macro@event`]. Names are unique among the commands and tasks of a program. |
///
/// # Example
/// ```
/// use evercore::command::Command;
/// use evercore::{Aggregate, Decide, Decision, command, state_event};
///
/// #[derive(Aggregate, Default)]
/// struct Account { owner: String }
///
/// #[state_event(aggregate = Account)]
/// struct OwnerChanged { owner: String }
///
/// #[command(aggregate = Account, target = account)]
/// struct ChangeOwner { account: String, owner: String }
///
/// impl Decide<ChangeOwner> for Account {
///     type Error = String;
///
///     fn decide(account: &mut Decision<'_, Self>, command: &ChangeOwner) -> Result<(), String> {
///         if account.owner == command.owner {
///             return Err("that is the owner already".to_owned());
///         }
///         account.emit(OwnerChanged { owner: command.owner.clone() });
///         Ok(())
///     }
/// }
///
/// let command = ChangeOwner { account: "NL91ABNA0417164300".into(), owner: "Ada".into() };
/// assert_eq!(command.target().unwrap(), "NL91ABNA0417164300".try_into().unwrap());
/// ```
#[proc_macro_attribute]
pub fn command(args: TokenStream, item: TokenStream) -> TokenStream {
    command::attribute(args.into(), item.into()).into()
}

/// Derives `Debug` for an enum of errors of Evercore itself: its message with all causes, then the variant and its
/// fields.
#[doc(hidden)]
#[proc_macro_derive(ErrorDebug)]
pub fn error_debug(item: TokenStream) -> TokenStream {
    error_debug::derive(item.into()).into()
}
