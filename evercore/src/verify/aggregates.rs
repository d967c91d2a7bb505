//! Checks aggregates, each with its events and its snapshot.
//!
//! Anything that refers to something else is read before it: an aggregate with its snapshot before its events, and an
//! event together with whether its aggregate exists. Nothing is ever removed, so rows that are written meanwhile raise
//! no false alarm.

use super::events::Events;
use super::notes::Notes;
use super::stream::Stream;
use super::{AggregateAt, Finding, Scope};
use crate::chain::Digesting;
use crate::engine::{EventKey, InspectedAggregate, InspectedColumns, InspectedEvent, Inspection};
use crate::report::with_causes;
use crate::{AggregateId, Registry, Result};

/// A place before all events, even before those with damaged numbers.
const BEGINNING: EventKey =
    EventKey { aggregate_id: i64::MIN, sequence: i64::MIN, position: i64::MIN };

/// Checks aggregates with their events and snapshots.
pub(super) struct Aggregates<'a> {
    pub(super) inspection: &'a dyn Inspection,
    pub(super) registry: &'a Registry,
    pub(super) scope: Scope,
    pub(super) page_size: u32,
    /// The highest aggregate id so far.
    pub(super) highest: i64,
    /// The digests of all chained events, each up to a position.
    pub(super) digests: Vec<Digesting>,
}

impl<'a> Aggregates<'a> {
    /// Checks all aggregates in the scope.
    pub(super) async fn run(&mut self, notes: &mut Notes<'_>) -> Result<()> {
        let (mut after, mut events_after) = (None, BEGINNING);
        loop {
            let page = self.inspection.aggregates(after, self.page_size).await?;
            let Some(last) = page.last().map(|last| last.id) else { break };
            match &self.scope {
                Scope::Whole => self.page(page, events_after, last, notes).await?,
                Scope::OfType(name) => {
                    let is_wanted = |row: &InspectedAggregate| {
                        let columns = row.aggregate.as_ref();
                        columns
                            .is_some_and(|columns| columns.aggregate_type.as_deref() == Some(name))
                    };
                    let wanted: Vec<_> = page.into_iter().filter(is_wanted).collect();
                    for row in wanted {
                        let (after, id) =
                            (EventKey::after_all_of(row.id.saturating_sub(1)), row.id);
                        self.page(vec![row], after, id, notes).await?;
                    }
                }
            }
            (after, events_after) = (Some(last), EventKey::after_all_of(last));
            notes.page_done().await;
        }
        if matches!(self.scope, Scope::Whole) {
            // The events that are left: those of aggregates that do not exist, or did not when the last page was read.
            self.page(Vec::new(), events_after, i64::MAX, notes).await?;
        }
        Ok(())
    }

    /// Checks some aggregates, and all events in the range of ids that they are in.
    async fn page(
        &mut self,
        aggregates: Vec<InspectedAggregate>,
        after: EventKey,
        up_to: i64,
        notes: &mut Notes<'_>,
    ) -> Result<()> {
        let mut events = Events::between(self.inspection, after, up_to, self.page_size);
        let mut previous = None;
        for row in aggregates {
            let id = row.id;
            if row.aggregate.is_some() {
                self.highest = self.highest.max(id);
            }
            let is_again = previous.replace(id) == Some(id);
            let Some(mut stream) = self.row(row, is_again, notes) else { continue };
            self.strays(&mut events, Some(id), notes).await?;
            while let Some(event) = events.next_if(notes, |place| place.aggregate_id == id).await? {
                stream.event(event, notes);
            }
            stream.finish(&mut self.digests, notes);
        }
        self.strays(&mut events, None, notes).await
    }

    /// Checks the row of an aggregate. Returns `None` if its events are to be treated as those of no aggregate.
    fn row(
        &self,
        row: InspectedAggregate,
        is_again: bool,
        notes: &mut Notes<'_>,
    ) -> Option<Stream<'a>> {
        let InspectedAggregate { id, aggregate, snapshot } = row;
        if !is_again {
            notes.verified.snapshots += u64::from(snapshot.is_some());
        }
        let Some(InspectedColumns { aggregate_type, key }) = aggregate else {
            notes.found(Finding::SnapshotWithoutAggregate { aggregate_id: id });
            return None;
        };
        let at = AggregateAt { aggregate_type: aggregate_type.as_deref().map(str::to_owned), id };
        let mut damaged = |problem: String| {
            notes.found(Finding::AggregateDamaged { aggregate: at.clone(), problem });
        };
        if is_again {
            damaged("another aggregate has the same id".to_owned());
            return None;
        }
        if let Err(error) = AggregateId::new(id) {
            damaged(error.to_string());
        }
        if aggregate_type.is_none() {
            damaged("its type number stands for no type".to_owned());
        }
        if let Some(Err(error)) = key {
            notes
                .found(Finding::KeyDamaged { aggregate: at.clone(), problem: with_causes(&error) });
        }
        notes.verified.aggregates += 1;
        Some(Stream::new(at, snapshot, self.registry, &self.digests))
    }

    /// Checks events whose aggregates are not on the page, up to one that is.
    async fn strays(
        &self,
        events: &mut Events<'_>,
        up_to: Option<i64>,
        notes: &mut Notes<'_>,
    ) -> Result<()> {
        let is_stray = |place: EventKey| up_to.is_none_or(|id| place.aggregate_id < id);
        let mut stream: Option<(i64, Stream<'a>)> = None;
        while let Some(event) = events.next_if(notes, is_stray).await? {
            let id = event.place.aggregate_id;
            let at = AggregateAt { aggregate_type: type_of(&event), id };
            if !event.has_aggregate {
                notes.found(Finding::EventWithoutAggregate { event: at.event(event.place) });
                continue;
            }
            let newcomer = match stream.take() {
                Some((known, stream)) if known == id => stream,
                // The aggregate was created after its page was read, and so lies beyond the digests.
                _ => Stream::new(at, None, self.registry, &[]),
            };
            let (_, stream) = stream.insert((id, newcomer));
            stream.event(event, notes);
        }
        Ok(())
    }
}

fn type_of(event: &InspectedEvent) -> Option<String> {
    event.event.as_ref().ok().map(|event| event.aggregate_type().to_owned())
}
