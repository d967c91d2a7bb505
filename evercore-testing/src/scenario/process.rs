//! Unit tests of processes, without a store, a runtime, or a wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use evercore::command::Command;
use evercore::engine::EventRow;
use evercore::task::TaskBodies;
use evercore::{Aggregate, Event, EventDraft, RecordedEvent, Registry, Report};
use evercore_process::{Noted, Process, Rehearsal};

use super::difference::{difference, listed};
use super::{Events, short_name};

/// What a process has seen, on which a test tries further events, rejections and the lapse of time: given, when, then.
///
/// Everything that it emits, sends and enqueues is encoded as if it were stored. Time passes only by
/// [`when_time_passes`](Self::when_time_passes), which lets deadlines lapse in their order.
///
/// The events may belong to several processes of the type; each is found by its key. What is asserted is what all of them
/// have done since the last `when`.
///
/// # Panics
/// Each step panics if its expectation fails; the message lists the differences.
///
/// # Example
/// ```standalone_crate
/// use std::time::Duration;
///
/// use evercore::{Aggregate, Decide, Decision, command, state_event, task};
/// use evercore_process::{Process, Reactions};
/// use evercore_testing::ProcessScenario;
///
/// #[derive(Aggregate, Default)]
/// struct Order { number: String, is_cancelled: bool }
///
/// #[state_event(aggregate = Order)]
/// struct OrderPlaced { number: String }
///
/// #[command(aggregate = Order, target = number)]
/// struct Cancel { number: String }
/// # impl Decide<Cancel> for Order {
/// #     type Error = String;
/// #     fn decide(_: &mut Decision<'_, Self>, _: &Cancel) -> Result<(), String> { Ok(()) }
/// # }
///
/// #[derive(Aggregate, Default)]
/// struct Payment {}
///
/// #[task(queue = "payment")]
/// struct OrderLapsed { number: String }
///
/// const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 60 * 60);
///
/// impl Process for Payment {
///     fn register(on: &mut Reactions<Self>) {
///         on.event(|e: &OrderPlaced| e.number.clone(), |step, e| {
///             step.deadline("give up", THREE_DAYS, OrderLapsed { number: e.number.clone() });
///         });
///         on.deadline(|step, e: &OrderLapsed| {
///             step.send(Cancel { number: e.number.clone() });
///             step.end();
///         });
///     }
/// }
///
/// ProcessScenario::<Payment>::given([OrderPlaced { number: "42".to_owned() }])
///     .then_deadlines([("give up", THREE_DAYS)])
///     .when_time_passes(THREE_DAYS)
///     .then_sent([Cancel { number: "42".to_owned() }])
///     .then_ended();
/// ```
pub struct ProcessScenario<P: Process> {
    registry: Arc<Registry>,
    rehearsal: Rehearsal<P>,
    done: Done,
    /// What was last tried, for messages.
    tried: String,
}

/// What the steps since the last `when` have done.
#[derive(Default)]
struct Done {
    emitted: Vec<RecordedEvent>,
    sent: Vec<RecordedEvent>,
    enqueued: Vec<RecordedEvent>,
}

