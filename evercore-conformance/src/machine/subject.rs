//! The store that executes the commands.

mod acting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::engine::{Capability, StorageEngine, StoredTask, TaskLease};
use evercore::subscription::SubscriptionState;
use evercore::task::TaskId;
use evercore::{
    AggregateId, AsOf, Batch, Error, EventStore, EventStoreBuilder, FailurePolicy, Handler,
    HandlerError, NaturalKey, Position, Registry, Result, RetryPolicy, Sequence, Start,
};
use evercore_testing::model::{self, FACTS};

use super::boundaries::{self, Labels, Question, tag};
use super::commands::{
    Command, Expected, Kind, Stream, Taste, Way, Work, Writer, is_disliked, key_text,
};
use super::reference::{Reference, SUBSCRIPTION, Served, numbers};
use super::writing::{self, Known, Opened, Program, Staged, Trouble, added};
use crate::domain::counter::{Added, Counter};
use crate::domain::errands::Note;
use crate::domain::posts::{Pinned, Posted};
use crate::domain::registry;
use crate::domain::tally::{Counted, PlainCounted, Tally};
use crate::fixture::{ROOM, Setting, whole_log};
use crate::{Durability, Harness};

/// The stores of three processes on the same data.
#[derive(Debug)]
pub(super) struct Subject {
    harness: Arc<dyn Harness>,
    setting: Setting,
    pub(super) first: Process,
    second: Process,
    pub(super) plain: Process,
    /// The ids of the aggregates, by their index in the model.
    pub(super) ids: Vec<AggregateId>,
    /// The positions of the events, by their index in the model's log.
    pub(super) positions: Vec<Position>,
    /// The ids of the tasks, by their index in the model.
    pub(super) task_ids: Vec<TaskId>,
    /// The leases that commands were given.
    leases: Vec<TaskLease>,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) engine: Arc<dyn StorageEngine>,
    pub(super) store: EventStore,
}

/// A store's answer to a command.
#[derive(Debug)]
pub(super) enum Said {
    Done,
    Handled(Vec<Position>),
    Tally(Tally),
    Counter(i64),
    /// The numbers of events.
    Numbers(Vec<u64>),
    /// The numbers of the events of each boundary that was read.
    Read(Vec<Vec<u64>>),
    Claimed(Vec<StoredTask>),
    /// Whether a lease is held.
    Held(bool),
    /// The number of tasks that were changed.
    Changed(u64),
    Served(Served),
}

/// The result of a unit of work that has landed.
#[derive(Debug, Default)]
struct Landed {
    staged: Staged,
    read: Vec<Vec<u64>>,
}

impl Subject {
    pub(super) async fn new(harness: Arc<dyn Harness>, setting: Setting) -> Result<Self> {
        let first = Process::start(&*harness, setting, registry()).await?;
        let second = Process::start(&*harness, setting, registry()).await?;
        let plain = Process::start(&*harness, setting, plain_registry()?).await?;
        Ok(Self {
            harness,
            setting,
            first,
            second,
            plain,
            ids: Vec::new(),
            positions: Vec::new(),
            task_ids: Vec::new(),
            leases: Vec::new(),
        })
    }

