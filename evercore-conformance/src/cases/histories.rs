//! The events of one aggregate in ranges, and its past states.

use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};
use evercore::{
    AggregateId, AsOf, Error, EventDraft, EventOptions, EventStore, Expected, Result, Sequence,
    Stream,
};

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;

pub(crate) async fn history_comes_in_any_range(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let other = counter::create(store, 1).await?;
    let id = counter::create(store, 1).await?;
    for _ in 0..4 {
        counter::add(store, other, 1).await?;
        counter::add(store, id, 1).await?;
    }
    let sequences = async |range: (Bound<Sequence>, Bound<Sequence>)| -> Result<Vec<i64>> {
        let direct = store.history(id, range).await?;
        let viewed = store.with_readonly_context(async |ctx| ctx.history(id, range).await).await?;
        assert_eq!(direct, viewed);
        assert!(direct.at_end);
        assert!(direct.events.iter().all(|event| event.aggregate_id() == id));
        Ok(direct.events.iter().map(|event| event.sequence().get()).collect())
    };
    for start in 0..=7 {
        let first = Sequence::new(start)?;
        let expected: Vec<i64> = (start.max(1)..=5).collect();
        assert_eq!(sequences((Bound::Included(first), Bound::Unbounded)).await?, expected);
        let expected: Vec<i64> = (start + 1..=5).collect();
        assert_eq!(sequences((Bound::Excluded(first), Bound::Unbounded)).await?, expected);
        for end in 0..=7 {
            let last = Sequence::new(end)?;
            let expected: Vec<i64> = (start.max(1)..=end.min(5)).collect();
            let range = (Bound::Included(first), Bound::Included(last));
            assert_eq!(sequences(range).await?, expected, "{start}..={end}");
            let expected: Vec<i64> = (start.max(1)..end.min(6)).collect();
            let range = (Bound::Included(first), Bound::Excluded(last));
            assert_eq!(sequences(range).await?, expected, "{start}..{end}");
        }
    }
    assert_eq!(sequences((Bound::Unbounded, Bound::Unbounded)).await?, [1, 2, 3, 4, 5]);
    Ok(())
}

pub(crate) async fn an_aggregate_is_loaded_as_of_a_sequence(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    for by in [10, 100, 1_000] {
        counter::add(store, id, by).await?;
    }
    for (sequence, value) in [(0, 0), (1, 1), (2, 11), (3, 111), (4, 1_111), (5, 1_111)] {
        let as_of = AsOf::Sequence(Sequence::new(sequence)?);
        assert_eq!(state_as_of(store, id, as_of).await?, (sequence.min(4), value));
    }
    let unknown = AggregateId::new(id.get() + 1_000_000)?;
    let answer = state_as_of(store, unknown, AsOf::Sequence(Sequence::FIRST)).await;
    assert_error!(answer, Error::UnknownId { .. });
    Ok(())
}

/// Replays up to the first event with a later time and no further, even if an event after it has an earlier time.
pub(crate) async fn an_aggregate_is_loaded_as_of_a_time(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let start = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1_700_000_000_123_456);
    let at = |minutes| start + TimeDelta::minutes(minutes);
    let id = store
        .with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply_with(&mut counter, Added { by: 1 }, EventOptions::new().at(at(0)))?;
            Ok::<_, Error>(counter.id())
        })
        .await?;
    for (by, minutes) in [(10, 10), (100, 30), (1_000, 20), (10_000, 40)] {
        let draft = EventDraft::from(Added { by }).with(EventOptions::new().at(at(minutes)));
        store.append::<Counter, _>(Stream::Id(id), Expected::Any, [draft]).await?;
    }
    let micro = TimeDelta::microseconds(1);
    let expected = [
        (at(0) - micro, (0, 0)),
        (at(0), (1, 1)),
        (at(10) - micro, (1, 1)),
        (at(10), (2, 11)),
        (at(20), (2, 11)),
        (at(30) - micro, (2, 11)),
        (at(30), (4, 1_111)),
        (at(40), (5, 11_111)),
        (at(1_000_000), (5, 11_111)),
    ];
    for (time, state) in expected {
        assert_eq!(state_as_of(store, id, AsOf::Time(time)).await?, state, "as of {time}");
    }
    Ok(())
}

/// Returns the sequence and the value.
async fn state_as_of(store: &EventStore, id: AggregateId, as_of: AsOf) -> Result<(i64, i64)> {
    store
        .with_readonly_context(async |ctx| {
            let counter = ctx.load_as_of::<Counter>(id, as_of).await?;
            Ok((counter.sequence().get(), counter.state().value))
        })
        .await
}
