//! P5: a natural key belongs to at most one aggregate of a type.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercore::engine::Precondition;
use evercore::{Aggregate, Error, Expected, NaturalKey, Result, Stream};
use tokio::sync::Barrier;

use crate::assert::{Witness, assert_error, holder};
use crate::domain::account::Account;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::race::{race, race_all};
use crate::raw;

const RUNNERS: usize = 12;

pub(crate) async fn of_racing_creators_of_a_key_one_wins(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for round in 0..5 {
        let key = format!("key {round}");
        let answers = race(RUNNERS, |_| {
            let (store, key) = (store.clone(), key.clone());
            async move { counter::create_with_key(&store, &key, 1).await }
        })
        .await;
        let winners: Vec<_> = answers.iter().flatten().copied().collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_error!(answer, Error::KeyTaken { key: taken, aggregate }
                if taken == key && aggregate == Counter::NAME);
        }
        assert_eq!(counter::find_by_key(store, &key).await?, Some(winners[0]));
    }
    assert_eq!(fixture.log().await?.len(), 5, "losers leave no events");
    Ok(())
}

/// All contexts have found no aggregate before the first one commits.
pub(crate) async fn racing_load_or_create_makes_one_aggregate(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let all_have_looked = Arc::new(Barrier::new(RUNNERS));
    let answers = race_all(RUNNERS, |_| {
        let (store, all_have_looked) = (store.clone(), Arc::clone(&all_have_looked));
        let is_rerun = AtomicBool::new(false);
        async move {
            store
                .with_context(async |ctx| {
                    let mut counter = ctx.load_or_create::<Counter>("shared").await?;
                    if !is_rerun.swap(true, Ordering::Relaxed) {
                        all_have_looked.wait().await;
                    }
                    ctx.apply(&mut counter, Added { by: 1 })?;
                    Ok::<_, Error>((counter.id(), counter.is_new()))
                })
                .await
        }
    })
    .await?;
    let (ids, are_new): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    assert_eq!(HashSet::<_>::from_iter(&ids).len(), 1, "{ids:?}");
    let creators = are_new.iter().filter(|&&is_new| is_new).count();
    assert_eq!(creators, 1, "the others have loaded what one has created");
    assert_eq!(counter::value(store, ids[0]).await?, 12, "everyone's event is on it");
    Ok(())
}

pub(crate) async fn racing_appends_to_a_new_key_make_one_aggregate(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let appended = race_all(RUNNERS, |_| {
        let store = store.clone();
        async move {
            let stream = Stream::Key(NaturalKey::new("shared")?);
            store.append::<Counter, _>(stream, Expected::Any, [Added { by: 1 }]).await
        }
    })
    .await?;
    assert!(appended.iter().all(|one| one.id == appended[0].id), "{appended:?}");
    assert_eq!(counter::value(store, appended[0].id).await?, 12);
    Ok(())
}

pub(crate) async fn two_types_may_use_the_same_key(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let counter = counter::create_with_key(store, "same", 1).await?;
    let account = store
        .with_context(async |ctx| {
            Ok::<_, Error>(ctx.create_with_key::<Account>("same").await?.id())
        })
        .await?;
    assert_eq!(holder(fixture.engine(), Counter::NAME, "same").await?, Some(counter));
    assert_eq!(holder(fixture.engine(), Account::NAME, "same").await?, Some(account));
    Ok(())
}

pub(crate) async fn a_changed_or_cleared_key_is_free(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let first = counter::create_with_key(store, "a", 1).await?;
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(first).await?;
            ctx.change_key(&mut counter, "b")
        })
        .await?;
    let second = counter::create_with_key(store, "a", 2).await?;
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(first).await?;
            assert_eq!(counter.key().map(NaturalKey::as_str), Some("b"));
            ctx.clear_key(&mut counter)
        })
        .await?;
    let third = counter::create_with_key(store, "b", 3).await?;

    assert_eq!(counter::find_by_key(store, "a").await?, Some(second));
    assert_eq!(counter::find_by_key(store, "b").await?, Some(third));
    let first = store.with_readonly_context(async |ctx| ctx.load::<Counter>(first).await).await?;
    assert_eq!((first.key(), first.state().value), (None, 1));
    Ok(())
}

