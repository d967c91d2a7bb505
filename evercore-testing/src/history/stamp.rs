//! How an event tells which commit has written it.

use evercore::engine::{EventRow, NewEvent};
use evercore::{CommitId, Metadata, Position, RecordedEvent, Result};

/// The field of an event's metadata that names its commit.
pub const COMMIT_FIELD: &str = "history-commit";

/// Writes the commit's id into the metadata of an event that is on its way.
pub(super) fn stamp(event: &mut NewEvent, aggregate_type: &str, commit: CommitId) -> Result<()> {
    let metadata = event.meta.metadata().clone().with(COMMIT_FIELD, commit.to_string());
    event.metadata_column = metadata.to_column()?;
    // There is no other way for what is not the core to change what is said of an event.
    let row = EventRow {
        position: Position::START,
        aggregate_id: event.meta.aggregate_id(),
        sequence: event.meta.sequence(),
        aggregate_type: aggregate_type.into(),
        event_type: event.event_type.into(),
        version: event.version,
        payload: event.payload.clone(),
        event_time: event.meta.event_time(),
        recorded_at: event.meta.event_time(),
        reference: event.meta.reference().map(Box::from),
        metadata: Some(Box::new(metadata)),
    };
    event.meta = RecordedEvent::from(row).meta().clone();
    Ok(())
}

/// The commit that an event names; `None` if it names none, or what it says is no commit's id.
pub(super) fn stamped(metadata: &Metadata) -> Option<CommitId> {
    serde_json::from_value(metadata.get(COMMIT_FIELD)?.clone()).ok()
}
