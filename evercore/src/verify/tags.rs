//! Checks that the index of tags names the events that have them.
//!
//! Each event is inspected together with the rows that it should have, so this looks for rows that should not be there.

use super::Finding;
use super::notes::Notes;
use crate::Result;
use crate::engine::{InspectedTag, InspectedTagged, Inspection};

pub(super) async fn check_tags(
    inspection: &dyn Inspection,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let mut last = None;
    loop {
        let page = inspection.tag_index(last, page_size).await?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            last = Some(row.key);
            if let Some(problem) = problem_of(&row) {
                let (tag, position) = (row.key.tag, row.key.position);
                notes.found(Finding::TagIndexDamaged { tag, position, problem });
            }
        }
        notes.page_done().await;
    }
}

fn problem_of(row: &InspectedTag) -> Option<String> {
    let InspectedTag { key, event } = row;
    let Some(InspectedTagged { event_type, tags }) = event else {
        return Some("there is no such event".to_owned());
    };
    if *event_type != key.event_type {
        let named = key.event_type;
        return Some(format!("it names the type {named}, but the event has {event_type}"));
    }
    match tags {
        Ok(tags) if tags.indexes().all(|tag| tag != key.tag) => {
            Some("the event has no such tag".to_owned())
        }
        // Tags that cannot be read are a finding about the event.
        Ok(_) | Err(_) => None,
    }
}
