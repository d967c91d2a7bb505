//! A minimal aggregate with one event.

use evercore::{Aggregate, Registry, state_event};

#[derive(Aggregate, Clone, Debug, Default)]
#[aggregate(name = "thing")]
pub(crate) struct Thing {
    number: i64,
}

#[state_event(aggregate = Thing, name = "happened")]
pub(crate) struct Happened {
    pub(crate) number: i64,
}

pub(crate) fn registry() -> Registry {
    Registry::builder().event::<Happened>().build().expect("one name for each")
}
