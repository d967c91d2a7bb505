//! Takes the steps of processes without a store, for tests.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use evercore::chrono::{DateTime, TimeDelta, Utc};
use evercore::command::{Command, Emitted};
use evercore::engine::EventRow;
use evercore::task::{TaskBodies, TaskBody};
use evercore::{
    AggregateId, Decision, Error, Event, EventDraft, NaturalKey, Position, Result, Sequence,
};

use crate::process::Process;
use crate::reactions::{Because, Reaction, Reactions};
use crate::step::Step;

/// The processes of a type without a store: each event, rejection, failure or lapse of time leads to the steps that a
/// store would take. `ProcessScenario` of `evercore-testing` is made of it, and is what tests use.
pub struct Rehearsal<P: Process> {
    reactions: Reactions<P>,
    processes: BTreeMap<NaturalKey, Rehearsed<P>>,
    deadlines: Vec<Pending>,
    now: Duration,
}

/// What steps have done.
#[derive(Default)]
#[non_exhaustive]
pub struct Noted {
    /// The events of the processes, as they would be stored.
    pub emitted: Vec<EventRow>,
    /// The commands, in their order.
    pub sent: Vec<EventDraft<TaskBodies>>,
    /// The tasks, in their order.
    pub enqueued: Vec<EventDraft<TaskBodies>>,
    changes: Vec<Change>,
}

/// A process.
struct Rehearsed<P> {
    state: P,
    id: AggregateId,
    sequence: Sequence,
    has_begun: bool,
    has_ended: bool,
}

/// A change of the deadlines of a process.
enum Change {
    Set { name: String, after: Duration, event: Box<dyn Any> },
    Cancel { name: String },
}

/// A deadline that is set.
struct Pending {
    key: NaturalKey,
    name: String,
    due: Duration,
    event: Box<dyn Any>,
}

impl<P: Process> Default for Rehearsal<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Process> Rehearsal<P> {
    /// Begins without any process, at the Unix epoch.
    #[must_use]
    pub fn new() -> Self {
        let reactions = Reactions::of_process();
        let (processes, deadlines) = (BTreeMap::new(), Vec::new());
        Self { reactions, processes, deadlines, now: Duration::ZERO }
    }

    /// Takes the step for an event. An event without a reaction leads to none.
    ///
    /// # Errors
    /// The error that makes the step fail.
    pub fn event<E: Event>(&mut self, event: &E, noted: &mut Noted) -> Result<()> {
        let Self { reactions, processes, deadlines, now } = self;
        let Some(reaction) = find(&reactions.events, TypeId::of::<E>()) else { return Ok(()) };
        let Some(key) = reaction.key(event)? else { return Ok(()) };
        let count = processes.len();
        let process = processes.entry(key.clone()).or_insert_with(|| Rehearsed::new(count));
        let steps = Steps { reactions, deadlines, now: *now };
        steps.take(&key, process, (reaction, event, ""), noted)
    }

    /// Takes the step for the rejection of a command. A rejection without a reaction, or of a process that has not begun,
    /// leads to none.
    ///
    /// # Errors
    /// The error that makes the step fail.
    pub fn rejection<C: Command>(
        &mut self,
        command: &C,
        why: &str,
        noted: &mut Noted,
    ) -> Result<()> {
        self.returned(command, (Because::Rejected, why), noted)
    }

    /// Takes the step for a command that has failed for good. A failure without a reaction, or of a process that has not
    /// begun, leads to none.
    ///
    /// # Errors
    /// The error that makes the step fail.
    pub fn failure<C: Command>(&mut self, command: &C, why: &str, noted: &mut Noted) -> Result<()> {
        self.returned(command, (Because::Failed, why), noted)
    }

    fn returned<C: Command>(
        &mut self,
        command: &C,
        (because, why): (Because, &str),
        noted: &mut Noted,
    ) -> Result<()> {
        let Self { reactions, processes, deadlines, now } = self;
        let Some(reaction) = reactions.to_returned(TypeId::of::<C>(), because) else {
            return Ok(());
        };
        let Some(key) = reaction.key(command)? else { return Ok(()) };
        let Some(process) = processes.get_mut(&key).filter(|process| process.has_begun) else {
            return Ok(());
        };
        let steps = Steps { reactions, deadlines, now: *now };
        steps.take(&key, process, (reaction, command, why), noted)
    }

    /// Lets time pass, and takes the steps for the deadlines that lapse, those first that are due first.
    ///
    /// # Errors
    /// The error that makes a step fail.
    pub fn pass(&mut self, time: Duration, noted: &mut Noted) -> Result<()> {
        let until = self.now.saturating_add(time);
        while let Some(lapsed) = self.next_until(until) {
            self.now = self.now.max(lapsed.due);
            let Self { reactions, processes, deadlines, now } = &mut *self;
            let event = (*lapsed.event).type_id();
            let reaction = reactions.to_returned(event, Because::Lapsed);
            let reaction = reaction.expect("BUG: a deadline has a reaction");
            let process = processes.get_mut(&lapsed.key).expect("BUG: a process has set it");
            let steps = Steps { reactions, deadlines, now: *now };
            steps.take(&lapsed.key, process, (reaction, &*lapsed.event, ""), noted)?;
        }
        self.now = until;
        Ok(())
    }