pub(crate) async fn a_taken_key_refuses_the_whole_commit(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create_with_key(store, "taken", 1).await?;
    let moving = counter::create_with_key(store, "own", 1).await?;
    let keys = ["taken", "own", "fresh"];
    let before = Witness::take(fixture.engine(), Counter::NAME, &keys).await?;

    let answer = store
        .with_context(async |ctx| {
            let mut fresh = ctx.create_with_key::<Counter>("fresh").await?;
            ctx.apply(&mut fresh, Added { by: 1 })?;
            let mut taking = ctx.create_with_key::<Counter>("taken").await?;
            ctx.apply(&mut taking, Added { by: 1 })
        })
        .await;
    assert_error!(answer, Error::KeyTaken { key, .. } if key == "taken");
    assert_eq!(Witness::take(fixture.engine(), Counter::NAME, &keys).await?, before);

    let answer = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(moving).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            ctx.change_key(&mut counter, "taken")
        })
        .await;
    assert_error!(answer, Error::KeyTaken { key, .. } if key == "taken");
    assert_eq!(Witness::take(fixture.engine(), Counter::NAME, &keys).await?, before);
    Ok(())
}

/// The core does not send such a commit, but an engine refuses it nevertheless.
pub(crate) async fn a_commit_that_gives_one_key_to_two_is_refused(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let (first, second) = (raw::fresh_id(engine).await?, raw::fresh_id(engine).await?);
    let writes = vec![
        raw::set_key::<Counter>(first, Precondition::New, "one")?,
        raw::set_key::<Counter>(second, Precondition::New, "one")?,
    ];
    assert_error!(
        engine.commit(raw::commit(writes, Vec::new())).await,
        Error::KeyTaken { key, .. } if key == "one"
    );
    assert_eq!(holder(engine, Counter::NAME, "one").await?, None);
    Ok(())
}

pub(crate) async fn two_aggregates_can_swap_their_keys(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let first = counter::create_with_key(store, "a", 1).await?;
    let second = counter::create_with_key(store, "b", 2).await?;
    store
        .with_context(async |ctx| {
            let mut first = ctx.load::<Counter>(first).await?;
            let mut second = ctx.load::<Counter>(second).await?;
            ctx.clear_key(&mut first)?;
            ctx.change_key(&mut second, "a")?;
            ctx.change_key(&mut first, "b")
        })
        .await?;
    assert_eq!(counter::find_by_key(store, "a").await?, Some(second));
    assert_eq!(counter::find_by_key(store, "b").await?, Some(first));
    Ok(())
}

