//! P13: memory use stays bounded, because everything is read in pages.

use evercore::engine::{HistoryRequest, LoadRequest, LoadTarget, LogQuery};
use evercore::{
    Aggregate, AggregateId, Error, EventStore, Expected, Limits, Position, Result, Sequence, Stream,
};

use crate::domain::counter::{self, Added, Counter};
use crate::domain::tally::{self, PlainTally, Tally};
use crate::fixture::Fixture;

pub(crate) async fn an_aggregate_of_many_pages_is_replayed_in_order(
    fixture: &Fixture,
) -> Result<()> {
    let numbers: Vec<u64> = (1..=41).collect();
    let id = tally::create(fixture.store(), &numbers).await?;
    for page in [1, 2, 3, 40, 41, 42] {
        let limits = Limits::default().page_events(page);
        let builder = fixture.builder().registry(tally::plain_registry()?).limits(limits);
        let store = fixture.store_with(builder).await?;
        let state = tally::state::<PlainTally>(&store, id).await?;
        assert_eq!(state, Tally::of(&numbers), "in pages of {page}");
    }
    Ok(())
}

pub(crate) async fn no_answer_is_larger_than_the_limit_asked_for(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let id = counter_of(fixture.store(), 20).await?;
    for limit in [1_u32, 2, 19, 20, 21] {
        let expected = usize::try_from(limit.min(20)).expect("small");

        let target = LoadTarget::Id(id);
        let request = LoadRequest {
            aggregate_type: Counter::NAME,
            target,
            snapshot: None,
            up_to: None,
            limit,
        };
        let loaded = engine.load(request).await?.expect("it was created");
        assert_eq!(loaded.events.len(), expected);

        let request = HistoryRequest { id, after: Sequence::ZERO, up_to: None, limit };
        assert_eq!(engine.read_history(request).await?.len(), expected);

        let page = engine.read_log(LogQuery::new(Position::START, limit)).await?;
        assert_eq!((page.events.len(), page.at_end), (expected, limit >= 20));
    }
    Ok(())
}

pub(crate) async fn a_store_caps_pages_at_its_limit(fixture: &Fixture) -> Result<()> {
    let id = counter_of(fixture.store(), 20).await?;
    let limits = Limits::default().page_events(7);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;

    let (mut pages, mut next) = (Vec::new(), Sequence::FIRST);
    for _ in 0..3 {
        let page = store.history(id, next..).await?;
        next = page.end.next();
        pages.push((page.events.len(), page.end.get(), page.at_end));
    }
    assert_eq!(pages, [(7, 7, false), (7, 14, false), (6, 20, true)]);
    // A range that ends with a page, and an empty range.
    let first = store.history(id, ..=Sequence::new(7)?).await?;
    assert_eq!((first.events.len(), first.at_end), (7, true));
    let after = store.history(id, Sequence::new(21)?..).await?;
    assert_eq!((after.events.len(), after.end.get(), after.at_end), (0, 20, true));
    assert_eq!(store.read_log(Position::START, u32::MAX).await?.events.len(), 7);
    store
        .with_readonly_context(async |ctx| {
            let page = ctx.history(id, ..).await?;
            assert_eq!((page.events.len(), page.at_end), (7, false));
            assert_eq!(ctx.read_log(Position::START, u32::MAX).await?.events.len(), 7);
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(counter::value(&store, id).await?, 20);
    Ok(())
}

pub(crate) async fn limits_are_finite_by_default(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter_of(store, 2_001).await?;
    let page = store.history(id, ..).await?;
    assert_eq!((page.events.len(), page.end.get(), page.at_end), (2_000, 2_000, false));
    let page = store.read_log(Position::START, u32::MAX).await?;
    assert_eq!((page.events.len(), page.at_end), (2_000, false));
    assert_eq!(counter::value(store, id).await?, 2_001);
    Ok(())
}

/// Creates a counter with this many events, written in one commit.
async fn counter_of(store: &EventStore, events: usize) -> Result<AggregateId> {
    let id =
        store.with_context(async |ctx| Ok::<_, Error>(ctx.create::<Counter>().await?.id())).await?;
    let events = vec![Added { by: 1 }; events];
    store.append::<Counter, _>(Stream::Id(id), Expected::NoStream, events).await?;
    Ok(id)
}