impl<P: Process> Default for ProcessScenario<P> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Process> ProcessScenario<P> {
    /// Starts without any event.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        match Registry::linked() {
            Ok(registry) => Self::with_registry(registry),
            Err(error) => panic!("the linked types make no registry: {error}"),
        }
    }

    /// Like [`new`](Self::new), with exactly the types of this registry.
    #[must_use]
    pub fn with_registry(registry: impl Into<Arc<Registry>>) -> Self {
        let (registry, tried) = (registry.into(), "nothing".to_owned());
        Self { registry, rehearsal: Rehearsal::new(), done: Done::default(), tried }
    }

    /// Starts after the process has reacted to these events, of one type.
    #[must_use]
    #[track_caller]
    pub fn given<E: Event>(events: impl IntoIterator<Item = E>) -> Self {
        Self::new().and(events)
    }

    /// Has the process react to more past events, of one type. What it does about them is not asserted.
    #[must_use]
    #[track_caller]
    pub fn and<E: Event>(mut self, events: impl IntoIterator<Item = E>) -> Self {
        for event in events {
            self = self.when(event);
        }
        self.done = Done::default();
        self
    }

    /// Has the process react to an event.
    #[must_use = "say what was expected: `then_sent`, `then_nothing`"]
    #[track_caller]
    pub fn when<E: Event>(self, event: E) -> Self {
        self.after(E::NAME.to_owned(), |rehearsal, noted| rehearsal.event(&event, noted))
    }

    /// Has the process react to the rejection of a command, as if it had sent it.
    #[must_use = "say what was expected: `then_sent`, `then_nothing`"]
    #[track_caller]
    pub fn when_rejected<C: Command>(self, command: C, why: &str) -> Self {
        let tried = format!("{} rejected", short_name::<C>());
        self.after(tried, |rehearsal, noted| rehearsal.rejection(&command, why, noted))
    }

    /// Lets time pass, in which deadlines lapse.
    #[must_use = "say what was expected: `then_sent`, `then_nothing`"]
    #[track_caller]
    pub fn when_time_passes(self, time: Duration) -> Self {
        self.after(format!("after {time:?}"), |rehearsal, noted| rehearsal.pass(time, noted))
    }

    /// Asserts that exactly these commands were sent, in this order. They are compared in their JSON form, without the
    /// options of their tasks.
    #[track_caller]
    pub fn then_sent(self, commands: impl Events<TaskBodies>) -> Self {
        self.compare("commands", &recorded(commands.into_drafts()), &self.done.sent);
        self
    }

    /// Asserts that exactly these tasks were enqueued, in this order. They are compared in their JSON form, without their
    /// options.
    #[track_caller]
    pub fn then_enqueued(self, tasks: impl Events<TaskBodies>) -> Self {
        self.compare("tasks", &recorded(tasks.into_drafts()), &self.done.enqueued);
        self
    }

    /// Asserts that the process has emitted exactly these events of its own, in this order. They are compared in their
    /// JSON form.
    #[track_caller]
    pub fn then_emitted(self, events: impl Events<P>) -> Self {
        self.compare("events", &recorded(events.into_drafts()), &self.done.emitted);
        self
    }

    /// Asserts that exactly these deadlines are set now, with the time until each, in the order of these times.
    #[track_caller]
    pub fn then_deadlines<'a>(
        self,
        deadlines: impl IntoIterator<Item = (&'a str, Duration)>,
    ) -> Self {
        let mut expected: Vec<_> = deadlines.into_iter().collect();
        expected.sort_by_key(|(_, left)| *left);
        let got = self.rehearsal.deadlines();
        if expected != got {
            panic!(
                "{}: the deadlines are not the expected ones\n\n  expected {expected:?}\n  got {got:?}\n",
                self.tried
            );
        }
        self
    }

    /// Asserts that nothing was emitted, sent or enqueued.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then_emitted(()).then_sent(()).then_enqueued(())
    }

    /// Asserts that all processes that have begun have ended, and that there is one.
    #[track_caller]
    pub fn then_ended(self) -> Self {
        let open = self.rehearsal.processes().filter(|(_, _, has_ended)| !has_ended);
        let open: Vec<_> = open.map(|(key, ..)| key.as_str()).collect();
        if !open.is_empty() {
            panic!("{}: expected the process to have ended, but it goes on: {open:?}", self.tried);
        }
        if self.rehearsal.processes().next().is_none() {
            panic!("{}: expected the process to have ended, but none has begun", self.tried);
        }
        self
    }

    /// Passes the state of the process with a key to the closure.
    #[track_caller]
    pub fn then_state(self, key: &str, check: impl FnOnce(&P)) -> Self {
        let mut begun = self.rehearsal.processes();
        match begun.find(|(found, ..)| found.as_str() == key) {
            Some((_, state, _)) => check(state),
            None => panic!("{}: no process has begun with the key `{key}`", self.tried),
        }
        drop(begun);
        self
    }

    #[track_caller]
    fn after(
        mut self,
        tried: String,
        act: impl FnOnce(&mut Rehearsal<P>, &mut Noted) -> evercore::Result<()>,
    ) -> Self {
        let mut noted = Noted::default();
        if let Err(error) = act(&mut self.rehearsal, &mut noted) {
            panic!("{tried}: the step failed: {}", Report::new(&error));
        }
        let emitted = noted.emitted.into_iter().map(without_place).collect();
        self.done =
            Done { emitted, sent: recorded(noted.sent), enqueued: recorded(noted.enqueued) };
        self.tried = tried;
        self
    }

    #[track_caller]
    fn compare(&self, what: &str, expected: &[RecordedEvent], got: &[RecordedEvent]) {
        if let Some(difference) = difference(&self.registry, expected, got) {
            panic!("{}: the {what} are not the expected ones\n\n{difference}\n", self.tried);
        }
    }
}

/// Encodes what was expected or done. The time is not compared.
#[track_caller]
fn recorded<A: Aggregate>(drafts: Vec<EventDraft<A>>) -> Vec<RecordedEvent> {
    let rows = drafts.into_iter().map(|draft| match draft.into_row(DateTime::UNIX_EPOCH) {
        Ok(row) => without_place(row),
        Err(error) => panic!("{}", Report::new(&error)),
    });
    rows.collect()
}

/// Returns an event without what is not compared.
fn without_place(mut row: EventRow) -> RecordedEvent {
    (row.event_time, row.recorded_at) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
    (row.reference, row.metadata) = (None, None);
    row.into()
}

impl<P: Process> fmt::Debug for ProcessScenario<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessScenario")
            .field("rehearsal", &self.rehearsal)
            .field("emitted", &listed(&self.registry, &self.done.emitted))
            .field("sent", &listed(&self.registry, &self.done.sent))
            .field("enqueued", &listed(&self.registry, &self.done.enqueued))
            .finish_non_exhaustive()
    }
}
