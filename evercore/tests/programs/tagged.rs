//! Tags and boundaries in all the places where they may be declared, in a crate that is strict about lints.
#![deny(warnings, unreachable_pub, unused_qualifications, unused_lifetimes)]
#![deny(clippy::all, clippy::pedantic)]
#![deny(unused_mut)]
#![forbid(deprecated, unreachable_patterns, irrefutable_let_patterns, unused_variables)]

use evercore::boundary::TagValues;
use evercore::{Apply, Boundary, Event, EventMeta, event};

/// Names that a pattern of the generated code could be mistaken for.
mod constants {
    #![expect(non_upper_case_globals, reason = "the names of variables")]

    use evercore::event;

    const tags: u8 = 1;
    const value: u8 = tags;

    #[event(tags(tags, value))]
    pub(crate) struct Named {
        pub(crate) tags: u8,
        pub(crate) value: u8,
    }

    pub(crate) const fn named() -> Named {
        Named { tags, value }
    }
}

/// Keywords, fields that are not there, and a name in serde's form that is no tag's.
#[event(tags(type, r#loop, "gift-card" = card, gone, either,))]
struct Shaped {
    r#type: u8,
    r#loop: Option<u8>,
    #[serde(rename = "voucher")]
    card: String,
    #[cfg(any())]
    gone: u8,
    #[cfg(any())]
    either: Vec<u8>,
    #[cfg(not(any()))]
    either: u8,
}

#[event(tags(gone))]
enum OnlyGone {
    #[cfg(any())]
    With {
        gone: u8,
    },
    Without(#[serde(default)] u8),
}

#[event(tags(to))]
enum One {
    Only { to: u8 },
}

macro_rules! tagged {
    ($event:ident, $field:ident: $ty:ty) => {
        #[event(tags($field, room))]
        struct $event {
            $field: $ty,
            room: u8,
        }

        #[derive(Boundary, Default)]
        #[boundary(key($field: $ty), events($event))]
        struct State {
            count: u8,
        }

        impl Apply<$event> for State {
            fn apply(&mut self, event: &$event, _: &EventMeta) {
                self.count += event.room;
            }
        }

        fn key_of_the_macro($field: $ty) -> evercore::boundary::BoundaryKey<State> {
            State::of($field)
        }
    };
}

tagged!(ByMacro, course: u8);

/// Two boundaries in one module, of which one is an enum, with the same events.
#[derive(Boundary, Debug, Default, PartialEq)]
#[boundary(key(r#type: u8, "gift-card" = card: String), events(Shaped(type, "gift-card")))]
#[boundary(name = "usage")]
enum Usage {
    #[default]
    Free,
    Used,
}

impl Apply<Shaped> for Usage {
    fn apply(&mut self, _: &Shaped, _: &EventMeta) {
        *self = Self::Used;
    }
}

mod nested {
    use evercore::{Apply, Boundary, EventMeta};

    /// Seen from outside of its module, like its key.
    #[derive(Boundary, Default)]
    #[boundary(key(r#loop: u8), events(super::Shaped))]
    pub(super) struct Loops(pub(super) u8);

    impl Apply<super::Shaped> for Loops {
        fn apply(&mut self, _: &super::Shaped, _: &EventMeta) {
            self.0 += 1;
        }
    }
}

fn tags(event: &impl Event) -> Vec<String> {
    event.tags().expect("valid tags").iter().map(str::to_owned).collect()
}

fn shaped() -> Shaped {
    Shaped { r#type: 1, r#loop: Some(2), card: "x".to_owned(), either: 3 }
}

#[test]
fn tags_are_those_of_the_fields_that_are_there() {
    assert_eq!(tags(&shaped()), ["either:3", "gift-card:x", "loop:2", "type:1"]);
    let declared: Vec<_> = Shaped::TAGS.iter().map(|tag| (tag.name, tag.values)).collect();
    let expected = [
        ("type", TagValues::One),
        ("loop", TagValues::Optional),
        ("gift-card", TagValues::One),
        // The field is a list under the other condition, which the macro cannot judge.
        ("either", TagValues::Many),
    ];
    assert_eq!(declared, expected);
    assert!(OnlyGone::TAGS.is_empty() && tags(&OnlyGone::Without(1)).is_empty());
    assert_eq!(tags(&One::Only { to: 1 }), ["to:1"]);
    assert_eq!(tags(&constants::named()), ["tags:1", "value:1"]);
    assert_eq!(tags(&ByMacro { course: 1, room: 2 }), ["course:1", "room:2"]);
}

#[tokio::test]
async fn boundaries_are_read_by_the_tags_of_their_keys() -> Result<(), evercore::Error> {
    let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
    store
        .with_context(async |ctx| {
            ctx.emit(shaped())?;
            ctx.emit(ByMacro { course: 1, room: 2 })
        })
        .await?;
    let keys = async |ctx: &mut evercore::Context| {
        let keys =
            (Usage::of(1, "x"), Usage::of(1, "y"), nested::Loops::of(2), key_of_the_macro(1));
        ctx.read(keys).await
    };
    let (used, free, loops, state) = store.with_context(keys).await?;
    assert_eq!((used, free, loops.0, state.count), (Usage::Used, Usage::Free, 1, 2));
    Ok(())
}
