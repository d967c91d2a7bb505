//! The simulated database: the engine in memory, with commits that take several steps like those of PostgreSQL.
//!
//! A writer announces a floor, draws positions, becomes visible, and removes the floor. A reader asks for the last
//! position that was drawn, then for the lowest floor, and takes its snapshot last. Other tasks run between any two
//! steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evercore::engine::{
    AcquireRequest, Acquired, Beat, Commit, CursorMove, Detail, Heartbeat, LogQuery, LogSignal,
    Reader, Settled, Settlement, StorageEngine, StoredSubscription, SubscriptionStorage,
};
use evercore::{
    Clock, Committed, Error, LogPage, Position, RecordedEvent, Result, SubscriptionName,
};
use evercore_memory::MemoryEngine;
use futures_util::FutureExt;

use crate::clock::{JumpingClock, pause};
use crate::observer::Observer;
use crate::plan::{Plan, Sabotage};

/// The state that all processes share.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) plan: Plan,
    pub(crate) memory: MemoryEngine,
    /// The signals of the processes, in the order in which they were started.
    told: Mutex<Vec<LogSignal>>,
    pub(crate) clock: Arc<JumpingClock>,
    random: Mutex<fastrand::Rng>,
    appends: Mutex<Appends>,
    observer: Mutex<Observer>,
}

/// The transactions that append.
#[derive(Debug, Default)]
struct Appends {
    last_drawn: i64,
    last_transaction: u64,
    floors: BTreeMap<u64, i64>,
    /// Positions that were drawn but are not committed, either yet or ever.
    hidden: BTreeSet<i64>,
}

/// The outcome of a transaction that has drawn its positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commits,
    RollsBack,
}

impl Database {
    pub(crate) fn new(plan: &Plan) -> Arc<Self> {
        let clock = Arc::new(JumpingClock::new());
        Arc::new(Self {
            memory: MemoryEngine::with_clock(Arc::clone(&clock) as Arc<dyn Clock>),
            told: Mutex::default(),
            clock,
            random: Mutex::new(fastrand::Rng::with_seed(plan.seed)),
            appends: Mutex::default(),
            observer: Mutex::new(Observer::new(plan)),
            plan: plan.clone(),
        })
    }

