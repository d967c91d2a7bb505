//! Names of the language and its library are redefined here, as far as serde's own derives allow.
#![allow(non_camel_case_types, non_upper_case_globals, non_snake_case, dead_code, unused_macros)]

type u32 = ();
type i64 = ();
type Result<T> = ::core::result::Result<T, ()>;
struct Option;
struct String;
struct Vec;
struct Box;
struct Self_;
struct EventType;
struct Encoding;
struct Shape;
struct Upcaster;
struct SnapshotPolicy;
trait Default {}
trait Clone {}
trait Copy {}
trait Send {}
trait Sync {}
trait From {}
trait Into {}
trait Fn {}
trait Serialize {}
trait Deserialize {}
// Names that generated code might use for its variables.
const event: () = ();
const value: () = ();
const meta: () = ();
const _meta: () = ();
const state: () = ();
const Some: () = ();
const None: () = ();
const Ok: () = ();
const Err: () = ();

mod core {}
mod std {}
mod alloc {}
mod serde {}
mod serde_json {}
mod inventory {}
mod evercore {}

macro_rules! vec {
    () => {};
}
macro_rules! concat {
    () => {};
}
macro_rules! stringify {
    () => {};
}
macro_rules! submit {
    () => {};
}

fn drop() {}
fn set() {}

/// A constant and a method on every type, with names that generated code uses.
trait OfEverything {
    const ENCODING: () = ();
    const NAME: () = ();
    fn codec(self)
    where
        Self: Sized,
    {
    }
    fn set_from(&self) {}
}

impl<T: ?Sized> OfEverything for T {}

/// Without serde, all primitive types may be redefined.
mod without_serde {
    #![allow(non_camel_case_types)]

    type bool = ();
    type char = ();
    type f64 = ();
    type i8 = ();
    type str = ();
    type u8 = ();
    type u32 = ();
    type u64 = ();
    type usize = ();

    #[derive(::evercore::Aggregate, ::core::default::Default, ::core::clone::Clone)]
    #[aggregate(name = "shadows.bare", aliases = ["shadows.nackt"], unknown_events = fail)]
    pub(super) struct Bare;
}

type Number = ::core::primitive::i64;
type Text = ::std::string::String;
type Maybe<T> = ::core::option::Option<T>;

#[derive(
    ::core::cmp::PartialEq,
    ::core::fmt::Debug,
    ::evercore::Aggregate,
    ::core::default::Default,
    ::core::clone::Clone,
    ::serde::Serialize,
    ::serde::Deserialize,
)]
#[aggregate(name = "shadows.account", aliases = ["shadows.konto"], snapshot_every = 3, snapshot_version = 2)]
#[aggregate(unknown_events = skip)]
struct Account {
    balance: Number,
    owner: Maybe<Text>,
}

/// Has no `Clone`.
#[derive(::evercore::Aggregate, ::core::default::Default)]
#[aggregate(name = "shadows.safe")]
struct Safe;

#[::evercore::state_event(aggregate = Account, name = "shadows.opened", aliases = ["shadows.auf"])]
struct Opened {
    owner: ::core::option::Option<::core::option::Option<Text>>,
    balance: Number,
}

#[::evercore::event(tags(event, state, meta, "_meta" = owner), name = "shadows.seen")]
struct Seen {
    event: Text,
    state: ::core::option::Option<Number>,
    meta: ::std::vec::Vec<Number>,
    owner: Number,
}

#[::evercore::command(aggregate = Account, target = key_or_new(value), name = "shadows.greet")]
struct Greet {
    value: Text,
}

#[::evercore::command(aggregate = Account, target = new(), name = "shadows.begin")]
struct Begin;

impl ::evercore::Decide<Greet> for Account {
    type Error = Text;

    fn decide(
        _: &mut ::evercore::Decision<'_, Self>,
        _: &Greet,
    ) -> ::core::result::Result<(), Text> {
        ::core::result::Result::Ok(())
    }
}

impl ::evercore::Decide<Begin> for Account {
    type Error = Text;

    fn decide(
        _: &mut ::evercore::Decision<'_, Self>,
        _: &Begin,
    ) -> ::core::result::Result<(), Text> {
        ::core::result::Result::Ok(())
    }
}

#[derive(::evercore::Boundary, ::core::default::Default)]
#[boundary(key("event" = seen: ::std::string::String, "state" = at: Number), events(Seen))]
struct Sight;

impl ::evercore::Apply<Seen> for Sight {
    fn apply(&mut self, _: &Seen, _: &::evercore::EventMeta) {}
}

#[derive(::serde::Deserialize)]
struct MovedV2 {
    amount: Number,
}

#[::evercore::event(
    aggregate = Account,
    name = "shadows.moved",
    version = 3,
    oldest_version = 1,
    upcast_from = [raw(name_the_amount), MovedV2],
    codec = json,
)]
enum Moved {
    In { amount: Number },
    Out(Number),
    Nowhere,
}

fn name_the_amount(
    json: ::serde_json::Value,
) -> ::core::result::Result<::serde_json::Value, ::evercore::BoxError> {
    ::core::result::Result::Ok(json)
}

impl ::evercore::evolution::Upcast<MovedV2> for Moved {
    fn upcast(old: MovedV2) -> ::core::result::Result<Self, ::evercore::BoxError> {
        ::core::result::Result::Ok(Self::In { amount: old.amount })
    }
}

impl ::evercore::Apply<Moved> for Account {
    fn apply(&mut self, moved: &Moved, _: &::evercore::EventMeta) {
        match moved {
            Moved::In { amount } | Moved::Out(amount) => self.balance += amount,
            Moved::Nowhere => {}
        }
    }
}

#[::evercore::retired_event(aggregate = Account, name = "shadows.changed", into = [Moved, Opened])]
struct Changed {
    by: Number,
}

impl ::evercore::evolution::Split for Changed {
    fn split(
        self,
        parts: &mut ::evercore::evolution::Parts<Self>,
    ) -> ::core::result::Result<(), ::evercore::BoxError> {
        parts.push(Moved::Out(self.by));
        ::core::result::Result::Ok(())
    }
}

#[::evercore::retired_event(aggregate = Account, name = "shadows.printed", oldest_version = 1)]
struct Printed;

#[::evercore::event(aggregate = Safe, name = "shadows.locked")]
struct Locked;

impl ::evercore::Apply<Locked> for Safe {
    fn apply(&mut self, _: &Locked, _: &::evercore::EventMeta) {}
}

#[test]
fn types_declared_among_shadowed_names_are_registered() {
    let registry = ::evercore::Registry::linked().expect("all names differ");
    ::core::assert!(registry.knows_event::<Opened>());
    ::core::assert!(registry.knows_event::<Moved>());
    ::core::assert!(registry.knows_event::<Locked>());
    ::core::assert_eq!(<without_serde::Bare as ::evercore::Aggregate>::NAME, "shadows.bare");
}

#[tokio::test]
async fn types_declared_among_shadowed_names_work() {
    let account = crate::store::state_after::<Account>(|ctx, account| {
        let owner = Maybe::Some(Maybe::Some(Text::from("Ada")));
        ctx.apply(account, Opened { owner, balance: 5 })?;
        ctx.apply(account, Moved::In { amount: 2 })
    })
    .await;
    ::core::assert_eq!(account.owner.as_deref(), Maybe::Some("Ada"));
    ::core::assert_eq!(account.balance, 7);
}
