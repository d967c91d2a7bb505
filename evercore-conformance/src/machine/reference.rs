//! Applies commands to the model and derives the expected answers.

mod acting;

use evercore_testing::model::{FACTS, Following, Logged, Model, Refusal, Subscription, Unit};

use super::boundaries::Ask;
use super::commands::{
    Act, Command, Expected, Kind, Step, Stream, Taste, Way, Work, is_disliked, key_text,
};
use super::queue::{Changes, Given, Queue};
use super::reason::Reason;

/// The name of the only subscription.
pub(super) const SUBSCRIPTION: &str = "follower";

/// The model, and the number of the next event.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    pub(super) model: Model<u64>,
    pub(super) queue: Queue,
    pub(super) next: u64,
    /// Whether the subscription has ever run, and is therefore stored.
    pub(super) is_stored: bool,
}

/// The expected answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// Refused for one of these reasons.
    Refused(Vec<Reason>),
    /// The aggregate does not exist or is of another type.
    Unknown,
    /// The indices in the log of the handled events, in an order that is correct within each aggregate.
    Handled(Vec<usize>),
    /// Events with these numbers.
    Events(Vec<u64>),
    /// Boundaries with events of these numbers, in the order in which they were read.
    Read(Vec<Vec<u64>>),
    Claimed(Vec<Given>),
    /// Whether a lease is held.
    Held(bool),
    /// The number of tasks that were changed.
    Changed(u64),
    Served(Served),
}

/// The results of a worker that does what is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Served {
    /// The tasks that are done.
    pub(super) done: usize,
    /// The tasks that have failed for good.
    pub(super) dead: usize,
    /// The boundaries that its handler has read.
    pub(super) read: Vec<Vec<u64>>,
}

impl Reference {
    /// Returns whether everything that a command refers to exists.
    pub(super) fn allows(&self, command: &Command) -> bool {
        let can_load = |aggregate: &usize| {
            let found = self.model.aggregates().get(*aggregate);
            found.is_some_and(|found| found.kind() != FACTS)
        };
        let exist = |work: &Work| {
            work.steps.iter().all(|step| step.aggregate().is_none_or(|it| can_load(&it)))
        };
        match command {
            Command::Work { work, .. } => exist(work),
            Command::Overtaken { work, other, .. } => exist(work) && exist(other),
            Command::Append { stream: Stream::Id(aggregate), .. }
            | Command::LoadAsOf { aggregate, .. } => can_load(aggregate),
            Command::Queue(Act::Serve(work)) => exist(work),
            Command::Queue(Act::Complete { counter: Some(counter), .. }) => {
                self.counters().contains(counter)
            }
            Command::Reset { after }
            | Command::ReadAsOf { after, .. }
            | Command::ReadTagged { after, .. } => *after <= self.model.log().len(),
            _ => true,
        }
    }

    /// Returns the aggregates that can be loaded.
    pub(super) fn loadable(&self) -> Vec<usize> {
        let all = self.model.aggregates().iter().enumerate();
        all.filter(|(_, it)| it.kind() != FACTS).map(|(place, _)| place).collect()
    }

    /// Returns the counters that have events.
    pub(super) fn counters(&self) -> Vec<usize> {
        let all = self.model.aggregates().iter().enumerate();
        let are =
            all.filter(|(_, it)| it.kind() == Kind::Counter.name() && !it.events().is_empty());
        are.map(|(place, _)| place).collect()
    }

