//! P4 under load: writers race, and no acknowledged write is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evercore::engine::Positions;
use evercore::{
    AggregateId, Error, EventStore, Expected, NaturalKey, RecordedEvent, Result, RetryPolicy,
    Sequence, Stream,
};
use tokio::sync::Barrier;

use crate::assert::{assert_error, assert_unbroken};
use crate::domain::counter::{self, Added, Counter, Reset};
use crate::domain::tally::{Counted, Tally};
use crate::fixture::Fixture;
use crate::race::{race, race_all};

const WRITERS: usize = 12;

pub(crate) async fn racing_writers_lose_no_acknowledged_update(fixture: &Fixture) -> Result<()> {
    const ROUNDS: i64 = 8;
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    let acknowledged: i64 = race_all(WRITERS, |_| {
        let store = store.clone();
        async move {
            for _ in 0..ROUNDS {
                increment(&store, id).await?;
            }
            Ok(ROUNDS)
        }
    })
    .await?
    .into_iter()
    .sum();
    assert_eq!(lost_updates(store, id, acknowledged).await?, 0);
    assert_unbroken(&store.history(id, ..).await?.events);
    Ok(())
}

/// Like the case above, with two engines on the same data.
pub(crate) async fn racing_processes_lose_no_acknowledged_update(fixture: &Fixture) -> Result<()> {
    const ROUNDS: i64 = 5;
    let stores = [fixture.store().clone(), fixture.neighbour().await?];
    let id = counter::create(&stores[0], 0).await?;
    let acknowledged: i64 = race_all(6, |runner| {
        let store = stores[runner % 2].clone();
        async move {
            for _ in 0..ROUNDS {
                increment(&store, id).await?;
            }
            Ok(ROUNDS)
        }
    })
    .await?
    .into_iter()
    .sum();
    assert_eq!(lost_updates(&stores[1], id, acknowledged).await?, 0);
    Ok(())
}

/// Uses the default retry policy. All writers begin at once, and none gives up.
pub(crate) async fn many_writers_of_one_key_all_land(fixture: &Fixture) -> Result<()> {
    const ROUNDS: i64 = 3;
    let usual = fixture.builder().retry(RetryPolicy::default());
    let store = fixture.store_with(usual).await?;
    let landed = race_all(64, |_| {
        let store = store.clone();
        async move {
            for _ in 0..ROUNDS {
                store
                    .with_context(async |ctx| {
                        let mut counter = ctx.load_or_create::<Counter>("hot").await?;
                        let to = counter.state().value + 1;
                        tokio::task::yield_now().await;
                        ctx.apply(&mut counter, Reset { to })
                    })
                    .await?;
            }
            Ok(ROUNDS)
        }
    })
    .await?;
    let id = counter::find_by_key(&store, "hot").await?.expect("it was created");
    assert_eq!(lost_updates(&store, id, landed.into_iter().sum()).await?, 0);
    Ok(())
}

/// Like the case above, with so many writers that their first conflicts alone outlast the time limit of a turn.
pub(crate) async fn a_crowd_of_writers_of_one_key_all_land(fixture: &Fixture) -> Result<()> {
    const CROWD: u32 = 1_500;
    let usual = fixture.builder().retry(RetryPolicy::default());
    let store = fixture.store_with(usual).await?;
    let counted = race_all(CROWD as usize, |_| {
        let store = store.clone();
        async move {
            store
                .with_context(async |ctx| {
                    let mut tally = ctx.load_or_create::<Tally>("hot").await?;
                    let number = tally.state().events;
                    ctx.apply(&mut tally, Counted { number })?;
                    Ok::<_, Error>(number)
                })
                .await
        }
    })
    .await?;
    assert!(counted.into_iter().collect::<BTreeSet<_>>().into_iter().eq(0..u64::from(CROWD)));
    Ok(())
}

/// Like the case above, where each append has to continue the chain of hashes.
pub(crate) async fn many_appends_to_one_chain_all_land(fixture: &Fixture) -> Result<()> {
    let usual = fixture.builder().retry(RetryPolicy::default()).chain_events();
    let store = fixture.store_with(usual).await?;
    let landed = race_all(64, |_| {
        let store = store.clone();
        async move {
            let stream = Stream::Key(NaturalKey::new("hot")?);
            store.append::<Counter, _>(stream, Expected::Any, [Added { by: 1 }]).await
        }
    })
    .await?;
    assert_eq!(counter::value(&store, landed[0].id).await?, 64);
    let report = store.verify().run().await?;
    assert!(report.is_clean(), "{report}");
    Ok(())
}

