//! The bounds that events put on the types of their fields reject no type that serde can write and read.
#![expect(unreachable_pub, reason = "events of libraries are public, with private field types")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use evercore::{Aggregate, Apply, EventMeta, event};
use serde::{Deserialize, Serialize};

use crate::store::recorded;

#[derive(Aggregate, Clone, Default)]
pub struct Bookcase;

trait Kind {
    type Label;
}

struct Book;

impl Kind for Book {
    type Label = Cow<'static, str>;
}

/// A private type in a public event.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Size(u8);

/// Holds itself, directly and through a type of another shape.
#[event(aggregate = Bookcase)]
#[derive(Debug, PartialEq)]
pub struct Filled {
    inner: Vec<Filled>,
    next: Option<Box<Self>>,
    parts: Vec<Part>,
    label: <Book as Kind>::Label,
    size: (Size, [Size; 2]),
    #[cfg(any())]
    absent: NoSuchType,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Part {
    filled: Vec<Filled>,
}

mod shapes {
    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    pub(crate) struct Depth(pub(crate) u8);
}

macro_rules! measured {
    ($name:ident, $number:ty) => {
        #[event(aggregate = Bookcase)]
        #[derive(Debug, PartialEq)]
        #[serde(tag = "how")]
        enum $name {
            Deep { depth: $crate::field_types::shapes::Depth },
            Wide { widths: BTreeMap<String, $number> },
        }
    };
}

measured!(Measured, Option<i16>);

impl Apply<Filled> for Bookcase {
    fn apply(&mut self, _: &Filled, _: &EventMeta) {}
}

impl Apply<Measured> for Bookcase {
    fn apply(&mut self, _: &Measured, _: &EventMeta) {}
}

fn filled(inner: Vec<Filled>, parts: Vec<Part>) -> Filled {
    let (label, size) = (Cow::Borrowed("a"), (Size(1), [Size(2), Size(3)]));
    Filled { inner, next: None, parts, label, size }
}

fn wide() -> Measured {
    Measured::Wide { widths: BTreeMap::from([("left".to_owned(), Some(7))]) }
}

#[tokio::test]
async fn fields_of_all_kinds_of_types_are_read_back() {
    let part = || Part { filled: vec![filled(Vec::new(), Vec::new())] };
    let nested = || filled(vec![filled(Vec::new(), vec![part()])], vec![part()]);
    let events = recorded::<Bookcase>(|ctx, bookcase| {
        ctx.apply(bookcase, nested())?;
        ctx.apply(bookcase, wide())?;
        ctx.apply(bookcase, Measured::Deep { depth: shapes::Depth(4) })
    })
    .await;
    assert_eq!(events[0].decode::<Filled>().expect("it is one"), nested());
    assert_eq!(events[1].decode::<Measured>().expect("it is one"), wide());
    let deep = Measured::Deep { depth: shapes::Depth(4) };
    assert_eq!(events[2].decode::<Measured>().expect("it is one"), deep);
}
