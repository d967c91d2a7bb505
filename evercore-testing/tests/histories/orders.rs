//! Violations in the order of the commits and in the state that they leave.

use std::sync::Arc;

use evercore::{EventStore, NaturalKey, Result, Sequence};
use evercore_testing::history::{
    Check, DecidedOn, KeyWish, Observation, Obstacle, Recorder, Violation,
};

use crate::domain::{Account, Deposited, assert_only, found, sound};

fn key(key: &str) -> NaturalKey {
    NaturalKey::new(key).expect("it is one")
}

#[tokio::test]
async fn a_guard_of_what_came_later_has_no_place() -> Result<()> {
    // Bob's second event is written by a commit that begins after this one was acknowledged.
    let later = Sequence::new(2)?;
    let found = found(|past| {
        let guard = past.begun(2).writes.iter_mut().find(|write| write.key == KeyWish::Keep);
        guard.expect("there is one").decided_on = DecidedOn::Sequence(later);
    });
    assert_only!(
        found.await?,
        Violation::NoOrder { after: 2, stuck }
            if matches!(stuck[0].1, Obstacle::Sequence { needed, .. } if needed == later)
    );
    Ok(())
}

#[tokio::test]
async fn a_guard_of_what_was_changed_before_has_no_place() -> Result<()> {
    let found = found(|past| {
        // The commit that guards bob at his first event, as if it had begun after his second.
        let place = past.begun_at(4);
        let mut guard = past.begun(2).clone();
        guard.events.clear();
        guard.writes.retain(|write| matches!(write.decided_on, DecidedOn::State { sequence, .. } if sequence == Sequence::FIRST));
        guard.writes.truncate(1);
        let (begun, answer) = (past.begun_at(3), past.begun_at(3) + 1);
        guard.commit = past.begun(3).commit;
        past.observations[begun] = Observation::Begun(guard);
        let moved: Vec<_> = past.observations.drain(begun..=answer).collect();
        past.observations.splice(place..place, moved);
    });
    assert_only!(
        found.await?,
        Violation::NoOrder { after: 3, stuck } if matches!(stuck[0].1, Obstacle::Needed { .. })
    );
    Ok(())
}

#[tokio::test]
async fn concurrent_commits_may_have_any_order() -> Result<()> {
    let mut past = sound().await?;
    // All commits begin before any ends.
    past.observations.sort_by_key(|seen| !matches!(seen, Observation::Begun(_)));
    past.verdict().await?.assert_sound();
    past.observations.reverse();
    past.observations.sort_by_key(|seen| !matches!(seen, Observation::Begun(_)));
    past.verdict().await?.assert_sound();
    Ok(())
}

#[tokio::test]
async fn a_key_given_to_two_has_no_place() -> Result<()> {
    let found = found(|past| past.begun(1).writes[0].key = KeyWish::Set(key("ada")));
    assert_only!(
        found.await?,
        Violation::NoOrder { after: 1, stuck }
            if matches!(&stuck[0].1, Obstacle::Taken { key, .. } if key.as_str() == "ada")
    );
    Ok(())
}

#[tokio::test]
async fn a_change_decided_on_another_key_has_no_place() -> Result<()> {
    let found = found(|past| {
        let sequence = Sequence::new(3).expect("it is one");
        past.begun(3).writes[0].decided_on = DecidedOn::State { sequence, key: Some(key("zoe")) };
    });
    assert_only!(
        found.await?,
        Violation::NoOrder { after: 3, stuck } if matches!(stuck[0].1, Obstacle::Key { .. })
    );
    Ok(())
}

#[tokio::test]
async fn a_creation_of_what_exists_has_no_place() -> Result<()> {
    let found = found(|past| {
        let existing = past.begun(0).writes[0].aggregate;
        let creation = &mut past.begun(5).writes[0];
        creation.aggregate = existing;
        creation.key = KeyWish::Keep;
    });
    assert_only!(
        found.await?,
        Violation::NoOrder { after: 5, stuck } if matches!(stuck[0].1, Obstacle::Exists(_))
    );
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_stored_otherwise_is_found() -> Result<()> {
    let found = found(|past| past.begun(3).writes[0].key = KeyWish::Set(key("mallory"))).await?;
    let is_key = |violation: &Violation| matches!(violation, Violation::Key { .. });
    let is_holder = |violation: &Violation| matches!(violation, Violation::Holder { .. });
    assert!(found.iter().any(is_key) && found.iter().any(is_holder), "{found:#?}");
    Ok(())
}

#[tokio::test]
async fn an_aggregate_that_is_not_stored_is_found() -> Result<()> {
    let found = found(|past| {
        let mut another = past.begun(5).writes[0].clone();
        another.aggregate = evercore::AggregateId::new(1_000_000).expect("it is one");
        another.key = KeyWish::Keep;
        past.begun(5).writes.push(another);
    });
    assert_only!(found.await?, Violation::Existence { stored: false, .. });
    Ok(())
}

#[tokio::test]
async fn unobserved_writers_can_be_allowed() -> Result<()> {
    let past = sound().await?;
    // Another store on the same data, which the first recorder does not observe.
    let recorder = Recorder::new();
    let observed = recorder.observe(Arc::new(past.engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    for amount in [6, 7] {
        store
            .with_context(async |ctx| {
                let mut eve = ctx.load_by_key::<Account>("eve").await?;
                ctx.apply(&mut eve, Deposited { amount })
            })
            .await?;
    }
    let history = recorder.history();
    let verdict = Check::of(&history).run(&store).await?;
    assert_eq!(verdict.violations().len(), 5, "{verdict}");
    Check::of(&history).unobserved_writers().run(&store).await?.assert_sound();
    Ok(())
}

/// Opens accounts concurrently, with one commit that was decided on a key that never existed.
async fn impossible_beside(accounts: usize) -> Result<Vec<Violation>> {
    let mut past = sound().await?;
    let recorder = Recorder::new();
    let observed = recorder.observe(Arc::new(past.engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    for number in 0..accounts {
        let key = format!("account-{number}");
        store
            .with_context(async |ctx| ctx.create_with_key::<Account>(key.as_str()).await.map(drop))
            .await?;
    }
    let sequence = Sequence::new(3)?;
    past.begun(3).writes[0].decided_on = DecidedOn::State { sequence, key: Some(key("zoe")) };
    let begun_at = past.begun_at(3);
    let place = begun_at + 1;
    let opened = recorder.history().observations().cloned().collect::<Vec<_>>();
    let (begun, answers): (Vec<_>, Vec<_>) =
        opened.into_iter().partition(|seen| matches!(seen, Observation::Begun(_)));
    past.observations.splice(place..place, begun.into_iter().chain(answers));
    Ok(past.verdict().await?.violations().to_vec())
}

#[tokio::test]
async fn a_commit_without_a_place_is_found_beside_others() -> Result<()> {
    assert_only!(
        impossible_beside(8).await?,
        Violation::NoOrder { after: 11, stuck } if matches!(stuck[0].1, Obstacle::Key { .. })
    );
    Ok(())
}

#[tokio::test]
async fn a_search_that_would_take_too_long_says_so() -> Result<()> {
    assert_only!(impossible_beside(16).await?, Violation::Undecided { .. });
    Ok(())
}
