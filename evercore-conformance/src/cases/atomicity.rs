//! P1: a context commits as a whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercore::engine::Precondition;
use evercore::{AggregateId, Error, EventStore, Expected, Result, Stream};

use crate::assert::{Witness, assert_error, exists, snapshot_sequence};
use crate::cut::drop_after_polls;
use crate::domain::account::{self, Account, Deposited, Refused};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::tally::{self, Counted, Tally};
use crate::fixture::Fixture;
use crate::race::race_all;
use crate::raw;

pub(crate) async fn a_context_over_several_aggregates_lands_whole(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let old = counter::create(store, 1).await?;
    let (account, tally) = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(old).await?;
            let mut account = ctx.create_with_key::<Account>("ada").await?;
            let tally = ctx.create::<Tally>().await?;
            ctx.apply(&mut counter, Added { by: 2 })?;
            ctx.apply(&mut account, Deposited { amount: 7 })?;
            ctx.apply(&mut counter, Added { by: 3 })?;
            ctx.change_key(&mut counter, "the counter")?;
            Ok::<_, Error>((account.id(), tally.id()))
        })
        .await?;

    store
        .with_readonly_context(async |ctx| {
            assert_eq!(ctx.load_by_key::<Counter>("the counter").await?.state().value, 6);
            assert_eq!(ctx.load_by_key::<Account>("ada").await?.id(), account);
            assert_eq!(ctx.load::<Account>(account).await?.state().balance, 7);
            assert_eq!(ctx.load::<Tally>(tally).await?.state(), &Tally::default());
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(fixture.log().await?.len(), 4);
    Ok(())
}

/// The conflicting aggregate comes first, in the middle and last, in turn.
pub(crate) async fn a_conflict_on_one_aggregate_leaves_nothing_of_the_others(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    for stale_at in 0..3 {
        let mut counters = Vec::new();
        for _ in 0..3 {
            counters.push(counter::create(store, 1).await?);
        }
        let tally = tally::create(store, &[1, 2, 3, 4]).await?;
        let key = format!("created {stale_at}");
        let moved = format!("moved {stale_at}");

        let mut created = None;
        let answer = store
            .with_context_once(async |ctx| {
                created = Some(ctx.create_with_key::<Counter>(&key).await?.id());
                let mut summary = ctx.load::<Tally>(tally).await?;
                ctx.apply(&mut summary, Counted { number: 5 })?;
                for (index, &id) in counters.iter().enumerate() {
                    let mut counter = ctx.load::<Counter>(id).await?;
                    ctx.apply(&mut counter, Added { by: 10 })?;
                    if index == 0 {
                        ctx.change_key(&mut counter, &moved)?;
                    }
                }
                counter::add(&fixture.rival(), counters[stale_at], 1).await
            })
            .await;

        assert_error!(answer, Error::Conflict { id, .. } if id == counters[stale_at]);
        for (index, &id) in counters.iter().enumerate() {
            let expected = if index == stale_at { 2 } else { 1 };
            assert_eq!(counter::value(store, id).await?, expected, "counter {index}");
        }
        assert_eq!(counter::find_by_key(store, &key).await?, None);
        assert_eq!(counter::find_by_key(store, &moved).await?, None);
        let created = created.expect("the closure ran");
        assert!(!exists(fixture.engine(), "counter", created).await?, "a creation is left behind");
        assert_eq!(snapshot_sequence(fixture.engine(), tally).await?, None);
        // A leftover snapshot would show once another event has the sequence of the refused one.
        let events = [Counted { number: 6 }];
        store.append::<Tally, _>(Stream::Id(tally), Expected::Any, events).await?;
        let replayed = tally::state::<Tally>(store, tally).await?;
        assert_eq!(replayed, Tally::of(&[1, 2, 3, 4, 6]));
    }
    Ok(())
}

pub(crate) async fn a_commit_that_names_an_unknown_aggregate_leaves_nothing(
    fixture: &Fixture,
) -> Result<()> {
    let engine = fixture.engine();
    let known = counter::create(fixture.store(), 1).await?;
    let never_created = raw::fresh_id(engine).await?;
    let before = Witness::take(engine, "counter", &[]).await?;
    for order in [[known, never_created], [never_created, known]] {
        let writes = order.map(|id| raw::write::<Counter>(id, Precondition::Exists)).to_vec();
        let events = order.map(|id| raw::new_event(id, 1, &Added { by: 5 })).to_vec();
        let answer = engine.commit(raw::commit(writes, events)).await;
        assert_error!(answer, Error::UnknownId { id, .. } if id == never_created);
        assert_eq!(Witness::take(engine, "counter", &[]).await?, before);
    }
    Ok(())
}

pub(crate) async fn a_closure_that_fails_after_staging_leaves_no_trace(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let tally = tally::create(store, &[1, 2, 3, 4]).await?;
    let counter = counter::create_with_key(store, "old", 1).await?;
    let before = Witness::take(fixture.engine(), "counter", &["old", "new", "made"]).await?;

    let mut created = None;
    let answer = store
        .with_context_once(async |ctx| {
            let mut made = ctx.create_with_key::<Counter>("made").await?;
            created = Some(made.id());
            ctx.apply(&mut made, Added { by: 1 })?;
            let mut summary = ctx.load::<Tally>(tally).await?;
            ctx.apply(&mut summary, Counted { number: 5 })?;
            let mut counter = ctx.load::<Counter>(counter).await?;
            ctx.change_key(&mut counter, "new")?;
            Err::<(), _>(Refused::Overdrawn)
        })
        .await;

    assert_error!(answer, Refused::Overdrawn);
    let after = Witness::take(fixture.engine(), "counter", &["old", "new", "made"]).await?;
    assert_eq!(after, before);
    let created = created.expect("the closure ran");
    assert!(!exists(fixture.engine(), "counter", created).await?, "a creation is left behind");
    assert_eq!(snapshot_sequence(fixture.engine(), tally).await?, None);
    Ok(())
}

/// Each context adds one to two counters and creates aggregates with fresh keys; every view must see them in step.
pub(crate) async fn a_context_dropped_at_any_await_point_lands_whole_or_not_at_all(
    fixture: &Fixture,
) -> Result<()> {
    const MOST_POLLS: u32 = 1_000;
    let store = fixture.store();
    let left = counter::create(store, 0).await?;
    let right = counter::create(store, 0).await?;

    for polls in 0..=MOST_POLLS {
        let work = store.with_context(async |ctx| {
            let mut first = ctx.load::<Counter>(left).await?;
            let number = first.state().value;
            ctx.apply(&mut first, Added { by: 1 })?;
            let mut made = ctx.create_with_key::<Counter>(format!("made {number}")).await?;
            ctx.apply(&mut made, Added { by: number })?;
            tokio::task::yield_now().await;
            let mut second = ctx.load::<Counter>(right).await?;
            ctx.apply(&mut second, Added { by: 1 })
        });
        let finished = drop_after_polls(polls, work).await;
        assert_in_step(store, left, right).await?;
        if let Some(answer) = finished {
            return answer;
        }
    }
    panic!("the context is not through after {MOST_POLLS} polls");
}

async fn assert_in_step(store: &EventStore, left: AggregateId, right: AggregateId) -> Result<()> {
    store
        .with_readonly_context(async |ctx| {
            let left = ctx.load::<Counter>(left).await?.state().value;
            let right = ctx.load::<Counter>(right).await?.state().value;
            assert_eq!(left, right, "a dropped context landed in part");
            for number in 0..=left {
                let made = ctx.find_by_key::<Counter>(format!("made {number}")).await?;
                assert_eq!(made.map(|made| made.state().value), (number < left).then_some(number));
            }
            Ok(())
        })
        .await
}

/// The same with the engine alone, dropped at its own await points.
pub(crate) async fn a_commit_dropped_at_any_await_point_lands_whole_or_not_at_all(
    fixture: &Fixture,
) -> Result<()> {
    const MOST_POLLS: u32 = 1_000;
    let engine = fixture.engine();
    for polls in 0..=MOST_POLLS {
        let ids = [raw::fresh_id(engine).await?, raw::fresh_id(engine).await?];
        let writes = ids.map(|id| raw::write::<Counter>(id, Precondition::New)).to_vec();
        let events = ids.map(|id| raw::new_event(id, 1, &Added { by: 1 })).to_vec();
        let finished = drop_after_polls(polls, engine.commit(raw::commit(writes, events)))
            .await
            .transpose()?;

        let view = engine.begin_read().await?;
        let first = exists(&*view, "counter", ids[0]).await?;
        let second = exists(&*view, "counter", ids[1]).await?;
        assert_eq!(first, second, "a commit dropped after {polls} polls landed in part");
        if finished.is_some() {
            assert!(first, "an acknowledged commit is not there");
            return Ok(());
        }
    }
    panic!("the commit is not through after {MOST_POLLS} polls");
}

pub(crate) async fn concurrent_transfers_keep_the_sum_in_every_view(
    fixture: &Fixture,
) -> Result<()> {
    const ACCOUNTS: usize = 4;
    const TRANSFERS: usize = 15;
    let store = fixture.store();
    let mut accounts = Vec::new();
    for _ in 0..ACCOUNTS {
        accounts.push(account::open(store, 100).await?);
    }

    let done = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn({
        let (store, accounts, done) = (store.clone(), accounts.clone(), Arc::clone(&done));
        async move {
            let mut views = 0;
            while !done.load(Ordering::Acquire) {
                let total = account::total(&store, &accounts).await?;
                assert_eq!(total, 400, "money was made or lost in view {views}");
                views += 1;
            }
            Ok::<_, Error>(views)
        }
    });
    let mut random = fixture.random();
    let answer = race_all(8, |_| {
        let (store, accounts, mut random) = (store.clone(), accounts.clone(), random.fork());
        async move {
            for _ in 0..TRANSFERS {
                let from = random.usize(..ACCOUNTS);
                let to = (from + random.usize(1..ACCOUNTS)) % ACCOUNTS;
                match account::transfer(&store, accounts[from], accounts[to], random.i64(1..60))
                    .await
                {
                    Ok(()) | Err(Refused::Overdrawn) => {}
                    Err(Refused::Store(error)) => return Err(error),
                }
            }
            Ok(())
        }
    })
    .await;
    done.store(true, Ordering::Release);
    let views = watcher.await.expect("the watcher panicked")?;
    answer?;
    assert!(views > 0, "no view was opened");
    assert_eq!(account::total(store, &accounts).await?, 400);
    Ok(())
}