/// A closure that holds a turn waits for a writer that waits for the same turn.
pub(crate) async fn a_turn_is_not_waited_for_without_end(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    let runs = AtomicU32::new(0);
    let work = store.with_context(async |ctx| {
        let mut counter = ctx.load::<Counter>(id).await?;
        if runs.fetch_add(1, Ordering::Relaxed) < 2 {
            let beside = store.clone();
            let other = tokio::spawn(async move { counter::add(&beside, id, 10).await });
            other.await.expect("no panic")?;
        }
        ctx.apply(&mut counter, Added { by: 1 })
    });
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    done.expect("it does not wait for itself")?;
    assert_eq!((runs.into_inner(), counter::value(store, id).await?), (3, 21));
    Ok(())
}

/// A control: the same race without preconditions loses updates, and the check detects it.
pub(crate) async fn appending_in_any_state_is_no_way_to_read_and_write(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    let all_have_read = Arc::new(Barrier::new(WRITERS));
    let answers = race_all(WRITERS, |_| {
        let (store, all_have_read) = (store.clone(), Arc::clone(&all_have_read));
        async move {
            let value = counter::value(&store, id).await?;
            all_have_read.wait().await;
            let written = [Reset { to: value + 1 }];
            store.append::<Counter, _>(Stream::Id(id), Expected::Any, written).await
        }
    })
    .await?;
    let acknowledged = i64::try_from(answers.len()).expect("few");
    assert_eq!(lost_updates(store, id, acknowledged).await?, acknowledged - 1);
    Ok(())
}

/// All writers decide on sequence 1.
pub(crate) async fn of_writers_with_one_expectation_one_wins(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    let answers = race(WRITERS, |runner| {
        let store = store.clone();
        async move {
            let to = i64::try_from(runner).expect("few") + 1;
            let first = Expected::Exactly(Sequence::FIRST);
            store.append::<Counter, _>(Stream::Id(id), first, [Reset { to }]).await.map(|_| to)
        }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, WRITERS - 1));
    for answer in lost {
        assert_error!(answer, Error::Conflict { .. });
    }
    for winner in won {
        assert_eq!(counter::value(store, id).await?, winner?);
    }
    Ok(())
}

/// If commits share a transaction, a conflict of one does not affect the others, and vice versa.
pub(crate) async fn a_conflict_in_a_group_does_not_fail_its_neighbours(
    fixture: &Fixture,
) -> Result<()> {
    const COMMITS: usize = 60;
    let store = fixture.store();
    let mut counters = Vec::new();
    for _ in 0..COMMITS {
        counters.push(counter::create(store, 0).await?);
    }
    let answers = race(COMMITS, |runner| {
        let (store, id) = (store.clone(), counters[runner]);
        async move {
            let expected = if is_stale(runner) { Sequence::ZERO } else { Sequence::FIRST };
            let events = [Reset { to: 7 }, Reset { to: 8 }];
            store.append::<Counter, _>(Stream::Id(id), Expected::Exactly(expected), events).await
        }
    })
    .await;

    for (runner, (answer, id)) in answers.into_iter().zip(counters).enumerate() {
        let history = store.history(id, ..).await?.events;
        if is_stale(runner) {
            assert_error!(answer, Error::Conflict { id: conflicting, .. } if conflicting == id);
            assert_eq!(history.len(), 1, "of a stale commit, something landed");
        } else {
            let appended = answer.unwrap_or_else(|error| panic!("commit {runner}: {error}"));
            let positions = history[1..].iter().map(RecordedEvent::position).collect();
            let positions = Positions::listed(positions)?;
            assert_eq!((appended.id, appended.committed.positions), (id, positions));
        }
    }
    Ok(())
}

fn is_stale(runner: usize) -> bool {
    runner % 3 == 1
}

/// Reads the value and writes back one more.
async fn increment(store: &EventStore, id: AggregateId) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            let to = counter.state().value + 1;
            // Gives others time to decide on the same state.
            tokio::task::yield_now().await;
            ctx.apply(&mut counter, Reset { to })
        })
        .await
}

/// Returns the number of acknowledged increments that are missing from the value.
async fn lost_updates(store: &EventStore, id: AggregateId, acknowledged: i64) -> Result<i64> {
    Ok(acknowledged - counter::value(store, id).await?)
}