    /// Executes a command. `before` is the state of the reference before the command.
    pub(super) async fn perform(
        &mut self,
        command: &Command,
        before: &Reference,
    ) -> Result<Said, Trouble> {
        let mut next = before.next;
        if command.has_tasks() {
            acting::next_millisecond().await;
        }
        match command {
            Command::Work { by, work } => {
                let numbers: Vec<u64> = numbers(&mut next, work).collect();
                let landed = self.work(*by, work, &self.known(before), &numbers).await?;
                Ok(Said::Read(self.adopt(landed).await?))
            }
            Command::Overtaken { work, reads, by, other } => {
                let others: Vec<u64> = numbers(&mut next, other).collect();
                let own: Vec<u64> = numbers(&mut next, work).collect();
                let known = self.known(before);
                self.overtaken((work, *reads, &own), (*by, other, &others), &known).await
            }
            Command::Append { kind, stream, expected, events } => {
                let numbers: Vec<u64> = (next..next + events).collect();
                self.append(*kind, *stream, *expected, &numbers).await
            }
            Command::LoadAsOf { aggregate, sequence } => {
                let sequence = i64::try_from(*sequence).unwrap_or(i64::MAX);
                self.load_as_of(before, *aggregate, Sequence::new(sequence)?).await
            }
            Command::ReadAsOf { question, after } => self.read_as_of(*question, *after).await,
            Command::ReadTagged { labels, after } => self.read_tagged(labels, *after).await,
            Command::Restart => self.restart().await.map_err(Trouble::from),
            Command::Run(taste) => {
                let is_paused = before.model.clone().subscription(SUBSCRIPTION).is_paused();
                Ok(Said::Handled(self.run(*taste, is_paused).await?))
            }
            Command::Pause => {
                Ok(self.store().subscriptions().pause(SUBSCRIPTION).await.map(|()| Said::Done)?)
            }
            Command::Resume => {
                Ok(self.store().subscriptions().resume(SUBSCRIPTION).await.map(|()| Said::Done)?)
            }
            Command::Reset { after } => {
                let position = after.checked_sub(1).map(|last| self.positions[last]);
                let start = position.map_or(Start::Beginning, Start::After);
                Ok(self
                    .store()
                    .subscriptions()
                    .reset(SUBSCRIPTION, start)
                    .await
                    .map(|()| Said::Done)?)
            }
            Command::RedriveEvent { nth } => {
                let mut before = before.clone();
                let place = before.parked(*nth);
                let first =
                    place.and_then(|it| before.model.ask_to_redrive_event(SUBSCRIPTION, it));
                if let Some(first) = first {
                    let position = self.positions[first];
                    self.store().subscriptions().redrive_event(SUBSCRIPTION, position).await?;
                }
                Ok(Said::Done)
            }
            Command::Discard { nth } => {
                if let Some(place) = before.clone().parked(*nth) {
                    let position = self.positions[place];
                    let subscriptions = self.store().subscriptions();
                    subscriptions.discard(SUBSCRIPTION, position, "a command", "at random").await?;
                }
                Ok(Said::Done)
            }
            Command::Redrive => {
                Ok(self.store().subscriptions().redrive(SUBSCRIPTION).await.map(|()| Said::Done)?)
            }
            Command::Queue(act) => self.act(act, before).await,
        }
    }

    pub(super) const fn store(&self) -> &EventStore {
        &self.first.store
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.first.engine.capabilities().has(capability)
    }

    /// Returns the aggregates of the model with their ids in the store.
    pub(super) fn known(&self, reference: &Reference) -> Vec<Known> {
        let aggregates = reference.model.aggregates().iter().zip(&self.ids);
        let known = |(aggregate, id): (&model::Aggregate<u64>, &AggregateId)| Known {
            id: *id,
            kind: Kind::named(aggregate.kind()),
            key: aggregate.key().map(str::to_owned),
        };
        aggregates.map(known).collect()
    }

    async fn work(
        &self,
        by: Writer,
        work: &Work,
        known: &[Known],
        numbers: &[u64],
    ) -> Result<Landed, Trouble> {
        let (store, program) = match by {
            Writer::First => (&self.first.store, Program::TakesSnapshots),
            Writer::Second => (&self.second.store, Program::TakesSnapshots),
            Writer::WithoutSnapshots => (&self.plain.store, Program::TakesNone),
        };
        // This may run within the closure of another context.
        store
            .detached()
            .with_context(async |ctx| {
                let (mut opened, mut read) = (Opened::default(), Vec::new());
                writing::open(ctx, program, &work.aggregates(), known, &mut opened).await?;
                writing::ask(ctx, &work.asks, &mut read).await?;
                let staged = writing::stage(ctx, program, work, opened, numbers, &mut read).await?;
                Ok(Landed { staged, read })
            })
            .await
    }

    /// Takes the ids of the aggregates and tasks that a unit of work has created. Returns what it has read.
    async fn adopt(&mut self, landed: Landed) -> Result<Vec<Vec<u64>>, Trouble> {
        self.task_ids.extend(landed.staged.enqueued);
        for id in landed.staged.created {
            let id = match id {
                Some(id) => id,
                None => self.next_facts().await?,
            };
            self.ids.push(id);
        }
        Ok(landed.read)
    }

