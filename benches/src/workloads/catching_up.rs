//! W5: a durable subscription that starts at the beginning of a long log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use evercore::{Batch, Error, EventStore, Expected, NaturalKey, Received, Router, Stream};
use tokio::sync::Notify;

use super::{SAME_ROWS, contest as new_contest};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited};
use crate::engines::{Bed, Ground, Kind};
use crate::raw::{NewRow, Page, RawLog, SameRows, SqliteLog};

/// The number of events in a commit while the log is written, and in a page while it is read by hand.
const PAGE: i64 = 1_000;

pub(super) async fn contest(bed: &Bed, events: i64) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let contest = new_contest("W5", format!("{events} events"), &ground, "events");
    let contest = with_raw_sides(contest, &ground, events).await?;

    let store = ground.store().await?;
    for page in 1..=events / PAGE {
        let deposits = (1..=PAGE).map(MoneyDeposited::of);
        let stream = Stream::Key(NaturalKey::new(format!("account {page}"))?);
        store.append::<Account, _>(stream, Expected::NoStream, deposits).await?;
    }
    let same = ground.same_rows().await?;
    let same = same.map(|log| Crew::alone(RawReader { log: Same(log), events }));
    let typed = Follower { store: store.clone(), events, runs: 0, name: "typed", follow: Typed };
    let batch = Follower { store, events, runs: 0, name: "batch", follow: Batches };
    Ok(contest
        .optional(SAME_ROWS, same)
        .side("evercore, Router::on", Crew::alone(typed))
        .side("evercore, Batch and decode", Crew::alone(batch)))
}

async fn with_raw_sides(contest: Contest, ground: &Ground, events: i64) -> anyhow::Result<Contest> {
    if ground.kind == Kind::Sqlite {
        let log = ground.raw_sqlite().await?;
        fill(&*log, events).await?;
        let rows = RawReader { log: Rows(Arc::clone(&log) as Arc<dyn RawLog>), events };
        return Ok(contest
            .side("raw sqlx, json_group_array", Crew::alone(RawReader { log: Json(log), events }))
            .side("raw sqlx, rows", Crew::alone(rows)));
    }
    let log = ground.raw().await?;
    fill(&*log, events).await?;
    Ok(contest.side("raw sqlx", Crew::alone(RawReader { log: Rows(log), events })))
}

async fn fill(log: &dyn RawLog, events: i64) -> anyhow::Result<()> {
    for page in 1..=events / PAGE {
        let rows: anyhow::Result<Vec<NewRow>> = (1..=PAGE)
            .map(|sequence| NewRow::new(page, sequence, &MoneyDeposited::of(sequence)))
            .collect();
        log.insert_many_alone(&rows?).await?;
    }
    Ok(())
}

/// Reads the whole log, page by page.
struct RawReader<L> {
    log: L,
    events: i64,
}

struct Rows(Arc<dyn RawLog>);

struct Json(Arc<SqliteLog>);

/// The log that evercore has written.
struct Same(Arc<SameRows>);

/// A way to read a page by hand.
#[async_trait]
trait Pages: Send + 'static {
    async fn read(&self, after: i64) -> anyhow::Result<Page>;
}

#[async_trait]
impl Pages for Rows {
    async fn read(&self, after: i64) -> anyhow::Result<Page> {
        self.0.read_page_alone(after, PAGE).await
    }
}

#[async_trait]
impl Pages for Same {
    async fn read(&self, after: i64) -> anyhow::Result<Page> {
        self.0.read_page(after, PAGE).await
    }
}

#[async_trait]
impl Pages for Json {
    async fn read(&self, after: i64) -> anyhow::Result<Page> {
        self.0.read_json_page_alone(after, PAGE).await
    }
}

impl<L: Pages + Sync> Worker for RawReader<L> {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let (mut end, mut events, mut total) = (0, 0, 0);
        loop {
            let page = self.log.read(end).await?;
            if page.events == 0 {
                break;
            }
            end = page.end;
            events += page.events;
            total += page.total;
        }
        anyhow::ensure!(events == self.events.unsigned_abs(), "{events} events were read");
        anyhow::ensure!(total == total_of(self.events), "they add up to {total}");
        Ok(Step::units(events))
    }
}

/// Returns the sum of the deposits in the log.
fn total_of(events: i64) -> i64 {
    events / PAGE * (PAGE * (PAGE + 1) / 2)
}

/// Follows the log to its end with a new subscription.
struct Follower<F> {
    store: EventStore,
    events: i64,
    runs: u64,
    name: &'static str,
    follow: F,
}

struct Typed;

struct Batches;

/// The events that the handler has seen.
#[derive(Default)]
struct Seen {
    events: AtomicU64,
    total: AtomicU64,
    all: Notify,
}

impl Seen {
    fn take(&self, events: u64, total: u64, of: u64) {
        self.total.fetch_add(total, Ordering::Relaxed);
        if self.events.fetch_add(events, Ordering::Relaxed) + events >= of {
            self.all.notify_one();
        }
    }
}

/// A way to handle events.
trait Follow: Send + 'static {
    /// Follows with a new subscription.
    fn follow(
        &self,
        builder: evercore::subscription::SubscriptionBuilder,
        seen: Arc<Seen>,
        of: u64,
    ) -> evercore::Result<evercore::subscription::SubscriptionHandle>;
}

impl Follow for Typed {
    fn follow(
        &self,
        builder: evercore::subscription::SubscriptionBuilder,
        seen: Arc<Seen>,
        of: u64,
    ) -> evercore::Result<evercore::subscription::SubscriptionHandle> {
        builder.spawn(Router::new().on(async move |deposited: Received<MoneyDeposited>| {
            seen.take(1, deposited.amount.unsigned_abs(), of);
            Ok::<_, Error>(())
        }))
    }
}

impl Follow for Batches {
    fn follow(
        &self,
        builder: evercore::subscription::SubscriptionBuilder,
        seen: Arc<Seen>,
        of: u64,
    ) -> evercore::Result<evercore::subscription::SubscriptionHandle> {
        builder.spawn(async move |batch: Batch| {
            let (mut events, mut total) = (0, 0);
            for event in &batch {
                total += event.decode::<MoneyDeposited>()?.amount.unsigned_abs();
                events += 1;
            }
            seen.take(events, total, of);
            Ok::<_, Error>(())
        })
    }
}

impl<F: Follow + Sync> Worker for Follower<F> {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.runs += 1;
        let seen = Arc::new(Seen::default());
        let builder = self.store.subscription(format!("{} {}", self.name, self.runs));
        let events = self.events.unsigned_abs();
        let running = self.follow.follow(builder, Arc::clone(&seen), events)?;
        seen.all.notified().await;
        // The last settlement is part of the work.
        running.shutdown().await?;
        let total = seen.total.load(Ordering::Relaxed);
        anyhow::ensure!(
            total == total_of(self.events).unsigned_abs(),
            "the events add up to {total}"
        );
        Ok(Step::units(events))
    }
}
