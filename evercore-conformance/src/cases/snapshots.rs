//! P6: a snapshot and the events after it give the same state as a full replay; a snapshot that does not fit is
//! ignored.
//!
//! Several cases plant a snapshot with a wrong state. A load that returns the wrong state has used the snapshot.

use evercore::engine::{LoadRequest, LoadTarget};
use evercore::{
    Aggregate, AggregateId, AsOf, Error, EventOptions, EventStore, Expected, Fingerprint, Limits,
    Result, Sequence, Stream,
};

use crate::assert::{assert_error, snapshot_sequence, snapshot_sequence_of};
use crate::domain::account::Refused;
use crate::domain::gauge::{self, Gauge};
use crate::domain::tally::{
    self, Counted, FINGERPRINT, OTHER_FINGERPRINT, PlainTally, ReshapedTally, Tally,
};
use crate::fixture::Fixture;
use crate::race::race_all;

pub(crate) async fn snapshot_plus_tail_is_full_replay_at_every_sequence(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let plain = plain(fixture).await?;
    let mut random = fixture.random();
    for _ in 0..4 {
        let mut numbers = Vec::new();
        let id = tally::create(store, &numbers).await?;
        while numbers.len() < 40 {
            let more: Vec<u64> = (0..random.usize(1..8)).map(|_| random.u64(..1_000)).collect();
            tally::count(store, id, &more).await?;
            numbers.extend(more);
            let expected = Tally::of(&numbers);
            assert_eq!(tally::state::<Tally>(store, id).await?, expected, "{numbers:?}");
            assert_eq!(tally::state::<PlainTally>(&plain, id).await?, expected, "{numbers:?}");
        }
        assert!(snapshot_sequence(fixture.engine(), id).await?.is_some(), "it was all replay");
        for length in 0..=numbers.len() {
            let expected = Tally::of(&numbers[..length]);
            assert_eq!(as_of(store, id, length).await?, expected, "as of {length}: {numbers:?}");
        }
    }
    Ok(())
}

pub(crate) async fn a_commit_decided_on_a_snapshot_goes_on_from_it(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let numbers: Vec<u64> = (1..=23).collect();
    let id = tally::create(store, &[]).await?;
    for number in &numbers {
        tally::count(store, id, std::slice::from_ref(number)).await?;
    }
    assert_eq!(snapshot_sequence(fixture.engine(), id).await?, Some(20));
    assert_eq!(tally::state::<Tally>(store, id).await?, Tally::of(&numbers));
    assert_eq!(store.history(id, ..).await?.events.len(), 23);
    Ok(())
}

/// A control for the cases below: a planted snapshot is used if it fits.
pub(crate) async fn a_fitting_snapshot_comes_with_the_load(fixture: &Fixture) -> Result<()> {
    let id = tally::create(fixture.store(), &[1, 2, 3]).await?;
    tally::plant(fixture, id, 2, FINGERPRINT, lie()).await?;

    let loaded = fixture.engine().load(request(id, Some(FINGERPRINT), None)).await?;
    let loaded = loaded.expect("it was created");
    let snapshot = loaded.snapshot.expect("it was planted");
    assert_eq!((snapshot.sequence.get(), snapshot.state), (2, lie().into()));
    let tail: Vec<_> = loaded.events.iter().map(|event| event.sequence().get()).collect();
    assert_eq!(tail, [3], "the tail starts after the snapshot");

    let state = tally::state::<Tally>(fixture.store(), id).await?;
    assert_eq!(state.events, 1_001, "a thousand that never happened, and one");
    Ok(())
}

pub(crate) async fn a_snapshot_of_another_fingerprint_is_a_miss(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let reshaped =
        fixture.store_with(fixture.builder().registry(tally::reshaped_registry()?)).await?;
    let numbers = [1, 2, 3, 4, 5, 6, 7];
    let id = tally::create(store, &numbers).await?;
    assert_eq!(snapshot_sequence(fixture.engine(), id).await?, Some(5));
    assert_eq!(tally::state::<ReshapedTally>(&reshaped, id).await?, Tally::of(&numbers));

    let almost_alike =
        [FINGERPRINT.get() + 1, FINGERPRINT.get() | 1 << 63, FINGERPRINT.get() | 1 << 32];
    for other in almost_alike.map(Fingerprint::new).into_iter().chain([OTHER_FINGERPRINT]) {
        tally::plant(fixture, id, 7, other, lie()).await?;
        assert_eq!(tally::state::<Tally>(store, id).await?, Tally::of(&numbers));
        let own = fixture.engine().load(request(id, Some(other), None)).await?;
        assert!(own.is_some_and(|loaded| loaded.snapshot.is_some()), "its own shape has it");
    }
    let full = fixture.engine().load(request(id, None, None)).await?.expect("it was created");
    assert!(full.snapshot.is_none(), "a full replay was asked for");
    assert_eq!(full.events.len(), numbers.len());
    Ok(())
}

