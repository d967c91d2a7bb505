use chrono::DateTime;

use super::{Digesting, Link};
use crate::engine::EventRow;
use crate::{
    AggregateId, Codec, Metadata, Payload, Position, RecordedEvent, Result, Sequence, Tags,
};

fn event(sequence: i64, change: impl FnOnce(&mut EventRow)) -> Result<RecordedEvent> {
    let metadata = Metadata::new().correlation("c").principal("ada");
    let mut row = EventRow {
        position: Position::FIRST,
        aggregate_id: AggregateId::new(17)?,
        sequence: Sequence::new(sequence)?,
        aggregate_type: "account".into(),
        event_type: "deposited".into(),
        version: 2,
        payload: Payload::from_encoded(Codec::Json, r#"{"amount":7}"#),
        event_time: DateTime::from_timestamp_micros(1_000_002).expect("a time"),
        recorded_at: DateTime::UNIX_EPOCH,
        reference: Some("r".into()),
        metadata: Some(Box::new(metadata)),
        tags: Tags::NONE,
    };
    change(&mut row);
    Ok(row.into())
}

/// The expected hashes were computed by another program from this module's docs: stored hashes must stay valid forever.
#[test]
fn hashes_stay_what_they_are() -> Result<()> {
    let first = Link::of_recorded(None, &event(3, |_| {})?)?;
    assert_eq!(
        first.to_string(),
        "4bfb99411ceabde4371b6fa9ab39f41a098fe1558e169cd3f90602a116d75cb5"
    );
    let second = Link::of_recorded(Some(first), &event(4, |_| {})?)?;
    assert_eq!(
        second.to_string(),
        "630fa361744a377e4cc9d5fa99c7267a6515f08d6d6e6ad71c3a87d8269d17e7"
    );
    let mut digest = Digesting::up_to(Position::FIRST);
    digest.add(17, 4, second);
    assert_eq!(
        digest.finish().map(|digest| digest.to_string()).as_deref(),
        Some("1:144b48d98ff736b4f65bca4c465974248033ef5cd767a6f51bbd4e9e8c538556")
    );
    Ok(())
}

#[test]
fn a_change_of_anything_that_is_stored_changes_the_hash() -> Result<()> {
    let hash =
        |previous, change: fn(&mut EventRow)| Link::of_recorded(previous, &event(3, change)?);
    let original = hash(None, |_| {})?;
    let changes: [fn(&mut EventRow); 13] = [
        |row| row.aggregate_id = AggregateId::FIRST,
        |row| row.sequence = row.sequence.next(),
        |row| row.aggregate_type = "accounts".into(),
        |row| row.event_type = "eposited".into(),
        |row| row.version = 3,
        |row| row.payload = Payload::from_encoded(Codec::Json, r#"{"amount":8}"#),
        |row| row.payload = Payload::from_encoded(Codec::Cbor, r#"{"amount":7}"#),
        |row| row.event_time = DateTime::UNIX_EPOCH,
        |row| row.reference = None,
        |row| row.reference = Some("rc".into()),
        |row| row.metadata = None,
        |row| row.metadata = Some(Box::new(Metadata::new().causation("c").principal("ada"))),
        |row| row.metadata = Some(Box::new(Metadata::new().correlation("c").principal("eve"))),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert_ne!(hash(None, change)?, original, "change {index}");
    }
    assert_ne!(hash(Some(original), |_| {})?, original, "the event before");
    let unstored: [fn(&mut EventRow); 2] =
        [|row| row.position = Position::START, |row| row.recorded_at = row.event_time];
    for same in unstored {
        assert_eq!(hash(None, same)?, original, "it is not known when the hash is made");
    }
    Ok(())
}
