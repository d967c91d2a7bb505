//! Scenarios that pass.

use evercore::{Apply, EventDraft, EventMeta, EventOptions, Metadata, Registry, Result, event};
use evercore_testing::Scenario;
use serde_json::json;

use crate::library::{
    Book, BookBought, BookReturned, FineDue, Lend, LibraryError, Replace, Return, bought, day,
    lent_to,
};

#[test]
fn a_command_is_decided_on_what_has_happened() {
    Scenario::<Book>::given([bought()])
        .when(Lend { to: "Ada" })
        .then([lent_to("Ada", 21)])
        .then_state(|book| assert_eq!(book.lent_to.as_deref(), Some("Ada")));
}

#[test]
fn a_command_that_breaks_a_rule_is_rejected_and_changes_nothing() {
    Scenario::<Book>::given((bought(), lent_to("Ada", 21)))
        .when(Lend { to: "Grace" })
        .then_rejected(LibraryError::AlreadyLent { to: "Ada".into() })
        .then_state(|book| assert_eq!(book.lent_to.as_deref(), Some("Ada")))
        .when(Return { desk: None })
        .then([BookReturned]);
}

#[test]
fn several_commands_follow_each_other() {
    Scenario::<Book>::new()
        .when(Lend { to: "Ada" })
        .then([lent_to("Ada", 21)])
        .at(day(24))
        .when(Return { desk: None })
        .then((BookReturned, FineDue { cents: 150 }))
        .when(Return { desk: None })
        .then_rejected_as(|error| assert_eq!(*error, LibraryError::NotLent))
        .when(Lend { to: "Grace" })
        .then([lent_to("Grace", 45)])
        .then_state(|book| assert_eq!(book.times_lent, 2));
}

#[test]
fn nothing_to_do_is_no_rejection() {
    Scenario::<Book>::new().when(Replace { titles: Vec::new() }).then_nothing().then(());
}

#[test]
fn a_snapshot_is_where_the_events_go_on() {
    let state = Book { times_lent: 41, ..Book::default() };
    Scenario::given_snapshot(120, state.clone())
        .and([lent_to("Ada", 21)])
        .when(Return { desk: None })
        .then([BookReturned])
        .then_state(|book| assert_eq!(book.times_lent, 42))
        .when(Return { desk: None })
        .then_rejected(LibraryError::NotLent)
        .then_state(|book| assert_eq!(book.times_lent, 42));
}

#[test]
fn drafts_say_what_is_to_be_beside_an_event() {
    let at_desk = EventOptions::new().reference("desk 2");
    Scenario::<Book>::given([lent_to("Ada", 21)])
        .when(Return { desk: Some("desk 2") })
        .then([EventDraft::from(BookReturned).with(at_desk)]);
}

#[test]
fn times_and_metadata_are_those_of_the_scenario() {
    /// An event whose `Apply` stores the metadata in the state.
    #[event(aggregate = Book, name = "book-marked")]
    struct BookMarked;

    impl Apply<BookMarked> for Book {
        fn apply(&mut self, _event: &BookMarked, meta: &EventMeta) {
            let principal = meta.metadata().principal_id().unwrap_or_default();
            self.title =
                format!("{} {} {principal}", meta.aggregate_id(), meta.event_time().timestamp());
        }
    }

    Scenario::<Book>::new()
        .with_id(17)
        .at(day(1))
        .with_metadata(Metadata::new().principal("ada"))
        .and([BookMarked])
        .when(Lend { to: "Ada" })
        .then([lent_to("Ada", 22)])
        .then_state(|book| assert_eq!(book.title, "17 86400 ada"));
}

#[test]
fn events_of_older_programs_are_given_as_they_are_stored() {
    Scenario::<Book>::new()
        .and_stored("book-bought", 1, &json!({ "title": "Faust", "shelf": 3 }))
        .when(Lend { to: "Ada" })
        .then([lent_to("Ada", 21)])
        .then_state(|book| assert_eq!(book.title, "Faust"));
}

#[test]
fn a_registry_can_be_named() -> Result<()> {
    let registry = Registry::builder().event::<BookBought>().build()?;
    Scenario::<Book>::with_registry(registry)
        .when(Replace { titles: vec!["Faust".into(), "Emma".into()] })
        .then([bought(), BookBought { title: "Emma".into() }]);
    Ok(())
}