    /// Returns the first aggregate in the log that is not known yet and has events that belong to none.
    async fn next_facts(&self) -> Result<AggregateId, Trouble> {
        let log = whole_log(&*self.first.engine).await?;
        let is_new = |event: &&evercore::RecordedEvent| {
            event.aggregate_type() == FACTS && !self.ids.contains(&event.aggregate_id())
        };
        let found = log.iter().find(is_new).map(evercore::RecordedEvent::aggregate_id);
        found.ok_or_else(|| {
            Trouble::Wrong("an event that belongs to no aggregate is not in the log".to_owned())
        })
    }

    async fn read_as_of(&self, question: Question, after: usize) -> Result<Said, Trouble> {
        let as_of = self.position_after(after);
        self.store()
            .with_readonly_context(async |ctx| {
                Ok(Said::Numbers(boundaries::read_as_of(ctx, question, as_of).await?))
            })
            .await
    }

    async fn read_tagged(&self, labels: &Labels, after: usize) -> Result<Said, Trouble> {
        let room = [tag("room", labels.room)].into_iter();
        let owner = labels.owner.map(|owner| tag("owner", owner));
        let tags = room.chain(owner).chain(labels.labels.iter().map(|label| tag("label", *label)));
        let tags: Vec<_> = tags.collect();
        let (mut numbers, mut after) = (Vec::new(), self.position_after(after));
        loop {
            let page = self.store().read_tagged(&tags, after).await?;
            for event in &page.events {
                numbers.push(number(event)?);
            }
            if page.at_end {
                return Ok(Said::Numbers(numbers));
            }
            if page.end <= after {
                return Err(Trouble::Wrong(format!("a page after {after} ends at {}", page.end)));
            }
            after = page.end;
        }
    }

    /// Returns the position after this many events of the log.
    fn position_after(&self, events: usize) -> Position {
        events.checked_sub(1).map_or(Position::START, |last| self.positions[last])
    }

    /// Runs two units of work; the other one commits while this one reads, or between its last read and its commit.
    async fn overtaken(
        &mut self,
        (work, reads, own): (&Work, usize, &[u64]),
        (by, other, others): (Writer, &Work, &[u64]),
        known: &[Known],
    ) -> Result<Said, Trouble> {
        let program = Program::TakesSnapshots;
        let aggregates = work.aggregates();
        let (before, after) = aggregates.split_at(aggregates.len().min(reads));
        let (asks_before, asks_after) = work.asks.split_at(work.asks.len().min(reads));
        // The keys may have moved by then.
        let after: Vec<_> = after.iter().map(|(place, _)| (*place, Way::Id)).collect();
        let mut of_other = Landed::default();
        let landed = self
            .store()
            .with_context_once(async |ctx| {
                let (mut opened, mut read) = (Opened::default(), Vec::new());
                writing::open(ctx, program, before, known, &mut opened).await?;
                writing::ask(ctx, asks_before, &mut read).await?;
                match self.work(by, other, known, others).await {
                    Ok(landed) => of_other = landed,
                    Err(wrong @ Trouble::Wrong(_)) => return Err(wrong),
                    // The later comparison with the stored state shows whether the refusal was right.
                    Err(Trouble::Store(_)) => {}
                }
                writing::open(ctx, program, &after, known, &mut opened).await?;
                writing::ask(ctx, asks_after, &mut read).await?;
                let staged = writing::stage(ctx, program, work, opened, own, &mut read).await?;
                Ok(Landed { staged, read })
            })
            .await;
        let mut read = self.adopt(of_other).await?;
        read.extend(self.adopt(landed?).await?);
        Ok(Said::Read(read))
    }

    async fn append(
        &mut self,
        kind: Kind,
        stream: Stream,
        expected: Expected,
        numbers: &[u64],
    ) -> Result<Said, Trouble> {
        let stream = match stream {
            Stream::Id(aggregate) => evercore::Stream::Id(self.ids[aggregate]),
            Stream::Key(key) => evercore::Stream::Key(NaturalKey::new(key_text(key))?),
        };
        let expected = match expected {
            Expected::Any => evercore::Expected::Any,
            Expected::NoStream => evercore::Expected::NoStream,
            Expected::Exactly(sequence) => {
                let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
                evercore::Expected::Exactly(Sequence::new(sequence)?)
            }
        };
        let numbers = numbers.iter().copied();
        let appended = match kind {
            Kind::Tally => {
                let events: Vec<_> = numbers.map(|number| Counted { number }).collect();
                self.store().append::<Tally, _>(stream, expected, events).await?
            }
            Kind::Counter => {
                let events: Vec<_> = numbers.map(added).collect();
                self.store().append::<Counter, _>(stream, expected, events).await?
            }
            Kind::Facts => unreachable!("BUG: no command appends to it"),
        };
        if !self.ids.contains(&appended.id) {
            self.ids.push(appended.id);
        }
        Ok(Said::Done)
    }

