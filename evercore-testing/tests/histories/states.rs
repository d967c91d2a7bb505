//! Violations in states loaded from snapshots.

use bytes::Bytes;
use evercore::engine::{Commit, NewSnapshot, StorageEngine};
use evercore::{Aggregate, Result, Sequence};
use evercore_testing::history::{Check, History, Observation, Violation};

use crate::domain::{Account, sound};

#[tokio::test]
async fn a_state_from_a_snapshot_that_lies_is_found() -> Result<()> {
    let past = sound().await?;
    let history = History::of(past.observations.clone());
    let check = || Check::of(&history).states_of::<Account>();
    check().run(&past.store).await?.assert_sound();

    let ada = match &past.observations[0] {
        Observation::Begun(begun) => begun.writes[0].aggregate,
        other => panic!("{other:?} is no beginning"),
    };
    let fingerprint = <Account as Aggregate>::SNAPSHOTS.expect("it has").fingerprint();
    let snapshot = NewSnapshot {
        aggregate_id: ada,
        sequence: Sequence::new(2)?,
        fingerprint,
        state: Bytes::from_static(br#"{"balance":1000000}"#),
    };
    past.engine.commit(lie(snapshot)).await?;
    let verdict = check().run(&past.store).await?;
    assert_eq!(verdict.violations(), [Violation::State { aggregate: ada }]);
    Ok(())
}

fn lie(snapshot: NewSnapshot) -> Commit {
    Commit { snapshots: vec![snapshot], ..Commit::new(chrono::DateTime::UNIX_EPOCH) }
}
