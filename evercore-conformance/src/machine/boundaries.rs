//! The tags of random events, and the boundaries that random commands read.

use std::sync::Arc;

use evercore::boundary::{Boundary, BoundaryKey, Tag};
use evercore::engine::{StoredEvent, TagAtom, TagQuery};
use evercore::{Aggregate, Context, Event, Position, ReadContext, Result};
use evercore_testing::model::Logged;

use crate::domain::counter::Counter;
use crate::domain::posts::{Desk, Labelled, Owned, Pinned, Posted, Room, Shelf};

/// The tags of an event. There are few values, so that boundaries meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) room: u8,
    pub(super) owner: Option<u8>,
    pub(super) labels: Vec<u8>,
}

/// A boundary with the values of its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Room {
        room: u8,
    },
    /// Two rooms in one state.
    Rooms {
        room: u8,
        other: u8,
    },
    Labelled {
        label: u8,
    },
    Shelf {
        room: u8,
        label: u8,
    },
    Owned {
        owner: u8,
    },
    Desk {
        room: u8,
        owner: u8,
    },
}

/// A read of a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) question: Question,
    /// Whether the commit rests on the answer.
    pub(super) guarded: bool,
}

/// Calls a generic function with the key of a question.
macro_rules! with_key {
    ($question:expr, $key:ident => $call:expr) => {
        match $question {
            Question::Room { room } => {
                let $key = key::<Room>([("room", room)]);
                $call
            }
            Question::Rooms { room, other } => {
                let $key = key::<Room>([("room", room)]).or(key([("room", other)]));
                $call
            }
            Question::Labelled { label } => {
                let $key = key::<Labelled>([("label", label)]);
                $call
            }
            Question::Shelf { room, label } => {
                let $key = key::<Shelf>([("label", label), ("room", room)]);
                $call
            }
            Question::Owned { owner } => {
                let $key = key::<Owned>([("owner", owner)]);
                $call
            }
            Question::Desk { room, owner } => {
                let $key = key::<Desk>([("room", room), ("owner", owner)]);
                $call
            }
        }
    };
}

impl Labels {
    pub(super) fn posted(&self, number: u64) -> Posted {
        let Self { room, owner, labels } = self.clone();
        Posted { number, room, owner, labels }
    }

    /// Makes an event of an aggregate, which has no owner and at most one label.
    pub(super) fn pinned(&self, number: u64) -> Pinned {
        Pinned { number, room: self.room, label: self.labels.first().copied() }
    }

    /// Returns the tags of [`posted`](Self::posted).
    pub(super) fn of_post(&self) -> Vec<String> {
        let room = [text("room", self.room)].into_iter();
        let owner = self.owner.map(|owner| text("owner", owner));
        room.chain(owner).chain(self.labels.iter().map(|label| text("label", *label))).collect()
    }

    /// Returns the tags of [`pinned`](Self::pinned).
    pub(super) fn of_pin(&self) -> Vec<String> {
        let label = self.labels.first().map(|label| text("label", *label));
        [text("room", self.room)].into_iter().chain(label).collect()
    }
}

impl Question {
    /// Returns every question with values below these.
    pub(super) fn all(rooms: u8, labels: u8, owners: u8) -> Vec<Self> {
        let mut all = Vec::new();
        for room in 0..rooms {
            all.push(Self::Room { room });
            all.push(Self::Rooms { room, other: (room + 1) % rooms });
            all.extend((0..labels).map(|label| Self::Shelf { room, label }));
            all.extend((0..owners).map(|owner| Self::Desk { room, owner }));
        }
        all.extend((0..labels).map(|label| Self::Labelled { label }));
        all.extend((0..owners).map(|owner| Self::Owned { owner }));
        all
    }

    /// Returns whether an event is part of the answer.
    pub(super) fn selects(self, event: &Logged<u64>) -> bool {
        match self {
            Self::Room { room } => event.has(&text("room", room)),
            Self::Rooms { room, other } => {
                event.has(&text("room", room)) || event.has(&text("room", other))
            }
            Self::Labelled { label } => event.has(&text("label", label)),
            Self::Shelf { room, label } => {
                event.has(&text("room", room)) && event.has(&text("label", label))
            }
            Self::Owned { owner } => event.has(&text("owner", owner)),
            Self::Desk { room, owner } => {
                let is_pin = event.kind == Counter::NAME;
                event.has(&text("room", room)) && (is_pin || event.has(&text("owner", owner)))
            }
        }
    }

    /// Returns the boundary and its tags, as an error of the store names them.
    pub(super) fn name(self) -> String {
        named(self.boundary(), &self.query().tags())
    }

    fn boundary(self) -> &'static str {
        match self {
            Self::Room { .. } | Self::Rooms { .. } => Room::NAME,
            Self::Labelled { .. } => Labelled::NAME,
            Self::Shelf { .. } => Shelf::NAME,
            Self::Owned { .. } => Owned::NAME,
            Self::Desk { .. } => Desk::NAME,
        }
    }

    /// Returns the query that the store should send, written out.
    pub(super) fn query(self) -> Arc<TagQuery> {
        let (post, pin) = (stored::<Posted>(), stored::<Pinned>());
        let both = vec![post.clone(), pin.clone()];
        let atoms = match self {
            Self::Room { room } => vec![atom(both, &[("room", room)])],
            Self::Rooms { room, other } => {
                vec![atom(both.clone(), &[("room", room)]), atom(both, &[("room", other)])]
            }
            Self::Labelled { label } => vec![atom(both, &[("label", label)])],
            Self::Shelf { room, label } => vec![atom(both, &[("room", room), ("label", label)])],
            Self::Owned { owner } => vec![atom(vec![post], &[("owner", owner)])],
            Self::Desk { room, owner } => vec![
                atom(vec![pin], &[("room", room)]),
                atom(vec![post], &[("room", room), ("owner", owner)]),
            ],
        };
        Arc::new(TagQuery { atoms })
    }
}

impl Ask {
    /// Reads the numbers of the events in a context, whose commit may rest on them.
    pub(super) async fn read(self, ctx: &mut Context) -> Result<Vec<u64>> {
        with_key!(self.question, key => {
            let key = if self.guarded { key } else { key.unguarded() };
            Ok(ctx.read(key).await?.numbers)
        })
    }
}

/// Reads the numbers of the events up to a position.
pub(super) async fn read_as_of(
    ctx: &ReadContext,
    question: Question,
    as_of: Position,
) -> Result<Vec<u64>> {
    with_key!(question, key => Ok(ctx.read_as_of(key, as_of).await?.numbers))
}

/// Joins the name of a boundary and its tags.
pub(super) fn named(boundary: &str, tags: &str) -> String {
    format!("{boundary} of {tags}")
}

fn text(name: &str, value: u8) -> String {
    format!("{name}:{value}")
}

pub(super) fn tag(name: &str, value: u8) -> Tag {
    Tag::new(name, value).expect("BUG: it is short")
}

fn key<B: Boundary>(tags: impl IntoIterator<Item = (&'static str, u8)>) -> BoundaryKey<B> {
    BoundaryKey::new(tags.into_iter().map(|(name, value)| Tag::new(name, value)))
}

fn atom(types: Vec<StoredEvent>, tags: &[(&str, u8)]) -> TagAtom {
    TagAtom { types, tags: tags.iter().map(|(name, value)| tag(name, *value)).collect() }
}

fn stored<E: Event>() -> StoredEvent {
    StoredEvent { aggregate: E::Aggregate::NAME.into(), event: E::NAME.into() }
}