    /// Applies a command, and returns the answer that a store should give.
    pub(super) fn answer(&mut self, command: &Command) -> Answer {
        match command {
            Command::Work { work, .. } => {
                let (unit, read) = self.read(work);
                self.finish(unit, work, read, None)
            }
            Command::Overtaken { work, reads, other, .. } => {
                let mut unit = self.model.begin();
                let aggregates = work.aggregates();
                let (before, after) = aggregates.split_at(aggregates.len().min(*reads));
                let (asks_before, asks_after) = work.asks.split_at(work.asks.len().min(*reads));
                open(&mut unit, before);
                let mut read = ask(&mut unit, asks_before);
                let (second, others) = self.read(other);
                let mut all = match self.finish(second, other, others, None) {
                    Answer::Read(others) => others,
                    _ => Vec::new(),
                };
                unit.look_again(&self.model);
                open(&mut unit, after);
                read.extend(ask(&mut unit, asks_after));
                match self.finish(unit, work, read, None) {
                    Answer::Read(read) => {
                        all.extend(read);
                        Answer::Read(all)
                    }
                    refused => refused,
                }
            }
            Command::Append { kind, stream, expected, events } => {
                self.append(*kind, *stream, *expected, *events)
            }
            Command::LoadAsOf { aggregate, sequence } => {
                let events = self.model.events(*aggregate).iter().copied();
                Answer::Events(events.take(*sequence).collect())
            }
            Command::ReadAsOf { question, after } => {
                let past = self.model.log().iter().take(*after);
                let found = past.filter(|event| question.selects(event));
                Answer::Events(found.map(|event| event.event).collect())
            }
            Command::ReadTagged { labels, after } => {
                let tags = labels.of_post();
                let later = self.model.log().iter().skip(*after);
                let found = later.filter(|event| tags.iter().all(|tag| event.has(tag)));
                Answer::Events(found.map(|event| event.event).collect())
            }
            Command::Restart => Answer::Done,
            Command::Run(taste) => Answer::Handled(self.run(*taste)),
            Command::Pause => self.control(|it| it.pause()),
            Command::Resume => self.control(|it| it.resume()),
            Command::Reset { after } => self.control(|it| it.reset(*after)),
            Command::Redrive => self.control(|it| it.ask_to_redrive()),
            Command::RedriveEvent { nth } => {
                if let Some(place) = self.parked(*nth) {
                    self.model.ask_to_redrive_event(SUBSCRIPTION, place);
                }
                Answer::Done
            }
            Command::Discard { nth } => {
                if let Some(place) = self.parked(*nth) {
                    self.model.discard(SUBSCRIPTION, place);
                }
                Answer::Done
            }
            Command::Queue(act) => self.act(act),
        }
    }

    /// Returns the index in the log of the nth parked event, modulo their number; `None` without parked events.
    pub(super) fn parked(&mut self, nth: usize) -> Option<usize> {
        let parked = self.model.subscription(SUBSCRIPTION).parked();
        let index = nth.checked_rem(parked.len())?;
        Some(parked[index].place)
    }

    fn control(&mut self, change: impl FnOnce(&mut Subscription)) -> Answer {
        if !self.is_stored {
            return Answer::Unknown;
        }
        change(self.model.subscription(SUBSCRIPTION));
        Answer::Done
    }

    /// Reads all aggregates and boundaries of a unit of work before any change, as a context does.
    fn read(&self, work: &Work) -> (Unit<u64>, Vec<Vec<u64>>) {
        let mut unit = self.model.begin();
        open(&mut unit, &work.aggregates());
        let read = ask(&mut unit, &work.asks);
        (unit, read)
    }

    /// Stages and commits a unit of work, and completes a task with it. Its events get numbers even if it is refused, as
    /// they do in the store.
    fn finish(
        &mut self,
        mut unit: Unit<u64>,
        work: &Work,
        mut read: Vec<Vec<u64>>,
        completed: Option<usize>,
    ) -> Answer {
        let mut changes = Changes::default();
        let landed = match self.stage(&mut unit, work, &mut read, &mut changes) {
            Ok(()) => self.land(unit, &changes, completed),
            // A store whose cache does not know the key's holder yet is refused only at the commit.
            Err(mut reasons) => {
                reasons.extend(self.model.used_key(&unit).map(Reason::Model));
                Err(reasons)
            }
        };
        landed.map_or_else(Answer::Refused, |()| Answer::Read(read))
    }

