//! Attributes with a condition count only if the condition holds.

use evercore::{Aggregate, Apply, Event, EventMeta, event, retired_event, state_event};

use crate::store::{recorded, state_after};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
#[cfg_attr(all(), derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(all(), aggregate(name = "conditions.shelf", snapshot_every = 2))]
#[cfg_attr(any(), aggregate(name = "conditions.another"))]
struct Shelf {
    label: String,
    note: Option<String>,
    #[cfg(any())]
    nowhere: Missing,
}

/// Serde's derives have conditions, one of which does not hold.
#[cfg_attr(all(), event(aggregate = Shelf, name = "conditions.filled"))]
#[cfg_attr(any(), event(aggregate = Shelf, name = "conditions.never"))]
#[cfg_attr(all(), derive(Debug, PartialEq, serde::Serialize))]
#[cfg_attr(any(), derive(serde::Deserialize))]
#[cfg_attr(all(), serde(rename_all = "UPPERCASE"))]
struct Filled {
    #[cfg_attr(all(), serde(default))]
    books: u8,
    #[cfg_attr(any(), serde(skip))]
    #[cfg_attr(all(), cfg_attr(all(), serde(rename = "n")))]
    number: u8,
    #[cfg(any())]
    nowhere: Missing,
    #[cfg_attr(all(), cfg(any()))]
    nowhere_either: Missing,
}

#[event(aggregate = Shelf, name = "conditions.moved")]
#[derive(Debug, PartialEq)]
enum Moved {
    #[cfg(any())]
    Nowhere(Missing),
    #[cfg_attr(all(), serde(rename = "up"))]
    Up {
        #[cfg_attr(all(), serde(rename = "by"))]
        steps: u8,
        note: Option<Option<u8>>,
    },
    #[cfg_attr(any(), cfg(any()))]
    Down(u8),
}

#[state_event(aggregate = Shelf, name = "conditions.labelled")]
#[derive(Debug, PartialEq)]
struct Labelled {
    label: String,
    #[cfg_attr(all(), state(skip))]
    reason: String,
    /// `serde(with)` counts only if its condition holds.
    #[cfg_attr(any(), serde(with = "missing"))]
    #[cfg_attr(any(), state(skip))]
    note: Option<Option<String>>,
    #[cfg_attr(all(), cfg(any()))]
    nowhere: Missing,
}

#[state_event(aggregate = Shelf, name = "conditions.noted")]
#[derive(Debug, PartialEq)]
struct Noted {
    #[cfg_attr(all(), serde(with = "own_way", default))]
    #[cfg_attr(any(), state(skip))]
    note: Option<Option<String>>,
}

#[retired_event(aggregate = Shelf, name = "conditions.emptied")]
#[cfg_attr(all(), derive(serde::Deserialize), serde(crate = "serde"))]
struct Emptied {
    #[cfg_attr(all(), serde(default))]
    _books: u8,
}

/// Writes an absent value as a special word.
mod own_way {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        note: &Option<Option<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        note.as_ref().map_or("left", |note| note.as_deref().unwrap_or("none")).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<String>>, D::Error> {
        Ok(match &*String::deserialize(deserializer)? {
            "left" => None,
            "none" => Some(None),
            note => Some(Some(note.to_owned())),
        })
    }
}

impl Apply<Filled> for Shelf {
    fn apply(&mut self, _: &Filled, _: &EventMeta) {}
}

impl Apply<Moved> for Shelf {
    fn apply(&mut self, _: &Moved, _: &EventMeta) {}
}

#[test]
fn the_conditions_that_hold_make_the_declaration() {
    assert_eq!((Shelf::NAME, Filled::NAME), ("conditions.shelf", "conditions.filled"));
    assert!(Shelf::SNAPSHOTS.is_some());
    let registry = evercore::Registry::linked().expect("all names differ");
    assert!(!registry.knows("conditions.shelf", "conditions.never", 1));
}

#[test]
fn a_shape_holds_the_attributes_whose_conditions_hold() {
    let parts =
        |shape: Option<evercore::evolution::Shape>| shape.expect("the macro describes it").parts();
    assert_eq!(
        parts(Filled::SHAPE),
        [
            ("#[serde(rename_all = \"UPPERCASE\")]", ""),
            ("books", "u8"),
            ("books", "#[serde(default)]"),
            ("number", "u8"),
            ("number", "#[serde(rename = \"n\")]"),
        ]
    );
    assert_eq!(
        parts(Moved::SHAPE),
        [
            ("Up {}", ""),
            ("Up {}", "#[serde(rename = \"up\")]"),
            ("Up.steps", "u8"),
            ("Up.steps", "#[serde(rename = \"by\")]"),
            ("Up.note", "Option<Option<u8>>"),
            ("Down()", ""),
            ("Down.0", "u8"),
        ]
    );
    assert_eq!(
        parts(Noted::SHAPE),
        [("note", "Option<Option<String>>"), ("note", "#[serde(with = \"own_way\", default)]"),]
    );
}

#[tokio::test]
async fn events_are_written_as_the_conditions_say() {
    let events = recorded::<Shelf>(|ctx, shelf| {
        ctx.apply(shelf, Filled { books: 1, number: 2 })?;
        ctx.apply(shelf, Moved::Up { steps: 3, note: Some(None) })?;
        ctx.apply(shelf, Moved::Down(1))?;
        let (label, reason) = ("poems".to_owned(), "order".to_owned());
        ctx.apply(shelf, Labelled { label, reason, note: Some(None) })?;
        ctx.apply(shelf, Noted { note: Some(None) })
    })
    .await;
    let texts: Vec<&str> = events
        .iter()
        .map(|event| std::str::from_utf8(event.payload().bytes()).expect("JSON is text"))
        .collect();
    assert_eq!(
        texts,
        [
            r#"{"BOOKS":1,"n":2}"#,
            r#"{"up":{"by":3,"note":null}}"#,
            r#"{"Down":1}"#,
            r#"{"label":"poems","reason":"order","note":null}"#,
            r#"{"note":"none"}"#,
        ]
    );
    let filled: Filled = events[0].decode().expect("it decodes");
    assert_eq!(filled, Filled { books: 1, number: 2 });
}

#[tokio::test]
async fn a_field_is_copied_unless_a_condition_that_holds_skips_it() {
    let shelf = state_after::<Shelf>(|ctx, shelf| {
        let (label, reason) = ("poems".to_owned(), "order".to_owned());
        let note = Some(Some("heavy".to_owned()));
        ctx.apply(shelf, Labelled { label, reason, note })
    })
    .await;
    assert_eq!(shelf, Shelf { label: "poems".to_owned(), note: Some("heavy".to_owned()) });

    let shelf = state_after::<Shelf>(|ctx, shelf| {
        ctx.apply(shelf, Noted { note: Some(Some("light".to_owned())) })
    })
    .await;
    assert_eq!(shelf.note.as_deref(), Some("light"));
}
