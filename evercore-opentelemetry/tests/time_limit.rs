//! The time limit of a subscription counts for each event that a traced handler is given.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::{
    Aggregate, BoxError, Error, EventStore, FailurePolicy, Position, RecordedEvent, each,
    state_event,
};
use evercore_memory::MemoryEngine;
use evercore_opentelemetry::traced;

#[derive(Aggregate, Default)]
struct Lamp {
    is_on: bool,
}

#[state_event(aggregate = Lamp)]
struct Switched {
    is_on: bool,
}

#[tokio::test]
async fn only_the_event_that_takes_too_long_fails() -> Result<(), BoxError> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let switch = async |ctx: &mut evercore::Context| {
        for _ in 0..4 {
            let mut lamp = ctx.create::<Lamp>().await?;
            ctx.apply(&mut lamp, Switched { is_on: true })?;
        }
        Ok::<_, Error>(())
    };
    store.with_context(switch).await?;

    let handled = Arc::new(Mutex::new(Vec::new()));
    let handler = traced(each({
        let handled = Arc::clone(&handled);
        async move |event: RecordedEvent| {
            if event.position().get() == 3 {
                pending::<()>().await;
            }
            handled.lock().expect("no panic").push(event.position().get());
            Ok::<_, Error>(())
        }
    }));
    let subscription = store.subscription("lights").handle_within(Duration::from_millis(100));
    let worker = subscription.on_failure(FailurePolicy::park()).spawn(handler)?;
    store.wait_until_idle("lights").await?;
    worker.shutdown().await?;

    let parked = store.subscriptions().parked("lights", Position::START, 10).await?.events;
    let parked: Vec<_> = parked.iter().map(|parked| parked.event.position().get()).collect();
    assert_eq!(parked, [3]);
    assert_eq!(*handled.lock().expect("no panic"), [1, 2, 4], "the others are handled once");
    Ok(())
}
