//! Marks each event with the id of the commit that wrote it.

use evercore::engine::{EventRow, NewEvent};
use evercore::{CommitId, Metadata, Position, RecordedEvent, Result};

/// The metadata field that holds the id of an event's commit.
pub const COMMIT_FIELD: &str = "history-commit";

/// Adds the commit's id to the metadata of an event that is about to be sent.
pub(super) fn stamp(event: &mut NewEvent, aggregate_type: &str, commit: CommitId) -> Result<()> {
    let metadata = event.meta.metadata().clone().with(COMMIT_FIELD, commit.to_string());
    event.metadata_column = metadata.to_column()?;
    // Outside the core, event metadata can only be changed by building a new recorded event.
    let mut row = EventRow::new(
        Position::START,
        event.meta.aggregate_id(),
        event.meta.sequence(),
        aggregate_type.into(),
        event.event_type.into(),
        event.payload.clone(),
        event.meta.event_time(),
    );
    row.version = event.version;
    row.reference = event.meta.reference().map(Box::from);
    row.metadata = Some(Box::new(metadata));
    event.meta = RecordedEvent::from(row).meta().clone();
    Ok(())
}

/// Returns the commit that an event names; `None` if it names none or the value is not a commit id.
pub(super) fn stamped(metadata: &Metadata) -> Option<CommitId> {
    serde_json::from_value(metadata.get(COMMIT_FIELD)?.clone()).ok()
}
