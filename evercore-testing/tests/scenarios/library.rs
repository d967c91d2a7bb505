//! A library that lends books.

use chrono::{DateTime, TimeDelta, Utc};
use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, EventOptions, event, state_event};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
#[aggregate(name = "book")]
pub(crate) struct Book {
    pub(crate) title: String,
    pub(crate) lent_to: Option<String>,
    pub(crate) due: Option<DateTime<Utc>>,
    pub(crate) times_lent: u32,
}

#[state_event(aggregate = Book, name = "book-bought")]
pub(crate) struct BookBought {
    pub(crate) title: String,
}

#[event(aggregate = Book, name = "book-lent")]
pub(crate) struct BookLent {
    pub(crate) to: Reader,
    pub(crate) due: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) cards: Vec<u32>,
}

#[event(aggregate = Book, name = "book-returned")]
pub(crate) struct BookReturned;

#[event(aggregate = Book, name = "fine-due")]
pub(crate) struct FineDue {
    pub(crate) cents: u32,
}

impl Apply<BookLent> for Book {
    fn apply(&mut self, event: &BookLent, _meta: &EventMeta) {
        self.lent_to = Some(event.to.name.clone());
        self.due = Some(event.due);
        self.times_lent += 1;
    }
}

impl Apply<BookReturned> for Book {
    fn apply(&mut self, _event: &BookReturned, _meta: &EventMeta) {
        self.lent_to = None;
        self.due = None;
    }
}

impl Apply<FineDue> for Book {
    fn apply(&mut self, _event: &FineDue, _meta: &EventMeta) {}
}

pub(crate) struct Lend {
    pub(crate) to: &'static str,
}

pub(crate) struct Return {
    pub(crate) desk: Option<&'static str>,
}

/// Buys this many copies of books that were never returned.
pub(crate) struct Replace {
    pub(crate) titles: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum LibraryError {
    AlreadyLent { to: String },
    NotLent,
}

impl Decide<Lend> for Book {
    type Error = LibraryError;

    fn decide(book: &mut Decision<'_, Self>, command: &Lend) -> Result<(), LibraryError> {
        if let Some(to) = book.lent_to.clone() {
            return Err(LibraryError::AlreadyLent { to });
        }
        let to = Reader { name: command.to.to_owned(), cards: vec![7, 8] };
        let due = book.now() + TimeDelta::days(21);
        book.emit(BookLent { to, due });
        Ok(())
    }
}

impl Decide<Return> for Book {
    type Error = LibraryError;

    fn decide(book: &mut Decision<'_, Self>, command: &Return) -> Result<(), LibraryError> {
        let due = book.due.ok_or(LibraryError::NotLent)?;
        let mut options = EventOptions::new();
        if let Some(desk) = command.desk {
            options = options.reference(desk);
        }
        book.emit_with(BookReturned, options);
        let late = (book.now() - due).num_days();
        if late > 0 {
            let days = u32::try_from(late).expect("readers do not live that long");
            book.emit(FineDue { cents: 50 * days });
        }
        Ok(())
    }
}

impl Decide<Replace> for Book {
    type Error = std::convert::Infallible;

    fn decide(book: &mut Decision<'_, Self>, command: &Replace) -> Result<(), Self::Error> {
        for title in &command.titles {
            book.emit(BookBought { title: title.clone() });
        }
        Ok(())
    }
}

/// An event whose encoding cannot be decoded again.
#[event(aggregate = Book, name = "book-lost")]
pub(crate) struct BookLost {
    #[serde(with = "one_way")]
    pub(crate) at: u32,
}

impl Apply<BookLost> for Book {
    fn apply(&mut self, _event: &BookLost, _meta: &EventMeta) {}
}

pub(crate) struct Lose;

impl Decide<Lose> for Book {
    type Error = LibraryError;

    fn decide(book: &mut Decision<'_, Self>, _command: &Lose) -> Result<(), LibraryError> {
        book.emit(BookLost { at: 3 });
        Ok(())
    }
}

mod one_way {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        u32::deserialize(deserializer)
    }
}

pub(crate) fn day(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(number)
}

pub(crate) fn bought() -> BookBought {
    BookBought { title: "Faust".into() }
}

pub(crate) fn lent_to(name: &str, due: i64) -> BookLent {
    BookLent { to: Reader { name: name.into(), cards: vec![7, 8] }, due: day(due) }
}
