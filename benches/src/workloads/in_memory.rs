//! W9: the cost of the framework itself, without any I/O.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::{AggregateId, Error, EventStore, RecordedEvent};
use evercore_memory::MemoryEngine;
use tokio::runtime::Handle;

use super::EVERCORE;
use super::deciding::deposit;
use super::rehydrating::Reader;
use crate::contest::{Contest, Plan, Row, Side};
use crate::cpu::Server;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, Deposit, MoneyDeposited};
use crate::sample::{Worked, float};

/// The number of events in a history, and of pieces of work between two readings of the clock.
const PIECES: i64 = 1_000;

/// The number of steps after which a log is discarded, so that memory use does not dominate the measurement.
const STEPS_OF_A_LOG: u32 = 50;

pub(super) async fn run(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let mut rows = append().await?.run(plan).await?;
    rows.extend(execute().await?.run(plan).await?);
    rows.extend(replay().await?.run(plan).await?);
    rows.extend(decode().await?.run(plan).await?);
    Ok(rows)
}

fn contest(case: &'static str) -> Contest {
    Contest::new("W9", case, "memory", "events", Server::None)
}

/// Commits one event at a time.
async fn append() -> anyhow::Result<Contest> {
    Ok(contest("append one event")
        .side("Vec under a mutex", Solo::new(Pusher::default()))
        .side("evercore, with_context", Solo::new(Opener { store: store().await?, steps: 0 })))
}

/// Executes commands on accounts with up to 20 events.
async fn execute() -> anyhow::Result<Contest> {
    let by_hand = Depositor { store: store().await?, steps: 0, by: By::Context };
    let by_command = Depositor { store: store().await?, steps: 0, by: By::Command };
    Ok(contest("load, decide, append")
        .side("evercore, with_context", Solo::new(by_hand))
        .side("evercore, execute", Solo::new(by_command)))
}

/// Replays a history of a thousand events.
async fn replay() -> anyhow::Result<Contest> {
    let store = store().await?;
    let id = open(&store, PIECES).await?;
    let payloads: Result<Vec<_>, _> =
        (1..=PIECES).map(|amount| serde_json::to_vec(&MoneyDeposited::of(amount))).collect();
    Ok(contest("replay")
        .side("serde_json and apply", Solo::new(Replayer { payloads: payloads? }))
        .side(EVERCORE, Solo::new(Reader { store, ids: vec![id], next: 0, units: PIECES })))
}

/// Decodes recorded events to typed ones.
async fn decode() -> anyhow::Result<Contest> {
    let store = store().await?;
    let id = open(&store, PIECES).await?;
    let events = store.history(id, ..).await?.events;
    Ok(contest("decode")
        .side("serde_json", Solo::new(Parser { events: events.clone() }))
        .side(EVERCORE, Solo::new(Decoder { events })))
}

async fn store() -> Result<EventStore, Error> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    store.warmup().await?;
    Ok(store)
}

pub(super) async fn open(store: &EventStore, events: i64) -> Result<AggregateId, Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            for amount in 1..=events {
                ctx.apply(&mut account, MoneyDeposited::of(amount))?;
            }
            Ok(account.id())
        })
        .await
}

/// A single worker that does all of its work in the calling thread.
struct Solo<W>(Crew<W>);

impl<W: Worker> Solo<W> {
    fn new(worker: W) -> Self {
        Self(Crew::alone(worker))
    }
}

#[async_trait]
impl<W: Worker> Side for Solo<W> {
    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
        self.0.work(time).await
    }

    fn allocations(&mut self) -> anyhow::Result<Option<f64>> {
        let mut done = None;
        let allocated = allocation_counter::measure(|| {
            let step = self.0.workers().next().map(Worker::step);
            done =
                step.map(|step| tokio::task::block_in_place(|| Handle::current().block_on(step)));
        });
        let Some(step) = done.transpose()? else { return Ok(None) };
        Ok(Some(float(allocated.count_total) / float(step.units)))
    }
}

/// The minimal columns of an event.
#[expect(dead_code, reason = "kept, as a log keeps them")]
struct Kept {
    aggregate: i64,
    sequence: i64,
    event_type: &'static str,
    payload: Vec<u8>,
    recorded_at: DateTime<Utc>,
}

#[derive(Default)]
struct Pusher {
    log: Mutex<Vec<Kept>>,
    steps: u32,
}

struct Opener {
    store: EventStore,
    steps: u32,
}

struct Depositor {
    store: EventStore,
    steps: u32,
    by: By,
}

/// The way in which a deposit is made.
#[derive(Clone, Copy)]
enum By {
    Context,
    Command,
}

struct Replayer {
    payloads: Vec<Vec<u8>>,
}

struct Parser {
    events: Vec<RecordedEvent>,
}

struct Decoder {
    events: Vec<RecordedEvent>,
}

impl Worker for Pusher {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_OF_A_LOG) {
            self.log = Mutex::default();
        }
        for aggregate in 1..=PIECES {
            let payload = serde_json::to_vec(&MoneyDeposited::of(aggregate))?;
            let kept = Kept {
                aggregate,
                sequence: 1,
                event_type: "money-deposited",
                payload,
                recorded_at: Utc::now(),
            };
            self.log.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        }
        Ok(Step::units(PIECES.unsigned_abs()))
    }
}

impl Worker for Opener {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_OF_A_LOG) {
            self.store = store().await?;
        }
        for _ in 0..PIECES {
            open(&self.store, 1).await?;
        }
        Ok(Step::units(PIECES.unsigned_abs()))
    }
}

impl Worker for Depositor {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_OF_A_LOG) {
            self.store = store().await?;
        }
        let accounts = PIECES / super::deciding::COMMITS_OF_AN_ACCOUNT;
        for _ in 0..accounts {
            let id = open(&self.store, 1).await?;
            for _ in 1..super::deciding::COMMITS_OF_AN_ACCOUNT {
                match self.by {
                    By::Context => deposit(&self.store, id).await?,
                    By::Command => drop(self.store.execute::<Account, _>(id, Deposit).await?),
                }
            }
        }
        Ok(Step::units(PIECES.unsigned_abs()))
    }
}

impl Worker for Replayer {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let mut account = Account::default();
        for payload in &self.payloads {
            account.replay(&serde_json::from_slice(payload)?);
        }
        anyhow::ensure!(account.books.deposits == PIECES, "all are replayed");
        Ok(Step::units(PIECES.unsigned_abs()))
    }
}

impl Worker for Parser {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let mut total = 0;
        for event in &self.events {
            total += serde_json::from_slice::<MoneyDeposited>(event.payload().bytes())?.amount;
        }
        checked(total)
    }
}

impl Worker for Decoder {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let mut total = 0;
        for event in &self.events {
            total += event.decode::<MoneyDeposited>()?.amount;
        }
        checked(total)
    }
}

fn checked(total: i64) -> anyhow::Result<Step> {
    anyhow::ensure!(total == PIECES * (PIECES + 1) / 2, "they add up to {total}");
    Ok(Step::units(PIECES.unsigned_abs()))
}
