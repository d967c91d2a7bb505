//! The messages of scenarios that fail. `UPDATE_EXPECT=1` updates them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use evercore::{Apply, Decide, Decision, EventDraft, EventMeta, EventOptions, Metadata, event};
use evercore_testing::{Recording, Scenario};
use expect_test::{Expect, expect};
use serde_json::json;

use crate::library::{
    Book, BookBought, BookLent, BookReturned, FineDue, Lend, LibraryError, Lose, Reader, Replace,
    Return, bought, day, lent_to,
};

#[event(aggregate = Book, name = "book-weighed")]
struct BookWeighed {
    grams: f64,
}

/// Nested options that the macro does not see.
#[event(aggregate = Book, name = "book-measured")]
struct BookMeasured {
    grams: Measure,
}

type Measure = Option<Option<u32>>;

struct Weigh {
    grams: Measure,
}

impl Apply<BookWeighed> for Book {
    fn apply(&mut self, _: &BookWeighed, _: &EventMeta) {}
}

impl Apply<BookMeasured> for Book {
    fn apply(&mut self, _: &BookMeasured, _: &EventMeta) {}
}

impl Decide<Weigh> for Book {
    type Error = LibraryError;

    fn decide(book: &mut Decision<'_, Self>, command: &Weigh) -> Result<(), LibraryError> {
        book.emit(BookMeasured { grams: command.grams });
        Ok(())
    }
}

/// Asserts the message with which a scenario panics.
pub(crate) fn assert_says(scenario: impl FnOnce(), expected: &Expect) {
    let panic = catch_unwind(AssertUnwindSafe(scenario)).expect_err("it does not hold");
    let said = panic.downcast_ref::<String>().expect("a message that was put together");
    expected.assert_eq(&format!("{}\n", said.trim_end()));
}

