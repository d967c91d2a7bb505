//! The macros of [evercore](https://docs.rs/evercore). Use them through that crate: what they write leads there.
//!
//! Each macro is a pipeline of files: `input` is what the user wrote, `model` holds the rules and says what breaks
//! them, `expand` writes code. Independent mistakes are reported together, along with an implementation that keeps the
//! rest of the program from adding errors of its own.

mod aggregate;
mod conditional;
mod deprecated;
mod event;
#[cfg(test)]
mod expansions;
mod option;
mod options;
mod parts;
mod retired_event;
mod rules;
mod state_event;
mod value;

use proc_macro::TokenStream;

/// Makes a struct or an enum an aggregate, and announces it to `Registry::linked`.
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
/// | `name = "account"` | the type's name | The stored name: 1 to 255 bytes without a NUL, unique in a program. It stays as it is once something was written. |
/// | `aliases = ["client"]` | none | Names that older programs know it by. A database that knows one of them goes on with that one. |
/// | `snapshot_every = 100` | no snapshots | The number of events from one snapshot to the next, from 1. |
/// | `snapshot_version = 2` | 1 | A number to raise when old snapshots are no longer right although the fields look the same. Needs `snapshot_every`. |
/// | `unknown_events = skip` | `fail` | What becomes of stored events that the program does not know, where the aggregate is loaded: `fail`, `skip`, or `hand_to(f)` with a `fn(&mut Self, &RecordedEvent)`. |
/// | `crate = "facade::evercore"` | `::evercore` | Where the crate is found, for one that hands the macros on. |
///
/// # Snapshots
///
/// A snapshot is only read back into the shape that it was taken of. The derive computes a fingerprint of the shape:
/// the names, order and types of the fields and variants, what `#[serde(…)]` says about them, and `snapshot_version`.
/// The types are taken as they are written: when a type *inside* the state changes its own shape, raise
/// `snapshot_version`. Comments, layout and the name of the type play no part.
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

/// Makes a struct or an enum an event, and announces it to `Registry::linked`.
///
/// Implements the trait `Event`, and derives serde's `Serialize` and `Deserialize`; the crate that uses it needs no
/// serde of its own. How the event changes the state is yours to write, as `impl Apply<TheEvent> for TheAggregate`. An
/// event that only copies its fields into the state is a [`macro@state_event`].
///
/// Structs with named fields, tuple structs, unit structs and enums can be events; generic types and unions cannot.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `aggregate = Account` | required | The type of the aggregate that it happens to. |
/// | `name = "money-deposited"` | the type's name | The stored name: 1 to 255 bytes without a NUL. An aggregate has one event of a name and version; that two types claim it is found when a store is opened. It stays as it is once something was written. |
/// | `version = 2` | 1 | The version of the event's shape, from 1. |
/// | `upcast_from = [DepositedV1, DepositedV2]` | none | The older shapes, the oldest first; the last is that of the version before this one. Types that derive serde's `Deserialize`, and `raw(f)` for a shape that has none any more, with a `fn(serde_json::Value) -> Result<serde_json::Value, BoxError>`. Each turns into the next, and the last into the event, by the trait `Upcast`. |
/// | `oldest_version = 2` | 1 | The oldest version that any database holds. Each from there on needs a way up, or an event type of its own; which is found when a store is opened. |
/// | `aliases = ["Deposited"]` | none | Other names under which older programs wrote it. |
/// | `codec = cbor` | the store's | The codec that it is written in: `json`, `cbor`, `messagepack` or `protobuf`. All but `json` are features of `evercore`. |
/// | `crate = "facade::evercore"` | `::evercore` | Where the crate is found, for one that hands the macros on. |
///
/// # Messages of Protocol Buffers
///
/// With `codec = protobuf` the type is a message made with prost: put the attribute above `#[derive(prost::Message)]`.
/// Serde is not derived for it. If serde knows it nevertheless, it can be shown as JSON, and read from rows of other
/// codecs.
///
/// # With other attributes
///
/// Put it **above** `#[derive(Serialize)]` and `#[derive(Deserialize)]`, if you write them yourself: it leaves out what
/// it sees, and it sees only what stands below it. Otherwise the compiler finds `conflicting implementations of trait`.
/// Other derives may stand on either side. `#[serde(…)]` works as always, and all of them may stand in a `cfg_attr`.
///
/// An `Option<Option<T>>` in a field with a name, also of a variant, is written so that it reads back as it was: nothing
/// at all for `None`, null for `Some(None)`. A field that says by `#[serde(…)]` how it is written is left at that. In a
/// tuple, where nothing can be absent, both are null and read back as `None`.
///
/// Where serde itself is written by hand, implement `Event` by hand as well and announce it with `register_event!`.
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
/// field of the same name. That the state has no such field, or has it with another type, is an error at the field.
///
/// | the event's field | the state's field | |
/// |---|---|---|
/// | `T` | `T` | is set |
/// | `T` | `Option<T>` | is set to `Some` |
/// | `Option<T>` | `T` or `Option<T>` | is set by `Some`, and left as it is by `None` |
/// | `Option<Option<T>>` | `Option<T>` | is set by `Some(Some(…))`, cleared by `Some(None)`, and left as it is by `None` |
/// | `#[state(skip)]` | | stays in the event only |
///
/// `T` has to be `Clone`. An `Option` is recognised by how it is written, as `Option`, `std::option::Option` or
/// `core::option::Option`; under a name of your own it counts as a `T`.
///
/// An `Option<Option<T>>` is written so that it reads back as it was: nothing at all for `None`, null for `Some(None)`.
/// If the field says itself how it is written, by serde's `with`, `serialize_with`, `deserialize_with`, `flatten`,
/// `skip` or `skip_serializing`, it is left at that.
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
///     .with_context(async |ctx| {
///         let mut account = ctx.create::<Account>().await?;
///         let (owner, branch) = ("Ada".to_owned(), "Utrecht".to_owned());
///         ctx.apply(&mut account, AccountOpened { owner, limit: 500, branch })?;
///         ctx.apply(&mut account, AccountChanged { limit: Some(None), ..Default::default() })?;
///
///         assert_eq!(account.state().owner, "Ada");
///         assert_eq!(account.state().limit, None);
///         Ok::<_, Error>(())
///     })
///     .await
/// # }
/// ```
#[proc_macro_attribute]
pub fn state_event(args: TokenStream, item: TokenStream) -> TokenStream {
    state_event::attribute(args.into(), item.into()).into()
}

/// Makes a struct or an enum the shape of an event that happens no more, and announces it to `Registry::linked`.
///
/// Where such an event is stored, it is read as other events that it is split into, or dropped. Implements the trait
/// `RetiredEvent`, and derives serde's `Deserialize`. With `into`, how it is split is yours to write, as
/// `impl Split for TheEvent`.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `aggregate = Account` | required | The type of the aggregate that it happened to. |
/// | `into = [MoneyWithdrawn, FeeCharged]` | none | The events that it may become; all of them of the same aggregate. Without any it is dropped: wherever it is stored, nothing happens. |
/// | `name`, `version`, `oldest_version`, `upcast_from`, `aliases`, `crate` | | As in [`macro@event`], with the last version that was written. What is dropped is not read, in none of its versions. |
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, BoxError, Parts, Split, retired_event, state_event};
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