    pub(crate) fn random(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies a process of all later commits.
    pub(crate) fn tell(&self, process: LogSignal) {
        self.told().push(process);
    }

    fn told(&self) -> MutexGuard<'_, Vec<LogSignal>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn appends(&self) -> MutexGuard<'_, Appends> {
        self.appends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets other tasks run between two steps of a reader.
    async fn step(&self) {
        self.pause(4).await;
    }

    /// Lets other tasks run between two steps of a writer, which may be slow.
    async fn linger(&self) {
        let longest = if self.random().u32(..6) == 0 { 80 } else { 4 };
        self.pause(longest).await;
    }

    async fn pause(&self, longest: u64) {
        let millis = self.random().u64(0..=longest);
        pause(Duration::from_millis(millis)).await;
    }

    pub(crate) async fn append(&self, commit: Commit, ending: Ending) -> Result<Committed> {
        let floor = self.appends().last_drawn;
        self.linger().await;
        let transaction = {
            let mut appends = self.appends();
            appends.last_transaction += 1;
            let transaction = appends.last_transaction;
            appends.floors.insert(transaction, floor);
            transaction
        };
        self.linger().await;
        let landed = at_once(self.memory.commit(commit));
        if let Ok(Committed { positions, .. }) = &landed
            && let Some(last) = positions.last()
        {
            let mut appends = self.appends();
            appends.hidden.extend(positions.iter().map(Position::get));
            appends.last_drawn = last.get();
        }
        self.linger().await;
        if ending == Ending::Commits
            && let Ok(Committed { positions, .. }) = &landed
            && let (Some(first), Some(last)) = (positions.first(), positions.last())
        {
            self.appends().hidden.retain(|drawn| !(first.get()..=last.get()).contains(drawn));
            self.observer().appeared(&self.between(first, last));
            self.linger().await;
        }
        self.appends().floors.remove(&transaction);
        self.told().iter().for_each(LogSignal::notify);
        match ending {
            Ending::Commits => landed,
            Ending::RollsBack => Err(Error::Busy { source: "it was rolled back".into() }),
        }
    }

    fn between(&self, first: Position, last: Position) -> Vec<RecordedEvent> {
        let after = Position::new(first.get() - 1).expect("positions start at 1");
        let count = u32::try_from(last.get() - first.get() + 1).expect("commits are small");
        at_once(self.memory.read_log(LogQuery::new(after, count))).expect("it is open").events
    }

    /// Returns the position up to which readers may read.
    async fn frontier(&self) -> i64 {
        if self.plan.sabotage == Sabotage::NaiveFrontier {
            let appends = self.appends();
            return (1..=appends.last_drawn)
                .rev()
                .find(|position| !appends.hidden.contains(position))
                .unwrap_or(0);
        }
        let drawn = self.appends().last_drawn;
        self.step().await;
        let floor = self.appends().floors.values().min().copied();
        floor.map_or(drawn, |floor| floor.min(drawn))
    }

    pub(crate) async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let early = self.appends().hidden.clone();
        let frontier = self.frontier().await;
        self.step().await;
        let hidden = match self.plan.sabotage {
            Sabotage::FrontierOfOneSnapshot => early,
            _ => self.appends().hidden.clone(),
        };
        let after = query.after;
        let LogPage { mut events, end, at_end, .. } = at_once(self.memory.read_log(query))?;
        let is_there = |position: i64| position <= frontier && !hidden.contains(&position);
        let cuts = end.get() > frontier;
        events.retain(|event| is_there(event.position().get()));
        let end = if cuts {
            let last = (after.get() + 1..=frontier).rev().find(|position| is_there(*position));
            last.map_or(after, |last| Position::new(last).expect("it is a position"))
        } else {
            end
        };
        Ok(LogPage::new(events, end, at_end || cuts))
    }

    pub(crate) async fn heartbeat(&self, beats: Vec<Beat>) -> Result<Heartbeat> {
        let frontier = self.frontier().await;
        let hidden = self.appends().hidden.clone();
        let head = (1..=frontier).rev().find(|position| !hidden.contains(position)).unwrap_or(0);
        let mut beats = beats;
        if self.plan.sabotage == Sabotage::NoRenewal {
            beats.iter_mut().for_each(|beat| beat.renew = None);
        }
        let mut heartbeat = at_once(self.memory.heartbeat(&beats))?;
        heartbeat.head = Position::new(head)?;
        Ok(heartbeat)
    }

    pub(crate) fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        let before = self.stored(&request.subscription);
        let acquired = at_once(self.memory.acquire(request))?;
        if let Acquired::Granted(grant) = &acquired {
            self.observer().granted(grant, &request.owner, before.as_ref());
        }
        Ok(acquired)
    }

    /// Settles a batch, together with the effects that the handler wrote in the same transaction.
    pub(crate) fn settle(&self, settlement: &Settlement, effects: &[Position]) -> Result<Settled> {
        let before = self.stored(&settlement.lease.subscription);
        let sabotaged = self.sabotaged(settlement, before.as_ref());
        let settled = at_once(self.memory.settle(&sabotaged))?;
        if settled == Settled::Now {
            self.observer().settled(settlement, before.as_ref(), effects);
        }
        Ok(settled)
    }

    fn sabotaged(&self, wanted: &Settlement, stored: Option<&StoredSubscription>) -> Settlement {
        let mut settlement = wanted.clone();
        let index = usize::try_from(wanted.lease.partition).expect("small");
        let place = stored.and_then(|stored| stored.partitions.get(index));
        let sabotage = self.plan.sabotage;
        if let (Some(place), Some(cursor)) = (place, &mut settlement.cursor) {
            if matches!(sabotage, Sabotage::UnconditionalCursor | Sabotage::NoPlace) {
                *cursor = CursorMove { from: place.cursor, to: cursor.to };
            }
            let forgets = matches!(sabotage, Sabotage::UnconditionalCursor | Sabotage::NoToken);
            if let (true, Some(lease)) = (forgets, &place.lease) {
                settlement.lease.token = lease.token;
            }
        }
        if sabotage == Sabotage::DropsParked {
            settlement.parked.clear();
        }
        settlement
    }

    pub(crate) fn stored(&self, name: &SubscriptionName) -> Option<StoredSubscription> {
        at_once(self.memory.subscriptions(Some(name), Detail::Backlog)).expect("it is open").pop()
    }
}

/// Returns the answer of the engine in memory, which never waits.
pub(crate) fn at_once<F: Future>(call: F) -> F::Output {
    call.now_or_never().expect("the engine in memory does not wait")
}
