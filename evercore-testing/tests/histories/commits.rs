//! Violations in the outcomes of commits.

use evercore::engine::Positions;
use evercore::{CommitId, Position, Result, Sequence};
use evercore_testing::history::{DecidedOn, Observation, Refusal, Violation};

use crate::domain::{assert_only, found, sound};

#[tokio::test]
async fn a_history_in_which_all_is_right_is_found_so() -> Result<()> {
    let verdict = sound().await?.verdict().await?;
    verdict.assert_sound();
    let counts = verdict.counts();
    assert_eq!((counts.events, counts.commits, counts.acknowledged, counts.refused), (5, 7, 6, 1));
    Ok(())
}

#[tokio::test]
async fn a_commit_without_an_answer_may_have_landed() -> Result<()> {
    let mut past = sound().await?;
    for number in 0..6 {
        let Observation::Acknowledged { commit, .. } = *past.answer(number) else {
            panic!("commit {number} was acknowledged");
        };
        *past.answer(number) = Observation::Unknown { commit };
    }
    let verdict = past.verdict().await?;
    verdict.assert_sound();
    assert_eq!(verdict.counts().unknown_landed, 6);
    Ok(())
}

#[tokio::test]
async fn a_commit_without_an_answer_may_be_missing() -> Result<()> {
    let mut past = sound().await?;
    let mut missing = past.begun(2).clone();
    missing.commit = CommitId::generate();
    past.observations.push(Observation::Begun(missing));
    let verdict = past.verdict().await?;
    verdict.assert_sound();
    assert_eq!(verdict.counts().unknown_lost, 1);
    Ok(())
}

#[tokio::test]
async fn an_acknowledged_commit_that_is_missing_is_lost() -> Result<()> {
    let found = found(|past| {
        let (mut lost, commit) = (past.begun(2).clone(), CommitId::generate());
        lost.commit = commit;
        past.observations.push(Observation::Begun(lost));
        past.observations.push(Observation::Acknowledged { commit, positions: Positions::NONE });
    });
    let found = found.await?;
    assert!(matches!(found[0], Violation::Lost { present: 0, of: 2, .. }), "{found:#?}");
    assert!(matches!(found[1], Violation::Outcome { landed: false, .. }), "{found:#?}");
    Ok(())
}

#[tokio::test]
async fn an_acknowledged_commit_without_events_that_is_missing_is_found_by_its_outcome()
-> Result<()> {
    let found = found(|past| {
        let (mut lost, commit) = (past.begun(3).clone(), CommitId::generate());
        lost.commit = commit;
        past.observations.push(Observation::Begun(lost));
        past.observations.push(Observation::Acknowledged { commit, positions: Positions::NONE });
    });
    assert_only!(found.await?, Violation::Outcome { landed: false, .. });
    Ok(())
}

#[tokio::test]
async fn a_part_of_a_commit_is_torn() -> Result<()> {
    let found = found(|past| {
        let more = past.begun(2).events[0].clone();
        past.begun(2).events.push(more);
        let commit = past.begun(2).commit;
        *past.answer(2) = Observation::Unknown { commit };
    });
    assert_only!(found.await?, Violation::Torn { present: 2, of: 3, .. });
    Ok(())
}

#[tokio::test]
async fn more_than_a_commit_was_to_write_is_doubled() -> Result<()> {
    let found = found(|past| drop(past.begun(2).events.pop()));
    assert_only!(found.await?, Violation::Doubled { present: 2, of: 1, .. });
    Ok(())
}

#[tokio::test]
async fn a_refused_commit_that_is_there_is_found() -> Result<()> {
    let found = found(|past| {
        let commit = past.begun(4).commit;
        let reason = Refusal::IdempotencyKeyUsed("request".to_owned());
        *past.answer(4) = Observation::Refused { commit, reason };
    });
    assert_only!(found.await?, Violation::Refused { position, .. } if position.get() == 5);
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_altered_is_found() -> Result<()> {
    let found = found(|past| past.begun(4).events[0].payload = past.begun(0).events[0].payload);
    assert_only!(found.await?, Violation::Altered { event, .. } if event.position.get() == 5);
    Ok(())
}

#[tokio::test]
async fn an_event_without_a_commit_is_found() -> Result<()> {
    let found = found(|past| {
        let place = past.begun_at(4);
        past.observations.drain(place..place + 2);
    });
    assert_only!(found.await?, Violation::Unclaimed { event, commit: Some(_) } if event.position.get() == 5);
    Ok(())
}

#[tokio::test]
async fn an_acknowledgement_of_a_commit_that_was_never_sent_is_found() -> Result<()> {
    let found = found(|past| {
        let commit = CommitId::generate();
        past.observations.push(Observation::Acknowledged { commit, positions: Positions::NONE });
    });
    assert_only!(found.await?, Violation::NeverBegun { .. });
    Ok(())
}

#[tokio::test]
async fn an_acknowledgement_with_other_positions_is_found() -> Result<()> {
    let found = found(|past| {
        let commit = past.begun(4).commit;
        let wrong = Position::new(4).expect("it is one");
        let positions = Positions::span(wrong, wrong).expect("it is one");
        *past.answer(4) = Observation::Acknowledged { commit, positions };
    });
    assert_only!(found.await?, Violation::Misplaced { .. });
    Ok(())
}

#[tokio::test]
async fn a_commit_decided_on_another_state_than_it_landed_on_is_stale() -> Result<()> {
    let found = found(|past| {
        past.begun(4).writes[0].decided_on = DecidedOn::Sequence(Sequence::ZERO);
    });
    assert_only!(
        found.await?,
        Violation::Stale { decided_on: Sequence::ZERO, written, .. } if written.get() == 2
    );
    Ok(())
}

#[tokio::test]
async fn a_commit_that_begins_after_an_acknowledgement_and_comes_before_it_is_early() -> Result<()>
{
    let found = found(|past| {
        // The first commit, as if it had begun after all others had ended.
        let first: Vec<_> = past.observations.drain(..2).collect();
        past.observations.extend(first);
    });
    assert_only!(found.await?, Violation::Early { position: Position::FIRST, at, .. } if at.get() == 5);
    Ok(())
}

#[tokio::test]
async fn two_commits_with_one_idempotency_key_are_found() -> Result<()> {
    let found = found(|past| past.begun(2).idempotency_key = Some("request".to_owned()));
    assert_only!(found.await?, Violation::IdempotencyKey { key, .. } if key == "request");
    Ok(())
}
