use chrono::DateTime;
use evercore::engine::{EventRow, NewEvent, NewSnapshot};
use evercore::{
    AggregateId, Codec, CommitId, Fingerprint, Payload, Position, RecordedEvent, Sequence,
};

use super::*;

fn commit(events: Vec<NewEvent>, snapshots: Vec<NewSnapshot>) -> Commit {
    Commit {
        id: CommitId::generate(),
        recorded_at: DateTime::UNIX_EPOCH,
        writes: Vec::new(),
        events,
        snapshots,
        idempotency: None,
    }
}

/// With a payload of so many bytes.
fn event(bytes: usize) -> NewEvent {
    let payload = Payload::from_encoded(Codec::Json, vec![b' '; bytes]);
    let row = EventRow {
        position: Position::FIRST,
        aggregate_id: AggregateId::FIRST,
        sequence: Sequence::FIRST,
        aggregate_type: "account".into(),
        event_type: "deposited".into(),
        version: 1,
        payload: payload.clone(),
        event_time: DateTime::UNIX_EPOCH,
        recorded_at: DateTime::UNIX_EPOCH,
        reference: None,
        metadata: None,
    };
    let meta = RecordedEvent::from(row).meta().clone();
    NewEvent { event_type: "deposited", version: 1, payload, meta, metadata_column: None }
}

fn snapshot(bytes: usize) -> NewSnapshot {
    NewSnapshot {
        aggregate_id: AggregateId::FIRST,
        sequence: Sequence::FIRST,
        fingerprint: Fingerprint::new(1),
        state: vec![0; bytes].into(),
    }
}

/// After how many of these commits a group is full.
fn room_for(commit: &Commit) -> usize {
    let mut contents = Contents::default();
    (1..)
        .find(|_| {
            contents.add(commit);
            contents.is_full()
        })
        .expect("there is an end")
}

#[test]
fn the_size_of_a_commit_is_that_of_what_it_holds() {
    assert_eq!(size(&commit(Vec::new(), Vec::new())), 0);
    assert_eq!(size(&commit(vec![event(5)], vec![snapshot(300), snapshot(40)])), 345);
}

#[test]
fn a_group_is_full_by_whatever_comes_first() {
    assert!(!Contents::default().is_full());
    assert_eq!(room_for(&commit(Vec::new(), Vec::new())), MOST_COMMITS);
    assert_eq!(room_for(&commit(vec![event(0); MOST_EVENTS / 4], Vec::new())), 4);
    assert_eq!(room_for(&commit(vec![event(0); MOST_EVENTS + 1], Vec::new())), 1);
    assert_eq!(room_for(&commit(Vec::new(), vec![snapshot(MOST_BYTES / 8)])), 8);
    assert_eq!(room_for(&commit(vec![event(MOST_BYTES)], Vec::new())), 1);
}