    async fn load_as_of(
        &self,
        before: &Reference,
        aggregate: usize,
        sequence: Sequence,
    ) -> Result<Said, Trouble> {
        let (id, as_of) = (self.ids[aggregate], AsOf::Sequence(sequence));
        let kind = Kind::named(before.model.aggregates()[aggregate].kind());
        self.store()
            .with_readonly_context(async |ctx| {
                Ok(match kind {
                    Kind::Tally => {
                        Said::Tally(ctx.load_as_of::<Tally>(id, as_of).await?.into_state())
                    }
                    Kind::Counter => Said::Counter(
                        ctx.load_as_of::<Counter>(id, as_of).await?.into_state().value,
                    ),
                    Kind::Facts => unreachable!("BUG: no command loads it"),
                })
            })
            .await
    }

    /// Replaces the store by that of the next process. If data outlive the engine, the old one is closed first.
    async fn restart(&mut self) -> Result<Said> {
        let process = Process::start(&*self.harness, self.setting, registry());
        match self.harness.durability() {
            Durability::Disk => {
                self.first.engine.close().await?;
                self.first = process.await?;
            }
            Durability::Process => self.first = process.await?,
        }
        Ok(Said::Done)
    }

    async fn run(&self, taste: Taste, is_paused: bool) -> Result<Vec<Position>> {
        let journal = Journal { taste, handled: Arc::default() };
        let worker = self
            .store()
            .subscription(SUBSCRIPTION)
            .batch_size(4)
            .on_failure(FailurePolicy::park())
            .spawn(journal.clone())?;
        if is_paused {
            while worker.status().state != SubscriptionState::Paused && !worker.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } else {
            crate::journal::idle(self.store(), SUBSCRIPTION, &worker).await?;
        }
        worker.shutdown().await?;
        let handled = journal.handled.lock().expect("no panic").clone();
        Ok(handled)
    }
}

impl Process {
    async fn start(harness: &dyn Harness, setting: Setting, registry: Registry) -> Result<Self> {
        let engine = harness.open().await?;
        let store = builder(setting, registry).open_shared(Arc::clone(&engine)).await?;
        Ok(Self { engine, store })
    }
}

/// Returns a builder with few retries: without a competing writer, a conflict is an error.
fn builder(setting: Setting, registry: Registry) -> EventStoreBuilder {
    let hasty = RetryPolicy::default().attempts(3).longest(Duration::from_millis(1));
    let builder = EventStore::builder().registry(registry).retry(hasty);
    match setting {
        Setting::Default => builder,
        Setting::Cached => builder.cache_aggregates(ROOM),
    }
}

fn plain_registry() -> Result<Registry> {
    Registry::builder()
        .event::<PlainCounted>()
        .event::<Added>()
        .event::<Note>()
        .event::<Pinned>()
        .event::<Posted>()
        .build()
}

/// Handles events and fails on those that the taste excludes.
#[derive(Clone, Debug)]
struct Journal {
    taste: Taste,
    handled: Arc<Mutex<Vec<Position>>>,
}

impl Handler for Journal {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        for (index, event) in batch.iter().enumerate() {
            if self.taste == Taste::Fussy && is_disliked(number(event)?) {
                return Err(HandlerError::at(index, "not to my taste"));
            }
            self.handled.lock().expect("no panic").push(event.position());
        }
        Ok(())
    }
}

/// Returns the number that an event carries.
pub(super) fn number(event: &evercore::RecordedEvent) -> Result<u64> {
    if event.is::<Added>() {
        let by = event.decode::<Added>()?.by;
        return u64::try_from(by).map_err(|_| Error::corrupt("event", format!("it adds {by}")));
    }
    if event.is::<Posted>() {
        return Ok(event.decode::<Posted>()?.number);
    }
    if event.is::<Pinned>() {
        return Ok(event.decode::<Pinned>()?.number);
    }
    Ok(event.decode::<Counted>()?.number)
}
