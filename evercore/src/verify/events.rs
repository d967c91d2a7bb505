//! Reads events in the order of their aggregates, page by page.

use std::collections::VecDeque;

use super::notes::Notes;
use crate::Result;
use crate::engine::{EventKey, InspectEvents, InspectedEvent, Inspection};

/// The events of aggregates in a range of ids. Events that are written meanwhile come after those that were read, or
/// not at all.
#[derive(Debug)]
pub(super) struct Events<'a> {
    inspection: &'a dyn Inspection,
    request: InspectEvents,
    page: VecDeque<InspectedEvent>,
    at_end: bool,
}

impl<'a> Events<'a> {
    /// Makes a reader of the events after a place, of aggregates up to an id.
    pub(super) fn between(
        inspection: &'a dyn Inspection,
        after: EventKey,
        up_to: i64,
        limit: u32,
    ) -> Self {
        let request = InspectEvents { after, up_to, limit };
        Self { inspection, request, page: VecDeque::new(), at_end: false }
    }

    /// Takes the next event if its place is wanted, and counts it.
    pub(super) async fn next_if(
        &mut self,
        notes: &mut Notes<'_>,
        is_wanted: impl Fn(EventKey) -> bool,
    ) -> Result<Option<InspectedEvent>> {
        if self.page.is_empty() && !self.at_end {
            self.turn().await?;
            notes.page_done().await;
        }
        let next = self.page.pop_front_if(|event| is_wanted(event.place));
        notes.verified.events += u64::from(next.is_some());
        Ok(next)
    }

    async fn turn(&mut self) -> Result<()> {
        self.page = self.inspection.events(&self.request).await?.into();
        let most = usize::try_from(self.request.limit).unwrap_or(usize::MAX);
        self.at_end = self.page.len() < most;
        if let Some(last) = self.page.back() {
            self.request.after = last.place;
        }
        Ok(())
    }
}
