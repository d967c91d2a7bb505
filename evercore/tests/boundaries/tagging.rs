//! The tags that the macros make of fields.

use std::collections::BTreeSet;

use evercore::boundary::{Facts, TagValues};
use evercore::{Aggregate, Error, Event, EventStore, Position, event, state_event};
use evercore_memory::MemoryEngine;

#[derive(Aggregate, Default)]
struct Order {
    customer: u32,
}

#[state_event(aggregate = Order, tags(customer))]
struct OrderPlaced {
    customer: u32,
}

#[event(tags(order = order_id, "gift-card" = card, item, shelf))]
struct Packed {
    order_id: u32,
    card: Option<String>,
    item: Vec<u32>,
    shelf: BTreeSet<char>,
}

#[event(tags(account, to))]
enum Moved {
    In { account: u32 },
    Across { account: u32, to: u32 },
}

fn packed(card: Option<&str>, item: Vec<u32>) -> Packed {
    Packed { order_id: 7, card: card.map(str::to_owned), item, shelf: BTreeSet::from(['b', 'a']) }
}

fn tags(event: &impl Event) -> Vec<String> {
    event.tags().expect("valid tags").iter().map(str::to_owned).collect()
}

#[test]
fn each_kind_of_field_gives_its_values() {
    assert_eq!(tags(&packed(None, Vec::new())), ["order:7", "shelf:a", "shelf:b"]);
    let all = tags(&packed(Some("x y"), vec![2, 1, 2]));
    assert_eq!(all, ["gift-card:x y", "item:1", "item:2", "order:7", "shelf:a", "shelf:b"]);
    let declared: Vec<_> = Packed::TAGS.iter().map(|tag| (tag.name, tag.values)).collect();
    let expected = [
        ("order", TagValues::One),
        ("gift-card", TagValues::Optional),
        ("item", TagValues::Many),
        ("shelf", TagValues::Many),
    ];
    assert_eq!(declared, expected);
}

#[test]
fn a_variant_has_the_tags_of_its_fields() {
    assert_eq!(tags(&Moved::In { account: 1 }), ["account:1"]);
    assert_eq!(tags(&Moved::Across { account: 1, to: 2 }), ["account:1", "to:2"]);
    let declared: Vec<_> = Moved::TAGS.iter().map(|tag| tag.values).collect();
    assert_eq!(declared, [TagValues::One, TagValues::Optional]);
}

#[tokio::test]
async fn tags_come_back_with_the_event() -> Result<(), Error> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    store
        .with_context(async |ctx| {
            let mut order = ctx.create::<Order>().await?;
            ctx.apply(&mut order, OrderPlaced { customer: 3 })?;
            ctx.emit(packed(None, vec![1]))?;
            ctx.emit(Moved::In { account: 1 })
        })
        .await?;
    let log = store.read_log(Position::START, 10).await?.events;
    let tags: Vec<Vec<_>> = log.iter().map(|event| event.tags().iter().collect()).collect();
    assert_eq!(tags[0], ["customer:3"]);
    assert_eq!(tags[1], ["item:1", "order:7", "shelf:a", "shelf:b"]);
    assert_eq!(tags[2], ["account:1"]);
    // The events without an aggregate share one, in which they are numbered.
    let facts = [&log[1], &log[2]];
    assert!(facts.iter().all(|event| event.aggregate_type() == Facts::NAME));
    assert_eq!(log[1].aggregate_id(), log[2].aggregate_id());
    assert_eq!(facts.map(|event| event.sequence().get()), [1, 2]);
    Ok(())
}

#[tokio::test]
async fn a_value_that_cannot_be_a_tag_is_refused_and_stages_nothing() -> Result<(), Error> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    for card in ["", "two\nlines", "nul\0", &"x".repeat(300)] {
        store
            .with_context(async |ctx| {
                let refused = ctx.emit(packed(Some(card), Vec::new()));
                assert!(matches!(refused, Err(Error::InvalidTag { .. })), "{refused:?}");
                Ok::<_, Error>(())
            })
            .await?;
    }
    let items = (0..40).collect();
    let many = store.with_context(async |ctx| ctx.emit(packed(None, items))).await;
    assert!(matches!(many, Err(Error::InvalidTag { .. })), "{many:?}");
    assert!(store.read_log(Position::START, 10).await?.events.is_empty());
    Ok(())
}
