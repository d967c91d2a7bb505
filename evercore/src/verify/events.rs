//! Events in the order of their aggregates, page by page.

use std::collections::VecDeque;

use super::notes::Notes;
use crate::Result;
use crate::engine::{EventPlaced, InspectEvents, InspectedEvent, Inspection};

/// The events of aggregates in a range of ids. What is written meanwhile comes after what was read, or not at all.
#[derive(Debug)]
pub(super) struct Events<'a> {
    inspection: &'a dyn Inspection,
    request: InspectEvents,
    page: VecDeque<InspectedEvent>,
    at_end: bool,
}

impl<'a> Events<'a> {
    /// Those of aggregates after one id and up to another.
    pub(super) fn between(
        inspection: &'a dyn Inspection,
        after: EventPlaced,
        up_to: i64,
        limit: u32,
    ) -> Self {
        let request = InspectEvents { after, up_to, limit };
        Self { inspection, request, page: VecDeque::new(), at_end: false }
    }

    /// The next one, if its place is as wanted. It is counted.
    pub(super) async fn next_if(
        &mut self,
        notes: &mut Notes<'_>,
        is_wanted: impl Fn(EventPlaced) -> bool,
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