    /// Commits a unit of work, with its changes of the queue.
    fn land(
        &mut self,
        mut unit: Unit<u64>,
        changes: &Changes,
        completed: Option<usize>,
    ) -> Result<(), Vec<Reason>> {
        if completed.is_some() || !changes.is_empty() {
            unit.changes_elsewhere();
        }
        let mut next = self.model.clone();
        let used = next.used_key(&unit);
        let landed = next.commit(unit);
        let mut reasons: Vec<Reason> =
            landed.err().into_iter().flatten().map(Reason::Model).collect();
        if used.is_none() {
            reasons.extend(self.queue.refusals(changes, completed));
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        self.model = next;
        self.queue.land(changes, completed);
        Ok(())
    }

    fn stage(
        &mut self,
        unit: &mut Unit<u64>,
        work: &Work,
        read: &mut Vec<Vec<u64>>,
        changes: &mut Changes,
    ) -> Result<(), Vec<Reason>> {
        let mut numbers = numbers(&mut self.next, work);
        let mut next = || numbers.next().expect("BUG: there is a number for each event");
        if let Some(key) = work.idempotency_key {
            unit.idempotency_key(key_text(key));
        }
        for step in &work.steps {
            let (aggregate, events) = match step {
                Step::Create { kind, key, events } => {
                    let key = key.map(key_text);
                    (unit.create(kind.name(), key.as_deref()).map_err(reasons)?, *events)
                }
                Step::Write { aggregate, events, .. } => (*aggregate, *events),
                Step::ChangeKey { aggregate, key } => {
                    unit.change_key(*aggregate, key.map(key_text).as_deref()).map_err(reasons)?;
                    continue;
                }
                Step::Guard { aggregate } => {
                    unit.guard(*aggregate);
                    continue;
                }
                Step::Post { labels } => {
                    unit.emit(next(), labels.of_post());
                    continue;
                }
                Step::Pin { aggregate, labels } => {
                    let is_counter = unit.open(*aggregate).kind() == Kind::Counter.name();
                    let tags = if is_counter { labels.of_pin() } else { Vec::new() };
                    unit.append_tagged(*aggregate, next(), tags);
                    continue;
                }
                Step::Ask(asked) => {
                    read.extend(ask(unit, &[*asked]));
                    continue;
                }
                Step::Enqueue(errand) => {
                    changes.enqueue(*errand).map_err(|reason| vec![reason])?;
                    continue;
                }
                Step::Cancel { key } => {
                    changes.cancel(*key);
                    continue;
                }
            };
            (0..events).for_each(|_| unit.append(aggregate, next()));
        }
        Ok(())
    }

    fn append(&mut self, kind: Kind, stream: Stream, expected: Expected, events: u64) -> Answer {
        let found = match stream {
            Stream::Id(aggregate) => Some(aggregate),
            Stream::Key(key) => self.model.find(kind.name(), &key_text(key)),
        };
        let numbers: Vec<u64> = (self.next..).take(usize::try_from(events).unwrap_or(0)).collect();
        self.next += events;
        let mut unit = self.model.begin();
        let aggregate = match (found, expected) {
            (Some(found), _) => found,
            (None, Expected::Exactly(_)) => return Answer::Unknown,
            (None, _) => match stream {
                Stream::Key(key) => {
                    unit.create(kind.name(), Some(&key_text(key))).expect("BUG: the key is free")
                }
                Stream::Id(_) => return Answer::Unknown,
            },
        };
        if let Some(existing) = found {
            let now = &self.model.aggregates()[existing];
            let wanted = match expected {
                Expected::Any => now.events().len(),
                Expected::NoStream => 0,
                Expected::Exactly(sequence) => sequence,
            };
            if now.kind() != kind.name() {
                return Answer::Unknown;
            }
            if wanted != now.events().len() {
                return Answer::Refused(vec![Reason::Model(Refusal::Stale(existing))]);
            }
        }
        numbers.into_iter().for_each(|number| unit.append(aggregate, number));
        self.model.commit(unit).map_err(reasons).map_or_else(Answer::Refused, |()| Answer::Done)
    }

    fn run(&mut self, taste: Taste) -> Vec<usize> {
        self.is_stored = true;
        self.model.run(SUBSCRIPTION, |logged: &Logged<u64>| match taste {
            Taste::Fussy if is_disliked(logged.event) => Following::Fails,
            Taste::Fussy | Taste::Anything => Following::Handles,
        })
    }
}

fn reasons(refusals: Vec<Refusal>) -> Vec<Reason> {
    refusals.into_iter().map(Reason::Model).collect()
}

fn open(unit: &mut Unit<u64>, aggregates: &[(usize, Way)]) {
    for (aggregate, _) in aggregates {
        unit.open(*aggregate);
    }
}

fn ask(unit: &mut Unit<u64>, asks: &[Ask]) -> Vec<Vec<u64>> {
    let read = |&Ask { question, guarded }: &Ask| {
        if guarded {
            unit.read(question.name(), move |event| question.selects(event))
        } else {
            unit.look(|event| question.selects(event))
        }
    };
    asks.iter().map(read).collect()
}

/// Returns the numbers of a unit's events, each used once.
pub(super) fn numbers(next: &mut u64, work: &Work) -> impl Iterator<Item = u64> + use<> {
    let count: u64 = work
        .steps
        .iter()
        .map(|step| match step {
            Step::Create { events, .. } | Step::Write { events, .. } => *events,
            Step::Post { .. } | Step::Pin { .. } => 1,
            Step::ChangeKey { .. }
            | Step::Guard { .. }
            | Step::Ask(_)
            | Step::Enqueue(_)
            | Step::Cancel { .. } => 0,
        })
        .sum();
    let first = *next;
    *next += count;
    first..first + count
}