pub(crate) async fn an_undecodable_snapshot_is_a_miss(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = tally::create(store, &[1, 2, 3]).await?;
    for bytes in [&b""[..], b"{", b"null", b"{\"events\":3}", b"\x00\xFF\xFE"] {
        tally::plant(fixture, id, 3, FINGERPRINT, bytes.to_vec()).await?;
        assert_eq!(snapshot_sequence(fixture.engine(), id).await?, Some(3), "it is there");
        assert_eq!(tally::state::<Tally>(store, id).await?, Tally::of(&[1, 2, 3]), "{bytes:?}");
    }
    tally::count(store, id, &[4, 5]).await?;
    assert_eq!(tally::state::<Tally>(store, id).await?, Tally::of(&[1, 2, 3, 4, 5]));
    Ok(())
}

pub(crate) async fn a_snapshot_comes_with_the_commit_that_crosses_the_line(
    fixture: &Fixture,
) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = tally::create(store, &[1, 2, 3]).await?;
    assert_eq!(snapshot_sequence(engine, id).await?, None);
    tally::count(store, id, &[4]).await?;
    assert_eq!(snapshot_sequence(engine, id).await?, None);
    tally::count(store, id, &[5, 6]).await?;
    assert_eq!(snapshot_sequence(engine, id).await?, Some(5));
    tally::count(store, id, &[7, 8, 9]).await?;
    assert_eq!(snapshot_sequence(engine, id).await?, Some(5));
    tally::count(store, id, &[10, 11, 12, 13, 14, 15, 16]).await?;
    assert_eq!(snapshot_sequence(engine, id).await?, Some(15), "the newest of two");
    Ok(())
}

pub(crate) async fn a_refused_commit_leaves_no_snapshot(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = tally::create(store, &[1, 2, 3, 4]).await?;
    let failed = store
        .with_context_once(async |ctx| {
            let mut tally = ctx.load::<Tally>(id).await?;
            ctx.apply(&mut tally, Counted { number: 5 })?;
            Err::<(), _>(Refused::Overdrawn)
        })
        .await;
    assert_error!(failed, Refused::Overdrawn);
    assert_eq!(snapshot_sequence(engine, id).await?, None);

    let conflict = store
        .with_context_once(async |ctx| {
            let mut stale = ctx.load::<Tally>(id).await?;
            fixture
                .rival()
                .append::<Tally, _>(Stream::Id(id), Expected::Any, [Counted { number: 6 }])
                .await?;
            ctx.apply(&mut stale, Counted { number: 5 })
        })
        .await;
    assert_error!(conflict, Error::Conflict { .. });
    assert_eq!(snapshot_sequence(engine, id).await?, None);
    assert_eq!(tally::state::<Tally>(store, id).await?, Tally::of(&[1, 2, 3, 4, 6]));
    Ok(())
}

pub(crate) async fn a_state_of_the_past_uses_no_later_snapshot(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = tally::create(store, &[1, 2, 3, 4, 5, 6]).await?;
    tally::plant(fixture, id, 5, FINGERPRINT, lie()).await?;
    for length in 0..=4_usize {
        let expected = Tally::of(&[1, 2, 3, 4][..length]);
        assert_eq!(as_of(store, id, length).await?, expected, "as of {length}");
    }
    let up_to = Some(Sequence::new(4)?);
    let loaded = fixture.engine().load(request(id, Some(FINGERPRINT), up_to)).await?;
    let loaded = loaded.expect("it was created");
    assert!(loaded.snapshot.is_none(), "the snapshot is later than what was asked for");
    assert_eq!(loaded.events.len(), 4);
    Ok(())
}

/// A snapshot may include events with a later time, so it cannot be used.
pub(crate) async fn a_state_as_of_a_time_is_replayed(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let at = |minute: u32| {
        chrono::DateTime::from_timestamp(i64::from(minute) * 60, 0).expect("early in 1970")
    };
    let id = store
        .with_context(async |ctx| {
            let mut tally = ctx.create::<Tally>().await?;
            for (minute, number) in (1..).zip([1, 2, 3, 4, 5, 6]) {
                let options = EventOptions::new().at(at(minute));
                ctx.apply_with(&mut tally, Counted { number }, options)?;
            }
            Ok::<_, Error>(tally.id())
        })
        .await?;
    tally::plant(fixture, id, 5, FINGERPRINT, lie()).await?;
    for minute in 0..=7 {
        let length = usize::try_from(minute.min(6)).expect("small");
        let state = store
            .with_readonly_context(async |ctx| {
                ctx.load_as_of::<Tally>(id, AsOf::Time(at(minute))).await
            })
            .await?;
        assert_eq!(state.state(), &Tally::of(&[1, 2, 3, 4, 5, 6][..length]), "minute {minute}");
    }
    Ok(())
}

