//! Counts what stores do, for Prometheus.

mod counters;
mod gauges;
mod histogram;
mod queues;
mod subscriptions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use evercore::EventStore;
use evercore::observer::{Observation, Observer};
use evercore::subscription::SubscriptionInfo;
use evercore::task::QueueStatus;
use futures_util::FutureExt;
use futures_util::future::join;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE as TEXT, encode};
use prometheus_client::registry::Registry;
use tracing::{info, warn};

use crate::shared::Shared;
use crate::stored::{queues, stored};
use counters::Counters;

/// The time that a scrape waits for the database.
const WITHIN: Duration = Duration::from_secs(2);

/// Keeps metrics of stores in the format of Prometheus, and answers `GET /metrics`. Clones share them.
///
/// As an [`Observer`] it counts commits, loads, reruns and what handlers do: set it with
/// [`EventStoreBuilder::observer`](evercore::EventStoreBuilder::observer). These figures are of this process. With each
/// scrape, [`router`](Self::router) adds gauges of the stored subscriptions and of the queues of tasks, which are of the
/// whole database.
///
/// The only labels that grow are the names of subscriptions and of queues, for at most 1,000 of each; what further
/// subscriptions do is counted under the name `other`.
///
/// # Example
/// ```standalone_crate
/// use evercore::EventStore;
/// use evercore_memory::MemoryEngine;
/// use evercore_web::Metrics;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// let metrics = Metrics::new();
/// let store = EventStore::builder().observer(metrics.clone()).open(MemoryEngine::new()).await?;
/// let app = axum::Router::new().merge(metrics.router(&store));
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Counters>);

/// The findings of a scrape in the database.
#[derive(Debug, Default)]
struct Found {
    /// `None` if the database was not reached.
    subscriptions: Option<Vec<SubscriptionInfo>>,
    /// `None` if they were not counted in time.
    queues: Option<Vec<QueueStatus>>,
}

/// Whether the last scrape has found something.
#[derive(Debug)]
struct Sight {
    of: &'static str,
    was_there: AtomicBool,
}

impl Metrics {
    /// Makes metrics that have counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the route `/metrics`, in the text format 0.0.4 of Prometheus.
    ///
    /// It adds gauges about the store's subscriptions and queues. While the database cannot be reached, they are left out,
    /// and `evercore_up` is 0: the scrape succeeds nevertheless, within two seconds, and a quarter of a second more if
    /// the engine blocks its thread. The gauges of queues are also left out while counting the tasks takes longer than
    /// two seconds. Scrapes at the same time share one look at the database, whose result is kept for a second.
    pub fn router(&self, store: &EventStore) -> Router {
        let sights = Arc::new([Sight::of("subscriptions"), Sight::of("queues")]);
        let (store, of_the_looks) = (store.clone(), Arc::clone(&sights));
        let shared = Shared::new(WITHIN, move || {
            let (store, sights) = (store.clone(), Arc::clone(&of_the_looks));
            let look = async move {
                let (subscriptions, queues) =
                    join(stored(&store, WITHIN), queues(&store, WITHIN)).await;
                let [of_subscriptions, of_queues] = &*sights;
                Found {
                    subscriptions: of_subscriptions.note(subscriptions),
                    queues: of_queues.note(queues),
                }
            };
            look.boxed()
        });
        let scraped = Scraped { metrics: self.clone(), shared, sights };
        Router::new().route("/metrics", get(scrape)).with_state(scraped)
    }
}

impl Observer for Metrics {
    fn observe(&self, observation: &Observation<'_>) {
        self.0.observe(observation);
    }
}

#[derive(Clone, Debug)]
struct Scraped {
    metrics: Metrics,
    shared: Arc<Shared<Found>>,
    sights: Arc<[Sight; 2]>,
}

async fn scrape(State(Scraped { metrics, shared, sights }): State<Scraped>) -> Response {
    let found = shared.get().await.unwrap_or_else(|why| {
        let [of_subscriptions, _] = &*sights;
        let subscriptions = of_subscriptions.note(Err(why));
        Arc::new(Found { subscriptions, queues: None })
    });
    let mut text = String::new();
    let counters = metrics.0.registry();
    let encoded = encode(&mut text, counters).and_then(|()| {
        let mut registry = Registry::default();
        let registered = registry.sub_registry_with_prefix("evercore");
        gauges::register(registered, found.subscriptions.as_deref());
        if let Some(queues) = &found.queues {
            queues::register(registered, queues);
        }
        encode(&mut text, &registry)
    });
    match encoded {
        Ok(()) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written").into_response()
        }
    }
}

impl Sight {
    const fn of(of: &'static str) -> Self {
        Self { of, was_there: AtomicBool::new(true) }
    }

    /// Logs when scrapes no longer find something in the database, or find it again.
    fn note<T>(&self, found: Result<T, String>) -> Option<T> {
        let gauges = self.of;
        match (self.was_there.swap(found.is_ok(), Ordering::Relaxed), found) {
            (was_there, Ok(found)) => {
                if !was_there {
                    info!(gauges, "scrapes of metrics read the database again");
                }
                Some(found)
            }
            (was_there, Err(error)) => {
                if was_there {
                    warn!(
                        gauges,
                        error, "a scrape of metrics did not read the database; gauges are left out"
                    );
                }
                None
            }
        }
    }
}
