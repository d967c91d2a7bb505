//! Checks one aggregate: its events one after the other, and its snapshot.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::chain::Chain;
use super::notes::Notes;
use super::{AggregateAt, EventAt, Finding};
use crate::chain::{Digesting, split_snapshot};
use crate::engine::{EventKey, InspectedEvent, InspectedSnapshot};
use crate::format::link::Link;
use crate::registry::replay::{Comparison, Replaying};
use crate::registry::{AggregateEntry, KnownEvent};
use crate::report::with_causes;
use crate::{RecordedEvent, Registry};

/// An aggregate whose events are being checked.
pub(super) struct Stream<'a> {
    at: AggregateAt,
    registry: &'a Registry,
    /// The place of the event with the highest sequence so far.
    last: Option<EventKey>,
    snapshot: Option<Snapshot>,
    chain: Chain,
    /// The state that leads to the snapshot; `None` once it cannot be known.
    replay: Option<Box<dyn Replaying>>,
}

/// A snapshot, with the hash of its last event split off.
struct Snapshot {
    sequence: i64,
    state: Bytes,
    link: Option<Link>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        at: AggregateAt,
        snapshot: Option<InspectedSnapshot>,
        registry: &'a Registry,
        digests: &[Digesting],
    ) -> Self {
        let entry =
            at.aggregate_type.as_deref().and_then(|name| registry.aggregate_stored_as(name));
        let replay =
            snapshot.as_ref().zip(entry).and_then(|(snapshot, entry)| begin(snapshot, entry));
        let snapshot = snapshot.map(|InspectedSnapshot { sequence, state, .. }| {
            let (state, link) = split_snapshot(&state);
            Snapshot { sequence, state, link }
        });
        Self { at, registry, last: None, snapshot, chain: Chain::new(digests), replay }
    }

    pub(super) fn event(&mut self, inspected: InspectedEvent, notes: &mut Notes<'_>) {
        let InspectedEvent { place, event, unindexed, has_aggregate: _ } = inspected;
        let at = self.at.event(place);
        for tag in unindexed {
            notes.found(Finding::TagNotIndexed { event: at.clone(), tag });
        }
        let is_next = self.follows(place, &at, notes);
        if !is_next {
            self.chain.interrupt();
        }
        match event {
            Ok(event) if place.sequence >= 1 => {
                self.chain.event(&event, &at).into_iter().for_each(|finding| notes.found(finding));
                self.read(&event, at, notes);
            }
            Ok(_) => {
                let problem =
                    format!("its sequence is {}, but sequences start at 1", place.sequence);
                notes.found(Finding::EventDamaged { event: at, problem });
                self.replay = None;
            }
            Err(error) => {
                self.chain.interrupt();
                notes.found(Finding::EventDamaged { event: at, problem: with_causes(&error) });
                self.replay = None;
            }
        }
        if !is_next {
            self.replay = None;
        }
        self.compare(place.sequence, notes);
    }

    /// Ends the check after the last event.
    pub(super) fn finish(self, digests: &mut [Digesting], notes: &mut Notes<'_>) {
        self.chain.add_to(digests, self.at.id);
        let Some(Snapshot { sequence, .. }) = self.snapshot else { return };
        let last = self.last.map_or(0, |last| last.sequence);
        if sequence > last {
            notes.found(Finding::SnapshotBeyondEnd { aggregate: self.at, sequence, last });
        } else if sequence < 1 {
            notes.found(Finding::SnapshotUnreadable { aggregate: self.at, sequence });
        }
    }

    /// Returns whether the event is the next one of its aggregate, and reports it if not.
    fn follows(&mut self, place: EventKey, at: &EventAt, notes: &mut Notes<'_>) -> bool {
        let last = self.last.map_or(0, |last| last.sequence);
        if place.sequence < 1 {
            return false;
        }
        if place.sequence == last {
            notes.found(Finding::SequenceRepeated { event: at.clone() });
            return false;
        }
        let is_next = place.sequence == last + 1;
        if !is_next {
            let (first, last) = (last + 1, place.sequence - 1);
            notes.found(Finding::SequenceMissing { aggregate: self.at.clone(), first, last });
        }
        if let Some(EventKey { position: predecessor, .. }) = self.last
            && predecessor > place.position
        {
            notes.found(Finding::PositionOutOfOrder { event: at.clone(), predecessor });
        }
        self.last = Some(place);
        is_next
    }

    fn read(&mut self, event: &RecordedEvent, at: EventAt, notes: &mut Notes<'_>) {
        if self.at.aggregate_type.as_deref().is_some_and(|name| name != event.aggregate_type()) {
            let found = event.aggregate_type().to_owned();
            notes.found(Finding::EventOfAnotherType { event: at, found });
            self.replay = None;
            return;
        }
        let Some(known) = self.registry.known_event(event) else {
            notes.unknown(event);
            // The program that took the snapshot may have known the event, so its state cannot be compared.
            self.replay = None;
            return;
        };
        let read = match &mut self.replay {
            Some(replay) => apply(known, replay.state(), event, &at),
            None => check(known, event, &at),
        };
        if let Err(finding) = read {
            notes.found(finding);
            self.replay = None;
        }
    }

    fn compare(&mut self, sequence: i64, notes: &mut Notes<'_>) {
        let Some(snapshot) =
            self.snapshot.as_ref().filter(|snapshot| snapshot.sequence == sequence)
        else {
            return;
        };
        if snapshot.link.is_some_and(|link| self.chain.ends_otherwise(link)) {
            let aggregate = self.at.clone();
            notes.found(Finding::SnapshotOfOtherEvents { aggregate, sequence });
        }
        let Some(replay) = self.replay.take() else { return };
        notes.verified.compared_snapshots += 1;
        let aggregate = self.at.clone();
        match replay.compare(&snapshot.state) {
            Comparison::Same => {}
            Comparison::Differs(field) => {
                notes.found(Finding::SnapshotDiffers { aggregate, sequence, field });
            }
            Comparison::Unreadable => {
                notes.found(Finding::SnapshotUnreadable { aggregate, sequence });
            }
        }
    }
}

/// Begins a replay if the snapshot is of the shape that this program reads.
fn begin(snapshot: &InspectedSnapshot, entry: &AggregateEntry) -> Option<Box<dyn Replaying>> {
    let shape = entry.snapshot_shape()?;
    (snapshot.sequence >= 1 && snapshot.fingerprint == shape).then(|| entry.begin_replay())
}

fn check(known: &KnownEvent, event: &RecordedEvent, at: &EventAt) -> Result<(), Finding> {
    let read = known.check(event.payload(), event.version());
    read.map_err(|problem| Finding::EventUnreadable {
        event: at.clone(),
        problem: problem.explain(),
    })
}

/// Reads an event and applies it. A panic of user code on a damaged event is a finding.
fn apply(
    known: &KnownEvent,
    state: &mut dyn Any,
    event: &RecordedEvent,
    at: &EventAt,
) -> Result<(), Finding> {
    let apply = || known.apply(state, event.payload(), event.version(), event.meta());
    // The state is dropped if it panics.
    match catch_unwind(AssertUnwindSafe(apply)) {
        Ok(applied) => applied.map_err(|problem| Finding::EventUnreadable {
            event: at.clone(),
            problem: problem.explain(),
        }),
        Err(panic) => {
            Err(Finding::EventInapplicable { event: at.clone(), problem: words(&*panic) })
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}
