//! Builds commits for an engine directly, including ones that no context would send.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use evercore::boundary::Tags;
use evercore::engine::{
    AggregateWrite, Commit, Completion, EventRow, KeyChange, NewEvent, NewSnapshot, Precondition,
    StorageEngine, TaskLease,
};
use evercore::format::Payload;
use evercore::{
    Aggregate, AggregateId, Codec, Committed, Event, Fingerprint, NaturalKey, Position,
    RecordedEvent, Result, Sequence,
};
use serde::Serialize;

/// Reserves an id that no aggregate has yet.
pub(crate) async fn fresh_id(engine: &dyn StorageEngine) -> Result<AggregateId> {
    Ok(engine.reserve_ids(1).await?.first)
}

pub(crate) fn commit(writes: Vec<AggregateWrite>, events: Vec<NewEvent>) -> Commit {
    let recorded_at = DateTime::UNIX_EPOCH;
    Commit { writes, events, ..Commit::new(recorded_at) }
}

/// Completes a task by a commit of its own.
pub(crate) async fn complete(engine: &dyn StorageEngine, lease: TaskLease) -> Result<Committed> {
    let mut commit = commit(Vec::new(), Vec::new());
    commit.completes = vec![Completion::Task(lease)];
    engine.commit(commit).await
}

/// Builds a commit that creates an aggregate with these events.
pub(crate) fn creation<E: Event + Serialize>(id: AggregateId, events: &[E]) -> Commit {
    let events = (1..).zip(events).map(|(sequence, event)| new_event(id, sequence, event));
    commit(vec![write::<E::Aggregate>(id, Precondition::New)], events.collect())
}

pub(crate) fn write<A: Aggregate>(id: AggregateId, precondition: Precondition) -> AggregateWrite {
    AggregateWrite { id, aggregate_type: A::NAME, precondition, key: KeyChange::Keep }
}

pub(crate) fn set_key<A: Aggregate>(
    id: AggregateId,
    precondition: Precondition,
    key: &str,
) -> Result<AggregateWrite> {
    let key = KeyChange::Set(NaturalKey::new(key)?);
    Ok(AggregateWrite { key, ..write::<A>(id, precondition) })
}

pub(crate) fn new_event<E: Event + Serialize>(
    id: AggregateId,
    sequence: i64,
    event: &E,
) -> NewEvent {
    let json = serde_json::to_vec(event).expect("the domain's events are plain data");
    encoded_event::<E>(id, sequence, json)
}

/// Builds an event of type `E` with an arbitrary JSON payload.
pub(crate) fn encoded_event<E: Event>(
    id: AggregateId,
    sequence: i64,
    json: impl Into<Bytes>,
) -> NewEvent {
    let payload = Payload::from_encoded(Codec::Json, json);
    let mut row = EventRow::new(
        Position::START,
        id,
        Sequence::new(sequence).expect("cases count from 1"),
        E::Aggregate::NAME.into(),
        E::NAME.into(),
        payload.clone(),
        DateTime::<Utc>::UNIX_EPOCH,
    );
    row.version = E::VERSION;
    let meta = RecordedEvent::from(row).meta().clone();
    NewEvent {
        event_type: E::NAME,
        version: E::VERSION,
        payload,
        meta,
        metadata_column: None,
        tags: Tags::NONE,
    }
}

pub(crate) fn snapshot(
    id: AggregateId,
    sequence: i64,
    fingerprint: Fingerprint,
    state: impl Into<Bytes>,
) -> NewSnapshot {
    let sequence = Sequence::new(sequence).expect("cases count from 1");
    NewSnapshot { aggregate_id: id, sequence, fingerprint, state: state.into() }
}
