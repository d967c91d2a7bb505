//! Types whose events can be in lanes by a tag.

use evercore::boundary::Tag;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Error, EventFilter, EventStore, RecordedEvent, each, event};
use evercore_memory::MemoryEngine;

#[event(tags(room, guest))]
struct Booked {
    room: u32,
    guest: Option<u32>,
}

#[event(tags(room = rooms))]
struct Cleaned {
    rooms: Vec<u32>,
}

#[event(tags(room, floor))]
enum Inspected {
    Room { room: u32, floor: u32 },
    Floor { floor: u32 },
}

/// Runs a subscription until it is refused or stored, and returns the refusal.
async fn refusal(
    store: &EventStore,
    subscription: SubscriptionBuilder,
) -> Result<Option<String>, Error> {
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let worker = subscription.spawn(handler)?;
    while !worker.is_finished() {
        if store.subscriptions().find("lanes").await?.is_some() {
            worker.shutdown().await?;
            store.subscriptions().delete("lanes").await?;
            return Ok(None);
        }
        tokio::task::yield_now().await;
    }
    match worker.join().await {
        Err(error @ Error::NoLane { .. }) => Ok(Some(error.to_string())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tag_makes_lanes_if_each_event_has_one_value() -> Result<(), Error> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let subscription = || store.subscription("lanes");
    for (refused, name, problem) in [
        (subscription().event::<Booked>().lane("guest"), "Booked", "any number of values"),
        (subscription().event::<Cleaned>().lane("room"), "Cleaned", "any number of values"),
        (subscription().event::<Inspected>().lane("room"), "Inspected", "any number of values"),
        (subscription().event::<Booked>().lane("floor"), "Booked", "does not declare the tag"),
        (subscription().event::<Booked>().lane("Room"), "Booked", "does not declare the tag"),
        // It is followed by a tag that only some types declare.
        (subscription().tag(Tag::new("room", 1)?).lane("room"), "Cleaned", "any number of values"),
    ] {
        let subject = format!("the event `{name}` of `evercore.facts` has no lane by the tag");
        let refusal = refusal(&store, refused).await?.expect("it is refused");
        assert!(refusal.starts_with(&subject) && refusal.contains(problem), "{refusal}");
    }
    for accepted in [
        subscription().event::<Booked>().lane("room"),
        subscription().event::<Inspected>().lane("floor"),
        // Only one type can have both tags.
        subscription().tag(Tag::new("guest", 1)?).lane("room"),
    ] {
        assert_eq!(refusal(&store, accepted).await?, None);
    }
    Ok(())
}

#[test]
fn a_filter_is_stored_with_the_tag_of_its_lanes() -> Result<(), Error> {
    let filter = EventFilter::new().event::<Booked>().lane("room");
    let stored = EventFilter::from_column(&filter.to_column())?;
    assert_eq!(stored, filter);
    assert_eq!(stored.lane_tag(), Some("room"));
    assert_ne!(stored, EventFilter::new().event::<Booked>());
    assert_eq!(filter.to_string(), "evercore.facts/Booked in lanes by `room`");
    Ok(())
}
