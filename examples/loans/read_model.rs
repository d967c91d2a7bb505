//! Keeps figures with a subscription, in tables of their own in the database of the events.
//!
//! Each batch of events is counted in the same transaction in which the subscription's cursor moves, so that every
//! event is counted once, even if the program is killed.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use evercore::subscription::{SubscriptionBuilder, SubscriptionState, SubscriptionStatus};
use evercore::{AggregateId, Batch, Error, EventStore};
use tokio_util::sync::CancellationToken;

use crate::domain::{Lifecycle, LoanApplication};
use crate::figures::{Figures, Span};
use crate::report::activity;

/// The name of the subscription.
pub(crate) const NAME: &str = "loan-figures";

const CREATE_ACTIVITIES: &str = include_str!("read_model/create_activities.sql");
const CREATE_CASES: &str = include_str!("read_model/create_cases.sql");
const COUNT_ACTIVITY: &str = include_str!("read_model/count_activity.sql");
const STRETCH_CASE: &str = include_str!("read_model/stretch_case.sql");
const READ_ACTIVITIES: &str = "SELECT activity, lifecycle, events FROM loan_activities";
const READ_CASES: &str = "SELECT first_at, last_at FROM loan_cases";

/// The interval between two queries for the progress.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The engine that keeps the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadModel {
    Postgres,
    Sqlite,
}

/// The additions of a batch to the figures.
#[derive(Default)]
struct Additions {
    activities: BTreeMap<(String, Lifecycle), i64>,
    cases: BTreeMap<AggregateId, Span>,
}

impl ReadModel {
    /// Returns the read model for the store at a URL.
    pub(crate) fn at(url: &str) -> Self {
        if url.starts_with("postgres") { Self::Postgres } else { Self::Sqlite }
    }

    /// Works until all events of the store are counted. `show` is called with the progress from time to time.
    pub(crate) async fn catch_up(
        self,
        store: &EventStore,
        show: impl Fn(&SubscriptionStatus),
    ) -> anyhow::Result<()> {
        self.create(store).await?;
        let stop = CancellationToken::new();
        let subscription = store
            .subscription(NAME)
            .aggregate::<LoanApplication>()
            .batch_size(1_000)
            // If an earlier run was killed, its lease must end first.
            .lease(Duration::from_secs(5))
            .stop_on(stop.clone());
        let progress = subscription.progress();
        let caught_up = async {
            while progress.status().state != SubscriptionState::Live {
                show(&progress.status());
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let mut keeping = pin!(self.keep(subscription));
        tokio::select! {
            ended = &mut keeping => return Ok(ended?),
            () = caught_up => stop.cancel(),
        }
        Ok(keeping.await?)
    }

    /// Reads the figures from the tables.
    pub(crate) async fn read(self, store: &EventStore) -> anyhow::Result<Figures> {
        let (activities, cases) = match self {
            Self::Postgres => postgres::read(store).await?,
            Self::Sqlite => sqlite::read(store).await?,
        };
        let mut figures = Figures::default();
        for (activity, lifecycle, events) in activities {
            let activity = (activity, Lifecycle::parse(&lifecycle)?);
            figures.activities.insert(activity, u64::try_from(events)?);
        }
        for (first_at, last_at) in cases {
            figures.add_case(Span { first_at, last_at });
        }
        Ok(figures)
    }

    async fn create(self, store: &EventStore) -> anyhow::Result<()> {
        match self {
            Self::Postgres => postgres::create(store).await,
            Self::Sqlite => sqlite::create(store).await,
        }
    }

    async fn keep(self, subscription: SubscriptionBuilder) -> Result<(), Error> {
        match self {
            Self::Postgres => postgres::keep(subscription).await,
            Self::Sqlite => sqlite::keep(subscription).await,
        }
    }
}

/// Rows of both tables, as they are read.
type Rows = (Vec<(String, String, i64)>, Vec<(i64, i64)>);

impl Additions {
    fn of(batch: &Batch) -> Result<Self, Error> {
        let mut additions = Self::default();
        for event in batch {
            *additions.activities.entry(activity(event)?).or_default() += 1;
            let now = Span::of(event.event_time());
            let case = additions.cases.entry(event.aggregate_id()).or_insert(now);
            *case = case.and(now);
        }
        Ok(additions)
    }
}
