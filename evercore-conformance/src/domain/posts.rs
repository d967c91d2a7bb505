//! Events with tags of every kind, and boundaries that select them in every way.

use evercore::boundary::{Boundary, BoundaryEvent, Tag, TagName, Tags};
use evercore::format::Encoding;
use evercore::{Apply, Event, EventMeta, Result};
use serde::{Deserialize, Serialize};

use super::counter::Counter;

/// An event that belongs to no aggregate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) number: u64,
    pub(crate) room: u8,
    pub(crate) owner: Option<u8>,
    pub(crate) labels: Vec<u8>,
}

/// An event of an aggregate, which is found by its tags as well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) number: u64,
    pub(crate) room: u8,
    pub(crate) label: Option<u8>,
}

impl Event for Posted {
    type Aggregate = evercore::boundary::Facts;
    const NAME: &'static str = "posted";
    const TAGS: &'static [TagName] =
        &[TagName::one("room"), TagName::optional("owner"), TagName::many("label")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        let mut tags = vec![Tag::new("room", self.room)?];
        if let Some(owner) = self.owner {
            tags.push(Tag::new("owner", owner)?);
        }
        for label in &self.labels {
            tags.push(Tag::new("label", label)?);
        }
        Tags::new(tags)
    }
}

impl Event for Pinned {
    type Aggregate = Counter;
    const NAME: &'static str = "pinned";
    const TAGS: &'static [TagName] = &[TagName::one("room"), TagName::optional("label")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        let label = self.label.map(|label| Tag::new("label", label)).transpose()?;
        Tags::new([Tag::new("room", self.room)?].into_iter().chain(label))
    }
}

impl Apply<Pinned> for Counter {
    fn apply(&mut self, event: &Pinned, _meta: &EventMeta) {
        self.value += i64::try_from(event.number).expect("BUG: there are few events");
    }
}

/// Declares a boundary whose state is the numbers of its events, in order.
macro_rules! boundary {
    ($(#[$doc:meta])* $name:ident: $($event:ty [$($tag:literal),+]),+) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name {
            pub(crate) numbers: Vec<u64>,
        }

        impl Boundary for $name {
            const NAME: &'static str = stringify!($name);
            const EVENTS: &'static [BoundaryEvent<Self>] =
                &[$(BoundaryEvent::of::<$event>(&[$($tag),+])),+];
        }

        $(
            impl Apply<$event> for $name {
                fn apply(&mut self, event: &$event, _meta: &EventMeta) {
                    self.numbers.push(event.number);
                }
            }
        )+
    };
}

boundary! {
    /// Everything in a room.
    Room: Posted ["room"], Pinned ["room"]
}

boundary! {
    /// Everything with a label.
    Labelled: Posted ["label"], Pinned ["label"]
}

boundary! {
    /// Everything in a room that has a label.
    Shelf: Posted ["room", "label"], Pinned ["room", "label"]
}

boundary! {
    /// The posts of an owner.
    Owned: Posted ["owner"]
}

boundary! {
    /// The posts of an owner in a room, and all that is pinned there.
    Desk: Posted ["room", "owner"], Pinned ["room"]
}
