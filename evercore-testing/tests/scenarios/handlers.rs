//! Handlers and routers on events that a test has written.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use evercore::{
    Batch, Error, EventOptions, Handler, HandlerError, Metadata, Position, Received, RecordedEvent,
    Router, Sequence, each,
};
use evercore_testing::{Recording, Scenario};
use expect_test::expect;
use serde_json::json;

use crate::failures::assert_says;
use crate::library::{Book, BookLent, BookReturned, FineDue, bought, day, lent_to};

/// A projection with state.
#[derive(Clone, Default)]
struct LentNow(i64);

impl Handler for LentNow {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        for event in &batch {
            if event.is::<BookLent>() {
                self.0 += 1;
            } else if event.is::<BookReturned>() {
                self.0 -= 1;
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_with_a_state_is_looked_at_afterwards() {
    let mut lent = LentNow::default();
    Recording::new()
        .event(1, bought())
        .event(1, lent_to("Ada", 21))
        .event(2, lent_to("Grace", 21))
        .event(1, BookReturned)
        .handled_by(&mut lent)
        .await
        .then_handled();
    assert_eq!(lent.0, 1);
}

#[tokio::test]
async fn a_router_is_given_events_as_a_subscription_would() {
    let fines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&fines);
    let mut router = Router::new().on(async move |fine: Received<FineDue>| {
        seen.lock().expect("no test has failed").push((fine.recorded().id(), fine.cents));
        Ok::<_, Infallible>(())
    });

    Recording::new()
        .event(1, BookReturned)
        .event(1, FineDue { cents: 50 })
        .event(2, FineDue { cents: 100 })
        .stored(("book", 2), ("fine-due", 1), &json!({ "cents": 150 }))
        .handled_by(&mut router)
        .await
        .then_handled();

    let fines = fines.lock().expect("no test has failed");
    assert_eq!(*fines, [("1/2".into(), 50), ("2/1".into(), 100), ("2/2".into(), 150)]);
}

#[test]
fn recorded_events_have_places_times_and_metadata() {
    let metadata = Metadata::new().correlation("order-17");
    let options = EventOptions::new().reference("desk 2").metadata(metadata.clone());
    let recording = Recording::new()
        .event(7, bought())
        .at(day(3))
        .event_with(7, BookReturned, options)
        .event(8, bought());
    let [first, second, third] = recording.events() else { panic!("three were recorded") };

    let place = |event: &RecordedEvent| {
        (event.position(), event.aggregate_id().get(), event.sequence(), event.recorded_at())
    };
    let position = |position| Position::new(position).expect("it is positive");
    assert_eq!(place(first), (position(1), 7, Sequence::FIRST, day(0)));
    assert_eq!(place(second), (position(2), 7, Sequence::FIRST.next(), day(3)));
    let later = day(3) + chrono::TimeDelta::seconds(1);
    assert_eq!(place(third), (position(3), 8, Sequence::FIRST, later));

    assert_eq!((second.reference(), second.metadata()), (Some("desk 2"), &metadata));
    assert_eq!(second.event_time(), day(3));
    assert_eq!(first.aggregate_type(), "book");
    assert_eq!(first.decode::<crate::library::BookBought>().expect("it is one").title, "Faust");
}

#[tokio::test]
async fn a_failure_is_where_it_was_expected() {
    let mut picky = each(async |event: RecordedEvent| match event.event_type() {
        "fine-due" => Err("the account is empty"),
        _ => Ok(()),
    });
    let recording = || Recording::new().event(1, BookReturned).event(1, FineDue { cents: 50 });

    let error = recording().handled_by(&mut picky).await.then_failed_at(2);
    assert_eq!(error.to_string(), "the account is empty");

    let failed = recording().handled_by(&mut picky).await;
    assert_says(
        || failed.then_handled(),
        &expect![[r#"
        expected to be handled, but position 2 (`fine-due`) failed: the account is empty
    "#]],
    );
    let failed = recording().handled_by(&mut picky).await;
    assert_says(
        || drop(failed.then_failed_at(1)),
        &expect![[r#"
        expected a failure at position 1, but position 2 (`fine-due`) failed: the account is empty
    "#]],
    );

    let mut easy = Router::new();
    let handled = recording().handled_by(&mut easy).await;
    assert_says(
        || drop(handled.then_failed_at(1)),
        &expect![[r#"
        expected a failure at position 1, but all was handled
    "#]],
    );
}

#[tokio::test]
async fn an_undecodable_event_fails() {
    let mut router = Router::new().on(async |_: Received<FineDue>| Ok::<_, Error>(()));
    let failed = Recording::new()
        .stored(("book", 1), ("fine-due", 1), &json!({ "cents": "many" }))
        .handled_by(&mut router)
        .await;
    assert_says(
        || failed.then_handled(),
        &expect![[r#"
        expected to be handled, but position 1 (`fine-due`) failed: event `fine-due` version 1 at position 1 (book 1, sequence 1) does not fit `scenarios::library::FineDue` at field `cents`; give the type a new version if its shape changed
    "#]],
    );
}

#[tokio::test]
async fn without_an_event_a_handler_is_not_called() {
    let mut never = async |_: Batch| Err::<(), _>("it was called");
    Recording::new().handled_by(&mut never).await.then_handled();
}

#[test]
fn scenarios_are_shown_for_debugging() {
    let shown = format!("{:?}", Scenario::<Book>::given([bought()]));
    assert!(shown.contains("book-bought"), "{shown}");
}