/// Each aggregate takes the key of the next; the last one takes a free key.
pub(crate) async fn keys_can_move_along_a_chain(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let mut counters = Vec::new();
    for key in ["a", "b", "c"] {
        counters.push(counter::create_with_key(store, key, 1).await?);
    }
    store
        .with_context(async |ctx| {
            for (&id, key) in counters.iter().zip(["b", "c", "d"]).rev() {
                let mut counter = ctx.load::<Counter>(id).await?;
                ctx.change_key(&mut counter, key)?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(counter::find_by_key(store, "a").await?, None);
    for (id, key) in counters.into_iter().zip(["b", "c", "d"]) {
        assert_eq!(counter::find_by_key(store, key).await?, Some(id));
    }
    Ok(())
}

/// The holder comes before or after the new holder in the commit, for engines that process it in order.
pub(crate) async fn a_freed_key_can_be_claimed_in_the_same_context(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let old = counter::create_with_key(store, "key", 1).await?;
    let newer = store
        .with_context(async |ctx| {
            let mut old = ctx.load_by_key::<Counter>("key").await?;
            ctx.clear_key(&mut old)?;
            Ok::<_, Error>(ctx.create_with_key::<Counter>("key").await?.id())
        })
        .await?;
    assert_eq!(counter::find_by_key(store, "key").await?, Some(newer));

    let newest = store
        .with_context(async |ctx| {
            let mut newest = ctx.create::<Counter>().await?;
            let mut newer = ctx.load_by_key::<Counter>("key").await?;
            ctx.change_key(&mut newer, "other")?;
            ctx.change_key(&mut newest, "key")?;
            Ok::<_, Error>(newest.id())
        })
        .await?;
    assert_eq!(counter::find_by_key(store, "key").await?, Some(newest));
    assert_eq!(counter::find_by_key(store, "other").await?, Some(newer));
    assert_eq!(counter::value(store, old).await?, 1);
    Ok(())
}

/// Two reads of a context may see different moments. For the key, the later read counts.
pub(crate) async fn of_two_reads_of_a_moved_key_the_later_counts(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let old = counter::create_with_key(store, "moving", 1).await?;
    let new = counter::create(store, 1).await?;
    store
        .with_context_once(async |ctx| {
            let left = ctx.load::<Counter>(old).await?;
            counter::pass_on(&fixture.rival(), "moving", new).await?;
            let mut new = ctx.load::<Counter>(new).await?;
            assert_eq!(new.key().map(NaturalKey::as_str), Some("moving"));
            assert_eq!(ctx.load_by_key::<Counter>("moving").await?.id(), new.id());
            ctx.apply(&mut new, Added { by: 1 })?;
            // The former holder cannot take the key from the new one.
            let taken = ctx.create_with_key::<Counter>("moving").await;
            assert_error!(taken, Error::KeyTaken { key, .. } if key == "moving");
            assert_eq!(left.key().map(NaturalKey::as_str), Some("moving"), "as it was read");
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(counter::value(store, new).await?, 2);

    let next = counter::create(store, 1).await?;
    let stale = store
        .with_context_once(async |ctx| {
            let mut left = ctx.load::<Counter>(new).await?;
            counter::pass_on(&fixture.rival(), "moving", next).await?;
            ctx.load::<Counter>(next).await?;
            ctx.clear_key(&mut left)?;
            let found = ctx.load_by_key::<Counter>("moving").await?;
            assert_eq!(found.id(), next, "what is cleared is another's key");
            Ok::<_, Error>(())
        })
        .await;
    assert_error!(stale, Error::Conflict { .. });
    assert_eq!(counter::find_by_key(store, "moving").await?, Some(next));
    Ok(())
}

/// The context may claim the key before or after it reads the holder.
pub(crate) async fn a_claimed_key_can_be_taken_from_its_holder(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let old = counter::create_with_key(store, "key", 1).await?;
    let heir = store
        .with_context(async |ctx| {
            let mut heir = ctx.create::<Counter>().await?;
            ctx.change_key(&mut heir, "key")?;
            let mut old = ctx.load::<Counter>(old).await?;
            assert_eq!(ctx.load_by_key::<Counter>("key").await?.id(), heir.id());
            ctx.clear_key(&mut old)?;
            assert_eq!(ctx.load_by_key::<Counter>("key").await?.id(), heir.id());
            Ok::<_, Error>(heir.id())
        })
        .await?;
    assert_eq!(counter::find_by_key(store, "key").await?, Some(heir));

    let kept = store
        .with_context(async |ctx| {
            ctx.create_with_key::<Counter>("key").await?;
            ctx.load::<Counter>(heir).await.map(drop)
        })
        .await;
    assert_error!(kept, Error::KeyTaken { key, .. } if key == "key");
    assert_eq!(counter::find_by_key(store, "key").await?, Some(heir));
    Ok(())
}

/// The core omits such a change, and an engine treats it as no change.
pub(crate) async fn an_aggregate_may_be_given_the_key_that_it_has(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let id = counter::create_with_key(fixture.store(), "own", 1).await?;
    let writes = vec![raw::set_key::<Counter>(id, Precondition::Exists, "own")?];
    engine.commit(raw::commit(writes, Vec::new())).await?;
    assert_eq!(holder(engine, Counter::NAME, "own").await?, Some(id));
    Ok(())
}

/// Each context claims two keys, half of them in the opposite order: one gets both, and none waits forever.
pub(crate) async fn racing_claims_in_opposite_orders_end(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for round in 0..5 {
        let answers = race(RUNNERS, |runner| {
            let store = store.clone();
            let mut keys = [format!("left {round}"), format!("right {round}")];
            if runner % 2 == 0 {
                keys.reverse();
            }
            async move {
                store
                    .with_context(async |ctx| {
                        for key in &keys {
                            let mut counter = ctx.create_with_key::<Counter>(key).await?;
                            ctx.apply(&mut counter, Added { by: 1 })?;
                        }
                        Ok(())
                    })
                    .await
            }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_error!(answer, Error::KeyTaken { .. });
        }
    }
    assert_eq!(fixture.log().await?.len(), 10);
    Ok(())
}

pub(crate) async fn keys_compare_byte_for_byte(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let keys = [
        "Ada", "ada", "ADA", "ada ", " ada", "ada\t", "é", "e\u{301}", "ß", "ss", "ﬁ", "fi", "Ａ",
        "A", "1", "01", "1.0", "%", "_", "a%", "'", "''", "\"", "\\", "\\\\", "null", "🦀",
        "\u{200b}", "-",
    ];
    let mut ids = Vec::new();
    for key in keys {
        ids.push(counter::create_with_key(store, key, 1).await?);
    }
    for (key, id) in keys.into_iter().zip(ids) {
        let found =
            store.with_readonly_context(async |ctx| ctx.load_by_key::<Counter>(key).await).await?;
        assert_eq!((found.id(), found.key().map(NaturalKey::as_str)), (id, Some(key)));
    }
    Ok(())
}