    /// Removes the next deadline that is due by a time.
    fn next_until(&mut self, until: Duration) -> Option<Pending> {
        let due = self.deadlines.iter().enumerate().filter(|(_, pending)| pending.due <= until);
        let (index, _) = due.min_by_key(|(_, pending)| pending.due)?;
        Some(self.deadlines.remove(index))
    }

    /// Returns the deadlines that are set, with the time until each, in the order of these times.
    #[must_use]
    pub fn deadlines(&self) -> Vec<(&str, Duration)> {
        let left = |pending: &Pending| pending.due.saturating_sub(self.now);
        let mut all: Vec<_> =
            self.deadlines.iter().map(|pending| (&*pending.name, left(pending))).collect();
        all.sort_by_key(|(_, left)| *left);
        all
    }

    /// Returns the processes that have begun: their keys, their states, and whether they have ended.
    pub fn processes(&self) -> impl Iterator<Item = (&NaturalKey, &P, bool)> {
        let begun = self.processes.iter().filter(|(_, process)| process.has_begun);
        begun.map(|(key, process)| (key, &process.state, process.has_ended))
    }
}

/// Takes steps at a time.
struct Steps<'a, P: Process> {
    reactions: &'a Reactions<P>,
    deadlines: &'a mut Vec<Pending>,
    now: Duration,
}

impl<P: Process> Steps<'_, P> {
    fn take(
        self,
        key: &NaturalKey,
        process: &mut Rehearsed<P>,
        (reaction, input, why): (&Reaction<P>, &dyn Any, &str),
        noted: &mut Noted,
    ) -> Result<()> {
        if process.has_ended {
            return Ok(());
        }
        let decision =
            Decision::on(&mut process.state).of(process.id, process.sequence).at(at(self.now)?);
        let before = noted.emitted.len();
        let mut step = Step::rehearsed(decision, noted, self.reactions.rules());
        reaction.react(&mut step, input, why);
        let ended = step.finish()?;
        process.has_begun |= ended.does_anything;
        process.has_ended = ended.has_ended;
        if let Some(last) = noted.emitted[before..].last() {
            process.sequence = last.sequence;
        }
        for change in noted.changes.drain(..) {
            let (Change::Set { name, .. } | Change::Cancel { name }) = &change;
            self.deadlines.retain(|pending| pending.key != *key || pending.name != *name);
            if let Change::Set { name, after, event } = change {
                let due = self.now.saturating_add(after);
                self.deadlines.push(Pending { key: key.clone(), name, due, event });
            }
        }
        Ok(())
    }
}

fn find<P: Process>(reactions: &[Reaction<P>], input: TypeId) -> Option<&Reaction<P>> {
    reactions.iter().find(|reaction| reaction.input == input)
}

/// Returns the time that is this long after the Unix epoch.
fn at(since: Duration) -> Result<DateTime<Utc>> {
    let later = TimeDelta::from_std(since).ok();
    let time = later.and_then(|later| DateTime::UNIX_EPOCH.checked_add_signed(later));
    time.ok_or(Error::TimeOutOfRange {
        what: "time of a rehearsal",
        time: DateTime::<Utc>::MAX_UTC,
    })
}

impl<P: Process> Rehearsed<P> {
    /// Makes the process after `count` others.
    fn new(count: usize) -> Self {
        let id = i64::try_from(count).ok().and_then(|count| AggregateId::new(count + 1).ok());
        Self {
            state: P::default(),
            id: id.expect("BUG: a test has too many processes"),
            sequence: Sequence::ZERO,
            has_begun: false,
            has_ended: false,
        }
    }
}

impl Noted {
    pub(crate) fn set_deadline<D: TaskBody>(&mut self, name: &str, after: Duration, event: D) {
        let (name, event) = (name.to_owned(), Box::new(event));
        self.changes.push(Change::Set { name, after, event });
    }

    pub(crate) fn cancel_deadline(&mut self, name: &str) {
        self.changes.push(Change::Cancel { name: name.to_owned() });
    }

    pub(crate) fn emit<P: Process>(&mut self, emitted: &[Emitted]) -> Result<()> {
        for emitted in emitted {
            let (event_type, meta) = (emitted.event_type(), emitted.meta());
            let payload = emitted.payload().map_err(|error| Error::Encode {
                name: event_type.name().to_owned(),
                source: error.to_string().into(),
            })?;
            let mut row = EventRow::new(
                Position::FIRST,
                meta.aggregate_id(),
                meta.sequence(),
                P::NAME.into(),
                event_type.name().into(),
                payload.clone(),
                meta.event_time(),
            );
            row.version = event_type.version();
            self.emitted.push(row);
        }
        Ok(())
    }
}

impl<P: Process> fmt::Debug for Rehearsal<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal")
            .field("process", &P::NAME)
            .field("now", &self.now)
            .field("deadlines", &self.deadlines())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noted")
            .field("emitted", &self.emitted.len())
            .field("sent", &self.sent.len())
            .field("enqueued", &self.enqueued.len())
            .finish_non_exhaustive()
    }
}