#[test]
fn a_field_that_differs_is_named() {
    let wrong = BookLent { to: Reader { name: "Grace".into(), cards: vec![7] }, due: day(14) };
    assert_says(
        || {
            Scenario::<Book>::given([bought()]).when(Lend { to: "Ada" }).then([wrong]);
        },
        &expect![[r#"
            Lend: the events are not the expected ones

              book-lent: due: expected "1970-01-15T00:00:00Z", got "1970-01-22T00:00:00Z"
              book-lent: to.cards[1]: expected nothing, got 8
              book-lent: to.name: expected "Grace", got "Ada"
        "#]],
    );
}

#[test]
fn events_that_are_missing_or_too_many_are_named() {
    assert_says(
        || {
            Scenario::<Book>::given([lent_to("Ada", 21)])
                .at(day(23))
                .when(Return { desk: None })
                .then((bought(), BookReturned));
        },
        &expect![[r#"
            Return: the events are not the expected ones

              book-bought: expected {"title":"Faust"}, did not happen
              fine-due: not expected, got {"cents":100}
        "#]],
    );
}

#[test]
fn one_of_several_of_a_name_is_numbered() {
    let title = |title: &str| BookBought { title: title.into() };
    assert_says(
        || {
            Scenario::<Book>::new()
                .when(Replace { titles: vec!["Faust".into(), "Emma".into()] })
                .then([title("Faust"), title("Emil")]);
        },
        &expect![[r#"
            Replace: the events are not the expected ones

              book-bought #2: title: expected "Emil", got "Emma"
        "#]],
    );
}

#[test]
fn events_in_another_order_are_not_the_same() {
    assert_says(
        || {
            Scenario::<Book>::given([lent_to("Ada", 21)])
                .at(day(22))
                .when(Return { desk: None })
                .then((FineDue { cents: 50 }, BookReturned));
        },
        &expect![[r#"
            Return: the events are not the expected ones

              fine-due: expected {"cents":50}, did not happen
              fine-due: not expected, got {"cents":50}
        "#]],
    );
}

#[test]
fn metadata_of_events_are_compared() {
    let options =
        EventOptions::new().at(day(1)).metadata(Metadata::new().principal("ada").correlation("c"));
    assert_says(
        || {
            Scenario::<Book>::given([lent_to("Ada", 21)])
                .when(Return { desk: Some("desk 2") })
                .then([EventDraft::from(BookReturned).with(options)]);
        },
        &expect![[r#"
            Return: the events are not the expected ones

              book-returned: correlation: expected "c", got nothing
              book-returned: event time: expected "1970-01-02T00:00:00Z", got "1970-01-01T00:00:00Z"
              book-returned: metadata: expected {"principal":"ada"}, got nothing
              book-returned: reference: expected nothing, got "desk 2"
        "#]],
    );
}

/// Also in a release build.
#[test]
fn an_event_that_would_not_come_back_is_no_event() {
    assert_says(
        || drop(Scenario::<Book>::given([BookWeighed { grams: f64::NAN }])),
        &expect![[r#"
            `book-weighed` would not be read back unchanged: in JSON, `grams` holds NaN, but is read as an error (the payload does not fit at `grams`: invalid type: null, expected f64 at line 1 column 13); use a type that reads back what it writes or, for an event, a codec that preserves the value
        "#]],
    );
    assert_says(
        || {
            Scenario::<Book>::new()
                .when(Weigh { grams: Some(None) })
                .then([BookMeasured { grams: Some(None) }]);
        },
        &expect![[r#"
            book-measured cannot be encoded: in JSON, `grams` holds Some(None), but is read as None
        "#]],
    );
}

#[test]
fn a_rejection_in_place_of_events_says_why() {
    assert_says(
        || {
            Scenario::<Book>::new().when(Return { desk: None }).then([BookReturned]);
        },
        &expect![[r#"
            Return: expected to be accepted, was rejected: NotLent
        "#]],
    );
}

#[test]
fn events_in_place_of_a_rejection_are_listed() {
    assert_says(
        || {
            Scenario::<Book>::given([lent_to("Ada", 21)])
                .when(Return { desk: None })
                .then_rejected(LibraryError::NotLent);
        },
        &expect![[r#"
            Return: expected NotLent, was accepted

              book-returned: null
        "#]],
    );
    assert_says(
        || {
            Scenario::<Book>::new()
                .when(Replace { titles: Vec::new() })
                .then_rejected_as(|error| match *error {});
        },
        &expect![[r#"
            Replace: expected a rejection, was accepted

              nothing happened
        "#]],
    );
}

#[test]
fn another_rejection_is_compared() {
    assert_says(
        || {
            Scenario::<Book>::given([lent_to("Ada", 21)])
                .when(Lend { to: "Grace" })
                .then_rejected(LibraryError::AlreadyLent { to: "Grace".into() });
        },
        &expect![[r#"
            Lend: rejected for another reason

              expected AlreadyLent { to: "Grace" }
              got AlreadyLent { to: "Ada" }
        "#]],
    );
}

#[test]
fn an_unexpected_rejection_fails_the_next_step() {
    assert_says(
        || {
            Scenario::<Book>::new()
                .when(Return { desk: None })
                .when(Lend { to: "Ada" })
                .then([lent_to("Ada", 21)]);
        },
        &expect![[r#"
            Return: expected to be accepted, was rejected: NotLent
        "#]],
    );
    assert_says(
        || {
            Scenario::<Book>::new().when(Return { desk: None }).then_state(|_| {});
        },
        &expect![[r#"
            Return: expected to be accepted, was rejected: NotLent
        "#]],
    );
}

#[test]
fn an_event_that_cannot_be_read_back_fails_though_it_was_decided() {
    assert_says(
        || {
            let _ = Scenario::<Book>::new().when(Lose);
        },
        &expect![[r#"
            book-lost cannot be encoded: in JSON, `at` holds "3", but is read as an error (the payload does not fit at `at`: invalid type: string "3", expected u32 at line 1 column 9)
        "#]],
    );
}

#[test]
fn a_given_event_that_cannot_be_read_is_named() {
    assert_says(
        || {
            let _ = Scenario::<Book>::new().and_stored("book-bought", 1, &json!({ "title": 17 }));
        },
        &expect![[r#"
            the events cannot be read back: event `book-bought` version 1 at position 1 (book 1, sequence 1) does not fit `scenarios::library::BookBought` at field `title`; give the type a new version if its shape changed: the payload does not fit at `title`: invalid type: integer `17`, expected a string at line 1 column 11
        "#]],
    );
    assert_says(
        || {
            let _ = Scenario::<Book>::new().and_stored("book-bought", 2, &json!({}));
        },
        &expect![[r#"
            the events cannot be read back: event `book-bought` version 2 at position 1 (book 1, sequence 1) has no registered type; check that the crate that defines the type is linked into this program
        "#]],
    );
}

#[test]
fn an_event_that_cannot_be_stored_cannot_be_given() {
    let empty = EventOptions::new().reference("");
    assert_says(
        || {
            let _ = Scenario::<Book>::given([EventDraft::from(BookReturned).with(empty.clone())]);
        },
        &expect![[r#"
            the metadata cannot be stored: the reference is empty; omit it instead
        "#]],
    );
    assert_says(
        || {
            let _ = Recording::new().event_with(1, BookReturned, empty);
        },
        &expect![[r#"
            book-returned cannot be recorded: the metadata cannot be stored: the reference is empty; omit it instead
        "#]],
    );
    assert_says(
        || {
            let _ = Recording::new().event(0, BookReturned);
        },
        &expect![[r#"
            0 is not a valid aggregate id: the minimum is 1
        "#]],
    );
}