pub(crate) async fn a_view_uses_no_snapshot_that_is_newer_than_itself(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = tally::create(store, &[1, 2, 3, 4]).await?;
    store
        .with_readonly_context(async |view| {
            tally::count(store, id, &[5, 6]).await?;
            let seen = view.load::<Tally>(id).await?;
            assert_eq!(seen.sequence().get(), 4);
            assert_eq!(seen.state(), &Tally::of(&[1, 2, 3, 4]));
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(tally::state::<Tally>(store, id).await?, Tally::of(&[1, 2, 3, 4, 5, 6]));
    Ok(())
}

/// Each event's number is its sequence, so a state reveals whether snapshot and events were read at the same moment.
pub(crate) async fn a_load_is_of_one_moment_while_snapshots_are_taken(
    fixture: &Fixture,
) -> Result<()> {
    const LENGTH: u64 = 60;
    let store = fixture.store();
    let id = tally::create(store, &[]).await?;
    let all: Vec<u64> = (1..=LENGTH).collect();
    race_all(6, |runner| {
        let (store, all) = (store.clone(), all.clone());
        async move {
            loop {
                let state = if runner < 2 {
                    count_on(&store, id, LENGTH).await?
                } else {
                    store.with_context(async |ctx| ctx.load::<Tally>(id).await).await?.into_state()
                };
                let seen = usize::try_from(state.events).expect("few");
                assert_eq!(state, Tally::of(&all[..seen]), "after {seen} events");
                if state.events >= LENGTH {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await?;
    assert_eq!(tally::state::<PlainTally>(&plain(fixture).await?, id).await?, Tally::of(&all));
    Ok(())
}

/// Counts the next number, if there is one left.
async fn count_on(store: &EventStore, id: AggregateId, last: u64) -> Result<Tally> {
    store
        .with_context(async |ctx| {
            let mut tally = ctx.load::<Tally>(id).await?;
            let number = tally.state().events + 1;
            if number <= last {
                ctx.apply(&mut tally, Counted { number })?;
            }
            Ok(tally.into_state())
        })
        .await
}

/// The events after a snapshot are read in pages as well.
pub(crate) async fn a_long_tail_after_a_snapshot_is_read_in_pages(fixture: &Fixture) -> Result<()> {
    let small = fixture.builder().limits(Limits::default().page_events(3));
    let store = fixture.store_with(small).await?;
    let mut numbers: Vec<u64> = (1..=7).collect();
    let id = tally::create(&store, &numbers).await?;
    for number in 8..=30 {
        // Appends take no snapshots.
        let events = [Counted { number }];
        store.append::<Tally, _>(Stream::Id(id), Expected::Any, events).await?;
        numbers.push(number);
        assert_eq!(tally::state::<Tally>(&store, id).await?, Tally::of(&numbers));
    }
    assert_eq!(snapshot_sequence(fixture.engine(), id).await?, Some(5));
    Ok(())
}

/// Snapshots are JSON, which has neither infinity nor `Some(None)`. Such a state is replayed, as if without snapshots.
pub(crate) async fn a_snapshot_that_would_not_restore_the_state_is_not_written(
    fixture: &Fixture,
) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id =
        store.with_context(async |ctx| Ok::<_, Error>(ctx.create::<Gauge>().await?.id())).await?;
    // Each reading, with the sequence of the latest snapshot after it.
    let readings = [(None, None), (Some(3), Some(2)), (None, Some(2)), (Some(2), Some(4))];
    for (value, snapshot) in readings {
        let live = store
            .with_context(async |ctx| {
                let mut gauge = ctx.load::<Gauge>(id).await?;
                ctx.apply(&mut gauge, gauge::read(value))?;
                Ok::<_, Error>(gauge.into_state())
            })
            .await?;
        assert_eq!(live.last, Some(value));
        assert_eq!(gauge::state(store, id).await?, live);
        assert_eq!(snapshot_sequence_of::<Gauge>(engine, id).await?, snapshot, "{value:?}");
    }
    Ok(())
}

/// Opens a store that replays every tally.
async fn plain(fixture: &Fixture) -> Result<EventStore> {
    fixture.store_with(fixture.builder().registry(tally::plain_registry()?)).await
}

async fn as_of(store: &EventStore, id: AggregateId, length: usize) -> Result<Tally> {
    let sequence = Sequence::new(i64::try_from(length).expect("small"))?;
    store
        .with_readonly_context(async |ctx| {
            let found = ctx.load_as_of::<Tally>(id, AsOf::Sequence(sequence)).await?;
            assert_eq!(found.sequence(), sequence);
            Ok(found.into_state())
        })
        .await
}

fn request(id: AggregateId, snapshot: Option<Fingerprint>, up_to: Option<Sequence>) -> LoadRequest {
    let target = LoadTarget::Id(id);
    LoadRequest { aggregate_type: Tally::NAME, target, snapshot, up_to, limit: 100 }
}

/// Returns the encoded state of a tally that has seen a thousand events.
fn lie() -> Vec<u8> {
    br#"{"events":1000,"digest":7}"#.to_vec()
}
