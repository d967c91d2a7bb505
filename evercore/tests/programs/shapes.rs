//! All shapes of aggregates and events, and the places where they may be declared.
#![deny(warnings)]

use evercore::{Aggregate, Apply, EventMeta, event, state_event};

/// A state with various names, comments and attributes.
#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
#[aggregate(name = "customer")]
pub struct Customer {
    /// The name that the type is stored under.
    pub name: String,
    r#type: Option<u8>,
}

#[derive(Aggregate, Default)]
struct Counter(u32);

#[derive(Aggregate, Default)]
struct Marker;

#[derive(Aggregate, Default)]
#[aggregate(name = "door", snapshot_every = 10, snapshot_version = 2)]
#[derive(serde::Serialize, serde::Deserialize)]
enum Door {
    #[default]
    Closed,
    #[serde(rename = "ajar")]
    Open { width: u8 },
}

#[derive(Debug)]
#[state_event(aggregate = Customer,)]
#[derive(Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Renamed {
    /// The new name.
    name: String,
    r#type: Option<std::option::Option<u8>>,
    #[cfg(any())]
    nowhere: String,
    #[state(skip)]
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

#[state_event(aggregate = crate::Customer)]
struct Untouched {}

#[event(aggregate = Counter)]
struct Counted(u32, #[serde(default)] u32);

impl Apply<Counted> for Counter {
    fn apply(&mut self, event: &Counted, _: &EventMeta) {
        self.0 += event.0 + event.1;
    }
}

#[event(aggregate = Marker, version = 3, oldest_version = 3, aliases = ["Set", "Mark"])]
struct Marked;

impl Apply<Marked> for Marker {
    fn apply(&mut self, _: &Marked, _: &EventMeta) {}
}

#[event(aggregate = Door)]
enum Moved {
    Shut,
    Opened { width: u8 },
    Kicked(u8),
}

impl Apply<Moved> for Door {
    fn apply(&mut self, event: &Moved, _: &EventMeta) {
        *self = match event {
            Moved::Shut => Self::Closed,
            Moved::Opened { width } | Moved::Kicked(width) => Self::Open { width: *width },
        };
    }
}

#[event(aggregate = self::nested::Hidden)]
#[derive(evercore::__private::serde::Serialize)]
struct r#Loop;

impl Apply<r#Loop> for nested::Hidden {
    fn apply(&mut self, _: &r#Loop, _: &EventMeta) {}
}

/// Implemented by hand, so it may be generic.
#[derive(Default)]
struct Typed<T>(T);

impl Aggregate for Typed<u8> {
    const NAME: &'static str = "typed";
}

#[event(aggregate = Typed<u8>)]
struct Retyped(u8);

impl Apply<Retyped> for Typed<u8> {
    fn apply(&mut self, event: &Retyped, _: &EventMeta) {
        self.0 = event.0;
    }
}

mod nested {
    #[derive(Default, evercore::Aggregate)]
    pub(super) struct Hidden;

    #[evercore::state_event(aggregate = Hidden)]
    pub(super) struct Shown {}
}

/// Fields of one event, some from the macro and some from its caller.
macro_rules! opened {
    ($event:ident, $field:ident: $ty:ty) => {
        #[state_event(aggregate = Customer, name = "opened")]
        struct $event {
            $field: $ty,
            r#type: Option<u8>,
        }
    };
}

opened!(Opened, name: Option<String>);

#[test]
fn every_shape_is_accepted() {
    #[derive(Aggregate, Default)]
    #[aggregate(name = "local")]
    struct Account {
        balance: i64,
    }

    #[state_event(aggregate = Account)]
    struct Set {
        balance: i64,
    }

    #[event(aggregate = Account)]
    struct Closed;

    impl Apply<Closed> for Account {
        fn apply(&mut self, _: &Closed, _: &EventMeta) {
            self.balance = 0;
        }
    }

    let registry = evercore::Registry::linked().expect("all names differ");
    assert!(registry.knows("local", "Set", 1));
    assert!(registry.knows("local", "Closed", 1));
    assert!(registry.knows("customer", "opened", 1));
    assert!(registry.knows("Hidden", "Loop", 1));
    assert!(registry.knows("Hidden", "Shown", 1));
    assert!(registry.knows("Marker", "Mark", 3));

    // Types that are only declared here are not constructed anywhere.
    let _ = (Set { balance: 1 }.balance, Closed, Marked, r#Loop, nested::Shown {}, Untouched {});
    let _ = (Moved::Shut, Moved::Opened { width: 1 }, Moved::Kicked(1), Counted(1, 1), Retyped(1));
    let _ = Opened { name: None, r#type: None };
    let _ = Renamed { name: String::new(), r#type: None, reason: None }.clone();
}
