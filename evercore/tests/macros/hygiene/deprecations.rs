//! Deprecated items are still declared, replayed and split. The generated code causes no warnings about its own item
//! and its parts, nor about others if the item allows them.
#![deny(deprecated, warnings)]

#[expect(deprecated, reason = "the user's own code says so")]
mod declared {
    use evercore::evolution::{Parts, Split, Upcast};
    use evercore::{Apply, BoxError, EventMeta};

    use super::{Closed, Ledger, Lent, Loans, Moved, MovedV1, Noted, Reader, Renamed};

    impl Apply<Lent> for Loans {
        fn apply(&mut self, _: &Lent, _: &EventMeta) {
            self.0 += 1;
        }
    }

    impl Apply<Lent> for Reader {
        fn apply(&mut self, event: &Lent, _: &EventMeta) {
            self.last = event.shelf;
        }
    }

    impl Apply<Moved> for Ledger {
        fn apply(&mut self, event: &Moved, _: &EventMeta) {
            self.amount += event.amount;
        }
    }

    impl Upcast<MovedV1> for Moved {
        fn upcast(old: MovedV1) -> Result<Self, BoxError> {
            Ok(Self { amount: old.amount })
        }
    }

    impl Split for Closed {
        fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
            parts.push(Moved { amount: -self.amount });
            Ok(())
        }
    }

    pub(super) fn all() -> (Renamed, Moved) {
        let _ = (Noted::Aloud, Loans::of(1), Reader::of("Ada"));
        let _ = Lent { shelf: 1, reader: String::new() };
        (Renamed { owner: String::new(), by: None }, Moved { amount: 1 })
    }
}

use evercore::{Aggregate, Boundary, BoxError, Registry, event, retired_event, state_event};

#[derive(Aggregate, Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(name = "deprecations.ledger", snapshot_every = 2, unknown_events = hand_to(Ledger::note))]
#[deprecated = "there are accounts"]
pub(crate) struct Ledger {
    #[deprecated]
    pub(crate) owner: String,
    #[deprecated(note = "this is said elsewhere")]
    pub(crate) by: Option<String>,
    #[deprecated]
    pub(crate) amount: i64,
}

#[allow(deprecated)]
impl Ledger {
    #[deprecated]
    fn note(&mut self, _: &evercore::RecordedEvent) {}
}

#[state_event(aggregate = Ledger, name = "deprecations.renamed")]
#[deprecated]
pub(crate) struct Renamed {
    #[deprecated]
    pub(crate) owner: String,
    #[deprecated]
    pub(crate) by: Option<Option<String>>,
}

#[deprecated]
#[derive(serde::Deserialize)]
pub(crate) struct MovedV1 {
    #[deprecated]
    pub(crate) amount: i64,
}

#[deprecated]
fn oldest(json: serde_json::Value) -> Result<serde_json::Value, BoxError> {
    Ok(json)
}

#[event(aggregate = Ledger, name = "deprecations.moved", version = 3, upcast_from = [raw(oldest), MovedV1])]
#[deprecated]
pub(crate) struct Moved {
    #[deprecated]
    pub(crate) amount: i64,
}

#[retired_event(aggregate = Ledger, name = "deprecations.closed", into = [Moved])]
#[deprecated]
pub(crate) struct Closed {
    #[deprecated]
    pub(crate) amount: i64,
}

#[retired_event(aggregate = Ledger, name = "deprecations.noted")]
#[deprecated]
pub(crate) enum Noted {
    #[deprecated]
    Aloud,
}

/// Only a field is deprecated.
#[derive(Aggregate, Clone, Default)]
#[aggregate(name = "deprecations.shelf")]
struct Shelf {
    label: String,
    books: u8,
}

#[state_event(aggregate = Shelf, name = "deprecations.labelled")]
struct Labelled {
    #[deprecated]
    label: String,
    #[cfg_attr(all(), deprecated)]
    books: u8,
}

/// Nothing in the event itself is deprecated.
#[state_event(aggregate = Ledger, name = "deprecations.owned")]
#[allow(deprecated, reason = "the ledger is on its way out")]
struct Owned {
    owner: String,
}

#[event(tags(shelf, reader), name = "deprecations.lent")]
#[deprecated]
pub(crate) struct Lent {
    #[deprecated]
    pub(crate) shelf: u32,
    pub(crate) reader: String,
}

/// Nothing in the boundary itself is deprecated.
#[derive(Boundary, Default)]
#[boundary(key(shelf: u32), events(Lent))]
#[allow(deprecated, reason = "lending is on its way out")]
pub(crate) struct Loans(u32);

#[derive(Boundary, Default)]
#[boundary(key(reader: String), events(Lent))]
#[deprecated]
pub(crate) struct Reader {
    #[deprecated]
    last: u32,
}

#[test]
fn deprecated_types_are_registered() {
    let registry = Registry::linked().expect("all names differ");
    assert!(registry.knows("deprecations.ledger", "deprecations.renamed", 1));
    assert!(registry.knows("deprecations.ledger", "deprecations.moved", 3));
    assert!(registry.knows_event::<Labelled>() && registry.knows_event::<Owned>());
    let _ = declared::all();
}
