//! P2: an acknowledged commit is stored exactly once; one without an answer is stored as a whole or not at all, and its
//! outcome can be asked for.

use evercore::engine::{Commit, Positions, Precondition};
use evercore::{
    CommitOutcome, Committed, Error, EventOptions, Expected, NaturalKey, RecordedEvent, Result,
    Stream,
};

use crate::assert::{assert_error, assert_unbroken};
use crate::cut::drop_after_polls;
use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{self, Diary};
use crate::domain::tally::{self, Tally};
use crate::fixture::{Fixture, whole_log};
use crate::race::{race, race_all};
use crate::{Durability, raw};

pub(crate) async fn acknowledged_commits_are_there_for_the_next_process(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let counter = counter::create_with_key(store, "counter", 1).await?;
    let tally = tally::create(store, &[1, 2, 3, 4, 5, 6, 7]).await?;
    let options = EventOptions::new().reference("page 1");
    let diary = diary::start(store, "Dear diary", options).await?;
    let empty = store
        .with_context(async |ctx| Ok::<_, Error>(ctx.create_with_key::<Diary>("empty").await?.id()))
        .await?;
    let (log, entries) = (fixture.log().await?, diary::read(store, diary).await?);

    let next = fixture.successor().await?;
    assert_eq!(whole_log(&*next.engine).await?, log);
    assert_eq!(counter::find_by_key(&next.store, "counter").await?, Some(counter));
    assert_eq!(tally::state::<Tally>(&next.store, tally).await?, Tally::of(&[1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(diary::read(&next.store, diary).await?, entries);
    let found = next
        .store
        .with_readonly_context(async |ctx| ctx.load_by_key::<Diary>("empty").await)
        .await?;
    assert_eq!(found.id(), empty);

    counter::add(&next.store, counter, 1).await?;
    assert_eq!(counter::value(&next.store, counter).await?, 2);
    assert!(!log.iter().any(|event| event.aggregate_id() == empty));
    Ok(())
}

pub(crate) async fn racing_acknowledged_commits_are_there_exactly_once(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    race_all(8, |_| {
        let store = store.clone();
        async move {
            for _ in 0..5 {
                counter::add(&store, id, 1).await?;
            }
            Ok(())
        }
    })
    .await?;

    let next = fixture.successor().await?;
    assert_eq!(counter::value(&next.store, id).await?, 40);
    let history = next.store.history(id, ..).await?.events;
    assert_eq!(history.len(), 41);
    assert_unbroken(&history);
    Ok(())
}

/// Commits race with the closing: each one is either committed and acknowledged, or refused without a trace.
pub(crate) async fn closing_loses_no_acknowledged_commit(fixture: &Fixture) -> Result<()> {
    const WRITERS: usize = 16;
    let store = fixture.store();
    counter::create(store, 0).await?;
    let answers = race(WRITERS + 1, |runner| {
        let store = store.clone();
        async move {
            if runner == WRITERS {
                return store.close().await.map(|()| None);
            }
            let key = NaturalKey::new(format!("writer {runner}"))?;
            let events = [Added { by: 1 }, Added { by: 2 }];
            let appended =
                store.append::<Counter, _>(Stream::Key(key), Expected::NoStream, events).await?;
            Ok(Some(appended.id))
        }
    })
    .await;

    let mut acknowledged = Vec::new();
    for answer in answers {
        match answer {
            Ok(id) => acknowledged.extend(id),
            Err(Error::Closed) => {}
            Err(other) => panic!("a commit beside the closing lands or is closed out: {other:?}"),
        }
    }
    if fixture.harness().durability() == Durability::Disk {
        let next = fixture.neighbour().await?;
        let log = whole_log(next.engine()).await?;
        assert_eq!(log.len(), 1 + 2 * acknowledged.len());
        for id in acknowledged {
            assert_eq!(counter::value(&next, id).await?, 3);
        }
    }
    Ok(())
}

pub(crate) async fn a_landed_commit_is_found_with_its_positions(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 0).await?;
    let events = [Added { by: 1 }, Added { by: 2 }, Added { by: 3 }];
    let appended = store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await?;
    let eventless =
        engine.commit(raw::creation::<Added>(raw::fresh_id(engine).await?, &[])).await?;
    assert!(eventless.positions.is_empty());

    let log = fixture.log().await?;
    let positions = log[1..].iter().map(RecordedEvent::position).collect();
    assert_eq!(appended.committed.positions, Positions::listed(positions)?);

    for committed in [&appended.committed, &eventless] {
        let outcome = store.find_commit(committed.id).await?;
        assert_eq!(outcome, CommitOutcome::Landed(committed.clone()));
    }
    let next = fixture.successor().await?;
    for committed in [&appended.committed, &eventless] {
        let outcome = next.store.find_commit(committed.id).await?;
        assert_eq!(
            outcome,
            CommitOutcome::Landed(committed.clone()),
            "after the process has ended"
        );
    }
    Ok(())
}

pub(crate) async fn a_commit_given_up_never_lands(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let late = one_event(fixture).await?;
    assert_eq!(engine.find_commit(late.id).await?, CommitOutcome::NeverLands);

    assert_error!(engine.commit(late.clone()).await, Error::Storage { .. });
    assert_eq!(fixture.log().await?, []);
    assert_eq!(engine.find_commit(late.id).await?, CommitOutcome::NeverLands);

    let next = fixture.successor().await?;
    assert_error!(next.engine.commit(late.clone()).await, Error::Storage { .. });
    assert_eq!(next.engine.find_commit(late.id).await?, CommitOutcome::NeverLands);
    assert_eq!(whole_log(&*next.engine).await?, []);
    Ok(())
}

pub(crate) async fn a_refused_commit_never_lands(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    counter::create_with_key(store, "taken", 0).await?;
    let mut refused = one_event(fixture).await?;
    refused.writes[0] = raw::set_key::<Counter>(refused.writes[0].id, Precondition::New, "taken")?;
    assert_error!(engine.commit(refused.clone()).await, Error::KeyTaken { .. });
    assert_eq!(engine.find_commit(refused.id).await?, CommitOutcome::NeverLands);
    Ok(())
}

pub(crate) async fn a_commit_sent_twice_lands_once(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let commit = one_event(fixture).await?;
    let first = engine.commit(commit.clone()).await?;
    assert_answers_agree(&[Ok(first.clone()), engine.commit(commit.clone()).await]);
    assert_eq!(fixture.log().await?.len(), 1);

    let twin = one_event(fixture).await?;
    let answers = race(4, |_| {
        let (engine, twin) = (fixture.shared_engine(), twin.clone());
        async move { engine.commit(twin).await }
    })
    .await;
    assert_answers_agree(&answers);
    assert_eq!(fixture.log().await?.len(), 2, "a commit sent four times at once landed once");

    let next = fixture.successor().await?;
    assert_answers_agree(&[Ok(first), next.engine.commit(commit).await]);
    assert_eq!(whole_log(&*next.engine).await?.len(), 2);
    Ok(())
}

/// Asserts that each repetition received the first answer or was refused.
fn assert_answers_agree(answers: &[Result<Committed>]) {
    let landed: Vec<_> = answers.iter().flatten().collect();
    assert!(!landed.is_empty(), "one of them landed: {answers:?}");
    assert!(landed.iter().all(|committed| *committed == landed[0]), "{landed:?}");
}

pub(crate) async fn the_outcome_asked_for_beside_the_commit_is_the_outcome(
    fixture: &Fixture,
) -> Result<()> {
    for _ in 0..20 {
        let commit = one_event(fixture).await?;
        let (engine, id) = (fixture.shared_engine(), commit.id);
        let sender = fixture.shared_engine();
        let sent = tokio::spawn(async move { sender.commit(commit).await });
        let outcome = engine.find_commit(id).await?;
        let answer = sent.await.expect("the sender panicked");
        match &outcome {
            CommitOutcome::Landed(committed) => assert_eq!(&answer?, committed),
            CommitOutcome::NeverLands => assert!(answer.is_err(), "given up, and landed"),
        }
        assert_eq!(engine.find_commit(id).await?, outcome);
    }
    Ok(())
}

pub(crate) async fn the_outcome_of_a_dropped_commit_can_be_found(fixture: &Fixture) -> Result<()> {
    const MOST_POLLS: u32 = 1_000;
    let engine = fixture.engine();
    for polls in 0..=MOST_POLLS {
        let commit = one_event(fixture).await?;
        let (id, aggregate) = (commit.id, commit.writes[0].id);
        let finished = drop_after_polls(polls, engine.commit(commit)).await.transpose()?;
        let outcome = engine.find_commit(id).await?;
        let events = fixture.store().history(aggregate, ..).await?.events.len();
        match outcome {
            CommitOutcome::Landed(_) => assert_eq!(events, 1, "said to have landed"),
            CommitOutcome::NeverLands => assert_eq!(events, 0, "said never to land"),
        }
        if let Some(committed) = finished {
            assert_eq!(outcome, CommitOutcome::Landed(committed.clone()));
            return Ok(());
        }
    }
    panic!("the commit is not through after {MOST_POLLS} polls");
}

/// Returns a commit that creates a counter with one event.
async fn one_event(fixture: &Fixture) -> Result<Commit> {
    let id = raw::fresh_id(fixture.engine()).await?;
    Ok(raw::creation(id, &[Added { by: 1 }]))
}
